"""What the calls about a domain's voice applications do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opbx_cli.sandbox.answers import Answer, HtmlRefusal, Refusal, json_answer
from opbx_cli.sandbox.domains import Application, Json, application_view, domain_view
from opbx_cli.sandbox.incoming import checked, free_name, refuse_empty, require, written
from opbx_cli.sandbox.options import ApplicationBody, ApplicationPatch, ApplicationPath

if TYPE_CHECKING:
    from opbx_cli.sandbox.incoming import Incoming

# What a POST must have beside the name. OpenAPI: all three, and a PUT too; OPBX's PUT has no type,
# and Cloudonix's own command-line tool sends no method, and a PUT without a URL.
REQUIRED: Final = {
    ApplicationBody.LENIENT: ("url",),
    ApplicationBody.STRICT: ("type", "url", "method"),
}
# Documentation: cxml and twiml; what that tool sends for cxml is from before.
TYPES: Final = {
    ApplicationBody.LENIENT: ("cxml", "twiml", "cloudonix"),
    ApplicationBody.STRICT: ("cxml", "twiml"),
}
METHODS: Final = ("GET", "POST")


def list_applications(incoming: Incoming) -> Answer:
    """Answer the applications that are listed by now."""
    now = incoming.clock.now()
    listed = [one for one in incoming.domain.applications if one.listed_from <= now]
    views = [application_view(one, incoming.variants) for one in listed]
    refuse_empty(views, "applications", incoming.variants)
    return json_answer(views)


def get_application(incoming: Incoming) -> Answer:
    """Answer one application, and its domain with it (OpenAPI)."""
    view = application_view(_named(incoming), incoming.variants)
    return json_answer(view | {"domain": domain_view(incoming.domain, incoming.variants)})


def create_application(incoming: Incoming) -> Answer:
    """Create an application; what it may leave out is cxml, by POST."""
    domain, fields, variants = incoming.domain, incoming.fields, incoming.variants
    require(fields, ("name", *REQUIRED[variants.application_body]))
    name = free_name(fields, [one.name for one in domain.applications], variants)
    created = Application(0, domain.id, name, type="cxml", url="", method="POST")
    _change(created, incoming)
    created.id = domain.next_application_id()
    created.created_at = created.modified_at
    if variants.application_lag:
        created.listed_from = incoming.clock.now() + variants.application_lag
    domain.applications.append(created)
    return written(application_view(created, variants), variants)


def update_application(incoming: Incoming) -> Answer:
    """Change what is named, all but the name; strictly, a PUT must be complete."""
    variants = incoming.variants
    if incoming.method == "PATCH" and variants.application_patch is ApplicationPatch.OFF:
        raise HtmlRefusal(404)
    application = _named(incoming)
    if incoming.method == "PUT" and variants.application_body is ApplicationBody.STRICT:
        require(incoming.fields, REQUIRED[variants.application_body])
    _change(application, incoming)
    return written(application_view(application, variants), variants)


def delete_application(incoming: Incoming) -> Answer:
    """Delete an application; OpenAPI: 204."""
    incoming.domain.remove_application(_named(incoming))
    return Answer(204)


def _named(incoming: Incoming) -> Application:
    """Return the application in the path (OPBX's client: its name; OpenAPI: its id or name)."""
    path, reference = incoming.variants.application_path, incoming.reference
    for application in incoming.domain.applications:
        by_name = path is not ApplicationPath.ID and application.name == reference
        by_id = path is not ApplicationPath.NAME and str(application.id) == reference
        if by_name or by_id:
            return application
    raise Refusal(404, "No such application")


def _change(application: Application, incoming: Incoming) -> None:
    """Set what the body names: all of it, or nothing."""
    fields: Json = incoming.fields
    kind = checked(fields, "type", str, application.type)
    url = checked(fields, "url", str, application.url)
    method = checked(fields, "method", str, application.method)
    active = checked(fields, "active", bool, application.active)
    profile = checked(fields, "profile", dict, application.profile)
    types = TYPES[incoming.variants.application_body]
    if kind not in types or method not in METHODS or not url:
        raise Refusal(400, f"type is one of {types}, method one of {METHODS}, and url is not empty")
    application.type, application.url, application.method = kind, url, method
    application.active, application.profile = active, dict(profile)
    application.modified_at = incoming.clock.timestamp()
