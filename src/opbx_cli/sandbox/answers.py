"""Answers as the API gives them: JSON, nothing at all, HTML, and refusals with a message."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus

JSON_TYPE = "application/json"
HTML_TYPE = "text/html; charset=utf-8"
HTML_STATUSES = (500, 502, 504)
EMPTY_STATUSES = (503,)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; `headers` are those beside Date, Content-Length and Content-Type."""

    status: int
    body: bytes = b""
    content_type: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


class NoAnswer(Enum):
    """What a client can get instead of an answer."""

    CLOSE = auto()  # the connection is closed
    HANG = auto()  # nothing comes until the client goes away
    SLOW_BODY = auto()  # a body begins, and never ends


# A function is for what takes its time: it is called without the state's lock.
Reaction = Answer | NoAnswer | Callable[[], Awaitable[Answer]]


class Refusal(Exception):
    """Ends a call with a status and a message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def answer(self) -> Answer:
        return refused(self.status, self.message)


class HtmlRefusal(Refusal):
    """A refusal with a web server's own page."""

    def __init__(self, status: int) -> None:
        super().__init__(status, HTTPStatus(status).phrase)

    def answer(self) -> Answer:
        return html_answer(self.status)


def encoded(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def json_answer(value: object, status: int = 200) -> Answer:
    return Answer(status, encoded(value), JSON_TYPE)


def empty_answer() -> Answer:
    return Answer(204)


def refused(status: int, message: str, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """Return a refusal as JSON; OpenAPI: `{"status": false, "message": …}`."""
    return Answer(status, encoded({"status": False, "message": message}), JSON_TYPE, headers)


def html_answer(status: int) -> Answer:
    """Return a web server's own page for `status`."""
    phrase = HTTPStatus(status).phrase
    page = f"<!DOCTYPE html>\n<title>{phrase}</title>\n<h1>{status} {phrase}</h1>\n"
    return Answer(status, page.encode(), HTML_TYPE)


def failure(status: int, retry_after: str | None = None) -> Answer:
    """Return a failure with the kind of body the API gives with `status`."""
    if status in HTML_STATUSES:
        return html_answer(status)
    if status in EMPTY_STATUSES:
        return Answer(status)
    headers = () if retry_after is None else (("Retry-After", retry_after),)
    return refused(status, HTTPStatus(status).phrase, headers)
