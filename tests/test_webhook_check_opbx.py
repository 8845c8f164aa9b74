"""`webhook-url --check` against OPBX as it is: in its states of January and of July 2026."""

from __future__ import annotations

import pytest

from opbx_states import January, July
from pbx import CDR, HEALTH, SESSION_UPDATE, VOICE, Pbx, running_pbx
from servers import http
from support import Opbx, Outcome
from webhook_checks import HTTP_CHECKS, KEY, UUID, check, entry, results

pytestmark = pytest.mark.usefixtures("no_proxy_of_this_machine")

OTHER = "a-key-that-opbx-has-0123456789abcd"


def checked(opbx: Opbx, pbx: Pbx, *options: str) -> Outcome:
    with running_pbx(pbx) as server:
        return check(opbx, server.url, *options, "--json")


def warned(done: Outcome) -> set[str]:
    return {name for name, result in results(done).items() if result == "warning"} - {
        "dns",  # this computer
        "cloudonix-key",  # nobody answers there
    }


def failed(done: Outcome) -> set[str]:
    return {name for name, result in results(done).items() if result == "failed"}


@pytest.mark.parametrize("options", [(), ("--with-key",)])
def test_a_healthy_opbx_of_january_passes(ci: Opbx, options: tuple[str, ...]) -> None:
    done = checked(ci, January(KEY, domains=(UUID,)), *options)
    assert (done.code, failed(done)) == (0, set()), done.stdout
    unproved = {"session-update-wrong-token", "cdr-no-token", "cdr-wrong-token"}
    assert warned(done) == unproved | ({"key-session-update"} if options else set())
    assert "asks for a signature" in entry(done, "session-update-wrong-token")["seen"]
    assert "calls work, but" in entry(done, "session-update-wrong-token")["advice"]
    assert "proves nothing" in entry(done, "cdr-no-token")["seen"]
    if options:
        assert entry(done, "key")["seen"].startswith("OPBX knows the key (fp:")


@pytest.mark.parametrize("options", [(), ("--with-key",)])
def test_a_healthy_opbx_of_july_passes(ci: Opbx, options: tuple[str, ...]) -> None:
    pbx = July(KEY, domains=(UUID,))
    done = checked(ci, pbx, *options)
    assert (done.code, failed(done), warned(done)) == (0, set(), set()), done.stdout
    # Only with the key is anything taken, and then one session update of nobody's call.
    assert [one.path for one in pbx.kept] == ([SESSION_UPDATE] if options else [])


@pytest.mark.parametrize("state", [January, July])
def test_no_probe_leaves_a_call_record_behind(ci: Opbx, state: type[January]) -> None:
    pbx = state(KEY, domains=(UUID,))
    checked(ci, pbx, "--with-key")
    for one in pbx.of(CDR):
        assert "uuid" not in one.body.get("owner", {}).get("domain", {})


@pytest.mark.parametrize("state", [January, July])
def test_an_opbx_that_does_not_have_the_domain_is_told_so(ci: Opbx, state: type[January]) -> None:
    done = checked(ci, state(KEY, domains=("other.example.net",)), "--with-key")
    assert (done.code, failed(done)) == (1, {"voice-wrong-token"})
    assert entry(done, "voice-wrong-token")["seen"] == "404: OPBX does not know this domain"
    assert "OPBX's settings" in entry(done, "voice-wrong-token")["advice"]
    assert entry(done, "key")["result"] == "skipped"


@pytest.mark.parametrize("state", [January, July])
def test_an_opbx_with_another_key_fails(ci: Opbx, state: type[January]) -> None:
    done = checked(ci, state(OTHER, domains=(UUID,)), "--with-key")
    assert (done.code, failed(done)) == (1, {"key"})
    assert "it has another one" in entry(done, "key")["seen"]


def test_session_updates_from_anybody_fail(ci: Opbx) -> None:
    done = checked(ci, January(KEY, domains=(UUID,), verifies_signatures=False))
    names = {"session-update-no-token", "session-update-wrong-token"}
    assert (done.code, failed(done)) == (1, names)
    assert "accepted from anybody" in entry(done, "session-update-no-token")["seen"]


def test_an_organisation_of_july_without_a_key_takes_callbacks_from_anybody(ci: Opbx) -> None:
    done = checked(ci, July(KEY, domains=(UUID,), has_key=False))
    assert done.code == 1
    assert failed(done) == {
        f"{endpoint}-{token}-token"
        for endpoint in ("session-update", "cdr")
        for token in ("no", "wrong")
    }


def test_an_opbx_of_january_without_its_secret_is_told_so(ci: Opbx) -> None:
    done = checked(ci, January(KEY, domains=(UUID,), signature_secret=None), "--with-key")
    assert (done.code, failed(done)) == (0, set())
    assert "CLOUDONIX_WEBHOOK_SECRET" in entry(done, "session-update-no-token")["seen"]


def test_without_a_domain_the_answer_is_no_failure(opbx: Opbx) -> None:
    with running_pbx(January(KEY, domains=(UUID,))) as server:
        done = opbx("webhook-url", "--check", "--json", APP_URL=server.url)
    assert done.code == 0
    assert entry(done, "voice-wrong-token")["result"] == "warning"
    assert "no domain is configured here" in entry(done, "voice-wrong-token")["seen"]


@pytest.mark.parametrize(
    "answer",
    [
        http("200 OK", b"<Response>parked</Response>"),
        http("200 OK", b'{"status": "ok"}'),
        http("404 Not Found", b"<html>not found</html>"),
        http("404 Not Found", b'{"error": "no such domain"}'),
        http("400 Bad Request", b'{"error": "bad domain"}'),
        http("422 Unprocessable", b'{"errors": {}}'),
    ],
    ids=["200-cxml", "200-json", "404-html", "404-json", "400-json", "422-json"],
)
def test_a_server_that_answers_alike_to_everything_fails_and_never_sees_the_key(
    ci: Opbx, answer: bytes
) -> None:
    pbx = January(KEY, instead=dict.fromkeys((HEALTH, VOICE, SESSION_UPDATE, CDR), answer))
    done = checked(ci, pbx, "--with-key")
    assert done.code == 1
    assert {"voice-no-token", "voice-wrong-token"} <= failed(done)
    assert entry(done, "key")["result"] == "skipped"
    assert not any(KEY in repr(one) for one in pbx.arrivals)
    assert set(HTTP_CHECKS) <= set(results(done))


def test_the_domain_is_called_by_its_name_once_that_is_known(configured: Opbx) -> None:
    pbx = July(KEY, domains=("sandbox.cloudonix.net",))
    assert configured("validate").code == 0
    pbx.key = configured("webhook-key", "reveal", "--yes").stdout.strip()
    with running_pbx(pbx) as server:
        argv = ("configure", "--webhook-base-url", server.url)
        assert configured(*argv).code == 0
        done = configured("webhook-url", "--check", "--with-key", "--json")
    assert (done.code, failed(done)) == (0, set()), done.stdout
    assert {one.body["Domain"] for one in pbx.of(VOICE)} == {"sandbox.cloudonix.net"}
    assert pbx.of(CDR)[0].body["owner"] == {"domain": {"name": "sandbox.cloudonix.net"}}
