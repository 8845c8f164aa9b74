"""What went wrong with a call, in words a user can act on: the one place where the
exceptions of httpx and the status codes of HTTP become errors of ours.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field

import httpx

from opbx_cli.cloudonix.parse import remote_message
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import (
    CredentialsError,
    NotFoundError,
    OpbxError,
    RemoteError,
    UnreachableError,
)
from opbx_cli.http.connections import certificate_problem
from opbx_cli.http.redaction import quoted
from opbx_cli.http.retries import (
    RETRY_AFTER_MAX,
    SERVER_TROUBLE,
    TOO_MANY_REQUESTS,
    retry_after,
)
from opbx_cli.http.unreached import why_unreached
from opbx_cli.models import Secret
from opbx_cli.values import clean

MESSAGE_SHOWN = 200  # characters of a server's own message that go into ours
HINT_NETWORK = "check the network, DNS and HTTPS_PROXY, then run the same command again"
HINT_LATER = "run the same command again in a minute"
HINT_SUPPORT = (
    "run the same command again; if it stays so, show this message to Cloudonix's support"
)

# OpenSSL's X509_V_ERR_…: not yet valid and expired; another host name, another IP address.
CERTIFICATE_OUT_OF_TIME = frozenset({9, 10})
CERTIFICATE_OF_ANOTHER = frozenset({62, 64})


@dataclass(frozen=True, slots=True)
class Hints:
    """What to do about a rejected key, a wrong domain or address: depends on their source."""

    api_key: str | None = None
    domain_uuid: str | None = None
    base_url: str = "`opbx profiles show --origin`"  # what shows the address


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API, named for messages by what it is for."""

    method: str
    path: str
    purpose: str
    hints: Hints = field(default_factory=Hints)

    @property
    def request(self) -> str:
        return f" ({self.method} {self.path})"

    def __str__(self) -> str:
        return f"{self.purpose}{self.request}"

    def failed(self, error: OpbxError) -> OpbxError:
        """Note in an error what this call adds to its message, and what is left without it."""
        error.request = self.request
        error.reason = error.reason.removeprefix(f"cannot {self}: ")
        return error


def transport_failure(
    error: httpx.HTTPError, call: Call, host: str, *, proxy: str | None = None
) -> OpbxError:
    """Word a conversation that did not end in an answer; `proxy` names the one on the way."""
    certificate = certificate_problem(error)
    if certificate is not None:
        return UnreachableError(
            f"cannot {call}: the TLS certificate of {host} is not trusted "
            f"({clean(certificate.verify_message)})",
            hint=_certificate_hint(certificate, call.hints),
            code=ErrorCode.NETWORK_TLS,
        )
    unreached = why_unreached(error, host, proxy)
    if unreached is not None:
        return UnreachableError(
            f"cannot {call}: {unreached}", hint=HINT_NETWORK, code=unreached.code
        )
    if isinstance(error, httpx.TimeoutException):
        return UnreachableError(
            f"cannot {call}: {host} did not answer in time",
            hint=f"{HINT_LATER}, or allow more seconds with CLOUDONIX_API_TIMEOUT",
            code=ErrorCode.NETWORK_TIMEOUT,
            doubtful=True,
        )
    return UnreachableError(
        f"cannot {call}: the connection to {host} was lost before the answer was complete",
        hint=HINT_LATER,
        code=ErrorCode.NETWORK_LOST,
        doubtful=True,
    )


def status_failure(response: httpx.Response, call: Call, secrets: Iterable[Secret]) -> OpbxError:
    """Word an answer that is not a success."""
    status = response.status_code
    said = _quoted_message(response.content, secrets)
    if status == httpx.codes.UNAUTHORIZED:
        rejected = CredentialsError(
            f"cannot {call}: Cloudonix does not know this API key (401)",
            hint=call.hints.api_key,
            http_status=status,
        )
        rejected.reason = "Cloudonix rejects this API key (401)"
        return rejected
    if status == httpx.codes.FORBIDDEN:
        return CredentialsError(
            f"cannot {call}: Cloudonix knows this API key, but it may not do this: "
            f"it belongs to another domain or has another level (403){said}",
            hint=call.hints.api_key,
            code=ErrorCode.AUTH_FORBIDDEN,
            http_status=status,
        )
    if status == httpx.codes.NOT_FOUND:
        return NotFoundError(
            f"cannot {call}: not found (404){said}", hint=HINT_SUPPORT, http_status=status
        )
    if status == TOO_MANY_REQUESTS:
        return _rate_limited(response, call)
    if status in SERVER_TROUBLE or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return UnreachableError(
            f"cannot {call}: Cloudonix has trouble of its own ({status}){said}",
            hint=HINT_LATER,
            code=ErrorCode.REMOTE_OVERLOADED,
            http_status=status,
            doubtful=True,
        )
    if response.is_redirect or 300 <= status < 400:
        return RemoteError(
            f"cannot {call}: answered with a redirect ({status}), which is not followed, "
            "because the key must not go elsewhere",
            hint=f"check the API base URL: {call.hints.base_url}",
            code=ErrorCode.REMOTE_REDIRECT,
            http_status=status,
        )
    return RemoteError(
        f"cannot {call}: Cloudonix refused the request ({status}){said}",
        hint=HINT_SUPPORT,
        http_status=status,
    )


def unintelligible(call: Call, what: str, status: int | None) -> RemoteError:
    return RemoteError(
        f"cannot {call}: the answer cannot be understood: {what}",
        hint=f"check that the API base URL is Cloudonix's: {call.hints.base_url}",
        code=ErrorCode.REMOTE_UNINTELLIGIBLE,
        http_status=status,
    )


def _rate_limited(response: httpx.Response, call: Call) -> UnreachableError:
    wait = retry_after(response)
    later = "run the same command again in a few seconds"
    if wait is not None and wait > RETRY_AFTER_MAX:
        later = f"Cloudonix asks to wait {wait:.0f} s: run the same command again after that"
    return UnreachableError(
        f"cannot {call}: too many requests for this domain (429)",
        hint=later,
        code=ErrorCode.REMOTE_RATE_LIMITED,
        http_status=response.status_code,
    )


def _certificate_hint(problem: ssl.SSLCertVerificationError, hints: Hints) -> str:
    if problem.verify_code in CERTIFICATE_OUT_OF_TIME:
        return "check this computer's clock; if it is right, the server needs a new certificate"
    if problem.verify_code in CERTIFICATE_OF_ANOTHER:
        return f"check the API base URL: {hints.base_url}"
    return "for a private certificate authority set SSL_CERT_FILE to its PEM file"


def _quoted_message(body: bytes, secrets: Iterable[Secret]) -> str:
    """Return the server's own words for the end of a sentence, never one of our keys."""
    shown = quoted(remote_message(body) or "", secrets, length_max=MESSAGE_SHOWN)
    return f": {shown}" if shown else ""
