"""Connections on which every read, write and handshake ends, whatever the other side does.

httpx looks at a time-out for each single read, and hands over an answer only piece by piece of
its content. A server that drips its head, or sends interim answers without end, would therefore
never be left. Here, below httpx, everything on the wire counts against the attempt under way.
"""

from __future__ import annotations

import contextlib
import math
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

import httpcore

ANSWER_MAX = 16 * 1024 * 1024  # bytes of an answer's content, as it is sent and unpacked
RECEIVED_MAX = ANSWER_MAX + 1024 * 1024  # bytes; the difference is for heads, chunk sizes and TLS
HEAD_MAX = 64 * 1024  # bytes before the content, interim answers included
INTERIM_MAX = 16  # answers with a status of 1xx before the real one
RECEIVED_AT_ONCE = 64 * 1024  # bytes

TOO_LARGE = "it is larger than 16 MiB"
HEAD_TOO_LARGE = "its headers are larger than 64 KiB"
TOO_MANY_INTERIM = "more than 16 interim answers (1xx) came before it"

_END_OF_HEAD = re.compile(rb"\n\r?\n")
_INTERIM = re.compile(rb"HTTP/\d\.\d 1(?!01)\d\d")  # after a 101 comes no other answer

T = TypeVar("T")


class AnswerTooLargeError(Exception):
    """More came than an answer may have; `what` says of the answer what is too large."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class _Head:
    """Follows an answer up to its content: its headers, and interim answers before them."""

    def __init__(self) -> None:
        self._is_complete = False
        self._size = 0
        self._interim = 0
        self._open = bytearray()  # what came of the head that has not ended yet

    def room(self, wanted: int) -> int:
        """Return how many of the wanted bytes may come next."""
        if self._is_complete:
            return wanted
        if self._size >= HEAD_MAX:
            raise AnswerTooLargeError(HEAD_TOO_LARGE)
        return min(wanted, HEAD_MAX - self._size)

    def follow(self, received: bytes) -> None:
        if self._is_complete:
            return
        self._size += len(received)
        searched = max(0, len(self._open) - 2)  # an end may have begun two bytes earlier
        self._open += received
        while end := _END_OF_HEAD.search(self._open, searched):
            if not _INTERIM.match(self._open):
                self._is_complete = True
                self._open.clear()
                return
            self._interim += 1
            if self._interim > INTERIM_MAX:
                raise AnswerTooLargeError(TOO_MANY_INTERIM)
            del self._open[: end.end()]
            searched = 0


class _Attempt:
    """What is left to one request and its answer: seconds, and bytes to receive."""

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._received = 0
        self.head = _Head()
        self.is_at_proxy = False  # the way to the server itself is not open yet

    def seconds_left(self, timeout: float | None) -> float:
        """Return the seconds for the next step. Raises `TimeoutError` where there are none."""
        left = self._deadline - time.monotonic()
        if timeout is not None:
            left = min(left, timeout)
        if left <= 0:
            raise TimeoutError
        return left

    def count(self, received: int) -> None:
        self._received += received
        if self._received > RECEIVED_MAX:
            raise AnswerTooLargeError(TOO_LARGE)


class BoundedNetwork(httpcore.NetworkBackend):
    """Opens connections to one server; each thread that uses one has its own attempt."""

    def __init__(self, *, host: str, is_proxied: bool) -> None:
        """`host` is the server's, also where a proxy is on the way to it."""
        self._host = host
        self._is_proxied = is_proxied
        self._local = threading.local()

    def begin(self, seconds: float) -> None:
        """Give the request that this thread sends next so many seconds until its answer's end."""
        self._local.attempt = _Attempt(seconds)

    @property
    def attempt(self) -> _Attempt:
        attempt = self._local.attempt
        assert isinstance(attempt, _Attempt)
        return attempt

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002  # neither this is ever asked for ...
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002  # ... nor this
    ) -> httpcore.NetworkStream:
        attempt = self.attempt
        attempt.is_at_proxy = self._is_proxied
        with _translated(httpcore.ConnectTimeout, httpcore.ConnectError):
            connection = _connect(host, port, timeout, attempt)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _HttpStream(_Socket(connection, self), self)

    def reached(self, host: str) -> None:
        """Take note that the attempt speaks TLS with `host`, whose answers begin now."""
        self.attempt.head = _Head()
        if host == self._host:
            self.attempt.is_at_proxy = False


def _connect(host: str, port: int, timeout: float | None, attempt: _Attempt) -> socket.socket:
    """Try one address after the other, each for `timeout` seconds at most."""
    problem = OSError("no address")
    for address in _addresses(host, port, attempt.seconds_left(None)):
        try:
            return socket.create_connection((address, port), attempt.seconds_left(timeout))
        except OSError as error:
            problem = error
    raise problem


def _addresses(host: str, port: int, seconds: float) -> list[str]:
    """Look a name up. A look-up cannot be interrupted, so one that takes longer is left behind."""
    found: list[str] = []
    problems: list[Exception] = []

    def look_up() -> None:
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.extend(dict.fromkeys(str(entry[4][0]) for entry in entries))
        except (OSError, UnicodeError) as error:
            problems.append(error)

    thread = threading.Thread(target=look_up, name=f"look up {host}", daemon=True)
    thread.start()
    thread.join(seconds)
    if problems:
        raise OSError("not a name") from problems[0]
    if not found:
        raise TimeoutError
    return found


