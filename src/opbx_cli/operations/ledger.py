"""The ledger: many profiles' facts, saved together, so that five hundred saves become a few."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opbx_cli.errors import OpbxError
from opbx_cli.operations.profiles import remembering, with_facts

if TYPE_CHECKING:
    from opbx_cli.operations.converge import Facts
    from opbx_cli.store import Store, StoreContents


@dataclass(eq=False, slots=True)
class _Entry:
    profile: str
    domain_uuid: str
    facts: Facts
    is_done: bool = False
    error: OpbxError | None = None


class Ledger:
    """Whoever records waits until it is saved; whoever waits meanwhile is saved together.

    Saving seals all profiles anew, so its cost grows with their number: one save for each
    of them would make the whole grow with its square.
    """

    def __init__(self, store: Store, contents: StoreContents) -> None:
        self._store = store
        self._contents = contents  # as it was read before the work began
        self._lock = threading.Lock()
        self._saving = threading.Lock()
        self._waiting: list[_Entry] = []

    def record(self, profile: str, domain_uuid: str, facts: Facts) -> bool:
        """Save what Cloudonix told; tell whether that was news. Any thread may call this."""
        settings = self._contents.profiles[profile]
        if remembering(settings, facts) == settings:
            return False
        entry = _Entry(profile, domain_uuid, facts)
        with self._lock:
            self._waiting.append(entry)
        with self._saving:
            if not entry.is_done:
                self._save_waiting()
        if entry.error is not None:
            raise entry.error
        return True

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
            self._store.update(lambda contents: _with_all(contents, entries))
        except OpbxError as error:
            for entry in entries:
                entry.error = entry.error or error
        except BaseException:  # Ctrl-C, say: whoever waits has to try again
            with self._lock:
                self._waiting = [*entries, *self._waiting]
            raise
        for entry in entries:
            entry.is_done = True


def _with_all(contents: StoreContents, entries: list[_Entry]) -> StoreContents:
    """Apply each; one whose profile has become another does not keep the others back."""
    saved = False
    for entry in entries:
        try:
            contents = with_facts(contents, entry.profile, entry.domain_uuid, entry.facts)
            saved = True
        except OpbxError as error:
            entry.error = error
    if not saved and entries[0].error is not None:
        raise entries[0].error
    return contents
