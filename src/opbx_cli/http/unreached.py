"""Why no connection could be made, and whether the server or the proxy before it is at fault."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass

import httpx

from opbx_cli.error_codes import ErrorCode
from opbx_cli.http.retries import never_sent

# The name to look up and the port to reach are the proxy's: it does the rest.
_OF_THE_PROXY = frozenset({ErrorCode.NETWORK_DNS, ErrorCode.NETWORK_REFUSED})


@dataclass(frozen=True, slots=True)
class Unreached:
    """A reason in words, the place that is at fault, and the code of the error."""

    reason: str
    place: str
    code: ErrorCode

    def __str__(self) -> str:
        return f"{self.reason} ({self.place})"


def why_unreached(error: httpx.HTTPError, host: str, proxy: str | None) -> Unreached | None:
    """Return why nothing was sent; None where something may have been.

    `proxy` names the one on the way, without its password.
    """
    if not isinstance(error, httpx.TransportError) or not never_sent(error):
        return None
    reason, code = _reason(error, proxy or "the proxy")
    if proxy is None or code == ErrorCode.NETWORK_PROXY:
        return Unreached(reason, host, code)
    return Unreached(reason, proxy if code in _OF_THE_PROXY else f"{host}, through {proxy}", code)


def _reason(error: httpx.TransportError, proxy: str) -> tuple[str, ErrorCode]:
    if isinstance(error, httpx.ProxyError):
        # httpx has the proxy's status line for a message; the words in it are not ours to show.
        status = str(error)[:3]
        said = f" ({status})" if status.isascii() and status.isdigit() else ""
        return f"{proxy}, refused the connection{said}", ErrorCode.NETWORK_PROXY
    if isinstance(error, httpx.TimeoutException):
        return "no connection in time", ErrorCode.NETWORK_TIMEOUT
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return "the host name cannot be resolved", ErrorCode.NETWORK_DNS
        if isinstance(cause, ConnectionRefusedError):
            return "the connection was refused", ErrorCode.NETWORK_REFUSED
        if isinstance(cause, ssl.SSLError):
            return "the TLS handshake failed", ErrorCode.NETWORK_TLS
        cause = cause.__cause__ or cause.__context__
    return "no connection could be made", ErrorCode.NETWORK_UNREACHABLE
