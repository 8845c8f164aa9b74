"""The receiver as a server: its clients all together, and how it ends.

It is its own server because those for ASGI do not bound what strangers may take. Hypercorn 0.18
answers as many callbacks (both over 4,000 a second), but measured with 2,000 requests of which only
half arrives it held over 1,100 connections and 124 MiB, where this one holds 256 and 32 MiB. A
client that sends one byte every two seconds was not cut off, because its time-out is one for each
read; here it is cut off after ten seconds. And it ended with a traceback on stderr for each client
that was still connected.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from opbx_cli.webhooks.receiver.clients import Clients
from opbx_cli.webhooks.receiver.connection import Connection, Limits

if sys.platform != "win32":
    import resource

if TYPE_CHECKING:
    from types import FrameType

    from opbx_cli.errors import OpbxError
    from opbx_cli.webhooks.receiver.reception import Reception

Handler = Callable[[int, "FrameType | None"], None]

BACKLOG = 1024
# Of the places, how many are given away in one turn of the event loop: what a client sends is read
# three turns after it came, and until then nobody may push it out.
ACCEPTED_PART = 8
TURNS = 8  # of the event loop until what has arrived on a connection is handled


class Server:
    """Serves `reception` until it is stopped."""

    def __init__(
        self,
        reception: Reception,
        limits: Limits | None = None,
        *,
        warn: Callable[[str], None] = lambda _sentence: None,
    ) -> None:
        self.reception = reception
        self.limits = Limits() if limits is None else limits
        self._warn = warn
        self.turned_away = 0  # clients that said nothing that could be shown
        self.is_stopping = False
        self.stopped_by: int | None = None  # the signal, the first if there were more
        self._failure: OpbxError | None = None
        self._clients = Clients[Connection]()
        self._places = self.limits.connections
        self._held = 0  # bytes of bodies that are not complete
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, listener: socket.socket, *, ready: Callable[[], None] = lambda: None) -> None:
        """Serve until `stop`, SIGINT, SIGTERM or SIGHUP; raise what `fail` was called with.

        `ready` is called as soon as requests are accepted.
        """
        with self._signals():
            asyncio.run(self._serve(listener, ready))
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Take no more requests, and end; any thread may call this, and a signal handler."""
        self.is_stopping = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._stopped.set)

    def fail(self, error: OpbxError) -> None:
        """End with this error."""
        self._failure = self._failure or error
        self.stop()

    def admit(self, connection: Connection) -> None:
        """Count a connection in; where all places are taken, another one makes way."""
        is_full = len(self._clients) >= self._places
        other = self._clients.to_make_way() if is_full else None
        self._clients.put(connection, is_busy=True)
        if other is not None:
            self._send_away(other)

    def dismiss(self, connection: Connection) -> None:
        self._clients.remove(connection)
        if not len(self._clients):
            self._deserted.set()

    def note(self, connection: Connection, *, is_busy: bool) -> None:
        """Remember on which connections something is under way."""
        if connection in self._clients:  # not if it has made way, and only has to close
            self._clients.put(connection, is_busy=is_busy)

    def reserve(self, connection: Connection, size: int) -> bool:
        """Make room for more of a body, of others if need be; False if its own has to go."""
        while self._held + size > self.limits.bodies_max:
            other = self._clients.to_make_room()
            if other is None or other is connection:
                return False
            self._send_away(other)
        self._held += size
        return True

    def _send_away(self, connection: Connection) -> None:
        self._clients.remove(connection)
        connection.make_way()

    def release(self, size: int) -> None:
        self._held -= size

    async def _serve(self, listener: socket.socket, ready: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._on_exception)
        self._stopped, self._deserted = asyncio.Event(), asyncio.Event()
        self._places = _with_descriptors(self.limits.connections)
        server = await self._loop.create_server(
            lambda: Connection(self), sock=listener, backlog=max(1, self._places // ACCEPTED_PART)
        )
        listener.listen(BACKLOG)  # asyncio uses one number for both
        ready()
        if not self.is_stopping:
            await self._stopped.wait()
        with contextlib.suppress(NotImplementedError):  # asyncio has no readers on Windows
            self._loop.remove_reader(listener)
        for _ in range(TURNS):  # what has arrived is handled first
            await asyncio.sleep(0)
        server.close()
        await self._finish()

    async def _finish(self) -> None:
        """Let what is under way come to its end, in bounded time; then close."""
        for connection in self._clients.all():
            connection.finish()
        if len(self._clients):
            self._deserted.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._deserted.wait(), self.limits.grace)
        for connection in self._clients.all():
            connection.abort()
        await asyncio.sleep(0)

    def _on_exception(self, _loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """Go on: asyncio has closed the connection that it happened on.

        OSError is everyday: clients break off, and descriptors run out in a flood.
        """
        error = context.get("exception")
        if error is not None and not isinstance(error, OSError):
            self._warn(f"a request was not answered: unexpected {type(error).__name__}")

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers: dict[int, Handler] = {
            signal.SIGINT: self._on_signal,
            signal.SIGTERM: self._on_signal,
        }
        # Ignored already: `nohup` asks for a listener that outlives its terminal.
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            handlers[signal.SIGHUP] = self._on_signal
        if hasattr(signal, "SIGALRM"):
            handlers[signal.SIGALRM] = self._on_alarm
        before = {number: signal.signal(number, handlers[number]) for number in handlers}
        try:
            yield
        finally:
            if hasattr(signal, "setitimer"):
                signal.setitimer(signal.ITIMER_REAL, 0)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.stopped_by is None:
            self.stopped_by = number
        self.stop()
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, self.limits.grace)

    def _on_alarm(self, _number: int, _frame: FrameType | None) -> None:
        """Break off a write that nobody reads: Python would go on with it for ever (PEP 475)."""
        if self.reception.is_showing:
            raise TimeoutError(errno.ETIMEDOUT, "nobody reads it")


def _with_descriptors(connections: int) -> int:
    """Return for how many connections there are descriptors, after asking the system for more.

    As many again are for those that come, those that still have to close, and files.
    """
    if sys.platform == "win32":
        return connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * connections
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
        soft = raised
    return max(1, soft // 2)


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raise OSError where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
