"""A receiver for tests: the real command as a process, or a server with limits of a test's own."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn

from opbx_cli.errors import OpbxError
from opbx_cli.models import Secret
from opbx_cli.webhooks.receiver.callback import Callback
from opbx_cli.webhooks.receiver.connection import Limits
from opbx_cli.webhooks.receiver.keys import AcceptedKey
from opbx_cli.webhooks.receiver.opbx import Organization, Played, State
from opbx_cli.webhooks.receiver.reception import Reception
from opbx_cli.webhooks.receiver.server import Server, listening
from support import MEASURED, Opbx

KEY = "webhook-key-of-a-test-0123456789"
BEARER = {"Authorization": f"Bearer {KEY}"}
UUID = "6b1f0c2e-0000-4000-8000-000000000001"
DEADLINE = 30.0  # seconds; only a test that fails ever waits for it
NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


@dataclass(frozen=True)
class Response:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        content = json.loads(self.body)
        assert isinstance(content, dict)
        return content


class Client:
    """A raw connection: sends any bytes, and reads answers one by one."""

    def __init__(self, port: int, *, buffer: int | None = None) -> None:
        """`buffer` is how many bytes of answers the system keeps until they are read."""
        self.socket = socket.socket()
        self.socket.settimeout(DEADLINE)
        if buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.connect(("127.0.0.1", port))
        self._received = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_for_ever(self, data: bytes) -> NoReturn:
        """Send again and again; TimeoutError or ConnectionError once that is no longer taken."""
        while True:
            self.send(data)

    def response(self, *, is_head: bool = False) -> Response:
        while b"\r\n\r\n" not in self._received:
            self._receive()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        length = 0 if is_head else int(headers.get("content-length", "0"))
        while len(self._received) < length:
            self._receive()
        body, self._received = self._received[:length], self._received[length:]
        return Response(int(first.split()[1]), headers, body)

    def rest(self) -> bytes:
        """Return all until the server closes; a reset is an end too."""
        with contextlib.suppress(ConnectionError):
            while piece := self.socket.recv(65536):
                self._received += piece
        return self._received

    def close(self) -> None:
        self.socket.close()

    def _receive(self) -> None:
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionError(f"the server closed behind {self._received!r}")
        self._received += piece


@contextlib.contextmanager
def connected(port: int, *, buffer: int | None = None) -> Iterator[Client]:
    client = Client(port, buffer=buffer)
    try:
        yield client
    finally:
        client.close()


def request(path: str, body: bytes = b"", /, *, method: str = "POST", **headers: str) -> bytes:
    """Return a request in full; `_` in the name of a header is written `-`."""
    lines = [f"{method} {path} HTTP/1.1", "Host: test", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def asked(
    port: int, path: str, body: bytes = b"", /, *, method: str = "POST", **headers: str
) -> Response:
    with connected(port) as client:
        client.send(request(path, body, method=method, **headers))
        return client.response(is_head=method == "HEAD")


def as_json(content: object) -> bytes:
    return json.dumps(content).encode()


def record(uuid: str = UUID) -> bytes:
    """Return the body of a call record that OPBX takes."""
    fields = {"from": "+15551234567", "to": "+15557654321", "disposition": "ANSWER"}
    numbers = {"timestamp": 1767323045, "duration": 7, "billsec": 5}
    owner = {"domain": {"uuid": uuid, "name": "d.test"}}
    return as_json({**fields, **numbers, "call_id": "c1", "owner": owner})


RECORD = record()


def padded(length: int) -> bytes:
    """Return the same with blanks behind it, so many bytes in all."""
    return RECORD + b" " * (length - len(RECORD))


@dataclass
class Receiver:
    """A server in a thread, and what it showed."""

    port: int
    server: Server
    shown: list[Callback] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    keys: list[AcceptedKey] = field(default_factory=list)
    failures: list[OpbxError] = field(default_factory=list)


@contextlib.contextmanager
def receiving(limits: Limits | None = None, **options: Any) -> Iterator[Receiver]:
    keys = [AcceptedKey(Secret(KEY), "current")]
    shown: list[Callback] = []
    warnings: list[str] = []
    played = Played(State.JULY, Organization(UUID))
    options = {"show": shown.append, "played": played, "clock": lambda: NOW, **options}
    reception = Reception(lambda: tuple(keys), **options)
    server = Server(reception, limits, warn=warnings.append)
    started = threading.Event()
    with listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        receiver = Receiver(port, server, shown, warnings, keys)

        def run() -> None:
            try:
                server.run(listener, ready=started.set)
            except OpbxError as error:
                receiver.failures.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        started.wait(DEADLINE)
        try:
            yield receiver
        finally:
            server.stop()
            thread.join(DEADLINE)
            assert not thread.is_alive()


class Listener:
    """`opbx webhook listen` as a process, with the port that it chose."""

    def __init__(self, opbx: Opbx, *argv: str, shell: str = "", **variables: str) -> None:
        """`shell` is what a shell does before it becomes the command: `ulimit`, `trap`."""
        before = ["sh", "-c", f'{shell}; exec "$@"', "sh"] if shell else []
        self.process = subprocess.Popen(
            [*before, sys.executable, "-m", "opbx_cli", "webhook", "listen", "--port", "0", *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=opbx.process_environ(**{**MEASURED, **variables}),
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.stdout, self.stderr = self.process.stdout, self.process.stderr
        self.notices: list[str] = []

    @property
    def port(self) -> int:
        while True:
            line = self.stderr.readline()
            assert line, (self.notices, self.process.wait(DEADLINE))
            self.notices.append(line)
            if "http://127.0.0.1:" in line:
                return int(line.partition("http://127.0.0.1:")[2].split('"')[0].split()[0])

    def stopped(self, number: int) -> tuple[int, str, str]:
        """Send a signal; return the exit code, and what was not read of stdout and stderr."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> tuple[int, str, str]:
        # `communicate` would pass over what a stream has read ahead.
        stdout, stderr = self.stdout.read(), self.stderr.read()
        return self.process.wait(DEADLINE), stdout, stderr


@contextlib.contextmanager
def listener(opbx: Opbx, *argv: str, shell: str = "", **variables: str) -> Iterator[Listener]:
    started = Listener(opbx, *argv, shell=shell, **variables)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.kill()
        started.process.communicate()
