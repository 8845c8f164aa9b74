"""One question to a web server, and what of its answer can be told without trusting it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx

from opbx_cli import __version__
from opbx_cli.connections import certificate_problem, inner_transport
from opbx_cli.models import Secret
from opbx_cli.values import clean

READ_MAX = 64 * 1024  # bytes of an answer that are looked at
LOCATION_SHOWN = 120  # characters

Observe = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Question:
    """A request; `token` goes out as the bearer token."""

    method: str
    url: str
    body: Mapping[str, object] | None = None
    token: Secret | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Without a status `problem` says why; `is_unconnected`: nothing was sent."""

    status: int | None = None
    location: str | None = None
    is_json: bool = False
    is_cxml: bool = False
    problem: str | None = None
    is_unconnected: bool = False


class Asker:
    """Sends questions to one server, each over a connection of its own, and follows nothing."""

    def __init__(self, base_url: str, *, timeout: float, observe: Observe) -> None:
        """`timeout` is in seconds. Raises `ConfigurationError` for an unusable proxy or CA."""
        self._timeout = timeout
        self._observe = observe
        self._http = httpx.Client(
            transport=inner_transport(httpx.URL(base_url)),
            timeout=timeout,
            trust_env=False,  # no .netrc
            follow_redirects=False,
            headers={
                "User-Agent": f"opbx-cli/{__version__}",
                "Accept-Encoding": "identity",
                "Connection": "close",
            },
        )

    def close(self) -> None:
        self._http.close()

    def ask(self, question: Question) -> Answer:
        started = time.monotonic()
        answer = self._ask(question)
        outcome = answer.problem if answer.status is None else str(answer.status)
        milliseconds = (time.monotonic() - started) * 1000
        self._observe(f"{question.method} {question.url} -> {outcome} in {milliseconds:.0f} ms")
        return answer

    def _ask(self, question: Question) -> Answer:
        headers = {}
        if question.token is not None:
            headers["Authorization"] = f"Bearer {question.token.reveal()}"
        deadline = time.monotonic() + self._timeout
        try:
            with self._http.stream(
                question.method, question.url, json=question.body, headers=headers
            ) as response:
                return _answer(response, _start_of(response, deadline), question.token)
        except httpx.TimeoutException as error:
            unconnected = isinstance(error, httpx.ConnectTimeout)
            return Answer(problem="no answer in time", is_unconnected=unconnected)
        except httpx.HTTPError as error:
            return _no_answer(error)


def _start_of(response: httpx.Response, deadline: float) -> bytes:
    content = bytearray()
    for piece in response.iter_raw():
        content += piece
        if len(content) >= READ_MAX:
            break
        if time.monotonic() > deadline:
            raise httpx.ReadTimeout("the answer did not end in time")
    return bytes(content[:READ_MAX])


def _answer(response: httpx.Response, content: bytes, token: Secret | None) -> Answer:
    location = clean(response.headers.get("location", ""))
    if token is not None and token.reveal() in location:
        location = ""
    return Answer(
        status=response.status_code,
        location=location[:LOCATION_SHOWN] or None,
        is_json=_is_json(content),
        is_cxml=b"<Response" in content,
    )


def _is_json(content: bytes) -> bool:
    try:
        return isinstance(json.loads(content), dict | list)
    except (ValueError, RecursionError):
        return False


def _no_answer(error: httpx.HTTPError) -> Answer:
    if certificate_problem(error) is not None:
        return Answer(problem="its certificate is not trusted", is_unconnected=True)
    if isinstance(error, httpx.ProxyError):
        return Answer(problem="the proxy refused the connection", is_unconnected=True)
    if isinstance(error, httpx.ConnectError):
        return Answer(problem="no connection", is_unconnected=True)
    return Answer(problem="the connection was lost before an answer")
