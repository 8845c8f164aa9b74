"""What came in, and what is known of it once it was judged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from opbx_cli.values import clean
from opbx_cli.webhooks import endpoints as callbacks

SHOWN_MAX = 128  # characters of a text from afar; phone numbers and tokens are far shorter
METHOD_MAX = 16

Headers = tuple[tuple[bytes, bytes], ...]

ENDPOINTS = {path: name for name, path in callbacks.PATHS.items()}


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; names of headers are in lower case."""

    method: str
    path: str
    headers: Headers = ()
    body: bytes = b""

    @property
    def endpoint(self) -> str | None:
        return ENDPOINTS.get(self.path)

    def header(self, name: bytes) -> list[str]:
        """Return the values of every header of that name."""
        return [value.decode("latin-1") for one, value in self.headers if one == name]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content_type: str
    body: bytes
    allow: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """What a callback says about its call: fit to be shown, None where it says nothing."""

    id: str | None = None
    domain: str | None = None
    caller: str | None = None
    callee: str | None = None
    status: str | None = None

    def without(self, secrets: frozenset[str]) -> Call:
        """Return it with nothing that has one of these texts in it."""

        def checked(text: str | None) -> str | None:
            hides = text is not None and any(secret in text for secret in secrets)
            return "[hidden]" if hides else text

        return replace(
            self,
            id=checked(self.id),
            domain=checked(self.domain),
            caller=checked(self.caller),
            callee=checked(self.callee),
            status=checked(self.status),
        )


@dataclass(frozen=True, slots=True)
class Callback:
    """One callback as it is shown; `reason` says why it was refused, None if it was not."""

    received: datetime
    endpoint: str | None
    method: str
    call: Call
    http_status: int
    reason: str | None = None
    key: str | None = None  # the name of the key that it carried
    saved: str | None = None  # where its body is

    @property
    def result(self) -> str:
        return "accepted" if self.reason is None else "refused"


def shown(text: str, length: int = SHOWN_MAX) -> str:
    """Return a text from afar as one short line."""
    # Cut before as well: a megabyte need not be looked at character by character.
    cleaned = clean(text[: 4 * length])
    return cleaned if len(cleaned) <= length else f"{cleaned[: length - 1]}…"
