"""The states of OPBX that are in use, and what it can be told to be like."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from opbx_cli.sandbox.variant_set import VariantSet


class State(StrEnum):
    """Which OPBX: of July 2026, which shows keys masked, or of January 2026."""

    JULY = "july"
    JANUARY = "january"


class Role(StrEnum):
    """The role of the user; only the owner may read or change the settings."""

    OWNER = "owner"
    PBX_ADMIN = "pbx_admin"
    PBX_USER = "pbx_user"
    REPORTER = "reporter"


class UserStatus(StrEnum):
    """Whether the user may sign in."""

    ACTIVE = "active"
    INACTIVE = "inactive"


class TokenAge(StrEnum):
    """With `expired` every token is too old, also one that was just given."""

    FRESH = "fresh"
    EXPIRED = "expired"


class FirstSettings(StrEnum):
    """What the settings page has at the start: the first domain, in force on Cloudonix, or nothing.

    What is saved then is what an owner saved who has filled in the page.
    """

    SAVED = "saved"
    NONE = "none"


class CloudonixAnswer(StrEnum):
    """Whether Cloudonix takes what OPBX writes to it."""

    TAKEN = "taken"
    REFUSED = "refused"


class Signature(StrEnum):
    """January: session updates have to be signed, need not be, or there is no secret for it."""

    CHECKED = "checked"
    OFF = "off"
    UNSET = "unset"


class BaseUrl(StrEnum):
    """July: whether OPBX_APPLICATION_WEBHOOK_BASEURL is set, which wins over the settings."""

    SETTINGS = "settings"
    VARIABLE = "variable"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpbxVariants(VariantSet):
    """How OPBX is, one answer to each question."""

    opbx: State = State.JULY
    opbx_role: Role = Role.OWNER
    opbx_user: UserStatus = UserStatus.ACTIVE
    opbx_token: TokenAge = TokenAge.FRESH
    opbx_settings: FirstSettings = FirstSettings.SAVED
    opbx_cloudonix: CloudonixAnswer = CloudonixAnswer.TAKEN
    opbx_signature: Signature = Signature.CHECKED
    opbx_base_url: BaseUrl = BaseUrl.SETTINGS
