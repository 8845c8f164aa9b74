"""The plan of the way back: what is given back, what is removed, and what is left. Pure.

Only what this store put into the domain is touched. What somebody changed since is theirs: it is
left, and named.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import NotFoundError, UsageError
from opbx_cli.models import (
    CDR_ENDPOINT,
    SESSION_UPDATE_ENDPOINT,
    CallsBefore,
    KeyState,
    RemoteId,
    Secret,
)
from opbx_cli.operations.validate.desired import KEY_PATH, PROFILE_PATH, Change
from opbx_cli.operations.validate.key_ownership import (
    OPBX_PREFIX,
    KeyOwner,
    key_at_risk,
    owner_of,
)
from opbx_cli.operations.validate.plan import age, application_name, known_applications
from opbx_cli.operations.validate.takeover import CLOUDONIX_TYPE_PREFIX
from opbx_cli.operations.validate.wording import named
from opbx_cli.remote import Snapshot, VoiceApplication
from opbx_cli.webhooks.endpoints import Endpoints

if TYPE_CHECKING:
    from opbx_cli.remote import Domain
    from opbx_cli.settings.table import Settings

CALLBACKS = {SESSION_UPDATE_ENDPOINT: "session updates", CDR_ENDPOINT: "call records"}


@dataclass(frozen=True, slots=True)
class Own:
    """What this store remembers of what it put into the domain.

    `endpoints` are those that it sent last, and those that it would send. `calls_before` may be
    what another profile of the same domain remembers.
    """

    settings: Settings
    endpoints: tuple[Endpoints, ...]
    calls_before: CallsBefore | None

    @property
    def voice_urls(self) -> frozenset[str]:
        return frozenset(one.voice for one in self.endpoints)

    def sends_to(self, name: str, url: str | None) -> bool:
        """Tell whether this store set that callback's URL."""
        if name == SESSION_UPDATE_ENDPOINT:
            return url in {one.session_update for one in self.endpoints}
        return url in {one.cdr for one in self.endpoints}

    def without_key(self) -> Own:
        """Return what is remembered once the webhook key is removed."""
        return replace(self, settings=replace(self.settings, webhook_key_memory=None))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user said: where calls are to go, and what becomes of the application."""

    to: str | None = None  # an application's name, id or UUID
    to_none: bool = False
    delete_application: bool = False
    profile_option: str = ""  # what names the profile to another command


@dataclass(frozen=True, slots=True)
class Part:
    """One step: what it changes, what is said before and afterwards, what is left to others.

    `wants` is what to run where it cannot be done without a choice.
    """

    planned: str
    done: str = ""
    changes: tuple[Change, ...] = ()
    left: tuple[str, ...] = ()
    wants: str | None = None

    @property
    def words(self) -> str:
        """Return what is said of a part that changes nothing."""
        return "; ".join(self.left) or self.planned


@dataclass(frozen=True, slots=True)
class Plan:
    """All three parts, in their order: calls leave OPBX before OPBX's key does."""

    application: VoiceApplication | None  # OPBX's, as this store made or took it
    calls: Part
    target: RemoteId | None  # of the calls, where they move
    profile: Part
    kept_key: Secret | None  # the webhook key, where it stays: it is sent along, never its mask
    own_application: Part
    has_calls: bool  # OPBX's application has them now
    warnings: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[Part, Part, Part]:
        return self.calls, self.profile, self.own_application

    @property
    def changes(self) -> tuple[Change, ...]:
        """Return what would be written; nothing is, before it is known where calls are to go."""
        if self.calls.wants is not None:
            return ()
        return tuple(change for part in self.parts for change in part.changes)

    @property
    def removed(self) -> tuple[str, ...]:
        """Return the keys of the domain's profile that are removed."""
        return tuple(one.path.removeprefix(PROFILE_PATH) for one in self.profile.changes)

    @property
    def left(self) -> tuple[str, ...]:
        return tuple(sentence for part in self.parts for sentence in part.left)


def plan(own: Own, actual: Snapshot, wanted: Wanted) -> Plan:
    """Compare; say what is given back and removed.

    Raises `NotFoundError` or `UsageError` for an application that calls cannot go to.
    """
    applications = known_applications(actual)
    application = _own_application(own, applications, actual.domain)
    holder = _by_id(applications, actual.domain.default_application)
    calls = _Calls(own, application, holder, actual.domain, applications, wanted)
    part, target = calls.part()
    has_calls = calls.are_own
    users = (*calls.users(), *_foreign_callbacks(own, actual.domain))
    profile, kept_key = _profile_part(own, actual.domain, users)
    return Plan(
        application=application,
        calls=part,
        target=target,
        profile=profile,
        kept_key=kept_key,
        own_application=_application_part(
            own, application, wanted, is_in_use=has_calls and not part.changes and not part.wants
        ),
        has_calls=has_calls,
        warnings=calls.warnings(target) if part.changes else (),
    )


