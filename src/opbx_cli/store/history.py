"""The audit trail: one JSON line per command that changed something, and no value in it.

It answers "who changed what, when" for the user of this computer. Keys appear as
fingerprints. The file is private like the store, and bounded: when it grows too large,
its older half goes. What is missing, added or altered shows: see `trail`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from opbx_cli.errors import StoreError
from opbx_cli.store import access, file, trail
from opbx_cli.store.lock import locked
from opbx_cli.store.trail import HistoryEntry, Trail

SIZE_MAX = 1024 * 1024  # bytes: some 3,000 commands
LOCK_TIMEOUT = 3.0  # seconds; a trail is not worth a longer wait
_NOTE_SIZE_MAX = 1024  # bytes


class History:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._note = path.with_name(path.name + ".last")

    def append(self, *entries: HistoryEntry) -> None:
        """Add lines. Raises `StoreError` where the file is not ours alone or not writable."""
        try:
            file.make_private_folder(self.path.parent)
            with locked(self.path.with_name(self.path.name + ".lock"), timeout=LOCK_TIMEOUT):
                note = trail.note_from(self._read(self._note, size_max=_NOTE_SIZE_MAX))
                old = self._read(self.path, size_max=2 * SIZE_MAX)
                new, note = trail.extended(old, note, entries, size_max=SIZE_MAX)
                file.remove_old_temporaries(self.path.parent)
                file.replace(self.path, new)
                # Second: a trail may go on behind its note, and never ends before it.
                file.replace(self._note, note.as_bytes())
        except OSError as error:
            raise StoreError(
                f"the audit trail {self.path} could not be written: {access.reason(error)}",
                code="store.history",
            ) from error

    def read(self) -> Trail:
        """Return the entries, oldest first, and what is wrong with them. Takes no lock."""
        # The note first: meanwhile an opbx may write both.
        noted = self._read(self._note, size_max=_NOTE_SIZE_MAX)
        content = self._read(self.path, size_max=2 * SIZE_MAX)
        if noted or content:
            access.check_way(self.path.parent)
        found = trail.judged(content, trail.note_from(noted))
        problems = tuple(f"the audit trail {self.path} {one}" for one in found.problems)
        return replace(found, problems=problems)

    @staticmethod
    def _read(path: Path, *, size_max: int) -> bytes:
        return file.read_private(path, size_max=size_max) or b""
