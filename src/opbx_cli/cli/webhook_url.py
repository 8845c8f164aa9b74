"""`opbx webhook-url`: where Cloudonix will send calls."""

from typing import TYPE_CHECKING, Annotated

import typer

from opbx_cli.cli.app import App
from opbx_cli.cli.options import EnvFilePath, command
from opbx_cli.errors import UsageError

if TYPE_CHECKING:
    from opbx_cli.settings import ActiveSettings

ENDPOINTS = ("base", "voice", "session-update", "cdr")


def register(root: typer.Typer) -> None:
    command(root, "webhook-url")(webhook_url)


def webhook_url(
    app: App,
    *,
    endpoint: Annotated[
        str | None,
        typer.Option(metavar="NAME", help=f"Print one URL alone: {', '.join(ENDPOINTS)}."),
    ] = None,
    env_file: EnvFilePath = None,
) -> None:
    """Show where Cloudonix sends calls.

    The webhook base URL is the profile's, else OPBX_APPLICATION_WEBHOOK_BASEURL, else APP_URL:
    each from the environment, else from OPBX's own .env where that is named.
    """
    if endpoint not in (None, *ENDPOINTS):
        raise UsageError(f"--endpoint: expected one of {', '.join(ENDPOINTS)}")
    app.use_env_file(env_file)
    url = app.webhook_url_of(_active(app))
    if endpoint is None:
        app.ui.show(url)
        return
    for warning in url.warnings:
        app.ui.warn(warning)
    points = url.endpoints
    chosen = (url.base_url, points.voice, points.session_update, points.cdr)
    app.ui.show_line(chosen[ENDPOINTS.index(endpoint)])


def _active(app: App) -> "ActiveSettings | None":
    """Return the settings; None where there is no store and no profile was asked for."""
    if app.is_storeless or app.profile_name is not None or app.store.exists():
        return app.settings
    return None
