"""Adding, removing and renewing the ways to open a store.

One order throughout: a new key is kept before the store that needs it is in place, and an
old one is deleted only after no store needs it, down to the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

from opbx_cli import file_permissions
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import StoreError, UsageError
from opbx_cli.models import Secret
from opbx_cli.store import crypto, error_messages, key_source, sealing, unlock
from opbx_cli.store.file_format import Document
from opbx_cli.store.key_slots import PASSPHRASES_MAX, SLOTS_MAX, Slot, SlotKind
from opbx_cli.store.sealing import RawKey, Vault
from opbx_cli.store.transaction import Backup, Opened, Transactions, as_saved
from opbx_cli.store.unlock import AvailableKeys
from opbx_cli.store_paths import StorePaths

# Their keys are ours to make anew; the other kinds are in somebody's hands.
OWN_KINDS = frozenset({SlotKind.KEYFILE, SlotKind.KEYRING})
# Their new key is shown once by the caller: it is kept nowhere else.
_SHOWN_KINDS = frozenset({SlotKind.EXTERNAL, SlotKind.RECOVERY})


class KeyDelivery(Protocol):
    """How a key that opbx keeps nowhere reaches whoever will keep it."""

    def hand_out(self, key: Secret) -> None:
        """Deliver the key whole. OpbxError where it did not arrive: then nothing is saved."""

    def take_back(self) -> None:
        """Undo that, or say that the key opens nothing: its slot was not saved."""


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


class KeyAdministration:
    """The ways to open one store: what they are, one more, one less, all anew."""

    def __init__(self, transactions: Transactions, *, warn: Callable[[str], None]) -> None:
        self._transactions = transactions
        self._warn = warn

    def status(self) -> KeyStatus:
        """Return the ways to open the store; one that does not open now is a `problem`."""
        content: Document | None = None
        opened_with = problem = None
        transactions = self._transactions
        try:
            content = transactions.parse(transactions.stored_bytes()).document
            opened = transactions.current()
            content, opened_with = opened.document, opened.match.slot.id
        except StoreError as error:
            problem = error.message
        return KeyStatus(
            slots=() if content is None else _slots_status(content, transactions.available_keys),
            generation=0 if content is None else content.generation,
            store_id="" if content is None else crypto.to_text(content.store_id),
            opened_with=opened_with,
            problem=problem,
            paths=transactions.paths,
        )

    def add(
        self,
        kind: SlotKind,
        *,
        passphrase: Secret | None = None,
        delivery: KeyDelivery | None = None,
    ) -> AddedSlot:
        """Add one more way to open the store: a new key, or the given passphrase.

        A key that is kept nowhere is handed out by `delivery` before its slot is saved; what that
        raises is raised, and nothing is saved. UsageError for a passphrase that is not taken.
        """
        transactions = self._transactions
        key = _new_key(kind, passphrase)
        shown = Secret(crypto.raw_key_to_text(key.content)) if kind in _SHOWN_KINDS else None
        with transactions.changing() as old:
            _check_room(transactions, old.document, kind)
            slot = sealing.new_slot(old.vault, key, kind=kind)
            vault = replace(old.vault, slots=(*old.vault.slots, slot))
            proofs = [(old.match.slot.id, old.match.key), (slot.id, key)]
            _note_keys(transactions, [slot])
            with (
                _handed_out(transactions, slot, key=shown, delivery=delivery),
                transactions.keeping(vault.store_id, [(slot, key)]),
            ):
                transactions.save(old, old.contents, vault=vault, proofs=proofs)
            _tidy(transactions)
        location = transactions.available_keys.location(slot)
        return AddedSlot(SlotStatus(slot.id, kind, location, is_at_hand=True), shown)

    def remove(self, slot_id: str) -> KeyStatus:
        """Remove one way to open the store, with its key where that is ours.

        UsageError for an id that no slot has, StoreError if no other way is left that
        opens the store here and now.
        """
        transactions = self._transactions
        with transactions.changing() as old:
            check_ids(old.document, frozenset({slot_id}))
            rest = tuple(slot for slot in old.vault.slots if slot.id != slot_id)
            if not rest:
                raise error_messages.last_slot(transactions.paths)
            proofs = _proofs(transactions, old, rest)
            if not proofs:
                raise error_messages.no_other_key(transactions.paths, [slot.id for slot in rest])
            _note_keys(transactions, old.vault.slots)
            transactions.save(
                old, old.contents, vault=replace(old.vault, slots=rest), proofs=proofs
            )
            gone = [slot for slot in old.vault.slots if slot.id == slot_id]
            _, warnings = _forget(transactions, old.vault.store_id, gone)
            _tidy(transactions)
        for warning in warnings:
            self._warn(warning)
        return self.status()

    def rotate(
        self, *, drop: frozenset[str] = frozenset(), passphrase: Secret | None = None
    ) -> Rotation:
        """Seal the store and its backup under a new data key, so that the old keys open nothing.

        Key files and key ring entries are made anew; a key in somebody's hands goes on if it
        is at hand, else StoreError names its slot, unless `drop` does. `passphrase` is the
        store's own: without it, it is asked for where it is needed.
        """
        transactions = self._transactions
        if passphrase is not None:
            transactions.available_keys.learn_passphrase(passphrase)
        with transactions.changing() as old:
            new = renew(
                old.document, transactions.available_keys, drop=drop, paths=transactions.paths
            )
            backup = _backup_to_rotate(transactions, old)
            data, backup_data = _seal_again(transactions, old, backup, new)
            _note_keys(transactions, (*old.vault.slots, *_slots_of(backup), *new.vault.slots))
            _put_rotated(transactions, new, data=data, backup=backup_data)
            before = {slot.id: slot for slot in (*old.vault.slots, *_slots_of(backup))}
            gone = [slot for slot in before.values() if slot.id not in new.ids]
            removed, warnings = _forget(transactions, old.vault.store_id, gone)
            removed += _tidy(transactions)
        return Rotation(
            slots=tuple(
                SlotStatus(
                    slot.id, slot.kind, transactions.available_keys.location(slot), is_at_hand=True
                )
                for slot in new.vault.slots
            ),
            dropped=tuple(sorted(drop)),
            removed_keys=removed,
            warnings=(*warnings, *_replaced_key(transactions, old, new)),
        )


def _slots_status(content: Document, available_keys: AvailableKeys) -> tuple[SlotStatus, ...]:
    opened = available_keys.matches(content)

    def is_at_hand(slot: Slot) -> bool | None:
        would_ask = slot.kind is SlotKind.PASSPHRASE and not available_keys.has_passphrase
        return True if slot.id in opened else (None if would_ask else False)

    return tuple(
        SlotStatus(slot.id, slot.kind, available_keys.location(slot), is_at_hand(slot))
        for slot in content.slots
    )


@contextmanager
def _handed_out(
    transactions: Transactions, slot: Slot, *, key: Secret | None, delivery: KeyDelivery | None
) -> Iterator[None]:
    """Hand the key out before its slot is saved; take it back if the slot surely was not.

    The other way round, a key that nobody received would leave a slot that nobody can use.
    """
    if key is None or delivery is None:
        yield
        return
    delivery.hand_out(key)
    try:
        yield
    except BaseException:
        if transactions.surely_lacks(slot):
            delivery.take_back()
        raise


def generated_key() -> Secret:
    """Return a new key as text: of a store that is to be made, or of none yet."""
    return Secret(crypto.raw_key_to_text(crypto.random_bytes(crypto.KEY_BYTES)))


def _new_key(kind: SlotKind, passphrase: Secret | None) -> RawKey:
    if kind is not SlotKind.PASSPHRASE:
        return RawKey(crypto.random_bytes(crypto.KEY_BYTES))
    if passphrase is None:
        raise UsageError(
            "a passphrase is needed for this kind of key", code=ErrorCode.USAGE_PASSPHRASE
        )
    return unlock.new_key(passphrase)


def _check_room(transactions: Transactions, content: Document, kind: SlotKind) -> None:
    same = [slot for slot in content.slots if slot.kind is kind]
    if len(content.slots) >= SLOTS_MAX:
        raise error_messages.too_many_keys(transactions.paths, f"{SLOTS_MAX} keys")
    if kind is SlotKind.PASSPHRASE and len(same) >= PASSPHRASES_MAX:
        raise error_messages.too_many_keys(transactions.paths, f"{PASSPHRASES_MAX} passphrases")


def _proofs(
    transactions: Transactions, old: Opened, rest: Sequence[Slot]
) -> list[tuple[str, RawKey]]:
    """Return what opens the slots that stay, asking for a passphrase only if nothing else does."""
    content = old.document._replace(slots=tuple(rest))
    found = list(transactions.available_keys.matches(content).items())
    if found:
        return found
    for slot in rest:
        match = transactions.available_keys.passphrase_match(content, slot, ask=True)
        if match is not None:
            return [(slot.id, match.key)]
    return []


def _backup_to_rotate(transactions: Transactions, old: Opened) -> Backup | None:
    try:
        return transactions.backup(old)
    except StoreError as error:
        raise error_messages.backup_in_the_way(transactions.paths, error) from error


def _seal_again(
    transactions: Transactions, old: Opened, backup: Backup | None, new: Renewal
) -> tuple[bytes, bytes | None]:
    contents = as_saved(old.contents, new.vault, generation=old.contents.generation + 1)
    data = transactions.seal(contents, new.vault, proofs=new.keys)
    if backup is None:
        return data, None
    return data, transactions.seal(backup.contents, new.vault, proofs=new.keys)


def _put_rotated(
    transactions: Transactions, new: Renewal, *, data: bytes, backup: bytes | None
) -> None:
    with transactions.keeping(new.vault.store_id, new.fresh):
        prepared = transactions.files.put_rotated(data, backup=backup)
    transactions.files.finish_backup(prepared)
    transactions.files.sync()


def _slots_of(backup: Backup | None) -> Iterable[Slot]:
    return () if backup is None else backup.document.slots


def _forget(
    transactions: Transactions, store_id: bytes, slots: Iterable[Slot]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Delete keys that open nothing more; return where they were, and what stayed, in words."""
    removed, warnings = [], []
    for slot in slots:
        where = transactions.available_keys.location(slot)
        try:
            if transactions.available_keys.forget(store_id, slot) and where is not None:
                removed.append(where)
        except OSError as error:
            warnings.append(
                f"the old key {where} could not be deleted: {file_permissions.reason(error)}"
            )
        except StoreError as error:
            warnings.append(f"the old key {slot.id} could not be deleted: {error.message}")
    return tuple(removed), tuple(warnings)


