"""Answers in the shapes that OPBX has: JSON for its API, CXML for calls."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from opbx_cli.sandbox.answers import (
    EMPTY_STATUSES,
    HTML_STATUSES,
    JSON_TYPE,
    Answer,
    encoded,
    json_answer,
)
from opbx_cli.sandbox.faults import FaultKind, faulty_answer

if TYPE_CHECKING:
    from opbx_cli.sandbox.answers import Reaction
    from opbx_cli.sandbox.faults import Call, Fault

CXML_TYPE: Final = "application/xml"
RETRY_AFTER: Final = "60"  # seconds: both limits are by the minute


class Refused(Exception):
    """Ends a call with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def said(status: int, message: str) -> Answer:
    """Return a refusal as OPBX's framework words it."""
    return json_answer({"message": message}, status)


def coded(status: int, code: str, message: str) -> Answer:
    """Return a refusal as signing in words it."""
    return json_answer({"error": {"code": code, "message": message}}, status)


def named(status: int, error: str, message: str) -> Answer:
    """Return a refusal as the settings page words it."""
    return json_answer({"error": error, "message": message}, status)


def invalid(errors: dict[str, list[str]]) -> Answer:
    """Return what is wrong with each field."""
    first = next(iter(errors.values()))[0]
    return json_answer({"message": first, "errors": errors}, 422)


def too_many() -> Answer:
    content = encoded({"message": "Too many attempts."})
    return Answer(429, content, JSON_TYPE, (("Retry-After", RETRY_AFTER),))


def cxml(status: int, say: str = "") -> Answer:
    """Return CXML that ends the call, after a sentence where there is one."""
    spoken = f"<Say>{say}</Say>" if say else ""
    document = f'<?xml version="1.0" encoding="UTF-8"?>\n<Response>{spoken}<Hangup/></Response>\n'
    return Answer(status, document.encode(), CXML_TYPE)


def faulty(fault: Fault, call: Call, echoed: str) -> Reaction:
    """Return what a fault makes of a call of OPBX's; `echoed` is the secret that came with it."""
    if fault.kind is FaultKind.ECHO_KEY:
        return said(400, f"Bad credentials: {echoed}")
    if fault.kind is FaultKind.STATUS and fault.status not in (*HTML_STATUSES, *EMPTY_STATUSES):
        headers = () if fault.retry_after is None else (("Retry-After", fault.retry_after),)
        content = encoded({"message": HTTPStatus(fault.status).phrase})
        return Answer(fault.status, content, JSON_TYPE, headers)
    return faulty_answer(fault, call, echoed)
