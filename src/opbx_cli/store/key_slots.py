"""Adding, removing and renewing the ways to open a store.

One order throughout: a new key is kept before the store that needs it is in place, and an
old one is deleted only after no store needs it, down to the disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Protocol

from opbx_cli.errors import StoreError, UsageError
from opbx_cli.models import Secret
from opbx_cli.store import access, crypto, keys, passphrases, refusals, rotation, sealing
from opbx_cli.store.document import Document
from opbx_cli.store.reports import AddedSlot, KeyStatus, Rotation, SlotStatus
from opbx_cli.store.rotation import Renewal
from opbx_cli.store.sealing import RawKey
from opbx_cli.store.session import Backup, Opened, Session, as_saved
from opbx_cli.store.slots import PASSPHRASES_MAX, SLOTS_MAX, Slot, SlotKind

# Their new key is shown once by the caller: it is kept nowhere else.
_SHOWN_KINDS = frozenset({SlotKind.EXTERNAL, SlotKind.RECOVERY})


class KeyDelivery(Protocol):
    """How a key that opbx keeps nowhere reaches whoever will keep it."""

    def hand_out(self, key: Secret) -> None:
        """Deliver the key whole. OpbxError where it did not arrive: then nothing is saved."""

    def take_back(self) -> None:
        """Undo that, or say that the key opens nothing: its slot was not saved."""


def status(session: Session) -> KeyStatus:
    """Return what is known of the slots; a store that does not open is a `problem`."""
    content: Document | None = None
    opened_with = problem = None
    try:
        content = session.parsed(session.stored_bytes()).document
        opened = session.current()
        content, opened_with = opened.document, opened.match.slot.id
    except StoreError as error:
        problem = error.message
    return KeyStatus(
        slots=() if content is None else session.keychain.status(content),
        generation=0 if content is None else content.generation,
        store_id="" if content is None else crypto.to_text(content.store_id),
        opened_with=opened_with,
        problem=problem,
        paths=session.paths,
    )


def add(
    session: Session,
    kind: SlotKind,
    *,
    passphrase: Secret | None,
    delivery: KeyDelivery | None = None,
) -> AddedSlot:
    key = _new_key(kind, passphrase)
    shown = Secret(crypto.raw_key_to_text(key.content)) if kind in _SHOWN_KINDS else None
    with session.changing() as old:
        _check_room(session, old.document, kind)
        slot = sealing.new_slot(old.vault, key, kind=kind)
        vault = replace(old.vault, slots=(*old.vault.slots, slot))
        proofs = [(old.match.slot.id, old.match.key), (slot.id, key)]
        _note_keys(session, [slot])
        with (
            _handed_out(session, slot, key=shown, delivery=delivery),
            session.keeping(vault.store_id, [(slot, key)]),
        ):
            session.save(old, old.contents, vault=vault, proofs=proofs)
        _tidy(session)
    location = session.keychain.location(slot)
    return AddedSlot(SlotStatus(slot.id, kind, location, is_at_hand=True), shown)


def remove(session: Session, slot_id: str) -> tuple[str, ...]:
    """Return warnings about a key that could not be deleted."""
    with session.changing() as old:
        rotation.check_ids(old.document, frozenset({slot_id}))
        rest = tuple(slot for slot in old.vault.slots if slot.id != slot_id)
        if not rest:
            raise refusals.last_slot(session.paths)
        proofs = _proofs(session, old, rest)
        if not proofs:
            raise refusals.no_other_key(session.paths, [slot.id for slot in rest])
        _note_keys(session, old.vault.slots)
        session.save(old, old.contents, vault=replace(old.vault, slots=rest), proofs=proofs)
        gone = [slot for slot in old.vault.slots if slot.id == slot_id]
        _, warnings = _forget(session, old.vault.store_id, gone)
        _tidy(session)
    return warnings


def rotate(session: Session, *, drop: frozenset[str], passphrase: Secret | None) -> Rotation:
    if passphrase is not None:
        session.keychain.learn_passphrase(passphrase)
    with session.changing() as old:
        new = rotation.renewed(old.document, session.keychain, drop=drop, paths=session.paths)
        backup = _backup_to_rotate(session, old)
        data, backup_data = _sealed_anew(session, old, backup, new)
        _note_keys(session, (*old.vault.slots, *_slots_of(backup), *new.vault.slots))
        _put_rotated(session, new, data=data, backup=backup_data)
        before = {slot.id: slot for slot in (*old.vault.slots, *_slots_of(backup))}
        gone = [slot for slot in before.values() if slot.id not in new.ids]
        removed, warnings = _forget(session, old.vault.store_id, gone)
        removed += _tidy(session)
    return Rotation(
        slots=tuple(
            SlotStatus(slot.id, slot.kind, session.keychain.location(slot), is_at_hand=True)
            for slot in new.vault.slots
        ),
        dropped=tuple(sorted(drop)),
        removed_keys=removed,
        warnings=(*warnings, *_replaced_key(session, old, new)),
    )


@contextmanager
def _handed_out(
    session: Session, slot: Slot, *, key: Secret | None, delivery: KeyDelivery | None
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
        if session.surely_lacks(slot):
            delivery.take_back()
        raise


def _new_key(kind: SlotKind, passphrase: Secret | None) -> RawKey:
    if kind is not SlotKind.PASSPHRASE:
        return RawKey(crypto.random_bytes(crypto.KEY_BYTES))
    if passphrase is None:
        raise UsageError("a passphrase is needed for this kind of key", code="usage.passphrase")
    return passphrases.new_key(passphrase)


def _check_room(session: Session, content: Document, kind: SlotKind) -> None:
    same = [slot for slot in content.slots if slot.kind is kind]
    if len(content.slots) >= SLOTS_MAX:
        raise refusals.too_many_keys(session.paths, f"{SLOTS_MAX} keys")
    if kind is SlotKind.PASSPHRASE and len(same) >= PASSPHRASES_MAX:
        raise refusals.too_many_keys(session.paths, f"{PASSPHRASES_MAX} passphrases")


def _proofs(session: Session, old: Opened, rest: Sequence[Slot]) -> list[tuple[str, RawKey]]:
    """Return what opens the slots that stay, asking for a passphrase only if nothing else does."""
    content = replace(old.document, slots=tuple(rest))
    found = list(session.keychain.matches(content).items())
    if found:
        return found
    for slot in rest:
        match = session.keychain.passphrase_match(content, slot, ask=True)
        if match is not None:
            return [(slot.id, match.key)]
    return []


def _backup_to_rotate(session: Session, old: Opened) -> Backup | None:
    try:
        return session.backup(old)
    except StoreError as error:
        raise refusals.backup_in_the_way(session.paths, error) from error


def _sealed_anew(
    session: Session, old: Opened, backup: Backup | None, new: Renewal
) -> tuple[bytes, bytes | None]:
    contents = as_saved(old.contents, new.vault, generation=old.contents.generation + 1)
    data = session.sealed(contents, new.vault, proofs=new.keys)
    if backup is None:
        return data, None
    return data, session.sealed(backup.contents, new.vault, proofs=new.keys)


def _put_rotated(session: Session, new: Renewal, *, data: bytes, backup: bytes | None) -> None:
    with session.keeping(new.vault.store_id, new.fresh):
        prepared = session.shelf.put_rotated(data, backup=backup)
    session.shelf.finish_backup(prepared)
    session.shelf.sync()


def _slots_of(backup: Backup | None) -> Iterable[Slot]:
    return () if backup is None else backup.document.slots


def _forget(
    session: Session, store_id: bytes, slots: Iterable[Slot]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Delete keys that open nothing more; return where they were, and what stayed, in words."""
    removed, warnings = [], []
    for slot in slots:
        where = session.keychain.location(slot)
        try:
            if session.keychain.forget(store_id, slot) and where is not None:
                removed.append(where)
        except OSError as error:
            warnings.append(f"the old key {where} could not be deleted: {access.reason(error)}")
        except StoreError as error:
            warnings.append(f"the old key {slot.id} could not be deleted: {error.message}")
    return tuple(removed), tuple(warnings)


def _note_keys(session: Session, slots: Iterable[Slot]) -> None:
    with session.shelf.saving(refusals.INTACT):
        session.shelf.note_keys(slot.id for slot in slots if slot.kind is SlotKind.KEYFILE)


def _tidy(session: Session) -> tuple[str, ...]:
    """Delete noted key files that no store here names: a change that was killed leaves such."""
    removed: list[str] = []
    with suppress(OSError):  # what cannot be tidied now is tidied by the next change of keys
        needed = session.shelf.named_slots()
        for slot_id in session.shelf.noted_keys():
            path = session.paths.key_file(slot_id)
            if slot_id not in needed and keys.remove_key_file(path):
                removed.append(str(path))
        session.shelf.forget_notes()
    return tuple(removed)


def _replaced_key(session: Session, old: Opened, new: Renewal) -> tuple[str, ...]:
    named = session.keychain.named
    if named is None or old.match.slot.id in new.ids:
        return ()
    return (f"{named.variable} opens this store no more: `unset {named.variable}`",)
