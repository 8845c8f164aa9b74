"""The paths of the API, and the way of every request through the sandbox."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict, deque
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route, Router

from opbx_cli.sandbox.answers import Refusal, failure, html_answer
from opbx_cli.sandbox.faults import Call, FaultPlan
from opbx_cli.sandbox.handlers import HANDLERS, Incoming
from opbx_cli.sandbox.logs import CallbackLog, RecordedRequest, RequestLog
from opbx_cli.sandbox.misbehaviour import faulty_answer
from opbx_cli.sandbox.state import Clock, State

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from opbx_cli.sandbox.domains import Domain
    from opbx_cli.sandbox.options import Options

DOMAIN: Final = "/customers/self/domains/{domain}"
PATHS: Final = (
    ("GET", DOMAIN, Call.GET_DOMAIN),
    ("PUT", DOMAIN, Call.UPDATE_DOMAIN),
    ("PATCH", DOMAIN, Call.UPDATE_DOMAIN),
    ("GET", f"{DOMAIN}/applications", Call.LIST_APPLICATIONS),
    ("POST", f"{DOMAIN}/applications", Call.CREATE_APPLICATION),
    ("PUT", f"{DOMAIN}/applications/{{application}}", Call.UPDATE_APPLICATION),
    ("PATCH", f"{DOMAIN}/applications/{{application}}", Call.UPDATE_APPLICATION),
    ("GET", f"{DOMAIN}/trunks", Call.LIST_TRUNKS),
    # Not Cloudonix's, and below a folder of its own, so that nobody takes it for that.
    ("POST", "/sandbox/domains/{domain}/calls", Call.PLACE_CALL),
)


class Sandbox:
    """Everything that one running sandbox consists of."""

    def __init__(self, options: Options) -> None:
        """Make a fresh one."""
        self.options = options
        self.clock = Clock()
        self.state = State(options, self.clock)
        self.faults = FaultPlan(options.faults)
        self.rate_limit = RateLimit()
        self.request_log = RequestLog()
        self.callback_log = CallbackLog()


def router(sandbox: Sandbox) -> ASGIApp:
    """Return the web application."""
    unknown = Endpoint(sandbox, Call.UNKNOWN)
    routes = [
        Route(path, Endpoint(sandbox, call), methods=[method]) for method, path, call in PATHS
    ]
    # The last route also takes known paths with a method that they do not have.
    return Router(
        [*routes, Route("/{path:path}", unknown)], redirect_slashes=False, default=unknown
    )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One call, as a web application of its own."""

    sandbox: Sandbox
    call: Call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Record the request, decide, wait as long as the latency says, answer."""
        request = Request(scope, receive)
        try:
            body = _parsed(await request.body())
        except ClientDisconnect:
            return
        entry = self.sandbox.request_log.begin(self._record(request, body))

        async def watched_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.sandbox.request_log.end(entry, message["status"])
            await send(message)

        with self.sandbox.state.lock:
            reaction = self._react(request, body)
        try:
            await asyncio.sleep(self.sandbox.options.latency)
            await reaction(scope, receive, watched_send)
        except asyncio.CancelledError:  # the sandbox stops: uvicorn would answer 500 now
            scope["state"]["transport"].abort()
            raise
        finally:
            self.sandbox.request_log.end(entry, None)

    def _record(self, request: Request, body: object) -> RecordedRequest:
        return RecordedRequest(
            call=self.call,
            method=request.method,
            path=request.scope["path"],
            body=body,
            client_port=request.client.port if request.client else 0,
            started=time.monotonic(),
            headers=dict(request.headers),
        )

    def _react(self, request: Request, body: object) -> ASGIApp:
        """Decide: first the rate limit, then a planned fault, then the key, then the call."""
        sandbox = self.sandbox
        domain = self._domain(request)
        if (
            domain
            and sandbox.options.rate_limit
            and self.call is not Call.PLACE_CALL
            and not sandbox.rate_limit.accepts(domain.uuid, sandbox.clock.now())
        ):
            return failure(HTTPStatus.TOO_MANY_REQUESTS)
        fault = sandbox.faults.take(self.call)
        if fault is None:
            return self._answer(request, domain, body)
        if fault.kind.is_after:
            self._answer(request, domain, body)
        return faulty_answer(fault, self.call, _api_key(request))

    def _domain(self, request: Request) -> Domain | None:
        uuid = request.path_params.get("domain", "")
        return self.sandbox.state.find(uuid, self.sandbox.options.variants.uuid_case)

    def _answer(self, request: Request, domain: Domain | None, body: object) -> ASGIApp:
        if self.call is Call.UNKNOWN:
            return html_answer(404)
        try:
            incoming = Incoming(
                request.method,
                self._authorised(_api_key(request), domain),
                request.path_params.get("application", ""),
                body,
                self.sandbox.options.variants,
                self.sandbox.clock,
                self.sandbox.callback_log,
            )
            return HANDLERS[self.call](incoming)
        except Refusal as refusal:
            return refusal.answer()

    def _authorised(self, api_key: str, domain: Domain | None) -> Domain:
        """Documentation: no or a wrong key is 401, another domain's is 403."""
        if not self.sandbox.state.knows_key(api_key):
            raise Refusal(401, "Unauthorized")
        if domain is None and self.call is Call.PLACE_CALL:
            # 404 is how a server that is no sandbox answers to this path.
            raise Refusal(410, "The sandbox has no such domain")
        if domain is None:
            raise Refusal(404, "No such domain")
        if domain.api_key != api_key:
            raise Refusal(403, "This key has no access to this domain")
        return domain


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _api_key(request: Request) -> str:
    """Return the bearer token (RFC 6750), or an empty text."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


REQUESTS = 10
WINDOW = 3.0  # seconds


class RateLimit:
    """A sliding window for each domain; refused requests do not count."""

    def __init__(self) -> None:
        """Start with empty windows."""
        self._accepted: defaultdict[str, deque[float]] = defaultdict(deque)

    def accepts(self, domain: str, now: float) -> bool:
        """Tell whether a request at `now` (seconds) is within the limit, and count it if so."""
        accepted = self._accepted[domain]
        while accepted and now - accepted[0] >= WINDOW:
            accepted.popleft()
        if len(accepted) >= REQUESTS:
            return False
        accepted.append(now)
        return True

    def forget(self) -> None:
        """Start over with empty windows."""
        self._accepted.clear()
