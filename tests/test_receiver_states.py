"""`webhook listen` answers as OPBX does, in each of its two states: every row of what is known."""

from __future__ import annotations

import hashlib
import hmac
import json
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from declared import parsed
from opbx_cli.models import Secret
from opbx_cli.sandbox.server import RunningSandbox
from opbx_cli.webhooks.receiver.opbx import Organization, Played, Signatures, State
from pbx import CDR, SESSION_UPDATE, VOICE
from receiving import BEARER, KEY, UUID, asked, listener, receiving
from support import Opbx

NAME = "d.test"
OTHER_UUID = "6b1f0c2e-0000-4000-8000-000000000002"
SECRET = "the-secret-of-signatures-0123456789"
WRONG = {"Authorization": "Bearer wrong-token-0123"}
SMALL = {"Authorization": f"bearer {KEY}"}
TOKENS = {"none": {}, "wrong": WRONG, "right": BEARER, "small": SMALL}
CALL = {"To": "+15557654321", "From": "+15551234567", "Domain": NAME}
UPDATE = {
    "id": 7,
    "eventId": "0b7e2f4a-0000-4000-8000-000000000007",
    "domainId": 1,
    "callerId": "+15551234567",
    "direction": "incoming",
    "destination": "+15557654321",
    "createdAt": "2026-01-02T03:04:05Z",
    "modifiedAt": "2026-01-02T03:04:05Z",
    "action": "call",
    "status": "ringing",
    "domain": NAME,
    "reason": "ringing",
}
RECORD = {
    "timestamp": 1767323045,
    "from": "+15551234567",
    "to": "+15557654321",
    "disposition": "ANSWER",
    "duration": 7,
    "billsec": 5,
    "call_id": "c1",
    "owner": {"domain": {"uuid": UUID}},
}
BOTH = ("january", "july")


