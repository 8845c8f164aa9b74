"""Bodies of callbacks: JSON or a form in, what they say of their call out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NoReturn
from urllib.parse import parse_qsl

from opbx_cli.callbacks import CDR, SESSION_UPDATE, VOICE
from opbx_cli.receiver.callback import Call, Request, shown

FORM = "application/x-www-form-urlencoded"
FIELDS_MAX = 1000  # of a form; a real one has a dozen

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
        content_types = request.header(b"content-type")
        is_form = content_types and content_types[0].split(";")[0].strip().lower() == FORM
        if request.endpoint == VOICE and is_form:
            return _form(text)
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


def has_recipient(payload: Payload) -> bool:
    return any(payload.get(name) not in (None, "") for name in ("to", "To"))


def _form(text: str) -> Payload:
    try:
        return dict(
            parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX)
        )
    except UnicodeDecodeError:
        raise
    except ValueError:
        raise BadBody("bad form") from None


def _no_number(_text: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")


def _first(payload: Payload, places: tuple[Path, ...]) -> str | None:
    for place in places:
        value: object = payload
        for name in place:
            value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, str) and (text := shown(value)):
            return text
    return None
