"""What Cloudonix shall hold, what the user chose about it, and how a difference is named. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from opbx_cli.models import AUTHORIZATION_API_KEY, ApplicationReference, KeyMemory, KeyState, Secret
from opbx_cli.operations.validate.key_ownership import KeyAction, KeyChoice, KeyOwner
from opbx_cli.operations.validate.takeover import CallsChoice
from opbx_cli.settings import ActiveSettings
from opbx_cli.settings.table import IN_DOMAIN_PROFILE, plain
from opbx_cli.webhooks.endpoints import Endpoints

PROFILE_PATH = "domain_profile."
KEY_PATH = PROFILE_PATH + AUTHORIZATION_API_KEY
STORED_KEY_PATH = "settings.webhook_api_key"

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
    key_memory: KeyMemory | None = None
    previous_key: Secret | None = None
    profile_option: str = ""  # what names the profile to another command
    command: str = "validate"  # what brings Cloudonix in line with this
    webhook_key_place: str = ""  # where it is given without a store
    values: Mapping[str, int | str] = field(default_factory=dict)  # by Cloudonix's names
    application: ApplicationReference | None = None
    sent_base_url: str | None = None  # the webhook base URL that this store put in force last
    is_url_chosen: bool = True  # by the profile itself, not by the environment
    rival_urls: tuple[str, ...] = ()  # webhook base URLs of other profiles for this domain

    @property
    def has_store(self) -> bool:
        """Tell whether the domain's key could be saved."""
        return not self.webhook_key_place

    @property
    def given_key(self) -> Secret | None:
        """Return the webhook key, if somebody gave it: one that was made here is nobody's yet."""
        memory = self.key_memory
        is_made = memory is not None and memory.state is KeyState.GENERATED
        return None if is_made else self.webhook_key

    @classmethod
    def of(
        cls,
        active: ActiveSettings,
        domain_uuid: str,
        endpoints: Endpoints,
        *,
        rival_urls: tuple[str, ...] = (),
    ) -> Desired:
        settings = active.settings
        return cls(
            domain_uuid=domain_uuid,
            endpoints=endpoints,
            webhook_key=settings.webhook_api_key,
            key_memory=settings.webhook_key_memory,
            previous_key=settings.webhook_api_key_previous,
            profile_option=active.profile_option,
            command=active.command,
            webhook_key_place=active.webhook_key_place,
            values={
                name: plain(value)
                for name, row in IN_DOMAIN_PROFILE.items()
                if (value := getattr(settings, row.name)) is not None
            },
            application=settings.voice_application,
            sent_base_url=settings.webhook_base_url_sent,
            is_url_chosen=active.is_stored and settings.webhook_base_url is not None,
            rival_urls=rival_urls,
        )


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user said, by flag or at the terminal, about what is somebody else's."""

    calls: CallsChoice = CallsChoice.UNDECIDED
    key: KeyChoice = KeyChoice.UNDECIDED


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """What is done about the webhook key, and why."""

    owner: KeyOwner
    action: KeyAction
    shown: Secret | None  # as Cloudonix shows it, perhaps masked
    own: Secret | None  # as it is given here
    wanted: Secret | None  # what is to be in force on both sides
    drift: str | None = None
