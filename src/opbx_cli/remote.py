"""Cloudonix's nouns, in the API's own words, as frozen values.

Any field may be missing: None then, which never means "off" or "no". They stand apart from
`models`, which every command loads: these cost it 4 ms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from opbx_cli.models import ApplicationReference, RemoteId, Secret


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
