"""An OPBX as far as callbacks go: the other side of the checks, sharing nothing with them."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from servers import HANG, Served, http, listening, read_request

VOICE = "/api/voice/route"
SESSION_UPDATE = "/api/webhooks/cloudonix/session-update"
CDR = "/api/webhooks/cloudonix/cdr"
HEALTH = "/api/voice/health"
CXML = {"Content_Type": "application/xml"}
JSON = {"Content_Type": "application/json"}


@dataclass(frozen=True)
class Callback:
    """A request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def token(self) -> str | None:
        return self.headers.get("authorization")

    @property
    def content(self) -> dict[str, object]:
        content = json.loads(self.body)
        assert isinstance(content, dict)
        return content


@dataclass
class Pbx:
    """Answers as OPBX does; `instead` has other answers, by path."""

    key: str
    instead: dict[str, bytes] = field(default_factory=dict)
    callbacks: list[Callback] = field(default_factory=list)

    def answer(self, callback: Callback) -> bytes:
        self.callbacks.append(callback)
        if callback.path in self.instead:
            return self.instead[callback.path]
        if callback.path == HEALTH:
            return http("200 OK", b'{"status": "ok"}', **JSON)
        accepted = callback.token == f"Bearer {self.key}"
        if callback.path == VOICE:
            return _voice(callback, accepted=accepted)
        if callback.path in (SESSION_UPDATE, CDR):
            if accepted:
                return http("200 OK", b'{"status": "success"}', **JSON)
            return http("401 Unauthorized", b'{"error": "Unauthorized"}', **JSON)
        return http("404 Not Found", b"<html>nothing here</html>")

    def callbacks_to(self, path: str) -> list[Callback]:
        return [callback for callback in self.callbacks if callback.path == path]


def _voice(callback: Callback, *, accepted: bool) -> bytes:
    if "to" not in callback.content:
        return http("400 Bad Request", b'{"error": "to is missing"}', **JSON)
    if accepted:
        return http("200 OK", b"<Response><Hangup/></Response>", **CXML)
    body = b"<Response><Say>Unauthorized</Say><Hangup/></Response>"
    return http("401 Unauthorized", body, **CXML)


def parsed(request: bytes) -> Callback:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _version = first.split(" ")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return Callback(method, path, headers, body)


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