def _own_application(
    own: Own, applications: tuple[VoiceApplication, ...], domain: Domain
) -> VoiceApplication | None:
    """Return OPBX's application: the one with the calls and our URL, the stored one, or by name."""
    stored = own.settings.voice_application
    name = application_name(domain.uuid)
    in_charge = [
        one
        for one in applications
        if one.id == domain.default_application
        and one.name.startswith(OPBX_PREFIX)
        and one.url in own.voice_urls
    ]
    known = [one for one in applications if stored is not None and one.id == stored.id]
    by_name = sorted((one for one in applications if one.name == name), key=age)
    return next(iter((*in_charge, *known, *by_name)), None)


@dataclass(frozen=True, slots=True)
class _Calls:
    """Who has the calls now, and who is to have them."""

    own: Own
    application: VoiceApplication | None
    holder: VoiceApplication | None  # of the calls; None also where it is not shown
    domain: Domain
    applications: tuple[VoiceApplication, ...]
    wanted: Wanted = field(default_factory=Wanted)

    @property
    def are_own(self) -> bool:
        """Tell whether OPBX's application has the calls, be it at another URL by now."""
        current = self.domain.default_application
        return self.application is not None and current == self.application.id

    def part(self) -> tuple[Part, RemoteId | None]:
        """Return what is done about the calls, and where they go then."""
        asked = None if self.wanted.to is None else self._asked_for(self.wanted.to)
        if not self.are_own:
            users = self.users()
            if users and self.own.calls_before is not None:
                return Part("", left=(f"calls go to {users[0]}: somebody switched them",)), None
            return Part(f"calls go to {_called(self.holder)}"), None
        assert self.application is not None
        if _is_moved(self.own, self.application):
            return Part("", left=(_moved(self.application),)), None
        if asked is not None or self.wanted.to_none:
            return self._given_to(asked), None if asked is None else asked.id
        return self._given_back()

    def users(self) -> tuple[str, ...]:
        """Return who got the calls from somebody else, if anybody."""
        if self.are_own:
            assert self.application is not None
            moved = _is_moved(self.own, self.application)
            return (self.application.url or "",) if moved else ()
        current, before = self.domain.default_application, self.own.calls_before
        is_expected = current in (None, before.id if before is not None else None)
        if is_expected or _is_of_cloudonix(self.holder):
            return ()
        if self.wanted.to is not None and self._asked_for(self.wanted.to).id == current:
            return ()
        return (f"{_called(self.holder, current)}",)

    def warnings(self, target: RemoteId | None) -> tuple[str, ...]:
        chosen = _by_id(self.applications, target)
        if chosen is None or chosen.active is not False:
            return ()
        return (f"{_called(chosen)} is not active: calls would not be answered",)

    def _given_back(self) -> tuple[Part, RemoteId | None]:
        before = self.own.calls_before
        if before is None:
            return self._open("it is not known which application had the calls before OPBX"), None
        if before.id is None:
            return self._given_to(None), None
        found = _by_id(self.applications, before.id)
        if found is None and (before.type or "").lower().startswith(CLOUDONIX_TYPE_PREFIX):
            found = VoiceApplication(before.id, before.name or str(before.id))
        if found is None:
            name = before.name or before.id
            return self._open(
                f"application '{name}' (id {before.id}), which had the calls before, is gone"
            ), None
        return self._given_to(found), found.id

    def _open(self, why: str) -> Part:
        option = self.wanted.profile_option
        return Part(
            f"{why}; calls still go to OPBX",
            wants=f"`opbx detach --to-none{option}` lets no application have the calls, "
            f"`opbx detach --to NAME{option}` that one",
        )

    def _given_to(self, target: VoiceApplication | None) -> Part:
        assert self.application is not None
        change = Change(
            "default_application", self.application.name, None if target is None else target.name
        )
        name = _called(target)
        return Part(f"calls would go to {name}", f"calls go to {name}", (change,))

    def _asked_for(self, reference: str) -> VoiceApplication:
        """Return the application that is named: by UUID, id or name, in this order."""
        others = [one for one in self.applications if one != self.application]
        for fits in (
            lambda one: one.uuid is not None and one.uuid.lower() == reference.lower(),
            lambda one: str(one.id) == reference,
            lambda one: one.name == reference,
        ):
            found = [one for one in others if fits(one)]
            if len(found) > 1:
                ids = ", ".join(str(one.id) for one in found)
                raise UsageError(f"--to: several applications have that name; their ids: {ids}")
            if found:
                return found[0]
        names = ", ".join(one.name for one in others) or "none"
        raise NotFoundError(
            "--to: the domain has no other application with that name, id or UUID",
            hint=f"these are there: {names}",
            code=ErrorCode.APPLICATION_NOT_FOUND,
        )


