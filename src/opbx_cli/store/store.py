"""The store: read it, or change it in one step that either happened or did not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from opbx_cli import private_files
from opbx_cli.store import crypto, error_messages, sealing
from opbx_cli.store.contents import SaveReport, StoreContents
from opbx_cli.store.key_slots import SlotKind
from opbx_cli.store.key_source import KeySource
from opbx_cli.store.lock import domain_locked
from opbx_cli.store.os_keyring import OsKeyring
from opbx_cli.store.sealing import RawKey, Vault
from opbx_cli.store.transaction import StoreFiles, Transactions, as_saved
from opbx_cli.store.unlock import AskPassphrase, AvailableKeys
from opbx_cli.store_paths import StorePaths

if TYPE_CHECKING:
    from opbx_cli.store.key_changes import KeyAdministration

LOCK_TIMEOUT = 10.0  # seconds
DOMAIN_TIMEOUT = 60.0  # seconds; a run on a slow Cloudonix, or a person who is being asked

Version = tuple[int, ...] | None

Change = Callable[[StoreContents], StoreContents]


class Store:
    """The encrypted file of all profiles. Reading takes no lock; saving takes it.

    `ask_passphrase` is called once at most, and only when nothing else opened the store.
    """

    def __init__(
        self,
        paths: StorePaths,
        key: KeySource | None = None,
        *,
        ask_passphrase: AskPassphrase | None = None,
        lock_timeout: float = LOCK_TIMEOUT,
        os_keyring: OsKeyring | None = None,
        allow_shared: bool = False,
    ) -> None:
        self._paths = paths
        self._warnings: dict[str, None] = {}  # a set that keeps its order
        self._available_keys = AvailableKeys(
            paths,
            key,
            ask_passphrase=ask_passphrase,
            os_keyring=os_keyring or OsKeyring(),
            warn=self._warn,
        )
        self._files = StoreFiles(paths, allow_shared=allow_shared, warn=self._warn)
        self._transactions = Transactions(
            self._files, self._available_keys, lock_timeout=lock_timeout
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should hear about how the store was opened."""
        return tuple(self._warnings)

    @property
    def is_shared(self) -> bool:
        """Whether others may read the store, and it is only read (OPBX_ALLOW_SHARED_STORE)."""
        return self._files.is_shared

    def fetch_key(self) -> None:
        """Run the command that prints the key, if one was named, where signals are heard."""
        self._available_keys.fetch()

    def exists(self) -> bool:
        """Whether there is a file to read; a link or an unreadable folder is StoreError."""
        return self._files.check_exists()

    def require_can_save(self, *, create: bool = False) -> None:
        """Raise StoreError where saving would fail: for what changes something else before.

        `create` is for what makes a store where there is none, with its key.
        """
        if self.exists():
            self._files.check_can_save()
        elif create:
            self._files.check_can_save()
            if self._available_keys.named is None:
                self._files.check_can_write(self._paths.key_file("new"))

    def read(self) -> StoreContents:
        """Return what the store holds, verified.

        ConfigurationError without a store, StoreError for one that does not open.
        """
        return self._transactions.current().contents

    def version(self) -> Version:
        """Return what changes with every save, which is a rename of a new file."""
        try:
            status = self._paths.store.stat()
        except OSError:
            return None
        return (status.st_mtime_ns, status.st_size, status.st_ino)

    @contextmanager
    def alone_on(self, domain: str, *, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold off other commands that write the same domain from this store.

        `waiting` is called once if another one is at work. StoreError after a minute of that.
        """
        # No store yet: nobody else works from it. One that others may read is never saved.
        if not self._paths.config.is_dir() or self._files.is_shared:
            yield
            return
        with domain_locked(
            self._paths.domain_locks, domain, timeout=DOMAIN_TIMEOUT, waiting=waiting
        ):
            yield

    def previous(self) -> StoreContents:
        """Return what the backup holds, verified: the contents before the last save.

        ConfigurationError without a backup, StoreError for one that does not open.
        """
        backup = self._transactions.current_backup()
        if backup is None:
            raise error_messages.no_backup(self._paths)
        return backup.contents

    def update(self, change: Change, *, create: bool = False) -> SaveReport:
        """Apply `change` to what the store holds now, and save what it returns.

        No other opbx saves in between. If `change` raises, nothing is saved. Without a
        store, `create` makes one; otherwise that is ConfigurationError.
        """
        if create:
            with self._files.saving(error_messages.NOTHING_SAVED):
                private_files.make_private_folder(self._paths.config)
        elif not self.exists():
            raise error_messages.not_configured(self._paths)
        with self._transactions.exclusive() as old:
            if old is not None:
                new = self._transactions.save(old, change(old.contents))
                return _report(new, old.vault)
            if create:
                return self._create(change)
        raise error_messages.not_configured(self._paths)

    def restore(self) -> SaveReport:
        """Bring the backup's contents back, as a new generation; the present one becomes it.

        The keys stay those of the present one. ConfigurationError without a backup.
        """
        with self._transactions.changing() as old:
            backup = self._transactions.backup(old)
            if backup is None:
                raise error_messages.no_backup(self._paths)
            return _report(self._transactions.save(old, backup.contents), old.vault)

    @property
    def keys(self) -> KeyAdministration:
        """The ways to open the store, to be shown and changed."""
        # 4 ms: what changes no keys does without.
        from opbx_cli.store.key_changes import KeyAdministration  # noqa: PLC0415

        return KeyAdministration(self._transactions, warn=self._warn)

    def _create(self, change: Change) -> SaveReport:
        if private_files.is_present(self._paths.backup):
            raise error_messages.backup_without_store(self._paths)
        key, kind = RawKey(crypto.random_bytes(crypto.KEY_BYTES)), SlotKind.KEYFILE
        if self._available_keys.named is not None:
            key, kind = RawKey(self._available_keys.named.read(warn=self._warn)), SlotKind.EXTERNAL
        vault = sealing.new_vault(key.content, kind)
        (slot,) = vault.slots
        contents = change(StoreContents(store_id=crypto.to_text(vault.store_id)))
        new = as_saved(contents, vault, generation=1)
        data = self._transactions.seal(
            new, vault, proofs=[(slot.id, key)], state=error_messages.NOTHING_SAVED
        )
        with self._transactions.keeping(
            vault.store_id, [(slot, key)], state=error_messages.NOTHING_SAVED
        ):
            self._files.put_first(data)
        self._files.sync()
        key_file = self._paths.key_file(slot.id) if kind is SlotKind.KEYFILE else None
        return _report(new, vault, key_file=key_file, created=True)

    def _warn(self, sentence: str) -> None:
        self._warnings[sentence] = None


def _report(
    contents: StoreContents, vault: Vault, *, key_file: Path | None = None, created: bool = False
) -> SaveReport:
    kinds = tuple(slot.kind.value for slot in vault.slots)
    return SaveReport(contents, created=created, key_file=key_file, slot_kinds=kinds)
