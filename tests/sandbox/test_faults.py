from __future__ import annotations

import gzip
import json
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from opbx_cli.sandbox import Call, Fault, FaultKind, credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    from opbx_cli.sandbox.server import RunningSandbox

DOMAIN = credentials(1)[0].uuid
BODY = {"name": "mine", "type": "cxml", "url": "https://pbx.example/voice", "method": "POST"}
CALLS = {
    "get-domain": ("GET", DOMAIN),
    "update-domain": ("PATCH", DOMAIN),
    "list-applications": ("GET", f"{DOMAIN}/applications"),
    "create-application": ("POST", f"{DOMAIN}/applications"),
    "update-application": ("PUT", f"{DOMAIN}/applications/mine"),
    "list-trunks": ("GET", f"{DOMAIN}/trunks"),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_fault_hits_its_call_and_no_other(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client], call: str
) -> None:
    client = connect(launch(faults=[f"{call}=502"]))
    for name, (method, path) in CALLS.items():
        answer = client.request(method, path, json=BODY | {"active": True})
        assert (answer.status_code == 502) is (name == call)


def test_any_hits_every_call_and_unknown_paths_too(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client]
) -> None:
    client = connect(launch(faults=["any=504"]))
    paths = [*CALLS.values(), ("GET", f"{DOMAIN}/nothing")]
    assert {client.request(*path, json=BODY).status_code for path in paths} == {504}


def test_faults_happen_in_their_order_and_as_often_as_said(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client]
) -> None:
    sandbox = launch(faults=["get-domain=500*2", "get-domain=409*0", "any=403*1"])
    client = connect(sandbox)
    assert [client.get(DOMAIN).status_code for _ in range(4)] == [500, 500, 403, 200]
    sandbox.set_faults("get-domain=422", Fault(Call.LIST_TRUNKS, FaultKind.EMPTY))
    assert [client.get(DOMAIN).status_code for _ in range(2)] == [422, 422]
    assert client.get(f"{DOMAIN}/trunks").status_code == 204
    sandbox.set_faults()
    assert client.get(DOMAIN).status_code == 200


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429])
def test_a_refusal_is_json_with_a_message(
    client: httpx.Client, sandbox: RunningSandbox, status: int
) -> None:
    sandbox.set_faults(f"any={status}")
    answer = client.get(DOMAIN)
    assert answer.status_code == status
    assert answer.json()["status"] is False
    assert isinstance(answer.json()["message"], str)
    assert "Retry-After" not in answer.headers


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_server_error_is_html(client: httpx.Client, sandbox: RunningSandbox, status: int) -> None:
    sandbox.set_faults(f"any={status}")
    answer = client.get(DOMAIN)
    assert answer.status_code == status
    assert "<h1>" in answer.text


def test_503_has_no_body(client: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.set_faults("any=503")
    answer = client.get(DOMAIN)
    assert (answer.status_code, answer.content) == (503, b"")


@pytest.mark.parametrize("value", ["2", "Wed, 21 Oct 2026 07:28:00 GMT", "soon: *", "-1"])
def test_429_can_say_when_to_come_back(
    client: httpx.Client, sandbox: RunningSandbox, value: str
) -> None:
    sandbox.set_faults(f"get-domain=429:{value}*1")
    answer = client.get(DOMAIN)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, value)
    assert client.get(DOMAIN).status_code == 200


def test_a_fault_that_answers_does_not_apply_the_write(
    client: httpx.Client, sandbox: RunningSandbox
) -> None:
    sandbox.set_faults("create-application=500*1")
    assert client.post(f"{DOMAIN}/applications", json=BODY).status_code == 500
    assert sandbox.state.applications() == []