def _profile_part(own: Own, domain: Domain, users: tuple[str, ...]) -> tuple[Part, Secret | None]:
    """Remove our URLs and our key; return also the key that stays, where we know it."""
    changes, left = _callback_changes(own, domain)
    settings, shown = own.settings, domain.profile.authorization_api_key
    owner = owner_of(
        settings.webhook_api_key,
        settings.webhook_key_memory,
        settings.webhook_api_key_previous,
        domain,
    )
    stays = _why_key_stays(own, owner, users, shown)
    if stays is None and owner in (KeyOwner.IN_FORCE, KeyOwner.OURS):
        changes.append(Change(KEY_PATH, shown or settings.webhook_api_key, None))
    elif stays is not None:
        left.append(stays)
    kept = settings.webhook_api_key if stays and owner is KeyOwner.IN_FORCE else None
    is_unknown = kept is None and owner is not KeyOwner.NONE
    is_key_removed = any(one.path == KEY_PATH for one in changes)
    problem = key_at_risk(domain) if changes and is_unknown and not is_key_removed else None
    if problem is not None:
        wants = "remove these from the domain in the Cockpit"
        return Part(problem, changes=(), left=tuple(left), wants=wants), None
    count = len(changes)
    things = f"{count} setting{'s' if count > 1 else ''}"
    return Part(
        f"{things} would be removed" if changes else "nothing of OPBX's is there",
        f"{things} removed and read back",
        tuple(changes),
        tuple(left),
    ), kept


def _callback_changes(own: Own, domain: Domain) -> tuple[list[Change], list[str]]:
    """Return the URLs of ours that are removed, and those that are somebody else's."""
    changes, left = [], []
    for name, noun in CALLBACKS.items():
        url = _url(domain, name)
        if own.sends_to(name, url):
            changes.append(Change(PROFILE_PATH + name, url, None))
        elif url:
            left.append(f"{noun} go to {url}: that is not this profile's")
    return changes, left


def _why_key_stays(
    own: Own, owner: KeyOwner, users: tuple[str, ...], shown: Secret | None
) -> str | None:
    """Say why the domain's key is left alone; `users` are others who may check callbacks with it.

    None where it is ours to remove, or there is none.
    """
    key, memory = own.settings.webhook_api_key, own.settings.webhook_key_memory
    if owner not in (KeyOwner.IN_FORCE, KeyOwner.OURS):
        if shown is None:
            return None
        return f"the webhook key ({named(shown)}) was not sent by this profile"
    if memory is not None and memory.state is KeyState.FOUND and owner is KeyOwner.IN_FORCE:
        label = "" if key is None else f" ({key.label})"
        return f"the webhook key{label} stays: it was there before this profile had it"
    return f"the webhook key stays: {users[0]} may check callbacks with it" if users else None


def _application_part(
    own: Own, application: VoiceApplication | None, wanted: Wanted, *, is_in_use: bool
) -> Part:
    if application is None:
        return Part("OPBX has no application there")
    name = f"{application.name} (id {application.id})"
    if _is_moved(own, application):
        return Part("", left=(_moved(application),))
    if is_in_use:
        return Part("", left=(f"{name} still has the calls",))
    if wanted.delete_application:
        change = Change("voice_application", application.name, None)
        return Part(f"{name} would be deleted", f"{name} deleted", (change,))
    if application.active is False:
        return Part(f"{name} is inactive")
    if application.active is None:
        return Part("", left=(f"Cloudonix does not show whether {name} is active",))
    change = Change("voice_application.active", before=True, after=False)
    return Part(f"{name} would be set inactive", f"{name} is inactive", (change,))


def _foreign_callbacks(own: Own, domain: Domain) -> tuple[str, ...]:
    urls = ((name, _url(domain, name)) for name in CALLBACKS)
    return tuple(url for name, url in urls if url and not own.sends_to(name, url))


def _url(domain: Domain, name: str) -> str | None:
    profile = domain.profile
    is_update = name == SESSION_UPDATE_ENDPOINT
    return profile.session_update_endpoint if is_update else profile.cdr_endpoint


def _is_moved(own: Own, application: VoiceApplication) -> bool:
    """Tell whether somebody had OPBX's application send calls to another URL."""
    return application.url is not None and application.url not in own.voice_urls


def _moved(application: VoiceApplication) -> str:
    return (
        f"application '{application.name}' sends calls to {application.url}: somebody changed that"
    )


def _by_id(
    applications: tuple[VoiceApplication, ...], identifier: RemoteId | None
) -> VoiceApplication | None:
    return next((one for one in applications if one.id == identifier), None)


def _is_of_cloudonix(application: VoiceApplication | None) -> bool:
    kind = "" if application is None else application.type or ""
    return kind.lower().startswith(CLOUDONIX_TYPE_PREFIX)


def _called(application: VoiceApplication | None, identifier: RemoteId | None = None) -> str:
    if application is None and identifier is None:
        return "no application"
    name = identifier if application is None else application.name
    return f"application '{name}'"
