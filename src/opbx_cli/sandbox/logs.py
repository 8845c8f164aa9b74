"""The last requests that came in, and the last callbacks that went out."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opbx_cli.sandbox.domains import Json
    from opbx_cli.sandbox.faults import Call

REMEMBERED: Final = 20_000  # a sandbox that runs for days must not grow for ever

# What became of a callback.
DELIVERED: Final = "delivered"
REFUSED: Final = "refused"
UNREACHABLE: Final = "unreachable"


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


class RequestLog:
    """The last requests in the order of their arrival."""

    def __init__(self) -> None:
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
        with self._lock:
            return tuple(entry[0] for entry in self._requests)

    def forget(self) -> None:
        with self._lock:
            self._requests.clear()


@dataclass(frozen=True, slots=True)
class Callback:
    """What is to be sent; `event` is a session update's status."""

    endpoint: str
    url: str
    fields: Json
    method: str = "POST"
    event: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class SentCallback:
    """What became of a callback; `content` is the answer's, of a success alone."""

    callback: Callback
    result: str
    detail: str
    http_status: int | None = None
    attempts: int = 0
    milliseconds: int = 0
    content: bytes = field(default=b"", repr=False)

    @property
    def view(self) -> Json:
        """Return it for a report: no header, no body, and no query, where a key may be."""
        return {
            "endpoint": self.callback.endpoint,
            "event": self.callback.event,
            "url": shown(self.callback.url),
            "attempts": self.attempts,
            "http_status": self.http_status,
            "result": self.result,
            "detail": self.detail,
            "milliseconds": self.milliseconds,
        }


class CallbackLog:
    """The last callbacks in the order in which they ended."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._callbacks: deque[SentCallback] = deque(maxlen=REMEMBERED)

    def add(self, callback: SentCallback) -> None:
        with self._lock:
            self._callbacks.append(callback)

    def snapshot(self) -> tuple[SentCallback, ...]:
        with self._lock:
            return tuple(self._callbacks)

    def forget(self) -> None:
        with self._lock:
            self._callbacks.clear()


def shown(url: str) -> str:
    """Return a URL without the parts in which people keep keys."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=place, query="", fragment="").geturl()
