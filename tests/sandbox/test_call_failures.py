"""What the sandbox makes of a receiver that refuses, fails, or cannot be reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pbx import CDR, SESSION_UPDATE, VOICE
from sandbox_calls import HANGUP, KEY, TAKEN, Receiver, call
from servers import HANG, answering, authority, http

if TYPE_CHECKING:
    from pathlib import Path

    from opbx_cli.sandbox.server import RunningSandbox

BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 50) for n in range(8))
    + b"]><Response><Say>&i;</Say></Response>"
)
NO_CXML = [
    (b"<!DOCTYPE html><html><body>It works</body></html>", "HTML where CXML belongs"),
    (b"<html><body>It works</body></html>", "HTML where CXML belongs"),
    (BOMB, "XML with a DOCTYPE, which is refused"),
    (b'{"error": "no"}', "something that is not XML"),
    (b"<Response><Say>", "XML that is cut off or damaged"),
    (b"<Answer/>", "XML without a <Response>"),
    (b"", "nothing where CXML belongs"),
    (b'<?xml version="1.0" encoding="nonsense"?><Response/>', "XML that is cut off or damaged"),
    (b"<Response>" + b"x" * 2_000_000, "larger than 1 MiB"),
]


@pytest.mark.parametrize(("content", "words"), NO_CXML, ids=[words for _, words in NO_CXML])
def test_what_is_no_cxml_fails_the_call(
    wired: RunningSandbox, receiver: Receiver, content: bytes, words: str
) -> None:
    receiver.answer(VOICE, http("200 OK", content))
    report = call(wired)
    voice = report["callbacks"][0]
    assert (voice["result"], voice["http_status"]) == ("refused", 200)
    assert words in voice["detail"]
    assert report["disposition"] == receiver.of(CDR)[0].body["disposition"] == "FAILED"
    assert receiver.of(CDR)[0].body["session"]["callAnswerTime"] == 0
    assert [one.body["status"] for one in receiver.of(SESSION_UPDATE)] == ["processing", "error"]


@pytest.mark.parametrize(
    ("answer", "result", "words"),
    [
        (http("401 No", b"<Response><Hangup/></Response>"), "refused", "401 Unauthorized"),
        (http("500 " + KEY), "refused", "500 Internal Server Error"),
        (http("302 Found", Location="http://127.0.0.1:9/"), "refused", "not followed"),
        (http("799 " + KEY), "refused", "799"),
        (http("200 OK", b"x", Content_Encoding="gzip"), "refused", "compressed"),
        (b"", "unreachable", "the connection was lost"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n<Resp", "unreachable", "lost"),
        (b"nonsense", "unreachable", "the connection was lost"),
        (HANG, "unreachable", "no answer in 0.2 s"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + HANG, "unreachable", "no answer"),
    ],
)
@pytest.mark.parametrize("path", [VOICE, CDR])
def test_an_answer_that_is_none_is_told_apart(
    wired: RunningSandbox,
    receiver: Receiver,
    path: str,
    answer: bytes,
    result: str,
    words: str,
) -> None:
    wired.set_variants("callback-timeout=0.2")
    receiver.answer(path, answer)
    report = call(wired)
    (one,) = (entry for entry in report["callbacks"] if entry["url"].endswith(path))
    assert one["result"] == result
    status = int(answer.split()[1]) if result == "refused" else None
    assert one["http_status"] == status
    assert words in one["detail"]
    assert one["attempts"] == len(receiver.of(path)) == 1
    assert report["disposition"] == ("FAILED" if path == VOICE else "ANSWER")
    assert KEY not in str(report)


def test_nothing_is_sent_again_unless_a_variant_says_so(
    wired: RunningSandbox, receiver: Receiver
) -> None:
    receiver.answer(CDR, http("500 No"), TAKEN)
    assert call(wired)["callbacks"][-1]["result"] == "refused"
    wired.set_variants("callback-retry=failed", "callback-retry-wait=0")
    receiver.answer(CDR, http("500 No"), TAKEN)
    record = call(wired)["callbacks"][-1]
    assert (record["result"], record["attempts"], record["http_status"]) == ("delivered", 2, 200)


def test_what_is_sent_again_is_the_same_and_has_an_end(
    wired: RunningSandbox, receiver: Receiver
) -> None:
    wired.set_variants("callback-retry=failed", "callback-retry-wait=0")
    receiver.answer(VOICE, http("503 No"))
    receiver.answer(SESSION_UPDATE, b"")
    receiver.answer(CDR, http("422 No"))
    report = call(wired)
    assert [one["attempts"] for one in report["callbacks"]] == [1, 3, 3, 1]
    events = [arrival.body["eventId"] for arrival in receiver.of(SESSION_UPDATE)]
    assert events == [events[0]] * 3 + [events[3]] * 3
    assert events[0] != events[3]


def test_a_redirect_takes_the_key_nowhere(wired: RunningSandbox, receiver: Receiver) -> None:
    with answering(HANGUP) as elsewhere:
        for path in (VOICE, SESSION_UPDATE, CDR):
            receiver.answer(path, http("307 Moved", Location=elsewhere.url + "/"))
        report = call(wired)
    assert elsewhere.arrivals == []
    assert {one["result"] for one in report["callbacks"]} == {"refused"}


def test_a_redirect_to_a_broken_punycode_name_is_one_too(
    wired: RunningSandbox, receiver: Receiver
) -> None:
    receiver.answer(VOICE, http("307 Moved", Location="https://xn--a/"))
    voice = call(wired)["callbacks"][0]
    assert (voice["result"], voice["http_status"]) == ("refused", 307)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://pbx.example.com/cdr", "http is for this computer alone"),
        ("ws://127.0.0.1/cdr", "the sandbox calls https URLs"),
        ("s3://bucket/cdr", "the sandbox calls https URLs"),
        ("https://user:secret@pbx.example.com/", "a user name in it"),
        ("http://127.0.0.1:1/cdr?key=secret", "the connection was refused"),
        ("http://[::1]:1/cdr", "the connection was refused"),
        ("http://xn--/", "not a URL"),
        ("/cdr", "the sandbox calls https URLs"),
        ("https://opbx.invalid/", "the host name cannot be resolved"),
    ],
)
def test_where_the_key_must_not_or_cannot_go(
    wired: RunningSandbox, receiver: Receiver, url: str, words: str
) -> None:
    wired.state.set_profile_keys({"cdr-endpoint": url})
    record = call(wired)["callbacks"][-1]
    assert (record["endpoint"], record["result"]) == ("cdr", "unreachable")
    assert words in record["detail"]
    assert "secret" not in str(record)
    assert receiver.of(CDR) == []


def test_a_certificate_that_nobody_trusts_is_not_called(
    wired: RunningSandbox, tmp_path: Path
) -> None:
    with answering(TAKEN, context=authority(tmp_path, "localhost").server) as server:
        wired.state.set_profile_keys({"cdr-endpoint": f"{server.secure_url}/cdr"})
        record = call(wired)["callbacks"][-1]
    assert (record["result"], record["attempts"]) == ("unreachable", 1)
    assert record["detail"] == "its TLS certificate is not trusted"
    assert server.arrivals == []


@pytest.mark.parametrize("key", ["two\nlines", "schlüssel-\ud800", 12345678])
def test_an_odd_key_is_sent_as_it_is_or_not_at_all(
    wired: RunningSandbox, receiver: Receiver, key: object
) -> None:
    wired.state.set_profile_keys({"authorization-api-key": key})
    report = call(wired)
    results = {one["result"] for one in report["callbacks"]}
    if key == "two\nlines":
        assert results == {"unreachable"}
        assert "does not fit into a header" in report["callbacks"][0]["detail"]
        assert receiver.arrivals == []
    else:
        assert results == {"delivered"}
