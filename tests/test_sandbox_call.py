"""`opbx sandbox call`: Cloudonix's callbacks for one call, and what OPBX makes of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from opbx_cli.sandbox.server import RunningSandbox
from pbx import CDR, SESSION_UPDATE, VOICE
from receiving import listener
from sandbox_calls import FROM, TO, Receiver, wire
from servers import HANG, answering, http
from support import Opbx, Outcome
from terminal import shown_on_terminal

CALL = ("sandbox", "call")
SECRET = "the-secret-of-signatures-0123456789"


@pytest.fixture
def wired(opbx: Opbx, sandbox: RunningSandbox, receiver: Receiver) -> Opbx:
    """A profile that `validate` put in force, for an OPBX that is the test's receiver."""
    domain = sandbox.domains[0]
    saved = opbx(
        *("configure", "--domain-uuid", domain.uuid, "--api-key-stdin"),
        *("--api-base-url", sandbox.url, "--webhook-base-url", receiver.url),
        stdin=domain.api_key,
    )
    assert saved.code == 0, saved.stderr
    assert opbx("validate").code == 0
    return opbx


def webhook_key(sandbox: RunningSandbox) -> str:
    profile: Any = sandbox.state.domain()["profile"]
    return str(profile["authorization-api-key"])


def rows(outcome: Outcome) -> list[list[str]]:
    return [line.split("\t") for line in outcome.stdout.splitlines()]