def test_html_with_200(client: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.set_faults("any=html")
    answer = client.get(DOMAIN)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")


def test_an_empty_answer(client: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.set_faults("any=empty")
    answer = client.get(DOMAIN)
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("kind", ["truncated", "nested"])
def test_json_that_cannot_be_parsed(
    client: httpx.Client, sandbox: RunningSandbox, kind: str
) -> None:
    sandbox.set_faults(f"any={kind}")
    answer = client.get(DOMAIN)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    with pytest.raises((ValueError, RecursionError)):
        answer.json()


def test_a_list_where_an_object_belongs_and_the_other_way_round(
    client: httpx.Client, sandbox: RunningSandbox
) -> None:
    sandbox.set_faults("any=array")
    assert isinstance(client.get(DOMAIN).json(), list)
    assert isinstance(client.get(f"{DOMAIN}/trunks").json(), dict)
    assert isinstance(client.get(f"{DOMAIN}/applications").json(), dict)


def test_a_huge_answer_is_valid_json(client: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.set_faults("any=huge")
    answer = client.get(DOMAIN)
    assert len(answer.content) > 20 * 1024 * 1024
    assert answer.content.startswith(b'{"padding":"xx')
    assert answer.content.endswith(b'x"}')


def test_a_gzip_bomb_is_small_on_the_wire(client: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.set_faults("any=gzip-bomb")
    with client.stream("GET", DOMAIN) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(raw) < 200_000
    assert len(gzip.decompress(raw)) > 16 * 1024 * 1024


def test_a_redirect_leads_to_another_host(client: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.set_faults("any=redirect")
    answer = client.get(DOMAIN)
    assert answer.status_code == 302
    assert httpx.URL(answer.headers["Location"]).host != "127.0.0.1"


def test_a_hanging_request_ends_when_the_client_goes_away(
    client: httpx.Client, sandbox: RunningSandbox
) -> None:
    sandbox.set_faults("any=hang")
    with pytest.raises(httpx.ReadTimeout):
        client.put(DOMAIN, json={"active": False}, timeout=0.1)
    hanging = sandbox.requests[-1]
    assert hanging.status is None
    deadline = time.monotonic() + 5
    while sandbox.requests[-1].ended is None and time.monotonic() < deadline:
        time.sleep(0.001)
    assert sandbox.requests[-1].ended is not None
    assert sandbox.state.domain()["active"] is True


def test_a_slow_body_trickles_until_the_client_goes_away(
    client: httpx.Client, sandbox: RunningSandbox
) -> None:
    sandbox.set_faults("any=slow-body")
    with client.stream("GET", DOMAIN) as answer:
        chunks = answer.iter_raw()
        received = [next(chunks) for _ in range(3)]
    assert answer.status_code == 200
    assert received == [b" "] * 3


@pytest.mark.parametrize(("kind", "is_applied"), [("close-before", False), ("close-after", True)])
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_closed_connection_gives_no_answer_before_or_after_the_write(
    client: httpx.Client, sandbox: RunningSandbox, kind: str, is_applied: bool, method: str
) -> None:
    sandbox.set_faults(f"update-domain={kind}*1")
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        client.request(method, DOMAIN, json={"active": False})
    assert sandbox.requests[-1].status is None
    assert (sandbox.state.domain()["active"] is False) is is_applied
    assert client.get(DOMAIN).status_code == 200
    assert len({request.client_port for request in sandbox.requests}) == 2


def test_the_key_can_be_echoed(client: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.set_faults("any=echo-key")
    answer = client.get(DOMAIN, headers={"Authorization": "Bearer XIanything"})
    assert answer.status_code == 400
    assert "XIanything" in answer.json()["message"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "get-domain",
        "nobody=500",
        "unknown=500",
        "any=",
        "any=200",
        "any=429:",
        "any=500:1",
        "any=html*x",
        "any=429:RETRY-AFTER\n",
        "any=429: 1",
        "any=status",
        "any=429:é",
        "any=html:1",
    ],
)
def test_a_fault_that_cannot_be_read_says_what_is_valid(text: str) -> None:
    with pytest.raises(ValueError, match=r"list-trunks|gzip-bomb"):
        Fault.parse(text)


@pytest.mark.parametrize("kind", [kind for kind in Fault.kinds() if kind != "429:RETRY-AFTER"])
def test_every_kind_that_is_offered_can_be_read(kind: str) -> None:
    fault = Fault.parse(f"any={kind}*3")
    assert fault.count == 3
    assert kind in (fault.kind, str(fault.status))


def test_every_kind_answers_in_some_way(client: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.set_options(rate_limit=False)
    silent = {
        *(FaultKind.HANG, FaultKind.HANG_AFTER, FaultKind.SLOW_BODY),
        *(FaultKind.CLOSE_BEFORE, FaultKind.CLOSE_AFTER),
    }
    for kind in FaultKind:
        if kind not in silent:
            sandbox.set_faults(Fault(Call.ANY, kind, status=404))
            with client.stream("GET", DOMAIN) as answer:
                assert answer.status_code in (200, 204, 302, 400, 404)


def test_the_truncated_answer_is_the_start_of_json(
    client: httpx.Client, sandbox: RunningSandbox
) -> None:
    sandbox.set_faults("any=truncated")
    assert json.loads(client.get(DOMAIN).text + '"}')["id"] == 1001


def test_a_fault_may_let_the_first_calls_pass(
    client: httpx.Client, sandbox: RunningSandbox
) -> None:
    sandbox.set_options(rate_limit=False)
    sandbox.set_faults("get-domain=422*1@3")
    assert [client.get(DOMAIN).status_code for _ in range(4)] == [200, 200, 422, 200]


@pytest.mark.parametrize("text", ["any=422@0", "any=422@", "any=422@x", "any=422@1*2"])
def test_a_first_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="KIND"):
        Fault.parse(text)


def test_a_truncated_answer_may_follow_a_write_that_happened(
    client: httpx.Client, sandbox: RunningSandbox
) -> None:
    sandbox.set_faults("update-domain=truncated-after")
    client.put(DOMAIN, json={"profile": {"call-timeout": 33}})
    profile = sandbox.state.domain()["profile"]
    assert isinstance(profile, dict)
    assert profile["call-timeout"] == 33
