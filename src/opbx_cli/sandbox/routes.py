"""The paths of the API, and the way of every request through the sandbox."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route, Router

from opbx_cli.sandbox.answers import Refusal, failure, html_answer
from opbx_cli.sandbox.clock import Clock
from opbx_cli.sandbox.deliveries import Deliveries
from opbx_cli.sandbox.faults import Call, FaultPlan
from opbx_cli.sandbox.handlers import HANDLERS, Incoming
from opbx_cli.sandbox.misbehaviour import misbehaviour
from opbx_cli.sandbox.rate_limit import RateLimit
from opbx_cli.sandbox.recorder import RecordedRequest, Recorder
from opbx_cli.sandbox.state import State

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from opbx_cli.sandbox.options import Options
    from opbx_cli.sandbox.records import Domain

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


class World:
    """Everything that one running sandbox consists of."""

    def __init__(self, options: Options) -> None:
        """Make a fresh one."""
        self.options = options
        self.clock = Clock()
        self.state = State(options, self.clock)
        self.faults = FaultPlan(options.faults)
        self.rate_limit = RateLimit()
        self.recorder = Recorder()
        self.deliveries = Deliveries()


def router(world: World) -> ASGIApp:
    """Return the web application."""
    unknown = Endpoint(world, Call.UNKNOWN)
    routes = [Route(path, Endpoint(world, call), methods=[method]) for method, path, call in PATHS]
    # The last route also takes known paths with a method that they do not have.
    return Router(
        [*routes, Route("/{path:path}", unknown)], redirect_slashes=False, default=unknown
    )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One call, as a web application of its own."""

    world: World
    call: Call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Record the request, decide, wait as long as the latency says, answer."""
        request = Request(scope, receive)
        try:
            body = _parsed(await request.body())
        except ClientDisconnect:
            return
        entry = self.world.recorder.begin(self._record(request, body))

        async def watched_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.world.recorder.end(entry, message["status"])
            await send(message)

        with self.world.state.lock:
            reaction = self._react(request, body)
        try:
            await asyncio.sleep(self.world.options.latency)
            await reaction(scope, receive, watched_send)
        except asyncio.CancelledError:  # the sandbox stops: uvicorn would answer 500 now
            scope["state"]["transport"].abort()
            raise
        finally:
            self.world.recorder.end(entry, None)

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
        world = self.world
        domain = self._domain(request)
        if (
            domain
            and world.options.rate_limit
            and self.call is not Call.PLACE_CALL
            and not world.rate_limit.accepts(domain.uuid, world.clock.now())
        ):
            return failure(HTTPStatus.TOO_MANY_REQUESTS)
        fault = world.faults.take(self.call)
        if fault is None:
            return self._answer(request, domain, body)
        if fault.kind.is_after:
            self._answer(request, domain, body)
        return misbehaviour(fault, self.call, _api_key(request))

    def _domain(self, request: Request) -> Domain | None:
        uuid = request.path_params.get("domain", "")
        return self.world.state.find(uuid, self.world.options.variants.uuid_case)

    def _answer(self, request: Request, domain: Domain | None, body: object) -> ASGIApp:
        if self.call is Call.UNKNOWN:
            return html_answer(404)
        try:
            incoming = Incoming(
                request.method,
                self._authorised(_api_key(request), domain),
                request.path_params.get("application", ""),
                body,
                self.world.options.variants,
                self.world.clock,
                self.world.deliveries,
            )
            return HANDLERS[self.call](incoming)
        except Refusal as refusal:
            return refusal.answer()

    def _authorised(self, api_key: str, domain: Domain | None) -> Domain:
        """Documentation: no or a wrong key is 401, another domain's is 403."""
        if not self.world.state.knows_key(api_key):
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
