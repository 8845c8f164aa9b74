"""What the calls about a domain's trunks do."""

from __future__ import annotations

from types import NoneType
from typing import TYPE_CHECKING, Final

from opbx_cli.sandbox.answers import JSON_TYPE, Answer, Refusal, encoded, json_answer
from opbx_cli.sandbox.domains import (
    DIRECTIONS,
    TRANSPORTS,
    Json,
    domain_view,
    new_trunk,
    trunk_view,
)
from opbx_cli.sandbox.incoming import free_name, refuse_empty, require, written

if TYPE_CHECKING:
    from types import UnionType

    from opbx_cli.sandbox.incoming import Incoming

REQUIRED: Final = ("name", "ip", "port", "transport", "direction")  # OpenAPI
# What can be set, and of what type; the name only when a trunk is created (OpenAPI).
KINDS: Final[dict[str, type | UnionType]] = {
    "ip": str,
    "port": int | str,
    "transport": str,
    "direction": str,
    "prefix": str,
    "profile": dict,
    "active": bool,
    "metric": int,
    "allowGlobal": bool,
    "globalPrefix": str | NoneType,
}


def list_trunks(incoming: Incoming) -> Answer:
    """Answer all trunks; the encoded list is kept, for there can be very many."""
    domain, variants = incoming.domain, incoming.variants
    refuse_empty(domain.trunks, "trunks", variants)
    if variants not in domain.trunk_answers:
        domain.trunk_answers[variants] = encoded(
            [trunk_view(trunk, variants) for trunk in domain.trunks]
        )
    return Answer(200, domain.trunk_answers[variants], JSON_TYPE)


def get_trunk(incoming: Incoming) -> Answer:
    """Answer one trunk, and its domain with it (OpenAPI)."""
    view = trunk_view(_named(incoming), incoming.variants)
    return json_answer(view | {"domain": domain_view(incoming.domain, incoming.variants)})


def create_trunk(incoming: Incoming) -> Answer:
    """Create a trunk, behind all others."""
    domain, fields, variants = incoming.domain, incoming.fields, incoming.variants
    require(fields, REQUIRED)
    name = free_name(fields, [one.get("name") for one in domain.trunks], variants)
    changes, now = _changes(fields), incoming.clock.timestamp()
    created = new_trunk(domain.next_trunk_id(), domain.id, name) | changes
    created |= {"createdAt": now, "modifiedAt": now}
    domain.trunks.append(created)
    domain.trunk_answers.clear()
    return written(trunk_view(created, variants), variants)


def update_trunk(incoming: Incoming) -> Answer:
    """Change what is named, all but the name."""
    trunk = _named(incoming)
    trunk |= _changes(incoming.fields)
    trunk["modifiedAt"] = incoming.clock.timestamp()
    incoming.domain.trunk_answers.clear()
    return written(trunk_view(trunk, incoming.variants), incoming.variants)


def delete_trunk(incoming: Incoming) -> Answer:
    """Delete a trunk; OpenAPI: 204."""
    incoming.domain.trunks.remove(_named(incoming))
    incoming.domain.trunk_answers.clear()
    return Answer(204)


def _named(incoming: Incoming) -> Json:
    """Return the trunk in the path (OpenAPI: its id or name)."""
    for trunk in incoming.domain.trunks:
        if incoming.reference in (trunk.get("name"), str(trunk.get("id", ""))):
            return trunk
    raise Refusal(404, "No such trunk")


def _changes(fields: Json) -> Json:
    """Return what can be set of what `fields` names."""
    changes = {name: value for name, value in fields.items() if name in KINDS}
    for name, value in changes.items():
        if not isinstance(value, KINDS[name]):
            raise Refusal(400, f"{name} is not of the right type")
    if "" in (changes.get("ip"), changes.get("port")):
        raise Refusal(400, "ip or port is empty")
    if changes.get("transport", "udp") not in TRANSPORTS:
        raise Refusal(400, f"transport is one of {TRANSPORTS}")
    if changes.get("direction", "outbound") not in DIRECTIONS:
        raise Refusal(400, f"direction is one of {DIRECTIONS}")
    return changes
