"""A call, as far as it shows in callbacks: the application is asked, and the session reported.

Order (documentation: an update whenever the state changes, the record at the end): the voice
request, while the session is new; the session updates, one for each state; the record.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from opbx_cli.sandbox.answers import Answer, Refusal, json_answer
from opbx_cli.sandbox.cxml import FAILED, HUNG_UP, NotCxmlError, Script, read
from opbx_cli.sandbox.domains import (
    BUILT_IN_TYPE,
    WEBHOOK_KEY,
    Application,
    Domain,
    Json,
    application_view,
)
from opbx_cli.sandbox.logs import DELIVERED, REFUSED, Callback, SentCallback
from opbx_cli.sandbox.options import Variants
from opbx_cli.sandbox.payloads import (
    DIRECTIONS,
    USER_AGENT,
    Session,
    call_record,
    new_token,
    session_update,
    voice_headers,
    voice_query,
    voice_request,
)

if TYPE_CHECKING:
    from opbx_cli.sandbox.logs import CallbackLog
    from opbx_cli.sandbox.state import Clock

SESSION_UPDATE: Final = "session-update-endpoint"
CDR: Final = "cdr-endpoint"
# OPBX's own limit, and the E.164 one: a number of at most 15 digits, or an extension.
NUMBER: Final = re.compile(r"\+?[0-9]{1,15}")
# What a session goes through (OPBX: the states it shows, in the order of a call); a call that is
# rejected or fails ends before anything rings. Behind them comes the ending's own state.
STATES: Final = ("processing", "ringing", "connected")


@dataclass(frozen=True, slots=True)
class CallOrder:
    """The call that is asked for; `signature_secret` is what session updates are signed with."""

    caller: str
    callee: str
    direction: str
    wrong_key: bool
    signature_secret: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, fields: Json) -> CallOrder:
        """Read the body of a request; raise `Refusal` for a bad one."""
        caller, callee = fields.get("from"), fields.get("to")
        direction = fields.get("direction", "inbound")
        if not all(isinstance(one, str) and NUMBER.fullmatch(one) for one in (caller, callee)):
            raise Refusal(400, "from and to are numbers: at most 15 digits, perhaps behind a +")
        if not isinstance(direction, str) or direction not in DIRECTIONS:
            raise Refusal(400, f"direction is one of {', '.join(DIRECTIONS)}")
        secret = _text(fields.get("signature_secret"))
        wrong_key = fields.get("wrong_key") is True
        return cls(str(caller), str(callee), direction, wrong_key, secret)


@dataclass(frozen=True, slots=True)
class Setup:
    """What a domain says about callbacks, when the call begins; None: it says nothing."""

    domain_id: int
    uuid: str
    name: str
    application: Application | None
    session_update: str | None
    cdr: str | None
    key: str | None
    missing: tuple[str, ...]

    @classmethod
    def of(cls, domain: Domain) -> Setup:
        """Take what is needed of a domain, so that it may change meanwhile."""
        profile = domain.profile
        application = domain.application(domain.default_application)
        values = {name: _text(profile.get(name)) for name in (SESSION_UPDATE, CDR, WEBHOOK_KEY)}
        missing = [name for name, value in values.items() if value is None]
        problem = _problem(domain, application)
        return cls(
            domain.id,
            domain.uuid,
            domain.name,
            None if problem else application,
            values[SESSION_UPDATE],
            values[CDR],
            values[WEBHOOK_KEY],
            tuple([problem, *missing] if problem else missing),
        )


def _problem(domain: Domain, application: Application | None) -> str:
    """Name what keeps a call from any application of the customer's."""
    if not domain.active:
        return "active-domain"
    if application is None:
        return "default-application"
    if application.type == BUILT_IN_TYPE or application.url.startswith("cx:"):
        return "own-default-application"
    return "" if application.active else "active-application"