def _note_keys(transactions: Transactions, slots: Iterable[Slot]) -> None:
    with transactions.files.saving(error_messages.INTACT):
        transactions.files.note_keys(slot.id for slot in slots if slot.kind is SlotKind.KEYFILE)


def _tidy(transactions: Transactions) -> tuple[str, ...]:
    """Delete noted key files that no store here names: a change that was killed leaves such."""
    removed: list[str] = []
    with suppress(OSError):  # what cannot be tidied now is tidied by the next change of keys
        needed = transactions.files.named_slots()
        for slot_id in transactions.files.noted_keys():
            path = transactions.paths.key_file(slot_id)
            if slot_id not in needed and key_source.remove_key_file(path):
                removed.append(str(path))
        transactions.files.forget_notes()
    return tuple(removed)


def _replaced_key(transactions: Transactions, old: Opened, new: Renewal) -> tuple[str, ...]:
    named = transactions.available_keys.named
    if named is None or old.match.slot.id in new.ids:
        return ()
    return (f"{named.variable} opens this store no more: `unset {named.variable}`",)


@dataclass(frozen=True, slots=True)
class Renewal:
    """A vault with a new data key, and the raw key of each of its slots."""

    vault: Vault
    keys: tuple[tuple[str, RawKey], ...] = field(repr=False)
    fresh: tuple[tuple[Slot, RawKey], ...] = field(repr=False)  # keys to be kept somewhere

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(slot.id for slot in self.vault.slots)


