"""The settings side by side: here, in Cloudonix and in OPBX, and whether calls arrive. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from opbx_cli.models import MASK, RemoteId, Secret
from opbx_cli.operations.instance import is_same_value
from opbx_cli.operations.validate.key_ownership import KeyOwner, owner_of
from opbx_cli.operations.validate.plan import application_changes, known_applications
from opbx_cli.remote import ApplicationSpec, Domain, Snapshot
from opbx_cli.settings.table import IN_DOMAIN_PROFILE
from opbx_cli.values import fits_mask, mask_text, masked_tail
from opbx_cli.webhooks.endpoints import CDR, PATHS, SESSION_UPDATE, VOICE, endpoints

if TYPE_CHECKING:
    from opbx_cli.instance import InstanceSettings
    from opbx_cli.settings import ActiveSettings
    from opbx_cli.settings.table import Settings
    from opbx_cli.store.audit_log import AuditEvent

# What brings Cloudonix in line, as the audit trail names it.
VALIDATING = ("validate", "apply")


class Note(StrEnum):
    """What stands in place of a value that cannot be compared."""

    NOTHING = ""  # it is not kept there, or nobody could be asked
    NOT_SHOWN = "not shown"
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class RemoteMask:
    """What a server shows in a key's place, such as `XIf2***e617`."""

    text: str


Cell = str | int | Secret | RemoteMask | None  # None: not set


@dataclass(frozen=True, slots=True)
class StatusRow:
    """One setting in each place, and where it is another one than it shall be."""

    name: str
    here: Cell
    cloudonix: Cell
    opbx: Cell
    cloudonix_differs: bool = False
    opbx_differs: bool = False

    @property
    def differs(self) -> bool:
        return self.cloudonix_differs or self.opbx_differs


@dataclass(frozen=True, slots=True)
class DefaultApplication:
    """Who takes the domain's calls; name and URL are None where Cloudonix does not list it."""

    id: RemoteId
    name: str | None
    url: str | None


@dataclass(frozen=True, slots=True)
class Calls:
    """Where calls go, where they shall go, and whether both are the same."""

    application: DefaultApplication | None
    url: str | None  # where they shall go; None where nothing says so
    arrive: bool


@dataclass(frozen=True, slots=True)
class Link:
    """The OPBX that a profile is linked to; `answered` is False where it could not be asked."""

    url: str
    organization: str | None
    token_expires: int | None  # epoch seconds
    answered: bool


@dataclass(frozen=True, slots=True)
class Status:
    """All that `opbx status` shows."""

    profile: str | None
    domain_uuid: str
    domain_name: str | None
    rows: tuple[StatusRow, ...]
    calls: Calls
    last_validated: str | None  # UTC, RFC 3339
    link: Link | None
    warnings: tuple[str, ...] = ()
    profile_option: str = ""

    @property
    def cloudonix_differs(self) -> bool:
        return not self.calls.arrive or any(row.cloudonix_differs for row in self.rows)

    @property
    def opbx_differs(self) -> bool:
        return any(row.opbx_differs for row in self.rows)

    @property
    def differs(self) -> bool:
        return self.cloudonix_differs or self.opbx_differs


def status_of(
    active: ActiveSettings,
    base_url: str | None,
    snapshot: Snapshot,
    remote: InstanceSettings | None,
    validated: str | None,
) -> Status:
    """Compare; `base_url` is where OPBX is reached, `remote` is what OPBX has, if it was asked."""
    settings, domain = active.settings, snapshot.domain
    link = None
    if settings.instance_url is not None:
        link = Link(
            settings.instance_url,
            settings.instance_organization,
            settings.instance_token_expires,
            answered=remote is not None,
        )
    inactive = "the domain is not active in Cloudonix: calls do not arrive"
    return Status(
        profile=active.profile,
        domain_uuid=domain.uuid,
        domain_name=domain.name or settings.domain_name,
        rows=compare(settings, base_url, snapshot, remote),
        calls=_calls(snapshot, base_url or _base_in_cloudonix(snapshot) or _base_in_opbx(remote)),
        last_validated=validated,
        link=link,
        warnings=(inactive,) if domain.active is False else (),
        profile_option=active.profile_option,
    )


def compare(
    settings: Settings,
    base_url: str | None,
    snapshot: Snapshot,
    remote: InstanceSettings | None,
) -> tuple[StatusRow, ...]:
    """Return the settings in each place; those that only matter where they differ, only then."""
    profile = snapshot.domain.profile
    found_url = _base_in_cloudonix(snapshot)
    return (
        *_uuid_row(snapshot.domain, remote),
        _row("domain_name", settings.domain_name, snapshot.domain.name, remote),
        _row("webhook_base_url", base_url, found_url, remote),
        *_endpoint_rows(snapshot.domain, base_url, found_url),
        *(
            _row(row.name, getattr(settings, row.name), profile.values.get(name), remote)
            for name, row in IN_DOMAIN_PROFILE.items()
        ),
        _webhook_key_row(settings, snapshot.domain, remote),
        _api_key_row(settings.domain_api_key, remote),
    )


def last_validated(entries: Iterable[AuditEvent], settings: ActiveSettings) -> str | None:
    """Return when this profile's domain was last brought in line; entries come oldest first."""
    uuid = settings.settings.domain_uuid
    moments = [
        entry.time
        for entry in entries
        if entry.command in VALIDATING
        and entry.result == "ok"
        and entry.profile == settings.profile
        and entry.domain_uuid in (None, uuid)
    ]
    return moments[-1] if moments else None


