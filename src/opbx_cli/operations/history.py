"""What a command changed, as an entry of the audit trail."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opbx_cli.models import SETTING_NAMES, Secret, Settings

if TYPE_CHECKING:
    from opbx_cli.store.history import HistoryEntry


@dataclass(frozen=True, slots=True)
class HistoryList:
    entries: tuple[HistoryEntry, ...]


def entry_of(
    command: str,
    profile: str | None,
    before: Settings | None,
    after: Settings | None,
    *,
    also_changed: Iterable[str] = (),
    result: str = "ok",
) -> HistoryEntry:
    """Compare a profile before and after; names only, and keys as fingerprints."""
    from opbx_cli.store.history import HistoryEntry

    old, new = before or Settings(), after or Settings()
    changed = [name for name in SETTING_NAMES if getattr(old, name) != getattr(new, name)]
    secrets = [
        name
        for name in changed
        if isinstance(getattr(old, name), Secret) or isinstance(getattr(new, name), Secret)
    ]
    return HistoryEntry(
        time=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=command,
        profile=profile,
        domain_uuid=new.domain_uuid or old.domain_uuid,
        changed=(*changed, *also_changed),
        result=result,
        fingerprints={
            name: (_fingerprint(getattr(old, name)), _fingerprint(getattr(new, name)))
            for name in secrets
        },
    )


def _fingerprint(secret: Secret | None) -> str | None:
    return None if secret is None else secret.fingerprint
