"""What a run would take from somebody whose calls work now, and what that needs. Pure.

Calls, session updates and call records that go somewhere else are not sent to OPBX by
accident: each is named, with the way back, and wants a yes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from opbx_cli.models import CallsBefore, RemoteId
from opbx_cli.operations.validate.key_ownership import OPBX_PREFIX
from opbx_cli.remote import DomainProfile, VoiceApplication
from opbx_cli.values import is_public
from opbx_cli.webhooks.endpoints import Endpoints

_CLOUDONIX_TYPE_PREFIX = "cloudonix:"  # such as `Cloudonix:built-in`


class Taken(StrEnum):
    """What a run takes over."""

    DEFAULT_APPLICATION = "default-application"  # from an application that is not OPBX's
    APPLICATION_URL = "application-url"  # from another address of the application in charge
    SESSION_UPDATES = "session-updates"
    CALL_RECORDS = "call-records"


class CallsChoice(StrEnum):
    """What the user wants where something would be taken over."""

    UNDECIDED = "undecided"  # nobody to ask: everything but what is taken over
    SWITCH = "switch"
    PREPARE = "prepare"  # everything but what is taken over, on purpose
    NOTHING = "nothing"  # write nothing at all


@dataclass(frozen=True, slots=True)
class Takeover:
    """One thing that goes elsewhere now: to whom, at which URL."""

    kind: Taken
    url: str | None
    wanted: str  # URL
    application: str | None = None
    id: RemoteId | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """Why a webhook URL may be taken for what the user wants.

    `sent`: the webhook base URL that this store put in force last. `is_chosen`: the URL is the
    profile's own, not one that the environment happens to name. `rivals`: the webhook base
    URLs of other stored profiles for the same domain.
    """

    sent: str | None
    is_chosen: bool
    rivals: tuple[str, ...] = ()

    def covers(self, url: str) -> bool:
        """Tell whether moving away from this URL is what the user asked for.

        It is where this store put it: where somebody else moved it since, it is theirs.
        """
        is_of_rival = any(_is_below(url, base) for base in self.rivals)
        is_own = self.sent is not None and _is_below(url, self.sent)
        return is_own and self.is_chosen and not is_of_rival


def endpoint_takeovers(
    profile: DomainProfile, wanted: Endpoints, claim: Claim
) -> tuple[Takeover, ...]:
    """Return the callbacks that somebody else's server receives now."""
    pairs = (
        (Taken.SESSION_UPDATES, profile.session_update_endpoint, wanted.session_update),
        (Taken.CALL_RECORDS, profile.cdr_endpoint, wanted.cdr),
    )
    return tuple(
        Takeover(kind, url, target)
        for kind, url, target in pairs
        if url and is_moved(url, target, claim)
    )


def application_takeover(
    application: VoiceApplication | None, *, is_default: bool, wanted: str, claim: Claim
) -> tuple[Takeover, ...]:
    """Return the address that the application in charge sends calls to now, if it is another's."""
    if application is None or not is_default or application.active is False:
        return ()
    if not application.url or not is_moved(application.url, wanted, claim):
        return ()
    taken = Takeover(
        Taken.APPLICATION_URL, application.url, wanted, application.name, application.id
    )
    return (taken,)


def default_takeover(
    current: RemoteId | None, holder: VoiceApplication | None, *, wanted: str, claim: Claim
) -> tuple[Takeover, ...]:
    """Return the application that would lose the calls, if they are somebody's.

    Nobody's are those of no application and of Cloudonix's own; of another one of OPBX's,
    those that go to the same server already.
    """
    if current is None:
        return ()
    if holder is None:
        return (Takeover(Taken.DEFAULT_APPLICATION, None, wanted, None, current),)
    if is_of_cloudonix(holder.type):
        return ()
    if holder.name.startswith(OPBX_PREFIX) and not (
        holder.active is not False and holder.url and is_moved(holder.url, wanted, claim)
    ):
        return ()
    return (Takeover(Taken.DEFAULT_APPLICATION, holder.url, wanted, holder.name, holder.id),)


def calls_before(
    current: RemoteId | None, holder: VoiceApplication | None, *, wanted: str, claim: Claim
) -> CallsBefore | None:
    """Return who has the calls, where they are about to be taken over; None of what is OPBX's.

    An application of OPBX's is somebody else's as long as `default_takeover` says so.
    """
    if current is None:
        return CallsBefore()
    identifier = current if isinstance(current, int) else _storable(current)
    if holder is None:
        return CallsBefore(identifier)
    taken = default_takeover(current, holder, wanted=wanted, claim=claim)
    if holder.name.startswith(OPBX_PREFIX) and not taken:
        return None
    return CallsBefore(
        identifier, _storable(holder.uuid), _storable(holder.name), _storable(holder.type)
    )


def is_of_cloudonix(kind: str | None) -> bool:
    """Tell whether an application of this type is Cloudonix's own, and so nobody's."""
    return (kind or "").lower().startswith(_CLOUDONIX_TYPE_PREFIX)


def is_moved(url: str, wanted: str, claim: Claim) -> bool:
    """Tell whether what goes to one URL would go to another party's, or to nobody's."""
    if url == wanted:
        return False
    if is_public(host_of(url)) and not is_public(host_of(wanted)):
        return True
    return _party(url) != _party(wanted) and not claim.covers(url)


def host_of(url: str) -> str:
    """Return the host of a URL from afar, empty where it has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def kinds_of(takeovers: Iterable[Takeover]) -> frozenset[Taken]:
    return frozenset(one.kind for one in takeovers)


def _storable(text: str | None) -> str | None:
    """Return a text as a file can hold it: JSON from afar may have half a surrogate pair."""
    return None if text is None else text.encode(errors="replace").decode()


def _is_below(url: str, base: str) -> bool:
    return url == base or url.startswith(f"{base}/")


def _party(url: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return url, None
    return (parts.hostname or "").rstrip("."), port
