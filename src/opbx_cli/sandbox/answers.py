"""Answers as the API gives them: JSON, nothing at all, HTML, and refusals with a message."""

from __future__ import annotations

import json
from http import HTTPStatus

from starlette.responses import Response

JSON_TYPE = "application/json"
HTML_TYPE = "text/html"
HTML_STATUSES = (500, 502, 504)
EMPTY_STATUSES = (503,)


class Refusal(Exception):
    """Ends a call with a status and a message."""

    def __init__(self, status: int, message: str) -> None:
        """Remember what to answer."""
        super().__init__(message)
        self.status = status
        self.message = message

    def answer(self) -> Response:
        """Return the answer; OpenAPI: `{"status": false, "message": …}`."""
        return refused(self.status, self.message)


def encoded(value: object) -> bytes:
    """Return `value` as JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


def json_answer(value: object, status: int = 200) -> Response:
    """Return `value` as an answer."""
    return Response(encoded(value), status, media_type=JSON_TYPE)


def empty_answer() -> Response:
    """Return 204 without a body."""
    return Response(status_code=204)


def refused(status: int, message: str) -> Response:
    """Return a refusal as JSON."""
    return json_answer({"status": False, "message": message}, status)


def html_answer(status: int) -> Response:
    """Return a web server's own page for `status`."""
    phrase = HTTPStatus(status).phrase
    page = f"<!DOCTYPE html>\n<title>{phrase}</title>\n<h1>{status} {phrase}</h1>\n"
    return Response(page.encode(), status, media_type=HTML_TYPE)


def failure(status: int, retry_after: str | None = None) -> Response:
    """Return a failure with the kind of body the API gives with `status`."""
    if status in HTML_STATUSES:
        return html_answer(status)
    if status in EMPTY_STATUSES:
        return Response(status_code=status)
    answer = refused(status, HTTPStatus(status).phrase)
    if retry_after is not None:
        answer.headers["Retry-After"] = retry_after
    return answer
