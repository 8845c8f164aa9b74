"""Each request that the commands make is one that Cloudonix's sources know.

On a real domain too, with OPBX_LIVE_DOMAIN_UUID and OPBX_LIVE_API_KEY set: it is only read,
unless OPBX_LIVE_WRITE=1 lets `validate` bring it in line with OPBX_LIVE_WEBHOOK_BASE_URL.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from contract_check import CONTRACT, Sent, objections
from opbx_cli.cloudonix import Access, Client
from opbx_cli.models import Secret
from opbx_cli.operations.interruptions import NoInterruptions
from opbx_cli.operations.validate.apply import Circumstances, Convergence
from opbx_cli.operations.validate.desired import Choices, Desired
from opbx_cli.operations.validate.inspection import inspect
from opbx_cli.operations.validate.plan import plan
from opbx_cli.operations.validate.steps import Status
from opbx_cli.sandbox.server import RunningSandbox
from opbx_cli.webhooks.endpoints import endpoints
from support import WEBHOOK_BASE_URL, Opbx

StartSandbox = Callable[..., RunningSandbox]
LIVE = ("OPBX_LIVE_DOMAIN_UUID", "OPBX_LIVE_API_KEY")
live = pytest.mark.skipif(
    not all(map(os.environ.get, LIVE)), reason=f"{' and '.join(LIVE)} name a real domain"
)


def sent_to(sandbox: RunningSandbox) -> list[Sent]:
    return [
        Sent(request.method, request.path, request.headers, request.body)
        for request in sandbox.requests
    ]


def check(requests: list[Sent]) -> None:
    assert requests
    for request in requests:
        assert objections(request) == [], f"{request.method} {request.path}"


@pytest.mark.parametrize(
    "variants",
    [
        [],
        ["default-application=patch"],
        ["application-path=id"],
        ["ids=string", "numbers=string"],
        ["nulls=on", "profile=replace"],
        ["write-answer=empty"],
        ["application-body=strict"],
    ],
    ids=" ".join,
)
def test_every_command_sends_only_what_the_sources_know(
    start_sandbox: StartSandbox, opbx: Opbx, variants: list[str]
) -> None:
    sandbox = start_sandbox(variants=variants)
    domain = sandbox.domains[0]
    address = ("--api-base-url", sandbox.url, "--webhook-base-url", WEBHOOK_BASE_URL)
    argv = ("configure", "--domain-uuid", domain.uuid, "--api-key-stdin", *address)
    assert opbx(*argv, stdin=domain.api_key).code == 0
    for command in (
        ["validate", "--check"],
        ["validate"],
        ["validate"],
        ["trunks", "list"],
        ["trunks", "show", "carrier-main"],
        ["status"],
        ["webhook-key", "rotate"],
    ):
        assert opbx(*command).code in (0, 8)
    number: Any = sandbox.state.applications()[0]["id"]
    sandbox.state.edit_application(number, url="https://x.example", active=False)
    assert opbx("validate").code == 0
    check(sent_to(sandbox))
    seen = {request.method for request in sandbox.requests}
    assert seen >= {"GET", "POST", "PUT"}


def request(method: str, path: str = "", body: object = None, **headers: str) -> Sent:
    usual = {
        "authorization": "Bearer XI0123456789",
        "accept": "application/json",
        "user-agent": "opbx-cli/1",
        "host": "localhost",
        **({} if body is None else {"content-type": "application/json", "content-length": "9"}),
    }
    return Sent(method, f"/customers/self/domains/0-0{path}", {**usual, **headers}, body)


CREATE = {"name": "n", "type": "cxml", "url": "https://x", "method": "POST"}


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (request("DELETE"), "no source knows"),
        (request("GET", "/applications/a/b"), "no source knows"),
        (request("GET", "?a=b"), "no source knows"),
        (request("GET", body={"a": 1}), "a body where none belongs"),
        (request("POST", "/applications", {**CREATE, "type": "twiml"}), "type is no cxml"),
        (request("POST", "/applications", {**CREATE, "x": 1}), "x is not documented"),
        (request("POST", "/applications", {"name": "n"}), "type is missing"),
        (request("PUT", body={"domain": "renamed"}), "domain is not documented"),
        (request("PUT", body={"profile": {"call-timeout": 500}}), "out of OPBX's limits"),
        (request("PUT", body={"profile": {"cdr-endpoint": 1}}), "cdr-endpoint is no url"),
        (request("PATCH", body={"profile": {}}), "is not documented"),
        (request("PATCH", body={"defaultApplication": None}), "defaultApplication is no id"),
        (request("GET", cookie="a=b"), "header cookie is not expected"),
        (request("GET", authorization="Basic x"), "authorization has an unexpected value"),
    ],
)
def test_the_witness_objects_to_what_no_source_knows(sent: Sent, said: str) -> None:
    assert any(said in objection for objection in objections(sent))


def test_each_line_of_the_contract_names_its_source() -> None:
    entries = [*CONTRACT["call"], *CONTRACT["headers"].values(), *CONTRACT["profile"].values()]
    assert all(entry["source"] for entry in entries)


class Recording(httpx.BaseTransport):
    """Passes requests on to the real transport, and keeps what they were."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self.inner = inner
        self.sent: list[Sent] = []

    def handle_request(self, outgoing: httpx.Request) -> httpx.Response:
        body = json.loads(outgoing.content) if outgoing.content else None
        headers = {name.lower(): value for name, value in outgoing.headers.items()}
        self.sent.append(Sent(outgoing.method, outgoing.url.path, headers, body))
        return self.inner.handle_request(outgoing)

    def close(self) -> None:
        self.inner.close()


def recorded(base_url: str, uuid: str, key: str) -> tuple[Client, Recording]:
    client = Client(Access(base_url, uuid, Secret(key), timeout=30))
    recording = Recording(client._http._transport)
    client._http._transport = recording
    return client, recording


def converge(client: Client, uuid: str, webhook_base_url: str) -> list[Status]:
    snapshot = inspect(client).snapshot
    assert snapshot is not None
    desired = Desired(domain_uuid=uuid, endpoints=endpoints(webhook_base_url))
    circumstances = Circumstances(Choices(), profile=None, interruptions=NoInterruptions())
    run = Convergence(client, desired, snapshot, plan(desired, snapshot), circumstances)
    return [step.status for step in run.steps()]


def test_the_recording_sees_what_the_sandbox_sees(sandbox: RunningSandbox) -> None:
    domain = sandbox.domains[0]
    client, recording = recorded(sandbox.url, domain.uuid, domain.api_key)
    assert Status.FAILED not in converge(client, domain.uuid, WEBHOOK_BASE_URL)
    client.close()
    check(recording.sent)
    assert len(recording.sent) == len(sandbox.requests)


@pytest.mark.live
@live
def test_a_real_domain_answers_what_we_understand() -> None:
    uuid, key = (os.environ[name] for name in LIVE)
    base_url = os.environ.get("OPBX_LIVE_API_BASE_URL", "https://api.cloudonix.io")
    client, recording = recorded(base_url, uuid, key)
    try:
        assert inspect(client).snapshot is not None
        client.list_trunks()
        if os.environ.get("OPBX_LIVE_WRITE") == "1":
            webhook_base_url = os.environ["OPBX_LIVE_WEBHOOK_BASE_URL"]
            assert Status.FAILED not in converge(client, uuid, webhook_base_url)
            assert Status.CREATED not in converge(client, uuid, webhook_base_url)
    finally:
        client.close()
    check(recording.sent)
