"""The store: read it, or change it in one step that either happened or did not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from opbx_cli.store import crypto, document, file, keys, refusals, sealing
from opbx_cli.store.contents import SaveReport, StoreContents
from opbx_cli.store.document import Document, SignedDocument, SlotKind, UnfitStore
from opbx_cli.store.keys import KeySource
from opbx_cli.store.lock import locked
from opbx_cli.store.paths import StorePaths
from opbx_cli.store.sealing import Vault

LOCK_TIMEOUT = 10.0  # seconds

Change = Callable[[StoreContents], StoreContents]


@dataclass(frozen=True, slots=True)
class _Opened:
    data: bytes
    raw_key: bytes = field(repr=False)
    vault: Vault
    contents: StoreContents


class Store:
    """The encrypted file of all profiles. Reading takes no lock; saving takes it."""

    def __init__(
        self,
        paths: StorePaths,
        key: KeySource | None = None,
        *,
        lock_timeout: float = LOCK_TIMEOUT,
    ) -> None:
        self._paths = paths
        self._key = key
        self._lock_timeout = lock_timeout  # seconds
        self._warnings: dict[str, None] = {}  # a set that keeps its order

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should hear about how the store was opened."""
        return tuple(self._warnings)

    def exists(self) -> bool:
        """Whether there is a file to read; a link or an unreadable folder is StoreError."""
        file.refuse_link(self._paths.store)
        return file.is_present(self._paths.store)

    def read(self) -> StoreContents:
        """Return what the store holds, verified.

        ConfigurationError without a store, StoreError for one that does not open.
        """
        data = self._bytes()
        if data is None:
            raise refusals.not_configured(self._paths)
        return self._open(data).contents

    def update(self, change: Change, *, create: bool = False) -> SaveReport:
        """Apply `change` to what the store holds now, and save what it returns.

        No other opbx saves in between. If `change` raises, nothing is saved. Without a
        store, `create` makes one; otherwise that is ConfigurationError.
        """
        if create:
            with self._saving(refusals.NOTHING_SAVED):
                file.make_private_folder(self._paths.config)
        elif not self.exists():
            raise refusals.not_configured(self._paths)
        file.check_folder(self._paths.config)
        with locked(self._paths.lock, timeout=self._lock_timeout):
            data = self._bytes()
            if data is not None:
                return self._change(self._open(data), change)
            if create:
                return self._create(change)
        raise refusals.not_configured(self._paths)

    def _create(self, change: Change) -> SaveReport:
        if file.is_present(self._paths.backup):
            raise refusals.backup_without_store(self._paths)
        if self._key is None:
            raw_key, kind = crypto.random_bytes(crypto.KEY_BYTES), SlotKind.KEY_FILE
        else:
            raw_key, kind = self._key.read(warn=self._warn), SlotKind.EXTERNAL
        vault = sealing.new_vault(raw_key, kind)
        contents = change(StoreContents(store_id=crypto.to_text(vault.store_id)))
        new = self._sealed(contents, vault, raw_key=raw_key, generation=1)
        key_file = None
        with self._saving(refusals.NOTHING_SAVED):
            if kind is SlotKind.KEY_FILE:
                key_file = self._paths.key_file(vault.slots[0].id)
                keys.write_key_file(key_file, raw_key)
            self._put_in_place(new.data, key_file=key_file)
        self._sync()
        return _report(new, created=True, key_file=key_file)

    def _change(self, old: _Opened, change: Change) -> SaveReport:
        generation = old.contents.generation + 1
        contents = change(old.contents)
        new = self._sealed(contents, old.vault, raw_key=old.raw_key, generation=generation)
        with self._saving(refusals.INTACT):
            file.remove_old_temporaries(self._paths.config)
            file.replace(self._paths.backup, old.data)
            file.replace(self._paths.store, new.data)
        self._sync()
        return _report(new, created=False, key_file=None)

    def _put_in_place(self, data: bytes, *, key_file: Path | None) -> None:
        """Save a new store; if it is surely not there, its key goes too: it would open nothing."""
        try:
            file.replace(self._paths.store, data)
        except BaseException:
            if key_file is not None and file.is_surely_absent(self._paths.store):
                file.remove(key_file)
            raise

    def _sync(self) -> None:
        try:
            file.sync_folder(self._paths.config)
        except OSError as error:
            raise refusals.not_confirmed(self._paths, error) from error

    @contextmanager
    def _saving(self, state: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise refusals.not_saved(self._paths.store, error, state=state) from error

    def _sealed(
        self, contents: StoreContents, vault: Vault, *, raw_key: bytes, generation: int
    ) -> _Opened:
        """Seal the contents, then open the new bytes: what does not compare is not saved."""
        expected = replace(
            contents,
            profiles=MappingProxyType(dict(contents.profiles)),
            store_id=crypto.to_text(vault.store_id),
            generation=generation,
        )
        try:
            data = sealing.seal(expected, vault)
            signed = document.parse(data)
            new = self._opened(data, signed, raw_keys=[raw_key])
            if new.contents != expected or list(new.contents.profiles) != list(expected.profiles):
                raise UnfitStore("what was read back is not what was to be saved")
        except (UnfitStore, ValueError) as error:
            state = refusals.INTACT if generation > 1 else refusals.NOTHING_SAVED
            raise refusals.unfit_to_save(self._paths, error, state=state) from error
        return new

    def _bytes(self) -> bytes | None:
        return file.read_private(self._paths.store, size_max=document.SIZE_MAX)

    def _open(self, data: bytes) -> _Opened:
        try:
            signed = document.parse(data)
            return self._opened(data, signed, raw_keys=self._raw_keys(signed.document))
        except UnfitStore as problem:
            raise refusals.unfit(self._paths, problem) from problem

    def _opened(self, data: bytes, signed: SignedDocument, *, raw_keys: Iterable[bytes]) -> _Opened:
        for raw_key in raw_keys:
            vault = sealing.unlock(signed, raw_key)
            if vault is not None:
                return _Opened(data, raw_key, vault, sealing.open_contents(signed, vault))
        own_files = self._key_files(signed.document)
        raise refusals.wrong_key(self._paths, self._key, own_files=own_files)

    def _raw_keys(self, content: Document) -> list[bytes]:
        """Return the named key alone, or else what the store's own key files hold."""
        if self._key is not None:
            return [self._key.read(warn=self._warn)]
        own_files = self._key_files(content)
        found = [key for path in own_files if (key := keys.read_key_file(path)) is not None]
        if not found:
            raise refusals.no_key(self._paths, own_files=own_files)
        return found

    def _key_files(self, content: Document) -> list[Path]:
        slots = (slot for slot in content.slots if slot.kind is SlotKind.KEY_FILE)
        return [self._paths.key_file(slot.id) for slot in slots]

    def _warn(self, sentence: str) -> None:
        self._warnings[sentence] = None


def _report(new: _Opened, *, created: bool, key_file: Path | None) -> SaveReport:
    kinds = tuple(slot.kind.value for slot in new.vault.slots)
    return SaveReport(new.contents, created=created, key_file=key_file, slot_kinds=kinds)
