"""No connection, none in time, or one that ends too early."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from opbx_cli.sandbox.server import RunningSandbox
from servers import HANG, answering, http
from support import Opbx, Outcome

NETWORK = "check the network, DNS and HTTPS_PROXY, then run the same command again"
MORE_TIME = (
    "run the same command again in a minute, or allow more seconds with CLOUDONIX_API_TIMEOUT"
)
LATER = "run the same command again in a minute"


def lost(opbx: Opbx, url: str, **variables: str) -> Outcome:
    """Run the command where it must fail after three more tries; return its outcome."""
    opbx.waits.clear()
    outcome = opbx("trunks", "list", "--json", CLOUDONIX_API_BASE_URL=url, **variables)
    error = outcome.error
    assert (outcome.code, outcome.stdout, len(opbx.waits)) == (7, "", 3)
    assert (error["exit_code"], error["retryable"], error["http_status"]) == (7, True, None)
    assert error["message"].startswith("cannot list the trunks (GET /customers/self/domains/")
    return outcome


def test_a_name_that_does_not_resolve(storeless: Opbx) -> None:
    error = lost(storeless, "https://no-such-host.invalid").error
    assert (error["code"], error["hint"]) == ("network.dns", NETWORK)
    assert error["message"].endswith(": the host name cannot be resolved (no-such-host.invalid)")


def test_a_name_in_punycode_is_shown_as_it_is(storeless: Opbx) -> None:
    error = lost(storeless, "https://xn--80ak6aa92e.invalid").error
    assert error["message"].endswith("(xn--80ak6aa92e.invalid)"), "it looks like apple"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_nobody_listens(storeless: Opbx, scheme: str) -> None:
    with answering(b"") as server:
        port = server.port
    error = lost(storeless, f"{scheme}://127.0.0.1:{port}").error
    assert (error["code"], error["hint"]) == ("network.refused", NETWORK)
    assert error["message"].endswith(": the connection was refused (127.0.0.1)")
    text = storeless("trunks", "list", CLOUDONIX_API_BASE_URL=f"{scheme}://127.0.0.1:{port}")
    assert [line.split(": ")[0] for line in text.stderr.splitlines()] == [
        *["no connection"] * 3,
        "error",
        "hint",
    ]


def test_an_address_that_nothing_leads_to(storeless: Opbx) -> None:
    error = lost(storeless, "https://255.255.255.255", CLOUDONIX_API_TIMEOUT="1").error
    assert (error["code"], error["hint"]) == ("network.unreachable", NETWORK)
    assert error["message"].endswith(": no connection could be made (255.255.255.255)")


@contextlib.contextmanager
def full_queue() -> Iterator[int]:
    """Yield a port whose listener accepts nobody and has no room for more."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as s:
        for _ in range(4):
            waiting = s.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_no_connection_in_time(storeless: Opbx) -> None:
    with full_queue() as port:
        url = f"http://127.0.0.1:{port}"
        error = lost(storeless, url, CLOUDONIX_API_TIMEOUT="0.1").error
    assert (error["code"], error["hint"]) == ("network.timeout", NETWORK)
    assert error["message"].endswith(": no connection in time (127.0.0.1)")


@pytest.mark.parametrize("fault", ["hang", "slow-body"])
def test_an_answer_that_does_not_come_in_time(
    storeless: Opbx, sandbox: RunningSandbox, fault: str
) -> None:
    """A body that trickles counts as late too: each of its bytes is in time."""
    sandbox.set_faults(f"list-trunks={fault}")
    error = lost(storeless, sandbox.url, CLOUDONIX_API_TIMEOUT="0.4").error
    assert (error["code"], error["hint"]) == ("network.timeout", MORE_TIME)
    assert error["message"].endswith(": 127.0.0.1 did not answer in time")
    assert len(sandbox.requests) == 4
    seconds = [request.ended - request.started for request in sandbox.requests if request.ended]
    assert max(seconds) < 5, "CLOUDONIX_API_TIMEOUT is obeyed"


