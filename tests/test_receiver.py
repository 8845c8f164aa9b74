"""The receiver's answers are OPBX's, and no client brings it down: on real sockets."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opbx_cli.models import Secret
from opbx_cli.webhooks.receiver.callback import Callback
from opbx_cli.webhooks.receiver.connection import Limits
from opbx_cli.webhooks.receiver.keys import AcceptedKey
from pbx import CDR, SESSION_UPDATE, VOICE
from receiving import (
    BEARER,
    DEADLINE,
    KEY,
    NOW,
    RECORD,
    Receiver,
    as_json,
    asked,
    connected,
    padded,
    receiving,
    request,
)

FORM = {"Content_Type": "application/x-www-form-urlencoded"}
CALL = {"To": "+15557654321", "From": "+15551234567", "CallStatus": "ringing", "Domain": "d.test"}
HEALTH = "/api/voice/health"
BODIES = {
    VOICE: {**CALL, "SessionData": {"token": "s1"}, "Session": "s2", "CallSid": "s3"},
    SESSION_UPDATE: {
        "token": "s1",
        "domain": "d.test",
        "status": "ringing",
        "callerId": 15551234567,
        "destination": "+15557654321",
    },
    CDR: {
        "session": {"token": "s1"},
        "from": "+15551234567",
        "to": "+15557654321",
        "disposition": "ANSWER",
        "owner": {"domain": {"name": "d.test", "uuid": "u"}},
        "timestamp": 1767323045,
        "duration": 7,
        "billsec": 5,
        "call_id": "c1",
    },
}


@pytest.mark.parametrize("path", BODIES)
def test_a_callback_with_the_key_is_taken_and_shown(path: str) -> None:
    with receiving() as receiver:
        answer = asked(receiver.port, path, as_json(BODIES[path]), **BEARER)
    assert answer.status == 200
    if path == VOICE:
        assert answer.headers["content-type"].startswith("application/xml")
        assert b"<Response><Hangup/></Response>" in answer.body
    else:
        assert answer.document == {"status": "ok"}
    (callback,) = receiver.shown
    assert (callback.result, callback.key, callback.received) == ("accepted", "current", NOW)
    call = callback.call
    assert (call.id, call.domain, call.callee) == ("s1", "d.test", "+15557654321")
    assert call.caller in ("+15551234567", "15551234567")
    assert call.status == ("ANSWER" if path == CDR else "ringing")


def test_a_form_says_nothing_to_opbx() -> None:
    with receiving() as receiver:
        body = urlencode({**CALL, "Session": "s1"}).encode()
        voice = asked(receiver.port, VOICE, body, **BEARER, **FORM)
        assert voice.status == 400
        assert voice.headers["content-type"].startswith("application/xml")
        assert asked(receiver.port, CDR, body, **BEARER, **FORM).status == 400
    assert [callback.reason for callback in receiver.shown] == ["bad JSON", "bad JSON"]


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "no token"),
        ({"Authorization": "Bearer"}, "no token"),
        ({"Authorization": "Bearer "}, "no token"),
        ({"Authorization": f"Basic {KEY}"}, "not a bearer"),
        ({"Authorization": KEY}, "not a bearer"),
        ({"Authorization": f"bearer {KEY}"}, "not a bearer"),  # OPBX wants these very letters
        ({"Authorization": f"BEARER {KEY}"}, "not a bearer"),
        ({"Authorization": f"Bearer {KEY}x"}, "wrong token"),
        ({"Authorization": f"Bearer {KEY[:-1]}"}, "wrong token"),
        ({"Authorization": "Bearer \xff\xfe"}, "wrong token"),
        ({"Authorization": f"Bearer {KEY}", "authorization": f"Bearer {KEY}"}, "two tokens"),
        ({"X_Cx_Apikey": KEY}, "no token"),
    ],
)
def test_what_is_not_the_key_is_unauthorized(headers: dict[str, str], reason: str) -> None:
    with receiving() as receiver:
        voice = asked(receiver.port, VOICE, as_json(CALL), **headers)
        others = [asked(receiver.port, path, RECORD, **headers) for path in (SESSION_UPDATE, CDR)]
    assert voice.status == 401
    assert b"<Response>" in voice.body
    assert voice.body.rstrip().endswith(b"<Hangup/></Response>")
    for other in others:
        assert other.status == 401
        assert "error" in other.document
    assert [callback.reason for callback in receiver.shown] == [reason] * 3
    assert receiver.server.reception.tally.refused == 3


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty body"),
        (b"{", "bad JSON"),
        (b"[]", "no object"),
        (b"null", "no object"),
        (b'{"a": NaN}', "bad JSON"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b"[" * 200_000, "too deep"),
        (b'{"a":' * 200_000, "too deep"),
    ],
)
def test_a_body_that_cannot_be_read_is_a_bad_request(body: bytes, reason: str) -> None:
    with receiving() as receiver:
        answer = asked(receiver.port, CDR, body, **BEARER)
        assert asked(receiver.port, CDR, RECORD, **BEARER).status == 200
    assert (answer.status, "error" in answer.document) == (400, True)
    assert receiver.shown[0].reason == reason


def test_numbers_of_any_size_are_texts() -> None:
    with receiving() as receiver:
        body = b'{"domain": "d", "token": %s, "callerId": 1e999999}' % (b"9" * 10_000)
        assert asked(receiver.port, SESSION_UPDATE, body, **BEARER).status == 200
    call = receiver.shown[0].call
    assert call.id is not None
    assert len(call.id) == 128
    assert call.caller == "1e999999"


def test_remote_text_is_cleaned_and_bounded() -> None:
    hostile = "\x1b]0;x\x07\u202e\n\r\t\ud800A" + "9" * 100_000
    with receiving() as receiver:
        body = as_json(
            {"To": hostile, "Domain": "d", "From": {"a": 1}, "CallStatus": True, "Session": "\n"}
        )
        assert asked(receiver.port, VOICE, body, **BEARER).status == 200
    call = receiver.shown[0].call
    assert call.callee is not None
    assert call.callee.startswith("]0;xA99")
    assert len(call.callee) == 128
    assert (call.caller, call.status, call.id) == (None, None, None)


def test_a_second_key_counts_until_it_expires() -> None:
    with receiving() as receiver:
        receiver.keys.append(AcceptedKey(Secret("old-key-1"), "previous", NOW + timedelta(1)))
        receiver.keys.append(AcceptedKey(Secret("old-key-2"), "previous", NOW))
        statuses = [
            asked(receiver.port, CDR, RECORD, Authorization=f"Bearer {key}").status
            for key in (KEY, "old-key-1", "old-key-2")
        ]
        receiver.keys.clear()
        assert asked(receiver.port, CDR, RECORD, **BEARER).status == 401
    assert statuses == [200, 200, 401]
    found = [(callback.key, callback.reason) for callback in receiver.shown]
    assert found == [
        ("current", None),
        ("previous", None),
        (None, "expired key"),
        (None, "wrong token"),
    ]


def test_health_is_for_anybody_and_no_callback() -> None:
    with receiving() as receiver:
        answer = asked(receiver.port, HEALTH, method="GET")
        assert (answer.status, answer.document) == (200, {"status": "ok"})
        head = asked(receiver.port, HEALTH, method="HEAD")
        assert (head.status, head.body) == (200, b"")
        wrong = asked(receiver.port, HEALTH, method="POST")
        assert (wrong.status, wrong.headers["allow"]) == (405, "GET, HEAD")
    assert receiver.shown == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "CONNECT", "X" * 99])
def test_other_methods_and_paths_are_refused(method: str) -> None:
    with receiving() as receiver:
        answer = asked(receiver.port, CDR, method=method, **BEARER)
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
        assert asked(receiver.port, "/else", method=method).status == 404
        assert asked(receiver.port, f"{CDR}/", b"{}", **BEARER).status == 404
        assert asked(receiver.port, f"{CDR}?a=b", RECORD, **BEARER).status == 200
        assert asked(receiver.port, f"http://x{CDR}", RECORD, **BEARER).status == 200
    reasons = [callback.reason for callback in receiver.shown]
    assert reasons == ["wrong method", "unknown path", "unknown path", None, None]
    assert receiver.shown[1].endpoint is None
    assert len(receiver.shown[0].method) <= 16


def test_a_body_over_the_limit_is_refused_however_it_comes() -> None:
    with receiving(Limits(body_max=1000)) as receiver:
        assert asked(receiver.port, CDR, padded(1000), **BEARER).status == 200
        answer = asked(receiver.port, CDR, padded(1001), **BEARER)
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        with connected(receiver.port) as client:
            client.send(
                f"POST {CDR} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
            )
            for _ in range(3):
                client.send(b"190\r\n" + b" " * 400 + b"\r\n")
            assert client.response().status == 413
            client.send(b"190\r\n" + b" " * 400 + b"\r\n")  # heard by nobody, and no harm
        huge = f"POST {CDR} HTTP/1.1\r\nHost: x\r\nContent-Length: {'9' * 19}\r\n\r\n"
        with connected(receiver.port) as client:
            client.send(huge.encode())
            assert client.response().status == 413
    assert [callback.reason for callback in receiver.shown[1:]] == ["too large"] * 3


def test_the_default_limit_is_a_mebibyte() -> None:
    with receiving() as receiver:
        assert asked(receiver.port, CDR, padded(2**20), **BEARER).status == 200
        assert asked(receiver.port, CDR, padded(2**20 + 1), **BEARER).status == 413


def test_all_bodies_together_have_a_limit_too() -> None:
    head = f"POST {CDR} HTTP/1.1\r\nHost: x\r\nContent-Length: 700\r\n\r\n".encode()
    with receiving(Limits(bodies_max=1000)) as receiver:
        with connected(receiver.port) as one, connected(receiver.port) as other:
            one.send(head + b" " * 699)
            assert asked(receiver.port, HEALTH, method="GET").status == 200  # one was read
            other.send(head + b" " * 699)
            assert one.response().status == 503
            other.send(b" ")
            assert other.response().status == 400
        assert asked(receiver.port, CDR, b" " * 900).status == 400


@pytest.mark.parametrize(
    ("start", "status"),
    [
        (b"", None),
        (b"POST /x HTTP/1.1\r\nHos", 408),
        (f"POST {CDR} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12".encode(), 408),
    ],
)
def test_a_slow_client_is_cut(start: bytes, status: int | None) -> None:
    with receiving(Limits(request=0.05)) as receiver, connected(receiver.port) as client:
        client.send(start)
        rest = client.rest()
        assert rest.startswith(b"HTTP/1.1 408 ") if status else rest == b""
        shown = [callback.reason for callback in receiver.shown]
    assert shown == (["too slow"] if CDR.encode() in start else [])


def test_one_that_asks_no_more_is_closed() -> None:
    with receiving(Limits(idle=0.05)) as receiver, connected(receiver.port) as client:
        client.send(request(CDR, RECORD, **BEARER))
        assert client.response().status == 200
        assert client.rest() == b""


def test_one_that_does_not_read_its_answers_is_cut() -> None:
    limits = Limits(request=0.2)
    with receiving(limits) as receiver, connected(receiver.port, buffer=4096) as client:
        with pytest.raises(ConnectionError):
            client.send_for_ever(request(HEALTH, method="GET") * 100)
        assert asked(receiver.port, HEALTH, method="GET").status == 200


def test_one_that_reads_late_gets_every_answer() -> None:
    count = 10_000  # more answers than are kept for a client
    many = request(CDR, RECORD, **BEARER) * count
    limits = Limits(request=DEADLINE)
    with receiving(limits) as receiver, connected(receiver.port, buffer=65536) as client:
        sender = threading.Thread(target=client.send, args=(many,))
        sender.start()
        taken = [0]
        while taken[-1] == 0 or len(set(taken[-5:])) > 1:  # until the server takes no more
            time.sleep(0.02)
            taken.append(len(receiver.shown))
        for _ in range(count):
            assert client.response().status == 200
        sender.join()
    assert taken[-1] < count == len(receiver.shown)


def test_a_request_that_goes_wrong_here_is_one_request() -> None:
    def show(_callback: Callback) -> None:
        raise RuntimeError

    with receiving(show=show) as receiver:
        with connected(receiver.port) as client:
            client.send(request(CDR, RECORD, **BEARER))
            assert client.rest() == b""
        assert asked(receiver.port, HEALTH, method="GET").status == 200
    assert receiver.warnings == ["a request was not answered: unexpected RuntimeError"]


def test_pipelined_requests_are_answered_in_order() -> None:
    count = 500
    with receiving() as receiver, connected(receiver.port) as client:
        bodies = [as_json({"domain": "d", "token": f"s{number}"}) for number in range(count)]
        client.send(b"".join(request(SESSION_UPDATE, body, **BEARER) for body in bodies))
        assert [client.response().status for _ in range(count)] == [200] * count
        found = [callback.call.id for callback in receiver.shown]
    assert found == [f"s{number}" for number in range(count)]


def test_a_half_closed_connection_gets_its_answers() -> None:
    with receiving() as receiver:
        with connected(receiver.port) as client:
            client.send(request(CDR, RECORD, **BEARER) * 2)
            client.socket.shutdown(socket.SHUT_WR)
            assert client.rest().count(b"HTTP/1.1 200 ") == 2
        with connected(receiver.port) as client:
            client.send(request(CDR, RECORD, **BEARER)[:-1])
            client.socket.shutdown(socket.SHUT_WR)
            assert client.rest().startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(("length", "status"), [("5", 400), ("9" * 9, 413)])
def test_the_answer_to_a_head_request_that_is_refused_before_its_end_has_no_body(
    length: str, status: int
) -> None:
    head = f"HEAD {CDR} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
    with receiving() as receiver, connected(receiver.port) as client:
        client.send(head.encode() + b"12")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.response(is_head=True).status == status
        assert client.rest() == b""
    assert [callback.http_status for callback in receiver.shown] == [status]
    assert receiver.warnings == []


def test_one_who_waits_for_100_continue_hears_it() -> None:
    with receiving() as receiver, connected(receiver.port) as client:
        whole = request(CDR, RECORD, Expect="100-continue", **BEARER)
        client.send(whole[:-2])
        assert client.response().status == 100
        client.send(whole[-2:])
        assert client.response().status == 200


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 600,
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        f"POST {CDR} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n".encode(),
        f"POST {CDR} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".encode(),
        f"POST {CDR} HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n".encode(),
    ],
)
def test_what_is_no_http_is_refused(data: bytes) -> None:
    with receiving() as receiver:
        with connected(receiver.port) as client:
            client.send(data)
            status = client.response().status
        assert status in (400, 431, 501, 505)
        assert asked(receiver.port, HEALTH, method="GET").status == 200
    assert receiver.warnings == []


@pytest.mark.parametrize(
    ("version", "lengths"),
    [
        ("1.1", ["Content-Length: 3", "Transfer-Encoding: chunked"]),
        ("1.1", ["transfer-encoding: Chunked", "content-length: 0"]),
        ("1.0", ["Transfer-Encoding: chunked"]),
    ],
)
def test_a_request_whose_end_can_be_read_in_two_ways_is_refused_and_closed(
    version: str, lengths: list[str]
) -> None:
    smuggled = request(CDR, RECORD, **BEARER)
    head = f"POST {CDR} HTTP/{version}\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
    head += "".join(f"{line}\r\n" for line in lengths) + "\r\n"
    with receiving() as receiver, connected(receiver.port) as client:
        client.send(head.encode() + b"0\r\n\r\n" + smuggled)
        answer = client.response()
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.rest() == b""
    assert [callback.reason for callback in receiver.shown] == ["two lengths"]


def test_an_upgrade_is_not_taken_up() -> None:
    with receiving() as receiver, connected(receiver.port) as client:
        wanted = {"Connection": "Upgrade", "Upgrade": "websocket"}
        client.send(request(CDR, RECORD, **BEARER, **wanted) * 2)
        assert [client.response().status for _ in range(2)] == [200, 200]


HEADER_NAMES = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12)
HEADER_VALUES = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=40)


@pytest.fixture(scope="module")
def running() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver
        assert receiver.warnings == []


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    path=st.sampled_from([VOICE, SESSION_UPDATE, CDR]),
    body=st.one_of(
        st.binary(max_size=300),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ).map(lambda value: json.dumps(value).encode()),
        st.dictionaries(
            st.sampled_from(["to", "To", "token", "session", "SessionData", "owner"]),
            st.one_of(st.text(), st.integers(), st.dictionaries(st.text(), st.text())),
        ).map(as_json),
    ),
    kind=st.sampled_from(["application/json", FORM["Content_Type"], "text/plain", "\xff;;="]),
)
def test_any_body_is_answered(running: Receiver, path: str, body: bytes, kind: str) -> None:
    answer = asked(running.port, path, body, Content_Type=kind, **BEARER)
    assert answer.status in (200, 400, 404, 422)
    assert asked(running.port, HEALTH, method="GET").status == 200


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(HEADER_NAMES, HEADER_VALUES, max_size=8), st.binary(max_size=40))
def test_any_headers_and_any_bytes_leave_it_alive(
    running: Receiver, headers: dict[str, str], garbage: bytes
) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("latin-1")
    for data in (
        f"POST {CDR} HTTP/1.1\r\nHost: x\r\n".encode() + lines + b"\r\n" + garbage,
        garbage,
    ):
        with connected(running.port) as client:
            with contextlib.suppress(ConnectionError, OSError):
                client.send(data)
                client.socket.shutdown(socket.SHUT_WR)
            for answer in client.rest().split(b"HTTP/1.1 ")[1:]:
                assert 100 <= int(answer[:3]) < 500
    assert asked(running.port, HEALTH, method="GET").status == 200
