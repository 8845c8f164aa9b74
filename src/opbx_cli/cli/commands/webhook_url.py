"""`opbx webhook-url`: where Cloudonix will send calls."""

from typing import Annotated

import typer

from opbx_cli.cli.app import App
from opbx_cli.cli.command import command
from opbx_cli.cli.input.options import REPORTS, EnvFilePath
from opbx_cli.cli.input.selection import AllProfiles, Only, refuse_only
from opbx_cli.errors import UsageError
from opbx_cli.operations.webhook import WebhookUrl
from opbx_cli.settings import ActiveSettings
from opbx_cli.webhooks.endpoints import PATHS

BASE = "base"
ENDPOINTS = (BASE, *PATHS)


@command(formats=REPORTS)
def webhook_url(
    app: App,
    *,
    endpoint: Annotated[
        str | None,
        typer.Option(metavar="|".join(ENDPOINTS), help="Print one URL alone."),
    ] = None,
    env_file: EnvFilePath = None,
    check: Annotated[
        bool, typer.Option("--check", help="Prove that callbacks would arrive; exit 1 if not.")
    ] = False,
    with_key: Annotated[
        bool,
        typer.Option("--with-key", help="With --check: send the webhook key too, for a fake call."),
    ] = False,
    all_profiles: AllProfiles = False,
    only: Only = None,
) -> int:
    """Show where Cloudonix sends calls.

    The webhook base URL is the profile's, else OPBX_APPLICATION_WEBHOOK_BASEURL, else APP_URL:
    each from the environment, else from OPBX's own .env where that is named.

    --check looks at it from here: DNS, connection, certificate, OPBX's health, and that each
    endpoint refuses callbacks without a token and with a wrong one. Only with --with-key does the
    webhook key go out, to a server that has passed, with a call for a number that nobody has; and
    Cloudonix is asked which key it sends: that, OPBX's and this one have to be the same.
    """
    if endpoint not in (None, *ENDPOINTS):
        raise UsageError(f"--endpoint: expected one of {', '.join(ENDPOINTS)}")
    if check and endpoint is not None:
        raise UsageError("--check is about all endpoints: leave --endpoint out")
    if with_key and not check:
        raise UsageError("--with-key belongs to --check")
    if all_profiles and not check:
        raise UsageError("--all belongs to --check")
    if app.ui.is_report and not check:
        raise UsageError(f"--output {app.ui.output} belongs to --check")
    app.use_env_file(env_file)
    if check:
        # 120 ms, most of them for HTTP and TLS: the URL alone does without.
        from opbx_cli.cli.commands.webhook_check import check_url, check_urls  # noqa: PLC0415

        if all_profiles:
            return check_urls(app, only, with_key=with_key)
    refuse_only(only)
    active = _active(app)
    app.tell_context(active)
    url = app.webhook_url_of(active)
    if check:
        check_url(app, url, active, with_key=with_key)
    elif endpoint is None:
        app.ui.show(url)
    else:
        _show_endpoint(app, url, endpoint)
    return 0


def _show_endpoint(app: App, url: WebhookUrl, endpoint: str) -> None:
    for warning in url.warnings:
        app.ui.warn(warning)
    points = url.endpoints
    chosen = (url.base_url, points.voice, points.session_update, points.cdr)
    app.ui.show_line(chosen[ENDPOINTS.index(endpoint)])


def _active(app: App) -> ActiveSettings | None:
    """Return the settings; None where there is no store and no profile was asked for."""
    if app.is_storeless or app.profile_name is not None or app.has_store():
        return app.settings
    return None