def test_half_a_body_and_then_silence(storeless: Opbx) -> None:
    with answering(http("200 OK", b"[" * 10)[:-5] + HANG) as server:
        error = lost(storeless, server.url, CLOUDONIX_API_TIMEOUT="0.4").error
    assert error["code"] == "network.timeout"
    assert len(server.arrivals) == 4


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        http("200 OK", b"[" * 10)[:-5],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n[]",
    ],
)
def test_a_connection_that_is_lost_before_the_answer_is_complete(
    storeless: Opbx, answer: bytes
) -> None:
    with answering(answer) as server:
        error = lost(storeless, server.url).error
    assert (error["code"], error["hint"]) == ("network.lost", LATER)
    assert "127.0.0.1 was lost before the answer was complete" in error["message"]
    assert len(server.arrivals) == 4


def test_a_lost_connection_is_made_again(storeless: Opbx) -> None:
    with answering(b"", http("200 OK", b"[]")) as server:
        outcome = storeless("trunks", "list", "--json", CLOUDONIX_API_BASE_URL=server.url)
    assert (outcome.code, outcome.stderr, len(storeless.waits)) == (0, "", 1)


@pytest.mark.parametrize("value", ["30", "0.5", ".5", "300", "5.25", " 7 ", ""])
def test_a_time_out_in_whole_or_decimal_seconds(storeless: Opbx, value: str) -> None:
    assert storeless("trunks", "list", CLOUDONIX_API_TIMEOUT=value).code == 0


@pytest.mark.parametrize(
    "value",
    ["0", "0.0", "301", "300.1", "-1", "text", "1e1", "nan", "inf", "5s", "1_0", "٣", "1,5", "."],
)
def test_a_time_out_that_is_none_is_a_configuration_error(
    storeless: Opbx, sandbox: RunningSandbox, value: str
) -> None:
    outcome = storeless("trunks", "list", "--json", CLOUDONIX_API_TIMEOUT=value)
    assert (outcome.code, outcome.stdout, sandbox.requests) == (3, "", ())
    assert outcome.error["code"] == "configuration"
    assert outcome.error["message"].startswith("CLOUDONIX_API_TIMEOUT: expected ")


@pytest.mark.parametrize(
    "url",
    [
        "http://api.cloudonix.io",
        "http://192.0.2.1",
        "http://127.0.0.1.example.com",
        "ftp://127.0.0.1",
        "api.cloudonix.io",
        "https://",
        "https:///path",
        "https://user:secret@api.cloudonix.io",
        "https://api.cloudonix.io?x=secret",
        "https://api.cloudonix.io/#",
        "https://api.cloudonix.io:0",
        "https://api.cloudonix.io:65536",
        "https://api.cloudonix.io:x",
        "https://api.cloudonix.io:",
        "https://[::1",
        "https://[::zz]",
        "https://a b",
        "https://ünï.example",
        "https://256.1.1.1",
        "https://a..b",
        "https://xn--a.example",
        "https://xn--.example",
        "https://a\nb",
        "https://" + "a" * 300,
    ],
)
def test_a_base_url_that_is_none_is_a_configuration_error(storeless: Opbx, url: str) -> None:
    outcome = storeless("trunks", "list", "--json", CLOUDONIX_API_BASE_URL=url)
    assert (outcome.code, outcome.stdout) == (3, "")
    assert outcome.error["code"] == "configuration"
    assert outcome.error["message"].startswith(("CLOUDONIX_API_BASE_URL: ", "the API base URL"))
    assert "secret" not in outcome.stderr


@pytest.mark.parametrize("suffix", ["", "/", "///"])
def test_slashes_at_the_end_of_the_base_url_fall_away(storeless: Opbx, suffix: str) -> None:
    with answering(http("200 OK", b"[]")) as server:
        url = f"{server.url}/v1{suffix}"
        outcome = storeless("trunks", "list", CLOUDONIX_API_BASE_URL=url)
    assert outcome.code == 0
    assert server.arrivals[0].startswith(b"GET /v1/customers/self/domains/")
