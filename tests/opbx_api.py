"""OPBX's API for settings, stateful, on a real socket; it does to Cloudonix what OPBX does."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from opbx_cli.sandbox.server import RunningSandbox
from servers import HANG, Served, http, listening, read_request

JSON = {"Content_Type": "application/json"}
EMAIL, PASSWORD = "owner@example.com", "correct horse battery staple"
APPLICATION = "opbx-routing-application-a1b2c3d4"


@dataclass
class OpbxApi:
    """One organisation of an OPBX. `state` is `january` or `july` (2026)."""

    state: str = "january"
    role: str = "owner"
    settings: dict[str, Any] | None = None
    cloudonix: RunningSandbox | None = None
    refuses_cloudonix: bool = False
    app_url: str = "https://app-url.example.com"
    # In July's state OPBX's own variable for the base URL beats the settings.
    base_url_variable: str | None = None
    tokens: list[str] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    hides_after_write: bool = False  # no GET of the settings is answered once they were written
    # Answers in place of its own, by method and path; the call is carried out before or not.
    instead: dict[tuple[str, str], bytes] = field(default_factory=dict)
    after: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def answer(self, method: str, path: str, headers: dict[str, str], body: Any) -> bytes:
        path = path.removeprefix("/api/v1")
        self.calls.append((method, path))
        self.bodies.append(body)
        assert "x-requested-with" not in headers
        if self.hides_after_write and method == "GET" and ("PUT", path) in self.calls:
            return http("503 Down")
        if (method, path) in self.instead:
            return self.instead[method, path]
        answered = self._answer(method, path, headers, body)
        return self.after.get((method, path), answered)

    def _answer(self, method: str, path: str, headers: dict[str, str], body: Any) -> bytes:
        if (method, path) == ("POST", "/auth/login"):
            return self._sign_in(headers, body)
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            return _json("401 Unauthorized", {"message": "Unauthenticated."})
        if (method, path) == ("GET", "/auth/me"):
            return _json("200 OK", {"user": self.user})
        if (method, path) == ("POST", "/auth/logout"):
            self.tokens.remove(token)
            return _json("200 OK", {"message": "Logged out"})
        if path != "/settings/cloudonix":
            return _json("404 Not Found", {"message": "Not found"})
        if self.role != "owner":
            return _json("403 Forbidden", {"error": "Forbidden", "message": "Owners only."})
        if method == "GET":
            return _json("200 OK", {"settings": self.shown, **self._urls})
        return self._write(body)

    @property
    def base_url(self) -> str:
        saved = (self.settings or {}).get("webhook_base_url")
        return self.base_url_variable or saved or self.app_url

    @property
    def _urls(self) -> dict[str, str]:
        base = f"{self.base_url}/api/webhooks/cloudonix"
        return {"callback_url": f"{base}/session-update", "cdr_url": f"{base}/cdr"}

    def last_body(self, call: tuple[str, str]) -> Any:
        return next(
            b for c, b in zip(self.calls[::-1], self.bodies[::-1], strict=True) if c == call
        )

    @property
    def user(self) -> dict[str, Any]:
        organization = {"id": "7", "name": "Acme PBX", "status": "active"}
        return {"id": "1", "email": EMAIL, "role": self.role, "organization": organization}

    @property
    def shown(self) -> dict[str, Any] | None:
        """The settings as GET shows them: July masks both keys."""
        if self.settings is None or self.state == "january":
            return self.settings
        shown = dict(self.settings)
        for name in ("domain_api_key", "domain_requests_api_key"):
            if shown.get(name):
                shown[name] = f"{shown[name][:4]}***{shown[name][-4:]}"
        return shown

    def _sign_in(self, headers: dict[str, str], body: Any) -> bytes:
        assert headers["x-auth-mode"] == "token"
        if (body["email"], body["password"]) != (EMAIL, PASSWORD):
            error = {"code": "invalid_credentials", "message": "Invalid e-mail or password."}
            return _json("401 Unauthorized", {"error": error})
        self.tokens = [f"3|{secrets.token_hex(20)}"]  # every other one is revoked
        content = {"access_token": self.tokens[0], "token_type": "Bearer", "expires_in": 86_400}
        return _json("200 OK", {**content, "user": self.user})

    def _write(self, body: dict[str, Any]) -> bytes:
        timeout = body.get("no_answer_timeout")
        if not isinstance(timeout, int) or not 5 <= timeout <= 120:
            errors = {"no_answer_timeout": ["The no answer timeout must be between 5 and 120."]}
            return _json("422 Unprocessable", {"message": "Invalid.", "errors": errors})
        kept = {
            name: value
            for name, value in body.items()
            if not (self.state == "july" and isinstance(value, str) and "***" in value)
        }
        self.settings = {**(self.settings or {}), **kept}
        content: dict[str, Any] = {"message": "Saved", "settings": self.shown, **self._urls}
        if self.refuses_cloudonix:
            content["warning"] = "Saved, but Cloudonix refused the API key."
        else:
            self._bring_cloudonix_in_line()
        return _json("200 OK", content)

    def _bring_cloudonix_in_line(self) -> None:
        """Write the domain's profile, and make an application of OPBX's own the default one."""
        if self.cloudonix is None or self.settings is None:
            return
        state, settings = self.cloudonix.state, self.settings
        base = self.base_url
        state.set_profile_keys(
            {
                "call-timeout": settings["no_answer_timeout"],
                "recording-media-type": settings["recording_format"],
                "session-update-endpoint": f"{base}/api/webhooks/cloudonix/session-update",
                "cdr-endpoint": f"{base}/api/webhooks/cloudonix/cdr",
                "authorization-api-key": settings["domain_requests_api_key"],
            }
        )
        names = [entry["name"] for entry in state.applications()]
        if APPLICATION in names:
            state.edit_application(APPLICATION, url=f"{base}/api/voice/route")
            return
        state.add_application(APPLICATION, url=f"{base}/api/voice/route")
        state.set_default_application(APPLICATION)


def _json(status: str, content: object) -> bytes:
    return http(status, json.dumps(content).encode(), **JSON)


@contextlib.contextmanager
def running_api(api: OpbxApi) -> Iterator[Served]:
    def handle(served: Served, connection: socket.socket) -> None:
        connection.settimeout(30)
        request = read_request(connection)
        if not request:
            return
        served.arrivals.append(request)
        head, _, content = request.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _version = first.split(" ")
        pairs = (line.partition(": ") for line in lines)
        headers = {name.lower(): value for name, _, value in pairs}
        answer = api.answer(method, path, headers, json.loads(content) if content else None)
        connection.sendall(answer.removesuffix(HANG))
        if answer.endswith(HANG):
            connection.recv(1)

    with listening(handle) as served:
        yield served
