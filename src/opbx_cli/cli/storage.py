"""What is kept on this computer: the store, its paths, and the audit trail beside it."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from opbx_cli.models import Secret
from opbx_cli.settings import ALLOW_SHARED_STORE
from opbx_cli.store import KeySource, Store, StorePaths, sharing, store_paths
from opbx_cli.store_paths import history_path, trunk_names_folder

if TYPE_CHECKING:  # only a type: see below
    from opbx_cli.operations.audit_event import AuditTrail


class Storage:
    """The files under `home` (OPBX_HOME), or where this system keeps such files."""

    def __init__(self, home: str | None, environ: MutableMapping[str, str]) -> None:
        self._home = home
        self._environ = environ

    @cached_property
    def paths(self) -> StorePaths:
        return store_paths(self._home)

    @cached_property
    def history(self) -> AuditTrail:
        # 2 ms, for JSON: what only reads the store does without.
        from opbx_cli.operations.audit_event import AuditTrail  # noqa: PLC0415

        return AuditTrail(history_path(self._home))

    @property
    def trunk_names_folder(self) -> Path:
        """Where shells find the trunks that were listed last."""
        return trunk_names_folder(self._home)

    def store(self, *, ask_passphrase: Callable[[], Secret] | None) -> Store:
        """Return the store, and take what opens it out of the environment."""
        source = KeySource.from_environment(self._environ)
        return Store(
            self.paths,
            source,
            ask_passphrase=ask_passphrase,
            allow_shared=sharing.is_permitted(self._environ, ALLOW_SHARED_STORE),
        )
