"""What the sandbox sends of its own accord, and what became of it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opbx_cli.sandbox.records import Json

REMEMBERED: Final = 20_000  # a sandbox that runs for days must not grow for ever

DELIVERED: Final = "delivered"
REFUSED: Final = "refused"
UNREACHABLE: Final = "unreachable"


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
class Delivery:
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


class Deliveries:
    """The last callbacks in the order in which they ended."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._lock = Lock()
        self._deliveries: deque[Delivery] = deque(maxlen=REMEMBERED)

    def add(self, delivery: Delivery) -> None:
        """Remember one."""
        with self._lock:
            self._deliveries.append(delivery)

    def snapshot(self) -> tuple[Delivery, ...]:
        """Return what is remembered."""
        with self._lock:
            return tuple(self._deliveries)

    def forget(self) -> None:
        """Forget everything."""
        with self._lock:
            self._deliveries.clear()


def shown(url: str) -> str:
    """Return a URL without the parts in which people keep keys."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=place, query="", fragment="").geturl()
