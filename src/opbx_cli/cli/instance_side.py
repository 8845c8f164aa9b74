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
    from opbx_cli.settings import ActiveSettings

SIGNS_OUT_ELSEWHERE = "Signing in signs this user out of OPBX everywhere else."


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
    keys = (active.settings.domain_api_key, active.settings.webhook_api_key)
    secrets = tuple(key for key in keys if key is not None)
    access = InstanceAccess(url, token, source.api_timeout(app.environ), renewal, secrets)
    with closing(InstanceClient(access, app.pace)) as client:
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
