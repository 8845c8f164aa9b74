"""The paths of the API, and how it is decided what a request gets."""

from __future__ import annotations

import re
import time
from collections import defaultdict, deque
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from opbx_cli.sandbox.answers import Refusal, failure, html_answer
from opbx_cli.sandbox.faults import Call, FaultPlan, faulty_answer
from opbx_cli.sandbox.handlers import HANDLERS, Incoming
from opbx_cli.sandbox.logs import CallbackLog, RecordedRequest, RequestLog
from opbx_cli.sandbox.state import Clock, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opbx_cli.sandbox.answers import Reaction
    from opbx_cli.sandbox.domains import Domain
    from opbx_cli.sandbox.options import Options

DOMAIN: Final = "/customers/self/domains/(?P<domain>[^/]+)"
APPLICATION: Final = f"{DOMAIN}/applications/(?P<application>[^/]+)"
PATHS: Final = tuple(
    (method, re.compile(path), call)
    for method, path, call in (
        ("GET", DOMAIN, Call.GET_DOMAIN),
        ("PUT", DOMAIN, Call.UPDATE_DOMAIN),
        ("PATCH", DOMAIN, Call.UPDATE_DOMAIN),
        ("GET", f"{DOMAIN}/applications", Call.LIST_APPLICATIONS),
        ("POST", f"{DOMAIN}/applications", Call.CREATE_APPLICATION),
        ("PUT", APPLICATION, Call.UPDATE_APPLICATION),
        ("PATCH", APPLICATION, Call.UPDATE_APPLICATION),
        ("GET", f"{DOMAIN}/trunks", Call.LIST_TRUNKS),
        # Not Cloudonix's, and below a folder of its own, so that nobody takes it for that.
        ("POST", "/sandbox/domains/(?P<domain>[^/]+)/calls", Call.PLACE_CALL),
    )
)
# Cloudonix's rate limit (documentation), for each domain.
REQUESTS: Final = 10
WINDOW: Final = 3.0  # seconds


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; names of headers are in lower case, of a repeated one the first counts.

    `body` is parsed JSON, None without or with a broken one.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: object
    client_port: int

    @property
    def api_key(self) -> str:
        """Return the bearer token (RFC 6750), or an empty text."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


class RateLimit:
    """A sliding window for each domain; refused requests do not count."""

    def __init__(self) -> None:
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
        self._accepted.clear()


class Sandbox:
    """Everything that one running sandbox consists of."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.clock = Clock()
        self.state = State(options, self.clock)
        self.faults = FaultPlan(options.faults)
        self.rate_limit = RateLimit()
        self.request_log = RequestLog()
        self.callback_log = CallbackLog()

    def take(self, request: Request) -> tuple[list[RecordedRequest], Reaction]:
        """Record a request, and carry out its call; return its entry in the log, to be closed."""
        call, names = _call(request)
        entry = self.request_log.begin(
            RecordedRequest(
                call=call,
                method=request.method,
                path=request.path,
                body=request.body,
                client_port=request.client_port,
                started=time.monotonic(),
                headers=request.headers,
            )
        )
        with self.state.lock:
            return entry, self._react(request, call, names)

    def _react(self, request: Request, call: Call, names: Mapping[str, str]) -> Reaction:
        """Decide: first the rate limit, then a planned fault, then the key, then the call."""
        domain = self.state.find(names.get("domain", ""), self.options.variants.uuid_case)
        if (
            domain
            and self.options.rate_limit
            and call is not Call.PLACE_CALL
            and not self.rate_limit.accepts(domain.uuid, self.clock.now())
        ):
            return failure(HTTPStatus.TOO_MANY_REQUESTS)
        fault = self.faults.take(call)
        application = names.get("application", "")
        if fault is None:
            return self._carry_out(request, call, domain, application)
        if fault.kind.is_after:
            self._carry_out(request, call, domain, application)
        return faulty_answer(fault, call, request.api_key)

    def _carry_out(
        self, request: Request, call: Call, domain: Domain | None, application: str
    ) -> Reaction:
        if call is Call.UNKNOWN:
            return html_answer(404)
        try:
            incoming = Incoming(
                request.method,
                self._authorised(request.api_key, call, domain),
                application,
                request.body,
                self.options.variants,
                self.clock,
                self.callback_log,
            )
            return HANDLERS[call](incoming)
        except Refusal as refusal:
            return refusal.answer()

    def _authorised(self, api_key: str, call: Call, domain: Domain | None) -> Domain:
        """Documentation: no or a wrong key is 401, another domain's is 403."""
        if not self.state.knows_key(api_key):
            raise Refusal(401, "Unauthorized")
        if domain is None and call is Call.PLACE_CALL:
            # 404 is how a server that is no sandbox answers to this path.
            raise Refusal(410, "The sandbox has no such domain")
        if domain is None:
            raise Refusal(404, "No such domain")
        if domain.api_key != api_key:
            raise Refusal(403, "This key has no access to this domain")
        return domain


def _call(request: Request) -> tuple[Call, Mapping[str, str]]:
    """Return the call that is asked for, and what its path names.

    A known path with a method that it does not have is unknown, too.
    """
    asked = "GET" if request.method == "HEAD" else request.method
    for method, path, call in PATHS:
        found = path.fullmatch(request.path) if method == asked else None
        if found is not None:
            return call, found.groupdict()
    return Call.UNKNOWN, {}
