"""Saves of many profiles, put together, so that five hundred of them become a few."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opbx_cli.store import SaveReport, Store, StoreContents

    Change = Callable[[StoreContents], StoreContents]


@dataclass(eq=False, slots=True)
class _Entry:
    change: Change
    is_done: bool = False
    error: Exception | None = None


class GroupSave:
    """Whoever saves waits until it is done; whoever waits meanwhile is saved together.

    Saving seals all profiles anew, so its cost grows with their number: one save for each
    of them would make the whole grow with its square.
    """

    def __init__(self, store: Store, *, create: bool = False) -> None:
        """`create`: make the store where there is none; `created` then tells of it."""
        if create:
            store.fetch_key()  # here, as a thread that saves hears no signal
        self.created: SaveReport | None = None
        self._store = store
        self._create = create
        self._lock = threading.Lock()
        self._saving = threading.Lock()
        self._waiting: list[_Entry] = []

    def update(self, change: Change) -> None:
        """Save what `change` makes of the contents; raise what it raises. For any thread."""
        entry = _Entry(change)
        with self._lock:
            self._waiting.append(entry)
        with self._saving:
            if not entry.is_done:
                self._save_waiting()
        if entry.error is not None:
            raise entry.error

    def close(self) -> None:
        """Save what still waits, and let no save be under way any more."""
        with self._saving:
            self._save_waiting()

    def _save_waiting(self) -> None:
        with self._lock:
            entries, self._waiting = self._waiting, []
        if not entries:
            return
        try:
            report = self._store.update(
                lambda contents: _with_all(contents, entries), create=self._create
            )
            if report.created:
                self.created = report
        except Exception as error:  # noqa: BLE001  # each of those who wait raises it
            for entry in entries:
                entry.error = entry.error or error
        except BaseException:  # Ctrl-C, say: whoever waits has to try again
            with self._lock:
                self._waiting = [*entries, *self._waiting]
            raise
        for entry in entries:
            entry.is_done = True


def _with_all(contents: StoreContents, entries: list[_Entry]) -> StoreContents:
    """Apply each; one that cannot be does not keep the others back."""
    is_changed = False
    for entry in entries:
        entry.error = None
        try:
            contents = entry.change(contents)
            is_changed = True
        except Exception as error:  # noqa: BLE001  # its own caller raises it
            entry.error = error
    if not is_changed and entries[0].error is not None:
        raise entries[0].error
    return contents
