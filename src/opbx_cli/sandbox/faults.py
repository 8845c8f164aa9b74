"""Faults: what the sandbox can be told to do wrong, on which call, how often, and what that is."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Final

from opbx_cli.sandbox.answers import (
    JSON_TYPE,
    Answer,
    NoAnswer,
    empty_answer,
    failure,
    html_answer,
    json_answer,
    refused,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opbx_cli.sandbox.answers import Reaction

STATUSES = (400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 504)
HUGE: Final = 20 * 1024 * 1024  # bytes
NESTING: Final = 100_000
ELSEWHERE: Final = "http://127.0.0.2:9/"
TRUNCATED: Final = b'{"id":1001,"uuid":"7c9e6679-7425-40de-944b-e07fc1f90ae7","domain":"sandb'


class Call(StrEnum):
    """The calls of the API; a fault may be set on `any`, and `unknown` is a path that it lacks."""

    LIST_DOMAINS = "list-domains"
    CREATE_DOMAIN = "create-domain"
    GET_DOMAIN = "get-domain"
    UPDATE_DOMAIN = "update-domain"
    DELETE_DOMAIN = "delete-domain"
    LIST_APPLICATIONS = "list-applications"
    GET_APPLICATION = "get-application"
    CREATE_APPLICATION = "create-application"
    UPDATE_APPLICATION = "update-application"
    DELETE_APPLICATION = "delete-application"
    LIST_TRUNKS = "list-trunks"
    GET_TRUNK = "get-trunk"
    CREATE_TRUNK = "create-trunk"
    UPDATE_TRUNK = "update-trunk"
    DELETE_TRUNK = "delete-trunk"
    PLACE_CALL = "place-call"  # the sandbox's own, not Cloudonix's: `any` passes it over
    ANY = "any"
    OPBX_SIGN_IN = "opbx-sign-in"
    OPBX_WHO_AM_I = "opbx-who-am-i"
    OPBX_REFRESH = "opbx-refresh"
    OPBX_SIGN_OUT = "opbx-sign-out"
    OPBX_READ_SETTINGS = "opbx-read-settings"
    OPBX_WRITE_SETTINGS = "opbx-write-settings"
    OPBX_VALIDATE = "opbx-validate"
    OPBX_LIST_TRUNKS = "opbx-list-trunks"
    OPBX_VOICE = "opbx-voice"
    OPBX_SESSION_UPDATE = "opbx-session-update"
    OPBX_CDR = "opbx-cdr"
    OPBX_HEALTH = "opbx-health"
    OPBX_ANY = "opbx-any"  # `any` is Cloudonix's
    UNKNOWN = "unknown"

    @property
    def is_of_opbx(self) -> bool:
        return self.value.startswith("opbx-")

    @property
    def is_list(self) -> bool:
        return self in (Call.LIST_DOMAINS, Call.LIST_APPLICATIONS, Call.LIST_TRUNKS)


class FaultKind(StrEnum):
    """What goes wrong; only the kinds in `-after` let a write happen. A status is a number."""

    STATUS = "status"
    HTML = "html"
    EMPTY = "empty"
    TRUNCATED = "truncated"
    ARRAY = "array"
    NESTED = "nested"
    HUGE = "huge"
    GZIP_BOMB = "gzip-bomb"
    REDIRECT = "redirect"
    HANG = "hang"
    SLOW_BODY = "slow-body"
    CLOSE_BEFORE = "close-before"
    CLOSE_AFTER = "close-after"
    HANG_AFTER = "hang-after"
    TRUNCATED_AFTER = "truncated-after"
    ECHO_KEY = "echo-key"

    @property
    def is_after(self) -> bool:
        """Tell whether the call is carried out before things go wrong."""
        return self.value.endswith("-after")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: `count` times (None: for ever) on `call`, from its `first`-th time on."""

    call: Call
    kind: FaultKind
    status: int = 0
    retry_after: str | None = None
    count: int | None = None
    first: int = 1

    @classmethod
    def calls(cls) -> tuple[str, ...]:
        """Return the names of the calls that a fault can be set on."""
        return tuple(str(call) for call in Call if call is not Call.UNKNOWN)

    @classmethod
    def kinds(cls) -> tuple[str, ...]:
        """Return the kinds as they are written."""
        named = (str(kind) for kind in FaultKind if kind is not FaultKind.STATUS)
        return (*(str(status) for status in STATUSES), "429:RETRY-AFTER", *named)

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read `CALL=KIND[*COUNT][@FIRST]`; raise ValueError, which says what is valid, if not."""
        call, separator, rest = text.partition("=")
        if not separator or call not in cls.calls():
            message = (
                "a fault is written CALL=KIND[*COUNT][@FIRST], "
                f"with CALL one of {', '.join(cls.calls())}"
            )
            raise ValueError(message)
        match = re.fullmatch(r"(.*?)(?:\*([0-9]{1,9}))?(?:@([1-9][0-9]{0,8}))?", rest, re.DOTALL)
        kind, count, first = match.groups() if match else (rest, None, None)
        fault = cls._of_kind(Call(call), kind, count=int(count) if count else None)
        return replace(fault, first=int(first or 1))

    @classmethod
    def _of_kind(cls, call: Call, text: str, *, count: int | None) -> Fault:
        status, separator, retry_after = text.partition(":")
        if separator and status == "429" and _is_header_value(retry_after):
            return cls(call, FaultKind.STATUS, 429, retry_after, count)
        if text in map(str, STATUSES):
            return cls(call, FaultKind.STATUS, int(text), None, count)
        if text in cls.kinds() and not separator:
            return cls(call, FaultKind(text), count=count)
        message = f"the KIND of a fault is one of {', '.join(cls.kinds())}"
        raise ValueError(message)


def _is_header_value(text: str) -> bool:
    return bool(text) and text == text.strip() and text.isascii() and text.isprintable()


class FaultPlan:
    """The faults still to happen, in the order they were given."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = Lock()
        self._planned: list[_Planned] = []
        self.plan(faults)

    def plan(self, faults: Iterable[Fault]) -> None:
        """Forget what was planned and plan `faults`."""
        with self._lock:
            self._planned = [_Planned(fault, fault.count, fault.first - 1) for fault in faults]

    def take(self, call: Call) -> Fault | None:
        """Return the fault that happens to this call, which uses it up by one."""
        with self._lock:
            for planned in self._planned:
                if planned.fault.call in _names(call) and planned.happens():
                    return planned.fault
        return None


