"""The nouns, as frozen values: our own, and Cloudonix's in the words of its API.

Any field of Cloudonix's may be missing: None then, which never means "off" or "no".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NoReturn

DEFAULT_API_BASE_URL = "https://api.cloudonix.io"
DEFAULT_PROFILE_NAME = "default"

MASK = "*" * 12
RANDOM_FROM = 24  # characters; shorter keys may be a person's own words


class Secret:
    """The only carrier of a key: shows a mask wherever it is shown.

    `reveal()` is the single way to the value, so a search for it is the audit.
    """

    __slots__ = ("__is_chosen", "__value")

    def __init__(self, value: str, *, is_chosen: bool = False) -> None:
        """`is_chosen` tells that a person may have chosen it, as a password."""
        self.__value = value
        self.__is_chosen = is_chosen

    def reveal(self) -> str:
        return self.__value

    @property
    def mask(self) -> str:
        """Twelve asterisks, and the last four characters of a random value of 24 or more."""
        return MASK if self.is_guessable else MASK + self.__value[-4:]

    @property
    def is_guessable(self) -> bool:
        """Tell whether somebody may have thought it up: its hash would confirm a guess."""
        return self.__is_chosen or len(self.__value) < RANDOM_FROM

    @property
    def label(self) -> str:
        """What a sentence calls it: its fingerprint, unless that would confirm a guess."""
        return "a short key" if self.is_guessable else self.fingerprint

    @property
    def fingerprint(self) -> str:
        """`fp:` and 8 hex digits: enough to tell two keys apart, not to find a random one.

        For screens and files that others may read, see `label`.
        """
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


# Cloudonix

# The keys of a domain's profile that OPBX sets, as Cloudonix spells them.
CALL_TIMEOUT = "call-timeout"
RECORDING_MEDIA_TYPE = "recording-media-type"
SESSION_UPDATE_ENDPOINT = "session-update-endpoint"
CDR_ENDPOINT = "cdr-endpoint"
AUTHORIZATION_API_KEY = "authorization-api-key"


@dataclass(frozen=True, slots=True)
class DomainProfile:
    """A domain's profile: OPBX's keys, typed, and everything else untouched.

    `values` has those of the table of settings, by Cloudonix's names.
    `raw` is what Cloudonix sent. It may hold the customer's own secrets, so it has no
    repr and is used for one thing: to be sent back with OPBX's keys changed.
    """

    values: Mapping[str, int | str | None] = field(default_factory=dict)
    session_update_endpoint: str | None = None
    cdr_endpoint: str | None = None
    authorization_api_key: Secret | None = None
    raw: Mapping[str, object] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class VoiceApplication:
    """Receives call events and routes calls: the API's `application` object."""

    id: RemoteId
    name: str
    uuid: str | None = None
    type: str | None = None
    url: str | None = None
    method: str | None = None
    active: bool | None = None
    created_at: str | None = None
    profile: Mapping[str, object] = field(default_factory=dict, repr=False)

    @property
    def reference(self) -> ApplicationReference:
        return ApplicationReference(id=self.id, uuid=self.uuid, name=self.name)


@dataclass(frozen=True, slots=True)
class Domain:
    uuid: str
    name: str | None = None
    active: bool | None = None
    default_application: RemoteId | None = None
    application: VoiceApplication | None = None
    package: str | None = None
    profile: DomainProfile = field(default_factory=DomainProfile)


@dataclass(frozen=True, slots=True)
class ApplicationSpec:
    """What a voice application shall be."""

    name: str
    url: str
    type: str = "cxml"
    method: str = "POST"
    active: bool = True


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A domain and its applications, read at the same time."""

    domain: Domain
    applications: tuple[VoiceApplication, ...]


@dataclass(frozen=True, slots=True)
class TrunkAuthentication:
    username: str | None = None
    password: Secret | None = None
    overwrite_from: bool | None = None


@dataclass(frozen=True, slots=True)
class Trunk:
    """A SIP trunk. Every field may be missing; words may come that are not known yet."""

    id: RemoteId | None = None
    uuid: str | None = None
    name: str | None = None
    ip: str | None = None
    port: int | None = None
    transport: str | None = None
    prefix: str | None = None
    direction: str | None = None
    metric: int | None = None
    active: bool | None = None
    allow_global: bool | None = None
    global_prefix: str | None = None
    created_at: str | None = None
    modified_at: str | None = None
    authentication: TrunkAuthentication | None = None
    profile_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CallOrder:
    """A call for the sandbox to place; `wrong_key` sends a made-up key with its callbacks.

    `signature_secret` is what its session updates are signed with.
    """

    caller: str
    callee: str
    direction: str = "inbound"
    wrong_key: bool = False
    signature_secret: Secret | None = None


class DeliveryResult(StrEnum):
    """What became of a callback: taken, answered in another way, or not answered at all."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One callback of a call; `event` is the state that a session update reported."""

    endpoint: str
    event: str | None
    url: str
    attempts: int
    http_status: int | None
    result: DeliveryResult
    detail: str
    milliseconds: int


@dataclass(frozen=True, slots=True)
class PlacedCall:
    """What the sandbox says of a call; without `call`, its session's token, none was made."""

    call: str | None
    disposition: str | None
    application: str | None
    callbacks: tuple[Delivery, ...]
    not_followed: tuple[str, ...]  # verbs of the answer that the sandbox does not carry out
    missing: tuple[str, ...]  # what the domain lacks for all callbacks to be made
