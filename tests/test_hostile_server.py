"""Servers that want to be listened to for ever: each is left in time, whatever it sends."""

from __future__ import annotations

import contextlib
import gzip
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from opbx_cli.webhooks.probe import Answer, Asker, Question
from servers import (
    BOUND,
    Endless,
    answering,
    authority,
    http,
    in_time,
    never_ending,
    tunnelling,
)
from support import Opbx, Outcome
from webhook_checks import HTTP_CHECKS, check, entry

pytestmark = pytest.mark.usefixtures("no_proxy_of_this_machine")

TIMEOUT = "0.3"
PAUSE = 0.02  # seconds between two bytes of a dripping server
MIB = 1 << 20
MUCH = 30 * MIB  # more than is ever read of an answer, and than the system keeps on the way
HOST = "api.cloudonix.invalid"


def _deflated(content: bytes) -> bytes:
    """Return a piece of a packed stream that fits behind any other."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush(zlib.Z_FULL_FLUSH)


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
GZIP = OK + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n"
DEFLATE = OK + b"Content-Encoding: deflate\r\nConnection: close\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
GZIP_START = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
GZIP_WITH_NAME = GZIP_START.replace(b"\x08\x00", b"\x08\x08", 1)  # RFC 1952: FNAME follows
MEBIBYTE_OF_BLANKS = _deflated(b" " * MIB)
EMPTY_BLOCK = b"\x00\x00\x00\xff\xff"  # RFC 1951: stored, not the last one, no bytes


@dataclass(frozen=True)
class Attack:
    """What is sent first, and what without end."""

    start: bytes
    again: bytes


DRIPPED = {
    "nothing": Attack(b"", b""),
    "status line": Attack(b"HTTP/1.1 200 ", b"O"),
    "header": Attack(OK + b"X-Name: ", b"x"),
    "header lines": Attack(OK, b"X-Name: x\r\n"),
    "content": Attack(OK + b"Content-Length: 1000000\r\n\r\n[", b" "),
    "content without a length": Attack(OK + b"\r\n[", b" "),
    "packed content": Attack(GZIP + GZIP_WITH_NAME, b"x"),
    "chunks": Attack(CHUNKED, b"1\r\n \r\n"),
    "chunk extension": Attack(CHUNKED + b"1;name=", b"x"),
    "trailer": Attack(CHUNKED + b"2\r\n[]\r\n0\r\nX-Name: ", b"x"),
    "interim answer": Attack(b"HTTP/1.1 103 Early Hints\r\nLink: ", b"x"),
}
dripped = pytest.mark.parametrize("attack", DRIPPED.values(), ids=DRIPPED)

IN_A_HEAD = "its headers are larger than 64 KiB"
IN_FRAMING = "the size of a chunk, or what follows the last one, takes up too much"
INTERIMS = "more than 16 interim answers (1xx) came before it"
LARGE = "it is larger than 16 MiB"
ENDLESS: dict[str, tuple[Attack, str, int | None]] = {
    "status line": (Attack(b"HTTP/1.1 200 ", b"O" * 1000), IN_A_HEAD, None),
    "header": (Attack(OK + b"X-Name: ", b"x" * 1000), IN_A_HEAD, None),
    "header lines": (Attack(OK, b"X-Name: x\r\n" * 1000), IN_A_HEAD, None),
    "interim answers": (Attack(b"", INTERIM), INTERIMS, None),
    "interim answers at once": (Attack(b"", INTERIM * 5000), INTERIMS, None),
    "interim head": (Attack(b"HTTP/1.1 103 x\r\nLink: ", b"x" * 1000), IN_A_HEAD, None),
    "gzip name": (Attack(GZIP + GZIP_WITH_NAME, b"x" * 65536), LARGE, 200),
    "empty deflate blocks": (Attack(DEFLATE + b"\x78\x9c", EMPTY_BLOCK * 10000), LARGE, 200),
    "raw empty deflate blocks": (Attack(DEFLATE, EMPTY_BLOCK * 10000), LARGE, 200),
    "gzip without an end": (Attack(GZIP + GZIP_START, MEBIBYTE_OF_BLANKS * 60), LARGE, 200),
    "content": (Attack(OK + b"\r\n[", b" " * 65536), LARGE, 200),
    "chunks": (Attack(CHUNKED, b"fff\r\n" + b" " * 4095 + b"\r\n"), LARGE, 200),
    "chunk extension": (Attack(CHUNKED + b"1;name=", b"x" * 1000), IN_FRAMING, 200),
    "chunk extensions": (Attack(CHUNKED, b"1;" + b"x" * 50_000 + b"\r\n \r\n"), LARGE, 200),
    "trailers": (Attack(CHUNKED + b"0\r\n", b"X-Name: x\r\n" * 1000), IN_FRAMING, 200),
}
endless = pytest.mark.parametrize(("attack", "said", "status"), ENDLESS.values(), ids=ENDLESS)


def listed(opbx: Opbx, url: str, *options: str) -> Outcome:
    with in_time():
        return opbx(
            *("trunks", "list", "--json", *options),
            CLOUDONIX_API_BASE_URL=url,
            CLOUDONIX_API_TIMEOUT=TIMEOUT,
        )


def asked(url: str) -> Answer:
    asker = Asker(url, timeout=float(TIMEOUT), observe=lambda _line: None)
    with in_time(), contextlib.closing(asker):
        return asker.ask(Question("GET", url))


@dripped
def test_an_answer_that_drips_is_late_and_is_asked_for_again(
    storeless: Opbx, attack: Attack
) -> None:
    with never_ending(attack.start, attack.again, pause=PAUSE, connections=1) as server:
        outcome = listed(storeless, server.url)
    assert (outcome.code, outcome.document["trunks"]) == (0, [])
    assert (len(server.arrivals), len(storeless.waits)) == (2, 1)
    assert server.sent[0] < 100_000


@pytest.mark.parametrize("name", ["status line", "trailer"])
def test_a_server_that_only_drips_is_left_after_four_attempts(storeless: Opbx, name: str) -> None:
    attack = DRIPPED[name]
    with never_ending(attack.start, attack.again, pause=PAUSE) as server:
        outcome = listed(storeless, server.url, "-q")
    error = outcome.error
    assert (outcome.code, error["code"], error["http_status"]) == (7, "network.timeout", None)
    assert error["message"].endswith(": 127.0.0.1 did not answer in time")
    assert "CLOUDONIX_API_TIMEOUT" in error["hint"]
    assert len(server.arrivals) == 4


@endless
def test_an_answer_without_end_is_refused_and_not_asked_for_again(
    storeless: Opbx, attack: Attack, said: str, status: int | None
) -> None:
    with never_ending(attack.start, attack.again) as server:
        outcome = storeless(
            "trunks", "list", "--json", CLOUDONIX_API_BASE_URL=server.url, CLOUDONIX_API_TIMEOUT="9"
        )
    error = outcome.error
    assert (outcome.code, error["code"]) == (6, "remote.unintelligible")
    assert error["message"].endswith(f": the answer cannot be understood: {said}")
    assert error["http_status"] == status
    assert "API base URL" in error["hint"]
    assert (len(server.arrivals), storeless.waits) == (1, [])
    assert server.sent[0] < MUCH


@pytest.mark.parametrize("name", ["status line", "content", "chunk extension"])
def test_tls_changes_nothing(
    storeless: Opbx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    private = authority(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(private.certificate))
    drip = DRIPPED[name]
    with never_ending(
        drip.start, drip.again, pause=PAUSE, connections=1, context=private.server
    ) as server:
        outcome = listed(storeless, server.secure_url)
    assert (outcome.code, outcome.document["trunks"], len(storeless.waits)) == (0, [], 1)
    flood, said, _status = ENDLESS[name]
    with never_ending(flood.start, flood.again, context=private.server) as server:
        outcome = listed(storeless, server.secure_url)
    assert (outcome.code, len(server.arrivals)) == (6, 1)
    assert said in outcome.error["message"]


@pytest.mark.parametrize("status", [("401 x", 4), ("422 x", 6), ("503 x", 7)])
@pytest.mark.parametrize("name", ["chunk extension", "trailers", "chunks"])
def test_the_status_of_a_failure_counts_whatever_follows_it(
    storeless: Opbx, status: tuple[str, int], name: str
) -> None:
    attack = ENDLESS[name][0]
    start = attack.start.replace(b"200 OK", status[0].encode())
    with never_ending(start, attack.again) as server:
        outcome = storeless("trunks", "list", CLOUDONIX_API_BASE_URL=server.url)
    assert outcome.code == status[1]
    assert f"({status[0][:3]})" in outcome.stderr


def test_the_status_of_a_failure_counts_also_if_its_page_drips(storeless: Opbx) -> None:
    attack = DRIPPED["trailer"]
    start = attack.start.replace(b"200 OK", b"401 x")
    with never_ending(start, attack.again, pause=PAUSE) as server:
        outcome = listed(storeless, server.url)
    assert (outcome.code, outcome.error["http_status"], len(server.arrivals)) == (4, 401, 1)


@pytest.mark.parametrize("is_tls", [False, True])
def test_a_proxy_that_drips_its_answer_is_no_connection(
    storeless: Opbx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_tls: bool
) -> None:
    private = authority(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(private.certificate))
    context = private.server if is_tls else None
    with never_ending(b"HTTP/1.1 200 ", b"O", pause=PAUSE, context=context) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.secure_url if is_tls else proxy.url)
        outcome = listed(storeless, f"https://{HOST}", "-q")
        answer = asked(f"https://{HOST}")
    error = outcome.error
    assert (outcome.code, error["code"]) == (7, "network.timeout")
    assert "no connection in time" in error["message"]
    assert "HTTPS_PROXY" in error["hint"]
    assert len(proxy.arrivals) == 5
    assert (answer.problem, answer.is_unconnected) == ("no answer in time", True)


@pytest.mark.parametrize("name", ["header lines", "interim answers"])
def test_a_proxy_that_answers_without_end_is_named(
    storeless: Opbx, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    attack = ENDLESS[name][0]
    with never_ending(attack.start, attack.again) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        outcome = listed(storeless, f"https://{HOST}", "-q")
        answer = asked(f"https://{HOST}")
    assert (outcome.code, outcome.error["code"]) == (7, "network.proxy")
    assert (answer.is_of_proxy, answer.is_unconnected) == (True, True)


@pytest.mark.parametrize("is_tls", [False, True])
def test_a_server_that_drips_behind_a_proxy_did_not_answer(
    storeless: Opbx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_tls: bool
) -> None:
    """In TLS within TLS too."""
    private = authority(tmp_path, "localhost", HOST)
    monkeypatch.setenv("SSL_CERT_FILE", str(private.certificate))
    with (
        never_ending(OK, b"X-Name: x\r\n", pause=PAUSE, context=private.server) as server,
        tunnelling(server.port, context=private.server if is_tls else None) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy.secure_url if is_tls else proxy.url)
        outcome = listed(storeless, f"https://{HOST}", "-q")
    assert outcome.error["message"].endswith(f": {HOST} did not answer in time")
    assert len(server.arrivals) == 4


def test_sixteen_interim_answers_are_passed_over(storeless: Opbx) -> None:
    for count, code in ((16, 0), (17, 6)):
        with answering(INTERIM * count + http("200 OK", b"[]")) as server:
            assert listed(storeless, server.url).code == code


def test_headers_just_below_the_limit_are_read(storeless: Opbx) -> None:
    for size, code in ((65_000, 0), (66_000, 6)):
        with answering(http("200 OK", b"[]", X_Large="x" * size)) as server:
            assert listed(storeless, server.url).code == code


@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate"])
def test_sixteen_mebibytes_are_read_and_not_one_byte_more(storeless: Opbx, encoding: str) -> None:
    packers: dict[str, Callable[[bytes], bytes]] = {
        "identity": bytes,
        "gzip": gzip.compress,
        "deflate": zlib.compress,
    }
    pack = packers[encoding]
    for size, code in ((16 * MIB, 0), (16 * MIB + 1, 6)):
        body = pack(b"[" + b" " * (size - 2) + b"]")
        with answering(http("200 OK", body, Content_Encoding=encoding)) as server:
            outcome = storeless("trunks", "list", "--json", CLOUDONIX_API_BASE_URL=server.url)
        assert outcome.code == code, outcome.stderr


def test_a_body_without_a_blank_line_in_its_way(storeless: Opbx) -> None:
    """What looks like interim answers within the content is content."""
    with answering(http("200 OK", b"[\n\n" + b"\n\n" * 99 + b"]"), http("200 x", b"")) as server:
        assert listed(storeless, server.url).code == 0


@dripped
def test_the_check_of_the_webhook_url_is_not_held_up_either(attack: Attack) -> None:
    with never_ending(attack.start, attack.again, pause=PAUSE) as server:
        answer = asked(server.url)
    assert (answer.status, answer.problem) == (None, "no answer in time")


@endless
def test_the_check_of_the_webhook_url_is_not_filled_up_either(
    attack: Attack, said: str, status: int | None
) -> None:
    with never_ending(attack.start, attack.again) as server:
        asker = Asker(server.url, timeout=9.0, observe=lambda _line: None)
        with in_time(), contextlib.closing(asker):
            answer = asker.ask(Question("GET", server.url))
    if answer.status is None:
        assert answer.problem == f"an answer that cannot be read: {said}"
    else:
        assert answer.status == status  # of the content only the beginning is looked at
    assert server.sent[0] < MUCH


def test_the_whole_check_ends_where_every_endpoint_drips(ci: Opbx) -> None:
    attack = DRIPPED["header"]
    with never_ending(attack.start, attack.again, pause=PAUSE) as server:
        with in_time():
            done = check(ci, server.url, "--json")
        wait_until_left(server)
    assert done.code == 1
    assert {entry(done, name)["seen"] for name in HTTP_CHECKS} == {"no answer in time"}


def wait_until_left(server: Endless) -> None:
    """Every connection is ended by the client, none left behind."""
    end = time.monotonic() + BOUND
    while not all(server.was_left) and time.monotonic() < end:
        time.sleep(0.05)
    assert all(server.was_left)
