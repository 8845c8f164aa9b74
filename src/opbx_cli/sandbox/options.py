"""What the sandbox can be told at its start."""

from __future__ import annotations

import hashlib
import math
import uuid
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from opbx_cli.sandbox.faults import Fault
from opbx_cli.sandbox.opbx.variants import OpbxVariants
from opbx_cli.sandbox.rate_limit import WINDOW
from opbx_cli.sandbox.variant_set import VariantSet

if TYPE_CHECKING:
    from collections.abc import Iterable

HOST = "127.0.0.1"  # loopback only: the sandbox is no server for a network
MAX_DOMAINS = 10_000
MAX_TRUNKS = 100_000
MAX_PORT = 65_535


class ProfileWrite(StrEnum):
    """What PUT {"profile": …} does with the keys it does not name (not documented)."""

    MERGE = "merge"
    REPLACE = "replace"


class DefaultApplicationWrite(StrEnum):
    """Who takes {"defaultApplication": id}: PUT (OPBX's client), PATCH (OpenAPI), both, neither."""

    BOTH = "both"
    PUT = "put"
    PATCH = "patch"
    IGNORED = "ignored"


class EmptyList(StrEnum):
    """How an empty list of trunks or applications is answered: 404 (OpenAPI) or []."""

    NOT_FOUND = "404"
    LIST = "list"


class ApplicationPath(StrEnum):
    """What names an application in a path: its name (OPBX's client), or "ID or name" (OpenAPI)."""

    BOTH = "both"
    NAME = "name"
    ID = "id"


class WebhookKey(StrEnum):
    """How `authorization-api-key` comes back in a domain's profile (not documented)."""

    ECHOED = "echoed"
    MASKED = "masked"
    ABSENT = "absent"


class Numbers(StrEnum):
    """Whether numbers come back as they were stored, or always as strings."""

    NUMBER = "number"
    STRING = "string"


class Ids(StrEnum):
    """Whether ids are numbers or strings."""

    NUMBER = "number"
    STRING = "string"


class Nulls(StrEnum):
    """With `on` a new domain has no profile, empty profiles are null, and so is `tenant`."""

    OFF = "off"
    ON = "on"


class UuidCase(StrEnum):
    """Whether the domain's UUID in a path may be in upper case."""

    ANY = "any"
    EXACT = "exact"


class Names(StrEnum):
    """What a second POST of an application's name does (not documented)."""

    UNIQUE_409 = "unique-409"
    UNIQUE_500 = "unique-500"
    DUPLICATE = "duplicate"


class WriteAnswer(StrEnum):
    """What a write answers: 200 with the object, or 204 without a body."""

    OBJECT = "object"
    EMPTY = "empty"


class ApplicationPatch(StrEnum):
    """Whether the undocumented PATCH of an application exists."""

    ON = "on"
    OFF = "off"


class ApplicationBody(StrEnum):
    """Whether a body may lack what OpenAPI requires, as OPBX's and Cloudonix's own tool's do."""

    LENIENT = "lenient"
    STRICT = "strict"


class Fresh(StrEnum):
    """A domain's first default application: Cloudonix's own, none, or one that carries calls."""

    CLOUDONIX = "cloudonix"
    NONE = "none"
    OTHER = "other"


class DomainStatus(StrEnum):
    """Whether the domains are active at the start."""

    ACTIVE = "active"
    INACTIVE = "inactive"


class TrunkData(StrEnum):
    """Whether a domain's trunks are as carriers have them, or two odd ones are among them.

    Odd is markup and control characters in a name, and a trunk without most of its settings.
    """

    PLAIN = "plain"
    ODD = "odd"