def test_a_call_after_validate_is_taken_in_order_with_the_key(
    wired: Opbx, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    outcome = wired(*CALL)
    assert (outcome.code, outcome.stderr) == (0, "")
    paths = [VOICE, *[SESSION_UPDATE] * 4, CDR]
    assert [arrival.path for arrival in receiver.arrivals] == paths
    assert {arrival.token for arrival in receiver.arrivals} == {webhook_key(sandbox)}
    assert receiver.of(VOICE)[0].body["From"] == FROM
    assert receiver.of(VOICE)[0].body["To"] == TO
    shown = rows(outcome)
    assert [row[0] for row in shown] == ["voice", *["session-update"] * 4, "cdr"]
    assert [row[1] for row in shown] == ["", "processing", "ringing", "connected", "answer", ""]
    assert {tuple(row[2:5]) for row in shown} == {("delivered", "200", "1")}
    assert [row[6] for row in shown] == [receiver.url + path for path in paths]


def test_what_is_sent_is_what_opbx_can_store(
    wired: Opbx, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    assert wired(*CALL).code == 0
    updates = [arrival.body for arrival in receiver.of(SESSION_UPDATE)]
    assert all(isinstance(one["reason"], str) and one["reason"] for one in updates)
    (record,) = receiver.of(CDR)
    assert record.body["session"]["domainId"] == updates[0]["domainId"]
    assert isinstance(record.body["timestamp"], int)


@pytest.mark.parametrize(
    ("direction", "session"),
    [
        ("inbound", "incoming"),
        ("subscriber", "outgoing"),
        ("outbound", "outgoing"),
        ("application", "application"),
        ("outbound-api", "application"),
    ],
)
def test_a_call_goes_in_each_direction_that_opbx_routes(
    wired: Opbx, receiver: Receiver, direction: str, session: str
) -> None:
    assert wired(*CALL, "--direction", direction).code == 0
    assert receiver.of(VOICE)[0].body["Direction"] == direction
    assert receiver.of(SESSION_UPDATE)[0].body["direction"] == session


@pytest.mark.parametrize("environ", [{"CLOUDONIX_WEBHOOK_SECRET": SECRET}, {}])
def test_januarys_opbx_takes_a_signed_call_and_its_refusal_of_another_blames_no_key(
    wired: Opbx, sandbox: RunningSandbox, environ: dict[str, str]
) -> None:
    with listener(wired, "--as", "january", **environ) as running:
        url = f"http://127.0.0.1:{running.port}"
        assert wired("configure", "--webhook-base-url", url).code == 0
        assert wired("validate", "--replace-default").code == 0
        refused = wired(*CALL, "--json")
        assert (refused.code, refused.error["code"]) == (1, "call.refused")
        assert "session-update" in refused.error["message"]
        assert "signature" in refused.error["hint"]
        assert "webhook-key" not in refused.error["hint"]
        signed = wired(*CALL, "--sign-with-env", "THE_SECRET", "-v", THE_SECRET=SECRET)
        assert signed.code == (0 if environ else 1), signed.stderr
        assert SECRET not in refused.stderr + signed.stdout + signed.stderr
        wrong = wired(*CALL, "--sign-with-env", "THE_SECRET", "--json", THE_SECRET="another-secret")
        assert wrong.code == 1
        said = "has another CLOUDONIX_WEBHOOK_SECRET" if environ else "no CLOUDONIX_WEBHOOK_SECRET"
        assert said in wrong.error["hint"]
        assert "--sign-with-env" not in wrong.error["hint"]
        assert "webhook-key" not in wrong.error["hint"]


@pytest.mark.parametrize("options", [(), ("--sign-with-env", "THE_SECRET")])
def test_an_update_that_opbx_takes_for_wrong_is_blamed_on_its_domain_and_on_no_key(
    wired: Opbx, receiver: Receiver, options: tuple[str, ...]
) -> None:
    receiver.answer(SESSION_UPDATE, http("403 Forbidden", b'{"error": "Validation failed"}'))
    refused = wired(*CALL, *options, "--json", THE_SECRET=SECRET)
    assert (refused.code, refused.error["http_status"]) == (1, 403)
    assert "no domain of this name" in refused.error["hint"]
    assert "webhook-key" not in refused.error["hint"]
    assert "SIGNATURE" not in refused.error["hint"]


def test_a_secret_for_signing_has_to_be_there(wired: Opbx) -> None:
    missing = wired(*CALL, "--sign-with-env", "NOT_THERE")
    assert (missing.code, missing.stderr) == (
        3,
        "error: --sign-with-env: no such variable is set\n",
    )
    empty = wired(*CALL, "--sign-with-env", "EMPTY", EMPTY="")
    assert empty.code == 3


def test_json_is_one_document(wired: Opbx, sandbox: RunningSandbox, receiver: Receiver) -> None:
    receiver.answer(VOICE, http("200 OK", b"<Response><Dial>1004</Dial></Response>"))
    argv = ("--from", "1004", "--to", "3000", "--direction", "subscriber", "--json")
    outcome = wired(*CALL, *argv)
    assert (outcome.code, outcome.stderr) == (0, "")
    document = outcome.document
    callbacks = document.pop("callbacks")
    (voice,) = receiver.of(VOICE)
    assert document == {
        "schema": "opbx.call/1",
        "profile": "default",
        "domain_uuid": sandbox.domains[0].uuid,
        "call": voice.body["Session"],
        "disposition": "ANSWER",
        "application": voice.body["Application"]["name"],
        "not_followed": ["Dial"],
        "missing": [],
        "result": "ok",
        "warnings": [],
    }
    assert (voice.body["From"], voice.body["To"]) == ("1004", "3000")
    assert voice.body["Direction"] == "subscriber"
    assert len(callbacks) == 6
    assert callbacks[1] == {
        "endpoint": "session-update",
        "event": "processing",
        "url": receiver.url + SESSION_UPDATE,
        "attempts": 1,
        "http_status": 200,
        "result": "delivered",
        "detail": "200 OK",
        "milliseconds": callbacks[1]["milliseconds"],
    }
    assert webhook_key(sandbox) not in outcome.stdout


def test_it_works_without_a_store(
    storeless: Opbx, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    storeless.environ["OPBX_WEBHOOK_BASE_URL"] = receiver.url
    assert storeless("validate").code == 0
    outcome = storeless(*CALL, "--json")
    assert (outcome.code, outcome.document["profile"]) == (0, None)
    assert {arrival.token for arrival in receiver.arrivals} == {
        storeless.environ["OPBX_WEBHOOK_API_KEY"]
    }
    assert not storeless.home.exists()


def test_a_refused_key_is_said_with_the_way_out(
    wired: Opbx, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    receiver.answer(VOICE, http("401 Unauthorized", b"<Response><Hangup/></Response>"))
    outcome = wired(*CALL)
    assert outcome.code == 1
    error, hint = outcome.stderr.splitlines()
    assert error == (
        f"error: the voice callback to {receiver.url}{VOICE} was refused: 401 Unauthorized"
    )
    assert "`opbx validate`" in hint
    assert "`opbx webhook-key reveal`" in hint
    assert rows(outcome)[0][2:5] == ["refused", "401", "1"]
    assert receiver.of(CDR)[0].body["disposition"] == "FAILED"
    outcome = wired(*CALL, "--json")
    assert outcome.document["result"] == "failed"
    assert outcome.error["code"] == "call.refused"
    assert (outcome.error["exit_code"], outcome.error["http_status"]) == (1, 401)


@pytest.mark.parametrize(
    ("path", "answer", "words"),
    [
        (CDR, http("500 No"), "500 Internal Server Error"),
        (SESSION_UPDATE, http("302 No", Location="/"), "not followed"),
        (VOICE, http("200 OK", b"<html></html>"), "HTML where CXML belongs"),
        (VOICE, http("200 OK", b"<!DOCTYPE a [<!ENTITY b 'c'>]>"), "DOCTYPE"),
        (VOICE, http("200 OK", b"x" * 2_000_000), "larger than 1 MiB"),
        (VOICE, b"", "the connection was lost"),
        (CDR, HANG, "no answer in 0.2 s"),
    ],
)
def test_every_other_failure_is_exit_1_and_names_the_url(
    wired: Opbx,
    sandbox: RunningSandbox,
    receiver: Receiver,
    path: str,
    answer: bytes,
    words: str,
) -> None:
    endpoint = {VOICE: "voice", SESSION_UPDATE: "session-update", CDR: "cdr"}[path]
    sandbox.set_variants("callback-timeout=0.2")
    receiver.answer(path, answer)
    outcome = wired(*CALL)
    assert outcome.code == 1
    assert outcome.stderr.startswith(f"error: the {endpoint} callback to {receiver.url}{path} ")
    assert words in outcome.stderr
    assert "hint: " in outcome.stderr
    assert "`opbx webhook-url`" in outcome.stderr
    assert rows(outcome)[-1][0] == "cdr"


def test_what_failed_first_and_then_went_well_is_well(
    wired: Opbx, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    sandbox.set_variants("callback-retry=failed", "callback-retry-wait=0")
    receiver.answer(CDR, http("503 No"), http("204 No Content"))
    outcome = wired(*CALL)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert rows(outcome)[-1][2:5] == ["delivered", "204", "2"]


def test_nothing_listens(wired: Opbx, receiver: Receiver, sandbox: RunningSandbox) -> None:
    sandbox.state.set_profile_keys({"cdr-endpoint": "http://127.0.0.1:1/cdr"})
    outcome = wired(*CALL)
    assert outcome.code == 1
    assert "got no answer: the connection was refused" in outcome.stderr
    assert "hint: start what is to answer there" in outcome.stderr


def test_a_made_up_key_shows_who_checks_it(
    wired: Opbx, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    outcome = wired(*CALL, "--wrong-key")
    assert outcome.code == 1
    assert "was taken with a made-up key" in outcome.stderr
    assert webhook_key(sandbox) not in {arrival.token for arrival in receiver.arrivals}
    for path in (VOICE, SESSION_UPDATE, CDR):
        receiver.answer(path, http("401 No"))
    outcome = wired(*CALL, "--wrong-key")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert wired(*CALL, "--wrong-key", "--json").document["result"] == "ok"
    receiver.answer(CDR, http("500 Oops"))
    outcome = wired(*CALL, "--wrong-key", "--json")
    assert (outcome.code, outcome.error["http_status"]) == (1, 500)


def test_somebody_elses_application_is_called_and_named(
    wired: Opbx, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    wire(sandbox, receiver.url, "GET")
    outcome = wired(*CALL)
    assert outcome.code == 0
    assert outcome.stderr == ("warning: calls go to application 'pbx', which is none of OPBX's\n")
    assert receiver.of(VOICE)[0].method == "GET"


def test_a_domain_that_is_not_set_up(configured: Opbx, sandbox: RunningSandbox) -> None:
    outcome = configured(*CALL)
    assert (outcome.code, outcome.stdout) == (1, "")
    error, hint = outcome.stderr.splitlines()
    assert error == (
        "error: no call was made: calls go to an application of Cloudonix's own; nothing says "
        "where session updates go; nothing says where call records go; "
        "the domain has no webhook key"
    )
    assert hint == "hint: `opbx validate` sets the domain up"
    sandbox.state.set_default_application(None)
    outcome = configured(*CALL, "--json")
    assert outcome.code == 1
    assert outcome.error["code"] == "call.not_set_up"
    assert "no default application" in outcome.error["message"]
    assert outcome.document["missing"][0] == "default-application"
    assert (outcome.document["call"], outcome.document["callbacks"]) == (None, [])


def test_a_callback_that_nothing_is_said_about_is_missed(
    wired: Opbx, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    sandbox.state.remove_profile_keys("cdr-endpoint")
    outcome = wired(*CALL)
    assert outcome.code == 1
    assert "not all set up: nothing says where call records go" in outcome.stderr
    assert receiver.of(CDR) == []
    assert len(rows(outcome)) == 5


@pytest.mark.parametrize(
    "url", ["https://api.cloudonix.io", "https://127.0.0.1.example.com", "https://192.0.2.1"]
)
def test_only_this_computer_has_sandboxes(storeless: Opbx, url: str) -> None:
    outcome = storeless(*CALL, "-v", CLOUDONIX_API_BASE_URL=url)
    assert (outcome.code, outcome.stdout) == (3, "")
    error, hint = outcome.stderr.splitlines()
    assert error.startswith(f"error: {url} is not a sandbox")
    assert "`opbx sandbox`" in hint


def test_a_server_that_is_no_sandbox(storeless: Opbx) -> None:
    for body in (b"", b'{"message": "Not found"}', b"<html>"):
        with answering(http("404 Not Found", body)) as server:
            outcome = storeless(*CALL, CLOUDONIX_API_BASE_URL=server.url)
        assert outcome.code == 3
        assert "the server at 127.0.0.1 is no opbx sandbox (404)" in outcome.stderr
        assert len(server.arrivals) == 1


def test_the_usual_errors_have_the_usual_words(
    storeless: Opbx, sandbox: RunningSandbox, start_sandbox: Callable[..., RunningSandbox]
) -> None:
    wrong = storeless(*CALL, "--json", OPBX_DOMAIN_API_KEY="XI" + "0" * 32)
    assert (wrong.code, wrong.error["code"]) == (4, "auth.rejected")
    unknown = "6b1f0c2e-0000-4000-8000-000000000001"
    absent = storeless(*CALL, "--json", OPBX_DOMAIN_UUID=unknown)
    assert (absent.code, absent.error["code"]) == (5, "domain.not_found")
    assert "OPBX_DOMAIN_UUID" in absent.error["hint"]
    sandbox.set_faults("place-call=503")
    overloaded = storeless(*CALL, "--json")
    assert (overloaded.code, overloaded.error["code"]) == (7, "remote.overloaded")
    sandbox.set_faults("place-call=redirect")
    assert storeless(*CALL, "--json").error["code"] == "remote.redirect"
    sandbox.set_faults("place-call=hang")
    slow = storeless(*CALL, "--json", CLOUDONIX_API_TIMEOUT="0.1")
    assert (slow.code, slow.error["code"]) == (7, "network.timeout")
    sandbox.set_faults("place-call=echo-key")
    assert storeless.environ["OPBX_DOMAIN_API_KEY"] not in storeless(*CALL).stderr
    gone = storeless(*CALL, "--json", CLOUDONIX_API_BASE_URL="http://127.0.0.1:1")
    assert (gone.code, gone.error["code"]) == (7, "network.refused")
    sent = [request for request in sandbox.requests if request.call == "place-call"]
    assert len(sent) == 6


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        b"{}",
        b'{"call": 1, "callbacks": {}}',
        b'{"call": "a", "callbacks": [7]}',
        b'{"call": "a", "callbacks": [{"result": "perhaps"}]}',
        b'{"call": "a", "callbacks": [{"result": []}]}',
    ],
)
def test_a_report_that_makes_no_sense_is_no_result(storeless: Opbx, body: bytes) -> None:
    with answering(http("200 OK", body)) as server:
        outcome = storeless(*CALL, "--json", CLOUDONIX_API_BASE_URL=server.url)
    assert (outcome.code, outcome.stdout) == (6, "")
    assert outcome.error["code"] == "remote.unintelligible"


def test_texts_of_a_report_are_short_clean_and_without_our_keys(storeless: Opbx) -> None:
    keys = [storeless.environ[f"OPBX_{one}_API_KEY"] for one in ("DOMAIN", "WEBHOOK")]
    report = {
        "call": "a\x1b[31m",
        "disposition": keys[0],
        "application": "opbx-routing-application-1",
        "callbacks": [
            {
                "endpoint": "voice",
                "result": "refused",
                "url": f"https://pbx.example.com/{keys[1]}",
                "detail": "x\ny" * 1000,
                "http_status": "500",
            },
            {
                "endpoint": "cdr",
                "result": "refused",
                "url": "https://pbx.example.com/",
                "detail": "z" * 290 + keys[1],
                "http_status": "500",
            },
        ],
        "not_followed": None,
        "missing": [7, "\u202emoon"],
    }
    for output in ([], ["--json"]):
        with answering(http("200 OK", json.dumps(report).encode())) as server:
            outcome = storeless(*CALL, *output, CLOUDONIX_API_BASE_URL=server.url)
        assert outcome.code == 1
        said = outcome.stdout + outcome.stderr
        # Nothing is left of a key either where a text is cut off in its middle.
        assert not [key for key in keys if key[:10] in said], said
        assert "\x1b" not in said
        assert "\u202e" not in said
        assert "yx " * 10 in said
        assert "yx " * 500 not in said


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--from", "alice"], "--from: expected a number"),
        (["--to", "+1 202 555"], "--to: expected a number"),
        (["--to", ""], "--to: expected a number"),
        (["--direction", "sideways"], "--direction: expected one of inbound, subscriber"),
        (["--key", "0123456789"], "no such option"),
        (["now"], "more arguments than it takes"),
    ],
)
def test_bad_options_are_usage_errors(opbx: Opbx, argv: list[str], words: str) -> None:
    outcome = opbx(*CALL, *argv)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert words in outcome.stderr


def test_the_sandbox_still_refuses_what_is_no_command_of_it(opbx: Opbx) -> None:
    outcome = opbx("sandbox", "bogus")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr == (
        "error: opbx sandbox: no such command: one of call, exec\nhint: `opbx sandbox --help`\n"
    )


def test_on_a_terminal_it_is_a_table_and_a_sentence(
    wired: Opbx, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    environ = wired.process_environ(NO_COLOR="1")
    code, shown = shown_on_terminal(*CALL, environ=environ)
    assert code == 0
    assert "✓ voice" in shown
    assert "✓ session-update processing delivered 200 OK" in shown
    assert "The call ended with ANSWER; all 6 callbacks were taken." in shown
    receiver.answer(VOICE, http("200 OK", b"<html></html>"))
    code, shown = shown_on_terminal(*CALL, environ=environ)
    assert code == 1
    assert "✗ voice" in shown
    assert "The call ended with FAILED; 3 of 4 callbacks were taken." in shown
    assert "error: the voice callback to" in shown
    rest = re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", shown.rpartition("\x1b[2K")[2])
    assert max(map(len, rest.splitlines())) <= 80
    sandbox.state.set_default_application(None)
    code, shown = shown_on_terminal(*CALL, environ=environ)
    assert code == 1
    assert "No call was made." in shown
