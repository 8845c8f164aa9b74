"""The table of settings: one field each, with all that is true of it.

Whatever reads, asks for, saves, sends or shows settings goes over this table, so that a new
setting is a new field here. Without `from __future__ import annotations`: the rows stand in the
annotations, and are read from there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from enum import EnumType, StrEnum
from typing import Annotated, Any, Self, get_args

from opbx_cli.models import (
    AUTHORIZATION_API_KEY,
    CALL_TIMEOUT,
    DEFAULT_API_BASE_URL,
    RECORDING_MEDIA_TYPE,
    ApplicationReference,
    CallsBefore,
    KeyMemory,
    RecordingFormat,
    Secret,
)
from opbx_cli.values import (
    NO_ANSWER_TIMEOUT,
    URL_LENGTH_MAX,
    InvalidValue,
    parse_domain_uuid,
    parse_epoch,
    parse_https_url,
    parse_key,
    parse_no_answer_timeout,
    parse_recording_format,
    parse_webhook_base_url,
)

KEY_MEMORY = "webhook_api_key_sent"  # as the store's format calls it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Setting:
    """What is true of one setting. The last three come from its field."""

    label: str = ""  # its one name for people; none for what opbx notes for itself
    unit: str = ""  # behind a number
    help: str = ""  # of its option and in the manifest's schema; of a key, a noun
    parse: Callable[[str], Any] = str
    option: str = ""  # of `configure`, and so in a manifest; of a key, the start of three
    metavar: str = ""
    if_unset: str = ""  # what holds then, as `configure` says when it asks
    variable: str = ""  # of the environment, without a store
    can_be_unset: bool = False
    schema: Mapping[str, object] | None = None  # JSON Schema of its text in a manifest
    in_cloudonix: str = ""  # its name in a domain's profile
    in_opbx: str = ""  # its name in OPBX's API
    fallback: str | int | None = None  # that `validate` sends where the domain has none either
    stored_as: str = ""  # in a store, if not by its name
    name: str = ""
    default: Any = None
    kind: type = str

    @property
    def is_secret(self) -> bool:
        """What is remembered of a key is sealed like one."""
        return self.kind in (Secret, KeyMemory)

    @property
    def choices(self) -> tuple[str, ...]:
        return tuple(self.kind) if isinstance(self.kind, EnumType) else ()

    @property
    def question(self) -> str:
        """The label, and what kind of answer is expected."""
        kind = " or ".join(self.choices) or self.metavar.lower()
        return f"{self.label}, {kind}" if self.choices or self.kind is int else self.label

    def accepted(self, value: object) -> Any:
        """Return somebody else's value as one of ours; None where opbx would not take it."""
        if value is None or isinstance(value, Secret):
            return value
        try:
            return plain(self.parse(str(value)))
        except InvalidValue:
            return None


def plain(value: Any) -> Any:
    """Return a value as it is written down: a word as text."""
    return value.value if isinstance(value, StrEnum) else value


