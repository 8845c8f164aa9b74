"""The sandbox's OPBX as Cloudonix meets it: what each endpoint refuses, and what it takes."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from opbx_cli.sandbox import OPBX_CREDENTIALS
from pbx import CDR, HEALTH, SESSION_UPDATE, VOICE
from receiving import KEY, UUID
from test_receiver_states import CASES, SIGNED_ROWS, TOKENS, as_bytes
from test_receiver_states import NAME as OTHER_NAME

if TYPE_CHECKING:
    from opbx_cli.sandbox.server import RunningSandbox
    from sandbox.conftest import Launch

STATES = pytest.mark.parametrize("state", ["january", "july"])
NAME = "sandbox.cloudonix.net"
SAVED = {"domain_uuid": UUID, "domain_name": OTHER_NAME, "domain_requests_api_key": KEY}
UPDATE = {
    "id": 1,
    "eventId": "0b7e2f4a-0000-4000-8000-000000000001",
    "domainId": 1,
    "callerId": "+12025550143",
    "destination": "+12025550100",
    "createdAt": "2026-01-15T10:00:00.000Z",
    "modifiedAt": "2026-01-15T10:00:00.000Z",
    "action": "call",
    "status": "ringing",
    "direction": "incoming",
    "domain": NAME,
    "reason": "ringing",
}
RECORD = {
    "timestamp": 1_768_471_200,
    "from": "+12025550143",
    "to": "+12025550100",
    "disposition": "ANSWER",
    "duration": 7,
    "billsec": 5,
    "call_id": "abc@sandbox",
}


class Caller:
    """Sends callbacks to one OPBX."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.sandbox = sandbox

    @property
    def uuid(self) -> str:
        return self.sandbox.domains[0].uuid

    @property
    def key(self) -> str:
        stored: Any = self.sandbox.state.domain()
        return str(stored["profile"]["authorization-api-key"])

    def post(self, path: str, body: object, authorization: str = "", **headers: str) -> Any:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if authorization:
            sent["Authorization"] = authorization
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = self.sandbox.url + path
        return httpx.post(url, content=content, headers=sent, timeout=10, trust_env=False)

    def status(self, path: str, body: object, token: str | None = None) -> int:
        authorization = "" if token is None else f"Bearer {token}"
        return int(self.post(path, body, authorization).status_code)


def start(launch: Launch, *variants: str) -> Caller:
    return Caller(launch(*variants, opbx=True))


@pytest.mark.parametrize(("state", "path", "token", "body", "status"), CASES)
def test_it_answers_as_webhook_listen_does(
    launch: Launch, state: str, path: str, token: str, body: object, status: int
) -> None:
    caller = start(launch, f"opbx={state}")
    caller.sandbox.opbx.settings.values = dict(SAVED)
    authorization = TOKENS[token].get("Authorization", "")
    assert caller.post(path, as_bytes(body), authorization).status_code == status


@pytest.mark.parametrize(("body", "status"), SIGNED_ROWS)
def test_it_takes_session_updates_as_webhook_listen_does(
    launch: Launch, body: dict[str, object], status: int
) -> None:
    caller = start(launch, "opbx=january", "opbx-signature=off")
    caller.sandbox.opbx.settings.values = dict(SAVED)
    assert caller.status(SESSION_UPDATE, body) == status


@STATES
def test_health_is_for_anybody(launch: Launch, state: str) -> None:
    caller = start(launch, f"opbx={state}")
    answer = httpx.get(caller.sandbox.url + HEALTH, trust_env=False)
    assert (answer.status_code, answer.json()["status"]) == (200, "healthy")


@STATES
def test_a_call_is_judged_in_opbxs_order(launch: Launch, state: str) -> None:
    caller = start(launch, f"opbx={state}")
    whole = {"to": "+12025550100", "Domain": NAME}
    assert caller.status(VOICE, whole) == 401
    assert caller.post(VOICE, whole, f"bearer {caller.key}").status_code == 401
    assert caller.status(VOICE, {}) == 401  # before it looks at the body
    assert caller.status(VOICE, {"Domain": NAME}, caller.key) == 400
    assert caller.status(VOICE, {"To": "nobody", "Domain": NAME}, caller.key) == 400
    assert caller.status(VOICE, b"to=1&Domain=sandbox", caller.key) == 400
    assert caller.status(VOICE, {"to": "1"}, caller.key) == 404
    assert caller.status(VOICE, {"to": "1", "Domain": "another"}, caller.key) == 404
    assert caller.status(VOICE, whole, "another-key") == 401
    taken = caller.post(VOICE, whole, f"Bearer {caller.key}")
    assert (taken.status_code, taken.headers["content-type"]) == (200, "application/xml")
    assert "<Hangup/>" in taken.text
    assert caller.status(VOICE, {"To": "1", "domain": caller.uuid}, caller.key) == 200


