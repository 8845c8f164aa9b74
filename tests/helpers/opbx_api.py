"""OPBX's API for settings, stateful, on a real socket; it does to Cloudonix what OPBX does."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from opbx_cli.sandbox.server import RunningSandbox
from servers import HANG, Served, http, listening, read_request

JSON = {"Content_Type": "application/json"}
EMAIL, PASSWORD = "owner@example.com", "correct horse battery staple"
FAULTS = {
    "lost": b"",
    "500": http("500 Oops", b'{"message": "Server Error"}'),
    "503": http("503 Down", b"<html>"),
    "429": http("429 Too Many Requests", b'{"message": "Too Many Attempts."}'),
    "403": http("403 Forbidden", b'{"error": "Forbidden", "message": "Owners only."}'),
    "422": http("422 Unprocessable", b'{"message": "Invalid.", "errors": {"a": ["It must fit."]}}'),
    "html": http("200 OK", b"<html>hello</html>"),
    "302": http("302 Found", Location="https://elsewhere.example/"),
}
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
    # The fault of the call with this number (from 1, counted since `forget`), by its name.
    fault: tuple[int, str] | None = None
    # Told of each call before and after it is carried out.
    watch: Callable[[int, str], None] = lambda _number, _moment: None
    echoes: tuple[str, str] | None = None  # a field, and the secret that is shown in it
    seen_tokens: list[str] = field(default_factory=list)
    is_busy: bool = False  # with a write, which goes to Cloudonix too
    writes: int = 0  # that were begun
    # Answers in place of its own, by method and path; the call is carried out before or not.
    instead: dict[tuple[str, str], bytes] = field(default_factory=dict)
    after: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def answer(self, method: str, path: str, headers: dict[str, str], body: Any) -> bytes:
        path = path.removeprefix("/api/v1")
        self.calls.append((method, path))
        self.bodies.append(body)
        assert "x-requested-with" not in headers
        number = len(self.calls)
        self.watch(number, "before")
        if self.fault is not None and self.fault[0] == number:
            return self._faulty(self.fault[1], method, path, headers, body)
        if self.hides_after_write and method == "GET" and ("PUT", path) in self.calls:
            return http("503 Down")
        if (method, path) in self.instead:
            return self.instead[method, path]
        answered = self._answer(method, path, headers, body)
        self.watch(number, "after")
        return self.after.get((method, path), answered)

    def forget(self) -> None:
        """Count the calls from 1 again."""
        self.calls.clear()
        self.bodies.clear()

    def _faulty(
        self, fault: str, method: str, path: str, headers: dict[str, str], body: Any
    ) -> bytes:
        if fault == "401":  # the token has expired
            self.tokens.clear()
        if fault.endswith("-after") or fault == "401":
            answered = self._answer(method, path, headers, body)
            if fault == "401":
                return answered
        if fault == "echo":
            words = f"{headers.get('authorization')} {json.dumps(body)}"
            return _json("422 Unprocessable", {"message": words, "errors": {"a": [words]}})
        return FAULTS[fault.removesuffix("-after")]

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
        name = self._echo("organization", "Acme PBX")
        organization = {"id": "7", "name": name, "status": "active"}
        role = self._echo("role", self.role)
        return {"id": "1", "email": EMAIL, "role": role, "organization": organization}

    def _echo(self, place: str, value: str) -> str:
        if self.echoes is None or self.echoes[0] != place:
            return value
        secrets = {"token": (self.tokens or [""])[-1], "password": PASSWORD}
        return secrets.get(self.echoes[1]) or str((self.settings or {})[self.echoes[1]])

    @property
    def shown(self) -> dict[str, Any] | None:
        """The settings as GET shows them: July masks both keys."""
        if self.settings is None:
            return None
        shown = {name: self._echo(name, value) for name, value in self.settings.items()}
        if self.state == "january":
            return shown
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
        self.seen_tokens += self.tokens
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
        self.is_busy = True
        self.writes += 1
        self.settings = {**(self.settings or {}), **kept}
        content: dict[str, Any] = {"message": "Saved", "settings": self.shown, **self._urls}
        if self.refuses_cloudonix:
            content["warning"] = "Saved, but Cloudonix refused the API key."
        else:
            self._bring_cloudonix_in_line()
        self.is_busy = False
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
