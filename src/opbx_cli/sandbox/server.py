"""Serving the sandbox: in the foreground for people, in a background thread for tests.

The HTTP server is its own, over h11, because faults need what no ASGI server gives: to cut a
connection. And each would be more than it saves: uvicorn brings click, next to which httpx loads a
command line of its own whenever it is imported (`trunks list` took 147 ms instead of 121);
hypercorn brings five packages for HTTP/2 and WebSockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import threading
from dataclasses import replace
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import h11

from opbx_cli.sandbox.answers import JSON_TYPE, Answer, NoAnswer
from opbx_cli.sandbox.faults import Fault
from opbx_cli.sandbox.incoming import Request
from opbx_cli.sandbox.options import HOST, Options
from opbx_cli.sandbox.routes import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opbx_cli.sandbox.logs import RecordedRequest, SentCallback
    from opbx_cli.sandbox.opbx.instance import Opbx
    from opbx_cli.sandbox.options import DomainCredentials
    from opbx_cli.sandbox.state import State

BACKLOG: Final = 2048
IDLE: Final = 75.0  # seconds between two requests, as nginx has it
REQUEST: Final = 10.0  # seconds until a request is complete
BODY_MAX: Final = 1024 * 1024  # bytes; a head is bounded by h11
LINGER: Final = 2.0  # seconds that a refused client has to notice
READ: Final = 64 * 1024  # bytes at a time
SLOW: Final = 0.05  # seconds between the bytes of a slow body
TURNS: Final = 8  # of the event loop until a connection that was accepted is known, and cut off

BAD_HTTP: Final = b"Invalid HTTP request received."


def serve(
    options: Options, *, announce: Callable[[str, tuple[DomainCredentials, ...]], None]
) -> None:
    """Serve until SIGINT or SIGTERM; raise OSError when the port cannot be had.

    `announce` is called with the URL and the domains as soon as requests are accepted.
    """
    with _listening(options.port) as listener:
        url = _url(listener)
        sandbox = Sandbox(options, url)
        _Server(sandbox).run(listener, ready=lambda: announce(url, sandbox.state.credentials))


class RunningSandbox:
    """A sandbox that runs in a background thread, and the ways to look into it and to change it."""

    def __init__(self, url: str, sandbox: Sandbox) -> None:
        self.url = url
        self._sandbox = sandbox

    @property
    def domains(self) -> tuple[DomainCredentials, ...]:
        """What a client needs to reach each domain."""
        return self._sandbox.state.credentials

    @property
    def state(self) -> State:
        """The domains, to be looked at and changed as somebody in the Cockpit would."""
        return self._sandbox.state

    @property
    def opbx(self) -> Opbx:
        """OPBX, with its settings and tokens, to be looked at and changed as its page would."""
        return self._sandbox.opbx

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """The requests that came in, in the order of their arrival."""
        return self._sandbox.request_log.snapshot()

    @property
    def callbacks(self) -> tuple[SentCallback, ...]:
        """The callbacks that went out, in the order of their sending."""
        return self._sandbox.callback_log.snapshot()

    def forget_requests(self) -> None:
        """Forget the recorded requests and callbacks, and start the rate limit over."""
        self._sandbox.request_log.forget()
        self._sandbox.callback_log.forget()
        with self.state.lock:
            self._sandbox.rate_limit.forget()
            self._sandbox.opbx.forget_calls()

    def set_faults(self, *faults: str | Fault) -> None:
        """Plan these faults and no others; raise ValueError for one that cannot be read."""
        planned = [Fault.parse(one) if isinstance(one, str) else one for one in faults]
        self._sandbox.faults.plan(planned)

    def set_variants(self, *variants: str) -> None:
        """Change these `NAME=VALUE` variants; raise ValueError for one that cannot be read.

        What a domain is made with (`fresh`, `domain`, the empty profile of `nulls`) stays, and so
        do the `rate-window` and what OPBX has at the start (`opbx-settings`).
        """
        self._sandbox.options = self._sandbox.options.varied(variants)

    def set_options(self, *, latency: float | None = None, rate_limit: bool | None = None) -> None:
        """Change the latency (seconds) or switch the rate limit."""
        options = self._sandbox.options
        self._sandbox.options = replace(
            options,
            latency=options.latency if latency is None else latency,
            rate_limit=options.rate_limit if rate_limit is None else rate_limit,
        )

    def advance(self, seconds: float) -> None:
        """Let time pass at once, for the rate limit and for applications that are listed late."""
        self._sandbox.clock.advance(seconds)


@contextlib.contextmanager
def running(options: Options | None = None) -> Iterator[RunningSandbox]:
    """Serve in a background thread while the context lasts; raise OSError without the port."""
    options = Options() if options is None else options
    with _listening(options.port) as listener:
        url = _url(listener)
        sandbox = Sandbox(options, url)
        server = _Server(sandbox)
        started = threading.Event()
        thread = threading.Thread(
            target=server.run, args=(listener, started.set), name="sandbox", daemon=True
        )
        thread.start()
        started.wait()
        try:
            yield RunningSandbox(url, sandbox)
        finally:
            server.stop()
            thread.join()


@contextlib.contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    with socket.create_server((HOST, port), backlog=BACKLOG) as listener:
        yield listener


def _url(listener: socket.socket) -> str:
    return f"http://{HOST}:{listener.getsockname()[1]}"


class _Server:
    """Serves a sandbox until it is stopped, and then cuts off whatever is under way."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def run(self, listener: socket.socket, ready: Callable[[], None]) -> None:
        """Serve until `stop`, or until SIGINT or SIGTERM in the main thread."""
        asyncio.run(self._serve(listener, ready))

    def stop(self) -> None:
        """Make the server stop; any thread may call this, and a signal handler."""
        self._loop.call_soon_threadsafe(self._stopped.set)

    async def _serve(self, listener: socket.socket, ready: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        server = await asyncio.start_server(self._accept, sock=listener, backlog=BACKLOG)
        try:
            with self._signals():
                ready()
                await self._stopped.wait()
        finally:
            # Closed at once, asyncio would lose a connection that it is about to accept.
            with contextlib.suppress(NotImplementedError):  # it has no readers on Windows
                self._loop.remove_reader(listener)
            await self._cut_off()
            server.close()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, lambda *_: self.stop())
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def _cut_off(self) -> None:
        """Cut all connections and requests: nobody waits for a sandbox to finish."""
        for _ in range(TURNS):
            for writer in self._clients.values():
                writer.transport.abort()
            await asyncio.sleep(0)
        tasks = tuple(self._clients)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_Connection(self._sandbox, reader, writer).serve())
        self._clients[task] = writer
        task.add_done_callback(self._clients.pop)


