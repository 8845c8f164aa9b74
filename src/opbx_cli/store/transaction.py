"""One run's work with one store: opening its bytes, and saving new ones under the lock."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from opbx_cli import file_permissions, private_files
from opbx_cli.errors import StoreError
from opbx_cli.settings import ALLOW_SHARED_STORE
from opbx_cli.store import crypto, error_messages, file_format, key_slots, sealing, sharing
from opbx_cli.store.contents import StoreContents
from opbx_cli.store.file_format import Document, SignedDocument
from opbx_cli.store.key_slots import Slot, is_slot_id
from opbx_cli.store.lock import locked
from opbx_cli.store.sealing import RawKey, Vault
from opbx_cli.store.strict_toml import UnfitStore
from opbx_cli.store.unlock import AvailableKeys, Match
from opbx_cli.store_paths import StorePaths

# A reader holds no lock: the store, and the key file it names, may be replaced while it reads.
_READ_ATTEMPTS = 10
_NOTES_SIZE_MAX = 1024 * 1024  # bytes
_SLOT_ID = rb'(?m)^id = "([0-9a-f]{8})"\r?$'

Files = TypeVar("Files")
Result = TypeVar("Result")
Proofs = Sequence[tuple[str, RawKey]]  # slot ids, and what must open them before new bytes count


class StoreFiles:
    """The store and its backup: reading them, and replacing each by one rename."""

    def __init__(
        self, paths: StorePaths, *, allow_shared: bool, warn: Callable[[str], None]
    ) -> None:
        """`allow_shared`: read a store that others may read, too; it is never saved."""
        self.paths = paths
        self._allow_shared = allow_shared
        self._warn = warn

    def store(self) -> bytes | None:
        return self._read(self.paths.store)

    def backup(self) -> bytes | None:
        return self._read(self.paths.backup)

    @property
    def is_shared(self) -> bool:
        """Whether others may read the store, which is permitted then."""
        if not self._allow_shared:
            return False
        try:
            self._read_own(self.paths.store)
        except StoreError:
            return True
        return False

    def check_exists(self) -> bool:
        """Whether there is a file to read; StoreError for a link, unless others share the store."""
        if not self._allow_shared:
            private_files.refuse_link(self.paths.store)
        return private_files.is_present(self.paths.store)

    def check_can_save(self) -> None:
        """Raise StoreError where a save would: nothing is written to find out."""
        if self.is_shared:
            raise error_messages.shared(self.paths)
        self.check_can_write(self.paths.store)

    @staticmethod
    def check_can_write(path: Path) -> None:
        """Raise StoreError where a file could not be put there."""
        try:
            private_files.check_replaceable(path)
        except OSError as error:
            raise error_messages.not_writable(path, error) from error

    def _read(self, path: Path) -> bytes | None:
        try:
            return self._read_own(path)
        except StoreError as error:
            if not self._allow_shared:
                raise sharing.or_permitted(error, path, "store", ALLOW_SHARED_STORE) from error
        data = private_files.read_shared(path, size_max=file_format.SIZE_MAX)
        self._warn(
            f"the store {self.paths.store} is open to other users, and therefore only read "
            f"({ALLOW_SHARED_STORE} is set)"
        )
        return data

    def _read_own(self, path: Path) -> bytes | None:
        data = private_files.read_private(path, size_max=file_format.SIZE_MAX)
        if data is not None:
            file_permissions.check_path(path.parent)
        return data

    @contextmanager
    def saving(self, state: str) -> Iterator[None]:
        """Word what the system refuses; `state` says what is still there."""
        try:
            yield
        except OSError as error:
            raise error_messages.not_saved(self.paths.store, error, state=state) from error

    def put(self, data: bytes, *, backup: bytes) -> None:
        """Save a generation and keep the one before."""
        with self.saving(error_messages.INTACT):
            private_files.remove_old_temporaries(self.paths.config)
            private_files.replace(self.paths.backup, backup)
            private_files.replace(self.paths.store, data)

    def put_first(self, data: bytes) -> None:
        with self.saving(error_messages.NOTHING_SAVED):
            private_files.replace(self.paths.store, data)

    def put_rotated(self, data: bytes, *, backup: bytes | None) -> Path | None:
        """Save a store under a new data key; its backup is written, and not yet in place.

        Written before the store: afterwards a full disk cannot stop it any more.
        """
        with self.saving(error_messages.INTACT):
            private_files.remove_old_temporaries(self.paths.config)
            prepared = None
            if backup is not None:
                prepared = private_files.write_temporary(self.paths.backup, backup)
            try:
                private_files.replace(self.paths.store, data)
            except BaseException:
                if prepared is not None:
                    private_files.remove(prepared)
                raise
        return prepared

    def finish_backup(self, prepared: Path | None) -> None:
        if prepared is None:
            return
        try:
            prepared.replace(self.paths.backup)
        except OSError as error:
            private_files.remove(prepared)
            raise error_messages.backup_not_rotated(self.paths, error) from error

    def sync(self) -> None:
        try:
            private_files.sync_folder(self.paths.config)
        except OSError as error:
            raise error_messages.not_confirmed(self.paths, error) from error

    def note_keys(self, slot_ids: Iterable[str]) -> None:
        """Note key files that a change makes or leaves behind, in case it is killed.

        What others keep in the same folder is never noted, and so never deleted.
        """
        noted = sorted({*self.noted_keys(), *slot_ids})
        private_files.replace(self.paths.key_notes, "".join(f"{one}\n" for one in noted).encode())

    def noted_keys(self) -> tuple[str, ...]:
        try:
            content = (
                private_files.read_private(self.paths.key_notes, size_max=_NOTES_SIZE_MAX) or b""
            )
        except StoreError:
            return ()
        return tuple(filter(is_slot_id, content.decode("latin-1").splitlines()))

    def forget_notes(self) -> None:
        self.paths.key_notes.unlink(missing_ok=True)

    def named_slots(self) -> frozenset[str]:
        """Return the slot ids in every store file here, also in those that somebody put aside.

        OSError if one of them cannot be read: then nobody knows which keys are needed.
        """
        found: set[str] = set()
        for path in self.paths.config.iterdir():
            if path.name.startswith(self.paths.store.name) and path.is_file():
                found.update(match.decode() for match in re.findall(_SLOT_ID, path.read_bytes()))
        return frozenset(found)


class Opened(NamedTuple):
    """A store's bytes and all that they say, verified."""

    data: bytes
    match: Match
    vault: Vault
    contents: StoreContents

    @property
    def document(self) -> Document:
        """What the bytes say before anything is opened, read once more: few commands need it."""
        return file_format.parse(self.data).document