def without(content: Mapping[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in content.items() if name not in names}


# endpoint, states, token, body, status.
ROWS: list[tuple[str, tuple[str, ...], str, object, int]] = [
    # The voice endpoint looks at the token's form, the number, the domain, the token.
    (VOICE, BOTH, "none", CALL, 401),
    (VOICE, BOTH, "none", {}, 401),
    (VOICE, BOTH, "small", CALL, 401),
    (VOICE, BOTH, "wrong", {}, 400),
    (VOICE, BOTH, "right", {}, 400),
    (VOICE, BOTH, "right", b"To=%2B15557654321&Domain=d.test", 400),  # a form says nothing
    (VOICE, BOTH, "right", b"nonsense", 400),
    (VOICE, BOTH, "right", {**CALL, "To": "alice"}, 400),
    (VOICE, BOTH, "right", {**CALL, "To": "0"}, 400),  # nothing, as PHP has it
    (VOICE, BOTH, "right", {**CALL, "To": "sip:1001@d"}, 200),
    (VOICE, BOTH, "right", without(CALL, "Domain"), 404),
    (VOICE, BOTH, "right", {**CALL, "Domain": "other.test"}, 404),
    (VOICE, BOTH, "wrong", {**CALL, "Domain": "other.test"}, 404),
    (VOICE, BOTH, "wrong", CALL, 401),
    (VOICE, BOTH, "right", CALL, 200),
    (VOICE, BOTH, "right", {**CALL, "Domain": UUID}, 200),
    (VOICE, BOTH, "right", {"to": "1001", "domain": NAME}, 200),
    # Session updates: July by the key of the domain that the body names.
    (SESSION_UPDATE, ("july",), "none", {}, 400),
    (SESSION_UPDATE, ("july",), "right", {}, 400),
    (SESSION_UPDATE, ("july",), "right", b"nonsense", 400),
    (SESSION_UPDATE, ("july",), "right", {**UPDATE, "domain": "other.test"}, 401),
    (SESSION_UPDATE, ("july",), "none", UPDATE, 401),
    (SESSION_UPDATE, ("july",), "wrong", UPDATE, 401),
    (SESSION_UPDATE, ("july",), "small", UPDATE, 401),
    (SESSION_UPDATE, ("july",), "right", UPDATE, 200),
    # January by a signature, whatever the token.
    (SESSION_UPDATE, ("january",), "none", UPDATE, 401),
    (SESSION_UPDATE, ("january",), "right", UPDATE, 401),
    # Call records: July by the key; January from anybody who knows the UUID.
    (CDR, ("july",), "none", {}, 400),
    (CDR, ("july",), "right", without(RECORD, "owner"), 400),
    (CDR, ("july",), "right", {**RECORD, "owner": {"domain": {"uuid": "other"}}}, 401),
    (CDR, ("july",), "none", RECORD, 401),
    (CDR, ("july",), "wrong", RECORD, 401),
    (CDR, ("july",), "right", {**without(RECORD, "owner"), "domain": NAME}, 200),
    (CDR, ("january",), "none", {}, 400),
    (CDR, ("january",), "right", without(RECORD, "owner"), 400),
    (CDR, ("january",), "right", {**RECORD, "owner": {"domain": {"name": NAME}}}, 400),
    (CDR, ("january",), "right", {**RECORD, "owner": {"domain": {"uuid": "other"}}}, 404),
    (CDR, ("january",), "none", RECORD, 200),
    (CDR, ("january",), "wrong", RECORD, 200),
    (CDR, BOTH, "right", RECORD, 200),
    (CDR, BOTH, "right", without(RECORD, "timestamp"), 422),
]
# What January makes of a session update whose signature is right.
SIGNED_ROWS: list[tuple[dict[str, object], int]] = [
    (UPDATE, 200),
    (without(UPDATE, "action"), 403),
    (without(UPDATE, "createdAt"), 403),
    ({}, 403),
    ({**UPDATE, "direction": "inbound"}, 403),  # the voice request's word for it
    ({**UPDATE, "status": "completed"}, 204),  # of that nothing is kept
    ({**UPDATE, "domain": "other.test"}, 403),
    ({**UPDATE, "domain": UUID}, 403),  # looked for by its name alone
    # What its table takes no null for.
    ({**UPDATE, "domain": None}, 500),
    (without(UPDATE, "eventId"), 500),
    (without(UPDATE, "domainId"), 500),
    (without(UPDATE, "callerId"), 500),
    ({**UPDATE, "direction": None}, 500),
    ({**UPDATE, "reason": None}, 500),
    ({**UPDATE, "reason": ""}, 500),  # a null, as OPBX's framework has it
]
CASES = [(state, *row[:1], *row[2:]) for row in ROWS for state in row[1]]


def played(state: str, signatures: Signatures | None = None) -> Played:
    signatures = signatures or Signatures(Secret(SECRET))
    return Played(State(state), Organization(UUID, NAME), signatures)


def as_bytes(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


@pytest.mark.parametrize(("state", "path", "token", "body", "status"), CASES)
def test_each_answer_is_the_one_of_opbx(
    state: str, path: str, token: str, body: object, status: int
) -> None:
    with receiving(played=played(state)) as receiver:
        answer = asked(receiver.port, path, as_bytes(body), **TOKENS[token])
    assert answer.status == status, receiver.shown
    (callback,) = receiver.shown
    assert callback.result == ("accepted" if status == 200 else "refused")
    assert (callback.reason is None) == (status == 200)
    if path == VOICE:
        assert answer.headers["content-type"].startswith("application/xml")
        assert b"<Hangup/></Response>" in answer.body
    else:
        assert json.loads(answer.body)


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {
        "X_Cloudonix_Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
    }


@pytest.mark.parametrize(("body", "status"), SIGNED_ROWS)
def test_januarys_opbx_takes_a_session_update_by_its_signature(
    body: dict[str, object], status: int
) -> None:
    content = json.dumps(body).encode()
    with receiving(played=played("january")) as receiver:
        answer = asked(receiver.port, SESSION_UPDATE, content, **signed(content))
        assert asked(receiver.port, SESSION_UPDATE, content, **signed(content, "x")).status == 401
        assert asked(receiver.port, SESSION_UPDATE, content + b" ", **signed(content)).status == 401
    assert answer.status == status, receiver.shown
    assert (answer.body == b"") == (status == 204)


def test_without_its_secret_januarys_opbx_takes_none_and_without_the_check_any() -> None:
    content = json.dumps(UPDATE).encode()
    with receiving(played=played("january", Signatures())) as receiver:
        assert asked(receiver.port, SESSION_UPDATE, content, **signed(content)).status == 500
    unchecked = Signatures(are_checked=False)
    with receiving(played=played("january", unchecked)) as receiver:
        assert asked(receiver.port, SESSION_UPDATE, content).status == 200


@pytest.fixture
def keyed(opbx: Opbx) -> Opbx:
    opbx.environ |= {
        "OPBX_DOMAIN_UUID": UUID,
        "OPBX_DOMAIN_API_KEY": "XI0123456789abcdefghijABCDEFGHIJKL",
        "OPBX_WEBHOOK_API_KEY": KEY,
    }
    return opbx


@pytest.mark.parametrize(
    ("environ", "status", "said"),
    [
        ({"CLOUDONIX_WEBHOOK_SECRET": SECRET}, 200, "takes call records from anybody"),
        ({}, 500, "CLOUDONIX_WEBHOOK_SECRET is not set"),
        ({"CLOUDONIX_VERIFY_SIGNATURE": "false"}, 200, "and session updates too"),
        ({"CLOUDONIX_VERIFY_SIGNATURE": "off"}, 500, "CLOUDONIX_WEBHOOK_SECRET is not set"),
        (
            {"CLOUDONIX_VERIFY_SIGNATURE": "", "CLOUDONIX_WEBHOOK_SECRET": SECRET},
            200,
            "takes call records from anybody",
        ),
    ],
)
def test_the_command_reads_opbxs_own_variables_and_warns_of_what_it_takes_from_anybody(
    keyed: Opbx, environ: dict[str, str], status: int, said: str
) -> None:
    content = json.dumps(UPDATE).encode()
    with listener(keyed, "--as", "january", "--json", **environ) as running:
        port = running.port
        listening = parsed(running.notices[0])
        assert asked(port, SESSION_UPDATE, content, **signed(content)).status == status
        code, stdout, stderr = running.stopped(signal.SIGINT)
    assert (code, listening["as"]) == (0, "january")
    assert any(said in warning for warning in listening["warnings"])
    assert SECRET not in stdout + stderr + "".join(running.notices)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        # January's; in OPBX's own example they stand empty.
        {"CLOUDONIX_WEBHOOK_SECRET": "", "CLOUDONIX_VERIFY_SIGNATURE": "false"},
        {"CLOUDONIX_VERIFY_SIGNATURE": "perhaps"},
    ],
)
def test_july_is_the_default_and_takes_nothing_from_anybody(
    keyed: Opbx, environ: dict[str, str]
) -> None:
    with listener(keyed, "--json", **environ) as running:
        port = running.port
        listening = parsed(running.notices[0])
        for path, body in ((VOICE, CALL), (SESSION_UPDATE, UPDATE), (CDR, RECORD)):
            assert asked(port, path, json.dumps(body).encode()).status == 401
    assert (listening["as"], listening["warnings"]) == ("july", [])


