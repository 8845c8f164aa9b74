"""What a store holds once it is open, and what saving it reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from opbx_cli.models import Settings


@dataclass(frozen=True, slots=True)
class StoreContents:
    """All profiles, decrypted and verified, in their stored order.

    `store_id` and `generation` are for information: a store keeps its own, whatever a
    change hands back.
    """

    profiles: Mapping[str, Settings] = field(default_factory=lambda: MappingProxyType({}))
    default_profile: str | None = None
    store_id: str = ""
    generation: int = 0  # 0 before the first save


@dataclass(frozen=True, slots=True)
class SaveReport:
    contents: StoreContents
    created: bool
    key_file: Path | None  # written by this save, which created the store
    slot_kinds: tuple[str, ...]
