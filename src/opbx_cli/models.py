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
        import hashlib  # it loads OpenSSL, which most commands do without

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
        import hmac

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
    # Fingerprint of the webhook key that Cloudonix took last: some domains never show
    # the key they hold, and then this is all that tells "in force" from "never sent". With
    # `seen:` before it, Cloudonix showed the key, which proves later that it was replaced.
    webhook_api_key_sent: Secret | None = None
    # The webhook key from before the last rotation, which `webhook listen` goes on accepting
    # until then (epoch seconds): OPBX and Cloudonix do not change at the same moment.
    webhook_api_key_previous: Secret | None = None
    webhook_api_key_previous_until: int | None = None

    def without_remote_facts(self) -> Settings:
        """These settings without what came from the domain (it is about to change)."""
        return replace(
            self,
            domain_name=None,
            voice_application=None,
            cloudonix_package=None,
            webhook_api_key_sent=None,
        ).without_previous_key()

    def without_previous_key(self) -> Settings:
        return replace(self, webhook_api_key_previous=None, webhook_api_key_previous_until=None)


# What a user sets or sees; the rest is what opbx remembers of the webhook key.
SETTING_NAMES: tuple[str, ...] = tuple(
    entry.name for entry in fields(Settings) if not entry.name.startswith("webhook_api_key_")
)
