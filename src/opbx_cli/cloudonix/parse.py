"""From Cloudonix's JSON to our models: forgiving about fields, strict about shapes.

A field may be missing, null, of another spelling of the same type (`"45"` for 45), or
new; that costs nothing but the field. An answer that is not the kind of thing that was
asked for raises `UnintelligibleError`: nothing must be decided on it.

Texts are bounded here, before anybody stores or shows them. What is only shown, or compared
with values of ours, is shortened: the "…" at its end keeps it from equalling any of them.
What two objects could be taken for one another by (ids, UUIDs, names in a path) is not:
two long texts that begin alike would become one.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import NoReturn, cast

from opbx_cli.models import (
    AUTHORIZATION_API_KEY,
    CDR_ENDPOINT,
    SESSION_UPDATE_ENDPOINT,
    RemoteId,
    Secret,
)
from opbx_cli.remote import (
    Delivery,
    DeliveryResult,
    Domain,
    DomainProfile,
    PlacedCall,
    Trunk,
    TrunkAuthentication,
    VoiceApplication,
)
from opbx_cli.settings.table import IN_DOMAIN_PROFILE

JsonObject = Mapping[str, object]

TEXT_LENGTH_MAX = 255  # characters; a domain name has 253 at most (RFC 1035)
URL_SHOWN_MAX = 2048  # characters; OPBX's URLs, a base URL of 255 and a path, must fit in whole


class UnintelligibleError(Exception):
    """The answer is not what was asked for; the sentence says what it is instead."""


def decode(body: bytes) -> object:
    """Decode JSON as the RFC has it: no NaN, no number beyond a float, no bottomless nest."""
    try:
        return json.loads(body, parse_constant=_refuse_number, parse_float=_finite)
    except RecursionError:
        raise UnintelligibleError("JSON nested too deeply") from None
    except ValueError:
        raise UnintelligibleError(_what_it_is(body)) from None


def json_object(value: object, what: str) -> JsonObject:
    if not isinstance(value, dict):
        raise UnintelligibleError(f"{_kind(value)} where {what} belongs")
    return cast("JsonObject", value)


def json_objects(value: object, what: str) -> tuple[JsonObject, ...]:
    if not isinstance(value, list):
        raise UnintelligibleError(f"{_kind(value)} where a list of {what}s belongs")
    return tuple(json_object(item, f"a {what}") for item in value)


def parse_domain(value: object, asked_uuid: str) -> Domain:
    data = json_object(value, "a domain")
    # No domain has a name longer than that: it counts as missing, which names the domain by UUID.
    uuid, name = _text(data.get("uuid")), _identifier(data.get("domain"))
    if uuid is None and name is None:
        raise UnintelligibleError("a JSON object that is not a domain")
    if uuid is not None and uuid.lower() != asked_uuid.lower():
        raise UnintelligibleError("another domain than the one asked for")
    embedded = data.get("application")
    application = parse_application(embedded) if _is_application(embedded) else None
    default = _reference(data.get("defaultApplication"))
    if "defaultApplication" not in data and application is not None:
        default = application.id
    return Domain(
        uuid=asked_uuid,
        name=name,
        active=_flag(data.get("active")),
        default_application=default,
        application=application,
        package=_package(data.get("tenant")),
        profile=_parse_profile(data.get("profile")),
    )


def parse_application(value: object) -> VoiceApplication:
    data = json_object(value, "an application")
    identifier, name = _id(data.get("id")), _text(data.get("name"))
    if identifier is None or name is None:
        raise UnintelligibleError("an application without id or name")
    profile = data.get("profile")
    return VoiceApplication(
        id=identifier,
        name=_application_name(name),
        uuid=_identifier(data.get("uuid")),
        type=_bounded(data.get("type")),
        url=_bounded(data.get("url"), URL_SHOWN_MAX),
        method=_bounded(data.get("method")),
        active=_flag(data.get("active")),
        created_at=_bounded(data.get("createdAt")),
        profile=cast("JsonObject", profile) if isinstance(profile, dict) else {},
    )


def parse_trunk(data: JsonObject) -> Trunk:
    raw = data.get("profile")
    profile = cast("JsonObject", raw) if isinstance(raw, dict) else {}
    return Trunk(
        id=_id(data.get("id")),
        uuid=_identifier(data.get("uuid")),
        name=_bounded(data.get("name")),
        ip=_bounded(data.get("ip")),
        port=_number(data.get("port")),
        transport=_bounded(data.get("transport")),
        prefix=_bounded(data.get("prefix")),
        direction=_bounded(data.get("direction")),
        metric=_number(data.get("metric")),
        active=_flag(data.get("active")),
        allow_global=_flag(data.get("allowGlobal")),
        global_prefix=_bounded(data.get("globalPrefix")),
        created_at=_bounded(data.get("createdAt")),
        modified_at=_bounded(data.get("modifiedAt")) or _bounded(data.get("updatedAt")),
        authentication=_authentication(profile.get("authentication")),
        profile_keys=tuple(sorted(_bounded(key) or "" for key in profile)),
    )


def parse_placed_call(value: object, shown: Callable[[str], str]) -> PlacedCall:
    """Read the sandbox's report; `shown` makes each text of it fit for a screen."""
    data = json_object(value, "a call")
    if not data.keys() >= {"call", "callbacks"}:
        raise UnintelligibleError("a JSON object that is not a call")

    def text(name: str) -> str | None:
        found = _text(data.get(name))
        return None if found is None else shown(found)

    return PlacedCall(
        call=text("call"),
        disposition=text("disposition"),
        application=text("application"),
        callbacks=tuple(
            _delivery(one, shown) for one in json_objects(data.get("callbacks"), "callback")
        ),
        not_followed=_texts(data.get("not_followed"), shown),
        missing=_texts(data.get("missing"), shown),
    )


