"""The OPBX of a linked profile, with a client that lives as long as it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from opbx_cli import settings as source
from opbx_cli.instance import InstanceAccess, InstanceClient
from opbx_cli.operations.instance import require_link

if TYPE_CHECKING:
    from opbx_cli.cli.app import App
    from opbx_cli.models import Secret
    from opbx_cli.settings import ActiveSettings


def client_of(app: App, url: str, token: Secret | None, option: str = "") -> InstanceClient:
    """Return a client for one OPBX; whoever asks for it closes it."""
    access = InstanceAccess(url, token, source.api_timeout(app.environ), option)
    return InstanceClient(access, app.pace)


@contextmanager
def opened(app: App, active: ActiveSettings) -> Iterator[InstanceClient]:
    """Open the way to the OPBX of these settings. Raises `ConfigurationError` without a link."""
    url, token = require_link(active.settings, active.profile_option)
    with closing(client_of(app, url, token, active.profile_option)) as client:
        yield client
