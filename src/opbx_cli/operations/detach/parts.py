"""What a plan of the way back is made of: what this store remembers, what is wanted, each step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from opbx_cli.models import SESSION_UPDATE_ENDPOINT, CallsBefore, RemoteId
from opbx_cli.operations.validate.desired import Change
from opbx_cli.remote import VoiceApplication
from opbx_cli.webhooks.endpoints import Endpoints

if TYPE_CHECKING:
    from opbx_cli.settings.table import Settings


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

    def has_moved(self, application: VoiceApplication) -> bool:
        """Tell whether somebody had OPBX's application send calls to another URL."""
        return application.url is not None and application.url not in self.voice_urls

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
    target: RemoteId | None = None  # of the calls, where they move

    @property
    def words(self) -> str:
        """Return what is said of a part that changes nothing."""
        return "; ".join(self.left) or self.planned


def moved(application: VoiceApplication) -> str:
    return (
        f"application '{application.name}' sends calls to {application.url}: somebody changed that"
    )
