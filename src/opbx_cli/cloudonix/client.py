"""The calls of the Cloudonix API that OPBX needs, typed, with errors a user can act on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import quote

import httpx

from opbx_cli import __version__
from opbx_cli.cloudonix import parse
from opbx_cli.cloudonix.failures import (
    Call,
    Hints,
    status_failure,
    transport_failure,
    unintelligible,
)
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError, NotFoundError, OpbxError, RemoteError
from opbx_cli.http.background import InBackground
from opbx_cli.http.connections import host_of, inner_transport, proxy_in_words
from opbx_cli.http.content import ACCEPT_ENCODING, UnreadableAnswerError
from opbx_cli.http.limiter import Limiters
from opbx_cli.http.retries import (
    Pace,
    RetryingTransport,
    attempt_seconds,
    timeouts,
)
from opbx_cli.models import AUTHORIZATION_API_KEY, RemoteId, Secret
from opbx_cli.remote import ApplicationSpec, Domain, Snapshot, Trunk, VoiceApplication
from opbx_cli.values import origin

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Access:
    """Which domain, at which address, with which key; and what to say if that fails."""

    base_url: str
    domain_uuid: str
    api_key: Secret
    timeout: float  # seconds
    hints: Hints = field(default_factory=Hints)


class Client:
    """Speaks for one domain with one key; close it to close its connections."""

    def __init__(
        self, access: Access, pace: Pace | None = None, limiters: Limiters | None = None
    ) -> None:
        """`limiters` are shared by all clients that may talk to the same domain."""
        self.domain_uuid = access.domain_uuid
        self._hints = access.hints
        self._pace = pace or Pace()
        self._secrets = [access.api_key]
        base_url = _parse_url(access.base_url)
        limiters = limiters or Limiters(self._pace.clock)
        self._host = host_of(base_url)
        self._proxy = proxy_in_words(base_url)
        self._http = httpx.Client(
            base_url=base_url,
            transport=RetryingTransport(
                inner_transport(base_url, seconds=attempt_seconds(access.timeout)),
                pace=self._pace,
                limiter=limiters.of(origin(access.base_url), access.domain_uuid),
            ),
            timeout=timeouts(access.timeout),
            # The variables are honoured by the transport; here they would mean .netrc too.
            trust_env=False,
            follow_redirects=False,
            headers={
                "Authorization": f"Bearer {access.api_key.reveal()}",
                "Accept": "application/json",
                "Accept-Encoding": ACCEPT_ENCODING,
                "User-Agent": f"opbx-cli/{__version__}",
            },
        )

    def close(self) -> None:
        self._http.close()

    def pause(self, seconds: float) -> None:
        """Wait before looking at Cloudonix again."""
        self._pace.sleep(seconds)

    def get_domain(self) -> Domain:
        """Read the domain. Raises `NotFoundError` where no such domain exists."""
        call = self._call("GET", "", "read the domain")
        try:
            response = self._send(call)
        except NotFoundError as error:
            raise NotFoundError(
                "this domain does not exist in Cloudonix (404): the API key is accepted, "
                "so the domain UUID is wrong or the domain was deleted",
                hint=self._hints.domain_uuid,
                code=ErrorCode.DOMAIN_NOT_FOUND,
                http_status=error.http_status,
            ) from error
        return read_answer(
            call, response, lambda value: parse.parse_domain(value, self.domain_uuid)
        )

    def list_applications(self) -> tuple[VoiceApplication, ...]:
        """Return the applications; none for a 404, Cloudonix's answer for an empty list."""
        call = self._call("GET", "/applications", "list the voice applications")
        return self._list(call, "application", parse.parse_application) or ()

    def snapshot(self) -> Snapshot:
        """Read the domain and its applications at the same time: one round trip.

        Raises what reading the domain raises, before what listing applications raises.
        """
        applications = InBackground(self.list_applications)
        try:
            domain = self.get_domain()
        except OpbxError:
            applications.wait()  # it must not go on while the connections are closed
            raise
        return Snapshot(domain=domain, applications=applications.result())

    def list_trunks(self) -> tuple[Trunk, ...]:
        """Return all trunks, of every direction, in Cloudonix's order.

        Cloudonix answers 404 for an empty list as well as for a wrong domain, so only
        then the domain is asked for: `NotFoundError` if there is none.
        """
        call = self._call("GET", "/trunks", "list the trunks")
        trunks = self._list(call, "trunk", parse.parse_trunk)
        if trunks is None:
            self.get_domain()
            return ()
        return trunks

    def update_profile(
        self, profile: Mapping[str, object], ours: Mapping[str, str | int | Secret | None]
    ) -> Domain | None:
        """Send the profile that was read with our keys in it; return what is shown of it.

        Sending it whole is right whether Cloudonix merges or replaces it.
        """
        keys = (*ours.values(), parse.secret(profile.get(AUTHORIZATION_API_KEY)))
        self._secrets.extend(key for key in keys if isinstance(key, Secret))
        plain = {
            name: value.reveal() if isinstance(value, Secret) else value
            for name, value in ours.items()
        }
        call = self._call("PUT", "", "update the domain's profile")
        return self._written_domain(call, {"profile": {**profile, **plain}})

    def set_default_application(self, identifier: RemoteId | None, *, method: str) -> Domain | None:
        """Put an application in charge, None for no one; OPBX uses PUT, the OpenAPI has PATCH."""
        call = self._call(method, "", "set the default application")
        return self._written_domain(call, {"defaultApplication": identifier})

    def create_application(self, spec: ApplicationSpec) -> VoiceApplication | None:
        """Create an application; None where Cloudonix took it without showing it.

        Raises `UnreachableError` with `doubtful` where it may exist all the same.
        """
        call = self._call("POST", "/applications", "create the voice application")
        body = {"name": spec.name, "type": spec.type, "url": spec.url, "method": spec.method}
        return self._written_application(call, {**body, "profile": {}})

    def update_application(
        self, application: VoiceApplication, spec: ApplicationSpec
    ) -> VoiceApplication | None:
        """Bring an application in line, addressed by name, or by id where that is unknown.

        OPBX found that the name belongs in the path; the OpenAPI says "ID or name".
        """
        body = {
            "type": spec.type,
            "url": spec.url,
            "method": spec.method,
            "active": spec.active,
            "profile": application.profile,
        }
        calls = self._calls_of(application, "PUT", "update the voice application")
        try:
            return self._written_application(calls[0], body)
        except NotFoundError:
            return self._written_application(calls[-1], body)

    def delete_application(self, application: VoiceApplication) -> None:
        """Delete an application, addressed as `update_application` does; gone already is fine."""
        for call in self._calls_of(application, "DELETE", "delete the voice application"):
            with suppress(NotFoundError):
                self._send(call)
                return

    def _calls_of(self, application: VoiceApplication, method: str, purpose: str) -> list[Call]:
        calls = [
            self._call(method, f"/applications/{quote(key, safe='')}", purpose)
            for key in (application.name, str(application.id))
            if _is_segment(key)
        ]
        if not calls:
            raise RemoteError(f"cannot {purpose}: neither its name nor its id fits into a path")
        return calls

    def _written_domain(self, call: Call, body: object) -> Domain | None:
        return self._written(call, body, lambda value: parse.parse_domain(value, self.domain_uuid))

    def _written_application(self, call: Call, body: object) -> VoiceApplication | None:
        return self._written(call, body, parse.parse_application)

    def _written(self, call: Call, body: object, parser: Callable[[object], T]) -> T | None:
        """Write; return the object as the answer shows it, None where it shows none.

        An answer that is no JSON object at all is an error: who knows who answered.
        """
        response = self._send(call, body)
        if not response.content.strip():
            return None
        answer = read_answer(call, response, lambda value: parse.json_object(value, "an object"))
        try:
            return parser(answer)
        except parse.UnintelligibleError:
            return None

    def _call(self, method: str, path: str, purpose: str) -> Call:
        path = f"/customers/self/domains/{self.domain_uuid}{path}"
        return Call(method, path, purpose, self._hints)

    def _list(
        self, call: Call, what: str, understand: Callable[[parse.JsonObject], T]
    ) -> tuple[T, ...] | None:
        """Return the list; None for a 404, whatever that means here."""
        try:
            response = self._send(call)
        except NotFoundError:
            return None
        return read_answer(
            call,
            response,
            lambda value: tuple(understand(item) for item in parse.json_objects(value, what)),
        )

    def _send(self, call: Call, body: object = None) -> httpx.Response:
        """Make the call; return a success, raise everything else as an error of ours."""
        # Escaped by hand: httpx would refuse the lone surrogates that JSON may carry.
        content = None if body is None else json.dumps(body, allow_nan=False).encode("ascii")
        headers = {"Content-Type": "application/json"} if content else None
        try:
            response = self._http.request(call.method, call.path, content=content, headers=headers)
        except UnreadableAnswerError as error:
            raise call.failed(unintelligible(call, error.what, error.status)) from error
        except httpx.HTTPError as error:
            failure = transport_failure(error, call, self._host, proxy=self._proxy)
            raise call.failed(failure) from error
        # httpx has the stream hold the response: a circle, which thousands of answers would leave
        # in memory until Python looks for such.
        response.stream = httpx.ByteStream(response.content)
        if not response.is_success:
            raise call.failed(status_failure(response, call, self._secrets))
        return response


def read_answer(call: Call, response: httpx.Response, parser: Callable[[object], T]) -> T:
    try:
        return parser(parse.decode(response.content))
    except parse.UnintelligibleError as error:
        raise call.failed(unintelligible(call, str(error), response.status_code)) from error


def _parse_url(text: str) -> httpx.URL:
    url = httpx.URL(text)
    try:
        url.host  # noqa: B018  # httpx decodes punycode here, and would fail later
    except UnicodeError as error:
        raise ConfigurationError("the API base URL's host has a broken xn-- name") from error
    return url


def _is_segment(text: str) -> bool:
    """Tell whether text can name one thing in a path, and not the folder above it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return text not in ("", ".", "..") and not parse.is_label(text)
