"""One callback after the other: judged, shown, saved, answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from opbx_cli.webhooks.endpoints import HEALTH_PATH
from opbx_cli.webhooks.receiver import answers
from opbx_cli.webhooks.receiver.archive import Archive, Refusal, secrets_of
from opbx_cli.webhooks.receiver.callback import METHOD_MAX, Answer, Call, Callback, Request, shown
from opbx_cli.webhooks.receiver.keys import AcceptedKey, Keys, has_expired, matching
from opbx_cli.webhooks.receiver.opbx import Evidence, Judgement, Played, Token, judge
from opbx_cli.webhooks.receiver.payload import BadBody, Payload, call, parsed

BEARER = "Bearer "  # in these letters alone, as OPBX has it; RFC 9110 would take any


@dataclass(frozen=True, slots=True)
class Tally:
    """How many callbacks came, and how many of them were refused."""

    callbacks: int = 0
    refused: int = 0


def now() -> datetime:
    return datetime.now(UTC)


class Reception:
    """Takes one request at a time; `show` gets each callback before it is answered.

    So a callback that Cloudonix was told to have arrived was seen, and saved if that was
    asked for. Raises what `show` and the archive raise: the callback is not answered then.
    """

    def __init__(
        self,
        keys: Keys,
        show: Callable[[Callback], None],
        *,
        played: Played,
        archive: Archive | None = None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._keys = keys
        self._show = show
        self._played = played
        self._archive = archive
        self._clock = clock
        self.tally = Tally()
        self.is_showing = False

    def take(self, request: Request) -> Answer:
        """Judge a request that arrived whole, and return its answer."""
        if request.path == HEALTH_PATH:
            if request.method in ("GET", "HEAD"):
                return answers.HEALTHY
            return answers.failed(405, allow="GET, HEAD")
        received = self._clock()
        endpoint = request.endpoint
        if endpoint is None:
            return self._told(request, received, Judgement(answers.failed(404), "unknown path"))
        if request.method != "POST":
            judgement = Judgement(answers.failed(405, allow="POST"), "wrong method")
            return self._told(request, received, judgement)
        payload, problem = _read(request)
        keys = self._keys()
        token = _token_of(request, keys, received)
        judgement = judge(self._played, Evidence(request, payload, problem, token))
        known = call(endpoint, payload)
        return self._told(request, received, judgement, known.without(_secrets(request, keys)))

    def refuse(self, request: Request, status: int, reason: str) -> Answer:
        """Refuse a request of which not all came, or too much."""
        return self._told(request, self._clock(), Judgement(answers.failed(status), reason))

    def _told(
        self,
        request: Request,
        received: datetime,
        judgement: Judgement,
        known: Call | None = None,
    ) -> Answer:
        saved = self._saved(request, received, judgement)
        refused = judgement.reason is not None
        self.tally = Tally(self.tally.callbacks + 1, self.tally.refused + refused)
        callback = Callback(
            received=received,
            endpoint=request.endpoint,
            method=shown(request.method, METHOD_MAX),
            call=known or Call(),
            http_status=judgement.answer.status,
            reason=judgement.reason,
            key=judgement.key,
            saved=saved,
        )
        self.is_showing = True
        try:
            self._show(callback)
        finally:
            self.is_showing = False
        return judgement.answer

    def _saved(self, request: Request, received: datetime, judgement: Judgement) -> str | None:
        """Save what is to be kept of a callback; return where its body is, if that was kept."""
        if self._archive is None or request.endpoint is None:
            return None
        secrets = _secrets(request, self._keys())
        if judgement.reason is None:
            return self._archive.keep(request, received, secrets)
        refusal = Refusal(judgement.answer.status, judgement.reason)
        self._archive.keep_refused(request, received, secrets, refusal)
        return None


def _secrets(request: Request, keys: tuple[AcceptedKey, ...]) -> frozenset[str]:
    """Return what is neither shown nor saved of the request.

    Our keys too, wherever they stand: a proxy may have moved the token to another header.
    """
    return secrets_of(request) | {one.key.reveal() for one in keys}


def _token_of(request: Request, keys: tuple[AcceptedKey, ...], received: datetime) -> Token:
    values = request.header(b"authorization")
    if not values:
        return Token(None, "no token", is_absent=True)
    if len(values) > 1:
        return Token(None, "two tokens")
    if not values[0].startswith(BEARER):
        is_empty = values[0] == BEARER.strip()
        return Token(None, "no token" if is_empty else "not a bearer", is_absent=True)
    key = matching(values[0].removeprefix(BEARER), keys)
    if key is None:
        return Token(None, "wrong token")
    return Token(None, "expired key") if has_expired(key, received) else Token(key.name, None)


def _read(request: Request) -> tuple[Payload, str]:
    """Return the payload; or an empty one, as OPBX has it then, and what is wrong with the body."""
    try:
        return parsed(request), ""
    except BadBody as problem:
        return {}, str(problem)
