"""What each call of the API does. All of it runs under the state's lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opbx_cli.sandbox.answers import Answer, Refusal, json_answer
from opbx_cli.sandbox.applications import (
    create_application,
    delete_application,
    get_application,
    list_applications,
    update_application,
)
from opbx_cli.sandbox.calls import CallOrder, PlacedCall
from opbx_cli.sandbox.domains import Domain, Json, domain_view
from opbx_cli.sandbox.faults import Call
from opbx_cli.sandbox.incoming import checked, written
from opbx_cli.sandbox.options import DefaultApplicationWrite, ProfileWrite
from opbx_cli.sandbox.trunks import (
    create_trunk,
    delete_trunk,
    get_trunk,
    list_trunks,
    update_trunk,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from opbx_cli.sandbox.answers import Reaction
    from opbx_cli.sandbox.incoming import Incoming

DEFAULT_APPLICATION_METHODS: Final = {
    DefaultApplicationWrite.BOTH: ("PUT", "PATCH"),
    DefaultApplicationWrite.PUT: ("PUT",),
    DefaultApplicationWrite.PATCH: ("PATCH",),
    DefaultApplicationWrite.IGNORED: (),
}


def list_domains(incoming: Incoming) -> Answer:
    """Answer the domains that the key opens; a domain's own key opens that one."""
    return json_answer([domain_view(incoming.domain, incoming.variants)])


def refuse_domain_key(_: Incoming) -> Answer:
    """Refuse what only the customer's key may do (documentation: 401 or 403)."""
    raise Refusal(403, "A domain's key neither creates nor deletes domains")


def get_domain(incoming: Incoming) -> Answer:
    return json_answer(domain_view(incoming.domain, incoming.variants))


def update_domain(incoming: Incoming) -> Answer:
    """Change the domain: all of what is asked, or nothing."""
    domain, fields = incoming.domain, incoming.fields
    profile = checked(fields, "profile", dict, domain.profile)
    active = checked(fields, "active", bool, domain.active)
    name = checked(fields, "domain", str, domain.name)
    registration_free = checked(fields, "registrationFree", bool, domain.registration_free)
    default = _default_application(fields, domain)
    if not name:
        raise Refusal(400, "domain is empty")
    replaces = incoming.method == "PUT" and incoming.variants.profile is ProfileWrite.REPLACE
    domain.profile = dict(profile) if replaces else domain.profile | profile
    domain.active = active
    domain.registration_free = registration_free
    domain.name = name  # how another tool renames a domain
    if incoming.method in DEFAULT_APPLICATION_METHODS[incoming.variants.default_application]:
        domain.default_application = default
    domain.modified_at = incoming.clock.timestamp()
    return written(domain_view(domain, incoming.variants), incoming.variants)


def place_call(incoming: Incoming) -> Reaction:
    """Behave as Cloudonix does when somebody calls a number of the domain."""
    call = PlacedCall(
        incoming.domain,
        CallOrder.parse(incoming.fields),
        variants=incoming.variants,
        clock=incoming.clock,
        callback_log=incoming.callback_log,
    )
    return call.answer


HANDLERS: Final[dict[Call, Callable[[Incoming], Reaction]]] = {
    Call.LIST_DOMAINS: list_domains,
    Call.CREATE_DOMAIN: refuse_domain_key,
    Call.GET_DOMAIN: get_domain,
    Call.UPDATE_DOMAIN: update_domain,
    Call.DELETE_DOMAIN: refuse_domain_key,
    Call.LIST_APPLICATIONS: list_applications,
    Call.GET_APPLICATION: get_application,
    Call.CREATE_APPLICATION: create_application,
    Call.UPDATE_APPLICATION: update_application,
    Call.DELETE_APPLICATION: delete_application,
    Call.LIST_TRUNKS: list_trunks,
    Call.GET_TRUNK: get_trunk,
    Call.CREATE_TRUNK: create_trunk,
    Call.UPDATE_TRUNK: update_trunk,
    Call.DELETE_TRUNK: delete_trunk,
    Call.PLACE_CALL: place_call,
}


def _default_application(fields: Json, domain: Domain) -> int | None:
    """Return the id of the default application that is asked for, else the present one."""
    if "defaultApplication" not in fields:
        return domain.default_application
    asked = fields["defaultApplication"]
    if asked is None:
        return None
    is_id = isinstance(asked, int | str) and not isinstance(asked, bool)
    text = str(asked) if is_id else ""
    found = domain.application(int(text)) if text.isdecimal() and len(text) < 19 else None
    if found is None:
        raise Refusal(400, "defaultApplication is no application of this domain")
    return found.id
