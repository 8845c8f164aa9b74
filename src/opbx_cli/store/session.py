"""One run's work with one store: opening its bytes, and saving new ones under the lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeVar

from opbx_cli.errors import StoreError
from opbx_cli.store import access, crypto, document, file, refusals, sealing, slots
from opbx_cli.store.contents import StoreContents
from opbx_cli.store.document import Document, SignedDocument
from opbx_cli.store.keychain import Keychain, Match
from opbx_cli.store.lock import locked
from opbx_cli.store.paths import StorePaths
from opbx_cli.store.schema import UnfitStore
from opbx_cli.store.sealing import RawKey, Vault
from opbx_cli.store.shelf import Shelf
from opbx_cli.store.slots import Slot

# A reader holds no lock: the store, and the key file it names, may be replaced while it reads.
_READ_ATTEMPTS = 10

Files = TypeVar("Files")
Result = TypeVar("Result")
Proofs = Sequence[tuple[str, RawKey]]  # slot ids, and what must open them before new bytes count


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Opened:
    """A store's bytes and all that they say, verified."""

    data: bytes
    signed: SignedDocument
    match: Match
    vault: Vault
    contents: StoreContents

    @property
    def document(self) -> Document:
        return self.signed.document


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Backup:
    document: Document
    contents: StoreContents


class Session:
    def __init__(self, paths: StorePaths, keychain: Keychain, *, lock_timeout: float) -> None:
        self.paths = paths
        self.shelf = Shelf(paths)
        self.keychain = keychain
        self._lock_timeout = lock_timeout  # seconds

    def current(self) -> Opened:
        """Open the store as it is now, without the lock."""
        return _steadily(self.stored_bytes, self._open)

    def current_backup(self) -> Backup | None:
        """Open the backup without the lock; None if there is none."""
        return _steadily(
            self._with_backup, lambda files: self._backup(files[1], store=self._open(files[0]))
        )

    def stored_bytes(self) -> bytes:
        data = self.shelf.store()
        if data is None:
            raise refusals.not_configured(self.paths)
        access.check_way(self.paths.config)
        return data

    def parsed(self, data: bytes) -> SignedDocument:
        try:
            return document.parse(data)
        except UnfitStore as problem:
            raise refusals.unfit(self.paths, problem) from problem

    @contextmanager
    def exclusive(self) -> Iterator[Opened | None]:
        """Hold the lock, with the store as it is now; None where there is none."""
        self._ask_ahead()
        access.check_folder(self.paths.config)
        access.check_way(self.paths.config)
        with locked(self.paths.lock, timeout=self._lock_timeout):
            data = self.shelf.store()
            yield None if data is None else self._open(data)

    @contextmanager
    def changing(self) -> Iterator[Opened]:
        """Hold the lock over a store that must be there."""
        if not file.is_present(self.paths.store):
            raise refusals.not_configured(self.paths)
        with self.exclusive() as old:
            if old is None:
                raise refusals.not_configured(self.paths)
            yield old

    def backup(self, store: Opened) -> Backup | None:
        """Open the backup; None if there is none."""
        return self._backup(self.shelf.backup(), store=store)

    def _backup(self, data: bytes | None, *, store: Opened) -> Backup | None:
        """Open the backup with the store's own data key, else with the backup's own slots.

        The second is for a rotation that was cut short before it came to the backup.
        """
        if data is None:
            return None
        try:
            signed = document.parse(data)
            if signed.document.store_id != store.vault.store_id:
                raise UnfitStore("it belongs to another store")
            vault = store.vault
            if not sealing.is_sealed_under(signed, vault):
                match = self.keychain.find(signed.document)
                vault = sealing.vault_of(signed.document, match.slot, key=match.key)
            return Backup(signed.document, sealing.open_contents(signed, vault))
        except UnfitStore as problem:
            raise refusals.unfit_backup(self.paths, problem) from problem

    def save(
        self,
        old: Opened,
        contents: StoreContents,
        *,
        vault: Vault | None = None,
        proofs: Proofs | None = None,
    ) -> StoreContents:
        """Save a new generation; the one before becomes the backup."""
        vault = vault or old.vault
        expected = as_saved(contents, vault, generation=old.contents.generation + 1)
        proofs = proofs or [(old.match.slot.id, old.match.key)]
        self.shelf.put(self.sealed(expected, vault, proofs=proofs), backup=old.data)
        self.shelf.sync()
        return expected

    def sealed(
        self,
        expected: StoreContents,
        vault: Vault,
        *,
        proofs: Proofs,
        state: str = refusals.INTACT,
    ) -> bytes:
        """Seal the contents, then open the new bytes: what does not compare is not saved."""
        try:
            data = sealing.seal(expected, vault)
            sealing.check_seal(data, expected=expected, vault=vault, keys=proofs)
        except (UnfitStore, ValueError) as error:
            raise refusals.unfit_to_save(self.paths, error, state=state) from error
        return data

    @contextmanager
    def keeping(
        self,
        store_id: bytes,
        keys: Sequence[tuple[Slot, RawKey]],
        *,
        state: str = refusals.INTACT,
    ) -> Iterator[None]:
        """Put new keys where their slots say; if the store was surely not saved, they go again."""
        try:
            with self.shelf.saving(state):
                for slot, key in keys:
                    self.keychain.keep(store_id, slot, key)
            yield
        except BaseException:
            self._discard_unless_saved(store_id, [slot for slot, _ in keys])
            raise

    def surely_lacks(self, slot: Slot) -> bool:
        """Whether the store on the disk has no such slot; False where that cannot be told."""
        try:
            return slot.id.encode() not in (self.shelf.store() or b"")
        except StoreError:
            return False

    def _discard_unless_saved(self, store_id: bytes, slots: Sequence[Slot]) -> None:
        for slot in slots:
            if self.surely_lacks(slot):  # else it stays: a key too many does no harm
                with suppress(OSError, StoreError):
                    self.keychain.forget(store_id, slot)

    def _open(self, data: bytes) -> Opened:
        signed = self.parsed(data)
        try:
            match = self.keychain.find(signed.document)
            vault = sealing.vault_of(signed.document, match.slot, key=match.key)
            return Opened(data, signed, match, vault, sealing.open_contents(signed, vault))
        except UnfitStore as problem:
            raise refusals.unfit(self.paths, problem) from problem

    def _with_backup(self) -> tuple[bytes, bytes | None]:
        return self.stored_bytes(), self.shelf.backup()

    def _ask_ahead(self) -> None:
        """Open the store before the lock is taken: nobody shall wait for somebody who types."""
        if self.keychain.may_ask:
            with suppress(StoreError):
                data = self.shelf.store()
                if data is not None and slots.mentions_passphrase(data):
                    self._open(data)


def _steadily(look: Callable[[], Files], work: Callable[[Files], Result]) -> Result:
    """Work on what the files hold, again if they were replaced under the work."""
    files = look()
    for _ in range(_READ_ATTEMPTS):
        try:
            return work(files)
        except StoreError:
            now = look()
            if now == files:
                raise
            files = now
    return work(files)


def as_saved(contents: StoreContents, vault: Vault, *, generation: int) -> StoreContents:
    """Return the contents as the file will say: identity and generation are the store's own."""
    return replace(
        contents,
        profiles=MappingProxyType(dict(contents.profiles)),
        store_id=crypto.to_text(vault.store_id),
        generation=generation,
    )
