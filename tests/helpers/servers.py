"""Servers that do on the wire what the sandbox cannot: raw bytes, TLS, a recording proxy."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import select
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Handler = Callable[[socket.socket], None]
NOT_SHIFTED = datetime.timedelta()
HANG = b"<hang>"  # ends an answer: say no more, and wait until the client goes away


def http(status: str, body: bytes = b"", **headers: str) -> bytes:
    """Return an answer in full; `_` in the name of a header is written `-`."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@dataclass
class Served:
    """A running server: its address, and the requests (or proxied hosts) that came in."""

    port: int
    arrivals: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def secure_url(self) -> str:
        return f"https://localhost:{self.port}"


@contextlib.contextmanager
def listening(
    handle: Callable[[Served, socket.socket], None], kind: type[Served] | None = None
) -> Iterator[Served]:
    """Serve each connection in a thread of its own while the context lasts."""

    class Connection(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            # Clients that go away, and handshakes that fail, are what some tests are about.
            with contextlib.suppress(OSError, ssl.SSLError):
                handle(served, self.request)

    class Listener(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True
        request_queue_size = 128  # several checks at once, of several connections each

    with Listener(("127.0.0.1", 0), Connection) as server:
        served = (kind or Served)(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def answering(*answers: bytes, context: ssl.SSLContext | None = None) -> Iterator[Served]:
    """Answer the first request with the first of `answers`, and so on; the last one stays.

    Each connection takes one request and is closed behind its answer, so that an empty
    answer is a connection that was lost.
    """

    def handle(served: Served, connection: socket.socket) -> None:
        with _wrapped(connection, context) as stream:
            request = read_request(stream)
            if not request:
                return
            served.arrivals.append(request)
            answer = answers[min(len(served.arrivals), len(answers)) - 1]
            stream.sendall(answer.removesuffix(HANG))
            if answer.endswith(HANG):
                stream.recv(1)

    with listening(handle) as served:
        yield served


PATIENCE = 40.0  # seconds after which a server that never ends gives up: a client has failed
BOUND = 30.0  # seconds for what takes one or two: a server that gives up is not waited for


@contextlib.contextmanager
def in_time() -> Iterator[None]:
    """Want what is done here to end long before a server's patience."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < BOUND


@dataclass
class Endless(Served):
    """A server that never ends: what it sent, and whether a client went away by itself."""

    sent: list[int] = field(default_factory=list)  # bytes, one entry for each connection
    was_left: list[bool] = field(default_factory=list)


@contextlib.contextmanager
def never_ending(
    start: bytes,
    again: bytes,
    *,
    pause: float = 0.0,
    connections: int | None = None,
    context: ssl.SSLContext | None = None,
    is_read: bool = True,
) -> Iterator[Endless]:
    """Answer with `start`, then with `again` for ever, with `pause` seconds between.

    After so many `connections` an empty list is the answer, in full. Requests are not read to
    their end where `is_read` is false.
    """

    def handle(served: Served, connection: socket.socket) -> None:
        assert isinstance(served, Endless)
        with _wrapped(connection, context) as stream:
            served.arrivals.append(read_request(stream) if is_read else b"")
            if connections is not None and len(served.arrivals) > connections:
                stream.sendall(http("200 OK", b"[]"))
                return
            number = len(served.sent)
            served.sent.append(0)
            served.was_left.append(False)
            _send_for_ever(stream, start, again, pause, served, number)

    with listening(handle, Endless) as served:
        assert isinstance(served, Endless)
        yield served


def _send_for_ever(
    stream: socket.socket, start: bytes, again: bytes, pause: float, served: Endless, number: int
) -> None:
    end = time.monotonic() + PATIENCE
    piece = start or again
    try:
        while time.monotonic() < end:
            if piece:
                stream.sendall(piece)
            served.sent[number] += len(piece)
            piece = again
            time.sleep(pause)
    except OSError:
        served.was_left[number] = True


def _wrapped(connection: socket.socket, context: ssl.SSLContext | None) -> socket.socket:
    connection.settimeout(30)
    return context.wrap_socket(connection, server_side=True) if context else connection


def read_request(stream: socket.socket) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request:
        received = stream.recv(65536)
        if not received:
            return b""
        request += received
    head, _, body = request.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    while len(body) < length:
        body += stream.recv(65536)
    return head + b"\r\n\r\n" + body


@contextlib.contextmanager
def tunnelling(
    target_port: int, *, refuse: bool = False, context: ssl.SSLContext | None = None
) -> Iterator[Served]:
    """Be a proxy that takes every CONNECT to `target_port`, and records who was asked for."""

    def handle(served: Served, connection: socket.socket) -> None:
        with _wrapped(connection, context) as stream:
            request = read_request(stream)
            if not request:
                return
            served.arrivals.append(request)
            if refuse:
                stream.sendall(http("407 Proxy Authentication Required"))
                return
            with socket.create_connection(("127.0.0.1", target_port), 30) as target:
                stream.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                _join(stream, target)

    with listening(handle) as served:
        yield served


def _join(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until one side ends."""
    facing = {one: other, other: one}
    while True:
        for source in select.select(list(facing), [], [], 30)[0]:
            received = source.recv(65536)
            if not received:
                return
            facing[source].sendall(received)


@dataclass(frozen=True)
class Authority:
    """A private certificate authority: its certificate, and a server that it vouches for."""

    certificate: Path
    server: ssl.SSLContext


def authority(
    folder: Path,
    *names: str,
    shift: datetime.timedelta = NOT_SHIFTED,
    days: int = 1,
    title: str = "Authority of a test",
) -> Authority:
    """Make an authority that exists for this test alone, and a server context for `names`.

    The server's certificate is valid a day before now and `days` after it, or around a
    moment shifted from it.
    """
    authority_key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
    root = _certificate(issuer, authority_key, issuer, authority_key, ())
    server_key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    leaf = _certificate(subject, server_key, issuer, authority_key, names, shift=shift, days=days)
    certificate, chain = folder / "authority.pem", folder / "server.pem"
    certificate.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    chain.write_bytes(
        leaf.public_bytes(serialization.Encoding.PEM)
        + server_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return Authority(certificate, context)


def _general_name(name: str) -> x509.GeneralName:
    if ":" in name:
        return x509.IPAddress(ipaddress.ip_address(name))
    return x509.DNSName(name)


def _certificate(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    names: tuple[str, ...],
    *,
    shift: datetime.timedelta = NOT_SHIFTED,
    days: int = 1,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC) + shift
    is_authority = not names
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=days, hours=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=is_authority,
                crl_sign=is_authority,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False
        )
    )
    if names:
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
        builder = builder.add_extension(alternatives, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())