@dataclass(frozen=True, slots=True)
class Settings:
    """One profile: everything known about one Cloudonix domain. None means unset."""

    domain_uuid: Annotated[
        str | None,
        Setting(
            label="Domain UUID",
            help="The domain's ID in Cloudonix.",
            parse=parse_domain_uuid,
            option="--domain-uuid",
            metavar="UUID",
            variable="OPBX_DOMAIN_UUID",
            schema={
                "pattern": f"^{'-'.join(f'[0-9A-Fa-f]{{{size}}}' for size in (8, 4, 4, 4, 12))}$"
            },
            in_opbx="domain_uuid",
        ),
    ] = None
    domain_name: Annotated[str | None, Setting(label="Domain name", in_opbx="domain_name")] = None
    domain_api_key: Annotated[
        Secret | None,
        Setting(
            label="Domain API key",
            help="the domain API key",
            parse=parse_key,
            option="--api-key",
            variable="OPBX_DOMAIN_API_KEY",
            in_opbx="domain_api_key",
        ),
    ] = None
    webhook_api_key: Annotated[
        Secret | None,
        Setting(
            label="Webhook key",
            help="a webhook key of your own",
            parse=parse_key,
            option="--webhook-key",
            variable="OPBX_WEBHOOK_API_KEY",
            in_cloudonix=AUTHORIZATION_API_KEY,
            in_opbx="domain_requests_api_key",
        ),
    ] = None
    webhook_base_url: Annotated[
        str | None,
        Setting(
            label="Webhook base URL",
            help="Where the internet reaches OPBX, if not as OPBX's .env says.",
            parse=parse_webhook_base_url,
            option="--webhook-base-url",
            metavar="URL",
            if_unset="as OPBX's environment says",
            variable="OPBX_WEBHOOK_BASE_URL",
            can_be_unset=True,
            schema={
                "maxLength": URL_LENGTH_MAX,
                "pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s@?#]+$",
            },
            in_opbx="webhook_base_url",
        ),
    ] = None
    no_answer_timeout: Annotated[
        int | None,
        Setting(
            label="Ring time",
            unit=" s",
            help="How long phones ring: 5 to 120. [unset: the domain's]",
            parse=parse_no_answer_timeout,
            option="--no-answer-timeout",
            metavar="SECONDS",
            if_unset="as the domain has it",
            variable="OPBX_NO_ANSWER_TIMEOUT",
            can_be_unset=True,
            schema={"minimum": NO_ANSWER_TIMEOUT[0], "maximum": NO_ANSWER_TIMEOUT[-1]},
            in_cloudonix=CALL_TIMEOUT,
            in_opbx="no_answer_timeout",
            fallback=60,  # OPBX's and Cloudonix's default
        ),
    ] = None
    recording_format: Annotated[
        RecordingFormat | None,
        Setting(
            label="Recording format",
            help="wav or mp3. [unset: the domain's]",
            parse=parse_recording_format,
            option="--recording-format",
            metavar="FORMAT",
            if_unset="as the domain has it",
            variable="OPBX_RECORDING_FORMAT",
            can_be_unset=True,
            in_cloudonix=RECORDING_MEDIA_TYPE,
            in_opbx="recording_format",
            fallback=RecordingFormat.MP3.value,
        ),
    ] = None
    api_base_url: Annotated[
        str,
        Setting(
            label="API base URL",
            help="Cloudonix's address, for staging or a proxy.",
            parse=parse_https_url,
            option="--api-base-url",
            metavar="URL",
            variable="CLOUDONIX_API_BASE_URL",
            can_be_unset=True,
            schema={
                "maxLength": URL_LENGTH_MAX,
                # http is for the loopback interface alone.
                "pattern": r"^([Hh][Tt][Tt][Pp][Ss]://|[Hh][Tt][Tt][Pp]://"
                r"(localhost|127\.[0-9.]+|\[::1\])(:|/|$))[^\s@?#]*$",
            },
        ),
    ] = DEFAULT_API_BASE_URL
    voice_application: Annotated[
        ApplicationReference | None, Setting(label="Voice application")
    ] = None
    cloudonix_package: Annotated[str | None, Setting(label="Cloudonix package")] = None
    # Which webhook key this store sent last. It tells our own key from somebody else's, and
    # some domains never show the key that they hold. None: given by somebody, never sent.
    webhook_key_memory: Annotated[KeyMemory | None, Setting(stored_as=KEY_MEMORY)] = None
    # The webhook key from before, kept until the present one is known to be in force. With a
    # moment (epoch seconds) it is the one from before the last rotation, and `webhook listen`
    # goes on accepting it until then: OPBX and Cloudonix do not change at the same time.
    webhook_api_key_previous: Annotated[Secret | None, Setting(parse=parse_key)] = None
    webhook_api_key_previous_until: Annotated[int | None, Setting(parse=parse_epoch)] = None
    # The webhook base URL that this store put in force last: what goes there is ours to move.
    webhook_base_url_sent: Annotated[str | None, Setting(parse=parse_webhook_base_url)] = None
    # Who had the calls before this store took them over, for `detach`. None: not known.
    calls_before: Annotated[CallsBefore | None, Setting()] = None
    # The OPBX that uses this domain: where it is, whose it is, how to speak with it, until when.
    instance_url: Annotated[str | None, Setting(parse=parse_https_url)] = None
    instance_organization: Annotated[str | None, Setting()] = None
    instance_token: Annotated[Secret | None, Setting(parse=parse_key)] = None
    instance_token_expires: Annotated[int | None, Setting(parse=parse_epoch)] = None

    def without_remote_facts(self) -> Self:
        """These settings without what came from the domain (it is about to change)."""
        return replace(
            self,
            domain_name=None,
            voice_application=None,
            cloudonix_package=None,
            webhook_key_memory=None,
            webhook_base_url_sent=None,
            calls_before=None,
        ).without_previous_key()

    def with_instance_of(self, other: Self) -> Self:
        return replace(
            self,
            instance_url=other.instance_url,
            instance_organization=other.instance_organization,
            instance_token=other.instance_token,
            instance_token_expires=other.instance_token_expires,
        )

    def with_webhook_keys_of(self, other: Self) -> Self:
        """These settings with the other ones' webhook keys, and what is remembered of them."""
        return replace(
            self,
            webhook_api_key=other.webhook_api_key,
            webhook_key_memory=other.webhook_key_memory,
            webhook_api_key_previous=other.webhook_api_key_previous,
            webhook_api_key_previous_until=other.webhook_api_key_previous_until,
        )

    def without_previous_key(self) -> Self:
        return replace(self, webhook_api_key_previous=None, webhook_api_key_previous_until=None)


def _row(name: str, default: object, annotation: Any) -> Setting:
    """Complete a row by what its field says."""
    values, row = get_args(annotation)
    kind = (get_args(values) or (values,))[0]
    made: Setting = replace(row, name=name, default=default, kind=kind)
    return replace(made, stored_as=made.stored_as or name)


TABLE = tuple(_row(entry.name, entry.default, entry.type) for entry in fields(Settings))
# What a user sets or sees; the rest is what opbx remembers of what it sent, and of OPBX.
SETTING_NAMES = tuple(row.name for row in TABLE if row.label)
# What `configure` and a manifest give.
OPTIONS = tuple(row for row in TABLE if row.option)
PLAIN_OPTIONS = tuple(row for row in OPTIONS if not row.is_secret)
KEY_OPTIONS = tuple(row for row in OPTIONS if row.is_secret)
UNSETTABLE = tuple(row for row in TABLE if row.can_be_unset)
# What a domain's profile has besides the webhook key and the addresses of callbacks.
IN_DOMAIN_PROFILE = {
    row.in_cloudonix: row for row in TABLE if row.in_cloudonix and not row.is_secret
}
# What OPBX has, too.
IN_OPBX = {row.in_opbx: row for row in TABLE if row.in_opbx}
