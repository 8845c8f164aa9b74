"""The OPBX of a linked profile, with a client that lives as long as it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from opbx_cli import settings as source
from opbx_cli.errors import OpbxError
from opbx_cli.instance import InstanceAccess, InstanceClient
from opbx_cli.operations.instance import require_link

if TYPE_CHECKING:
    from opbx_cli.cli.app import App
    from opbx_cli.models import Secret
    from opbx_cli.settings import ActiveSettings

SIGNS_OUT_ELSEWHERE = "Signing in signs this user out of OPBX everywhere else."


def client_of(app: App, url: str, token: Secret | None, renewal: str = "") -> InstanceClient:
    """Return a client for one OPBX; whoever asks for it closes it."""
    access = InstanceAccess(url, token, source.api_timeout(app.environ), renewal)
    return InstanceClient(access, app.pace)


@contextmanager
def opened(app: App, active: ActiveSettings) -> Iterator[InstanceClient]:
    """Open the way to the OPBX of these settings; what is signed in for it is signed out again.

    Raises `ConfigurationError` without a link, `CredentialsError` where OPBX lets nobody in.
    """
    url = require_link(active)
    token, login = active.settings.instance_token, active.instance_login
    renewal = f"`opbx instance connect {url}{active.profile_option}` signs in again"
    if active.profile is None:
        renewal = f"give another {source.INSTANCE_TOKEN}"
    with closing(client_of(app, url, token, renewal)) as client:
        if login is None:
            yield client
            return
        app.ui.notice(SIGNS_OUT_ELSEWHERE)
        client.sign_in(login.email, login.password)
        try:
            yield client
        finally:
            with suppress(OpbxError):  # the token ends by itself within a day
                client.sign_out()
