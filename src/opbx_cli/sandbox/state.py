"""The domains of the sandbox, and the ways to look at and change them behind a client's back."""

from __future__ import annotations

import copy
from threading import RLock
from typing import TYPE_CHECKING

from opbx_cli.sandbox.credentials import DomainCredentials, credentials
from opbx_cli.sandbox.records import BUILT_IN, Application, Domain, Json
from opbx_cli.sandbox.trunks import generated_trunks, realistic_trunks
from opbx_cli.sandbox.variants import DomainStatus, Fresh, Nulls, UuidCase, Variants
from opbx_cli.sandbox.views import application_view, domain_view

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opbx_cli.sandbox.clock import Clock
    from opbx_cli.sandbox.options import Options

FIRST_DOMAIN_ID = 1001
CUSTOMER_PROFILE: Json = {
    "time-zone": "Europe/Berlin",
    "crm": {"account": "4711", "tags": ["pbx"]},
}
AS_STORED = Variants()


class State:
    """All domains, and what somebody in the Cockpit can do to them.

    Whoever touches a `Domain` holds `lock`, as the methods that take `domain` do: it is a UUID, and
    None is the first domain.
    """

    def __init__(self, options: Options, clock: Clock) -> None:
        """Make the domains that `options` asks for; each is built when it is first needed."""
        self.lock = RLock()
        self.credentials = credentials(options.domains)
        self._options = options
        self._clock = clock
        self._numbers = {one.uuid: number for number, one in enumerate(self.credentials)}
        self._keys = frozenset(one.api_key for one in self.credentials)
        self._domains: dict[str, Domain] = {}

    def knows_key(self, api_key: str) -> bool:
        """Tell whether this is the API key of any domain."""
        return api_key in self._keys

    def find(self, uuid: str, case: UuidCase = UuidCase.ANY) -> Domain | None:
        """Return the domain with this UUID."""
        uuid = uuid.lower() if case is UuidCase.ANY else uuid
        if uuid not in self._numbers:
            return None
        if uuid not in self._domains:
            number = self._numbers[uuid]
            self._domains[uuid] = _new_domain(
                FIRST_DOMAIN_ID + number, self.credentials[number], self._options
            )
        return self._domains[uuid]

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
            owner = self._domain(domain)
            owner.applications.remove(deleted)
            if owner.default_application == deleted.id:
                owner.default_application = None

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

    def _domain(self, uuid: str | None) -> Domain:
        found = self.find(self.credentials[0].uuid if uuid is None else uuid)
        if found is None:
            message = f"the sandbox has no domain {uuid}"
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
    domain.trunks = _first_trunks(domain_id, options.trunks)
    if variants.fresh is Fresh.CLOUDONIX:
        domain.default_application = BUILT_IN.id
    elif variants.fresh is Fresh.OTHER:
        domain.applications.append(_foreign_application(domain))
        domain.default_application = domain.applications[0].id
    return domain


def _first_trunks(domain_id: int, count: int | None) -> list[Json]:
    return realistic_trunks(domain_id) if count is None else generated_trunks(domain_id, count)


def _foreign_application(domain: Domain) -> Application:
    url = "https://ivr.example.com/2019/menu"
    return Application(domain.next_application_id(), domain.id, "ivr-2019", "cxml", url, "POST")
