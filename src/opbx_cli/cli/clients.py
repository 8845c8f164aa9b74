"""Clients of Cloudonix and OPBX, with the hints that fit where their settings come from."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import TypeVar
from urllib.parse import urlsplit

from opbx_cli.cli.output.terminals import is_terminal
from opbx_cli.cli.output.ui import Ui
from opbx_cli.cloudonix import Access, Client, Exchange, Hints, Limiters, Pace, SandboxClient
from opbx_cli.errors import ConfigurationError, OpbxError
from opbx_cli.instance import InstanceAccess, InstanceClient
from opbx_cli.operations.instance import require_link
from opbx_cli.settings import (
    API_BASE_URL,
    DOMAIN_API_KEY,
    DOMAIN_UUID,
    INSTANCE_TOKEN,
    ActiveSettings,
    api_timeout,
)

AnyClient = TypeVar("AnyClient", bound=Client)

NOTICED_AGAIN = 1.0  # seconds in which requests at the same time meet the same trouble
SIGNS_OUT_ELSEWHERE = "Signing in signs this user out of OPBX everywhere else."


class Clients:
    """Makes the clients of one run, which share their limiters and tell of every request."""

    def __init__(self, environ: Mapping[str, str], ui: Ui, sleep: Callable[[float], None]) -> None:
        self.pace = Pace(sleep=sleep, observe=self._observe)
        self._noticed: dict[tuple[str, int], float] = {}  # until when it is not said again
        self._noticing = threading.Lock()
        self._environ = environ
        self._ui = ui
        self._limiters = Limiters()

    def client_for(self, active: ActiveSettings) -> Client:
        """Return a client for these settings; `ConfigurationError` where some are missing."""
        return self._client_for(active, Client)

    def sandbox_client_for(self, active: ActiveSettings) -> SandboxClient:
        """Return a client that can have a sandbox place calls, else as `client_for`."""
        return self._client_for(active, SandboxClient)

    def _client_for(self, active: ActiveSettings, kind: type[AnyClient]) -> AnyClient:
        uuid, key = active.settings.domain_uuid, active.settings.domain_api_key
        if uuid is None or key is None:
            missing = "domain UUID" if uuid is None else "API key"
            raise ConfigurationError(
                f"profile '{active.profile}' has no {missing}",
                hint=f"`opbx configure{active.profile_option}` asks for it",
            )
        timeout = api_timeout(self._environ)
        self._ui.waits_for = f"Cloudonix ({urlsplit(active.settings.api_base_url).netloc})"
        access = Access(active.settings.api_base_url, uuid, key, timeout, _hints(active))
        return kind(access, self.pace, self._limiters)

    @contextmanager
    def open_instance(self, active: ActiveSettings) -> Iterator[InstanceClient]:
        """Open the way to the OPBX of these settings; who is signed in for it is signed out again.

        Raises `ConfigurationError` without a link, `CredentialsError` where OPBX lets nobody in.
        """
        url = require_link(active)
        token, login = active.settings.instance_token, active.instance_login
        renewal = f"`opbx instance connect {url}{active.profile_option}` signs in again"
        if active.profile is None:
            renewal = f"give another {INSTANCE_TOKEN}"
        keys = (active.settings.domain_api_key, active.settings.webhook_api_key)
        secrets = tuple(key for key in keys if key is not None)
        access = InstanceAccess(url, token, api_timeout(self._environ), renewal, secrets)
        with (
            self._asking(f"OPBX ({urlsplit(url).netloc})"),
            closing(InstanceClient(access, self.pace)) as client,
        ):
            if login is None:
                yield client
                return
            self._ui.notice(SIGNS_OUT_ELSEWHERE)
            client.sign_in(login.email, login.password)
            try:
                yield client
            finally:
                with suppress(OpbxError):  # the token ends by itself within a day
                    client.sign_out()

    @contextmanager
    def _asking(self, whom: str) -> Iterator[None]:
        """Have a wheel say who is asked meanwhile."""
        before, self._ui.waits_for = self._ui.waits_for, whom
        try:
            yield
        finally:
            self._ui.waits_for = before

    def _observe(self, exchange: Exchange) -> None:
        self._ui.trace(
            f"{exchange.method} {exchange.url} -> {exchange.outcome} "
            f"in {exchange.seconds * 1000:.0f} ms"
        )
        if exchange.wait is not None and self._is_news(exchange, exchange.wait):
            self._ui.notice(
                f"{exchange.outcome}: trying again in {exchange.wait:.1f} s "
                f"({exchange.attempt} of 3)"
            )

    def _is_news(self, exchange: Exchange, wait: float) -> bool:
        """Tell whether a person was not told just now, of another request at the same time."""
        if not is_terminal(sys.stderr):
            return True
        now, what = time.monotonic(), (exchange.outcome, exchange.attempt)
        with self._noticing:
            is_news = now >= self._noticed.get(what, now)
            self._noticed[what] = now + max(wait, NOTICED_AGAIN)
        return is_news


def _hints(active: ActiveSettings) -> Hints:
    if active.profile is None:
        return Hints(
            api_key=f"check {active.origins.get('domain_api_key', DOMAIN_API_KEY)}: it must be a "
            "key of this domain",
            domain_uuid=f"check {DOMAIN_UUID}",
            base_url=f"{API_BASE_URL} or Cloudonix's own",
        )
    if active.api_key_place is not None:
        return Hints(
            api_key=f"check the key that {active.api_key_place} of the manifest names: it must "
            "be a key of this domain",
            domain_uuid="check domain_uuid in the manifest",
            base_url="api_base_url in the manifest",
        )
    return Hints(
        api_key=f"`opbx configure --api-key-stdin{active.profile_option}` saves another key",
        domain_uuid=f"`opbx configure{active.profile_option}` asks for the right one",
        base_url=f"`opbx profiles show --origin{active.profile_option}`",
    )
