"""Faults: what the sandbox can be told to do wrong, on which call, how often."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

STATUSES = (400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 504)


class Call(StrEnum):
    """The calls of the API; a fault may be set on `any`, and `unknown` is a path that it lacks."""

    GET_DOMAIN = "get-domain"
    UPDATE_DOMAIN = "update-domain"
    LIST_APPLICATIONS = "list-applications"
    CREATE_APPLICATION = "create-application"
    UPDATE_APPLICATION = "update-application"
    LIST_TRUNKS = "list-trunks"
    ANY = "any"
    UNKNOWN = "unknown"

    @property
    def is_list(self) -> bool:
        """Tell whether the call answers a list."""
        return self in (Call.LIST_APPLICATIONS, Call.LIST_TRUNKS)


class FaultKind(StrEnum):
    """What goes wrong; only `close-after` lets a write happen. A status is written as a number."""

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
    ECHO_KEY = "echo-key"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: `count` times (None: for ever) on `call`."""

    call: Call
    kind: FaultKind
    status: int = 0
    retry_after: str | None = None
    count: int | None = None

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
        """Read `CALL=KIND[*COUNT]`; raise ValueError, which says what is valid, for others."""
        call, separator, rest = text.partition("=")
        if not separator or call not in cls.calls():
            message = (
                f"a fault is written CALL=KIND[*COUNT], with CALL one of {', '.join(cls.calls())}"
            )
            raise ValueError(message)
        match = re.fullmatch(r"(.*?)(?:\*([0-9]{1,9}))?", rest, re.DOTALL)
        kind, count = match.groups() if match else (rest, None)
        return cls._of_kind(Call(call), kind, count=int(count) if count else None)

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
        """Plan `faults`."""
        self._lock = Lock()
        self._left: list[tuple[Fault, int | None]] = []
        self.plan(faults)

    def plan(self, faults: Iterable[Fault]) -> None:
        """Forget what was planned and plan `faults`."""
        with self._lock:
            self._left = [(fault, fault.count) for fault in faults]

    def take(self, call: Call) -> Fault | None:
        """Return the fault that happens to this call, which uses it up by one."""
        with self._lock:
            for index, (fault, left) in enumerate(self._left):
                if fault.call in (call, Call.ANY) and left != 0:
                    self._left[index] = (fault, None if left is None else left - 1)
                    return fault
        return None
