"""OPBX in the two states that are in use, as far as callbacks go: what each answers, and in which
order it looks at token, body and domain.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pbx import CDR, CXML, HEALTH, JSON, SESSION_UPDATE, VOICE, Arrival, Pbx
from servers import http


@dataclass
class January(Pbx):
    """January 2026: signatures on session updates, call records by UUID from anybody."""

    domains: tuple[str, ...] = ()
    signature_secret: str | None = "the-secret-of-opbx"
    verifies_signatures: bool = True

    def answer(self, arrival: Arrival) -> bytes:
        self.arrivals.append(arrival)
        if arrival.path in self.instead:
            return self.instead[arrival.path]
        body = arrival.body if isinstance(arrival.body, dict) else {}
        if arrival.path == HEALTH:
            return http("200 OK", b'{"status": "ok"}', **JSON)
        if arrival.path == VOICE:
            return self.voice(arrival, body)
        if arrival.path == SESSION_UPDATE:
            return self.session_update(arrival, body)
        if arrival.path == CDR:
            return self.call_record(arrival, body)
        return http("404 Not Found", b"<html>nothing here</html>")

    def voice(self, arrival: Arrival, body: dict[str, Any]) -> bytes:
        if not arrival.headers.get("authorization", "").startswith("Bearer "):
            return _cxml("401 Unauthorized")
        if not str(body.get("to") or body.get("To") or "").strip("+").isdigit():
            return _cxml("400 Bad Request")
        if body.get("Domain") not in self.domains:
            return _cxml("404 Not Found", "Unable to identify organization")
        return _cxml("200 OK" if arrival.token == self.key else "401 Unauthorized")

    def session_update(self, _arrival: Arrival, body: dict[str, Any]) -> bytes:
        if not self.verifies_signatures:
            return http("200 OK", b'{"status": "success"}', **JSON)
        if self.signature_secret is None:
            return http("500 Internal Server Error", b'{"error": "Webhook configuration error"}')
        return http("401 Unauthorized", b'{"error": "Missing signature"}', **JSON)

    def call_record(self, _arrival: Arrival, body: dict[str, Any]) -> bytes:
        uuid = body.get("owner", {}).get("domain", {}).get("uuid")
        if uuid is None:
            return http("400 Bad Request", b'{"error": "Missing domain UUID"}', **JSON)
        if uuid not in self.domains:
            return http("404 Not Found", b'{"error": "Unknown domain"}', **JSON)
        return http("200 OK", b'{"status": "success"}', **JSON)


@dataclass
class July(January):
    """July 2026: every callback by its token, for the domain that its body names."""

    has_key: bool = True
    kept: list[Arrival] = field(default_factory=list)

    def session_update(self, arrival: Arrival, body: dict[str, Any]) -> bytes:
        return self._by_token(arrival, body.get("domain"))

    def call_record(self, arrival: Arrival, body: dict[str, Any]) -> bytes:
        owner = body.get("owner", {}).get("domain", {})
        return self._by_token(arrival, body.get("domain") or owner.get("uuid") or owner.get("name"))

    def _by_token(self, arrival: Arrival, domain: object) -> bytes:
        if domain is None:
            return http("400 Bad Request", b'{"error": "Missing domain parameter"}', **JSON)
        is_known = domain in self.domains
        if is_known and (not self.has_key or arrival.token == self.key):
            self.kept.append(arrival)
            return http("200 OK", b'{"status": "success"}', **JSON)
        return http("401 Unauthorized", b'{"error": "Unauthorized"}', **JSON)


def _cxml(status: str, said: str = "") -> bytes:
    body = f"<Response><Say>{said}</Say><Hangup/></Response>"
    return http(status, body.encode(), **CXML)
