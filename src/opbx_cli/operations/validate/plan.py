"""The plan: what has to change in Cloudonix so that calls reach OPBX. Pure.

Desired state and actual state in, differences out; `plan(x, x)` is empty. Nothing here
talks to anybody, so everything that `validate` decides can be read, and tested, here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from opbx_cli.models import (
    AUTHORIZATION_API_KEY,
    CDR_ENDPOINT,
    SESSION_UPDATE_ENDPOINT,
    CallsBefore,
    RemoteId,
    Secret,
)
from opbx_cli.operations.validate.desired import (
    KEY_PATH,
    PROFILE_PATH,
    Change,
    Choices,
    Desired,
    KeyPlan,
    Shown,
)
from opbx_cli.operations.validate.drift import application_drift, profile_drift
from opbx_cli.operations.validate.key_ownership import (
    OPBX_PREFIX,
    KeyAction,
    KeyChoice,
    KeyOwner,
    action_on,
    key_at_risk,
    owner_of,
)
from opbx_cli.operations.validate.takeover import (
    CallsChoice,
    Claim,
    Taken,
    Takeover,
    application_takeover,
    calls_before,
    default_takeover,
    endpoint_takeovers,
    kinds_of,
)
from opbx_cli.remote import ApplicationSpec, Domain, DomainProfile, Snapshot, VoiceApplication
from opbx_cli.settings.table import IN_DOMAIN_PROFILE
from opbx_cli.values import is_key


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
    kept_changes: tuple[Change, ...]  # of the profile, for want of a yes
    key: KeyPlan
    default_changes: tuple[Change, ...]
    calls_before: CallsBefore | None  # who has the calls that would be switched, for the way back
    takeovers: tuple[Takeover, ...]  # what would be taken from somebody
    warnings: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        return not (
            self.application_changes
            or self.profile_changes
            or self.kept_changes
            or self.default_changes
            or self.key.action in (KeyAction.ADOPT, KeyAction.ASK)
        )

    @property
    def taken(self) -> frozenset[Taken]:
        return kinds_of(self.takeovers)


def plan(desired: Desired, actual: Snapshot, choices: Choices | None = None) -> Plan:
    """Compare; say what differs, and what of it is done with these choices."""
    choices = choices or Choices()
    domain = actual.domain
    applications = known_applications(actual)
    spec = ApplicationSpec(name=application_name(desired.domain_uuid), url=desired.endpoints.voice)
    doubles = _doubles(applications, spec.name)
    rivals = tuple(entry for entry in applications if entry not in doubles)
    application, extras = _choose(desired, domain, rivals)
    changes = application_changes(application, spec)
    stored = desired.application
    is_stored = application is not None and stored is not None and application.id == stored.id
    claim = Claim(desired.sent_base_url, desired.is_url_chosen, desired.rival_urls)
    current = domain.default_application
    holder = next((entry for entry in applications if entry.id == current), None)
    is_default = application is not None and application.id == current
    takeovers = (
        *application_takeover(
            application,
            is_default=is_default,
            wanted=spec.url,
            claim=claim,
        ),
        *(() if is_default else default_takeover(current, holder, wanted=spec.url, claim=claim)),
        *endpoint_takeovers(domain.profile, desired.endpoints, claim),
    )
    key = _key_plan(desired, domain, choices.key)
    may_take = choices.calls is CallsChoice.SWITCH
    written, kept = _written_and_kept(
        _profile_changes(domain.profile, desired_profile(desired, domain.profile)),
        () if may_take else takeovers,
        key,
    )
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
        profile_changes=written,
        profile_writes=_profile_writes(written, key),
        profile_problem=_profile_problem(key, domain) if written else None,
        kept_changes=kept,
        key=key,
        default_changes=() if is_default else _default_change(current, holder, application, spec),
        calls_before=None
        if is_default
        else calls_before(current, holder, wanted=spec.url, claim=claim),
        takeovers=takeovers,
        warnings=(*_extras_warning((*extras, *doubles)), *_key_warning(key, desired)),
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


def desired_profile(desired: Desired, actual: DomainProfile) -> Mapping[str, str | int]:
    """Return our keys of the domain's profile as they shall be, the webhook key apart."""
    wanted = {
        name: desired.values.get(name) or row.accepted(actual.values.get(name)) or row.fallback
        for name, row in IN_DOMAIN_PROFILE.items()
    }
    return {
        **{name: value for name, value in wanted.items() if value is not None},
        SESSION_UPDATE_ENDPOINT: desired.endpoints.session_update,
        CDR_ENDPOINT: desired.endpoints.cdr,
    }


