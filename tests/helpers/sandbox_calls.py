"""Calls of the sandbox, to a receiver that records what arrives and answers what a test says.

It shares nothing with the code: what it expects of Cloudonix stands in the tests.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from opbx_cli.sandbox.server import RunningSandbox
from pbx import CDR, SESSION_UPDATE, VOICE, Arrival, parsed
from servers import HANG, Served, http, listening, read_request

KEY = "webhook-key-of-this-domain-0123456789"
FROM, TO = "+12025550143", "+12025550100"
HANGUP = http("200 OK", b"<Response><Hangup/></Response>", Content_Type="text/xml")
TAKEN = http("200 OK", b"{}", Content_Type="application/json")


@dataclass
class Receiver:
    """Answers each path with the next of its answers; the last one stays."""

    url: str
    arrivals: list[Arrival] = field(default_factory=list)
    answers: dict[str, list[bytes]] = field(default_factory=dict)

    def answer(self, path: str, *answers: bytes) -> None:
        self.answers[path] = list(answers)

    def of(self, path: str) -> list[Arrival]:
        return [arrival for arrival in self.arrivals if arrival.path == path]

    def next_answer(self, path: str) -> bytes:
        answers = self.answers.get(path, [HANGUP if path == VOICE else TAKEN])
        return answers.pop(0) if len(answers) > 1 else answers[0]


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver("")

    def handle(_served: Served, connection: socket.socket) -> None:
        connection.settimeout(30)
        request = read_request(connection)
        if not request:
            return
        arrival = parsed(request)
        receiver.arrivals.append(arrival)
        answer = receiver.next_answer(arrival.path)
        connection.sendall(answer.removesuffix(HANG))
        if answer.endswith(HANG):
            connection.recv(1)

    with listening(handle) as served:
        receiver.url = served.url
        yield receiver


def wire(sandbox: RunningSandbox, url: str, method: str = "POST", query: str = "") -> None:
    application = sandbox.state.add_application("pbx", url=url + VOICE + query, method=method)
    sandbox.state.set_default_application(str(application["name"]))
    sandbox.state.set_profile_keys(
        {
            "session-update-endpoint": url + SESSION_UPDATE,
            "cdr-endpoint": url + CDR,
            "authorization-api-key": KEY,
        }
    )


def post(
    sandbox: RunningSandbox, body: object = None, *, api_key: str = "", uuid: str = ""
) -> httpx.Response:
    domain = sandbox.domains[0]
    return httpx.post(
        f"{sandbox.url}/sandbox/domains/{uuid or domain.uuid}/calls",
        json={"from": FROM, "to": TO} if body is None else body,
        headers={"Authorization": f"Bearer {api_key or domain.api_key}"},
        timeout=30,
        trust_env=False,
        verify=False,
    )


def call(sandbox: RunningSandbox, **fields: object) -> dict[str, Any]:
    answer = post(sandbox, {"from": FROM, "to": TO, **fields})
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert isinstance(report, dict)
    return report
