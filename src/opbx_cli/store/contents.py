"""What a store holds once it is open, and what a save did."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError
from opbx_cli.settings.table import Settings
from opbx_cli.values import listed


class StoreContents(NamedTuple):
    """All profiles, decrypted and verified, in their stored order.

    `store_id` and `generation` are for information: a store keeps its own, whatever a
    change hands back.
    """

    profiles: Mapping[str, Settings] = MappingProxyType({})
    default_profile: str | None = None
    store_id: str = ""
    generation: int = 0  # 0 before the first save

    def find(self, name: str | None) -> tuple[str, Settings]:
        """Return the profile of that name, or the default one where no name is given.

        Raises ConfigurationError where there is none.
        """
        chosen = name or self.default_profile
        self.require_some()
        if chosen is None:
            raise ConfigurationError(
                "no default profile",
                hint=f"choose one, as in `opbx profiles use {min(self.profiles)}` ({self._names})",
                code=ErrorCode.PROFILE_NO_DEFAULT,
            )
        if chosen not in self.profiles:
            near = get_close_matches(chosen, self.profiles, n=1)
            # What is nearly a profile's name is no key, so it may be shown.
            said = f"no profile '{chosen}'; did you mean '{near[0]}'?" if near else None
            raise ConfigurationError(
                said or "no profile has that name",
                hint=f"`opbx profiles list` shows what is stored ({self._names})",
                code=ErrorCode.PROFILE_NOT_FOUND,
            )
        return chosen, self.profiles[chosen]

    def require_some(self) -> None:
        """Raise ConfigurationError where no profile is stored."""
        if not self.profiles:
            raise ConfigurationError(
                "no profile is stored",
                hint="save a first one with `opbx configure`",
                code=ErrorCode.PROFILE_NONE,
            )

    @property
    def _names(self) -> str:
        return "stored: " + listed(self.profiles)


class SaveReport(NamedTuple):
    contents: StoreContents
    created: bool
    key_file: Path | None  # written by this save, which created the store
    slot_kinds: tuple[str, ...]
