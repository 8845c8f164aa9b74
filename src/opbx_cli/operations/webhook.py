"""The webhook URL: what Cloudonix calls, and whether it can."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError
from opbx_cli.settings import (
    OPBX_WEBHOOK_VARIABLES,
    STORELESS_ONLY,
    ActiveSettings,
    WebhookBaseUrl,
)
from opbx_cli.values import is_public
from opbx_cli.webhooks.endpoints import Endpoints, endpoints


class WebhookUrl(NamedTuple):
    """The resolved base URL with what is wrong about it, if it is not refused for that."""

    base_url: str
    source: str
    endpoints: Endpoints
    warnings: tuple[str, ...] = ()


def resolve_webhook_url(
    base: WebhookBaseUrl | None, *, production: bool, active: ActiveSettings | None = None
) -> WebhookUrl:
    """Return the URL with its endpoints; `active` is whose it is, for the hints.

    Raises `ConfigurationError` where there is none, and in production mode where it is
    not https or no host that the internet can reach.
    """
    if base is None:
        raise ConfigurationError(
            "no webhook base URL: Cloudonix would not know where to send calls",
            hint=f"{_setting_it(active)}, or set {' or '.join(OPBX_WEBHOOK_VARIABLES)}, "
            "or name OPBX's .env with --env-file",
            code=ErrorCode.CONFIGURATION_WEBHOOK_URL,
        )
    doubts = _doubts(base.url)
    if doubts and production:
        raise ConfigurationError(
            f"the webhook base URL (from {base.source}) {doubts[0]}: "
            "refused with OPBX_APPLICATION_MODE=production",
            hint=f"{_setting_it(active)}: an https address on the internet",
            code=ErrorCode.CONFIGURATION_WEBHOOK_URL,
        )
    return WebhookUrl(
        base_url=base.url,
        source=base.source,
        endpoints=endpoints(base.url),
        warnings=(
            *(f"the webhook base URL {doubt}" for doubt in doubts),
            *(() if base.note is None else (base.note,)),
        ),
    )


def _setting_it(active: ActiveSettings | None) -> str:
    """Return how to give settings a URL of their own, which beats every other source."""
    if active is not None and active.profile is None:
        return f"set {STORELESS_ONLY['webhook_base_url']}"
    option = "" if active is None else active.profile_option
    return f"`opbx configure{option}` asks for one"


def _doubts(url: str) -> list[str]:
    parts = urlsplit(url)
    doubts = []
    if not is_public(parts.hostname or ""):
        doubts.append("has a host that the internet cannot reach: calls would not arrive")
    if parts.scheme != "https":
        doubts.append("is not https: keys and call data would travel in the clear")
    return doubts