class _Connection:
    """HTTP with one client."""

    def __init__(
        self, sandbox: Sandbox, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._sandbox = sandbox
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER)

    async def serve(self) -> None:
        """Answer one request after the other, until one side closes the connection."""
        try:
            while (request := await self._next_request()) is not None:
                await self._respond(request)
                if self._http.our_state is not h11.DONE:
                    break
                self._http.start_next_cycle()
        except h11.RemoteProtocolError as error:
            await self._refuse(error.error_status_hint)
        except (ConnectionError, TimeoutError):
            pass  # the client has gone, or takes too long
        finally:
            self._writer.close()

    async def _next_request(self) -> Request | None:
        """Return the next request, None if the client closes the connection instead.

        Raises `h11.RemoteProtocolError`, ConnectionError and TimeoutError.
        """
        if not self._http.trailing_data[0]:  # else it came behind the one before
            async with asyncio.timeout(IDLE):
                self._http.receive_data(await self._reader.read(READ))
        async with asyncio.timeout(REQUEST):
            head = await self._next_event()
            if not isinstance(head, h11.Request):
                return None
            body = bytearray()
            while isinstance(part := await self._next_event(), h11.Data):
                body += part.data
                if len(body) > BODY_MAX:
                    raise h11.RemoteProtocolError("too large", error_status_hint=413)
        names_and_values = [(n.decode("ascii"), v.decode("latin-1")) for n, v in head.headers]
        peer = self._writer.get_extra_info("peername")
        return Request(
            method=head.method.decode("ascii"),
            path=unquote(head.target.decode("ascii").partition("?")[0]),
            headers=dict(reversed(names_and_values)),
            body=_parsed(body),
            client_port=peer[1] if peer else 0,
            content=bytes(body),
        )

    async def _next_event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                self._write(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(await self._reader.read(READ))
        return event

    async def _respond(self, request: Request) -> None:
        """Record the request, decide, wait as long as the latency says, answer."""
        log = self._sandbox.request_log
        entry, reaction = self._sandbox.take(request)
        is_head = request.method == "HEAD"
        try:
            await asyncio.sleep(self._sandbox.options.latency)
            answer = reaction if isinstance(reaction, Answer | NoAnswer) else await reaction()
            if isinstance(answer, Answer):
                log.end(entry, answer.status)
                await self._send(answer, is_head=is_head)
            elif answer is NoAnswer.SLOW_BODY:
                log.end(entry, HTTPStatus.OK)
                await self._send_slow_body(is_head=is_head)
            else:
                if answer is NoAnswer.CLOSE:
                    self._writer.transport.abort()
                await self._has_left(within=None)
        finally:
            log.end(entry, None)

    async def _send(self, answer: Answer, *, is_head: bool) -> None:
        headers = [*answer.headers]
        if answer.content_type is not None:
            headers.append(("Content-Type", answer.content_type))
        if answer.status != HTTPStatus.NO_CONTENT:
            headers.append(("Content-Length", str(len(answer.body))))
        self._write(
            _head(answer.status, headers),
            h11.Data(data=b"" if is_head else answer.body),
            h11.EndOfMessage(),
        )
        await self._writer.drain()

    async def _send_slow_body(self, *, is_head: bool) -> None:
        """Begin an answer, and send a byte now and then until the client goes away."""
        self._write(_head(HTTPStatus.OK, [("Content-Type", JSON_TYPE)]))
        has_left = False
        while not has_left:
            self._write(h11.Data(data=b"" if is_head else b" "))
            await self._writer.drain()
            has_left = await self._has_left(within=SLOW)

    async def _has_left(self, *, within: float | None) -> bool:
        """Wait for the client to close the connection, for so many seconds at most."""
        try:
            async with asyncio.timeout(within):
                while await self._reader.read(READ):
                    pass  # nothing that it says now gets an answer
        except TimeoutError:
            return False
        return True

    async def _refuse(self, status: int) -> None:
        """Answer what is no request, or too large a one, and take no more of it.

        Closed at once, with bytes of the client unread, the connection would be reset, and the
        client might never see its answer.
        """
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            headers = (("Connection", "close"),)
            answer = Answer(status, BAD_HTTP, "text/plain; charset=utf-8", headers)
            with contextlib.suppress(OSError):  # the client has gone already
                await self._send(answer, is_head=False)
                self._writer.write_eof()
                await self._has_left(within=LINGER)

    def _write(self, *events: h11.Event) -> None:
        """Write in one piece, so that no half waits for an acknowledgement."""
        self._writer.write(b"".join(self._http.send(event) or b"" for event in events))


def _parsed(body: bytearray) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _head(status: int, headers: list[tuple[str, str]]) -> h11.Response:
    return h11.Response(
        status_code=status,
        headers=[("Date", formatdate(usegmt=True)), *headers],
        reason=HTTPStatus(status).phrase.encode(),
    )
