"""The rule of what is sent again, after how long, and what is told of each try: in numbers."""

from __future__ import annotations

import datetime
import email.utils
import ssl
from dataclasses import dataclass, field

import httpx
import pytest

from opbx_cli.http.bounded_network import AnswerTooLargeError
from opbx_cli.http.content import UnreadableAnswerError
from opbx_cli.http.retries import (
    BACK_OFF,
    RETRY_AFTER_SAID_MAX,
    Exchange,
    Pace,
    RetryingTransport,
    retry_after,
    timeouts,
)

URL = "https://api.example.com/domains/7?x=1"
Cause = int | dict[str, object] | Exception


@dataclass
class Tries:
    """A request that meets one cause after the other; then 200. Nobody waits."""

    causes: list[Cause]
    waits: list[float] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)

    def send(self, method: str = "GET") -> httpx.Response:
        transport = RetryingTransport(
            httpx.MockTransport(self._answer),
            pace=Pace(sleep=self.waits.append, observe=self.exchanges.append),
        )
        with httpx.Client(transport=transport) as client:
            return client.request(method, URL)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        cause = self.causes.pop(0) if self.causes else 200
        if isinstance(cause, Exception):
            raise cause
        if isinstance(cause, int):
            return httpx.Response(cause, text="a page")
        return httpx.Response(**cause)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cause", "outcome"),
    [
        (500, "500 Internal Server Error"),
        (httpx.ConnectTimeout("x"), "no connection in time"),
        (httpx.ConnectError("x"), "no connection"),
        (httpx.ProxyError("x"), "no connection"),
        (httpx.ReadTimeout("x"), "no answer in time"),
        (httpx.RemoteProtocolError("x"), "connection lost"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_each_try_is_told_with_its_outcome_and_its_wait(cause: Cause, outcome: str) -> None:
    tries = Tries([cause])
    assert tries.send().status_code == 200
    first, last = tries.exchanges
    assert (first.method, first.url, first.attempt, first.outcome) == ("GET", URL, 1, outcome)
    assert (last.method, last.url, last.attempt, last.outcome) == ("GET", URL, 2, "200 OK")
    assert [first.wait, last.wait] == [*tries.waits, None]
    assert 0 <= first.seconds < 60
    assert not first.rate_limited


def test_waits_double_and_their_chance_is_within_the_upper_half() -> None:
    for _ in range(50):
        tries = Tries([500, 503, 504, 502])
        assert tries.send().status_code == 502
        assert len(tries.waits) == 3
        for doubled, wait in zip((1, 2, 4), tries.waits, strict=True):
            assert BACK_OFF * doubled / 2 <= wait <= BACK_OFF * doubled


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_method_that_may_have_been_done_is_sent_once(status: int) -> None:
    for method in ("POST", "DELETE"):
        tries = Tries([status])
        assert tries.send(method).status_code == status
        assert tries.waits == []


def test_a_certificate_that_is_not_trusted_will_not_be_trusted_in_a_second() -> None:
    error = httpx.ConnectError("x")
    error.__cause__ = ssl.SSLCertVerificationError("certificate has expired")
    tries = Tries([error])
    with pytest.raises(httpx.ConnectError):
        tries.send()
    assert tries.waits == []


@pytest.mark.parametrize(
    ("asked", "waits"),
    [("0", [0.0]), ("30", [30.0]), ("31", []), (None, [3.0]), ("soon", [3.0]), ("1e1", [3.0])],
)
def test_after_a_429_the_server_says_how_long_up_to_half_a_minute(
    asked: str | None, waits: list[float]
) -> None:
    for method in ("GET", "POST"):
        tries = Tries([{"status_code": 429, "headers": {"Retry-After": asked} if asked else {}}])
        assert tries.send(method).status_code == (200 if waits else 429)
        assert tries.waits == waits
        assert tries.exchanges[0].rate_limited


def test_a_date_to_wait_for_is_seconds_from_now_whatever_its_zone() -> None:
    now = datetime.datetime.now(datetime.UTC)
    ahead = now + datetime.timedelta(hours=1)
    elsewhere = ahead.astimezone(datetime.timezone(datetime.timedelta(hours=5)))
    for text in (
        email.utils.format_datetime(ahead, usegmt=True),
        email.utils.format_datetime(elsewhere),
        email.utils.format_datetime(ahead).replace("+0000", "-0000"),  # a zone left open
    ):
        seconds = retry_after(httpx.Response(429, headers={"retry-after": text}))
        assert seconds is not None
        assert 3000 < seconds <= 3600
    past = email.utils.format_datetime(now - datetime.timedelta(hours=1), usegmt=True)
    assert retry_after(httpx.Response(429, headers={"retry-after": past})) == 0.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", None),
        ("-1", None),
        ("\uff12", None),  # a digit, but not ASCII
        ("9" * 400, RETRY_AFTER_SAID_MAX),
        ("Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_SAID_MAX),
        (" 7 ", 7.0),
    ],
    ids=range(6),
)
def test_what_is_asked_is_a_number_of_seconds_or_not_understood(
    text: str, seconds: float | None
) -> None:
    response = httpx.Response(429, headers=[(b"retry-after", text.encode())])
    assert retry_after(response) == seconds


@pytest.mark.parametrize(
    ("cause", "outcome", "what", "status"),
    [
        (UnreadableAnswerError("no gzip", 200), "200, unreadable", "no gzip", 200),
        (AnswerTooLargeError("headers"), "unreadable", "headers", None),
    ],
    ids=["content", "headers"],
)
def test_an_answer_that_cannot_be_read_is_not_asked_for_again(
    cause: Exception, outcome: str, what: str, status: int | None
) -> None:
    tries = Tries([cause])
    with pytest.raises(UnreadableAnswerError) as caught:
        tries.send()
    assert (caught.value.what, caught.value.status) == (what, status)
    assert [exchange.outcome for exchange in tries.exchanges] == [outcome]
    assert tries.waits == []


def test_a_failure_without_its_page_is_the_failure_that_it_is() -> None:
    broken = {"headers": {"Content-Encoding": "gzip"}, "stream": httpx.ByteStream(b"no gzip")}
    tries = Tries([{"status_code": 404, **broken}])
    answer = tries.send()
    assert (answer.status_code, answer.content) == (404, b"")
    with pytest.raises(UnreadableAnswerError):
        Tries([{"status_code": 200, **broken}]).send()


def test_what_the_server_said_of_itself_is_passed_on() -> None:
    extensions = {"http_version": b"HTTP/2"}
    headers = {"X-Kept": "1", "Location": "http://xn--/", "Content-Length": "99"}
    answer = Tries([{"status_code": 302, "headers": headers, "extensions": extensions}]).send()
    assert answer.http_version == "HTTP/2"
    assert (answer.headers["x-kept"], "location" in answer.headers) == ("1", False)


def test_connecting_has_five_seconds_and_the_rest_what_was_set() -> None:
    assert timeouts(30).as_dict() == {"connect": 5, "read": 30, "write": 30, "pool": 30}
    assert timeouts(0.5).as_dict() == {"connect": 0.5, "read": 0.5, "write": 0.5, "pool": 0.5}
