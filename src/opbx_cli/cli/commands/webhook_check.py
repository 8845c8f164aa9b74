"""`opbx webhook-url --check`: would callbacks arrive, and be checked?"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from opbx_cli.cli.app import App
from opbx_cli.cli.fleet import Warn, look_at_all
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError, OpbxError
from opbx_cli.operations.verdicts import WebhookCheck
from opbx_cli.operations.webhook import WebhookUrl
from opbx_cli.operations.webhook_check import (
    CheckedDomain,
    RealKey,
    check_webhook,
)
from opbx_cli.settings import ActiveSettings

if TYPE_CHECKING:
    from opbx_cli.cloudonix import Client

WORKERS = 4  # each has nine threads of its own, and one deadline for all that they ask


def check_url(app: App, url: WebhookUrl, active: ActiveSettings | None, *, with_key: bool) -> None:
    """Look at what is behind the URL, and show it. Raises `OpbxError` for a check that failed."""
    key = _real_key(active, lambda: app.client) if with_key else None
    if key is not None:
        _announce(app, key, url.endpoints.voice)
    with app.ui.working(f"Checking {url.base_url}"):
        result = _checked(app, url, active, key)
    app.ui.show(result)
    problem = _problem_of(result)
    if problem is not None:
        raise problem


def check_urls(app: App, only: list[str] | None, *, with_key: bool) -> int:
    """Do the same for every stored profile; return the exit code."""

    def look(active: ActiveSettings, _warn: Warn) -> WebhookCheck:
        url = app.webhook_url_of(active)
        if not with_key:
            return _checked(app, url, active)
        with closing(app.client_for(active)) as client:
            key = _real_key(active, lambda: client)
            _announce(app, key, url.endpoints.voice)
            return _checked(app, url, active, key)

    return look_at_all(
        app,
        only,
        look,
        schema="opbx.webhook-check/1",
        problem_of=_problem_of,
        workers=WORKERS,
    )


def _checked(
    app: App, url: WebhookUrl, active: ActiveSettings | None, key: RealKey | None = None
) -> WebhookCheck:
    result = check_webhook(url, key, domain=_domain(active), observe=app.ui.trace)
    return replace(result, profile=None if active is None else active.profile)


def _problem_of(result: WebhookCheck) -> OpbxError | None:
    if not result.failed:
        return None
    return OpbxError(
        f"{result.base_url}: {len(result.failed)} of {len(result.checks)} checks failed: "
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


def _real_key(active: ActiveSettings | None, client: Callable[[], "Client"]) -> RealKey:
    if active is None:
        raise ConfigurationError("no webhook key is set", hint="`opbx configure` makes one")
    previous = active.settings.webhook_api_key_previous
    key = active.require_webhook_key()
    domain = _domain(active)
    if domain is None:
        raise ConfigurationError(
            "no domain is set", hint=f"`opbx configure{active.profile_option}` asks for it"
        )
    return RealKey(key, domain, previous, active.profile_option, client().get_domain)


def _domain(active: ActiveSettings | None) -> CheckedDomain | None:
    if active is None or active.settings.domain_uuid is None:
        return None
    return CheckedDomain(active.settings.domain_uuid, active.settings.domain_name)