def _uuid_row(domain: Domain, remote: InstanceSettings | None) -> tuple[StatusRow, ...]:
    """Return a row only where OPBX has another domain: all the rest is read by this UUID."""
    if remote is None or is_same_value(domain.uuid, remote.domain_uuid):
        return ()
    row = StatusRow("domain_uuid", domain.uuid, domain.uuid, remote.domain_uuid, opbx_differs=True)
    return (row,)


def _row(
    name: str, here: str | int | None, cloudonix: str | int | None, remote: InstanceSettings | None
) -> StatusRow:
    """Compare a value; one that is unset here follows the domain's, and OPBX shall have that."""
    # Cloudonix need not show a domain's name, and OPBX without a URL follows its own variable.
    is_missing_there = name == "domain_name" and cloudonix is None
    wanted = cloudonix if here is None else here
    opbx = Note.NOTHING if remote is None else remote.values.get(name)
    is_missing_in_opbx = name == "webhook_base_url" and opbx is None
    return StatusRow(
        name,
        here,
        cloudonix,
        opbx,
        cloudonix_differs=here is not None
        and not is_missing_there
        and not is_same_value(here, cloudonix),
        opbx_differs=remote is not None
        and wanted is not None
        and not is_missing_in_opbx
        and not is_same_value(wanted, opbx),
    )


def _endpoint_rows(
    domain: Domain, base_url: str | None, found_url: str | None
) -> tuple[StatusRow, ...]:
    """Return the callbacks that go neither where the calls go nor where they shall go."""
    profile = domain.profile
    bases = [url for url in (base_url, found_url) if url is not None]
    found = (
        ("session_update_endpoint", profile.session_update_endpoint, PATHS[SESSION_UPDATE]),
        ("cdr_endpoint", profile.cdr_endpoint, PATHS[CDR]),
    )
    return tuple(
        StatusRow(name, bases[0] + path, url, Note.NOTHING, cloudonix_differs=True)
        for name, url, path in found
        if bases and url not in [base + path for base in bases]
    )


def _webhook_key_row(
    settings: Settings, domain: Domain, remote: InstanceSettings | None
) -> StatusRow:
    """Compare the webhook key by what is shown, and by what this store remembers of sending it."""
    here, shown = settings.webhook_api_key, domain.profile.authorization_api_key
    owner = owner_of(here, settings.webhook_key_memory, settings.webhook_api_key_previous, domain)
    is_missing = shown is None and owner is KeyOwner.NONE
    is_other = here is not None and shown is not None and not fits_mask(here, shown)
    theirs = None if remote is None else remote.webhook_api_key
    wanted = shown if here is None else here
    return StatusRow(
        "webhook_api_key",
        here,
        Note.NOT_SHOWN if shown is None and not is_missing else _seen(shown, here),
        Note.NOTHING if remote is None else _seen(theirs, here),
        cloudonix_differs=is_other or owner in (KeyOwner.NONE, KeyOwner.OURS),
        opbx_differs=remote is not None and not _can_be_same(wanted, theirs),
    )


def _api_key_row(here: Secret | None, remote: InstanceSettings | None) -> StatusRow:
    """Compare the domain API key; Cloudonix shows none, but it has answered to ours."""
    theirs = None if remote is None else remote.domain_api_key
    return StatusRow(
        "domain_api_key",
        here,
        Note.ACCEPTED,
        Note.NOTHING if remote is None else _seen(theirs, here),
        opbx_differs=remote is not None and not _can_be_same(here, theirs),
    )


def _can_be_same(wanted: Secret | None, theirs: Secret | None) -> bool:
    """Compare two keys, either of which may be a mask; two masks prove nothing."""
    if wanted is None or theirs is None:
        return wanted is None
    if masked_tail(wanted) is None:
        return fits_mask(wanted, theirs)
    return masked_tail(theirs) is not None or fits_mask(theirs, wanted)


def _seen(key: Secret | None, ours: Secret | None) -> Secret | RemoteMask | None:
    """Return a key as a server shows it; of a short one a mask would show too much."""
    text = None if key is None else mask_text(key)
    if text is None:
        return key
    is_short = ours is not None and ours.mask == MASK
    return RemoteMask(MASK if is_short else text)


def _calls(snapshot: Snapshot, base_url: str | None) -> Calls:
    """Say who takes the calls, and whether they reach OPBX at this URL."""
    domain = snapshot.domain
    wanted = None if base_url is None else endpoints(base_url).voice
    if domain.default_application is None:
        return Calls(None, wanted, arrive=False)
    holder = next(
        (one for one in known_applications(snapshot) if one.id == domain.default_application), None
    )
    if holder is None:
        return Calls(
            DefaultApplication(domain.default_application, None, None), wanted, arrive=False
        )
    arrive = (
        wanted is not None
        and domain.active is not False
        and not application_changes(holder, ApplicationSpec(holder.name, wanted))
    )
    return Calls(DefaultApplication(holder.id, holder.name, holder.url), wanted, arrive=arrive)


def _base_in_cloudonix(snapshot: Snapshot) -> str | None:
    """Return where the default application sends calls, if that is an OPBX's voice endpoint."""
    application = _calls(snapshot, None).application
    url = None if application is None else application.url
    if url is None or not url.endswith(PATHS[VOICE]):
        return None
    return url.removesuffix(PATHS[VOICE])


def _base_in_opbx(remote: InstanceSettings | None) -> str | None:
    url = None if remote is None else remote.webhook_base_url
    return None if url is None else url.rstrip("/")
