"""Serving the sandbox: in the foreground for people, in a background thread for tests."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import HANDLED_SIGNALS, Server

from opbx_cli.sandbox.faults import Fault
from opbx_cli.sandbox.options import HOST, Options
from opbx_cli.sandbox.routes import Sandbox, router

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from opbx_cli.sandbox.logs import RecordedRequest, SentCallback
    from opbx_cli.sandbox.options import DomainCredentials
    from opbx_cli.sandbox.state import State

TICK = 0.5  # seconds between updates of the Date header
KEEP_ALIVE = 75  # seconds, as nginx has it
ACCEPTING = 4  # turns of the event loop until an accepted connection is a known one
SILENT = logging.CRITICAL + 1


def serve(
    options: Options, *, announce: Callable[[str, tuple[DomainCredentials, ...]], None]
) -> None:
    """Serve until SIGINT or SIGTERM; raise OSError when the port cannot be had.

    `announce` is called with the URL and the domains as soon as requests are accepted.
    """
    sandbox = Sandbox(options)
    with _listening(options.port) as listener:
        url = _url(listener)
        server = _SandboxServer(sandbox, lambda: announce(url, sandbox.state.credentials))
        server.run(sockets=[listener])


class RunningSandbox:
    """A sandbox that runs in a background thread, and the ways to look into it and to change it."""

    def __init__(self, url: str, sandbox: Sandbox) -> None:
        """Belongs to `running`."""
        self.url = url
        self._sandbox = sandbox

    @property
    def domains(self) -> tuple[DomainCredentials, ...]:
        """Return what a client needs to reach each domain."""
        return self._sandbox.state.credentials

    @property
    def state(self) -> State:
        """Return the domains, to be looked at and changed as somebody in the Cockpit would."""
        return self._sandbox.state

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """Return the requests that came in, in the order of their arrival."""
        return self._sandbox.request_log.snapshot()

    @property
    def callbacks(self) -> tuple[SentCallback, ...]:
        """Return the callbacks that went out, in the order of their sending."""
        return self._sandbox.callback_log.snapshot()

    def forget_requests(self) -> None:
        """Forget the recorded requests and callbacks, and start the rate limit over."""
        self._sandbox.request_log.forget()
        self._sandbox.callback_log.forget()
        with self.state.lock:
            self._sandbox.rate_limit.forget()

    def set_faults(self, *faults: str | Fault) -> None:
        """Plan these faults and no others; raise ValueError for one that cannot be read."""
        planned = [Fault.parse(one) if isinstance(one, str) else one for one in faults]
        self._sandbox.faults.plan(planned)

    def set_variants(self, *variants: str) -> None:
        """Change these `NAME=VALUE` variants; raise ValueError for one that cannot be read.

        What a domain is made with (`fresh`, `domain`, the empty profile of `nulls`) stays.
        """
        options = self._sandbox.options
        self._sandbox.options = replace(options, variants=options.variants.changed(variants))

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
    sandbox = Sandbox(options)
    with _listening(options.port) as listener:
        url = _url(listener)
        started = threading.Event()
        server = _SandboxServer(sandbox, started.set)
        thread = threading.Thread(
            target=server.run_in_thread, args=(listener, started), name="sandbox", daemon=True
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
    with socket.create_server((HOST, port), backlog=2048) as listener:
        yield listener


def _url(listener: socket.socket) -> str:
    return f"http://{HOST}:{listener.getsockname()[1]}"


class _SandboxProtocol(H11Protocol):
    """Lends each request the transport of its connection, so that a fault can cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # asyncio does this only for sockets that were made with the protocol number of TCP; without
        # it each answer, whose head and body are two writes, waits 40 ms for an acknowledgement.
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.app_state = {**self.app_state, "transport": transport}


class _SandboxServer(Server):
    """A uvicorn server that says when it is ready, stops at once, and logs nothing."""

    def __init__(self, sandbox: Sandbox, ready: Callable[[], None]) -> None:
        super().__init__(_config(sandbox))
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        await super().startup(sockets)
        await self.on_tick(0)
        self._ready()

    def run_in_thread(self, listener: socket.socket, started: threading.Event) -> None:
        """Serve, and let nobody wait for a start that failed."""
        try:
            self.run(sockets=[listener])
        finally:
            started.set()

    async def main_loop(self) -> None:
        """Wait for the end instead of polling for it, as uvicorn does."""
        while not self._stopped.is_set():
            await self.on_tick(0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), TICK)

    def stop(self) -> None:
        """Make the server stop; any thread may call this, and a signal handler."""
        self._loop.call_soon_threadsafe(self._stopped.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Cut all connections and requests: nobody waits for a sandbox to finish."""
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        for _ in range(ACCEPTING):
            for connection in tuple(self.server_state.connections):
                connection.transport.abort()
            await asyncio.sleep(0)  # lets each connection learn that it is lost
        tasks = tuple(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on a signal; uvicorn would raise it once more afterwards."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in HANDLED_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.stop()


def _config(sandbox: Sandbox) -> Config:
    return Config(
        router(sandbox),
        loop="asyncio",
        http=_SandboxProtocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level=SILENT,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        workers=1,  # given here, uvicorn does not look for it in the environment
        timeout_keep_alive=KEEP_ALIVE,
    )
