"""What a user meets when Cloudonix refuses, is overloaded, or answers nonsense."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from opbx_cli.sandbox.server import RunningSandbox
from servers import HANG, answering, http
from support import Opbx, Outcome

CALL = "cannot list the trunks (GET /customers/self/domains/"


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def short(value: object) -> str | None:
    """Name a parameter of a test by at most 20 characters."""
    return repr(value)[:20]


def listed(opbx: Opbx, **variables: str) -> Outcome:
    """Run the command in text and in JSON, which must agree; return the JSON outcome."""
    opbx.waits.clear()
    text = opbx("trunks", "list", "-q", **variables)
    waits, opbx.waits = opbx.waits, []
    outcome = opbx("trunks", "list", "--json", **variables)
    assert len(waits) == len(opbx.waits)
    assert (text.code, text.stdout, outcome.stdout) == (outcome.code, "", "")
    error = outcome.error
    assert error["exit_code"] == outcome.code
    assert error["message"].startswith(CALL)
    hint = f"hint: {error['hint']}\n" if error["hint"] else ""
    assert text.stderr == f"error: {error['message']}\n{hint}"
    return outcome


def facts(outcome: Outcome) -> tuple[Any, ...]:
    error = outcome.error
    return outcome.code, error["code"], error["retryable"], error["http_status"]


@pytest.mark.parametrize(
    ("status", "code", "name", "said"),
    [
        (401, 4, "auth.rejected", "Cloudonix does not know this API key (401)"),
        (403, 4, "auth.forbidden", "(403): Forbidden"),
        (400, 6, "remote.refused", "Cloudonix refused the request (400): Bad Request"),
        (409, 6, "remote.refused", "Cloudonix refused the request (409): Conflict"),
        (422, 6, "remote.refused", "Cloudonix refused the request (422)"),
    ],
)
def test_a_refusal_is_final_and_says_which_call(
    storeless: Opbx, sandbox: RunningSandbox, status: int, code: int, name: str, said: str
) -> None:
    sandbox.set_faults(f"list-trunks={status}")
    outcome = listed(storeless)
    assert facts(outcome) == (code, name, False, status)
    assert said in outcome.error["message"]
    assert storeless.waits == []
    assert len(sandbox.requests) == 2
    if code == 4:
        assert outcome.error["hint"] == (
            "check OPBX_DOMAIN_API_KEY: it must be a key of this domain"
        )


def test_a_stored_key_that_is_rejected_says_how_to_save_another(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.set_faults("list-trunks=401")
    outcome = listed(configured)
    assert facts(outcome) == (4, "auth.rejected", False, 401)
    assert outcome.error["hint"] == "`opbx configure --api-key-stdin` saves another key"


def test_the_sandbox_itself_rejects_wrong_and_foreign_keys(
    storeless: Opbx, start_sandbox: Callable[..., RunningSandbox]
) -> None:
    sandbox = start_sandbox(domains=2)
    one, other = sandbox.domains
    environ = {"CLOUDONIX_API_BASE_URL": sandbox.url, "OPBX_DOMAIN_UUID": one.uuid}
    wrong = listed(storeless, OPBX_DOMAIN_API_KEY="XI" + "0" * 32, **environ)
    assert facts(wrong) == (4, "auth.rejected", False, 401)
    foreign = listed(storeless, OPBX_DOMAIN_API_KEY=other.api_key, **environ)
    assert facts(foreign) == (4, "auth.forbidden", False, 403)


@pytest.mark.parametrize("status", ["300 x", "301 x", "302 x", "304 x", "307 x", "308 x"])
def test_a_redirect_is_never_followed(storeless: Opbx, status: str) -> None:
    with (
        answering(http("200 OK", b"[]")) as elsewhere,
        answering(http(status, Location=f"{elsewhere.url}/")) as server,
    ):
        outcome = listed(storeless, CLOUDONIX_API_BASE_URL=server.url)
    assert facts(outcome) == (6, "remote.redirect", False, int(status[:3]))
    assert "redirect" in outcome.error["message"]
    assert (len(server.arrivals), elsewhere.arrivals) == (2, [])


def test_a_redirect_to_a_broken_punycode_name_is_one_too(storeless: Opbx) -> None:
    with answering(http("302 x", Location="https://xn--a/")) as server:
        outcome = listed(storeless, CLOUDONIX_API_BASE_URL=server.url)
    assert facts(outcome) == (6, "remote.redirect", False, 302)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_server_trouble_is_tried_four_times_with_growing_waits(
    storeless: Opbx, sandbox: RunningSandbox, status: int
) -> None:
    sandbox.set_faults(f"list-trunks={status}")
    outcome = listed(storeless)
    assert facts(outcome) == (7, "remote.overloaded", True, status)
    assert len(sandbox.requests) == 8
    assert len({request.client_port for request in sandbox.requests[:4]}) == 1
    assert [0.1 * 2**n <= wait <= 0.2 * 2**n for n, wait in enumerate(storeless.waits)] == [
        True,
        True,
        True,
    ]


@pytest.mark.parametrize("status", [501, 505, 599])
def test_other_server_errors_are_not_repeated(storeless: Opbx, status: int) -> None:
    with answering(http(f"{status} x")) as server:
        outcome = listed(storeless, CLOUDONIX_API_BASE_URL=server.url)
    assert facts(outcome) == (7, "remote.overloaded", True, status)
    assert len(server.arrivals) == 2


@pytest.mark.parametrize("fault", ["500*2", "502*3", "429*3", "close-before*2"])
def test_trouble_that_passes_is_only_a_notice(
    storeless: Opbx, sandbox: RunningSandbox, fault: str
) -> None:
    sandbox.set_faults(f"list-trunks={fault}")
    outcome = storeless("trunks", "list")
    count = int(fault[-1])
    assert (outcome.code, len(storeless.waits)) == (0, count)
    notices = outcome.stderr.splitlines()
    assert len(notices) == count
    assert all("trying again in" in line for line in notices)
    assert f"({count} of 3)" in notices[-1]
    sandbox.set_faults(f"list-trunks={fault}")
    quiet = storeless("trunks", "list", "-q")
    assert (quiet.code, quiet.stdout, quiet.stderr) == (0, outcome.stdout, "")


@pytest.mark.parametrize(
    ("retry_after", "waits"),
    [
        (None, [3.0, 10.0, 10.0]),
        ("7", [7.0] * 3),
        ("0", [0.0] * 3),
        ("30", [30.0] * 3),
        ("007", [7.0] * 3),
        ("Wed, 21 Oct 2015 07:28:00 GMT", [0.0] * 3),
        ("Wed, 21 Oct 2015 07:28:00 -0000", [0.0] * 3),
        ("-5", [3.0, 10.0, 10.0]),
        ("2.5", [3.0, 10.0, 10.0]),
        ("soon", [3.0, 10.0, 10.0]),
        ("1e9", [3.0, 10.0, 10.0]),
        ("Wed, 99 Foo 2015", [3.0, 10.0, 10.0]),
        ("Fri, 31 Dec 2100 23:59:59 -99999999999999999999", [3.0, 10.0, 10.0]),
    ],
)
def test_after_429_the_wait_is_what_retry_after_says_or_the_short_window_then_the_long_one(
    storeless: Opbx, sandbox: RunningSandbox, retry_after: str | None, waits: list[float]
) -> None:
    sandbox.set_faults("list-trunks=429" + (f":{retry_after}" if retry_after else ""))
    outcome = listed(storeless)
    assert facts(outcome) == (7, "remote.rate_limited", True, 429)
    assert outcome.error["hint"] == "run the same command again in a few seconds"
    assert storeless.waits == waits


@pytest.mark.parametrize(
    ("retry_after", "said"),
    [
        ("31", "31 s"),
        ("1000000000", "1000000000 s"),
        ("9" * 400, "9999999999 s"),
        ("Fri, 31 Dec 9999 23:59:59 GMT", "s: run the same command again after that"),
    ],
    ids=short,
)
def test_a_wait_over_30_seconds_is_left_to_the_user(
    storeless: Opbx, sandbox: RunningSandbox, retry_after: str, said: str
) -> None:
    sandbox.set_faults(f"list-trunks=429:{retry_after}")
    outcome = listed(storeless)
    assert facts(outcome) == (7, "remote.rate_limited", True, 429)
    assert outcome.error["hint"].startswith("Cloudonix asks to wait ")
    assert said in outcome.error["hint"]
    assert len(outcome.error["hint"]) < 100
    assert storeless.waits == []
    assert len(sandbox.requests) == 2


@pytest.mark.parametrize(
    ("fault", "said", "status"),
    [
        ("html", "HTML or XML where JSON belongs", 200),
        ("empty", "an empty answer", 204),
        ("truncated", "JSON that is cut off or damaged", 200),
        ("array", "an object where a list of trunks belongs", 200),
        ("nested", "JSON nested too deeply", 200),
        ("huge", "it is larger than 16 MiB", 200),
        ("gzip-bomb", "it is larger than 16 MiB", 200),
    ],
)
def test_an_answer_that_makes_no_sense(
    storeless: Opbx, sandbox: RunningSandbox, fault: str, said: str, status: int
) -> None:
    sandbox.set_faults(f"list-trunks={fault}")
    outcome = listed(storeless)
    assert facts(outcome) == (6, "remote.unintelligible", False, status)
    assert outcome.error["message"].endswith(f"the answer cannot be understood: {said}")
    assert "API base URL" in outcome.error["hint"]
    assert storeless.waits == []


@pytest.mark.parametrize(
    ("body", "encoding", "said"),
    [
        (b"[NaN]", None, "cut off or damaged"),
        (b"[1e999]", None, "cut off or damaged"),
        (b"Infinity", None, "something that is not JSON"),
        (b"", None, "an empty answer"),
        (b" \n", None, "an empty answer"),
        (b"null", None, "nothing where a list of trunks belongs"),
        (b'"text"', None, "a text where a list of trunks belongs"),
        (b"true", None, "a bare value where a list of trunks belongs"),
        (b"[1]", None, "a bare value where a trunk belongs"),
        (b"[[]]", None, "a list where a trunk belongs"),
        (b'["\xff\xfe\xff"]', None, "cut off or damaged"),
        (b"[" + b"9" * 5000 + b"]", None, "cut off or damaged"),
        (b"[] []", None, "cut off or damaged"),
        (b"not gzip at all", "gzip", "cannot be unpacked"),
        (packed(b"[]" * 999)[:-12], "gzip", "cut off or damaged"),
        (b"no deflate", "deflate", "cannot be unpacked"),
        (packed(packed(b"[]")), "gzip, gzip", "cannot be unpacked"),
    ],
    ids=short,
)
def test_a_body_that_makes_no_sense(
    storeless: Opbx, body: bytes, encoding: str | None, said: str
) -> None:
    headers = {"Content_Encoding": encoding} if encoding else {}
    with answering(http("200 OK", body, **headers)) as server:
        outcome = listed(storeless, CLOUDONIX_API_BASE_URL=server.url)
    assert facts(outcome) == (6, "remote.unintelligible", False, 200)
    assert said in outcome.error["message"]
    assert len(server.arrivals) == 2


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"\xef\xbb\xbf[]", "identity"),
        ("[]".encode("utf-16"), "identity"),
        (packed(b"[]"), "gzip"),
        (zlib.compress(b"[]"), "deflate"),
        (b"[]", "br"),  # not ours to unpack, but readable as it is
    ],
    ids=short,
)
def test_what_can_be_understood_is(storeless: Opbx, body: bytes, encoding: str) -> None:
    with answering(http("200 OK", body, Content_Encoding=encoding)) as server:
        outcome = storeless("trunks", "list", "--json", CLOUDONIX_API_BASE_URL=server.url)
    assert (outcome.code, outcome.document["trunks"], outcome.stderr) == (0, [], "")


@pytest.mark.parametrize(
    ("status", "code", "arrivals"), [("401 x", 4, 1), ("422 x", 6, 1), ("500 x", 7, 4)]
)
@pytest.mark.parametrize("damage", ["gzip", "huge", "half", "hang"])
def test_the_status_of_a_failure_counts_even_if_its_page_cannot_be_read(
    storeless: Opbx, status: str, code: int, arrivals: int, damage: str
) -> None:
    answer = {
        "gzip": http(status, b"no gzip", Content_Encoding="gzip"),
        "huge": http(status, b" " * (17 << 20)),
        "half": http(status, b"{" * 100)[:-50],
        "hang": http(status, b"{" * 100)[:-50] + HANG,
    }[damage]
    environ = {"CLOUDONIX_API_TIMEOUT": "0.4"} if damage == "hang" else {}
    with answering(answer) as server:
        outcome = storeless("trunks", "list", CLOUDONIX_API_BASE_URL=server.url, **environ)
    assert (outcome.code, outcome.stdout) == (code, "")
    assert f"({status[:3]})" in outcome.stderr
    assert len(server.arrivals) == arrivals
