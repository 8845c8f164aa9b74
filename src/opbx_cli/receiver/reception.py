"""Deciding about one callback, as OPBX would: whether it is taken, and what it is answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from opbx_cli.callbacks import HEALTH_PATH, VOICE
from opbx_cli.receiver import answers
from opbx_cli.receiver.archive import Archive, Refusal, secrets_of
from opbx_cli.receiver.callback import METHOD_MAX, Answer, Call, Callback, Request, shown
from opbx_cli.receiver.keys import AcceptedKey, Keys, has_expired, matching
from opbx_cli.receiver.payload import BadBody, Payload, call, has_recipient, parsed

NO_TOKEN, NOT_BEARER = "no token", "not a bearer"


@dataclass(frozen=True, slots=True)
class Tally:
    """How many callbacks came, and how many of them were refused."""

    callbacks: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class _Verdict:
    answer: Answer
    reason: str | None = None
    key: str | None = None


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
        archive: Archive | None = None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._keys = keys
        self._show = show
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
            return self._told(request, received, _Verdict(answers.failed(404), "unknown path"))
        if request.method != "POST":
            verdict = _Verdict(answers.failed(405, allow="POST"), "wrong method")
            return self._told(request, received, verdict)
        payload, problem = _read(request)
        keys = self._keys()
        verdict = _judged(request, payload, problem, _key_of(request, keys, received))
        known = Call() if payload is None else call(endpoint, payload)
        return self._told(request, received, verdict, known.without(_secrets(request, keys)))

    def refuse(self, request: Request, status: int, reason: str) -> Answer:
        """Refuse a request of which not all came, or too much."""
        return self._told(request, self._clock(), _Verdict(answers.failed(status), reason))

    def _told(
        self,
        request: Request,
        received: datetime,
        verdict: _Verdict,
        known: Call | None = None,
    ) -> Answer:
        saved = self._saved(request, received, verdict)
        refused = verdict.reason is not None
        self.tally = Tally(self.tally.callbacks + 1, self.tally.refused + refused)
        callback = Callback(
            received=received,
            endpoint=request.endpoint,
            method=shown(request.method, METHOD_MAX),
            call=known or Call(),
            http_status=verdict.answer.status,
            reason=verdict.reason,
            key=verdict.key,
            saved=saved,
        )
        self.is_showing = True
        try:
            self._show(callback)
        finally:
            self.is_showing = False
        return verdict.answer

    def _saved(self, request: Request, received: datetime, verdict: _Verdict) -> str | None:
        """Save what is to be kept of a callback; return where its body is, if that was kept."""
        if self._archive is None or request.endpoint is None:
            return None
        secrets = _secrets(request, self._keys())
        if verdict.reason is None:
            return self._archive.keep(request, received, secrets)
        refusal = Refusal(verdict.answer.status, verdict.reason)
        self._archive.keep_refused(request, received, secrets, refusal)
        return None


def _secrets(request: Request, keys: tuple[AcceptedKey, ...]) -> frozenset[str]:
    """Return what is neither shown nor saved of the request.

    Our keys too, wherever they stand: a proxy may have moved the token to another header.
    """
    return secrets_of(request) | {one.key.reveal() for one in keys}


def _judged(
    request: Request,
    payload: Payload | None,
    problem: str,
    found: tuple[str | None, str | None],
) -> _Verdict:
    """Look at body and token in OPBX's order, which is not the same on all endpoints."""
    is_voice = request.endpoint == VOICE
    if is_voice and not problem and payload is not None and not has_recipient(payload):
        problem = "no 'to'"
    key, reason = found
    is_without_token = reason in (NO_TOKEN, NOT_BEARER)
    if is_voice and problem and not is_without_token:
        return _Verdict(answers.failed(400, problem), problem)
    if reason is not None:
        unauthorized = answers.UNAUTHORIZED_VOICE if is_voice else answers.UNAUTHORIZED
        return _Verdict(unauthorized, reason)
    if problem:
        return _Verdict(answers.failed(400, problem), problem, key)
    return _Verdict(answers.HANG_UP if is_voice else answers.TAKEN, key=key)


def _key_of(
    request: Request, keys: tuple[AcceptedKey, ...], received: datetime
) -> tuple[str | None, str | None]:
    """Return the name of the key that the request carries, or why it carries none."""
    values = request.header(b"authorization")
    if not values:
        return None, NO_TOKEN
    if len(values) > 1:
        return None, "two tokens"
    scheme, _, token = values[0].partition(" ")
    if scheme != "Bearer":  # in these letters alone, as OPBX has it; RFC 9110 would take any
        return None, NOT_BEARER
    if not token.strip():
        return None, NO_TOKEN
    key = matching(token.strip(), keys)
    if key is None:
        return None, "wrong token"
    return (None, "expired key") if has_expired(key, received) else (key.name, None)


def _read(request: Request) -> tuple[Payload | None, str]:
    """Return the payload, or what is wrong with it."""
    try:
        return parsed(request), ""
    except BadBody as problem:
        return None, str(problem)
