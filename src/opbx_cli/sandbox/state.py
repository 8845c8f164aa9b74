"""The domains of the sandbox, and the ways to look at and change them behind a client's back."""

from __future__ import annotations

import copy
import time
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import TYPE_CHECKING

from opbx_cli.sandbox.domains import (
    BUILT_IN,
    DIRECTIONS,
    TRANSPORTS,
    Application,
    Domain,
    Json,
    application_view,
    domain_view,
    new_trunk,
)
from opbx_cli.sandbox.options import (
    DomainCredentials,
    DomainStatus,
    Fresh,
    Nulls,
    Options,
    TrunkData,
    UuidCase,
    Variants,
    credentials,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


FIRST_DOMAIN_ID = 1001
CUSTOMER_PROFILE: Json = {
    "time-zone": "Europe/Berlin",
    "crm": {"account": "4711", "tags": ["pbx"]},
}
AS_STORED = Variants()


class State:
    """All domains, and what somebody in the Cockpit can do to them.

    Whoever touches a `Domain` holds `lock`, as the methods that take `domain` do: it is a UUID, a
    name or an id, and None is the first domain.
    """

    def __init__(self, options: Options, clock: Clock) -> None:
        """Make the domains that `options` asks for; each is built when it is first needed."""
        self.lock = RLock()
        self.credentials = credentials(options.domains)
        self._options = options
        self._clock = clock
        self._numbers = {
            reference: number
            for number, one in enumerate(self.credentials)
            for reference in (one.uuid, str(FIRST_DOMAIN_ID + number))
        }
        self._names = {one.name: number for number, one in enumerate(self.credentials)}
        self._keys = {one.api_key: number for number, one in enumerate(self.credentials)}
        self._domains: dict[int, Domain] = {}

    def knows_key(self, api_key: str) -> bool:
        """Tell whether this is the API key of any domain."""
        return api_key in self._keys

    def domain_of(self, api_key: str) -> Domain | None:
        """Return the domain that this API key opens."""
        number = self._keys.get(api_key)
        return None if number is None else self._numbered(number)

    def find(self, reference: str, case: UuidCase = UuidCase.ANY) -> Domain | None:
        """Return the domain with this UUID, id or name; names are the same in any case."""
        folded = reference.lower()
        number = self._numbers.get(folded if case is UuidCase.ANY else reference)
        return self._called(folded) if number is None else self._numbered(number)

    def _called(self, name: str) -> Domain | None:
        """Return the domain that has this name now; a domain can be renamed."""
        for made in self._domains.values():
            if made.name.lower() == name:
                return made
        number = self._names.get(name)
        return None if number is None or number in self._domains else self._numbered(number)

    def _numbered(self, number: int) -> Domain:
        if number not in self._domains:
            self._domains[number] = _new_domain(
                FIRST_DOMAIN_ID + number, self.credentials[number], self._options
            )
        return self._domains[number]

    def domain(self, domain: str | None = None) -> Json:
        """Return a domain as it is stored, its webhook key included."""
        with self.lock:
            return copy.deepcopy(domain_view(self._domain(domain), AS_STORED))

    def applications(self, domain: str | None = None) -> list[Json]:
        """Return a domain's applications as they are stored, unlisted ones included."""
        with self.lock:
            stored = self._domain(domain).applications
            return [copy.deepcopy(application_view(one, AS_STORED)) for one in stored]

    def trunks(self, domain: str | None = None) -> list[Json]:
        """Return a domain's trunks as they are stored."""
        with self.lock:
            return copy.deepcopy(self._domain(domain).trunks)

    def add_application(
        self,
        name: str,
        *,
        url: str,
        kind: str = "cxml",
        method: str = "POST",
        domain: str | None = None,
    ) -> Json:
        """Add an application, also under a name that exists, and return it."""
        with self.lock:
            owner = self._domain(domain)
            added = Application(owner.next_application_id(), owner.id, name, kind, url, method)
            added.created_at = added.modified_at = self._clock.timestamp()
            owner.applications.append(added)
            return copy.deepcopy(application_view(added, AS_STORED))

    def edit_application(
        self,
        application: int | str,
        *,
        domain: str | None = None,
        url: str | None = None,
        method: str | None = None,
        active: bool | None = None,
    ) -> None:
        """Change the given fields of an application (id or name)."""
        with self.lock:
            edited = self._application(application, domain)
            edited.url = edited.url if url is None else url
            edited.method = edited.method if method is None else method
            edited.active = edited.active if active is None else active
            edited.modified_at = self._clock.timestamp()

    def delete_application(self, application: int | str, *, domain: str | None = None) -> None:
        """Delete an application (id or name); a domain that had it as its default has none then."""
        with self.lock:
            deleted = self._application(application, domain)
            self._domain(domain).remove_application(deleted)

    def set_default_application(
        self, application: int | str | None, *, domain: str | None = None
    ) -> None:
        """Make an application (id or name; None: none) the domain's default."""
        with self.lock:
            chosen = None if application is None else self._application(application, domain).id
            self._domain(domain).default_application = chosen

    def set_profile_keys(self, keys: Mapping[str, object], *, domain: str | None = None) -> None:
        """Set these keys of the domain's profile and leave the others alone."""
        with self.lock:
            self._domain(domain).profile.update(copy.deepcopy(dict(keys)))

    def remove_profile_keys(self, *names: str, domain: str | None = None) -> None:
        """Remove these keys of the domain's profile, where it has them."""
        with self.lock:
            for name in names:
                self._domain(domain).profile.pop(name, None)

    def set_active(self, *, active: bool, domain: str | None = None) -> None:
        """Activate or deactivate a domain."""
        with self.lock:
            self._domain(domain).active = active

    def replace_trunks(
        self, trunks: Iterable[Mapping[str, object]], *, domain: str | None = None
    ) -> None:
        """Give the domain exactly these trunks, which need not be complete."""
        with self.lock:
            owner = self._domain(domain)
            owner.trunks = [copy.deepcopy(dict(trunk)) for trunk in trunks]
            owner.trunk_answers.clear()

    def _domain(self, reference: str | None) -> Domain:
        found = self._numbered(0) if reference is None else self.find(reference)
        if found is None:
            message = f"the sandbox has no domain {reference}"
            raise LookupError(message)
        return found

    def _application(self, reference: int | str, domain: str | None) -> Application:
        for candidate in (*self._domain(domain).applications, BUILT_IN):
            if reference in (candidate.id, candidate.name):
                return candidate
        message = f"the sandbox has no application {reference}"
        raise LookupError(message)


def _new_domain(domain_id: int, known: DomainCredentials, options: Options) -> Domain:
    variants = options.variants
    domain = Domain(domain_id, known.uuid, known.name, known.api_key)
    domain.active = variants.domain is DomainStatus.ACTIVE
    if variants.nulls is Nulls.OFF:
        domain.profile = copy.deepcopy(CUSTOMER_PROFILE)
    domain.trunks = _first_trunks(domain_id, options.trunks, variants.trunk_data)
    if variants.fresh is Fresh.CLOUDONIX:
        domain.default_application = BUILT_IN.id
    elif variants.fresh is Fresh.OTHER:
        domain.applications.append(_foreign_application(domain))
        domain.default_application = domain.applications[0].id
    return domain


def _first_trunks(domain_id: int, count: int | None, kind: TrunkData) -> list[Json]:
    if count is not None:
        return generated_trunks(domain_id, count)
    return realistic_trunks(domain_id, with_odd=kind is TrunkData.ODD)


def _foreign_application(domain: Domain) -> Application:
    url = "https://ivr.example.com/2019/menu"
    return Application(domain.next_application_id(), domain.id, "ivr-2019", "cxml", url, "POST")


class Clock:
    """Real time plus what it was advanced by."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> float:
        """Return monotonic seconds."""
        return time.monotonic() + self._ahead

    def timestamp(self) -> str:
        """Return the time of day as the API writes it: ISO 8601 with milliseconds, UTC."""
        moment = datetime.now(UTC) + timedelta(seconds=self._ahead)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def milliseconds(self) -> int:
        """Return the time of day as the callbacks have it: milliseconds of the epoch."""
        return int((time.time() + self._ahead) * 1000)

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass at once."""
        self._ahead += seconds


GENERATED_VARIETY = 5


def realistic_trunks(domain_id: int, *, with_odd: bool) -> list[Json]:
    """Return trunks of every kind, in no order of metric; the odd ones surprise a client."""
    make = _maker(domain_id)
    plain = [
        make("carrier-backup", ip="backup.carrier.example", port="5061", transport="tls", metric=20)
        | {"profile": {"api-token": "sandbox-token-7f3e", "sip-secret": "sandbox-secret-1b"}},
        make("carrier-main", ip="198.51.100.10", prefix="9", metric=10)
        | {"profile": {"authentication": _authentication("acme"), "codecs": ["PCMA", "opus"]}},
        make("cloudonix-public", ip="203.0.113.5", transport="tcp", metric=5)
        | {"direction": "public-outbound", "allowGlobal": True, "globalPrefix": "00"},
        make("office", ip="192.0.2.20", port="5060", direction="inbound"),
        make("cloudonix-ingress", ip="203.0.113.6", transport="tls", direction="public-inbound"),
        make("carrier-retired", ip="198.51.100.99", metric=30, active=False),
    ]
    if not with_odd:
        return plain
    return [
        *plain,
        # Data from elsewhere may look like markup or carry terminal control sequences.
        make("[bold]sale[/bold] \x1b[31mred\x07", ip="198.51.100.30", port=5080, metric=40),
        _half_configured(make("half-configured")),
    ]


def generated_trunks(domain_id: int, count: int) -> list[Json]:
    """Return `count` trunks that differ in direction, transport, port, metric and state."""
    make = _maker(domain_id)
    return [_generated(make, number) for number in range(1, count + 1)]


def _generated(make: Callable[..., Json], number: int) -> Json:
    port = 5060 + number % GENERATED_VARIETY
    trunk = make(
        f"trunk-{number:05}",
        ip=f"198.51.100.{number % 254 + 1}",
        port=str(port) if number % 2 else port,
        transport=TRANSPORTS[number % len(TRANSPORTS)],
        direction=DIRECTIONS[number % len(DIRECTIONS)],
        metric=number * 7 % 100,
        active=number % 10 != 0,
    )
    if number % GENERATED_VARIETY == 0:
        trunk["profile"] = {"authentication": _authentication(f"user-{number}")}
    return trunk


def _maker(domain_id: int) -> Callable[..., Json]:
    """Return a function that makes this domain's trunks and numbers them."""
    made = 0

    def make(name: str, **values: object) -> Json:
        nonlocal made
        made += 1
        trunk_id = domain_id * 1_000_000 + made
        return new_trunk(trunk_id, domain_id, name) | values

    return make


def _half_configured(trunk: Json) -> Json:
    for missing in ("transport", "metric", "profile", "allowGlobal", "modifiedAt"):
        del trunk[missing]
    return trunk | {"ip": None, "port": None, "prefix": None, "active": None}


def _authentication(username: str) -> Json:
    return {
        "username": username,
        "password": f"sandbox-password-of-{username}",
        "overwrite-from": True,
    }
