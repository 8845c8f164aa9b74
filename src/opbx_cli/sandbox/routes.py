"""The paths of the API, and how it is decided what a request gets."""

from __future__ import annotations

import re
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from opbx_cli.sandbox.answers import Answer, Refusal, failure, html_answer
from opbx_cli.sandbox.faults import Call, FaultPlan, faulty_answer
from opbx_cli.sandbox.handlers import HANDLERS
from opbx_cli.sandbox.incoming import Incoming, Request
from opbx_cli.sandbox.logs import CallbackLog, RecordedRequest, RequestLog
from opbx_cli.sandbox.opbx.answers import too_many
from opbx_cli.sandbox.opbx.instance import PATHS as OPBX_PATHS
from opbx_cli.sandbox.opbx.instance import Opbx, faulty_call
from opbx_cli.sandbox.rate_limit import RateLimit
from opbx_cli.sandbox.state import Clock, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opbx_cli.sandbox.answers import Reaction
    from opbx_cli.sandbox.domains import Domain
    from opbx_cli.sandbox.options import Options

DOMAINS: Final = "/(?:customers|tenants)/self/domains"  # tenants: its older name
DOMAIN: Final = f"{DOMAINS}/(?P<domain>[^/]+)"
APPLICATION: Final = f"{DOMAIN}/applications/(?P<reference>[^/]+)"
TRUNK: Final = f"{DOMAIN}/trunks/(?P<reference>[^/]+)"
PATHS: Final = tuple(
    (method, re.compile(path), call)
    for method, path, call in (
        ("GET", DOMAINS, Call.LIST_DOMAINS),
        ("POST", DOMAINS, Call.CREATE_DOMAIN),
        ("GET", DOMAIN, Call.GET_DOMAIN),
        ("PUT", DOMAIN, Call.UPDATE_DOMAIN),
        ("PATCH", DOMAIN, Call.UPDATE_DOMAIN),
        ("DELETE", DOMAIN, Call.DELETE_DOMAIN),
        ("GET", f"{DOMAIN}/applications", Call.LIST_APPLICATIONS),
        ("POST", f"{DOMAIN}/applications", Call.CREATE_APPLICATION),
        ("GET", APPLICATION, Call.GET_APPLICATION),
        ("PUT", APPLICATION, Call.UPDATE_APPLICATION),
        ("PATCH", APPLICATION, Call.UPDATE_APPLICATION),
        ("DELETE", APPLICATION, Call.DELETE_APPLICATION),
        ("GET", f"{DOMAIN}/trunks", Call.LIST_TRUNKS),
        ("POST", f"{DOMAIN}/trunks", Call.CREATE_TRUNK),
        ("GET", TRUNK, Call.GET_TRUNK),
        ("PUT", TRUNK, Call.UPDATE_TRUNK),
        ("PATCH", TRUNK, Call.UPDATE_TRUNK),
        ("DELETE", TRUNK, Call.DELETE_TRUNK),
        # Not Cloudonix's, and below a folder of its own, so that nobody takes it for that.
        ("POST", "/sandbox/domains/(?P<domain>[^/]+)/calls", Call.PLACE_CALL),
    )
)


class Sandbox:
    """Everything that one running sandbox consists of."""

    def __init__(self, options: Options, url: str) -> None:
        self.options = options
        self.clock = Clock()
        self.state = State(options, self.clock)
        self.faults = FaultPlan()
        self.rate_limit = RateLimit(seconds=options.variants.rate_window)
        self.request_log = RequestLog()
        self.callback_log = CallbackLog()
        self.opbx = Opbx(url, self.clock, self._ask)
        if options.opbx:
            self.opbx.fill_in(self.state.credentials[0], options.opbx_variants)
            self.rate_limit.forget()
        self.faults.plan(options.faults)

    def take(self, request: Request) -> tuple[list[RecordedRequest], Reaction]:
        """Record a request, and carry out its call; return its entry in the log, to be closed."""
        call, names = self._call(request)
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
        if call.is_of_opbx:
            return self._react_as_opbx(request, call)
        domain = self._domain(request, call, names)
        if (
            domain
            and self.options.rate_limit
            and call is not Call.PLACE_CALL
            and not self.rate_limit.accepts(domain.uuid, self.clock.now())
        ):
            return failure(HTTPStatus.TOO_MANY_REQUESTS)
        fault = self.faults.take(call)
        reference = names.get("reference", "")
        if fault is None:
            return self._carry_out(request, call, domain, reference)
        if fault.kind.is_after:
            self._carry_out(request, call, domain, reference)
        return faulty_answer(fault, call, request.api_key)

    def _domain(self, request: Request, call: Call, names: Mapping[str, str]) -> Domain | None:
        """Return the domain that the path names; where it names none, the key's own."""
        if call in (Call.LIST_DOMAINS, Call.CREATE_DOMAIN):
            return self.state.domain_of(request.api_key)
        return self.state.find(names.get("domain", ""), self.options.variants.uuid_case)

    def _react_as_opbx(self, request: Request, call: Call) -> Reaction:
        if self.options.rate_limit and not self.opbx.accepts(call):
            return too_many()
        fault = self.faults.take(call)
        if fault is not None and not fault.kind.is_after:
            return faulty_call(fault, call, request)
        answer = self.opbx.answer(call, request, self.options.opbx_variants)
        return answer if fault is None else faulty_call(fault, call, request)

    def _ask(self, method: str, path: str, api_key: str, body: object) -> Answer | None:
        """Take a request of OPBX's to Cloudonix; None is one without an answer."""
        headers = {"authorization": f"Bearer {api_key}"}
        request = Request(method, path, headers, body, client_port=0)
        reaction = self._react(request, *_call(request))
        return reaction if isinstance(reaction, Answer) else None

    def _call(self, request: Request) -> tuple[Call, Mapping[str, str]]:
        asked = "GET" if request.method == "HEAD" else request.method
        call = OPBX_PATHS.get((asked, request.path)) if self.options.opbx else None
        return _call(request) if call is None else (call, {})

    def _carry_out(
        self, request: Request, call: Call, domain: Domain | None, reference: str
    ) -> Reaction:
        if call is Call.UNKNOWN:
            return html_answer(404)
        try:
            incoming = Incoming(
                request.method,
                self._authorised(request.api_key, call, domain),
                reference,
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
