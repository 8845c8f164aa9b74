"""HTTP with one client: requests that are too large, too slow or no HTTP never get further.

A request is answered in the same turn of the event loop that completes it: there is no task
that could be lost or pile up, and what a client may make us keep is its own body.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass
from email.utils import formatdate
from enum import Enum
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol, cast

import h11

from opbx_cli.errors import OpbxError
from opbx_cli.webhooks.receiver.answers import failed
from opbx_cli.webhooks.receiver.callback import Answer, Request
from opbx_cli.webhooks.receiver.clients import client_of

if TYPE_CHECKING:
    from opbx_cli.webhooks.receiver.reception import Reception

HEAD_MAX = 16 * 1024  # bytes, as h11 has it
UNREAD_MAX = 64 * 1024  # bytes of answers that the system keeps; by itself it keeps megabytes
LINGER = 2.0  # seconds that a refused client has to notice; longer than a slow network needs
# A timer that comes this late was not waited for by the client but by us: the output was stuck.
LATE = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client, and all of them, may take. Times are seconds, sizes bytes."""

    head: float = 5.0  # until request line and headers are complete
    request: float = 10.0  # until a request is complete
    idle: float = 75.0  # between two requests, as nginx has it
    grace: float = 2.0  # for what is under way when the receiver stops
    body_max: int = 1024 * 1024
    bodies_max: int = 32 * 1024 * 1024  # of all clients together
    connections: int = 256  # one more, and one makes way (see `clients`)


class Server(Protocol):
    """What a connection asks of the server that it belongs to."""

    reception: Reception
    limits: Limits
    turned_away: int  # clients that said nothing that could be shown
    is_stopping: bool

    def admit(self, connection: Connection) -> None: ...
    def dismiss(self, connection: Connection) -> None: ...
    def note(self, connection: Connection, *, is_busy: bool) -> None: ...
    def reserve(self, connection: Connection, size: int) -> bool: ...
    def release(self, size: int) -> None: ...
    def fail(self, error: OpbxError) -> None: ...


