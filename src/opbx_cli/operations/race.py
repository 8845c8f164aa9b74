"""Observations beside each other: all begin at once, and none is waited for beyond one deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class Race:
    """Observations that all begin at once and share one deadline.

    Each has a daemon thread: a DNS that does not answer cannot be interrupted, only left behind.
    """

    def __init__(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds
        self._runners: dict[str, Future[object]] = {}

    def start(self, name: str, observe: Callable[[], object]) -> None:
        future: Future[object] = Future()

        def run() -> None:
            try:
                future.set_result(observe())
            except BaseException as error:  # noqa: BLE001  # `result` raises it again
                future.set_exception(error)

        self._runners[name] = future
        threading.Thread(target=run, name=f"check {name}", daemon=True).start()

    def result(self, name: str, kind: type[T]) -> T | None:
        """Return an observation, or None where it did not end in time."""
        try:
            found = self._runners[name].result(max(0.0, self.deadline - time.monotonic()))
        except TimeoutError:
            return None
        assert isinstance(found, kind)
        return found
