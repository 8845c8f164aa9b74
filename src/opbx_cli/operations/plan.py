"""The plan: what has to change in Cloudonix so that calls reach OPBX. Pure.

Desired state and actual state in, differences out; `plan(x, x)` is empty. Nothing here
talks to anybody, so everything that `validate` decides can be read, and tested, here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from opbx_cli.callbacks import Endpoints
from opbx_cli.models import (
    DEFAULT_NO_ANSWER_TIMEOUT,
    DEFAULT_RECORDING_FORMAT,
    ApplicationReference,
    RecordingFormat,
    RemoteId,
    Secret,
    Settings,
)
from opbx_cli.operations.drift import application_drift, profile_drift
from opbx_cli.remote import (
    AUTHORIZATION_API_KEY,
    CALL_TIMEOUT,
    CDR_ENDPOINT,
    RECORDING_MEDIA_TYPE,
    SESSION_UPDATE_ENDPOINT,
    ApplicationSpec,
    Domain,
    DomainProfile,
    Snapshot,
    VoiceApplication,
)
from opbx_cli.values import NO_ANSWER_TIMEOUT, masked_tail

OPBX_PREFIX = "opbx-routing-application-"  # OPBX's own client names its applications so
CLOUDONIX_TYPE_PREFIX = "cloudonix:"  # such as `Cloudonix:built-in`
PROFILE_PATH = "domain_profile."
SEEN = "seen:"  # before the fingerprint of a key that Cloudonix showed in full

Shown = str | int | bool | Secret | None


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: where, what is there, what shall be there.

    `url` is where calls go then, for the one change that sends them somewhere else.
    """

    path: str
    before: Shown
    after: Shown
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Desired:
    """What Cloudonix shall hold. Unset timeout and format follow the domain's own."""

    domain_uuid: str
    endpoints: Endpoints
    webhook_key: Secret | None = None  # None: leave the domain's key alone
    webhook_key_sent: Secret | None = None  # see `memory_of`
    no_answer_timeout: int | None = None  # seconds
    recording_format: RecordingFormat | None = None
    application: ApplicationReference | None = None

    @classmethod
    def of(cls, settings: Settings, domain_uuid: str, endpoints: Endpoints) -> Desired:
        return cls(
            domain_uuid=domain_uuid,
            endpoints=endpoints,
            webhook_key=settings.webhook_api_key,
            webhook_key_sent=settings.webhook_api_key_sent,
            no_answer_timeout=settings.no_answer_timeout,
            recording_format=settings.recording_format,
            application=settings.voice_application,
        )


@dataclass(frozen=True, slots=True)
class ForeignDefault:
    """An application that is not OPBX's and takes the domain's calls now."""

    id: RemoteId
    name: str | None
    url: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """All differences, in the order in which they are to be removed."""

    spec: ApplicationSpec
    application: VoiceApplication | None  # None: to be created
    is_stored: bool  # the application is the one that the settings name already
    doubles: tuple[VoiceApplication, ...]  # younger ones of the same name, made at the same time
    application_changes: tuple[Change, ...]
    application_drift: str | None  # what others did to it, where that is certain
    profile: Mapping[str, object] = field(repr=False)  # as read, to be sent back
    profile_changes: tuple[Change, ...]
    profile_writes: Mapping[str, str | int | Secret]  # our keys in it
    profile_problem: str | None  # why it must not be written
    profile_drift: str | None
    default_changes: tuple[Change, ...]
    foreign_default: ForeignDefault | None
    warnings: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        return not (self.application_changes or self.profile_changes or self.default_changes)


def plan(desired: Desired, actual: Snapshot) -> Plan:
    """Compare; say what differs."""
    domain = actual.domain
    applications = known_applications(actual)
    spec = ApplicationSpec(name=application_name(desired.domain_uuid), url=desired.endpoints.voice)
    doubles = _doubles(applications, spec.name)
    rivals = tuple(entry for entry in applications if entry not in doubles)
    application, extras = _choose(desired, domain, rivals)
    changes = application_changes(application, spec)
    stored = desired.application
    is_stored = application is not None and stored is not None and application.id == stored.id
    default_changes, foreign = _default_changes(domain, applications, application, spec)
    wanted = desired_profile(desired, domain.profile)
    profile_changes = _profile_changes(desired, domain.profile, wanted)
    differing = {change.path.removeprefix(PROFILE_PATH) for change in profile_changes}
    return Plan(
        spec=spec,
        application=application,
        is_stored=is_stored,
        doubles=doubles,
        application_changes=changes,
        application_drift=application_drift(
            desired,
            domain.profile,
            changes=changes,
            is_chosen=is_stored,
            is_gone=stored is not None and all(entry.id != stored.id for entry in applications),
        ),
        profile=domain.profile.raw,
        profile_changes=profile_changes,
        # The key goes along with any write: what was read may be only a mask of it.
        profile_writes={
            name: value
            for name, value in wanted.items()
            if name in differing or name == AUTHORIZATION_API_KEY
        },
        profile_problem=_profile_problem(desired, domain.profile) if profile_changes else None,
        profile_drift=profile_drift(
            desired,
            profile_changes,
            path=PROFILE_PATH + AUTHORIZATION_API_KEY,
            remembered=remembered(desired),
        ),
        default_changes=default_changes,
        foreign_default=foreign,
        warnings=(*_extras_warning((*extras, *doubles)), *_key_warning(desired, domain.profile)),
    )


