"""What the sandbox sends for a call, in which order, and what it makes of the answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx
import pytest

from pbx import CDR, SESSION_UPDATE, VOICE
from sandbox_calls import FROM, KEY, TO, Receiver, call, post, wire
from servers import HANG, http

if TYPE_CHECKING:
    from collections.abc import Callable

    from opbx_cli.sandbox.server import RunningSandbox

VOICE_FIELDS = {
    "ApplicationSid",
    "ApiVersion",
    "CallStatus",
    "From",
    "CallSid",
    "To",
    "SessionData",
    "Domain",
    "Direction",
    "Application",
    "AccountSid",
    "Session",
}


def test_voice_then_each_state_then_the_record(wired: RunningSandbox, receiver: Receiver) -> None:
    report = call(wired)
    assert [arrival.path for arrival in receiver.arrivals] == [VOICE, *[SESSION_UPDATE] * 4, CDR]
    states = [arrival.body["status"] for arrival in receiver.of(SESSION_UPDATE)]
    assert states == ["processing", "ringing", "connected", "answer"]
    assert {arrival.method for arrival in receiver.arrivals} == {"POST"}
    assert {arrival.token for arrival in receiver.arrivals} == {KEY}
    assert {arrival.headers["content-type"] for arrival in receiver.arrivals} == {
        "application/json"
    }
    assert all("Cloudonix" in arrival.headers["user-agent"] for arrival in receiver.arrivals)
    assert report["disposition"] == "ANSWER"
    assert (report["missing"], report["not_followed"]) == ([], [])
    assert [one["result"] for one in report["callbacks"]] == ["delivered"] * 6
    assert [one["event"] for one in report["callbacks"]] == [None, *states, None]
    assert len(wired.callbacks) == 6
    assert wired.callbacks[0].callback.endpoint == "voice"


def test_the_voice_request_has_what_was_seen_of_cloudonix(
    wired: RunningSandbox, receiver: Receiver
) -> None:
    report = call(wired, direction="subscriber")
    (voice,) = receiver.of(VOICE)
    body = voice.body
    name = wired.domains[0].name
    assert body.keys() == VOICE_FIELDS
    assert (body["From"], body["To"], body["Direction"]) == (FROM, TO, "subscriber")
    assert body["CallSid"] == body["Session"] == body["SessionData"]["token"] == report["call"]
    assert body["AccountSid"] == body["Domain"] == name
    assert body["Application"]["name"] == "pbx"
    assert voice.headers["x-cx-domain"] == name
    assert voice.headers["x-cx-session"] == report["call"]
    assert voice.headers["x-cx-source"] == "SUBSCRIBER"
    assert voice.headers["x-cx-apikey"].startswith("XI")
    assert len(voice.headers["x-cx-apikey"]) == 34
    assert wired.domains[0].api_key not in str(voice)


def test_session_updates_and_the_record_have_what_opbx_demands(
    wired: RunningSandbox, receiver: Receiver
) -> None:
    report = call(wired)
    domain = wired.domains[0]
    updates = [arrival.body for arrival in receiver.of(SESSION_UPDATE)]
    for update in updates:
        assert isinstance(update["id"], int)
        assert (update["callerId"], update["destination"]) == (FROM, TO)
        assert (update["domain"], update["token"]) == (domain.name, report["call"])
        assert update["direction"] == "incoming"
        assert update["createdAt"] <= update["modifiedAt"]
        assert update["action"]
    assert len({update["eventId"] for update in updates}) == 4
    assert [update["callAnswerTime"] is None for update in updates] == [True, True, False, False]
    assert [update["callEndTime"] is None for update in updates] == [True, True, True, False]
    assert abs(updates[0]["callStartTime"] / 1000 - time.time()) < 60
    record = receiver.of(CDR)[0].body
    assert record["session"]["token"] == report["call"]
    assert (record["from"], record["to"], record["disposition"]) == (FROM, TO, "ANSWER")
    assert record["owner"]["domain"] == {"uuid": domain.uuid, "name": domain.name}
    assert record["call_id"]
    for name in ("duration", "billsec", "timestamp"):
        assert isinstance(record[name], int)


@pytest.mark.parametrize(
    ("cxml", "states", "disposition", "not_followed"),
    [
        ("<Hangup/>", ["answer"], "ANSWER", []),
        ("", ["answer"], "ANSWER", []),
        ("<Dial><Number>1004</Number></Dial>", ["answer"], "ANSWER", ["Dial"]),
        ("<Say>a</Say><Say>b</Say><Dial/>", ["answer"], "ANSWER", ["Say", "Dial"]),
        ("<Say>a</Say><Hangup/><Dial/>", ["answer"], "ANSWER", ["Say"]),
        ("<Foreign/>", ["answer"], "ANSWER", ["an unknown verb"]),
        ("<Reject/>", ["processing", "busy"], "BUSY", []),
        ('<Reject reason="busy"/>', ["processing", "busy"], "BUSY", []),
        ('<Reject reason="nonsense"/>', ["processing", "busy"], "BUSY", []),
        ('<Reject reason="congestion"/>', ["processing", "congestion"], "CONGESTION", []),
        ('<Reject reason="failed"/>', ["processing", "error"], "FAILED", []),
    ],
)
def test_the_answer_decides_how_the_call_ends(
    wired: RunningSandbox,
    receiver: Receiver,
    cxml: str,
    states: list[str],
    disposition: str,
    not_followed: list[str],
) -> None:
    content = f'<?xml version="1.0" encoding="UTF-8"?>\n<Response>{cxml}</Response>'
    receiver.answer(VOICE, http("200 OK", content.encode()))
    report = call(wired)
    assert report["disposition"] == receiver.of(CDR)[0].body["disposition"] == disposition
    seen = [arrival.body["status"] for arrival in receiver.of(SESSION_UPDATE)]
    assert seen[-len(states) :] == states
    assert len(seen) == (4 if disposition == "ANSWER" else 2)
    assert report["not_followed"] == not_followed
    assert {one["result"] for one in report["callbacks"]} == {"delivered"}


def test_an_application_with_get_has_the_fields_in_its_query(
    sandbox: RunningSandbox, receiver: Receiver
) -> None:
    wire(sandbox, receiver.url, "GET", "?tenant=7&To=x")
    report = call(sandbox)
    (voice,) = receiver.of(VOICE)
    assert (voice.method, voice.body, voice.token) == ("GET", None, KEY)
    assert voice.query["From"] == [FROM]
    assert voice.query["To"] == [TO]
    assert voice.query["tenant"] == ["7"]
    assert voice.query["Session"] == [report["call"]]
    assert "SessionData" not in voice.query
    assert report["callbacks"][0]["url"] == receiver.url + VOICE
    assert report["disposition"] == "ANSWER"


def test_a_made_up_key_is_not_the_domains(wired: RunningSandbox, receiver: Receiver) -> None:
    call(wired, wrong_key=True)
    tokens = {arrival.token for arrival in receiver.arrivals}
    assert len(tokens) == 1
    assert KEY not in tokens
    assert len(tokens.pop()) >= 32


def test_callbacks_that_are_not_set_up_are_named_and_left_out(
    wired: RunningSandbox, receiver: Receiver
) -> None:
    wired.state.remove_profile_keys("session-update-endpoint", "authorization-api-key")
    wired.state.set_profile_keys({"cdr-endpoint": ""})
    report = call(wired)
    assert report["missing"] == [
        "session-update-endpoint",
        "cdr-endpoint",
        "authorization-api-key",
    ]
    assert [arrival.path for arrival in receiver.arrivals] == [VOICE]
    assert "authorization" not in receiver.arrivals[0].headers


@pytest.mark.parametrize(
    ("why", "missing"),
    [
        ("none", "default-application"),
        ("own", "own-default-application"),
        ("off", "active-application"),
        ("inactive", "active-domain"),
    ],
)
def test_without_an_application_there_is_no_call(
    wired: RunningSandbox, receiver: Receiver, why: str, missing: str
) -> None:
    if why == "off":
        wired.state.edit_application("pbx", active=False)
    elif why == "inactive":
        wired.state.set_active(active=False)
    else:
        wired.state.set_default_application(1 if why == "own" else None)
    report = call(wired)
    assert (report["missing"], report["callbacks"], report["call"]) == ([missing], [], None)
    assert receiver.arrivals == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"from": FROM},
        {"from": FROM, "to": 7},
        {"from": FROM, "to": "1" * 16},
        {"from": FROM, "to": "+1 202"},
        {"from": "XI" + "0" * 32, "to": TO},
        {"from": FROM, "to": TO, "direction": "sideways"},
        {"from": FROM, "to": TO, "direction": []},
    ],
)
def test_a_bad_order_is_refused(wired: RunningSandbox, receiver: Receiver, body: object) -> None:
    answer = post(wired, body)
    assert answer.status_code == 400
    assert answer.json()["status"] is False
    assert receiver.arrivals == []


def test_the_key_of_the_domain_is_needed(launch: Callable[..., RunningSandbox]) -> None:
    sandbox = launch(domains=2)
    assert post(sandbox, api_key="XI" + "0" * 32).status_code == 401
    assert post(sandbox, api_key=sandbox.domains[1].api_key).status_code == 403
    unknown = "6b1f0c2e-0000-4000-8000-000000000001"
    assert post(sandbox, uuid=unknown).status_code == 410
    assert post(sandbox, uuid=sandbox.domains[0].uuid.upper()).status_code == 200


def test_neither_the_rate_limit_nor_a_fault_on_any_call_is_about_it(
    wired: RunningSandbox,
) -> None:
    wired.set_faults("any=500")
    assert {post(wired).status_code for _ in range(12)} == {200}
    wired.set_faults("place-call=503")
    assert post(wired).status_code == 503


def test_a_call_does_not_keep_other_requests_waiting(
    wired: RunningSandbox, receiver: Receiver, client: httpx.Client
) -> None:
    wired.set_variants("callback-timeout=30")
    receiver.answer(VOICE, HANG)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{wired.url}/sandbox/domains/{wired.domains[0].uuid}/calls",
            json={"from": FROM, "to": TO},
            headers=client.headers,
            timeout=0.1,
            trust_env=False,
            verify=False,
        )
    assert client.get(wired.domains[0].uuid).status_code == 200
