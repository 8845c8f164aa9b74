"""A linked profile's OPBX, with a client that is made when it is first asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

from opbx_cli import settings as source
from opbx_cli.instance import InstanceAccess, InstanceClient, InstanceSettings, Written
from opbx_cli.operations.instance import InstanceSide

if TYPE_CHECKING:
    from opbx_cli.cli.app import App
    from opbx_cli.models import Secret
    from opbx_cli.settings import ActiveSettings

T = TypeVar("T")


def client_of(app: App, url: str, token: Secret | None, option: str = "") -> InstanceClient:
    """Return a client for one OPBX; whoever asks for it closes it."""
    access = InstanceAccess(url, token, source.api_timeout(app.environ), option)
    return InstanceClient(access, app.pace)


def instance_side(app: App, active: ActiveSettings, url: str, token: Secret) -> InstanceSide:
    """Return the OPBX at `url` as a run reads and writes it."""
    option = active.profile_option

    def asked(question: Callable[[InstanceClient], T]) -> T:
        with closing(client_of(app, url, token, option)) as client:
            return question(client)

    def read() -> InstanceSettings:
        return asked(lambda client: client.read())

    def write(settings: Mapping[str, str | int | Secret | None]) -> Written:
        return asked(lambda client: client.write(settings))

    return InstanceSide(read, write, f"opbx instance connect {url}{option}")
