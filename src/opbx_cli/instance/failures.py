"""What went wrong with a call of OPBX's API, in words a user can act on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import httpx

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import CredentialsError, OpbxError, RemoteError, UnreachableError
from opbx_cli.http.connections import certificate_problem
from opbx_cli.http.retries import TOO_MANY_REQUESTS
from opbx_cli.http.unreached import why_unreached
from opbx_cli.instance.answers import error_sentences
from opbx_cli.models import Secret
from opbx_cli.values import clean

# The sentence of OPBX's own page.
NOT_OWNER = "only the organisation's owner may see or change these settings"
HINT_LATER = "run the same command again in a minute"
HINT_ADDRESS = "check that the URL is OPBX's own address"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API, named for messages by what it is for."""

    method: str
    path: str
    purpose: str


def transport_failure(
    error: httpx.HTTPError, call: Call, host: str, *, proxy: str | None
) -> OpbxError:
    """Word a conversation that did not end in an answer; `proxy` names the one on the way."""
    certificate = certificate_problem(error)
    if certificate is not None:
        return UnreachableError(
            f"cannot {call.purpose}: the TLS certificate of {host} is not trusted "
            f"({clean(certificate.verify_message)})",
            hint="for a private certificate authority set SSL_CERT_FILE to its PEM file",
            code=ErrorCode.NETWORK_TLS,
        )
    unreached = why_unreached(error, host, proxy)
    if unreached is not None:
        way = "that it runs" if proxy is None else "HTTPS_PROXY and NO_PROXY"
        return UnreachableError(
            f"cannot {call.purpose}: no connection to OPBX: {unreached}",
            hint=f"{HINT_ADDRESS}, and {way}",
            code=unreached.code,
        )
    late = isinstance(error, httpx.TimeoutException)
    what = "did not answer in time" if late else "closed the connection before its answer was whole"
    return UnreachableError(
        f"cannot {call.purpose}: OPBX ({host}) {what}",
        hint=HINT_LATER,
        code=ErrorCode.NETWORK_TIMEOUT if late else ErrorCode.NETWORK_LOST,
        doubtful=True,
    )


def status_failure(
    response: httpx.Response, call: Call, secrets: Iterable[Secret], *, renewal: str
) -> OpbxError:
    """Word an answer that is not a success; `renewal` is the hint for an expired token."""
    status = response.status_code
    said = error_sentences(response.content, secrets)
    more = f": {'; '.join(said)}" if said else ""
    if status == httpx.codes.UNAUTHORIZED:
        return _unauthorized(call, renewal)
    if status == httpx.codes.FORBIDDEN:
        return _forbidden(call, more)
    if status == httpx.codes.UNPROCESSABLE_ENTITY:
        return RemoteError(
            f"cannot {call.purpose}: OPBX does not take them (422){more}",
            hint="correct what it names, then run the same command again",
            code=ErrorCode.INSTANCE_INVALID,
            http_status=status,
        )
    if status == TOO_MANY_REQUESTS:
        return UnreachableError(
            f"cannot {call.purpose}: too many requests for OPBX (429)",
            hint=HINT_LATER,
            code=ErrorCode.INSTANCE_RATE_LIMITED,
            http_status=status,
        )
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return UnreachableError(
            f"cannot {call.purpose}: OPBX has trouble of its own ({status}){more}",
            hint=f"{HINT_LATER}; OPBX's log says what it is",
            code=ErrorCode.INSTANCE_TROUBLE,
            http_status=status,
            doubtful=True,
        )
    what = "answered with a redirect, which is not followed" if 300 <= status < 400 else "refused"
    return RemoteError(
        f"cannot {call.purpose}: OPBX {what} ({status}){more}",
        hint=HINT_ADDRESS,
        code=ErrorCode.INSTANCE_REFUSED,
        http_status=status,
    )


def unintelligible(purpose: str, what: str) -> RemoteError:
    return RemoteError(
        f"cannot {purpose}: the answer is not OPBX's: {what}",
        hint=HINT_ADDRESS,
        code=ErrorCode.INSTANCE_UNINTELLIGIBLE,
    )


def not_owner(role: str | None) -> CredentialsError:
    """Return the error of a user whose role is another one than owner."""
    shown = clean(role or "none")[:40]
    return CredentialsError(
        f"{NOT_OWNER}; this user's role is {shown}",
        hint="sign in as the owner",
        code=ErrorCode.INSTANCE_NOT_OWNER,
    )


def _unauthorized(call: Call, renewal: str) -> CredentialsError:
    if call.path == "/auth/login":
        return CredentialsError(
            "OPBX does not know this e-mail address with this password (401)",
            hint="check both; OPBX allows five sign-ins in a minute",
            code=ErrorCode.INSTANCE_REJECTED,
            http_status=401,
        )
    return CredentialsError(
        f"cannot {call.purpose}: the OPBX token has expired or was revoked (401)",
        hint=renewal,
        code=ErrorCode.INSTANCE_SIGNED_OUT,
        http_status=401,
    )


def _forbidden(call: Call, more: str) -> CredentialsError:
    if call.path == "/auth/login":
        return CredentialsError(
            f"OPBX lets this user not sign in (403){more}",
            hint="the user and the organisation have to be active in OPBX",
            code=ErrorCode.INSTANCE_INACTIVE,
            http_status=403,
        )
    return CredentialsError(
        f"cannot {call.purpose}: {NOT_OWNER} (403)",
        hint="sign in as the owner",
        code=ErrorCode.INSTANCE_NOT_OWNER,
        http_status=403,
    )
