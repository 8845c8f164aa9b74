"""What the store tells: what was saved, where each key is, what a rotation did.

Never a key itself, but for the one that `add_slot` made for its caller to show once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from opbx_cli.models import Secret
from opbx_cli.store.contents import StoreContents
from opbx_cli.store.paths import StorePaths
from opbx_cli.store.slots import SlotKind


@dataclass(frozen=True, slots=True)
class SaveReport:
    contents: StoreContents
    created: bool
    key_file: Path | None  # written by this save, which created the store
    slot_kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SlotStatus:
    """One way to open the store.

    `location` is where its key lives: a path, the key ring, or None for outside of opbx.
    `is_at_hand` is None where somebody would have to be asked.
    """

    id: str
    kind: SlotKind
    location: str | None
    is_at_hand: bool | None


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """All ways to open the store; `problem` says why it could not be opened just now.

    With a problem, what is told of the slots is what the file says, unverified.
    """

    slots: tuple[SlotStatus, ...]
    generation: int
    store_id: str
    opened_with: str | None  # a slot's id
    problem: str | None
    paths: StorePaths


@dataclass(frozen=True, slots=True)
class AddedSlot:
    slot: SlotStatus
    key: Secret | None  # the new key of an external or recovery slot: kept nowhere else


@dataclass(frozen=True, slots=True)
class Rotation:
    slots: tuple[SlotStatus, ...]  # after it
    dropped: tuple[str, ...]  # slot ids
    removed_keys: tuple[str, ...]  # where the old keys were
    warnings: tuple[str, ...]
