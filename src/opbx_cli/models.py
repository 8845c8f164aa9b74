"""Our own nouns, as frozen values: secrets, and what settings are made of."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, NoReturn

# The keys of a domain's profile that OPBX sets, as Cloudonix spells them.
CALL_TIMEOUT = "call-timeout"
RECORDING_MEDIA_TYPE = "recording-media-type"
SESSION_UPDATE_ENDPOINT = "session-update-endpoint"
CDR_ENDPOINT = "cdr-endpoint"
AUTHORIZATION_API_KEY = "authorization-api-key"

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


class ApplicationReference(NamedTuple):
    """The voice application that `validate` put in charge of the domain's calls."""

    id: RemoteId
    uuid: str | None
    name: str


class CallsBefore(NamedTuple):
    """The application that had a domain's calls before `validate` took them over.

    Without an id, no application had them. `type` tells Cloudonix's own, which no list shows.
    """

    id: RemoteId | None = None
    uuid: str | None = None
    name: str | None = None
    type: str | None = None


class KeyState(StrEnum):
    """How far a webhook key of ours has come on its way to Cloudonix."""

    GENERATED = "generated"  # made by opbx, never sent: nobody else can know it
    SENDING = "sending"  # about to be sent: until the answer is known, it may be in force
    ROTATING = "rotating"  # the same, in place of `webhook_api_key_previous`
    SENT = "sent"  # sent and taken; Cloudonix does not show keys of this domain
    SHOWN = "shown"  # Cloudonix showed it, perhaps masked, when it was read back
    FOUND = "found"  # the same, but it was there before: somebody else's callbacks may carry it

    @property
    def is_in_force(self) -> bool:
        return self in (KeyState.SENT, KeyState.SHOWN, KeyState.FOUND)


class KeyMemory(NamedTuple):
    """What a profile remembers of the webhook key that this store sent last."""

    state: KeyState
    fingerprint: str

    @classmethod
    def of(cls, key: Secret, state: KeyState) -> KeyMemory:
        return cls(state, key.fingerprint)

    def is_of(self, key: Secret | None) -> bool:
        return key is not None and key.fingerprint == self.fingerprint