def renew(
    content: Document, available_keys: AvailableKeys, *, drop: frozenset[str], paths: StorePaths
) -> Renewal:
    """Return the new vault; StoreError if a slot's key is not at hand, and it is not dropped."""
    check_ids(content, drop)
    kept = [slot for slot in content.slots if slot.id not in drop]
    if not kept:
        raise error_messages.last_slot(paths)
    keys = {slot.id: _next_key(content, slot, available_keys=available_keys) for slot in kept}
    absent = [slot for slot in kept if keys[slot.id] is None]
    if absent:
        raise _absent(
            absent, available_keys=available_keys, is_any_known=_knows_one(keys, kept), paths=paths
        )
    vault = Vault(content.store_id, (), sealing.new_data_key())
    pairs = [
        (_renew_slot(vault, slot, key=key), key)
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
            code=ErrorCode.KEY_NOT_FOUND,
        )


def _next_key(content: Document, slot: Slot, *, available_keys: AvailableKeys) -> RawKey | None:
    if slot.kind in OWN_KINDS:
        return RawKey(crypto.random_bytes(crypto.KEY_BYTES))
    if slot.kind is SlotKind.PASSPHRASE:
        match = available_keys.passphrase_match(content, slot, ask=True)
        return None if match is None else available_keys.renew_passphrase()
    return available_keys.named_key(content, slot)


def _renew_slot(vault: Vault, slot: Slot, *, key: RawKey) -> Slot:
    """Return the slot for the new data key, with a fresh id where its key is fresh."""
    slot_id = None if slot.kind in OWN_KINDS else slot.id
    return sealing.new_slot(vault, key, kind=slot.kind, slot_id=slot_id)


def _knows_one(keys: dict[str, RawKey | None], kept: Sequence[Slot]) -> bool:
    return any(keys[slot.id] for slot in kept if slot.kind is SlotKind.PASSPHRASE)


def _absent(
    slots: Sequence[Slot], *, available_keys: AvailableKeys, is_any_known: bool, paths: StorePaths
) -> StoreError:
    only_passphrases = all(slot.kind is SlotKind.PASSPHRASE for slot in slots)
    if only_passphrases and available_keys.has_passphrase and not is_any_known:
        return error_messages.wrong_passphrase(paths)
    return error_messages.keys_not_at_hand([(slot.id, slot.kind.value) for slot in slots])
