"""What faults do on the wire."""

from __future__ import annotations

import asyncio
import gzip
from functools import cache
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from opbx_cli.sandbox.answers import (
    JSON_TYPE,
    empty_answer,
    failure,
    html_answer,
    json_answer,
    refused,
)
from opbx_cli.sandbox.faults import Call, Fault, FaultKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

HUGE: Final = 20 * 1024 * 1024  # bytes
NESTING: Final = 100_000
TRICKLE: Final = 0.05  # seconds between the bytes of a slow body
ELSEWHERE: Final = "http://127.0.0.2:9/"
TRUNCATED: Final = b'{"id":1001,"uuid":"7c9e6679-7425-40de-944b-e07fc1f90ae7","domain":"sandb'


async def drop(scope: Scope, receive: Receive, send: Send) -> None:
    """Close the TCP connection without an answer."""
    scope["state"]["transport"].abort()
    await hang(scope, receive, send)


async def hang(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
    """Answer nothing until the client goes away."""
    await receive()  # the body has been read: ASGI has nothing more to give than the disconnection


async def slow_body(scope: Scope, receive: Receive, send: Send) -> None:
    """Start an answer and let it trickle until the client goes away."""
    gone = asyncio.ensure_future(hang(scope, receive, send))
    try:
        headers = [(b"content-type", JSON_TYPE.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while not gone.done():
            await send({"type": "http.response.body", "body": b" ", "more_body": True})
            await asyncio.wait((gone,), timeout=TRICKLE)
    finally:
        gone.cancel()


def faulty_answer(fault: Fault, call: Call, api_key: str) -> ASGIApp:
    """Return what `fault` answers to `call`, which carried `api_key`."""
    if fault.kind is FaultKind.STATUS:
        return failure(fault.status, fault.retry_after)
    if fault.kind is FaultKind.ECHO_KEY:
        return refused(400, f"Bad token: Bearer {api_key}")
    if fault.kind is FaultKind.ARRAY:
        return json_answer({"0": {"id": 1}} if call.is_list else [{"id": 1}])
    return _MISBEHAVIOURS[fault.kind]()


def _body(content: bytes, **headers: str) -> Response:
    return Response(content, headers=headers, media_type=JSON_TYPE)


@cache
def _huge() -> bytes:
    return b'{"padding":"' + b"x" * HUGE + b'"}'


@cache
def _bomb() -> bytes:
    return gzip.compress(_huge(), compresslevel=1)


def _redirect() -> Response:
    return Response(status_code=302, headers={"Location": ELSEWHERE})


_MISBEHAVIOURS: Final[dict[FaultKind, Callable[[], ASGIApp]]] = {
    FaultKind.HTML: lambda: html_answer(200),
    FaultKind.EMPTY: empty_answer,
    FaultKind.TRUNCATED: lambda: _body(TRUNCATED),
    FaultKind.TRUNCATED_AFTER: lambda: _body(TRUNCATED),
    FaultKind.NESTED: lambda: _body(b"[" * NESTING + b"]" * NESTING),
    FaultKind.HUGE: lambda: _body(_huge()),
    FaultKind.GZIP_BOMB: lambda: _body(_bomb(), **{"Content-Encoding": "gzip"}),
    FaultKind.REDIRECT: _redirect,
    FaultKind.HANG: lambda: hang,
    FaultKind.HANG_AFTER: lambda: hang,
    FaultKind.SLOW_BODY: lambda: slow_body,
    FaultKind.CLOSE_BEFORE: lambda: drop,
    FaultKind.CLOSE_AFTER: lambda: drop,
}
