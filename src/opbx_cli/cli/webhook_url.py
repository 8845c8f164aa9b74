"""`opbx webhook-url`: where Cloudonix will send calls."""

from typing import TYPE_CHECKING, Annotated

import typer

from opbx_cli.cli.app import App
from opbx_cli.cli.options import EnvFilePath, command
from opbx_cli.errors import ConfigurationError, OpbxError, UsageError

if TYPE_CHECKING:
    from opbx_cli.operations.webhook import WebhookUrl
    from opbx_cli.operations.webhook_check import CheckedDomain, RealKey
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
    check: Annotated[
        bool, typer.Option("--check", help="Prove that callbacks would arrive; exit 1 if not.")
    ] = False,
    with_key: Annotated[
        bool,
        typer.Option("--with-key", help="With --check: send the webhook key too, for a fake call."),
    ] = False,
) -> None:
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
    app.use_env_file(env_file)
    active = _active(app)
    app.tell_context(active)
    url = app.webhook_url_of(active)
    if check:
        _check(app, url, active, with_key=with_key)
    elif endpoint is None:
        app.ui.show(url)
    else:
        _show_endpoint(app, url, endpoint)


def _show_endpoint(app: App, url: "WebhookUrl", endpoint: str) -> None:
    for warning in url.warnings:
        app.ui.warn(warning)
    points = url.endpoints
    chosen = (url.base_url, points.voice, points.session_update, points.cdr)
    app.ui.show_line(chosen[ENDPOINTS.index(endpoint)])


def _check(app: App, url: "WebhookUrl", active: "ActiveSettings | None", *, with_key: bool) -> None:
    from opbx_cli.operations.webhook_check import check_webhook

    key = _real_key(app, active) if with_key else None
    if key is not None:
        _announce(app, key, url.endpoints.voice)
    with app.ui.working(f"Checking {url.base_url}"):
        result = check_webhook(url, key, domain=_domain(active), observe=app.ui.trace)
    app.ui.show(result)
    if result.failed:
        raise OpbxError(
            f"{url.base_url}: {len(result.failed)} of {len(result.checks)} checks failed: "
            f"{', '.join(check.id for check in result.failed)}",
            hint=result.failed[0].advice,
            code="webhook.check_failed",
        )


def _announce(app: App, key: "RealKey", voice_url: str) -> None:
    """Say which keys go where, before they do."""
    app.ui.notice(
        f"The webhook key ({key.key.fingerprint}) goes to {voice_url} once it has refused other "
        "callbacks, with a call for a number that nobody has."
    )
    if key.previous is not None:
        app.ui.notice(
            "If it is refused there, the one from before the rotation "
            f"({key.previous.fingerprint}) is tried too."
        )


def _real_key(app: App, active: "ActiveSettings | None") -> "RealKey":
    from opbx_cli.operations.webhook_check import RealKey

    if active is None:
        raise ConfigurationError("no webhook key is set", hint="`opbx configure` makes one")
    previous = active.settings.webhook_api_key_previous
    key = active.require_webhook_key()
    domain = _domain(active)
    if domain is None:
        raise ConfigurationError(
            "no domain is set", hint=f"`opbx configure{active.profile_option}` asks for it"
        )
    return RealKey(key, domain, previous, active.profile_option, app.client.get_domain)


def _domain(active: "ActiveSettings | None") -> "CheckedDomain | None":
    from opbx_cli.operations.webhook_check import CheckedDomain

    if active is None or active.settings.domain_uuid is None:
        return None
    return CheckedDomain(active.settings.domain_uuid, active.settings.domain_name)


def _active(app: App) -> "ActiveSettings | None":
    """Return the settings; None where there is no store and no profile was asked for."""
    if app.is_storeless or app.profile_name is not None or app.store.exists():
        return app.settings
    return None
