"""The keys that a callback may carry, and which of them one does carry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from opbx_cli.models import Secret


@dataclass(frozen=True, slots=True)
class AcceptedKey:
    """One key that is in force, without an end or until a moment."""

    key: Secret
    name: str  # `current` or `previous`
    valid_until: datetime | None = None


# Asked for each callback, so that a key that changes meanwhile is followed.
Keys = Callable[[], tuple[AcceptedKey, ...]]


def matching(token: str, keys: tuple[AcceptedKey, ...]) -> AcceptedKey | None:
    """Return the key that the token is; the time it takes tells nothing about any of them."""
    given = Secret(token)
    # All are compared, whichever one fits; a Secret compares in constant time.
    found = [key for key in keys if key.key == given]
    return found[0] if found else None


def has_expired(key: AcceptedKey, now: datetime) -> bool:
    return key.valid_until is not None and now >= key.valid_until
