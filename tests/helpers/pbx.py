"""An OPBX as far as callbacks go: the other side of the checks, sharing nothing with them."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from servers import HANG, Served, http, listening, read_request

VOICE = "/api/voice/route"
SESSION_UPDATE = "/api/webhooks/cloudonix/session-update"
CDR = "/api/webhooks/cloudonix/cdr"
HEALTH = "/api/voice/health"
CXML = {"Content_Type": "application/xml"}
JSON = {"Content_Type": "application/json"}


@dataclass(frozen=True)
class Arrival:
    """One request; header names are in lower case."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")


@dataclass
class Pbx:
    """Answers as OPBX does; `instead` has other answers, by path."""

    key: str
    instead: dict[str, bytes] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)

    def answer(self, arrival: Arrival) -> bytes:
        self.arrivals.append(arrival)
        if arrival.path in self.instead:
            return self.instead[arrival.path]
        if arrival.path == HEALTH:
            return http("200 OK", b'{"status": "ok"}', **JSON)
        accepted = arrival.token == self.key
        if arrival.path == VOICE:
            return _voice(arrival, accepted=accepted)
        if arrival.path in (SESSION_UPDATE, CDR):
            if accepted:
                return http("200 OK", b'{"status": "success"}', **JSON)
            return http("401 Unauthorized", b'{"error": "Unauthorized"}', **JSON)
        return http("404 Not Found", b"<html>nothing here</html>")

    def of(self, path: str) -> list[Arrival]:
        return [arrival for arrival in self.arrivals if arrival.path == path]


def _voice(arrival: Arrival, *, accepted: bool) -> bytes:
    if "to" not in arrival.body:
        return http("400 Bad Request", b'{"error": "to is missing"}', **JSON)
    if accepted:
        return http("200 OK", b"<Response><Hangup/></Response>", **CXML)
    body = b"<Response><Say>Unauthorized</Say><Hangup/></Response>"
    return http("401 Unauthorized", body, **CXML)


def parsed(request: bytes) -> Arrival:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _version = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    address = urlsplit(target)
    content = json.loads(body) if body else None
    return Arrival(method, address.path, parse_qs(address.query), headers, content)


@contextlib.contextmanager
def running_pbx(pbx: Pbx, *, context: ssl.SSLContext | None = None) -> Iterator[Served]:
    """Serve it on loopback, over TLS where a context is given."""

    def handle(served: Served, connection: socket.socket) -> None:
        connection.settimeout(30)
        stream = context.wrap_socket(connection, server_side=True) if context else connection
        with stream:
            request = read_request(stream)
            if not request:
                return
            served.arrivals.append(request)
            answer = pbx.answer(parsed(request))
            stream.sendall(answer.removesuffix(HANG))
            if answer.endswith(HANG):
                stream.recv(1)

    with listening(handle) as served:
        yield served