def application_name(domain_uuid: str) -> str:
    """Return the same name on every try, so that an interrupted run finds its own work."""
    digest = hashlib.sha256(domain_uuid.lower().encode()).hexdigest()
    return OPBX_PREFIX + digest[:8]


def known_applications(actual: Snapshot) -> tuple[VoiceApplication, ...]:
    """Return the listed applications and the domain's own, which the list may not show yet."""
    embedded = actual.domain.application
    if embedded is None or any(entry.id == embedded.id for entry in actual.applications):
        return actual.applications
    return (*actual.applications, embedded)


def application_changes(
    application: VoiceApplication | None, spec: ApplicationSpec
) -> tuple[Change, ...]:
    """Compare an application with what it shall be; a field that is not shown is no change."""
    if application is None:
        return (
            Change("voice_application.name", None, spec.name),
            Change("voice_application.url", None, spec.url),
        )
    pairs: tuple[tuple[str, Shown, Shown, bool], ...] = (
        ("type", application.type, spec.type, _differs_in_word(application.type, spec.type)),
        ("url", application.url, spec.url, application.url != spec.url),
        (
            "method",
            application.method,
            spec.method,
            _differs_in_word(application.method, spec.method),
        ),
        ("active", application.active, spec.active, application.active is False),
    )
    return tuple(
        Change(f"voice_application.{name}", before, after)
        for name, before, after, differs in pairs
        if differs
    )


def desired_profile(desired: Desired, actual: DomainProfile) -> Mapping[str, str | int | Secret]:
    """Return our keys of the domain's profile as they shall be."""
    own_timeout = actual.call_timeout if actual.call_timeout in NO_ANSWER_TIMEOUT else None
    own_format = _word(actual.recording_media_type)
    if own_format not in tuple(RecordingFormat):
        own_format = None
    values: dict[str, str | int | Secret] = {
        CALL_TIMEOUT: desired.no_answer_timeout or own_timeout or DEFAULT_NO_ANSWER_TIMEOUT,
        RECORDING_MEDIA_TYPE: str(
            desired.recording_format or own_format or DEFAULT_RECORDING_FORMAT
        ),
        SESSION_UPDATE_ENDPOINT: desired.endpoints.session_update,
        CDR_ENDPOINT: desired.endpoints.cdr,
    }
    if desired.webhook_key is not None:
        values[AUTHORIZATION_API_KEY] = desired.webhook_key
    return values


def age(application: VoiceApplication) -> tuple[bool, int, str, str]:
    """Sort by it to have the oldest first: everybody who looks finds the same order."""
    number = application.id if isinstance(application.id, int) else 0
    return number == 0, number, application.created_at or "", str(application.id)


def shows_key(profile: DomainProfile) -> bool:
    """Tell whether Cloudonix shows the webhook key that it holds for this domain."""
    shown = profile.authorization_api_key
    return shown is not None and masked_tail(shown) is None


def _doubles(applications: Iterable[VoiceApplication], name: str) -> tuple[VoiceApplication, ...]:
    """Return all but the oldest of that name: runs at the same time may have made one each.

    All of them must choose alike, whatever each remembers, or they would undo each other.
    """
    return tuple(sorted((entry for entry in applications if entry.name == name), key=age)[1:])


def _choose(
    desired: Desired, domain: Domain, applications: Iterable[VoiceApplication]
) -> tuple[VoiceApplication | None, tuple[VoiceApplication, ...]]:
    """Return the application to use and the other ones of OPBX's.

    The stored one; else of OPBX's the default one, then one with our URL, then the newest.
    """
    stored = desired.application
    ours = [entry for entry in applications if entry.name.startswith(OPBX_PREFIX)]
    if stored is not None:
        same = [entry for entry in applications if entry.id == stored.id]
        if same:
            return same[0], tuple(entry for entry in ours if entry.id != stored.id)
    if not ours:
        return None, ()
    ranked = sorted(
        ours,
        key=lambda entry: (
            entry.id == domain.default_application,
            entry.url == desired.endpoints.voice,
            entry.created_at or "",
            entry.id if isinstance(entry.id, int) else 0,
        ),
        reverse=True,
    )
    return ranked[0], tuple(ranked[1:])


