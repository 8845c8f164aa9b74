"""`opbx webhook-url --check`: would callbacks arrive, and be checked?"""

from opbx_cli.cli.app import App
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError, OpbxError
from opbx_cli.operations.webhook import WebhookUrl
from opbx_cli.operations.webhook_check import CheckedDomain, RealKey, check_webhook
from opbx_cli.settings import ActiveSettings


def check_url(app: App, url: WebhookUrl, active: ActiveSettings | None, *, with_key: bool) -> None:
    """Look at what is behind the URL, and show it. Raises `OpbxError` for a check that failed."""
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
            code=ErrorCode.WEBHOOK_CHECK_FAILED,
        )


def _announce(app: App, key: RealKey, voice_url: str) -> None:
    """Say which keys go where, before they do."""
    app.ui.notice(
        f"The webhook key ({key.key.label}) goes to {voice_url} once it has refused other "
        "callbacks, with a call for a number that nobody has."
    )
    if key.previous is not None:
        app.ui.notice(
            "If it is refused there, the one from before the rotation "
            f"({key.previous.label}) is tried too."
        )


def _real_key(app: App, active: ActiveSettings | None) -> RealKey:
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


def _domain(active: ActiveSettings | None) -> CheckedDomain | None:
    if active is None or active.settings.domain_uuid is None:
        return None
    return CheckedDomain(active.settings.domain_uuid, active.settings.domain_name)
