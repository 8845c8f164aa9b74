"""Callbacks on their way out: time-outs, sizes, redirects, repetitions.

The one module of the sandbox that is an HTTP client; it is imported when the first call is made.

Nothing of an answer but its status is passed on: it may repeat the key. How long Cloudonix waits
for an answer, and whether it asks again, is documented nowhere; the variants `callback-timeout`,
`callback-retry` and `callback-retry-wait` say what the sandbox does. By default it asks once: that
is what a receiver can rely on.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import json
import os
import socket
import ssl
import time
from functools import cache, lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Self

import httpx

from opbx_cli.sandbox.logs import DELIVERED, REFUSED, UNREACHABLE, Callback, SentCallback
from opbx_cli.sandbox.options import CallbackRetry, Variants

if TYPE_CHECKING:
    from types import TracebackType

ANSWER_MAX: Final = 1024 * 1024  # bytes
CALL_TIME: Final = 25.0  # seconds for all callbacks of a call: its caller waits for them
ATTEMPTS: Final = 3  # with `callback-retry=failed`
WORTH_RETRYING: Final = (429, 500, 502, 503, 504)


class CallbackSender:
    """Sends the callbacks of one call; its connections are closed with its context."""

    def __init__(
        self, variants: Variants, key: str | None, signature_secret: str | None = None
    ) -> None:
        """`key` is the bearer token of every callback; None: they have none.

        Session updates are signed where a secret is given: OPBX of January 2026 wants that,
        and Cloudonix's documentation knows nothing of it.
        """
        self._variants = variants
        self._signature_secret = signature_secret
        self._headers: dict[bytes, bytes] = {}
        if key is not None:
            self._headers[b"Authorization"] = b"Bearer " + key.encode(errors="surrogatepass")
        self._deadline = time.monotonic() + CALL_TIME
        self._clients: dict[str, httpx.AsyncClient] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close what was opened."""
        for client in self._clients.values():
            await client.aclose()

    async def send(self, callback: Callback, *, may_repeat: bool) -> SentCallback:
        """Send a callback, as often as the variants say, and tell what became of it."""
        repeats = may_repeat and self._variants.callback_retry is CallbackRetry.FAILED
        started = time.monotonic()
        problem = _unusable(callback.url)
        if problem:
            return SentCallback(callback, UNREACHABLE, problem)
        for attempt in range(1, ATTEMPTS + 1 if repeats else 2):
            if attempt > 1:
                await asyncio.sleep(self._variants.callback_retry_wait)
            sent = await self._attempt(callback, attempt, started)
            is_final = sent.result == DELIVERED or (
                sent.http_status is not None and sent.http_status not in WORTH_RETRYING
            )
            if is_final:
                break
        return sent

    async def _attempt(self, callback: Callback, attempt: int, started: float) -> SentCallback:
        seconds = min(self._variants.callback_timeout, self._deadline - time.monotonic())
        status: int | None = None
        content: bytes | None = None
        if seconds <= 0:
            detail = f"not sent: the call took {CALL_TIME:.0f} s"
            return SentCallback(callback, UNREACHABLE, detail, attempts=attempt - 1)
        try:
            async with asyncio.timeout(seconds):
                status, content, detail = await self._exchange(callback)
            result = REFUSED if content is None else DELIVERED
        except (TimeoutError, httpx.TimeoutException):
            result, detail = UNREACHABLE, f"no answer in {seconds:.3g} s"
        except (httpx.HTTPError, OSError, ValueError) as error:
            result, detail = UNREACHABLE, _why(error)
        took = round((time.monotonic() - started) * 1000)
        return SentCallback(callback, result, detail, status, attempt, took, content or b"")

    async def _exchange(self, callback: Callback) -> tuple[int, bytes | None, str]:
        """Send it; return the status, the content (None: unusable), and that in words."""
        url = httpx.URL(callback.url)
        own = {name.encode(): value.encode() for name, value in callback.headers.items()}
        headers = {**self._headers, **own}
        content = None
        if callback.method == "GET":
            url = url.copy_merge_params(callback.query)
        else:
            content = json.dumps(callback.fields).encode()
            headers[b"Content-Type"] = b"application/json"
            if self._signature_secret is not None and callback.endpoint == "session-update":
                secret = self._signature_secret.encode(errors="surrogatepass")
                signature = hmac.new(secret, content, hashlib.sha256).hexdigest()
                headers[b"X-Cloudonix-Signature"] = signature.encode()
        client = self._client(url.scheme)
        request = client.build_request(callback.method, url, content=content, headers=headers)
        answer = await client.send(request, stream=True)
        try:
            words = _in_words(answer.status_code)
            if not answer.is_success:
                return answer.status_code, None, words
            body = await _read(answer)
        finally:
            await answer.aclose()
        if body is None:
            return answer.status_code, None, f"{words}, larger than 1 MiB or compressed"
        return answer.status_code, body, words

    def _client(self, scheme: str) -> httpx.AsyncClient:
        """Return a client that looks nothing up in the environment but who may sign certificates.

        No proxy, no .netrc, and no redirect, which would take the key elsewhere.
        """
        if scheme not in self._clients:
            self._clients[scheme] = httpx.AsyncClient(
                verify=_authorities() if scheme == "https" else _no_tls(),
                trust_env=False,
                follow_redirects=False,
                event_hooks={"response": [_forget_location]},
                timeout=None,  # noqa: S113  # `asyncio.timeout` is around every exchange
                headers={"Accept-Encoding": "identity"},
            )
        return self._clients[scheme]


