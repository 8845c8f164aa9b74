"""The calls of OPBX's API that opbx needs, typed, with errors a user can act on.

Facts of the API: OPBX's public source (state of January 2026) and its documentation of July
2026. Both states are understood by what they answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import httpx

from opbx_cli import __version__
from opbx_cli.errors import ConfigurationError
from opbx_cli.http.connections import host_of, inner_transport, proxy_in_words
from opbx_cli.http.content import ACCEPT_ENCODING, UnreadableAnswerError
from opbx_cli.http.retries import Pace, RetryingTransport, attempt_seconds, timeouts
from opbx_cli.instance import answers, failures
from opbx_cli.instance.models import InstanceSettings, InstanceUser, SignedIn, Written
from opbx_cli.models import Secret

T = TypeVar("T")

API = "/api/v1"
# A PUT of the settings writes to Cloudonix and may create an application there: one that may
# have been done is not sent again. A GET changes nothing.
REPEATABLE = frozenset({"GET"})


@dataclass(frozen=True, slots=True)
class InstanceAccess:
    """Which OPBX, and with which token. `renewal` is the hint where that has expired.

    `secrets` are the keys that are known here, so that no answer of OPBX's shows them.
    """

    url: str
    token: Secret | None
    timeout: float  # seconds
    renewal: str = ""
    secrets: tuple[Secret, ...] = ()


class InstanceClient:
    """Speaks with one OPBX; its token goes nowhere else. Close it to close its connections."""

    def __init__(self, access: InstanceAccess, pace: Pace | None = None) -> None:
        self._access = access
        self._token = access.token
        self._secrets = [*access.secrets, *([] if access.token is None else [access.token])]
        base_url = _parse_url(access.url)
        self._host = host_of(base_url)
        self._proxy = proxy_in_words(base_url)
        self._http = httpx.Client(
            base_url=base_url,
            transport=RetryingTransport(
                inner_transport(base_url, seconds=attempt_seconds(access.timeout)),
                pace=pace or Pace(),
                repeatable=REPEATABLE,
            ),
            timeout=timeouts(access.timeout),
            trust_env=False,  # the transport honours the variables; here they would mean .netrc
            follow_redirects=False,
            headers={
                # `X-Requested-With` is never sent: it asks OPBX for cookies.
                "Accept": "application/json",
                "Accept-Encoding": ACCEPT_ENCODING,
                "User-Agent": f"opbx-cli/{__version__}",
            },
        )

    def close(self) -> None:
        self._http.close()

    def sign_in(self, email: str, password: Secret) -> SignedIn:
        """Sign in; the client uses the new token from then on.

        OPBX revokes every other token of that user. Raises `CredentialsError` for a wrong
        password, and for a user or organisation that is not active.
        """
        self._secrets.append(password)
        content = self._send(
            failures.Call("POST", "/auth/login", "sign in"),
            {"email": email, "password": password.reveal()},
            headers={"X-Auth-Mode": "token"},
        )
        signed_in = self._understood("sign in", content, answers.parse_signed_in)
        self.use(signed_in.token)
        return signed_in

    def use(self, token: Secret) -> None:
        """Speak with this token from now on."""
        self._token = token
        self._secrets.append(token)

    def who_am_i(self) -> InstanceUser:
        """Return whom the token speaks for."""
        purpose = "read who is signed in"
        content = self._send(failures.Call("GET", "/auth/me", purpose))
        return self._understood(
            purpose, content, lambda value: answers.parse_user_answer(value, self._secrets)
        )

    def read(self) -> InstanceSettings:
        """Return the organisation's settings; all are None where it has none yet."""
        purpose = "read the organisation's settings"
        content = self._send(failures.Call("GET", "/settings/cloudonix", purpose))
        return self._understood(
            purpose, content, lambda value: answers.parse_settings_answer(value, self._secrets)
        )

    def write(self, settings: Mapping[str, str | int | Secret | None]) -> Written:
        """Write settings, by OPBX's names; what is absent stays, None erases.

        OPBX writes to Cloudonix in the same request. Raises `UnreachableError` with `doubtful`
        where it may have been done all the same.
        """
        self._secrets += [value for value in settings.values() if isinstance(value, Secret)]
        plain = {
            name: value.reveal() if isinstance(value, Secret) else value
            for name, value in settings.items()
        }
        purpose = "write the organisation's settings"
        content = self._send(failures.Call("PUT", "/settings/cloudonix", purpose), plain)
        return self._understood(
            purpose, content, lambda value: answers.parse_written(value, self._secrets)
        )

    def sign_out(self) -> None:
        """Revoke the token in use."""
        self._send(failures.Call("POST", "/auth/logout", "sign out"))

    def _send(
        self,
        call: failures.Call,
        body: Mapping[str, object] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Make the call; return a success's content, raise everything else as an error of ours."""
        content = None if body is None else json.dumps(body, allow_nan=False).encode("ascii")
        sent = dict(headers or {})
        if content is not None:
            sent["Content-Type"] = "application/json"
        if self._token is not None:
            sent["Authorization"] = f"Bearer {self._token.reveal()}"
        try:
            response = self._http.request(
                call.method, f"{API}{call.path}", content=content, headers=sent
            )
        except UnreadableAnswerError as error:
            raise failures.unintelligible(call.purpose, error.what) from error
        except httpx.HTTPError as error:
            raise failures.transport_failure(error, call, self._host, proxy=self._proxy) from error
        if not response.is_success:
            renewal = self._access.renewal
            raise failures.status_failure(response, call, self._secrets, renewal=renewal)
        return response.content

    def _understood(self, purpose: str, content: bytes, parser: Callable[[object], T]) -> T:
        try:
            return parser(answers.decoded(content))
        except answers.UnintelligibleError as error:
            raise failures.unintelligible(purpose, str(error)) from error


def _parse_url(text: str) -> httpx.URL:
    url = httpx.URL(text)
    try:
        url.host  # noqa: B018  # httpx decodes punycode here, and would fail later
    except UnicodeError as error:
        raise ConfigurationError("OPBX's URL has a broken xn-- name") from error
    return url
