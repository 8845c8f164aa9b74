"""Key slots: the ways to open a store, and how each is written down."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from opbx_cli.error_codes import ErrorCode
from opbx_cli.store import crypto, strict_toml
from opbx_cli.store.strict_toml import (
    Table,
    UnfitStore,
    binary_of,
    check_keys,
    integer_of,
    text_of,
)

ARGON2_SALT_BYTES = 16  # RFC 9106, section 3.1: sufficient for password hashing
# What a store may ask for, checked before anything is derived: no less than OWASP's least,
# no more than a small computer has.
ARGON2_MEMORY = range(19_456, 1_048_576 + 1)  # KiB
ARGON2_PASSES = range(1, 10 + 1)
ARGON2_LANES = range(1, 8 + 1)

SLOTS_MAX = 16
PASSPHRASES_MAX = 4  # a wrong passphrase costs a derivation for each

_ID_DIGITS = frozenset("0123456789abcdef")
_COMMON = ("id", "kind", "salt", "commit", "nonce", "wrapped")
_ARGON2 = ("argon2_salt", "argon2_memory", "argon2_passes", "argon2_lanes")
_KNOWN = frozenset(_COMMON)
_KNOWN_PASSPHRASE = frozenset((*_COMMON, *_ARGON2))


class SlotKind(StrEnum):
    """Where a slot's raw key lives."""

    KEYFILE = "keyfile"  # in a file of ours
    EXTERNAL = "external"  # with whoever set it: a CI system, a secret manager
    PASSPHRASE = "passphrase"  # noqa: S105  # in somebody's head
    KEYRING = "keyring"  # in the operating system's key ring
    RECOVERY = "recovery"  # on paper


class Argon2(NamedTuple):
    """Argon2id, version 0x13 (RFC 9106)."""

    salt: bytes
    memory: int  # KiB
    passes: int
    lanes: int

    @classmethod
    def of_table(cls, entry: Table) -> Argon2:
        """Read a slot's parameters; UnfitStore for those out of bounds."""
        return cls(
            salt=binary_of(entry, "argon2_salt", ARGON2_SALT_BYTES),
            memory=_bounded(entry, "argon2_memory", ARGON2_MEMORY),
            passes=_bounded(entry, "argon2_passes", ARGON2_PASSES),
            lanes=_bounded(entry, "argon2_lanes", ARGON2_LANES),
        )

    def to_table(self) -> Table:
        return {
            "argon2_salt": crypto.to_text(self.salt),
            "argon2_memory": self.memory,
            "argon2_passes": self.passes,
            "argon2_lanes": self.lanes,
        }


class Slot(NamedTuple):
    """One way to open the store: the data key, wrapped by a raw key."""

    id: str
    kind: SlotKind
    salt: bytes
    commit: bytes
    nonce: bytes
    wrapped: bytes
    argon2: Argon2 | None = None  # a passphrase's, and no other slot's


def is_slot_id(text: str) -> bool:
    return len(text) == 8 and _ID_DIGITS.issuperset(text)


def mentions_passphrase(data: bytes) -> bool:
    """Whether bytes may have a passphrase slot, told at a glance."""
    return b'\nkind = "passphrase"\n' in data


def slots_of(entries: object) -> tuple[Slot, ...]:
    """Return the slots that the parsed `[[slot]]` tables say."""
    if not isinstance(entries, list) or not entries:
        raise UnfitStore("it has no key slot")
    if len(entries) > SLOTS_MAX:
        raise UnfitStore(f"it has more than {SLOTS_MAX} key slots")
    slots = tuple(_slot(entry) for entry in entries)
    check_slots(slots)
    return slots


def check_slots(slots: Sequence[Slot]) -> None:
    if len({slot.id for slot in slots}) != len(slots):
        raise UnfitStore("two of its key slots have the same id")
    if sum(slot.kind is SlotKind.PASSPHRASE for slot in slots) > PASSPHRASES_MAX:
        raise UnfitStore(f"it has more than {PASSPHRASES_MAX} passphrases")


def to_toml(slot: Slot) -> str:
    values: dict[str, object] = {"id": slot.id, "kind": slot.kind.value}
    if slot.argon2 is not None:
        values |= slot.argon2.to_table()
    values |= {
        "salt": crypto.to_text(slot.salt),
        "commit": crypto.to_text(slot.commit),
        "nonce": crypto.to_text(slot.nonce),
        "wrapped": crypto.to_text(slot.wrapped),
    }
    return "[[slot]]\n" + strict_toml.to_lines(values)


def _slot(entry: object) -> Slot:
    if not isinstance(entry, dict):
        raise UnfitStore("a key slot is not a table")
    kind = _kind(entry)
    is_passphrase = kind is SlotKind.PASSPHRASE
    check_keys(
        entry,
        required=(*_COMMON, *_ARGON2) if is_passphrase else _COMMON,
        known=_KNOWN_PASSPHRASE if is_passphrase else _KNOWN,
    )
    slot_id = text_of(entry, "id")
    if not is_slot_id(slot_id):
        raise UnfitStore("a key slot's id is not one")
    return Slot(
        id=slot_id,
        kind=kind,
        salt=binary_of(entry, "salt", crypto.SALT_BYTES),
        commit=binary_of(entry, "commit", crypto.KEY_BYTES),
        nonce=binary_of(entry, "nonce", crypto.NONCE_BYTES),
        wrapped=binary_of(entry, "wrapped", crypto.KEY_BYTES + crypto.TAG_BYTES),
        argon2=Argon2.of_table(entry) if is_passphrase else None,
    )


def _kind(entry: Table) -> SlotKind:
    if "kind" not in entry:
        raise UnfitStore("`kind` is missing")
    try:
        return SlotKind(text_of(entry, "kind"))
    except ValueError:
        raise UnfitStore(
            "it has a key slot of a kind that this opbx does not know", code=ErrorCode.STORE_NEWER
        ) from None


def _bounded(entry: Table, key: str, bounds: range) -> int:
    value = integer_of(entry, key)
    if value not in bounds:
        raise UnfitStore(f"`{key}` is out of bounds")
    return value
