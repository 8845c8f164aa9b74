"""How OPBX judges a callback, in each of the two states that are in use.

Facts: OPBX's public source (January 2026, run), and its documentation of July 2026. Where only
January is known, July is played the same way.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from opbx_cli.models import Secret
from opbx_cli.values import is_uuid
from opbx_cli.webhooks.endpoints import CDR, VOICE
from opbx_cli.webhooks.receiver import answers
from opbx_cli.webhooks.receiver.callback import Answer, Request
from opbx_cli.webhooks.receiver.payload import Payload, value_at

SIGNATURE = b"x-cloudonix-signature"  # hex HMAC-SHA256 of the body
# What OPBX's handlers demand of a body, beside what finds the domain.
RECORD_NEEDS = ("timestamp", "from", "to", "disposition", "duration", "billsec", "call_id")
UPDATE_NEEDS = ("id", "destination", "createdAt", "modifiedAt", "action")
UPDATE_DIRECTIONS = (None, "incoming", "outgoing", "internal", "application")
STORED_STATES = ("processing", "ringing", "connected", "answer")
# What OPBX's table takes no null for.
STORED_WITH = ("domain", "eventId", "domainId", "callerId", "direction", "reason")


class State(StrEnum):
    """The states of OPBX in use, by month of 2026."""

    JANUARY = "january"
    JULY = "july"


@dataclass(frozen=True, slots=True)
class Organization:
    """The domain that OPBX has saved; where its name is not known, every name counts as its."""

    uuid: str | None
    name: str | None = None

    def has(self, domain: str) -> bool:
        return domain == self.uuid or self.is_named(domain)

    def is_named(self, domain: str) -> bool:
        return domain == self.name if self.name is not None else not is_uuid(domain)


@dataclass(frozen=True, slots=True)
class Signatures:
    """What January's OPBX has configured for session updates."""

    secret: Secret | None = None  # CLOUDONIX_WEBHOOK_SECRET
    are_checked: bool = True  # CLOUDONIX_VERIFY_SIGNATURE


@dataclass(frozen=True, slots=True)
class Played:
    """The OPBX that the receiver stands in for."""

    state: State
    organization: Organization
    signatures: Signatures = Signatures()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Say what surprises: January's OPBX takes some callbacks from anybody."""
        if self.state is State.JULY:
            return ()
        anybody = "as OPBX of January 2026 does, this receiver takes call records from anybody"
        if not self.signatures.are_checked:
            return (f"{anybody}, and session updates too: CLOUDONIX_VERIFY_SIGNATURE is false",)
        if self.signatures.secret is not None:
            return (anybody,)
        unset = "CLOUDONIX_WEBHOOK_SECRET is not set: session updates are answered with 500"
        return (anybody, f"{unset}, as OPBX of January 2026 does then")


@dataclass(frozen=True, slots=True)
class Token:
    """What a request has for a token: the name of the key, or why it has none."""

    key: str | None
    problem: str | None
    is_absent: bool = False  # or no bearer in the letters that OPBX wants


@dataclass(frozen=True, slots=True)
class Judgement:
    answer: Answer
    reason: str | None = None  # None: it was taken
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """One callback: `problem` says what is wrong with its body, whose payload is empty then."""

    request: Request
    payload: Payload
    problem: str
    token: Token


def judge(played: Played, evidence: Evidence) -> Judgement:
    """Answer as OPBX does, looking at token, body and domain in its order."""
    endpoint = evidence.request.endpoint
    if endpoint == VOICE:
        return _voice(played, evidence)
    judges: dict[tuple[bool, State], Callable[[Played, Evidence], Judgement]] = {
        (False, State.JANUARY): _signed_update,
        (False, State.JULY): _by_token,
        (True, State.JANUARY): _record_by_uuid,
        (True, State.JULY): _by_token,
    }
    return judges[endpoint == CDR, played.state](played, evidence)


def _voice(played: Played, evidence: Evidence) -> Judgement:
    token = evidence.token
    if token.is_absent:
        return _refused(answers.cxml(401), token.problem)
    payload = evidence.payload
    if evidence.problem:
        return _refused(answers.cxml(400), evidence.problem)
    if not _digits(payload):
        return _refused(answers.cxml(400), "no number in 'to'")
    domain = _text(payload, "Domain") or _text(payload, "domain")
    if domain is None or not played.organization.has(domain):
        return _refused(answers.cxml(404), _whose(domain))
    if token.problem is not None:
        return _refused(answers.cxml(401), token.problem)
    return Judgement(answers.HANG_UP, key=token.key)