class Backup(NamedTuple):
    document: Document
    contents: StoreContents


class Transactions:
    """Open the store as it is, or hold its lock from the reading to the saving."""

    def __init__(
        self, files: StoreFiles, available_keys: AvailableKeys, *, lock_timeout: float
    ) -> None:
        self.paths = files.paths
        self.files = files
        self.available_keys = available_keys
        self._lock_timeout = lock_timeout  # seconds
        # What this run saved last, and read back before: a run that saves many times need not
        # open the same bytes again.
        self._saved: Opened | None = None

    def current(self) -> Opened:
        """Open the store as it is now, without the lock."""
        return _steadily(self.stored_bytes, self._open)

    def current_backup(self) -> Backup | None:
        """Open the backup without the lock; None if there is none."""
        return _steadily(
            self._with_backup, lambda files: self._backup(files[1], store=self._open(files[0]))
        )

    def stored_bytes(self) -> bytes:
        data = self.files.store()
        if data is None:
            raise error_messages.not_configured(self.paths)
        return data

    def parse(self, data: bytes) -> SignedDocument:
        try:
            return file_format.parse(data)
        except UnfitStore as problem:
            raise error_messages.unfit(self.paths, problem) from problem

    @contextmanager
    def exclusive(self) -> Iterator[Opened | None]:
        """Hold the lock, with the store as it is now; None where there is none."""
        self.files.check_can_save()
        self._ask_ahead()
        file_permissions.check_folder(self.paths.config)
        file_permissions.check_path(self.paths.config)
        with locked(self.paths.lock, timeout=self._lock_timeout):
            data = self.files.store()
            yield None if data is None else self._open(data)

    @contextmanager
    def changing(self) -> Iterator[Opened]:
        """Hold the lock over a store that must be there."""
        if not private_files.is_present(self.paths.store):
            raise error_messages.not_configured(self.paths)
        with self.exclusive() as old:
            if old is None:
                raise error_messages.not_configured(self.paths)
            yield old

    def backup(self, store: Opened) -> Backup | None:
        """Open the backup; None if there is none."""
        return self._backup(self.files.backup(), store=store)

    def _backup(self, data: bytes | None, *, store: Opened) -> Backup | None:
        """Open the backup with the store's own data key, else with the backup's own slots.

        The second is for a rotation that was cut short before it came to the backup.
        """
        if data is None:
            return None
        try:
            signed = file_format.parse(data)
            if signed.document.store_id != store.vault.store_id:
                raise UnfitStore("it belongs to another store")
            vault = store.vault
            if not sealing.is_sealed_under(signed, vault):
                match = self.available_keys.find(signed.document)
                vault = sealing.vault_of(signed.document, match.slot, key=match.key)
            return Backup(signed.document, sealing.open_contents(signed, vault))
        except UnfitStore as problem:
            raise error_messages.unfit_backup(self.paths, problem) from problem

    def save(
        self,
        old: Opened,
        contents: StoreContents,
        *,
        vault: Vault | None = None,
        proofs: Proofs | None = None,
    ) -> StoreContents:
        """Save a new generation; the one before becomes the backup."""
        keys_stay = vault is None
        vault = vault or old.vault
        expected = as_saved(contents, vault, generation=old.contents.generation + 1)
        proofs = proofs or [(old.match.slot.id, old.match.key)]
        data = self.seal(expected, vault, proofs=proofs)
        self.files.put(data, backup=old.data)
        if keys_stay:
            self._saved = Opened(data, old.match, vault, expected)
        self.files.sync()
        return expected

    def seal(
        self,
        expected: StoreContents,
        vault: Vault,
        *,
        proofs: Proofs,
        state: str = error_messages.INTACT,
    ) -> bytes:
        """Seal the contents, then open the new bytes: what does not compare is not saved."""
        try:
            data = sealing.seal(expected, vault)
            sealing.check_seal(data, expected=expected, vault=vault, keys=proofs)
        except (UnfitStore, ValueError) as error:
            raise error_messages.unfit_to_save(self.paths, error, state=state) from error
        return data

    @contextmanager
    def keeping(
        self,
        store_id: bytes,
        keys: Sequence[tuple[Slot, RawKey]],
        *,
        state: str = error_messages.INTACT,
    ) -> Iterator[None]:
        """Put new keys where their slots say; if the store was surely not saved, they go again."""
        try:
            with self.files.saving(state):
                for slot, key in keys:
                    self.available_keys.keep(store_id, slot, key)
            yield
        except BaseException:
            self._discard_unless_saved(store_id, [slot for slot, _ in keys])
            raise

    def surely_lacks(self, slot: Slot) -> bool:
        """Whether the store on the disk has no such slot; False where that cannot be told."""
        try:
            return slot.id.encode() not in (self.files.store() or b"")
        except StoreError:
            return False

    def _discard_unless_saved(self, store_id: bytes, slots: Sequence[Slot]) -> None:
        for slot in slots:
            if self.surely_lacks(slot):  # else it stays: a key too many does no harm
                with suppress(OSError, StoreError):
                    self.available_keys.forget(store_id, slot)

    def _open(self, data: bytes) -> Opened:
        saved = self._saved
        if saved is not None and saved.data == data:
            return saved
        signed = self.parse(data)
        try:
            match = self.available_keys.find(signed.document)
            vault = sealing.vault_of(signed.document, match.slot, key=match.key)
            return Opened(data, match, vault, sealing.open_contents(signed, vault))
        except UnfitStore as problem:
            raise error_messages.unfit(self.paths, problem) from problem

    def _with_backup(self) -> tuple[bytes, bytes | None]:
        return self.stored_bytes(), self.files.backup()

    def _ask_ahead(self) -> None:
        """Open the store before the lock is taken: nobody shall wait for somebody who types."""
        self.available_keys.fetch()
        if self.available_keys.may_ask:
            with suppress(StoreError):
                data = self.files.store()
                if data is not None and key_slots.mentions_passphrase(data):
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
    return contents._replace(
        profiles=MappingProxyType(dict(contents.profiles)),
        store_id=crypto.to_text(vault.store_id),
        generation=generation,
    )
