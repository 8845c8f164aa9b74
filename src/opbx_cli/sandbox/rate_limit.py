"""Cloudonix's rate limit (documentation): 10 requests in 3 seconds for each domain."""

from __future__ import annotations

from collections import defaultdict, deque

REQUESTS = 10
WINDOW = 3.0  # seconds


class RateLimit:
    """A sliding window for each domain; refused requests do not count."""

    def __init__(self) -> None:
        """Start with empty windows."""
        self._accepted: defaultdict[str, deque[float]] = defaultdict(deque)

    def accepts(self, domain: str, now: float) -> bool:
        """Tell whether a request at `now` (seconds) is within the limit, and count it if so."""
        accepted = self._accepted[domain]
        while accepted and now - accepted[0] >= WINDOW:
            accepted.popleft()
        if len(accepted) >= REQUESTS:
            return False
        accepted.append(now)
        return True

    def forget(self) -> None:
        """Start over with empty windows."""
        self._accepted.clear()