def _delivery(data: JsonObject, shown: Callable[[str], str]) -> Delivery:
    result = data.get("result")
    if result not in tuple(DeliveryResult):
        raise UnintelligibleError("a callback of which it is not said what became of it")
    event = _text(data.get("event"))
    return Delivery(
        endpoint=shown(_text(data.get("endpoint")) or ""),
        event=None if event is None else shown(event),
        url=shown(_text(data.get("url")) or ""),
        attempts=_number(data.get("attempts")) or 0,
        http_status=_number(data.get("http_status")),
        result=DeliveryResult(str(result)),
        detail=shown(_text(data.get("detail")) or ""),
        milliseconds=_number(data.get("milliseconds")) or 0,
    )


def _texts(value: object, shown: Callable[[str], str]) -> tuple[str, ...]:
    items = value if isinstance(value, list) else []
    return tuple(shown(one) for one in items if isinstance(one, str))


def secret(value: object, *, is_chosen: bool = False) -> Secret | None:
    """Return a secret; half a surrogate pair, which no hash takes, is spelled out in it."""
    text = _text(value)
    if not text:
        return None
    return Secret(text.encode("utf-8", "backslashreplace").decode(), is_chosen=is_chosen)


def remote_message(body: bytes) -> str | None:
    """Return the `message` of a failure, if there is one to be read."""
    try:
        value = decode(body)
    except UnintelligibleError:
        return None
    return _text(value.get("message")) if isinstance(value, dict) else None


def _parse_profile(value: object) -> DomainProfile:
    if value is None:
        return DomainProfile()
    data = json_object(value, "a domain's profile")
    return DomainProfile(
        values={
            name: (_number if row.kind is int else _bounded)(data.get(name))
            for name, row in IN_DOMAIN_PROFILE.items()
        },
        session_update_endpoint=_bounded(data.get(SESSION_UPDATE_ENDPOINT), URL_SHOWN_MAX),
        cdr_endpoint=_bounded(data.get(CDR_ENDPOINT), URL_SHOWN_MAX),
        authorization_api_key=secret(data.get(AUTHORIZATION_API_KEY)),
        raw=data,
    )


def _authentication(value: object) -> TrunkAuthentication | None:
    if not isinstance(value, dict):
        return None
    overwrite = value.get("overwriteFrom", value.get("overwrite-from"))
    return TrunkAuthentication(
        username=_bounded(value.get("username")),
        password=secret(value.get("password"), is_chosen=True),
        overwrite_from=_flag(overwrite),
    )


def _package(tenant: object) -> str | None:
    """Return `tenant.billingPlan.package.name`, any part of which may be missing."""
    value = tenant
    for key in ("billingPlan", "package", "name"):
        value = value.get(key) if isinstance(value, dict) else None
    return _bounded(value)


def _is_application(value: object) -> bool:
    """Tell whether the object that a domain shows can be one; else it costs only itself."""
    if not isinstance(value, dict):
        return False
    return _id(value.get("id")) is not None and bool(_text(value.get("name")))


def _reference(value: object) -> RemoteId | None:
    """Return the id that a field refers to, given plain or as the object itself."""
    return _id(value.get("id")) if isinstance(value, dict) else _id(value)


def _id(value: object) -> RemoteId | None:
    """Return an id. One that is too long is none of Cloudonix's, so nothing is decided on it:

    as a missing default application it would mean that nobody has the calls.
    """
    if isinstance(value, bool) or value == "":
        return None
    number = _number(value)
    if number is not None:
        return number
    if not isinstance(value, str):
        return None
    if len(value) > TEXT_LENGTH_MAX:
        raise UnintelligibleError(f"an id of more than {TEXT_LENGTH_MAX} characters")
    return value


def _identifier(value: object) -> str | None:
    """Return a text that tells one thing from another; one that is too long is missing."""
    text = _text(value)
    return text if text is not None and len(text) <= TEXT_LENGTH_MAX else None


def _application_name(name: str) -> str:
    """Return a name to compare and to address by; a label that is no name for one too long.

    Shortened it could begin as OPBX's own names do, and so be taken for one of them.
    """
    return name if len(name) <= TEXT_LENGTH_MAX else f"(a name of {len(name)} characters)"


def is_label(name: str) -> bool:
    """Tell whether an application's name is only our label for one that is too long."""
    return re.fullmatch(r"\(a name of \d+ characters\)", name) is not None


def _bounded(value: object, length_max: int = TEXT_LENGTH_MAX) -> str | None:
    """Return a text to show, shortened to `length_max` characters."""
    text = _text(value)
    if text is None or len(text) <= length_max:
        return text
    return text[: length_max - 1] + "…"


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None


def _number(value: object) -> int | None:
    """Return a whole number, whether it came as 45, 45.0 or "45"."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str):
        text = value.strip()
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
    return value if isinstance(value, int) else None


def _flag(value: object) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False, "1": True, "0": False}.get(value.strip().lower())
    if value in (0, 1):
        return bool(value)
    return None


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse_number(text)


def _refuse_number(_text: str) -> NoReturn:
    raise ValueError("not a number that JSON has")


def _what_it_is(body: bytes) -> str:
    start = body.lstrip()[:1]
    if not start:
        return "an empty answer"
    if start == b"<":
        return "HTML or XML where JSON belongs"
    return "JSON that is cut off or damaged" if start in b'{["' else "something that is not JSON"


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", type(None): "nothing"}
    return kinds.get(type(value), "a bare value")
