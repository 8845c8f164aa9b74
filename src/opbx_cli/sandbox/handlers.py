"""What each call of the API does. All of it runs under the state's lock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from opbx_cli.sandbox.answers import (
    JSON_TYPE,
    Answer,
    Refusal,
    empty_answer,
    encoded,
    html_answer,
    json_answer,
)
from opbx_cli.sandbox.calls import CallOrder, PlacedCall
from opbx_cli.sandbox.domains import (
    Application,
    Domain,
    Json,
    application_view,
    domain_view,
    trunk_view,
)
from opbx_cli.sandbox.faults import Call
from opbx_cli.sandbox.options import (
    ApplicationPatch,
    ApplicationPath,
    DefaultApplicationWrite,
    EmptyList,
    Names,
    ProfileWrite,
    Variants,
    WriteAnswer,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from opbx_cli.sandbox.answers import Reaction
    from opbx_cli.sandbox.logs import CallbackLog
    from opbx_cli.sandbox.state import Clock

Value = TypeVar("Value")

REQUIRED: Final = ("type", "url", "method")  # OpenAPI: PUT of an application demands these
TYPES: Final = ("cxml", "twiml")
METHODS: Final = ("GET", "POST")
DEFAULT_APPLICATION_METHODS: Final = {
    DefaultApplicationWrite.BOTH: ("PUT", "PATCH"),
    DefaultApplicationWrite.PUT: ("PUT",),
    DefaultApplicationWrite.PATCH: ("PATCH",),
    DefaultApplicationWrite.IGNORED: (),
}


@dataclass(frozen=True, slots=True)
class Incoming:
    """An authorised call; `reference` names an application, `body` is parsed JSON or None."""

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


def get_domain(incoming: Incoming) -> Answer:
    return json_answer(domain_view(incoming.domain, incoming.variants))


def update_domain(incoming: Incoming) -> Answer:
    """Change the domain: all of what is asked, or nothing."""
    domain, fields = incoming.domain, incoming.fields
    profile = _checked(fields, "profile", dict, domain.profile)
    active = _checked(fields, "active", bool, domain.active)
    name = _checked(fields, "domain", str, domain.name)
    default = _default_application(fields, domain)
    if not name:
        raise Refusal(400, "domain is empty")
    replaces = incoming.method == "PUT" and incoming.variants.profile is ProfileWrite.REPLACE
    domain.profile = dict(profile) if replaces else domain.profile | profile
    domain.active = active
    domain.name = name  # how another tool renames a domain
    if incoming.method in DEFAULT_APPLICATION_METHODS[incoming.variants.default_application]:
        domain.default_application = default
    domain.modified_at = incoming.clock.timestamp()
    return _written(domain_view(domain, incoming.variants), incoming.variants)


def list_applications(incoming: Incoming) -> Answer:
    """Answer the applications that are listed by now."""
    now = incoming.clock.now()
    listed = [one for one in incoming.domain.applications if one.listed_from <= now]
    views = [application_view(one, incoming.variants) for one in listed]
    _refuse_empty(views, "applications", incoming.variants)
    return json_answer(views)


def create_application(incoming: Incoming) -> Answer:
    domain, fields, variants = incoming.domain, incoming.fields, incoming.variants
    _require(fields, ("name", *REQUIRED))
    name = _checked(fields, "name", str, "")
    if not name:
        raise Refusal(400, "name is empty")
    if variants.names is not Names.DUPLICATE and any(
        one.name == name for one in domain.applications
    ):
        if variants.names is Names.UNIQUE_500:
            return html_answer(500)
        raise Refusal(409, f"An application named {name} exists")
    created = Application(0, domain.id, name, type="cxml", url="", method="POST")
    _change(created, fields)
    created.id = domain.next_application_id()
    created.created_at = created.modified_at = incoming.clock.timestamp()
    if variants.application_lag:
        created.listed_from = incoming.clock.now() + variants.application_lag
    domain.applications.append(created)
    return _written(application_view(created, variants), variants)


def update_application(incoming: Incoming) -> Answer:
    """Change an application; a PUT must be complete. Its name cannot be changed."""
    if incoming.method == "PATCH" and incoming.variants.application_patch is ApplicationPatch.OFF:
        return html_answer(404)
    application = _named(incoming)
    if incoming.method == "PUT":
        _require(incoming.fields, REQUIRED)
    _change(application, incoming.fields)
    application.modified_at = incoming.clock.timestamp()
    return _written(application_view(application, incoming.variants), incoming.variants)


def list_trunks(incoming: Incoming) -> Answer:
    """Answer all trunks; the encoded list is kept, for there can be very many."""
    domain, variants = incoming.domain, incoming.variants
    _refuse_empty(domain.trunks, "trunks", variants)
    if variants not in domain.trunk_answers:
        domain.trunk_answers[variants] = encoded(
            [trunk_view(trunk, variants) for trunk in domain.trunks]
        )
    return Answer(200, domain.trunk_answers[variants], JSON_TYPE)


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
    Call.GET_DOMAIN: get_domain,
    Call.UPDATE_DOMAIN: update_domain,
    Call.LIST_APPLICATIONS: list_applications,
    Call.CREATE_APPLICATION: create_application,
    Call.UPDATE_APPLICATION: update_application,
    Call.LIST_TRUNKS: list_trunks,
    Call.PLACE_CALL: place_call,
}


def _written(view: Json, variants: Variants) -> Answer:
    return empty_answer() if variants.write_answer is WriteAnswer.EMPTY else json_answer(view)


def _refuse_empty(items: list[Json], what: str, variants: Variants) -> None:
    """OpenAPI: an empty list is 404, which a wrong domain is too."""
    if not items and variants.empty_list is EmptyList.NOT_FOUND:
        raise Refusal(404, f"No {what} found")


def _named(incoming: Incoming) -> Application:
    """Return the application in the path (OPBX's client: its name; OpenAPI: its id or name)."""
    path, reference = incoming.variants.application_path, incoming.reference
    for application in incoming.domain.applications:
        by_name = path is not ApplicationPath.ID and application.name == reference
        by_id = path is not ApplicationPath.NAME and str(application.id) == reference
        if by_name or by_id:
            return application
    raise Refusal(404, "No such application")


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


def _change(application: Application, fields: Json) -> None:
    """Set what `fields` names: all of it, or nothing."""
    kind = _checked(fields, "type", str, application.type)
    url = _checked(fields, "url", str, application.url)
    method = _checked(fields, "method", str, application.method)
    active = _checked(fields, "active", bool, application.active)
    profile = _checked(fields, "profile", dict, application.profile)
    if kind not in TYPES or method not in METHODS or not url:
        raise Refusal(400, f"type is one of {TYPES}, method one of {METHODS}, and url is not empty")
    application.type, application.url, application.method = kind, url, method
    application.active, application.profile = active, dict(profile)


def _require(fields: Json, names: tuple[str, ...]) -> None:
    missing = [name for name in names if name not in fields]
    if missing:
        raise Refusal(400, f"Missing: {', '.join(missing)}")


def _checked(fields: Json, name: str, kind: type[Value], default: Value) -> Value:
    value = fields.get(name, default)
    if not isinstance(value, kind):
        raise Refusal(400, f"{name} is not of type {kind.__name__}")
    return value
