"""The parameters with which a passphrase becomes a raw key, and their bounds."""

from __future__ import annotations

from dataclasses import dataclass

from opbx_cli.store import crypto
from opbx_cli.store.schema import Table, UnfitStore, binary_of, integer_of

SALT_BYTES = 16  # RFC 9106, section 3.1: sufficient for password hashing
# What a store may ask for, checked before anything is derived: no less than OWASP's least,
# no more than a small computer has.
MEMORY = range(19_456, 1_048_576 + 1)  # KiB
PASSES = range(1, 10 + 1)
LANES = range(1, 8 + 1)


@dataclass(frozen=True, slots=True)
class Argon2:
    """Argon2id, version 0x13 (RFC 9106)."""

    salt: bytes
    memory: int  # KiB
    passes: int
    lanes: int

    @classmethod
    def of_table(cls, entry: Table) -> Argon2:
        """Read a slot's parameters; UnfitStore for those out of bounds."""
        return cls(
            salt=binary_of(entry, "argon2_salt", SALT_BYTES),
            memory=_bounded(entry, "argon2_memory", MEMORY),
            passes=_bounded(entry, "argon2_passes", PASSES),
            lanes=_bounded(entry, "argon2_lanes", LANES),
        )

    def to_table(self) -> Table:
        return {
            "argon2_salt": crypto.to_text(self.salt),
            "argon2_memory": self.memory,
            "argon2_passes": self.passes,
            "argon2_lanes": self.lanes,
        }


def _bounded(entry: Table, key: str, bounds: range) -> int:
    value = integer_of(entry, key)
    if value not in bounds:
        raise UnfitStore(f"`{key}` is out of bounds")
    return value
