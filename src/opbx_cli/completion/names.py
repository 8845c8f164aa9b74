"""Names that completion offers: profiles from the store without its key, trunks as last listed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from opbx_cli import private_files
from opbx_cli.errors import ConfigurationError, StoreError
from opbx_cli.store_paths import store_paths, trunk_names_folder

STORE_SIZE_MAX = 16 * 1024 * 1024  # bytes; as the format of the store has it
TRUNKS_MAX = 1000  # names for one profile
NAME_LENGTH_MAX = 200  # characters; a longer name is not remembered
_NAMES_SIZE_MAX = TRUNKS_MAX * NAME_LENGTH_MAX * 4  # bytes

# How the store writes them: `file_format` writes each table and each name on a line of its own.
_NAME = r'"?([A-Za-z0-9][A-Za-z0-9._-]{0,63})"?'
_PROFILE = re.compile(rf"^\[profile\.{_NAME}\]$", re.MULTILINE)
_DEFAULT = re.compile(rf"^default_profile = {_NAME}$", re.MULTILINE)


class KnownNames:
    """The names that this computer knows, read when they are asked for. It raises nothing."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._home = environ.get("OPBX_HOME") or None

    def profiles(self) -> tuple[str, ...]:
        """Return the stored profiles' names, in the store's order; nothing is proved of them."""
        return tuple(dict.fromkeys(_PROFILE.findall(self._store())))

    def trunks(self, profile: str | None) -> tuple[str, ...]:
        """Return the trunks last listed for a profile, or for the one that a command would take."""
        name = profile or self._environ.get("OPBX_PROFILE")
        if not name:
            found = _DEFAULT.search(self._store())
            name = found[1] if found else None
        if name is None or not re.fullmatch(_NAME, name):
            return ()
        with suppress(ConfigurationError):
            return TrunkNames(trunk_names_folder(self._home)).of(name)
        return ()

    def _store(self) -> str:
        with suppress(ConfigurationError, StoreError):
            data = private_files.read_private(
                store_paths(self._home).store, size_max=STORE_SIZE_MAX
            )
            return (data or b"").decode("utf-8", errors="replace")
        return ""


@dataclass(frozen=True, slots=True)
class TrunkNames:
    """A private folder with one file for each profile, which holds the names of its trunks."""

    folder: Path

    def of(self, profile: str) -> tuple[str, ...]:
        """Return the names remembered for a profile; none where the file cannot be read."""
        with suppress(StoreError):
            path = self.folder / profile
            data = private_files.read_private(path, size_max=_NAMES_SIZE_MAX) or b""
            return tuple(data.decode("utf-8", errors="replace").splitlines())
        return ()

    def remember(
        self, profile: str, names: Iterable[str | None], *, profiles: Collection[str]
    ) -> None:
        """Keep the names in place of those before; forget the trunks of all but `profiles`.

        A failure to do so is no error: a shell offers less then, and that is all.
        """
        named = dict.fromkeys(filter(None, names))
        kept = tuple(name for name in named if _can_be_typed(name))[:TRUNKS_MAX]
        with suppress(StoreError, OSError):
            private_files.make_private_folder(self.folder)
            if kept != self.of(profile):
                data = "".join(f"{name}\n" for name in kept).encode()
                private_files.replace(self.folder / profile, data)
            private_files.remove_old_temporaries(self.folder)
            for path in self.folder.iterdir():
                if path.name not in profiles and not path.name.startswith("."):
                    path.unlink()


def _can_be_typed(name: str) -> bool:
    """Tell whether a shell can offer a name: one line, nothing unseen, and not like an option."""
    return name.isprintable() and 0 < len(name) <= NAME_LENGTH_MAX and not name.startswith("-")
