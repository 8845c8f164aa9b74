"""One question to a web server, and what of its answer can be told without trusting it."""

from __future__ import annotations

import email.utils
import json
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx

from opbx_cli import __version__
from opbx_cli.http.bounded_network import AnswerTooLargeError
from opbx_cli.http.connections import certificate_problem, inner_transport, proxy_for
from opbx_cli.models import Secret
from opbx_cli.values import clean

READ_MAX = 64 * 1024  # bytes of an answer that are looked at
LOCATION_SHOWN = 120  # characters
SEARCHED_MAX = 4096  # bytes of an answer that are searched for OPBX's own words

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
    """What came back. Without a status `problem` says why; `is_unconnected`: nothing was sent.

    `location` is None where the question had a token, which a server may repeat in it, spelled
    in any way. `said` is the start of the content in small letters: to be searched for what OPBX
    is known to say, and never to be shown.
    """

    status: int | None = None
    location: str | None = None
    is_json: bool = False
    is_cxml: bool = False
    problem: str | None = None
    is_unconnected: bool = False
    is_of_proxy: bool = False  # the problem: of this computer's way out, not of the server
    said: str = field(default="", repr=False)
    clock_ahead: timedelta | None = None  # of this computer's clock, by the answer's `Date`


class Asker:
    """Sends questions to one server, each over a connection of its own, and follows nothing.

    Without httpx's client: that reads where a redirect leads, and fails on a broken `xn--` name.
    """

    def __init__(self, base_url: str, *, timeout: float, observe: Observe) -> None:
        """`timeout` is in seconds, for a question and its answer in all.

        Raises `ConfigurationError` for an unusable proxy or CA.
        """
        self._timeout = timeout
        self._observe = observe
        self._is_closed = False
        url = httpx.URL(base_url)
        self._is_proxied = proxy_for(url) is not None
        self._transport = inner_transport(url, seconds=timeout)

    def close(self) -> None:
        """Close every connection; of questions that are still under way nothing is heard."""
        self._is_closed = True
        self._transport.close()

    def ask(self, question: Question) -> Answer:
        started = time.monotonic()
        answer = self._ask(question)
        outcome = answer.problem if answer.status is None else str(answer.status)
        milliseconds = (time.monotonic() - started) * 1000
        if not self._is_closed:
            self._observe(f"{question.method} {question.url} -> {outcome} in {milliseconds:.0f} ms")
        return answer

    def _ask(self, question: Question) -> Answer:
        try:
            with closing(self._transport.handle_request(self._request(question))) as response:
                content = _start_of(response)
                return _answer(response, content, repeats=question.token is None)
        except httpx.TimeoutException as error:
            unconnected = isinstance(error, httpx.ConnectTimeout)
            return Answer(problem="no answer in time", is_unconnected=unconnected)
        except AnswerTooLargeError as error:
            return Answer(problem=f"an answer that cannot be read: {error.what}")
        except httpx.HTTPError as error:
            return _no_answer(error, is_proxied=self._is_proxied)

    def _request(self, question: Question) -> httpx.Request:
        url = httpx.URL(question.url)
        headers = {
            "Host": url.netloc.decode("ascii"),  # httpx would decode punycode for it
            "User-Agent": f"opbx-cli/{__version__}",
            "Accept-Encoding": "identity",
            "Connection": "close",
        }
        if question.token is not None:
            headers["Authorization"] = f"Bearer {question.token.reveal()}"
        return httpx.Request(
            question.method,
            url,
            headers=headers,
            json=question.body,
            extensions={"timeout": httpx.Timeout(self._timeout).as_dict()},
        )


def _start_of(response: httpx.Response) -> bytes:
    content = bytearray()
    for piece in response.iter_raw():
        content += piece
        if len(content) >= READ_MAX:
            break
    return bytes(content[:READ_MAX])


def _answer(response: httpx.Response, content: bytes, *, repeats: bool) -> Answer:
    """Return what can be told; not where it redirects to unless `repeats`: a token may be in it."""
    location = clean(response.headers.get("location", "")) if repeats else ""
    return Answer(
        status=response.status_code,
        location=location[:LOCATION_SHOWN] or None,
        is_json=_is_json(content),
        is_cxml=b"<Response" in content,
        said=content[:SEARCHED_MAX].decode("utf-8", "replace").lower(),
        clock_ahead=_clock_ahead(response.headers.get("date", "")),
    )


def _clock_ahead(date: str) -> timedelta | None:
    try:
        sent = email.utils.parsedate_to_datetime(date)
        # A time without a zone is no HTTP date (RFC 9110, 5.6.7).
        return None if sent.tzinfo is None else datetime.now(UTC) - sent
    except (ValueError, OverflowError):
        return None


def _is_json(content: bytes) -> bool:
    try:
        return isinstance(json.loads(content), dict | list)
    except (ValueError, RecursionError):
        return False


def _no_answer(error: httpx.HTTPError, *, is_proxied: bool) -> Answer:
    if certificate_problem(error) is not None:
        return Answer(problem="its certificate is not trusted", is_unconnected=True)
    if isinstance(error, httpx.ProxyError):
        problem = "the proxy refused the connection"
        return Answer(problem=problem, is_unconnected=True, is_of_proxy=True)
    if isinstance(error, httpx.ConnectError):
        if is_proxied and not _is_of_tls(error):
            return Answer(
                problem="no connection to the proxy", is_unconnected=True, is_of_proxy=True
            )
        return Answer(problem="no connection", is_unconnected=True)
    return Answer(problem="the connection was lost before an answer")


def _is_of_tls(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error is not None
