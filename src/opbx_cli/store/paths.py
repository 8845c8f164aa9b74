"""Where the store and its keys lie: apart, so that a backup of one is not both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StorePaths:
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
    """Return the paths under `home` (OPBX_HOME), or where this system keeps such files."""
    if home:
        folder = Path(home).absolute()
        return StorePaths(config=folder, keys=folder / "keys")
    from platformdirs import PlatformDirs  # costs start-up time that OPBX_HOME saves

    folders = PlatformDirs("opbx", appauthor=False)
    return StorePaths(config=folders.user_config_path, keys=folders.user_data_path / "keys")
