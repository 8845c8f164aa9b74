"""What Cloudonix sends for a call, field by field, with the source of each.

Sources, and what each is good for:

* Documentation: Cloudonix's own pages below developers.cloudonix.com/Documentation:
  voiceApplication/Request, dataModels/session, make.com/webhooks/sessionUpdates,
  apiWorkflow/apiCallDetailReports.
* Seen: requests of Cloudonix's that OPBX's developers wrote down.
* OPBX: what OPBX's handlers of the callbacks demand or read.

Where all of them are silent, the docstring says what is assumed.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from opbx_cli.sandbox.domains import Json

if TYPE_CHECKING:
    from opbx_cli.sandbox.cxml import Ending

# Documentation, voiceApplication/Request: the values of `Direction`; OPBX's router knows `outbound`
# and `application` beside them, and takes `outbound-api`, as all else, for inbound. Behind each is
# how a session calls it (OPBX takes incoming, outgoing, internal, application), and the header
# `X-Cx-Source`, of which only a subscriber's was seen; the others are assumed.
DIRECTIONS: Final = {
    "inbound": ("incoming", "TRUNK"),
    "subscriber": ("outgoing", "SUBSCRIBER"),
    "outbound": ("outgoing", "SUBSCRIBER"),
    "application": ("application", "API"),
    "outbound-api": ("application", "API"),
}
# Seen: `Cloudonix APP.Core/5.3.673`. This one says too that it is not the real one.
USER_AGENT: Final = "Cloudonix APP.Core/5.3 (opbx sandbox)"
API_KEY_LENGTH: Final = 34  # documentation: a key is 34 characters that start with "XI"


@dataclass(frozen=True, slots=True)
class Session:
    """One call; times are epoch milliseconds, and `answered` is None until it is."""

    token: str
    domain_id: int
    domain_uuid: str
    domain: str
    caller: str
    callee: str
    direction: str
    application: Json
    started: int
    created: str  # the same moment, as the API writes it

    @property
    def id(self) -> int:
        """Return the session's number; any number does."""
        return int(self.token[:7], 16)

    @property
    def call_id(self) -> str:
        """Return the SIP Call-ID of the caller's leg."""
        return f"{self.token[:16]}@{self.domain}"


def new_token() -> str:
    """Return a session's token; seen: 32 hexadecimal digits."""
    return uuid.uuid4().hex


def voice_headers(session: Session) -> dict[str, str]:
    """Return the headers of a voice request beside the token.

    Seen on these requests alone, so the other callbacks go without. Whose key `X-Cx-Apikey` is was
    never said: this one is made up and opens nothing.
    """
    digest = hashlib.sha256(f"opbx sandbox X-Cx-Apikey of {session.domain}".encode()).hexdigest()
    return {
        "X-Cx-Apikey": f"XI{digest}"[:API_KEY_LENGTH],
        "X-Cx-Domain": session.domain,
        "X-Cx-From": session.caller,
        "X-Cx-Session": session.token,
        "X-Cx-Source": DIRECTIONS[session.direction][1],
        "X-Cx-To": session.callee,
    }


def voice_request(session: Session) -> Json:
    """Return what the voice application is asked with.

    Documentation: CallSid, From, To, Direction, CallStatus, Session. Seen: all of them.
    """
    return {
        "ApplicationSid": session.application["uuid"],
        "ApiVersion": "1",
        "CallStatus": "in-progress",
        "From": session.caller,
        "CallSid": session.token,
        "To": session.callee,
        "SessionData": {
            "id": session.id,
            "domainId": session.domain_id,
            "destination": session.callee,
            "callerId": session.caller,
            "token": session.token,
            "profile": {"callId": [session.call_id]},
            "callStartTime": session.started,
            "status": "NEW",
            "vappServer": "127.0.0.1",
            "callIds": [session.call_id],
            "ringing": False,
            "domainNameOrId": session.domain,
        },
        "Domain": session.domain,
        "Direction": session.direction,
        "Application": session.application,
        "AccountSid": session.domain,
        "Session": session.token,
    }


def voice_query(session: Session) -> dict[str, str]:
    """Return the same for a GET, whose query string (documentation) has no place for objects.

    How Cloudonix writes `SessionData` and `Application` there is not documented: they are left out.
    """
    return {name: value for name, value in voice_request(session).items() if isinstance(value, str)}


def session_update(
    session: Session, status: str, *, now: int, stamp: str, answered: int | None
) -> Json:
    """Return one session update, sent whenever a session's state changes.

    Documentation: callerId, destination, domain, direction, token and the three times. OPBX demands
    id, destination, createdAt, modifiedAt and action, and reads the others; a repetition carries
    the same `eventId`. What `action` may say is not documented: OPBX's own example has `call`. Nor
    is what `reason` says; OPBX's database takes no null for it, so it is the state once more.
    """
    has_ended = status not in ("processing", "ringing", "connected")
    return {
        "id": session.id,
        "eventId": str(uuid.uuid4()),
        "domainId": session.domain_id,
        "domain": session.domain,
        "subscriberId": None,
        "outgoingSubscriberId": None,
        "callerId": session.caller,
        "destination": session.callee,
        "direction": DIRECTIONS[session.direction][0],
        "token": session.token,
        "status": status,
        "createdAt": session.created,
        "modifiedAt": stamp,
        "callStartTime": session.started,
        "callAnswerTime": answered,
        "callEndTime": now if has_ended else None,
        "timeLimit": None,
        "vappServer": "127.0.0.1",
        "action": "call",
        "reason": status,
        "lastError": None,
        "callIds": [session.call_id],
        "profile": {},
    }


def call_record(session: Session, ending: Ending, *, now: int, answered: int | None) -> Json:
    """Return the call detail record, which every call gets, however it ended.

    OPBX demands timestamp, from, to, disposition, duration, billsec and call_id, and finds its
    organisation by `owner.domain`; a call that was not answered has 0 for the time (OPBX).
    """
    duration = (now - session.started) // 1000
    return {
        "timestamp": session.started // 1000,
        "session": {
            "id": session.id,
            "domainId": session.domain_id,  # without it OPBX loses the call's final state
            "token": session.token,
            "callStartTime": session.started,
            "callAnswerTime": answered or 0,
            "callEndTime": now,
            "status": ending.status,
        },
        "from": session.caller,
        "to": session.callee,
        "disposition": ending.disposition,
        "duration": duration,
        "billsec": (now - answered) // 1000 if answered is not None else 0,
        "call_id": session.call_id,
        "domain": session.domain,
        "subscriber": None,
        "cx_trunk_id": None,
        "application": session.application["name"],
        "route": None,
        "vapp_server": "127.0.0.1",
        "owner": {"domain": {"uuid": session.domain_uuid, "name": session.domain}},
    }
