"""What OPBX does on Cloudonix, with the API key that it has saved."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from opbx_cli.sandbox.answers import Answer
from opbx_cli.sandbox.opbx.variants import BaseUrl, CloudonixAnswer, OpbxVariants, State

if TYPE_CHECKING:
    from opbx_cli.sandbox.domains import Json
    from opbx_cli.sandbox.opbx.settings import SavedSettings

VOICE_PATH: Final = "/api/voice/route"
SESSION_UPDATE_PATH: Final = "/api/webhooks/cloudonix/session-update"
CDR_PATH: Final = "/api/webhooks/cloudonix/cdr"
PREFIX: Final = "opbx-routing-application-"
OUTBOUND: Final = ("outbound", "public-outbound")
URL_OF_VARIABLE: Final = "https://variable.example.com"

# One request to Cloudonix: method, path, API key, body. None: no answer came.
Ask = Callable[[str, str, str, object], Answer | None]
Reference = tuple[object, object]  # of an application: id and name


class CloudonixRefused(Exception):
    """Cloudonix did not do it; the sentence is what it said."""


@dataclass(frozen=True, slots=True)
class CloudonixSide:
    """Cloudonix as OPBX sees it, for one call of OPBX's API."""

    settings: SavedSettings
    variants: OpbxVariants
    app_url: str
    ask: Ask

    @property
    def base_url(self) -> str:
        """Return where OPBX wants to be reached. July's variable wins over what was saved."""
        if self.variants.opbx is State.JULY and self.variants.opbx_base_url is BaseUrl.VARIABLE:
            return URL_OF_VARIABLE
        return (self.settings.get("webhook_base_url") or self.app_url).rstrip("/")

    @property
    def urls(self) -> Json:
        """Return the addresses that the settings page shows beside the settings."""
        return {
            "callback_url": f"{self.base_url}{SESSION_UPDATE_PATH}",
            "cdr_url": f"{self.base_url}{CDR_PATH}",
        }

    def bring_in_line(self) -> str | None:
        """Write the profile, then the application, then the default one; return what failed."""
        if not self.settings.is_configured:
            return None
        try:
            self._call("PUT", "", {"profile": self._profile()})
            application = self._update_application() or self._create_application()
            self._call("PUT", "", {"defaultApplication": application[0]})
        except CloudonixRefused as problem:
            return f"The settings were saved, but Cloudonix was not brought in line: {problem}"
        self.settings.application = application
        return None

    def domain(self, uuid: str, api_key: str) -> Json:
        """Return a domain; raise `CloudonixRefused` where the key does not open it."""
        return _object(self._asked("GET", f"/customers/self/domains/{uuid}", api_key))

    def outbound_trunks(self) -> list[Json]:
        """Return the trunks for outbound calls."""
        trunks = _objects(self._call("GET", "/trunks"))
        return [one for one in trunks if one.get("direction") in OUTBOUND]

    def _profile(self) -> Json:
        """Return OPBX's own keys of the profile; it knows no others."""
        values = self.settings.values or {}
        profile = {
            "call-timeout": values["no_answer_timeout"],
            "recording-media-type": values["recording_format"],
            "session-update-endpoint": self.urls["callback_url"],
            "cdr-endpoint": self.urls["cdr_url"],
        }
        key = self.settings.get("domain_requests_api_key")
        return profile if key is None else profile | {"authorization-api-key": key}

    def _update_application(self) -> Reference | None:
        """Give the application that OPBX knows its URL; return it, None without one.

        January addresses it by id and goes on where that fails. July does by name, and takes over
        another one of OPBX's where the name is not found.
        """
        known = self.settings.application
        if known is None:
            return None
        is_january = self.variants.opbx is State.JANUARY
        try:
            self._put_application(known[0] if is_january else known[1])
        except CloudonixRefused:
            return known if is_january else self._adopt_application()
        return known

    def _adopt_application(self) -> Reference | None:
        try:
            listed = _objects(self._call("GET", "/applications"))
        except CloudonixRefused:  # an empty list is answered with 404
            return None
        for one in listed:
            if str(one.get("name")).startswith(PREFIX):
                self._put_application(one["name"])
                return one.get("id"), one["name"]
        return None

    def _put_application(self, reference: object) -> None:
        body: Json = {"method": "POST", "profile": {}}  # no type, which OpenAPI demands
        body |= {"url": f"{self.base_url}{VOICE_PATH}"}
        self._call("PUT", f"/applications/{reference}", body)

    def _create_application(self) -> Reference:
        body: Json = {"name": f"{PREFIX}{secrets.token_hex(4)}", "type": "cxml", "method": "POST"}
        body |= {"url": f"{self.base_url}{VOICE_PATH}", "profile": {}}
        created = _object(self._call("POST", "/applications", body))
        if "id" not in created:
            raise CloudonixRefused("it answered without the application's id")
        return created["id"], body["name"]

    def _call(self, method: str, path: str, body: object = None) -> object:
        uuid, key = self.settings.get("domain_uuid"), self.settings.get("domain_api_key")
        return self._asked(method, f"/customers/self/domains/{uuid}{path}", key or "", body)

    def _asked(self, method: str, path: str, api_key: str, body: object = None) -> object:
        if self.variants.opbx_cloudonix is CloudonixAnswer.REFUSED:
            raise CloudonixRefused("This key has no access to this domain")
        answer = self.ask(method, path, api_key, body)
        if answer is None:
            raise CloudonixRefused("it did not answer")
        content = _decoded(answer.body)
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            phrase = HTTPStatus(answer.status).phrase
            raise CloudonixRefused(_object(content).get("message", phrase))
        return content


def _decoded(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _object(content: object) -> Json:
    return content if isinstance(content, dict) else {}


def _objects(content: object) -> list[Json]:
    return [_object(one) for one in content] if isinstance(content, list) else []