def age(application: VoiceApplication) -> tuple[bool, int, str, str]:
    """Sort by it to have the oldest first: everybody who looks finds the same order."""
    number = application.id if isinstance(application.id, int) else 0
    return number == 0, number, application.created_at or "", str(application.id)


def _doubles(applications: Iterable[VoiceApplication], name: str) -> tuple[VoiceApplication, ...]:
    """Return all but the oldest of that name: runs at the same time may have made one each.

    All of them must choose alike, whatever each remembers, or they would undo each other.
    """
    return tuple(sorted((entry for entry in applications if entry.name == name), key=age)[1:])


def _choose(
    desired: Desired, domain: Domain, applications: Iterable[VoiceApplication]
) -> tuple[VoiceApplication | None, tuple[VoiceApplication, ...]]:
    """Return the application to use and the other ones of OPBX's.

    One of OPBX's that has the calls and sends them to our URL: OPBX itself makes one and puts
    it in charge whenever its settings are saved, and both would take the calls from each other
    for ever. Else the stored one; else of OPBX's the default one, then one with our URL, then
    the newest.
    """
    stored = desired.application
    ours = [entry for entry in applications if entry.name.startswith(OPBX_PREFIX)]
    for entry in ours:
        if entry.id == domain.default_application and entry.url == desired.endpoints.voice:
            return entry, tuple(other for other in ours if other.id != entry.id)
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


def _profile_changes(actual: DomainProfile, wanted: Mapping[str, str | int]) -> tuple[Change, ...]:
    shown: Mapping[str, Shown] = {
        **{
            name: _word(value) if isinstance(value, str) else value
            for name, value in actual.values.items()
        },
        SESSION_UPDATE_ENDPOINT: actual.session_update_endpoint,
        CDR_ENDPOINT: actual.cdr_endpoint,
    }
    return tuple(
        Change(PROFILE_PATH + name, shown.get(name), value)
        for name, value in wanted.items()
        if shown.get(name) != value
    )


def _written_and_kept(
    changes: Iterable[Change], takeovers: Iterable[Takeover], key: KeyPlan
) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """Part the profile's changes into what is written, and what is kept for want of a yes."""
    taken, found = tuple(takeovers), tuple(changes)
    kept = tuple(change for change in found if _is_taken(change, taken))
    written = tuple(change for change in found if change not in kept)
    own = Change(KEY_PATH, key.shown, key.wanted)
    if key.action is KeyAction.SEND:
        return (*written, own), kept
    if key.action is KeyAction.ASK:
        return (), (*kept, *written, own)
    return written, kept


def _is_taken(change: Change, takeovers: Iterable[Takeover]) -> bool:
    paths = {
        Taken.SESSION_UPDATES: PROFILE_PATH + SESSION_UPDATE_ENDPOINT,
        Taken.CALL_RECORDS: PROFILE_PATH + CDR_ENDPOINT,
    }
    return any(paths.get(one.kind) == change.path for one in takeovers)