class _Socket(httpcore.NetworkStream):
    """The bytes on the wire, counted."""

    def __init__(self, connection: socket.socket, network: BoundedNetwork) -> None:
        self._socket = connection
        self._network = network

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        attempt = self._network.attempt
        with _translated(httpcore.ReadTimeout, httpcore.ReadError):
            self._socket.settimeout(attempt.seconds_left(timeout))
            received = self._socket.recv(max_bytes)
        attempt.count(len(received))
        return received

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        attempt = self._network.attempt
        rest = memoryview(buffer)
        with _translated(httpcore.WriteTimeout, httpcore.WriteError):
            while rest:
                self._socket.settimeout(attempt.seconds_left(timeout))
                rest = rest[self._socket.send(rest) :]

    def close(self) -> None:
        self._socket.close()

    def get_extra_info(self, info: str) -> Any:
        # httpcore asks whether an idle connection has something to read: that is its end.
        return self._is_readable() if info == "is_readable" else None

    def _is_readable(self) -> bool:
        if self._socket.fileno() < 0:
            return True
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))


class _Tls(httpcore.NetworkStream):
    """TLS over any stream, in memory: so that what is below sees, and bounds, every byte.

    `SSLSocket` would go on reading for as long as only handshake messages come, and cannot
    speak TLS within the TLS of a proxy.
    """

    def __init__(self, below: httpcore.NetworkStream, context: ssl.SSLContext, host: str) -> None:
        self._below = below
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    def shake_hands(self, timeout: float | None) -> None:
        try:
            self._drive(self._tls.do_handshake, timeout)
        except httpcore.TimeoutException as error:
            raise httpcore.ConnectTimeout from error
        except (httpcore.NetworkError, ssl.SSLError) as error:
            raise httpcore.ConnectError from error

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return self._drive(partial(self._tls.read, max_bytes), timeout)
        except ssl.SSLEOFError:
            return b""  # closed without saying so, as many servers do
        except ssl.SSLError as error:
            raise httpcore.ReadError from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        rest = memoryview(buffer)
        try:
            while rest:  # one TLS record at a time
                rest = rest[self._drive(partial(self._tls.write, rest), timeout) :]
        except ssl.SSLError as error:
            raise httpcore.WriteError from error

    def close(self) -> None:
        self._below.close()

    def get_extra_info(self, info: str) -> Any:
        return self._tls if info == "ssl_object" else self._below.get_extra_info(info)

    def _drive(self, step: Callable[[], T], timeout: float | None) -> T:
        """Carry bytes until the step is done; `timeout` is for all of it, in seconds."""
        end = time.monotonic() + (math.inf if timeout is None else timeout)
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._send(end)
                received = self._below.read(RECEIVED_AT_ONCE, end - time.monotonic())
                if received:
                    self._incoming.write(received)
                else:
                    self._incoming.write_eof()
            except ssl.SSLError:
                with contextlib.suppress(httpcore.NetworkError, httpcore.TimeoutException):
                    self._send(end)  # the alert that says why
                raise
            else:
                self._send(end)
                return result

    def _send(self, end: float) -> None:
        if self._outgoing.pending:
            self._below.write(self._outgoing.read(), end - time.monotonic())


class _HttpStream(httpcore.NetworkStream):
    """What httpcore reads answers from: bounds what comes before their content."""

    def __init__(self, below: httpcore.NetworkStream, network: BoundedNetwork) -> None:
        self._below = below
        self._network = network

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        attempt = self._network.attempt
        with _blamed_on_the_proxy(attempt):
            received = self._below.read(attempt.head.room(max_bytes), timeout)
            attempt.head.follow(received)
        return received

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _blamed_on_the_proxy(self._network.attempt):
            self._below.write(buffer, timeout)

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        host = server_hostname or ""
        try:
            stream = _Tls(self._below, ssl_context, host)
            stream.shake_hands(timeout)
        except BaseException:
            self.close()
            raise
        self._network.reached(host)
        return _HttpStream(stream, self._network)

    def close(self) -> None:
        self._below.close()

    def get_extra_info(self, info: str) -> Any:
        return self._below.get_extra_info(info)


@contextlib.contextmanager
def _blamed_on_the_proxy(attempt: _Attempt) -> Iterator[None]:
    """Until the way to the server is open, nothing was sent to it: no connection was made."""
    try:
        yield
    except httpcore.TimeoutException as error:
        if attempt.is_at_proxy:
            raise httpcore.ConnectTimeout from error
        raise
    except AnswerTooLargeError as error:
        if attempt.is_at_proxy:
            raise httpcore.ProxyError from error
        raise


@contextlib.contextmanager
def _translated(timeout: type[Exception], failure: type[Exception]) -> Iterator[None]:
    """Raise what the operating system says as errors of httpcore."""
    try:
        yield
    except TimeoutError as error:
        raise timeout from error
    except OSError as error:
        raise failure from error