@pytest.mark.parametrize("state", BOTH)
def test_while_the_domains_name_is_not_known_another_uuid_is_refused_all_the_same(
    keyed: Opbx, state: str
) -> None:
    owner = {"owner": {"domain": {"uuid": OTHER_UUID}}}
    with listener(keyed, "--as", state) as running:
        port = running.port
        for path, body, statuses in (
            (VOICE, {**CALL, "Domain": OTHER_UUID}, (404, 404)),
            (VOICE, {**CALL, "Domain": OTHER_UUID.upper()}, (404, 404)),
            (VOICE, {**CALL, "Domain": UUID}, (200, 200)),
            (VOICE, {**CALL, "Domain": "any.test"}, (200, 200)),
            (CDR, {**RECORD, **owner}, (404, 401)),
        ):
            answer = asked(port, path, json.dumps(body).encode(), **BEARER)
            assert answer.status == statuses[BOTH.index(state)], body


def test_another_state_is_a_usage_error(keyed: Opbx) -> None:
    outcome = keyed("webhook", "listen", "--as", "august")
    assert outcome.code == 2
    assert "--as: expected january or july" in outcome.stderr


def test_a_validated_profile_knows_its_domain_by_name(
    configured: Opbx, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    assert configured("validate").code == 0
    key = configured("webhook-key", "reveal", "--yes").stdout.strip()
    bearer = {"Authorization": f"Bearer {key}"}
    with listener(configured) as running:
        port = running.port
        for domain, status in (
            (sandbox.domains[0].name, 200),
            (sandbox.domains[0].uuid, 200),
            ("other.test", 404),
        ):
            body = json.dumps({**CALL, "Domain": domain}).encode()
            assert asked(port, VOICE, body, **bearer).status == status


@pytest.mark.parametrize("state", BOTH)
def test_the_check_of_the_webhook_url_passes_against_it(
    configured: Opbx, sandbox: RunningSandbox, state: str
) -> None:
    assert configured("validate").code == 0
    with listener(configured, "--as", state, CLOUDONIX_WEBHOOK_SECRET=SECRET) as running:
        url = f"http://127.0.0.1:{running.port}"
        assert configured("configure", "--webhook-base-url", url).code == 0
        plain = configured("webhook-url", "--check", "--json")
        assert plain.code == 0, plain.stdout
        assert configured("validate", "--replace-default").code == 0
        proved = configured("webhook-url", "--check", "--with-key", "--json")
        assert proved.code == 0, proved.stdout