class CallbackRetry(StrEnum):
    """Which session updates and call records are sent again (not documented)."""

    NEVER = "never"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variants(VariantSet):
    """One answer to each open question; on the command line `_` in a name is written `-`."""

    profile: ProfileWrite = ProfileWrite.MERGE
    default_application: DefaultApplicationWrite = DefaultApplicationWrite.BOTH
    empty_list: EmptyList = EmptyList.NOT_FOUND
    application_path: ApplicationPath = ApplicationPath.BOTH
    webhook_key: WebhookKey = WebhookKey.ECHOED
    numbers: Numbers = Numbers.NUMBER
    ids: Ids = Ids.NUMBER
    nulls: Nulls = Nulls.OFF
    uuid_case: UuidCase = UuidCase.ANY
    names: Names = Names.UNIQUE_409
    write_answer: WriteAnswer = WriteAnswer.OBJECT
    application_patch: ApplicationPatch = ApplicationPatch.ON
    application_body: ApplicationBody = ApplicationBody.LENIENT
    application_lag: float = 0.0
    fresh: Fresh = Fresh.CLOUDONIX
    domain: DomainStatus = DomainStatus.ACTIVE
    trunk_data: TrunkData = TrunkData.PLAIN
    rate_window: float = WINDOW
    callback_retry: CallbackRetry = CallbackRetry.NEVER
    callback_retry_wait: float = 1.0
    callback_timeout: float = 10.0


API_KEY_LENGTH = 34  # documentation: a key is 34 characters that start with "XI"


@dataclass(frozen=True, slots=True)
class DomainCredentials:
    """What a client needs to reach one domain of the sandbox."""

    uuid: str
    name: str
    api_key: str


def credentials(count: int) -> tuple[DomainCredentials, ...]:
    """Return the credentials of the first `count` domains."""
    return tuple(_domain(number) for number in range(1, count + 1))


def _domain(number: int) -> DomainCredentials:
    name = "sandbox.cloudonix.net" if number == 1 else f"sandbox-{number}.cloudonix.net"
    digest = hashlib.sha256(f"opbx sandbox key of {name}".encode()).hexdigest()
    return DomainCredentials(
        uuid=str(uuid.uuid5(uuid.NAMESPACE_DNS, name)),
        name=name,
        api_key=f"XI{digest}"[:API_KEY_LENGTH],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the sandbox behaves; raises ValueError for what is out of range.

    `port` 0 takes any free one; `trunks` None gives each domain a small realistic set; `latency`
    is in seconds.
    """

    port: int = 0
    domains: int = 1
    trunks: int | None = None
    latency: float = 0.0
    rate_limit: bool = True
    opbx: bool = False
    variants: Variants = field(default_factory=Variants)
    opbx_variants: OpbxVariants = field(default_factory=OpbxVariants)
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        _check_range("port", self.port, 0, MAX_PORT)
        _check_range("number of domains", self.domains, 1, MAX_DOMAINS)
        if self.trunks is not None:
            _check_range("number of trunks", self.trunks, 0, MAX_TRUNKS)
        if not 0 <= self.latency < math.inf:
            message = "the latency is a number of seconds from 0 up"
            raise ValueError(message)

    @classmethod
    def parse(  # noqa: PLR0913 - one parameter for each option of the command line
        cls,
        *,
        variants: Iterable[str] = (),
        faults: Iterable[str] = (),
        port: int = 0,
        domains: int = 1,
        trunks: int | None = None,
        latency: float = 0.0,
        rate_limit: bool = True,
        opbx: bool = False,
    ) -> Options:
        """Build options from `NAME=VALUE` variants and `CALL=KIND[*COUNT][@FIRST]` faults.

        Raises ValueError, which says what is valid, for a variant or fault that cannot be read,
        and for one of OPBX's in a sandbox without it.
        """
        variants, faults = tuple(variants), tuple(faults)
        for text in (*variants, *faults):
            if is_about_opbx(text) and not opbx:
                message = f"{text} is for a sandbox that plays OPBX too (--opbx)"
                raise ValueError(message)
        return cls(
            port=port,
            domains=domains,
            trunks=trunks,
            latency=latency,
            rate_limit=rate_limit,
            opbx=opbx,
            faults=tuple(Fault.parse(fault) for fault in faults),
        ).varied(variants)

    def varied(self, variants: Iterable[str]) -> Options:
        """Return a copy with these `NAME=VALUE` variants; raise ValueError for a bad one."""
        texts = tuple(variants)
        return replace(
            self,
            variants=self.variants.changed(one for one in texts if not is_about_opbx(one)),
            opbx_variants=self.opbx_variants.changed(one for one in texts if is_about_opbx(one)),
        )


def is_about_opbx(text: str) -> bool:
    """Tell whether a `NAME=VALUE` is OPBX's, not Cloudonix's."""
    return text.partition("=")[0].partition("-")[0] == "opbx"


def _check_range(what: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        message = f"the {what} lies between {low} and {high}"
        raise ValueError(message)