def _key_plan(desired: Desired, domain: Domain, choice: KeyChoice) -> KeyPlan:
    shown = domain.profile.authorization_api_key
    owner = owner_of(desired.webhook_key, desired.key_memory, desired.previous_key, domain)
    can_adopt = desired.has_store and shown is not None and is_key(shown)
    action = action_on(owner, choice, can_adopt=can_adopt)
    wanted = shown if action is KeyAction.ADOPT else desired.webhook_key
    drift = profile_drift(desired, is_foreign=owner is KeyOwner.FOREIGN)
    return KeyPlan(owner, action, shown, desired.webhook_key, wanted, drift)


def _profile_writes(changes: Iterable[Change], key: KeyPlan) -> Mapping[str, str | int | Secret]:
    """Return our keys that go along with a write.

    A known webhook key always does: whether Cloudonix merges what it is sent is not
    documented, and what was read may be only a mask of it.
    """
    writes: dict[str, str | int | Secret] = {}
    for change in changes:
        if isinstance(change.after, str | int | Secret):
            writes[change.path.removeprefix(PROFILE_PATH)] = change.after
    known = (KeyAction.NOTHING, KeyAction.SEND, KeyAction.ADOPT)
    if key.action in known and key.wanted is not None:
        writes[AUTHORIZATION_API_KEY] = key.wanted
    return writes


def _profile_problem(key: KeyPlan, domain: Domain) -> str | None:
    """Refuse a write that could lose a key which we do not have."""
    return key_at_risk(domain) if key.action is KeyAction.LEAVE else None


def _default_change(
    current: RemoteId | None,
    holder: VoiceApplication | None,
    chosen: VoiceApplication | None,
    spec: ApplicationSpec,
) -> tuple[Change, ...]:
    """Say who takes the calls, and who has them now."""
    change = Change(
        "default_application",
        holder.name if holder is not None else current,
        chosen.name if chosen is not None else spec.name,
        url=spec.url,
    )
    return (change,)


def _extras_warning(extras: tuple[VoiceApplication, ...]) -> tuple[str, ...]:
    if not extras:
        return ()
    names = ", ".join(f"{entry.name} (id {entry.id})" for entry in extras)
    return (f"more applications of OPBX's than one; not used, and left as they are: {names}",)


def _key_warning(key: KeyPlan, desired: Desired) -> tuple[str, ...]:
    given = desired.given_key
    if key.owner is KeyOwner.HIDDEN and key.action is KeyAction.LEAVE and given is not None:
        return (
            "Cloudonix does not show which webhook key this domain has, so it cannot be told from "
            f"the one given here ({given.label}), and is left alone. If OPBX has the given "
            f"one, `opbx {desired.command} --replace-webhook-key{desired.profile_option}` sends it",
        )
    if key.owner is KeyOwner.HIDDEN and key.action is KeyAction.LEAVE:
        here = f"`opbx configure --webhook-key-stdin{desired.profile_option}`"
        if not desired.has_store:
            here = desired.webhook_key_place
        return (
            "Cloudonix does not show which webhook key this domain has, and this one was never "
            "sent from here, so the domain's is left alone: OPBX may check calls with it. "
            f"{here} takes the key that OPBX has; --replace-webhook-key puts this one in force",
        )
    if key.owner is KeyOwner.FOREIGN and key.action is KeyAction.LEAVE and desired.has_store:
        return (
            "the domain's webhook key cannot be saved here, because Cloudonix shows it masked or "
            "opbx takes no such key. It is left alone; "
            f"`opbx configure --webhook-key-stdin{desired.profile_option}` takes the key that OPBX "
            "has",
        )
    if key.owner is KeyOwner.NOT_ASKED and key.shown is None:
        return (
            "Cloudonix shows no webhook key for this domain and none was given: "
            f"OPBX will refuse callbacks that carry none (set {desired.webhook_key_place})",
        )
    return ()


def _word(text: str) -> str:
    return text.strip().lower()


def _differs_in_word(actual: str | None, wanted: str) -> bool:
    return actual is not None and _word(actual) != wanted.lower()
