"""Saves of many profiles, put together, so that five hundred of them become a few."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opbx_cli.store import SaveReport, Store, StoreContents

    Change = Callable[[StoreContents], StoreContents]


PAUSE_MAX = 2.0  # seconds, in which a save waits for others to join it


@dataclass(eq=False, slots=True)
class _Entry:
    change: Change
    is_done: bool = False
    error: BaseException | None = None


class GroupSave:
    """Whoever saves waits until it is done; whoever waits meanwhile is saved together.

    Saving seals all profiles anew, so its cost grows with their number: one save for each
    of them would make the whole grow with its square. So a save waits until all who are
    `at_work` wait for it, for twice as long as the one before it took at most: thousands of
    profiles take some hundred saves. One thread saves, because each has a heap of its own that
    would grow to what a save takes.
    """

    def __init__(
        self, store: Store, *, create: bool = False, arrange: Change = lambda contents: contents
    ) -> None:
        """`create`: make the store where there is none; `created` then tells of it.

        `arrange` puts the profiles in order, where a save adds some.
        """
        if create:
            store.fetch_key()  # here, as a thread that saves hears no signal
        self.created: SaveReport | None = None
        self.at_work: Callable[[], int] = lambda: 0  # how many may come to save
        self._store = store
        self._create = create
        self._arrange = arrange
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._saved = threading.Condition(self._lock)
        self._waiting: list[_Entry] = []
        self._thread: threading.Thread | None = None
        self._is_closing = False

    def update(self, change: Change) -> None:
        """Save what `change` makes of the contents; raise what it raises. For any thread."""
        entry = _Entry(change)
        with self._lock:
            self._waiting.append(entry)
            if self._thread is None:
                # A daemon, as those who wait for it are.
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()
            self._arrived.notify()
            while not entry.is_done:
                self._saved.wait()
        if entry.error is not None:
            raise entry.error

    def close(self) -> None:
        """Save what still waits, and let no save be under way any more."""
        with self._lock:
            self._is_closing = True
            self._arrived.notify()
            while self._thread is not None:
                self._saved.wait()
            self._is_closing = False

    def _work(self) -> None:
        """Save until nothing waits and `close` is called."""
        pause = 0.0  # seconds
        while entries := self._next(pause):
            started = time.monotonic()
            self._save(entries)
            pause = min(2 * (time.monotonic() - started), PAUSE_MAX)

    def _next(self, pause: float) -> list[_Entry]:
        """Wait for entries, and then for others to join them; none where this is the end."""
        with self._lock:
            while not self._waiting and not self._is_closing:
                self._arrived.wait()
            until = time.monotonic() + pause
            while not self._is_closing and len(self._waiting) < self.at_work():
                if not self._arrived.wait(until - time.monotonic()):
                    break
            entries, self._waiting = self._waiting, []
            if not entries:
                self._thread = None
                self._saved.notify_all()
            return entries

    def _save(self, entries: list[_Entry]) -> None:
        try:
            report = self._store.update(
                lambda contents: self._with_all(contents, entries), create=self._create
            )
            if report.created:
                self.created = report
        except BaseException as error:  # noqa: BLE001  # each of those who wait raises it
            for entry in entries:
                entry.error = entry.error or error
        with self._lock:
            for entry in entries:
                entry.is_done = True
            self._saved.notify_all()

    def _with_all(self, before: StoreContents, entries: list[_Entry]) -> StoreContents:
        """Apply each; one that cannot be does not keep the others back."""
        contents = before
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
        return (
            contents if len(contents.profiles) == len(before.profiles) else self._arrange(contents)
        )
