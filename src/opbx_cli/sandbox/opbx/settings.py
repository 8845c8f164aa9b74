"""What the settings page of OPBX keeps, in its own words."""

from __future__ import annotations

import copy
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from opbx_cli.sandbox.opbx.answers import Refused, invalid
from opbx_cli.sandbox.opbx.variants import State

if TYPE_CHECKING:
    from opbx_cli.sandbox.domains import Json

KEYS: Final = ("domain_api_key", "domain_requests_api_key")
TEXTS: Final = (
    *("domain_uuid", "domain_name", *KEYS),
    *("webhook_base_url", "cloudonix_package", "embed_allowed_domains"),
)
OF_JULY: Final = ("embed_allowed_domains",)
TEXT_MAX: Final = 255  # characters
TIMEOUT: Final = range(5, 121)  # seconds
FORMATS: Final = ("wav", "mp3")
MASK: Final = "***"
SHOWN: Final = 4  # characters on each side of a mask


@dataclass(slots=True)
class SavedSettings:
    """One organisation's settings; `values` is None as long as nobody saved any."""

    values: Json | None = None
    application: tuple[object, object] | None = None  # id and name; the API shows neither
    created_at: str = ""
    updated_at: str = ""

    def get(self, name: str) -> str | None:
        """Return a text that is saved, None where it is not set."""
        value = (self.values or {}).get(name)
        return str(value) if value else None

    @property
    def is_configured(self) -> bool:
        return self.get("domain_uuid") is not None and self.get("domain_api_key") is not None

    def knows(self, domain: object) -> bool:
        """Tell whether this is the saved domain, by its name or by its UUID."""
        return bool(domain) and domain in (self.get("domain_name"), self.get("domain_uuid"))

    def save(self, body: object, state: State, now: str) -> None:
        """Save what a PUT says: all of it, or nothing; raise `Refused` for a bad value."""
        fields = body if isinstance(body, dict) else {}
        given = {name: fields[name] or None for name in _names(state) if name in fields}
        if state is State.JULY:
            given = {name: value for name, value in given.items() if MASK not in str(value)}
        errors = _text_errors(given) | _required_errors(fields)
        if errors:
            raise Refused(invalid(errors))
        given["no_answer_timeout"] = int(fields["no_answer_timeout"])
        given["recording_format"] = fields["recording_format"]
        self.values = {**dict.fromkeys(_names(state)), **(self.values or {}), **given}
        self.created_at, self.updated_at = self.created_at or now, now

    def view(self, state: State) -> Json | None:
        """Return the settings as the API shows them: July masks both keys."""
        if self.values is None:
            return None
        shown = copy.deepcopy(self.values)
        if state is State.JULY:
            shown |= {name: _masked(value) for name in KEYS if (value := self.get(name))}
        return {
            **shown,
            "is_configured": self.is_configured,
            "has_webhook_auth": self.get("domain_requests_api_key") is not None,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }


def _names(state: State) -> tuple[str, ...]:
    return TEXTS if state is State.JULY else tuple(set(TEXTS) - set(OF_JULY))


def _masked(key: str) -> str:
    return f"{key[:SHOWN]}{MASK}{key[-SHOWN:]}"


def _text_errors(given: Json) -> dict[str, list[str]]:
    errors = {}
    for name, value in given.items():
        label = name.replace("_", " ")
        if value is None:
            continue
        if not isinstance(value, str) or len(value) > TEXT_MAX:
            errors[name] = [f"The {label} must be a text of at most {TEXT_MAX} characters."]
        elif name == "domain_uuid" and not _is_uuid(value):
            errors[name] = ["The domain uuid must be a valid UUID."]
        elif name == "webhook_base_url" and not re.match(r"https?://[^\s/]+", value):
            errors[name] = ["The webhook base url must be a valid URL."]
    return errors


def _required_errors(fields: Json) -> dict[str, list[str]]:
    errors = {}
    timeout, recording = fields.get("no_answer_timeout"), fields.get("recording_format")
    is_number = re.fullmatch("[0-9]{1,4}", str(timeout)) is not None
    if timeout is None:
        errors["no_answer_timeout"] = ["The no answer timeout is required."]
    elif not is_number or int(str(timeout)) not in TIMEOUT:
        errors["no_answer_timeout"] = ["The no answer timeout lies between 5 and 120 seconds."]
    if recording not in FORMATS:
        errors["recording_format"] = ["The recording format is wav or mp3."]
    return errors


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