def _by_token(played: Played, evidence: Evidence) -> Judgement:
    """July: by the key of the domain that the body names."""
    token, payload = evidence.token, evidence.payload
    if evidence.problem:
        return _refused(answers.failed(400, evidence.problem), evidence.problem)
    places = (("domain",), ("owner", "domain", "uuid"), ("owner", "domain", "name"))
    domain = next(filter(None, (_text(payload, *place) for place in places)), None)
    if domain is None:
        return _refused(answers.failed(400, "Missing domain parameter"), _whose(None))
    if not played.organization.has(domain):
        return _refused(answers.failed(401), _whose(domain))
    if token.problem is not None:
        return _refused(answers.failed(401), token.problem)
    if evidence.request.endpoint == CDR:
        return _record(evidence)
    return Judgement(answers.TAKEN, key=token.key)


def _signed_update(played: Played, evidence: Evidence) -> Judgement:
    """January: by a signature, which Cloudonix's documentation does not know."""
    signatures = played.signatures
    if signatures.are_checked:
        refusal = _refused_signature(evidence.request, signatures.secret)
        if refusal is not None:
            return refusal
    payload = evidence.payload
    problem = evidence.problem or _lacking(payload, UPDATE_NEEDS)
    if problem is None and value_at(payload, ("direction",)) not in UPDATE_DIRECTIONS:
        problem = "unknown 'direction'"
    if problem is not None:
        return _refused(answers.failed(403, "Validation failed"), problem)
    if _text(payload, "status") not in STORED_STATES:
        return Judgement(answers.NOT_STORED, key=evidence.token.key)
    domain = _text(payload, "domain")
    if domain is not None and not played.organization.is_named(domain):
        return _refused(answers.failed(403, "Organization not identified"), _whose(domain))
    problem = _lacking(payload, STORED_WITH)
    if problem is not None:
        return _refused(answers.failed(500), problem)
    return Judgement(answers.TAKEN, key=evidence.token.key)


def _refused_signature(request: Request, secret: Secret | None) -> Judgement | None:
    if secret is None:
        return _refused(answers.failed(500, "Webhook configuration error"), "no signature secret")
    given = request.header(SIGNATURE)
    if not given:
        return _refused(answers.failed(401, "Missing signature"), "no signature")
    expected = hmac.new(secret.reveal().encode(), request.body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), given[0].encode()):
        return _refused(answers.failed(401, "Invalid signature"), "wrong signature")
    return None


def _record_by_uuid(played: Played, evidence: Evidence) -> Judgement:
    """January: from anybody who knows the domain's UUID."""
    uuid = _text(evidence.payload, "owner", "domain", "uuid")
    if uuid is None:
        reason = evidence.problem or "no 'owner.domain.uuid'"
        return _refused(answers.failed(400, "Missing domain UUID"), reason)
    if uuid != played.organization.uuid:
        return _refused(answers.failed(404, "Unknown domain"), _whose(uuid))
    return _record(evidence)


def _record(evidence: Evidence) -> Judgement:
    problem = _lacking(evidence.payload, RECORD_NEEDS)
    if problem is not None:
        return _refused(answers.failed(422, problem), problem)
    return Judgement(answers.TAKEN, key=evidence.token.key)


def _refused(answer: Answer, reason: str | None) -> Judgement:
    return Judgement(answer, reason or "refused")


def _digits(payload: Payload) -> bool:
    """Tell whether `to` has a number, as OPBX reads it: PHP takes "0" for nothing."""
    number = _text(payload, "to") or _text(payload, "To") or ""
    return re.sub(r"[^0-9+]", "", number) not in ("", "0")


def _lacking(payload: Payload, names: tuple[str, ...]) -> str | None:
    """Say which of these is not there, None if all are; OPBX takes an empty text for nothing."""
    missing = (name for name in names if value_at(payload, (name,)) in (None, ""))
    return next((f"no '{name}'" for name in missing), None)


def _text(payload: Payload, *place: str) -> str | None:
    value = value_at(payload, place)
    return value if isinstance(value, str) and value else None


def _whose(domain: str | None) -> str:
    return "no domain" if domain is None else "another domain"