class PlacedCall:
    """A call to be made: its callbacks are sent one after the other."""

    def __init__(
        self,
        domain: Domain,
        order: CallOrder,
        *,
        variants: Variants,
        clock: Clock,
        callback_log: CallbackLog,
    ) -> None:
        """Look at the domain now; the call itself is made without the state's lock."""
        self._setup = Setup.of(domain)
        self._order = order
        self._variants = variants
        self._clock = clock
        self._callback_log = callback_log
        self._sent: list[SentCallback] = []
        self._answered: int | None = None

    async def answer(self) -> Answer:
        """Make the call, and answer with its report."""
        application = self._setup.application
        if application is None:
            return json_answer(self._report())
        # 60 ms, for an HTTP client: most sandboxes are not told to call.
        from opbx_cli.sandbox.callback_sender import CallbackSender  # noqa: PLC0415

        self._session = self._new_session(application)
        key = secrets.token_urlsafe(32) if self._order.wrong_key else self._setup.key
        secret = self._order.signature_secret
        async with CallbackSender(self._variants, key, secret) as self._sender:
            script = await self._make(application)
        for callback in self._sent:
            self._callback_log.add(callback)
        return json_answer(
            self._report(
                call=self._session.token,
                disposition=script.ending.disposition,
                application=application.name,
                not_followed=list(script.not_followed),
            )
        )

    def _report(self, **made: object) -> Json:
        """Return what is told about the call: what was `made` of it, and what was missing."""
        report: Json = {"call": None, "disposition": None, "application": None}
        report |= {"callbacks": [callback.view for callback in self._sent], "not_followed": []}
        return report | {"missing": list(self._setup.missing)} | made

    def _new_session(self, application: Application) -> Session:
        setup, order = self._setup, self._order
        return Session(
            token=new_token(),
            domain_id=setup.domain_id,
            domain_uuid=setup.uuid,
            domain=setup.name,
            caller=order.caller,
            callee=order.callee,
            direction=order.direction,
            application=application_view(application, self._variants),
            started=self._clock.milliseconds(),
            created=self._clock.timestamp(),
        )

    async def _make(self, application: Application) -> Script:
        """Ask the application, report the session; return how the call ended."""
        script = await self._ask(application)
        is_answered = script.ending is HUNG_UP
        for state in STATES if is_answered else STATES[:1]:
            if state == "connected":
                self._answered = self._clock.milliseconds()
            await self._update(state)
        await self._update(script.ending.status)
        await self._record(script)
        return script

    async def _ask(self, application: Application) -> Script:
        """Make the voice request, once: a caller does not wait for a second one."""
        callback = Callback(
            "voice",
            application.url,
            voice_request(self._session),
            method=application.method,
            query=voice_query(self._session),
            headers={"User-Agent": USER_AGENT, **voice_headers(self._session)},
        )
        sent = await self._sender.send(callback, may_repeat=False)
        script = Script(FAILED)
        if sent.result == DELIVERED:
            script, sent = _read_script(sent)
        self._sent.append(sent)
        return script

    async def _update(self, status: str) -> None:
        fields = session_update(
            self._session,
            status,
            now=self._clock.milliseconds(),
            stamp=self._clock.timestamp(),
            answered=self._answered,
        )
        await self._notify("session-update", self._setup.session_update, fields, status)

    async def _record(self, script: Script) -> None:
        now = self._clock.milliseconds()
        fields = call_record(self._session, script.ending, now=now, answered=self._answered)
        await self._notify("cdr", self._setup.cdr, fields)

    async def _notify(
        self, endpoint: str, url: str | None, fields: Json, event: str | None = None
    ) -> None:
        if url is None:
            return
        headers = {"User-Agent": USER_AGENT}
        callback = Callback(endpoint, url, fields, event=event, headers=headers)
        self._sent.append(await self._sender.send(callback, may_repeat=True))


def _read_script(sent: SentCallback) -> tuple[Script, SentCallback]:
    """Read the application's answer; what is no CXML counts as a refusal of the call."""
    try:
        script = read(sent.content)
    except NotCxmlError as problem:
        detail = f"{sent.detail}, {problem}"
        return Script(FAILED), replace(sent, result=REFUSED, detail=detail, content=b"")
    return script, sent


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, str | int) and str(value) else None