async def _forget_location(answer: httpx.Response) -> None:
    """Drop where a redirect leads: httpx reads it all the same, and fails on a broken name."""
    answer.headers.pop("location", None)


async def _read(answer: httpx.Response) -> bytes | None:
    """Return the content; None for too much of it, and for what was packed unasked."""
    if answer.headers.get("content-encoding", "identity") != "identity":
        return None
    content = bytearray()
    async for piece in answer.aiter_raw():
        content += piece
        if len(content) > ANSWER_MAX:
            return None
    return bytes(content)


def _authorities() -> ssl.SSLContext:
    """Trust who SSL_CERT_FILE and SSL_CERT_DIR name, else whom this system trusts."""
    return _read_authorities(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=1)
def _read_authorities(file: str | None, folder: str | None) -> ssl.SSLContext:
    if file or folder:
        return ssl.create_default_context(cafile=file or None, capath=folder or None)
    system = ssl.create_default_context()
    if system.cert_store_stats()["x509_ca"]:
        return system
    return httpx.create_ssl_context(trust_env=False)


@cache
def _no_tls() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used; reading authorities takes 25 ms


def _unusable(text: str) -> str:
    """Say why a URL is not called; nothing if it is.

    Cloudonix calls ws: and s3: URLs too (documentation of CDRs); the sandbox does not.
    """
    try:
        url = httpx.URL(text)
        scheme, host, has_user = url.scheme, url.host, bool(url.userinfo)
    except (httpx.InvalidURL, UnicodeError, ValueError):
        return "not called: this is not a URL"
    if scheme not in ("http", "https") or not host:
        return "not called: the sandbox calls https URLs, and http ones on this computer"
    if scheme == "http" and not _is_loopback(host):
        return "not called: http is for this computer alone, the key would travel in the clear"
    return "not called: the URL has a user name in it" if has_user else ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _in_words(status: int) -> str:
    """Word a status without the server's own words for it."""
    try:
        words = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        words = str(status)
    is_redirect = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
    return f"{words}, a redirect, which is not followed" if is_redirect else words


def _why(error: BaseException) -> str:
    """Say why there is no answer; the errors of httpx have their cause somewhere below."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return "the host name cannot be resolved"
        if isinstance(cause, ConnectionRefusedError):
            return "the connection was refused"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "its TLS certificate is not trusted"
        if isinstance(cause, ssl.SSLError):
            return "the TLS handshake failed"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectError):
        return "no connection could be made"
    if isinstance(error, httpx.LocalProtocolError | ValueError):
        return "the webhook key does not fit into a header"
    return "the connection was lost before the answer was complete"
