"""What Cloudonix calls on an OPBX instance: OPBX's routes, below the webhook base URL."""

from __future__ import annotations

from typing import NamedTuple

VOICE = "voice"  # a call arrives: answered with CXML
SESSION_UPDATE = "session-update"  # many for each call
CDR = "cdr"  # one for each call, at its end

PATHS = {
    VOICE: "/api/voice/route",
    SESSION_UPDATE: "/api/webhooks/cloudonix/session-update",
    CDR: "/api/webhooks/cloudonix/cdr",
}
HEALTH_PATH = "/api/voice/health"  # for anybody: GET answers JSON, and wants no token


class Endpoints(NamedTuple):
    """The URLs of the three callbacks."""

    voice: str
    session_update: str
    cdr: str

    @property
    def base_url(self) -> str:
        return self.voice.removesuffix(PATHS[VOICE])


def endpoints(base_url: str) -> Endpoints:
    return Endpoints(
        voice=base_url + PATHS[VOICE],
        session_update=base_url + PATHS[SESSION_UPDATE],
        cdr=base_url + PATHS[CDR],
    )
