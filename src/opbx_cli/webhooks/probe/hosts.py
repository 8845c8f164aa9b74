"""What stands behind a host name: its addresses, and the certificate that each of them shows."""

from __future__ import annotations

import errno
import socket
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509

from opbx_cli.values import clean

NAMES_SHOWN = 3  # of those a certificate is for
# What this machine says when it has no way to an address at all, IPv6 for one.
_NO_WAY = frozenset({errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
# What a certificate makes `cryptography` raise that has no names, or odd ones.
_UNREADABLE_NAMES = (
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Names:
    """The addresses of a name, or why there are none."""

    addresses: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate as it was shown; `problem` is why it is refused, None where it is not."""

    expires: datetime | None
    names: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Reached:
    """One address: how long the connection took, and the certificate, where TLS was asked for."""

    address: str
    seconds: float
    problem: str | None = None
    is_no_way: bool = False  # this machine cannot try the address; others may
    certificate: Certificate | None = None


def resolve(host: str, port: int) -> Names:
    """Look a name up, as every other program on this machine would."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return Names(problem=getattr(error, "strerror", None) or "not a name")
    addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
    return Names(tuple(addresses))


def reach(
    address: str, port: int, *, host: str, context: ssl.SSLContext | None, deadline: float
) -> Reached:
    """Connect, and shake hands where a TLS context is given; `deadline` is of `time.monotonic`."""
    started = time.monotonic()
    try:
        connection = socket.create_connection((address, port), _left(deadline))
    except OSError as error:
        seconds = time.monotonic() - started
        no_way = error.errno in _NO_WAY
        return Reached(address, seconds, _in_words(error), is_no_way=no_way)
    seconds = time.monotonic() - started
    with connection:
        if context is None:
            return Reached(address, seconds)
        connection.settimeout(_left(deadline))
        certificate = _shown(connection, host, context)
    if certificate.problem is not None:
        certificate = _unverified(address, port, host, certificate.problem, deadline)
    return Reached(address, seconds, certificate=certificate)


def _shown(connection: socket.socket, host: str, context: ssl.SSLContext) -> Certificate:
    try:
        with context.wrap_socket(connection, server_hostname=host) as stream:
            return _certificate(stream, None)
    except ssl.SSLCertVerificationError as error:
        return Certificate(None, problem=clean(error.verify_message))
    except TimeoutError:
        return Certificate(None, problem="no TLS handshake in time")
    except (OSError, ValueError) as error:
        return Certificate(None, problem=f"the TLS handshake failed: {_in_words(error)}")


def _unverified(address: str, port: int, host: str, problem: str, deadline: float) -> Certificate:
    """Look at a refused certificate: its dates and names say what is to be done about it.

    Nothing is sent over this connection.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((address, port), _left(deadline)) as connection,
            context.wrap_socket(connection, server_hostname=host) as stream,
        ):
            return _certificate(stream, problem)
    except (OSError, ValueError):
        return Certificate(None, problem=problem)


def _certificate(stream: ssl.SSLSocket, problem: str | None) -> Certificate:
    shown = x509.load_der_x509_certificate(stream.getpeercert(binary_form=True) or b"")
    try:
        extension = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = [str(getattr(name, "value", "")) for name in extension.value]
    except _UNREADABLE_NAMES:
        names = []
    cleaned = tuple(clean(name)[:80] for name in names[:NAMES_SHOWN])
    return Certificate(shown.not_valid_after_utc.astimezone(UTC), cleaned, problem)


def _left(deadline: float) -> float:
    """Return the seconds left; a time-out of 0 would mean not to wait at all."""
    return max(0.01, deadline - time.monotonic())


def _in_words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no connection in time"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return clean(getattr(error, "strerror", None) or "no connection")
