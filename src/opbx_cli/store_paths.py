"""Where the store and its keys lie: apart, so that a backup of one is not both."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from opbx_cli import file_permissions
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError

if TYPE_CHECKING:  # only a type: see below
    from platformdirs import PlatformDirs

HOME_VARIABLE = "OPBX_HOME"

_NOT_IN_A_PATH = frozenset({"Cc", "Zl", "Zp"})  # controls, and what ends a line


class StorePaths(NamedTuple):
    """The files of one store."""

    config: Path  # the folder of the store
    keys: Path  # the folder of the key files

    @property
    def store(self) -> Path:
        return self.config / "store.toml"

    @property
    def backup(self) -> Path:
        return self.config / "store.toml.bak"

    @property
    def lock(self) -> Path:
        return self.config / "store.toml.lock"

    @property
    def domain_locks(self) -> Path:
        return self.config / "locks"

    @property
    def key_notes(self) -> Path:
        return self.config / "store.toml.keys"

    def key_file(self, slot_id: str) -> Path:
        return self.keys / f"{slot_id}.key"


def store_paths(home: str | None) -> StorePaths:
    """Return the paths under `home` (OPBX_HOME), or where this system keeps such files.

    Raises `ConfigurationError` for an `OPBX_HOME` that is no path, or without a home folder.
    """
    if home:
        folder = named_folder(home)
        return StorePaths(config=folder, keys=folder / "keys")
    folders = _system_folders()
    return StorePaths(
        config=system_folder(lambda: folders.user_config_path),
        keys=system_folder(lambda: folders.user_data_path) / "keys",
    )


def history_path(home: str | None) -> Path:
    """Return the audit trail's file under `home`, or in the system's folder for state.

    Raises `ConfigurationError` as `store_paths` does.
    """
    return _state_folder(home) / "history.jsonl"


def trunk_names_folder(home: str | None) -> Path:
    """Return the folder of the trunks' names that completion offers, beside the audit trail.

    Raises `ConfigurationError` as `store_paths` does.
    """
    return _state_folder(home) / "trunk-names"


def _state_folder(home: str | None) -> Path:
    if home:
        return named_folder(home)
    folders = _system_folders()
    return system_folder(lambda: folders.user_state_path)


def _system_folders() -> PlatformDirs:
    # 3 ms that OPBX_HOME saves.
    from platformdirs import PlatformDirs

    return PlatformDirs("opbx", appauthor=False)


def named_folder(text: str) -> Path:
    """Return the folder that OPBX_HOME names; a leading `~` is expanded as a shell does.

    Where no shell saw it (a service's environment file), a folder called `~` would be made.
    """
    if any(unicodedata.category(character) in _NOT_IN_A_PATH for character in text):
        raise ConfigurationError(
            f"{HOME_VARIABLE} has a line end or another control character in it",
            hint=f"name the folder anew: `export {HOME_VARIABLE}=./opbx`",
        )
    path = Path(text)
    if text.startswith("~"):
        return system_folder(path.expanduser)
    try:
        return path.absolute()
    except FileNotFoundError:
        raise ConfigurationError(
            f"{HOME_VARIABLE} is relative to the current folder, which was removed",
            hint=f"write it in full, as in `export {HOME_VARIABLE}=/srv/opbx`",
        ) from None


def system_folder(find: Callable[[], Path]) -> Path:
    """Return a folder at home, say; no home is made where there is none."""
    hint = f"name a folder of your own, as in `export {HOME_VARIABLE}=/srv/opbx`"
    try:
        path = find()
    except RuntimeError:  # what pathlib and platformdirs raise
        path = Path()
    if not path.is_absolute():
        raise ConfigurationError(
            "no home folder is known: HOME is not set to an absolute path, or the system has"
            " none for this user",
            hint=hint,
            code=ErrorCode.CONFIGURATION_HOME,
        )
    home = file_permissions.home()
    if home is not None and path.is_relative_to(home) and not os.path.isdir(home):  # noqa: PTH112
        raise ConfigurationError(
            f"the home folder {home} does not exist", hint=hint, code=ErrorCode.CONFIGURATION_HOME
        )
    return path
