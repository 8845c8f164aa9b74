"""The store's two files: reading, and putting new bytes in place so that no moment is half."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from opbx_cli.errors import StoreError
from opbx_cli.store import document, file, refusals
from opbx_cli.store.paths import StorePaths
from opbx_cli.store.slots import is_slot_id

_NOTES_SIZE_MAX = 1024 * 1024  # bytes
_SLOT_ID = rb'(?m)^id = "([0-9a-f]{8})"\r?$'


class Shelf:
    def __init__(self, paths: StorePaths) -> None:
        self._paths = paths

    def store(self) -> bytes | None:
        return file.read_private(self._paths.store, size_max=document.SIZE_MAX)

    def backup(self) -> bytes | None:
        return file.read_private(self._paths.backup, size_max=document.SIZE_MAX)

    @contextmanager
    def saving(self, state: str) -> Iterator[None]:
        """Word what the system refuses; `state` says what is still there."""
        try:
            yield
        except OSError as error:
            raise refusals.not_saved(self._paths.store, error, state=state) from error

    def put(self, data: bytes, *, backup: bytes) -> None:
        """Save a generation and keep the one before."""
        with self.saving(refusals.INTACT):
            file.remove_old_temporaries(self._paths.config)
            file.replace(self._paths.backup, backup)
            file.replace(self._paths.store, data)

    def put_first(self, data: bytes) -> None:
        with self.saving(refusals.NOTHING_SAVED):
            file.replace(self._paths.store, data)

    def put_rotated(self, data: bytes, *, backup: bytes | None) -> Path | None:
        """Save a store under a new data key; its backup is written, and not yet in place.

        Written before the store: afterwards a full disk cannot stop it any more.
        """
        with self.saving(refusals.INTACT):
            file.remove_old_temporaries(self._paths.config)
            prepared = None
            if backup is not None:
                prepared = file.write_temporary(self._paths.backup, backup)
            try:
                file.replace(self._paths.store, data)
            except BaseException:
                if prepared is not None:
                    file.remove(prepared)
                raise
        return prepared

    def finish_backup(self, prepared: Path | None) -> None:
        if prepared is None:
            return
        try:
            prepared.replace(self._paths.backup)
        except OSError as error:
            file.remove(prepared)
            raise refusals.backup_not_rotated(self._paths, error) from error

    def sync(self) -> None:
        try:
            file.sync_folder(self._paths.config)
        except OSError as error:
            raise refusals.not_confirmed(self._paths, error) from error

    def note_keys(self, slot_ids: Iterable[str]) -> None:
        """Note key files that a change makes or leaves behind, in case it is killed.

        What others keep in the same folder is never noted, and so never deleted.
        """
        noted = sorted({*self.noted_keys(), *slot_ids})
        file.replace(self._paths.key_notes, "".join(f"{one}\n" for one in noted).encode())

    def noted_keys(self) -> tuple[str, ...]:
        try:
            content = file.read_private(self._paths.key_notes, size_max=_NOTES_SIZE_MAX) or b""
        except StoreError:
            return ()
        return tuple(filter(is_slot_id, content.decode("latin-1").splitlines()))

    def forget_notes(self) -> None:
        self._paths.key_notes.unlink(missing_ok=True)

    def named_slots(self) -> frozenset[str]:
        """Return the slot ids in every store file here, also in those that somebody put aside.

        OSError if one of them cannot be read: then nobody knows which keys are needed.
        """
        found: set[str] = set()
        for path in self._paths.config.iterdir():
            if path.name.startswith(self._paths.store.name) and path.is_file():
                found.update(match.decode() for match in re.findall(_SLOT_ID, path.read_bytes()))
        return frozenset(found)
