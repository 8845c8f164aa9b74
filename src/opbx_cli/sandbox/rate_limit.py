"""How many requests are taken in a time."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Final

# Cloudonix's rate limit for each domain. OpenAPI says 3 seconds, an older page 10.
REQUESTS: Final = 10
WINDOW: Final = 3.0  # seconds


class RateLimit:
    """A sliding window of `seconds` for each key; refused requests do not count."""

    def __init__(self, requests: int = REQUESTS, seconds: float = WINDOW) -> None:
        self._requests = requests
        self._seconds = seconds
        self._accepted: defaultdict[str, deque[float]] = defaultdict(deque)

    def accepts(self, key: str, now: float) -> bool:
        """Tell whether a request at `now` (seconds) is within the limit, and count it if so."""
        accepted = self._accepted[key]
        while accepted and now - accepted[0] >= self._seconds:
            accepted.popleft()
        if len(accepted) >= self._requests:
            return False
        accepted.append(now)
        return True

    def forget(self) -> None:
        self._accepted.clear()