def test_a_call_without_a_key_in_opbx_is_a_fault_of_its_configuration(launch: Launch) -> None:
    caller = start(launch)
    key = caller.key
    values = caller.sandbox.opbx.settings.values
    assert values is not None
    values["domain_requests_api_key"] = None
    assert caller.status(VOICE, {"to": "1", "Domain": NAME}, key) == 500
    # July takes the others from anybody then.
    assert caller.status(SESSION_UPDATE, UPDATE) == 200
    assert caller.status(CDR, RECORD | {"domain": NAME}) == 200


def test_january_wants_session_updates_signed(launch: Launch) -> None:
    caller = start(launch, "opbx=january")
    missing = caller.post(SESSION_UPDATE, UPDATE, f"Bearer {caller.key}")
    assert (missing.status_code, missing.json()) == (401, {"error": "Missing signature"})
    content = json.dumps(UPDATE).encode()
    secret = OPBX_CREDENTIALS.signature_secret.encode()
    signature = hmac.new(secret, content, hashlib.sha256).hexdigest()
    header = {"X_Cloudonix_Signature": signature}
    assert caller.post(SESSION_UPDATE, content, **header).status_code == 200
    assert caller.post(SESSION_UPDATE, content + b" ", **header).status_code == 401


def test_january_without_a_secret_or_without_the_check(launch: Launch) -> None:
    caller = start(launch, "opbx=january", "opbx-signature=unset")
    unset = caller.post(SESSION_UPDATE, UPDATE)
    assert (unset.status_code, unset.json()) == (500, {"error": "Webhook configuration error"})
    caller.sandbox.set_variants("opbx-signature=off")
    assert caller.status(SESSION_UPDATE, UPDATE) == 200  # from anybody


def test_january_takes_a_record_of_a_domain_it_knows_from_anybody(launch: Launch) -> None:
    caller = start(launch, "opbx=january")
    owner = {"owner": {"domain": {"uuid": caller.uuid}}}
    assert caller.status(CDR, {}, caller.key) == 400
    assert caller.status(CDR, RECORD | {"domain": NAME}, caller.key) == 400
    assert caller.status(CDR, RECORD | {"owner": {"domain": {"uuid": "another"}}}) == 404
    assert caller.status(CDR, RECORD | owner) == 200
    late = caller.post(CDR, RECORD | owner | {"timestamp": None})
    assert (late.status_code, list(late.json()["errors"])) == (422, ["timestamp"])


@pytest.mark.parametrize("path", [SESSION_UPDATE, CDR])
def test_july_checks_the_key_of_the_domain_that_is_named(launch: Launch, path: str) -> None:
    caller = start(launch)
    body = {**RECORD, **UPDATE}
    nameless = body | {"domain": None}
    assert caller.status(path, nameless, caller.key) == 400
    assert caller.status(path, body | {"domain": "another"}, caller.key) == 401
    assert caller.status(path, body) == 401
    assert caller.status(path, body, "another-key") == 401
    assert caller.status(path, body, caller.key) == 200
    assert caller.status(path, body | {"domain": caller.uuid}, caller.key) == 200


def test_july_finds_the_domain_of_a_record_by_its_owner(launch: Launch) -> None:
    caller = start(launch)
    for owner in ({"uuid": caller.uuid}, {"name": NAME}):
        assert caller.status(CDR, RECORD | {"owner": {"domain": owner}}, caller.key) == 200


def test_faults_reach_the_callbacks(launch: Launch) -> None:
    caller = start(launch)
    caller.sandbox.set_faults("opbx-voice=503*1", "opbx-cdr=404*1")
    assert caller.status(VOICE, {"to": "1", "Domain": NAME}, caller.key) == 503
    assert caller.status(CDR, RECORD | {"domain": NAME}, caller.key) == 404
    assert caller.status(CDR, RECORD | {"domain": NAME}, caller.key) == 200


def test_a_key_that_no_header_can_have_is_compared_all_the_same(launch: Launch) -> None:
    caller = start(launch)
    values = caller.sandbox.opbx.settings.values
    assert values is not None
    values["domain_requests_api_key"] = "\ud800-a-key-of-nobody"
    assert caller.status(VOICE, {"to": "1", "Domain": NAME}, "another") == 401
