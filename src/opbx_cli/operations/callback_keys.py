"""Which keys a callback may carry, followed while a profile changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from opbx_cli.errors import OpbxError
from opbx_cli.settings.table import Settings
from opbx_cli.webhooks.receiver.keys import AcceptedKey

CURRENT = "current"
PREVIOUS = "previous"  # from before the last rotation, for its period of grace

Version = tuple[int, ...] | None


def accepted_keys(settings: Settings) -> tuple[AcceptedKey, ...]:
    """Return the keys that callbacks for this profile may carry, the current one first."""
    if settings.webhook_api_key is None:
        return ()
    current = AcceptedKey(settings.webhook_api_key, CURRENT)
    old, until = settings.webhook_api_key_previous, settings.webhook_api_key_previous_until
    if old is None:
        return (current,)
    # Without an end it is one of two keys of which it is in doubt which one is in force.
    end = None if until is None else datetime.fromtimestamp(until, UTC)
    return (current, AcceptedKey(old, PREVIOUS, end))


class FollowedKeys:
    """The keys of a stored profile, read again when the store's file is another one.

    While it cannot be read the last keys stay in force, and `warn` hears why, once.
    """

    def __init__(
        self,
        keys: tuple[AcceptedKey, ...],
        *,
        version: Callable[[], Version],
        load: Callable[[], Settings],
        warn: Callable[[str], None],
    ) -> None:
        """`version` tells one state of the file from another; `keys` are the first ones."""
        self._keys = keys
        self._version = version
        self._load = load
        self._warn = warn
        # Not that of now: it may have changed since the first keys were read from it.
        self._seen: Version = ()

    def __call__(self) -> tuple[AcceptedKey, ...]:
        # Looked at before reading: what is replaced meanwhile is read again next time.
        version = self._version()
        if version != self._seen:
            self._seen = version
            self._read()
        return self._keys

    def _read(self) -> None:
        try:
            keys = accepted_keys(self._load())
        except OpbxError as error:
            self._keep_last(error.message)
            return
        if keys:
            self._keys = keys
        else:
            self._keep_last("the profile has none any more")

    def _keep_last(self, why: str) -> None:
        self._warn(f"callbacks are still checked with the last webhook key: {why}")
