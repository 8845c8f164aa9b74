"""Cloudonix's rate limit, kept by us: so that a domain nobody else talks to never answers 429."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

REQUESTS = 10  # Cloudonix (documentation): so many requests for a domain ...
RATE_WINDOW = 3.0  # ... in so many seconds (OpenAPI)
SLOW_WINDOW = 10.0  # ... or in so many (an older page of the same documentation)


@dataclass(eq=False, slots=True)
class _Turn:
    ended: float | None = None  # seconds; None while the request is under way


class RateLimiter:
    """A sliding window over one domain's requests; any number of threads may share it.

    Cloudonix counts a request when it arrives, which is some time between its start and the
    end of its answer. So a request counts from its start until a window after its end:
    however long each one travels, no eleven of them arrive within one window.

    `window` is in seconds: the shorter of the two documented ones, until Cloudonix refuses.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.window = RATE_WINDOW
        self._clock = clock
        self._changed = threading.Condition()
        self._turns: list[_Turn] = []

    @contextmanager
    def turn(self, sleep: Callable[[float], None]) -> Iterator[None]:
        """Wait until one more request may be sent; it is under way while the context lasts."""
        with self._changed:
            start = self._next_start()
            mine = _Turn()
            self._turns.append(mine)
        try:
            wait = start - self._clock()
            if wait > 0:
                sleep(wait)
            yield
        finally:
            with self._changed:
                # A clock that the sleep did not move (tests) must not make the wait undone.
                mine.ended = max(self._clock(), start)
                self._changed.notify_all()

    def slow_down(self) -> None:
        """Go over to the longer window for good: a request was refused within the shorter one."""
        self.window = SLOW_WINDOW

    def _next_start(self) -> float:
        """Return the moment from which on at most nine others count."""
        while True:
            under_way = [turn for turn in self._turns if turn.ended is None]
            if len(under_way) < REQUESTS:
                break
            self._changed.wait()
        ended = sorted((turn.ended for turn in self._turns if turn.ended is not None), reverse=True)
        recent = ended[:REQUESTS]
        self._turns = [*under_way, *map(_Turn, recent)]
        free = REQUESTS - len(under_way)
        now = self._clock()
        return max(now, recent[free - 1] + self.window) if len(recent) >= free else now


class Limiters:
    """One limiter for each domain of each server, whoever asks for it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], RateLimiter] = {}

    def of(self, origin: str, domain_uuid: str) -> RateLimiter:
        with self._lock:
            key = (origin, domain_uuid.lower())
            return self._known.setdefault(key, RateLimiter(self._clock))
