"""Bodies of callbacks: JSON in, what they say of their call out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NoReturn

from opbx_cli.webhooks.endpoints import CDR, SESSION_UPDATE, VOICE
from opbx_cli.webhooks.receiver.callback import Call, Request, shown

Payload = Mapping[str, object]
Path = tuple[str, ...]


class BadBody(Exception):
    """The few words say what is wrong with the body, never what it says."""


# Where each fact stands in the body of each endpoint, best first. The session's token comes first
# because it is what the three callbacks of one call have in common.
_SESSION: tuple[Path, ...] = (("SessionData", "token"), ("Session",), ("CallSid",))
_PLACES: dict[str, dict[str, tuple[Path, ...]]] = {
    VOICE: {
        "id": _SESSION,
        "domain": (("Domain",), ("domain",), ("AccountSid",)),
        "caller": (("From",), ("from",)),
        "callee": (("To",), ("to",)),
        "status": (("CallStatus",),),
    },
    SESSION_UPDATE: {
        "id": (("token",),),
        "domain": (("domain",), ("Domain",)),
        "caller": (("callerId",),),
        "callee": (("destination",),),
        "status": (("status",),),
    },
    CDR: {
        "id": (("session", "token"),),
        "domain": (("owner", "domain", "name"), ("owner", "domain", "uuid"), ("domain",)),
        "caller": (("from",),),
        "callee": (("to",),),
        "status": (("disposition",),),
    },
}


def parsed(request: Request) -> Payload:
    """Return what the body says. Raises `BadBody`."""
    if not request.body:
        raise BadBody("empty body")
    try:
        text = request.body.decode("utf-8-sig")
        # Numbers stay the texts they are: no size is too large for that, and none is rounded.
        content = json.loads(text, parse_int=str, parse_float=str, parse_constant=_no_number)
    except UnicodeDecodeError:
        raise BadBody("not UTF-8") from None
    except RecursionError:
        raise BadBody("too deep") from None
    except ValueError:
        raise BadBody("bad JSON") from None
    if not isinstance(content, dict):
        raise BadBody("no object")
    return content


def call(endpoint: str, payload: Payload) -> Call:
    """Return what the payload says of its call."""
    return Call(**{name: _first(payload, places) for name, places in _PLACES[endpoint].items()})


def value_at(payload: Payload, place: Path) -> object:
    """Return what stands at a place; None where nothing does."""
    value: object = payload
    for name in place:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _no_number(_text: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")


def _first(payload: Payload, places: tuple[Path, ...]) -> str | None:
    for place in places:
        value = value_at(payload, place)
        if isinstance(value, str) and (text := shown(value)):
            return text
    return None