def _profile_changes(
    desired: Desired, actual: DomainProfile, wanted: Mapping[str, str | int | Secret]
) -> tuple[Change, ...]:
    shown: Mapping[str, Shown] = {
        CALL_TIMEOUT: actual.call_timeout,
        RECORDING_MEDIA_TYPE: _word(actual.recording_media_type),
        SESSION_UPDATE_ENDPOINT: actual.session_update_endpoint,
        CDR_ENDPOINT: actual.cdr_endpoint,
        AUTHORIZATION_API_KEY: actual.authorization_api_key,
    }
    return tuple(
        Change(PROFILE_PATH + name, shown[name], value)
        for name, value in wanted.items()
        if shown[name] != value and not (isinstance(value, Secret) and _in_force(desired, actual))
    )


def _in_force(desired: Desired, actual: DomainProfile) -> bool:
    """Judge whether a key that Cloudonix does not show in full is the desired one.

    By the characters that a mask leaves visible, else by what was sent last.
    """
    assert desired.webhook_key is not None
    shown = actual.authorization_api_key
    tail = "" if shown is None else masked_tail(shown)
    if tail is None:
        return shown == desired.webhook_key
    if tail:
        return desired.webhook_key.reveal().endswith(tail)
    # A domain that showed its key at the last run and shows none now has lost it.
    return remembered(desired) == desired.webhook_key.fingerprint


def memory_of(key: Secret, *, is_shown: bool) -> Secret:
    """Return what the settings remember of the key in force: its fingerprint, and how it is known.

    That Cloudonix showed it proves later that somebody replaced it; that it was only sent
    also stands in for a look.
    """
    return Secret(SEEN + key.fingerprint if is_shown else key.fingerprint)


def remembered(desired: Desired) -> str | None:
    return None if desired.webhook_key_sent is None else desired.webhook_key_sent.reveal()


def _profile_problem(desired: Desired, actual: DomainProfile) -> str | None:
    """Refuse to send a mask back in place of a key that we do not have."""
    shown = actual.authorization_api_key
    if desired.webhook_key is None and shown is not None and masked_tail(shown) is not None:
        return (
            "Cloudonix shows the domain's webhook key masked, and sending the profile back "
            "would replace the key by its mask"
        )
    return None


def _default_changes(
    domain: Domain,
    applications: Iterable[VoiceApplication],
    chosen: VoiceApplication | None,
    spec: ApplicationSpec,
) -> tuple[tuple[Change, ...], ForeignDefault | None]:
    """Compare who takes the calls; name whoever would lose them."""
    current = domain.default_application
    target = chosen.id if chosen is not None else None
    if current is not None and current == target:
        return (), None
    holder = next((entry for entry in applications if entry.id == current), None)
    change = Change(
        "default_application",
        holder.name if holder is not None else current,
        chosen.name if chosen is not None else spec.name,
        url=spec.url,
    )
    if current is None or (holder is not None and _may_be_replaced(holder)):
        return (change,), None
    return (change,), ForeignDefault(
        current,
        holder.name if holder is not None else None,
        holder.url if holder is not None else None,
    )


def _may_be_replaced(holder: VoiceApplication) -> bool:
    is_cloudonix_own = (holder.type or "").lower().startswith(CLOUDONIX_TYPE_PREFIX)
    return is_cloudonix_own or holder.name.startswith(OPBX_PREFIX)


def _extras_warning(extras: tuple[VoiceApplication, ...]) -> tuple[str, ...]:
    if not extras:
        return ()
    names = ", ".join(f"{entry.name} (id {entry.id})" for entry in extras)
    return (f"more applications of OPBX's than one; not used, and left as they are: {names}",)


def _key_warning(desired: Desired, actual: DomainProfile) -> tuple[str, ...]:
    if desired.webhook_key is not None:
        return ()
    if actual.authorization_api_key is None:
        return (
            "Cloudonix shows no webhook key for this domain and none was given: "
            "OPBX will refuse callbacks that carry none (set OPBX_WEBHOOK_API_KEY)",
        )
    return ()


def _word(text: str | None) -> str | None:
    return None if text is None else text.strip().lower()


def _differs_in_word(actual: str | None, wanted: str) -> bool:
    return actual is not None and _word(actual) != wanted.lower()
