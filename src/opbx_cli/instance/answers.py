"""OPBX's answers, parsed once at the edge: what is not as expected is refused or left out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import cast

from opbx_cli.http.redaction import quoted, repeats_a_key
from opbx_cli.instance.models import InstanceSettings, InstanceUser, SignedIn, Written
from opbx_cli.models import Secret
from opbx_cli.settings.table import IN_OPBX
from opbx_cli.webhooks.endpoints import PATHS, SESSION_UPDATE

TEXT_MAX = 255  # characters; OPBX's own limit for each of these
SENTENCE_MAX = 300  # characters of a sentence of OPBX's that is shown


class UnintelligibleError(Exception):
    """The answer is not what was asked for; the sentence says what it is instead."""


def decoded(content: bytes) -> object:
    try:
        return json.loads(content)
    except RecursionError:
        raise UnintelligibleError("JSON nested too deeply") from None
    except ValueError:
        what = "HTML where JSON belongs" if content.lstrip()[:1] == b"<" else "no JSON"
        raise UnintelligibleError(what) from None


def parse_signed_in(value: object) -> SignedIn:
    data = _object(value, "the answer to signing in")
    token = _text(data.get("access_token"))
    if token is None:
        raise UnintelligibleError("no access token in the answer to signing in")
    return SignedIn(Secret(token), _number(data.get("expires_in")))


def parse_user_answer(value: object, secrets: Iterable[Secret]) -> InstanceUser:
    data = _object(value, "a user")
    user = _object(data.get("user", data), "a user")
    organization = user.get("organization")
    name = organization.get("name") if isinstance(organization, dict) else None
    kept = tuple(secrets)
    return InstanceUser(
        email=_without(kept, user.get("email")),
        role=_without(kept, user.get("role")),
        organization=_without(kept, name) or _without(kept, user.get("organization_id")),
    )


def parse_settings_answer(value: object, secrets: Iterable[Secret]) -> InstanceSettings:
    """Return the settings. A text that repeats a key, typed into the wrong field, is left out."""
    data = _object(value, "settings")
    if "settings" not in data:
        raise UnintelligibleError("JSON without settings in it")
    raw = {} if data["settings"] is None else _object(data["settings"], "settings")
    keys = {row.name: _secret(raw.get(name)) for name, row in IN_OPBX.items() if row.is_secret}
    kept = (*secrets, *(key for key in keys.values() if key is not None))
    others = {
        row.name: _number(raw.get(name)) if row.kind is int else _without(kept, raw.get(name))
        for name, row in IN_OPBX.items()
        if not row.is_secret
    }
    return InstanceSettings(
        {**keys, **others},
        base_url_in_use=_base_url_of(_without(kept, data.get("callback_url"))),
        raw=raw,
    )


def parse_written(value: object, secrets: Iterable[Secret]) -> Written:
    """Return what a write came to; a warning that repeats a key is not shown."""
    data = _object(value, "the answer to a write")
    return Written(sentence(data.get("warning"), secrets))


def sentence(value: object, secrets: Iterable[Secret]) -> str | None:
    """Make a sentence of OPBX's fit for a screen; None where there is none to show."""
    text = quoted(value, secrets, length_max=SENTENCE_MAX) if isinstance(value, str) else ""
    return text or None


def error_sentences(content: bytes, secrets: Iterable[Secret]) -> tuple[str, ...]:
    """Return what OPBX says of a failure, in each of the shapes that it uses.

    They are `{"error": {"code", "message"}}` (signing in), `{"message"}` (its framework),
    `{"error": "text", "message"}`, and `{"message", "errors": {field: [sentences]}}` for 422.
    """
    try:
        value = decoded(content)
    except UnintelligibleError:
        return ()
    if not isinstance(value, dict):
        return ()
    kept = tuple(secrets)
    fields = value.get("errors")
    if isinstance(fields, dict):
        found = [one for many in fields.values() if isinstance(many, list) for one in many]
        said = tuple(filter(None, (sentence(one, kept) for one in found[:8])))
        if said:
            return said
    error = value.get("error")
    message = error.get("message") if isinstance(error, dict) else value.get("message", error)
    one = sentence(message, kept)
    return () if one is None else (one,)


def _base_url_of(callback_url: str | None) -> str | None:
    """Return the base of the URL that OPBX says it has session updates sent to."""
    path = PATHS[SESSION_UPDATE]
    if callback_url is None or not callback_url.endswith(path):
        return None
    return callback_url.removesuffix(path) or None


def _object(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise UnintelligibleError(f"no object where {what} belongs")
    return cast("Mapping[str, object]", value)


def _text(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value if isinstance(value, str) and 0 < len(value) <= TEXT_MAX else None


def _without(secrets: Iterable[Secret], value: object) -> str | None:
    """Return a text as it is; None where it repeats a key."""
    text = _text(value)
    return None if text is None or repeats_a_key(text, secrets) else text


def _secret(value: object) -> Secret | None:
    text = _text(value)
    return None if text is None else Secret(text)


def _number(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 9:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
