"""Rotation, decided: which slots go on with which key under a new data key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from opbx_cli.errors import StoreError, UsageError
from opbx_cli.store import crypto, refusals, sealing
from opbx_cli.store.document import Document
from opbx_cli.store.keychain import Keychain
from opbx_cli.store.paths import StorePaths
from opbx_cli.store.sealing import RawKey, Vault
from opbx_cli.store.slots import Slot, SlotKind

# Their keys are ours to make anew; the other kinds are in somebody's hands.
OWN_KINDS = frozenset({SlotKind.KEYFILE, SlotKind.KEYRING})


@dataclass(frozen=True, slots=True)
class Renewal:
    """A vault with a new data key, and the raw key of each of its slots."""

    vault: Vault
    keys: tuple[tuple[str, RawKey], ...] = field(repr=False)
    fresh: tuple[tuple[Slot, RawKey], ...] = field(repr=False)  # keys to be kept somewhere

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(slot.id for slot in self.vault.slots)


def renewed(
    content: Document, keychain: Keychain, *, drop: frozenset[str], paths: StorePaths
) -> Renewal:
    """Return the new vault; StoreError if a slot's key is not at hand, and it is not dropped."""
    check_ids(content, drop)
    kept = [slot for slot in content.slots if slot.id not in drop]
    if not kept:
        raise refusals.last_slot(paths)
    keys = {slot.id: _next_key(content, slot, keychain=keychain) for slot in kept}
    absent = [slot for slot in kept if keys[slot.id] is None]
    if absent:
        raise _absent(absent, keychain=keychain, is_any_known=_knows_one(keys, kept), paths=paths)
    vault = Vault(content.store_id, (), sealing.new_data_key())
    pairs = [
        (_renewed_slot(vault, slot, key=key), key)
        for slot in kept
        if (key := keys[slot.id]) is not None
    ]
    return Renewal(
        vault=replace(vault, slots=tuple(slot for slot, _ in pairs)),
        keys=tuple((slot.id, key) for slot, key in pairs),
        fresh=tuple((slot, key) for slot, key in pairs if slot.kind in OWN_KINDS),
    )


def check_ids(content: Document, ids: frozenset[str]) -> None:
    """UsageError for an id that no slot has; the id itself is not repeated."""
    if ids - {slot.id for slot in content.slots}:
        known = ", ".join(slot.id for slot in content.slots)
        raise UsageError(
            f"no key of this store has that id (there is {known})",
            hint="`opbx key status` lists them",
            code="key.not_found",
        )


def _next_key(content: Document, slot: Slot, *, keychain: Keychain) -> RawKey | None:
    if slot.kind in OWN_KINDS:
        return RawKey(crypto.random_bytes(crypto.KEY_BYTES))
    if slot.kind is SlotKind.PASSPHRASE:
        match = keychain.passphrase_match(content, slot, ask=True)
        return None if match is None else keychain.renewed_passphrase()
    return keychain.named_key(content, slot)


def _renewed_slot(vault: Vault, slot: Slot, *, key: RawKey) -> Slot:
    """Return the slot for the new data key, with a fresh id where its key is fresh."""
    slot_id = None if slot.kind in OWN_KINDS else slot.id
    return sealing.new_slot(vault, key, kind=slot.kind, slot_id=slot_id)


def _knows_one(keys: dict[str, RawKey | None], kept: Sequence[Slot]) -> bool:
    return any(keys[slot.id] for slot in kept if slot.kind is SlotKind.PASSPHRASE)


def _absent(
    slots: Sequence[Slot], *, keychain: Keychain, is_any_known: bool, paths: StorePaths
) -> StoreError:
    only_passphrases = all(slot.kind is SlotKind.PASSPHRASE for slot in slots)
    if only_passphrases and keychain.has_passphrase and not is_any_known:
        return refusals.wrong_passphrase(paths)
    return refusals.keys_not_at_hand([(slot.id, slot.kind.value) for slot in slots])
