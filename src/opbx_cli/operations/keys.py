"""The keys of the store, as a command shows them: where each one is, and what it protects from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opbx_cli.store.key_changes import KeyStatus, Rotation, SlotStatus

PROTECTS = {
    "keyfile": "whoever has the store without this file reads no key; "
    "whoever takes the whole disk has both",
    "external": "this computer's disk alone opens nothing; "
    "whoever sees the variable or file that holds the key does",
    "passphrase": "the disk alone opens nothing; each guess at the passphrase costs "
    "64 MiB of memory and a good part of a second",
    "keyring": "the disk alone opens nothing; "
    "any program of this user's session can ask the key ring",
    "recovery": "for the day when the other keys are lost; "
    "whoever finds the paper and a copy of the store opens it",
}


@dataclass(frozen=True, slots=True)
class KeyRow:
    id: str
    kind: str
    location: str | None
    is_at_hand: bool | None  # None: somebody would have to be asked
    protects: str


@dataclass(frozen=True, slots=True)
class KeyOverview:
    keys: tuple[KeyRow, ...]
    opened_with: str | None
    problem: str | None
    generation: int
    store: str
    backup: str


@dataclass(frozen=True, slots=True)
class KeyRotation:
    keys: tuple[KeyRow, ...]
    dropped: tuple[str, ...]
    removed: tuple[str, ...]  # where the old keys were


def overview(status: KeyStatus) -> KeyOverview:
    return KeyOverview(
        keys=tuple(map(_row, status.slots)),
        opened_with=status.opened_with,
        problem=status.problem,
        generation=status.generation,
        store=str(status.paths.store),
        backup=str(status.paths.backup),
    )


def rotated(rotation: Rotation) -> KeyRotation:
    return KeyRotation(
        keys=tuple(map(_row, rotation.slots)),
        dropped=rotation.dropped,
        removed=rotation.removed_keys,
    )


def _row(slot: SlotStatus) -> KeyRow:
    kind = slot.kind.value
    return KeyRow(slot.id, kind, slot.location, slot.is_at_hand, PROTECTS[kind])
