"""A record of the requests that came in."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opbx_cli.sandbox.faults import Call

REMEMBERED = 20_000  # a sandbox that runs for days must not grow for ever


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request: `status` is None if it got no answer.

    `started` and `ended` are monotonic seconds, `ended` is None while the request waits. `body` is
    the parsed JSON, None without or with a broken one. Header names are in lower case.
    """

    call: Call
    method: str
    path: str
    body: object
    client_port: int
    started: float
    headers: Mapping[str, str] = field(repr=False)
    status: int | None = None
    ended: float | None = None


class Recorder:
    """The last requests in the order of their arrival."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._lock = Lock()
        self._requests: deque[list[RecordedRequest]] = deque(maxlen=REMEMBERED)

    def begin(self, request: RecordedRequest) -> list[RecordedRequest]:
        """Remember a request and return the entry to close it with."""
        entry = [request]
        with self._lock:
            self._requests.append(entry)
        return entry

    def end(self, entry: list[RecordedRequest], status: int | None) -> None:
        """Note how a request ended; only the first time counts."""
        with self._lock:
            if entry[0].ended is None:
                entry[0] = replace(entry[0], status=status, ended=time.monotonic())

    def snapshot(self) -> tuple[RecordedRequest, ...]:
        """Return what is remembered."""
        with self._lock:
            return tuple(entry[0] for entry in self._requests)

    def forget(self) -> None:
        """Forget everything."""
        with self._lock:
            self._requests.clear()
