"""Where Cloudonix's documentation is silent or its sources disagree: the possible answers."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


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


class Fresh(StrEnum):
    """A domain's first default application: Cloudonix's own, none, or one that carries calls."""

    CLOUDONIX = "cloudonix"
    NONE = "none"
    OTHER = "other"


class DomainStatus(StrEnum):
    """Whether the domains are active at the start."""

    ACTIVE = "active"
    INACTIVE = "inactive"


class CallbackRetry(StrEnum):
    """Which session updates and call records are sent again (not documented)."""

    NEVER = "never"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variants:
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
    application_lag: float = 0.0
    fresh: Fresh = Fresh.CLOUDONIX
    domain: DomainStatus = DomainStatus.ACTIVE
    callback_retry: CallbackRetry = CallbackRetry.NEVER
    callback_retry_wait: float = 1.0
    callback_timeout: float = 10.0

    @classmethod
    def choices(cls) -> dict[str, tuple[str, ...]]:
        """Return each variant's name with its values, the default first; a lag has `SECONDS`."""
        return {name: _values(default) for name, default in _defaults().items()}

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Variants:
        """Read `name=value` texts; raise ValueError, which says what is valid, for a bad one."""
        return cls().changed(texts)

    def changed(self, texts: Iterable[str]) -> Variants:
        """Return a copy with these `name=value` texts applied; raise ValueError for a bad one."""
        values = dict(_parse(text) for text in texts)
        return replace(self, **values)  # type: ignore[arg-type]


def _defaults() -> dict[str, StrEnum | float]:
    defaults = Variants()
    names = (field.name for field in fields(Variants))
    return {name.replace("_", "-"): getattr(defaults, name) for name in names}


def _values(default: StrEnum | float) -> tuple[str, ...]:
    if isinstance(default, StrEnum):
        return (str(default), *(str(value) for value in type(default) if value != default))
    return ("SECONDS",)


def _parse(text: str) -> tuple[str, StrEnum | float]:
    name, separator, value = text.partition("=")
    default = _defaults().get(name)
    if default is None or not separator:
        message = f"a variant is written NAME=VALUE, with NAME one of {', '.join(_defaults())}"
        raise ValueError(message)
    field = name.replace("-", "_")
    if isinstance(default, StrEnum):
        if value not in _values(default):
            message = f"the variant {name} takes one of {', '.join(_values(default))}"
            raise ValueError(message)
        return field, type(default)(value)
    return field, _seconds(name, value)


def _seconds(name: str, value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        message = f"the variant {name} takes a number of seconds from 0 up"
        raise ValueError(message)
    return seconds
