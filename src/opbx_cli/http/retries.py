"""The way to Cloudonix's server and back: rate, retries, and time-outs.

What may be repeated is decided here and nowhere else:

* no connection could be made, or 429: nothing happened, so any method is sent again;
* 500, 502, 503, 504, a lost connection, a read time-out: something may have happened, so
  only methods that may be repeated (RFC 9110: GET, PUT; and Cloudonix's PATCH, which sets
  values) are sent again. A POST is not: whoever sent it has to look first.

A 429 also slows down all later requests for the domain.
"""

from __future__ import annotations

import datetime
import email.utils
import itertools
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from opbx_cli.http.bounded_network import AnswerTooLargeError
from opbx_cli.http.connections import certificate_problem
from opbx_cli.http.content import UnreadableAnswerError, read_content
from opbx_cli.http.limiter import RateLimiter

RETRIES = 3
RETRY_AFTER_MAX = 30.0  # seconds; a longer wait is for the user to decide
BACK_OFF = 0.2  # seconds before the first repetition at most; doubled for each further one
RETRY_AFTER_SAID_MAX = 9_999_999_999.0  # seconds; beyond it only the fact matters
CONNECT_TIMEOUT = 5.0  # seconds
# What is not true of an answer that was unpacked; and where a redirect leads, which httpx reads
# although it is not followed, and fails on a broken `xn--` name.
NOT_PASSED_ON = frozenset({"content-encoding", "content-length", "transfer-encoding", "location"})
TOO_MANY_REQUESTS = 429
SERVER_TROUBLE = frozenset({500, 502, 503, 504})
REPEATABLE = frozenset({"GET", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what came of it, for whoever follows the conversation."""

    method: str
    url: str
    attempt: int
    outcome: str  # a status line, or why there is none
    seconds: float
    wait: float | None  # seconds until it is sent again; None: this was the last time
    rate_limited: bool = False


Result = httpx.Response | httpx.TransportError | UnreadableAnswerError


@dataclass(frozen=True, slots=True)
class Pace:
    """How waiting is done and who hears of it."""

    sleep: Callable[[float], None] = time.sleep
    observe: Callable[[Exchange], None] = lambda _exchange: None
    clock: Callable[[], float] = time.monotonic


class RetryingTransport(httpx.BaseTransport):
    """Sends a request, reads the whole answer, and repeats what may be repeated."""

    def __init__(
        self,
        inner: httpx.BaseTransport,
        *,
        pace: Pace,
        limiter: RateLimiter | None = None,
        repeatable: frozenset[str] = REPEATABLE,
    ) -> None:
        """`repeatable` are the methods that may be sent again where they may have been done."""
        self._inner = inner
        self._repeatable = repeatable
        self._pace = pace
        self._limiter = limiter or RateLimiter(pace.clock)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        for attempt in itertools.count(1):  # `_wait` ends it
            with self._limiter.turn(self._pace.sleep):
                started = time.monotonic()
                result = self._attempt(request)
            seconds = time.monotonic() - started
            can_repeat = request.method in self._repeatable
            wait = _wait(result, attempt, can_repeat=can_repeat, window=self._limiter.window)
            is_rate_limited = getattr(result, "status_code", None) == TOO_MANY_REQUESTS
            if is_rate_limited:
                self._limiter.slow_down()
            self._pace.observe(
                Exchange(
                    method=request.method,
                    url=str(request.url),
                    attempt=attempt,
                    outcome=_in_words(result),
                    seconds=seconds,
                    wait=wait,
                    rate_limited=is_rate_limited,
                )
            )
            if wait is None:
                break
            self._pace.sleep(wait)
        if isinstance(result, Exception):
            raise result
        return result

    def close(self) -> None:
        self._inner.close()

    def _attempt(self, request: httpx.Request) -> Result:
        try:
            return self._send(request)
        except AnswerTooLargeError as error:
            return UnreadableAnswerError(error.what, None)  # before it had a status
        except (httpx.TransportError, UnreadableAnswerError) as error:
            return error

    def _send(self, request: httpx.Request) -> httpx.Response:
        """Read the answer here, so that a connection lost half-way counts as lost."""
        response = self._inner.handle_request(request)
        try:
            content = read_content(response)
        except (httpx.TransportError, UnreadableAnswerError):
            if response.is_success:
                raise
            content = b""  # a failure's status says what it is, without its page
        finally:
            response.close()
        headers = [
            (name, value)
            for name, value in response.headers.multi_items()
            if name not in NOT_PASSED_ON
        ]
        return httpx.Response(
            response.status_code,
            headers=headers,
            content=content,
            extensions=response.extensions,
        )


def _in_words(result: Result) -> str:
    """Word a result; the server's own words for its status might repeat the key."""
    if isinstance(result, httpx.Response):
        phrase = httpx.codes.get_reason_phrase(result.status_code)
        return f"{result.status_code} {phrase}".strip()
    if isinstance(result, UnreadableAnswerError):
        return "unreadable" if result.status is None else f"{result.status}, unreadable"
    if isinstance(result, httpx.ConnectTimeout):
        return "no connection in time"
    if never_sent(result):
        return "no connection"
    timed_out = isinstance(result, httpx.TimeoutException)
    return "no answer in time" if timed_out else "connection lost"


def retry_after(response: httpx.Response) -> float | None:
    """Return the seconds that `Retry-After` asks for; None if absent or not understood."""
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), RETRY_AFTER_SAID_MAX)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    seconds = (moment - datetime.datetime.now(datetime.UTC)).total_seconds()
    return min(max(0.0, seconds), RETRY_AFTER_SAID_MAX)


def timeouts(seconds: float) -> httpx.Timeout:
    return httpx.Timeout(seconds, connect=min(CONNECT_TIMEOUT, seconds))


def attempt_seconds(seconds: float) -> float:
    """Return what one attempt takes at most with this time-out: never more than it twice."""
    return min(CONNECT_TIMEOUT, seconds) + seconds


def _wait(result: Result, attempt: int, *, can_repeat: bool, window: float) -> float | None:
    """Return the seconds until the request may be sent again; None where it may not.

    `window` is the rate limit's, as far as it is known.
    """
    if attempt > RETRIES or isinstance(result, UnreadableAnswerError):
        return None
    if isinstance(result, httpx.Response):
        return _wait_after_response(result, attempt, can_repeat=can_repeat, window=window)
    return _wait_after_failure(result, attempt, can_repeat=can_repeat)


def _wait_after_response(
    response: httpx.Response, attempt: int, *, can_repeat: bool, window: float
) -> float | None:
    if response.status_code == TOO_MANY_REQUESTS:
        asked = retry_after(response)
        wait = window if asked is None else asked
        return wait if wait <= RETRY_AFTER_MAX else None
    if response.status_code in SERVER_TROUBLE and can_repeat:
        return _back_off(attempt)
    return None


def _wait_after_failure(
    error: httpx.TransportError, attempt: int, *, can_repeat: bool
) -> float | None:
    if certificate_problem(error) is not None:
        return None
    if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return None
    if never_sent(error) or can_repeat:
        return _back_off(attempt)
    return None


def never_sent(error: httpx.TransportError) -> bool:
    """Tell whether the request certainly did not reach the server."""
    return isinstance(
        error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError
    )


def _back_off(attempt: int) -> float:
    """Return seconds to wait: at random, so that many clients do not return together."""
    return BACK_OFF * float(2 ** (attempt - 1)) * random.uniform(0.5, 1.0)  # noqa: S311
