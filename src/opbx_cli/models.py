"""Our own nouns: secrets and settings, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import NoReturn

DEFAULT_API_BASE_URL = "https://api.cloudonix.io"
DEFAULT_NO_ANSWER_TIMEOUT = 60  # seconds; OPBX's and Cloudonix's default
DEFAULT_PROFILE_NAME = "default"

MASK = "*" * 12
TAIL_SHOWN_FROM = 24  # shorter values would lose too much by showing four characters


class Secret:
    """The only carrier of a key: shows a mask wherever it is shown.

    `reveal()` is the single way to the value, so a search for it is the audit.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        return self.__value

    @property
    def mask(self) -> str:
        """Twelve asterisks, and the last four characters of a value of 24 or more."""
        return MASK + (self.__value[-4:] if len(self.__value) >= TAIL_SHOWN_FROM else "")

    @property
    def fingerprint(self) -> str:
        """`fp:` and 8 hex digits: enough to tell two keys apart, not to find one."""
        # 2 ms, for OpenSSL: what shows no key does without.
        import hashlib  # noqa: PLC0415

        digest = hashlib.sha256(b"opbx-fp-v1\x00" + self.__encoded()).hexdigest()
        return f"fp:{digest[:8]}"

    def __repr__(self) -> str:
        return f"Secret({self.mask!r})"

    def __str__(self) -> str:
        return self.mask

    def __format__(self, spec: str) -> str:
        return format(self.mask, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        # 2 ms, for OpenSSL: what compares no keys does without.
        import hmac  # noqa: PLC0415

        return hmac.compare_digest(self.__encoded(), other.__encoded())

    def __encoded(self) -> bytes:
        # JSON from afar may hold half a surrogate pair, which plain UTF-8 has no bytes for.
        return self.__value.encode(errors="surrogatepass")

    __hash__ = None  # type: ignore[assignment]  # a set or dict key would outlive its use

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a Secret has no state to hand out")


class RecordingFormat(StrEnum):
    WAV = "wav"
    MP3 = "mp3"


DEFAULT_RECORDING_FORMAT = RecordingFormat.MP3

# Cloudonix sends ids as numbers; one that arrives as digits in a string means the same.
RemoteId = int | str


@dataclass(frozen=True, slots=True)
class ApplicationReference:
    """The voice application that `validate` put in charge of the domain's calls."""

    id: RemoteId
    uuid: str | None
    name: str


class KeyState(StrEnum):
    """How far a webhook key of ours has come on its way to Cloudonix."""

    GENERATED = "generated"  # made by opbx, never sent: nobody else can know it
    SENDING = "sending"  # about to be sent: until the answer is known, it may be in force
    ROTATING = "rotating"  # the same, in place of `webhook_api_key_previous`
    SENT = "sent"  # sent and taken; Cloudonix does not show keys of this domain
    SHOWN = "shown"  # Cloudonix showed it, perhaps masked, when it was read back


@dataclass(frozen=True, slots=True)
class KeyMemory:
    """What a profile remembers of the webhook key that this store sent last."""

    state: KeyState
    fingerprint: str

    @classmethod
    def of(cls, key: Secret, state: KeyState) -> KeyMemory:
        return cls(state, key.fingerprint)

    def is_of(self, key: Secret | None) -> bool:
        return key is not None and key.fingerprint == self.fingerprint


@dataclass(frozen=True, slots=True)
class Settings:
    """One profile: everything known about one Cloudonix domain. None means unset."""

    domain_uuid: str | None = None
    domain_name: str | None = None
    domain_api_key: Secret | None = None
    webhook_api_key: Secret | None = None
    webhook_base_url: str | None = None
    no_answer_timeout: int | None = None  # seconds
    recording_format: RecordingFormat | None = None
    api_base_url: str = DEFAULT_API_BASE_URL
    voice_application: ApplicationReference | None = None
    cloudonix_package: str | None = None
    # Which webhook key this store sent last. It tells our own key from somebody else's, and
    # some domains never show the key that they hold. None: given by somebody, never sent.
    webhook_key_memory: KeyMemory | None = None
    # The webhook key from before, kept until the present one is known to be in force. With a
    # moment (epoch seconds) it is the one from before the last rotation, and `webhook listen`
    # goes on accepting it until then: OPBX and Cloudonix do not change at the same time.
    webhook_api_key_previous: Secret | None = None
    webhook_api_key_previous_until: int | None = None
    # The webhook base URL that this store put in force last: what goes there is ours to move.
    webhook_base_url_sent: str | None = None
    # The OPBX that uses this domain: where it is, whose it is, and how to speak with it.
    instance_url: str | None = None
    instance_organization: str | None = None
    instance_token: Secret | None = None
    instance_token_expires: int | None = None  # epoch seconds

    def without_remote_facts(self) -> Settings:
        """These settings without what came from the domain (it is about to change)."""
        return replace(
            self,
            domain_name=None,
            voice_application=None,
            cloudonix_package=None,
            webhook_key_memory=None,
            webhook_base_url_sent=None,
        ).without_previous_key()

    def without_instance(self) -> Settings:
        return replace(
            self,
            instance_url=None,
            instance_organization=None,
            instance_token=None,
            instance_token_expires=None,
        )

    def with_webhook_keys_of(self, other: Settings) -> Settings:
        """These settings with the other ones' webhook keys, and what is remembered of them."""
        return replace(
            self,
            webhook_api_key=other.webhook_api_key,
            webhook_key_memory=other.webhook_key_memory,
            webhook_api_key_previous=other.webhook_api_key_previous,
            webhook_api_key_previous_until=other.webhook_api_key_previous_until,
        )

    def without_previous_key(self) -> Settings:
        return replace(self, webhook_api_key_previous=None, webhook_api_key_previous_until=None)


# What a user sets or sees; the rest is what opbx remembers of what it sent, and of OPBX.
SETTING_NAMES: tuple[str, ...] = tuple(
    entry.name
    for entry in fields(Settings)
    if not entry.name.startswith(
        ("webhook_api_key_", "webhook_key_", "webhook_base_url_", "instance_")
    )
)
