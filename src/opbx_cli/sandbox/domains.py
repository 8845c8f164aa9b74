"""What the sandbox stores of each domain, and how the API shows it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opbx_cli.sandbox.options import MAX_TRUNKS, Ids, Nulls, Numbers, Variants, WebhookKey

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, object]

BUILT_IN_TYPE = "Cloudonix:built-in"  # documentation: the type of Cloudonix's own applications
WEBHOOK_KEY = "authorization-api-key"  # its name in a domain's profile
SHOWN_BY_MASK = 4
TENANT_ID = 100  # the one customer that owns all domains
TRANSPORTS = ("udp", "tcp", "tls")
DIRECTIONS = ("outbound", "inbound", "public-outbound", "public-inbound")
START = "2024-03-01T09:00:00.000Z"  # when everything came to be that was there at the start


@dataclass(slots=True)
class Application:
    """A voice application; it shows up in lists once the clock reaches `listed_from` (seconds)."""

    id: int
    domain_id: int
    name: str
    type: str
    url: str
    method: str
    active: bool = True
    profile: Json = field(default_factory=dict)
    created_at: str = START
    modified_at: str = START
    listed_from: float = 0.0

    @property
    def uuid(self) -> str:
        """Return its UUID, which follows from its ids."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.domain_id}/{self.id}"))


# Cloudonix's own application answers for every domain and is in no domain's list.
BUILT_IN = Application(
    id=1,
    domain_id=1,
    name="cloudonix-static-routing",
    type=BUILT_IN_TYPE,
    url="cx:static-routing",  # documentation: built-in applications have a cx: URL
    method="POST",
)


@dataclass(slots=True)
class Domain:
    """A domain with what belongs to it."""

    id: int
    uuid: str
    name: str
    api_key: str
    active: bool = True
    profile: Json = field(default_factory=dict)
    default_application: int | None = None
    applications: list[Application] = field(default_factory=list)
    trunks: list[Json] = field(default_factory=list)
    trunk_answers: dict[Variants, bytes] = field(default_factory=dict)  # ready for use, by variants
    created_at: str = START
    modified_at: str = START
    created_applications: int = 0
    created_trunks: int = 0
    registration_free: bool = False

    def application(self, application_id: int | None) -> Application | None:
        """Return the application with this id, which may be Cloudonix's own."""
        candidates = [*self.applications, BUILT_IN]
        return next((one for one in candidates if one.id == application_id), None)

    def next_application_id(self) -> int:
        """Return an id that no application had before."""
        self.created_applications += 1
        return self.id * 1000 + self.created_applications

    def next_trunk_id(self) -> int:
        """Return an id that no trunk had before, those at the start included."""
        self.created_trunks += 1
        return self.id * 1_000_000 + MAX_TRUNKS + self.created_trunks

    def remove_application(self, application: Application) -> None:
        """Remove an application; where it was the default one, the domain has none then."""
        self.applications.remove(application)
        if self.default_application == application.id:
            self.default_application = None


def new_trunk(trunk_id: int, domain_id: int, name: str) -> Json:
    """Return a trunk with all fields, and nothing special about it."""
    return {
        "id": trunk_id,
        "tenantId": TENANT_ID,
        "domainId": domain_id,
        "uuid": str(uuid.UUID(int=0x5A4D_B0C5 << 96 | 4 << 76 | 2 << 62 | trunk_id)),
        "name": name,
        "ip": "198.51.100.1",
        "port": 5060,
        "transport": "udp",
        "prefix": "",
        "direction": "outbound",
        "metric": 10,
        "active": True,
        "allowGlobal": False,
        "globalPrefix": "",
        "profile": {},
        "createdAt": START,
        "modifiedAt": START,
        "deletedAt": None,
        "monitoring": {"sandbox": True},
    }


def domain_view(domain: Domain, variants: Variants) -> Json:
    """Return a domain as the API shows it."""
    application = domain.application(domain.default_application)
    return {
        "id": _id(domain.id, variants),
        "tenantId": _id(TENANT_ID, variants),
        "uuid": domain.uuid,
        "domain": domain.name,
        "active": domain.active,
        "defaultApplication": _id(domain.default_application, variants),
        "registrationFree": domain.registration_free,
        "application": None if application is None else application_view(application, variants),
        "aliases": [],
        "profile": _domain_profile(domain.profile, variants),
        "tenant": _tenant(variants),
        "createdAt": domain.created_at,
        "modifiedAt": domain.modified_at,
        "deletedAt": None,
        "sandbox": {"note": "a field that no documentation lists"},
    }


def application_view(application: Application, variants: Variants) -> Json:
    """Return an application as the API shows it."""
    return {
        "id": _id(application.id, variants),
        "domainId": _id(application.domain_id, variants),
        "name": application.name,
        "uuid": application.uuid,
        "type": application.type,
        "url": application.url,
        "method": application.method,
        "active": application.active,
        "profile": _profile(application.profile, variants),
        "llm-tools": [],
        "createdAt": application.created_at,
        "modifiedAt": application.modified_at,
        "deletedAt": None,
        "sandbox": True,
    }


def trunk_view(trunk: Json, variants: Variants) -> Json:
    """Return a trunk as the API shows it; what is missing or null stays so."""
    view = dict(trunk)
    for key in view.keys() & {"id", "tenantId", "domainId"}:
        view[key] = _id(trunk[key], variants)
    for key in view.keys() & {"port", "metric"}:
        view[key] = _number(trunk[key], variants)
    profile = view.get("profile")
    if isinstance(profile, dict):
        view["profile"] = _profile(profile, variants)
    return view


def _domain_profile(profile: Json, variants: Variants) -> Json | None:
    shown = dict(profile)
    key = shown.get(WEBHOOK_KEY)
    if key is not None and variants.webhook_key is WebhookKey.ABSENT:
        del shown[WEBHOOK_KEY]
    elif key is not None and variants.webhook_key is WebhookKey.MASKED:
        shown[WEBHOOK_KEY] = f"****{str(key)[-SHOWN_BY_MASK:]}"
    return _profile(shown, variants)


def _profile(profile: Mapping[str, object], variants: Variants) -> Json | None:
    if not profile and variants.nulls is Nulls.ON:
        return None
    return {key: _number(value, variants) for key, value in profile.items()}


def _tenant(variants: Variants) -> Json | None:
    if variants.nulls is Nulls.ON:
        return None
    package: Json = {"id": 7, "name": "Sandbox Unlimited"}
    return {
        "id": _id(TENANT_ID, variants),
        "name": "sandbox-customer",
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, "sandbox-customer")),
        "active": True,
        "profile": {},
        "billingPlan": {"id": 3, "name": "Sandbox plan", "package": package},
        "createdAt": START,
        "modifiedAt": START,
        "deletedAt": None,
    }


def _id(value: object, variants: Variants) -> object:
    return str(value) if isinstance(value, int) and variants.ids is Ids.STRING else value


def _number(value: object, variants: Variants) -> object:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number and variants.numbers is Numbers.STRING else value
