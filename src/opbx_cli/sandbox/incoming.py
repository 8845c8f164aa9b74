"""A request, an authorised call, and what the calls of the API have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from opbx_cli.sandbox.answers import Answer, HtmlRefusal, Refusal, empty_answer, json_answer
from opbx_cli.sandbox.options import EmptyList, Names, Variants, WriteAnswer

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sized

    from opbx_cli.sandbox.domains import Domain, Json
    from opbx_cli.sandbox.logs import CallbackLog
    from opbx_cli.sandbox.state import Clock

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; names of headers are in lower case, of a repeated one the first counts.

    `body` is parsed JSON, None without or with a broken one.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: object
    client_port: int
    content: bytes = b""  # the body as it came

    @property
    def api_key(self) -> str:
        """Return the bearer token (RFC 6750), or an empty text."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


@dataclass(frozen=True, slots=True)
class Incoming:
    """An authorised call; `reference` names an application or a trunk.

    `body` is parsed JSON or None.
    """

    method: str
    domain: Domain
    reference: str
    body: object
    variants: Variants
    clock: Clock
    callback_log: CallbackLog

    @property
    def fields(self) -> Json:
        """Return the body, which must be an object."""
        if not isinstance(self.body, dict):
            raise Refusal(400, "The request body is not a JSON object")
        return self.body


def require(fields: Json, names: Iterable[str]) -> None:
    """Refuse a body that lacks one of these fields."""
    missing = [name for name in names if name not in fields]
    if missing:
        raise Refusal(400, f"Missing: {', '.join(missing)}")


def checked(fields: Json, name: str, kind: type[Value], default: Value) -> Value:
    """Return a field, which must be of this type where it is there."""
    value = fields.get(name, default)
    if not isinstance(value, kind):
        raise Refusal(400, f"{name} is not of type {kind.__name__}")
    return value


def free_name(fields: Json, taken: Container[object], variants: Variants) -> str:
    """Return the name that is asked for, which nothing else may have."""
    name = checked(fields, "name", str, "")
    if not name:
        raise Refusal(400, "name is empty")
    if name in taken and variants.names is Names.UNIQUE_409:
        raise Refusal(409, f"The name {name} is taken")
    if name in taken and variants.names is Names.UNIQUE_500:
        raise HtmlRefusal(500)
    return name


def refuse_empty(items: Sized, what: str, variants: Variants) -> None:
    """Refuse an empty list; OpenAPI: that is 404, which a wrong domain is too."""
    if not items and variants.empty_list is EmptyList.NOT_FOUND:
        raise Refusal(404, f"No {what} found")


def written(view: Json, variants: Variants) -> Answer:
    """Answer a write."""
    return empty_answer() if variants.write_answer is WriteAnswer.EMPTY else json_answer(view)