class Phase(Enum):
    """What the connection waits for; the time it may take hangs on that."""

    FIRST = "the first request"
    IDLE = "another request"
    HEAD = "the rest of a request line and headers"
    BODY = "the rest of a body"
    READER = "a client that reads its answers"
    END = "the client to close"


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._limits = server.limits
        self._http = h11.Connection(h11.SERVER)
        self._request: Request | None = None  # as far as it is known: head first
        self._body = bytearray()
        self._phase = Phase.FIRST
        self._since = 0.0  # when the time of the phase, or of the one before, began to run
        self.client = ""  # whoever shares it shares the places and the room, too
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        # asyncio sets it only for sockets that were made with the protocol number of TCP.
        connection = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD_MAX)
        # Without a name where it has left already, on some systems.
        self.client = client_of((self._transport.get_extra_info("peername") or [""])[0])
        self._wait(Phase.FIRST)
        self._server.admit(self)

    def data_received(self, data: bytes) -> None:
        if self._phase is Phase.END:
            return
        if self._phase in (Phase.FIRST, Phase.IDLE):
            self._wait(Phase.HEAD, goes_on=self._phase is Phase.FIRST)
        self._http.receive_data(data)
        self._handle_events()

    def eof_received(self) -> bool:
        if self._phase is not Phase.END:
            self._http.receive_data(b"")
            self._handle_events()
        return False  # the transport closes once all answers are written

    def connection_lost(self, _error: Exception | None) -> None:
        self._drop_timer()
        self._forget_body()
        self._server.dismiss(self)

    def pause_writing(self) -> None:
        """Read no more from a client that does not read: pipelined answers would pile up."""
        self._transport.pause_reading()
        if self._phase is not Phase.END:
            self._wait(Phase.READER)

    def resume_writing(self) -> None:
        self._transport.resume_reading()
        if self._phase is Phase.READER:
            self._wait(Phase.IDLE if self._request is None else Phase.BODY)
            self._handle_events()

    def finish(self) -> None:
        """Close, at once between two requests, else behind the answer that is under way."""
        if self._phase in (Phase.FIRST, Phase.IDLE):
            self._transport.close()

    @property
    def held(self) -> int:
        """Bytes of a body that is not complete."""
        return len(self._body)

    def make_way(self) -> None:
        """Close at once: another client needs the place, or the room."""
        try:
            if self._phase in (Phase.HEAD, Phase.BODY):
                self._refuse(503, "no room")
            elif self._phase is Phase.FIRST:
                self._server.turned_away += 1
        finally:
            if self._transport.get_write_buffer_size():  # it does not read its answers
                self._transport.abort()
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def _handle_events(self) -> None:
        """Take what h11 makes of the bytes, until it wants more of them."""
        while self._phase in (Phase.HEAD, Phase.BODY, Phase.IDLE):
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                self._refuse(error.error_status_hint, "bad HTTP")
                return
            if isinstance(event, h11.Request):
                self._begin(event)
            elif isinstance(event, h11.Data):
                self._take(event.data)
            elif isinstance(event, h11.EndOfMessage):
                self._end()
            elif isinstance(event, h11.ConnectionClosed):
                self._transport.close()
                return
            else:  # NEED_DATA; PAUSED does not come, because no request waits for its answer
                if self._request is not None and self._phase is not Phase.BODY:
                    self._wait(Phase.BODY, goes_on=True)
                return

    def _begin(self, event: h11.Request) -> None:
        if self._phase is Phase.IDLE:  # pipelined: its time starts now
            self._wait(Phase.HEAD)
        method, target = event.method.decode("ascii"), event.target.decode("ascii")
        headers = tuple((name, value) for name, value in event.headers)
        self._request = Request(method, _path(target), headers)
        length = self._request.header(b"content-length")
        if not event.http_version.startswith(b"1."):
            self._refuse(505, "bad HTTP")
        elif _has_two_ends(event):
            self._refuse(400, "two lengths")
        elif len(target) + sum(len(name) + len(value) for name, value in headers) > HEAD_MAX:
            # h11 bounds a head that is not complete; one that came in one piece is.
            self._refuse(431, "too large")
        elif length and (len(length[0]) > 15 or int(length[0]) > self._limits.body_max):
            self._refuse(413, "too large")
        elif self._http.they_are_waiting_for_100_continue:
            self._write(h11.InformationalResponse(status_code=100, headers=[]))

    def _take(self, data: bytes) -> None:
        if len(self._body) + len(data) > self._limits.body_max:
            self._refuse(413, "too large")
        elif not self._server.reserve(self, len(data)):
            self._refuse(503, "no room")
        else:
            self._body += data

    def _end(self) -> None:
        assert self._request is not None
        head = self._request
        request = Request(head.method, head.path, head.headers, bytes(self._body))
        self._forget_body()
        self._request = None
        try:
            answer = self._server.reception.take(request)
        except OpbxError as error:
            self._fail(error, request)
            return
        is_last = self._server.is_stopping
        self._send(answer, request, close=is_last)
        if is_last or self._http.our_state is h11.MUST_CLOSE:
            self._linger()
        elif self._http.our_state is h11.DONE:
            self._http.start_next_cycle()
            if self._phase is not Phase.READER:
                self._wait(Phase.IDLE)

    def _refuse(self, status: int, reason: str) -> None:
        """Answer a request before its end, and take no more from this client."""
        request, self._request = self._request, None
        self._forget_body()
        if request is None:
            self._turn_away(status)
            return
        try:
            answer = self._server.reception.refuse(request, status, reason)
        except OpbxError as error:
            self._fail(error, request)
        else:
            self._close_behind(answer, request)

    def _fail(self, error: OpbxError, request: Request) -> None:
        """End the receiver: nobody could be told of this callback."""
        self._server.fail(error)
        self._close_behind(failed(503), request)

    def _turn_away(self, status: int) -> None:
        """Answer what is no request that could be shown."""
        self._server.turned_away += 1
        self._close_behind(failed(status), None)

    def _close_behind(self, answer: Answer, request: Request | None) -> None:
        is_open = self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE)
        if is_open:
            self._send(answer, request, close=True)
        self._linger()

    def _linger(self) -> None:
        """Say no more, and wait for the client to close.

        Closed at once, with bytes of the client unread, the connection is reset, and the
        client may never see its answer.
        """
        self._wait(Phase.END)
        if not self._transport.is_closing():
            with contextlib.suppress(OSError):  # gone already: the transport will notice
                self._transport.write_eof()

    def _send(self, answer: Answer, request: Request | None, *, close: bool) -> None:
        headers = [
            ("Date", formatdate(usegmt=True)),
            ("Content-Type", answer.content_type),
            ("Content-Length", str(len(answer.body))),
        ]
        if answer.allow is not None:
            headers.append(("Allow", answer.allow))
        if answer.status == 401:
            headers.append(("WWW-Authenticate", "Bearer"))
        if close:
            headers.append(("Connection", "close"))
        body = b"" if request is not None and request.method == "HEAD" else answer.body
        self._write(
            h11.Response(
                status_code=answer.status,
                headers=headers,
                reason=HTTPStatus(answer.status).phrase.encode(),
            ),
            h11.Data(data=body),
            h11.EndOfMessage(),
        )

    def _write(self, *events: h11.Event) -> None:
        """Write in one piece, so that no half waits for an acknowledgement."""
        data = b"".join(self._http.send(event) or b"" for event in events)
        self._transport.write(data)

    def _wait(self, phase: Phase, *, goes_on: bool = False) -> None:
        """Enter a phase, and give it its time: from now, or from when the one before began."""
        self._phase = phase
        self._server.note(self, is_busy=phase not in (Phase.IDLE, Phase.END))
        self._drop_timer()
        loop = asyncio.get_running_loop()
        if not goes_on:
            self._since = loop.time()
        due = self._since + self._seconds(phase)
        self._timer = loop.call_at(due, self._expire, due)

    def _seconds(self, phase: Phase) -> float:
        limits = self._limits
        if phase in (Phase.FIRST, Phase.HEAD):
            return min(limits.head, limits.request)
        if phase is Phase.IDLE:
            return limits.idle
        return min(LINGER, limits.request) if phase is Phase.END else limits.request

    def _expire(self, due: float) -> None:
        """Cut a client that took too long, unless it was us who did."""
        if asyncio.get_running_loop().time() - due > LATE:
            self._wait(self._phase)
        elif self._phase in (Phase.HEAD, Phase.BODY):
            self._refuse(408, "too slow")
        elif self._phase in (Phase.FIRST, Phase.IDLE):
            self._transport.close()
        else:
            self._transport.abort()

    def _drop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _forget_body(self) -> None:
        self._server.release(len(self._body))
        self._body.clear()


def _has_two_ends(event: h11.Request) -> bool:
    """Whether a proxy could see another end of this request than we do (RFC 9112, 6.1).

    What one takes for its body would be the next request for the other.
    """
    names = {name for name, _value in event.headers}
    if b"transfer-encoding" not in names:
        return False
    return b"content-length" in names or event.http_version < b"1.1"


def _path(target: str) -> str:
    """Return the path of a request's target, which may be a whole URL (RFC 9112, 3.2.2)."""
    target = target.partition("?")[0]
    if target.startswith(("http://", "https://")):
        _origin, slash, path = target.partition("://")[2].partition("/")
        return slash + path
    return target
