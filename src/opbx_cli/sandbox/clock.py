"""The sandbox's time, which a test can move forward instead of sleeping."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class Clock:
    """Real time plus what it was advanced by."""

    def __init__(self) -> None:
        """Start in the present."""
        self._ahead = 0.0

    def now(self) -> float:
        """Return monotonic seconds."""
        return time.monotonic() + self._ahead

    def timestamp(self) -> str:
        """Return the time of day as the API writes it: ISO 8601 with milliseconds, UTC."""
        moment = datetime.now(UTC) + timedelta(seconds=self._ahead)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def milliseconds(self) -> int:
        """Return the time of day as the callbacks have it: milliseconds of the epoch."""
        return int((time.time() + self._ahead) * 1000)

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass at once."""
        self._ahead += seconds
