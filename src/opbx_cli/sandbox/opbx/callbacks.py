"""OPBX's endpoints for Cloudonix: what each looks at, in which order, and what it answers."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from opbx_cli.sandbox.answers import Answer, json_answer
from opbx_cli.sandbox.opbx.account import CREDENTIALS
from opbx_cli.sandbox.opbx.answers import cxml, invalid
from opbx_cli.sandbox.opbx.variants import OpbxVariants, Signature, State

if TYPE_CHECKING:
    from opbx_cli.sandbox.domains import Json
    from opbx_cli.sandbox.opbx.settings import SavedSettings

SIGNATURE: Final = "x-cloudonix-signature"
SCHEME: Final = "Bearer "  # in exactly these letters
# What a session update has to have (January), and which states are stored.
REQUIRED_OF_UPDATE: Final = ("id", "destination", "createdAt", "modifiedAt", "action")
STORED_STATES: Final = ("processing", "ringing", "connected", "answer")
STORED_WITH: Final = ("domain", "eventId", "domainId", "callerId", "direction", "reason")
DIRECTIONS: Final = (None, "incoming", "outgoing", "internal", "application")
REQUIRED_OF_RECORD: Final = (
    *("timestamp", "from", "to", "disposition", "duration", "billsec", "call_id"),
)


@dataclass(frozen=True, slots=True)
class Arrived:
    """One callback: `content` is its body as it came, `fields` the same read as JSON."""

    headers: Mapping[str, str]
    content: bytes
    fields: Json

    @property
    def token(self) -> str | None:
        """Return the bearer token, None without one."""
        value = self.headers.get("authorization", "")
        return value.removeprefix(SCHEME) if value.startswith(SCHEME) else None


def health() -> Answer:
    return json_answer({"status": "healthy", "service": "voice-routing"})


def voice(arrived: Arrived, settings: SavedSettings) -> Answer:
    """Answer a call: hang up where everything is right."""
    if arrived.token is None:
        return cxml(401, "Unauthorized")
    fields = arrived.fields
    callee = re.sub("[^0-9+]", "", str(_first(fields, "to", "To")))
    if callee in ("", "0"):  # which PHP takes for nothing
        return cxml(400, "Missing destination number")
    if not settings.knows(_first(fields, "Domain", "domain")):
        return cxml(404, "Unable to identify organization")
    key = settings.get("domain_requests_api_key")
    if key is None:
        return cxml(500, "API key not configured")
    return cxml(200) if _is_same(key, arrived.token) else cxml(401, "Unauthorized")


def session_update(arrived: Arrived, settings: SavedSettings, variants: OpbxVariants) -> Answer:
    """Take the state of a call: January wants a signature, July the domain's webhook key."""
    if variants.opbx is State.JULY:
        return _refused_by_july(arrived, settings, arrived.fields.get("domain")) or _taken()
    return _refused_by_january(arrived, variants) or _stored_by_january(arrived.fields, settings)


def call_record(arrived: Arrived, settings: SavedSettings, variants: OpbxVariants) -> Answer:
    """Take what became of a call. January looks at no token."""
    owner = _object(_object(arrived.fields.get("owner")).get("domain"))
    if variants.opbx is State.JULY:
        domain = arrived.fields.get("domain") or owner.get("uuid") or owner.get("name")
        refused = _refused_by_july(arrived, settings, domain)
        if refused is not None:
            return refused
    elif not owner.get("uuid"):
        return json_answer({"error": "Missing domain UUID"}, 400)
    elif owner["uuid"] != settings.get("domain_uuid"):
        return json_answer({"error": "Unknown domain"}, 404)
    return _incomplete(arrived.fields, REQUIRED_OF_RECORD) or _taken()


def _refused_by_july(arrived: Arrived, settings: SavedSettings, domain: object) -> Answer | None:
    if not domain:
        return json_answer({"error": "Missing domain parameter"}, 400)
    key = settings.get("domain_requests_api_key")
    is_open = key is None  # July takes callbacks from anybody then
    if settings.knows(domain) and (is_open or _is_same(key or "", arrived.token or "")):
        return None
    return json_answer({"error": "Unauthorized"}, 401)


def _refused_by_january(arrived: Arrived, variants: OpbxVariants) -> Answer | None:
    if variants.opbx_signature is Signature.OFF:
        return None
    if variants.opbx_signature is Signature.UNSET:
        return json_answer({"error": "Webhook configuration error"}, 500)
    given = arrived.headers.get(SIGNATURE)
    if not given:
        return json_answer({"error": "Missing signature"}, 401)
    secret = CREDENTIALS.signature_secret.encode()
    if not _is_same(hmac.new(secret, arrived.content, hashlib.sha256).hexdigest(), given):
        return json_answer({"error": "Invalid signature"}, 401)
    return None


def _stored_by_january(fields: Json, settings: SavedSettings) -> Answer:
    missing = _missing(fields, REQUIRED_OF_UPDATE)
    if missing or fields.get("direction") not in DIRECTIONS:
        return json_answer({"error": "Validation failed", "details": missing}, 403)
    if fields.get("status") not in STORED_STATES:
        return Answer(204)
    domain = fields.get("domain")
    if domain and domain != settings.get("domain_name"):  # its UUID is not looked at
        return json_answer({"error": "Organization not identified"}, 403)
    if _missing(fields, STORED_WITH):  # its columns are NOT NULL
        return json_answer({"error": "Session update processing failed"}, 500)
    return _taken()


def _incomplete(fields: Json, required: tuple[str, ...]) -> Answer | None:
    missing = _missing(fields, required)
    return invalid({name: [f"The {name} is required."] for name in missing}) if missing else None


def _missing(fields: Json, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if fields.get(name) in (None, "")]


def _taken() -> Answer:
    return json_answer({"status": "success"})


def _first(fields: Json, *names: str) -> object:
    return next((fields[name] for name in names if fields.get(name) is not None), None)


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _is_same(one: str, other: str) -> bool:
    return hmac.compare_digest(_bytes(one), _bytes(other))


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