def _names(call: Call) -> tuple[Call, ...]:
    if call.is_of_opbx:
        return (call, Call.OPBX_ANY)
    return (call,) if call is Call.PLACE_CALL else (call, Call.ANY)


@dataclass(slots=True)
class _Planned:
    """A fault, how often it still happens (None: for ever), and how many calls it lets pass."""

    fault: Fault
    left: int | None
    passing: int

    def happens(self) -> bool:
        """Tell whether it happens to this call, and count."""
        if self.passing:
            self.passing -= 1
            return False
        if self.left == 0:
            return False
        self.left = None if self.left is None else self.left - 1
        return True


# What every call gets alike, and costs nothing to keep.
FAULTY_ANSWERS: Final[dict[FaultKind, Answer | NoAnswer]] = {
    FaultKind.HTML: html_answer(200),
    FaultKind.EMPTY: empty_answer(),
    FaultKind.TRUNCATED: Answer(200, TRUNCATED, JSON_TYPE),
    FaultKind.TRUNCATED_AFTER: Answer(200, TRUNCATED, JSON_TYPE),
    FaultKind.NESTED: Answer(200, b"[" * NESTING + b"]" * NESTING, JSON_TYPE),
    FaultKind.REDIRECT: Answer(302, headers=(("Location", ELSEWHERE),)),
    FaultKind.HANG: NoAnswer.HANG,
    FaultKind.HANG_AFTER: NoAnswer.HANG,
    FaultKind.SLOW_BODY: NoAnswer.SLOW_BODY,
    FaultKind.CLOSE_BEFORE: NoAnswer.CLOSE,
    FaultKind.CLOSE_AFTER: NoAnswer.CLOSE,
}


def faulty_answer(fault: Fault, call: Call, api_key: str) -> Reaction:
    """Return what `fault` makes of `call`, which carried `api_key`."""
    if fault.kind is FaultKind.STATUS:
        return failure(fault.status, fault.retry_after)
    if fault.kind is FaultKind.ECHO_KEY:
        return refused(400, f"Bad token: Bearer {api_key}")
    if fault.kind is FaultKind.ARRAY:
        return json_answer({"0": {"id": 1}} if call.is_list else [{"id": 1}])
    if fault.kind is FaultKind.HUGE:
        return Answer(200, _huge(), JSON_TYPE)
    if fault.kind is FaultKind.GZIP_BOMB:
        return Answer(200, _bomb(), JSON_TYPE, (("Content-Encoding", "gzip"),))
    return FAULTY_ANSWERS[fault.kind]


@cache
def _huge() -> bytes:
    return b'{"padding":"' + b"x" * HUGE + b'"}'


@cache
def _bomb() -> bytes:
    return gzip.compress(_huge(), compresslevel=1)
