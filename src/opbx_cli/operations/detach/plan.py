"""The plan of the way back: what is given back, what is removed, and what is left. Pure.

Only what this store put into the domain is touched. What somebody changed since is theirs: it is
left, and named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opbx_cli.models import (
    CDR_ENDPOINT,
    SESSION_UPDATE_ENDPOINT,
    KeyState,
    RemoteId,
    Secret,
)
from opbx_cli.operations.detach.calls import Calls, by_id
from opbx_cli.operations.detach.parts import Own, Part, Wanted, moved
from opbx_cli.operations.validate.desired import KEY_PATH, PROFILE_PATH, Change
from opbx_cli.operations.validate.key_ownership import (
    OPBX_PREFIX,
    KeyOwner,
    key_at_risk,
    owner_of,
)
from opbx_cli.operations.validate.plan import age, application_name, known_applications
from opbx_cli.operations.validate.wording import named
from opbx_cli.remote import Snapshot, VoiceApplication

if TYPE_CHECKING:
    from opbx_cli.remote import Domain

CALLBACKS = {SESSION_UPDATE_ENDPOINT: "session updates", CDR_ENDPOINT: "call records"}


@dataclass(frozen=True, slots=True)
class Plan:
    """All three parts, in their order: calls leave OPBX before OPBX's key does."""

    application: VoiceApplication | None  # OPBX's, as this store made or took it
    calls: Part
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


def plan(
    own: Own, actual: Snapshot, wanted: Wanted, *, application_id: RemoteId | None = None
) -> Plan:
    """Compare; say what is given back and removed.

    `application_id` names the application to look at, in place of the one that would be found.
    Raises `NotFoundError` or `UsageError` for an application that calls cannot go to.
    """
    applications = known_applications(actual)
    if application_id is None:
        application = _own_application(own, applications, actual.domain)
    else:
        application = by_id(applications, application_id)
    holder = by_id(applications, actual.domain.default_application)
    calls = Calls(own, application, holder, actual.domain, applications, wanted)
    part = calls.part()
    has_calls = calls.are_own
    users = (*calls.users(), *_foreign_callbacks(own, actual.domain))
    profile, kept_key = _profile_part(own, actual.domain, users)
    return Plan(
        application=application,
        calls=part,
        profile=profile,
        kept_key=kept_key,
        own_application=_application_part(
            own, application, wanted, is_in_use=has_calls and not part.changes and not part.wants
        ),
        has_calls=has_calls,
        warnings=calls.warnings(part) if part.changes else (),
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
    if own.has_moved(application):
        return Part("", left=(moved(application),))
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
