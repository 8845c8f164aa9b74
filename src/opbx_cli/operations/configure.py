"""Configure: what a profile becomes when somebody gives some of its settings."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from opbx_cli.errors import UsageError
from opbx_cli.models import (
    DEFAULT_API_BASE_URL,
    SETTING_NAMES,
    RecordingFormat,
    Secret,
    Settings,
)
from opbx_cli.operations.profiles import ProfileDetail
from opbx_cli.values import origin

UNSETTABLE = ("webhook_base_url", "no_answer_timeout", "recording_format", "api_base_url")


@dataclass(frozen=True, slots=True)
class GivenSettings:
    """What somebody gave; None where nothing was. `unset` holds names to clear."""

    domain_uuid: str | None = None
    domain_api_key: Secret | None = None
    webhook_api_key: Secret | None = None
    webhook_base_url: str | None = None
    no_answer_timeout: int | None = None
    recording_format: RecordingFormat | None = None
    api_base_url: str | None = None
    unset: frozenset[str] = frozenset()

    @property
    def is_empty(self) -> bool:
        return self == GivenSettings()


def merge(current: Settings | None, given: GivenSettings, *, api_base_url: str) -> Settings:
    """Return the settings with what was given; everything else stays as it was.

    `api_base_url` is where a new profile's domain lives. Another domain forgets what came
    from the old one; another origin of the API also forgets the API key, which must not
    travel there. A webhook key is made where there is none.
    """
    before = current or Settings(api_base_url=api_base_url)
    after = replace(
        before,
        domain_uuid=given.domain_uuid or before.domain_uuid,
        domain_api_key=given.domain_api_key or before.domain_api_key,
        webhook_api_key=given.webhook_api_key or before.webhook_api_key,
        webhook_base_url=given.webhook_base_url or before.webhook_base_url,
        no_answer_timeout=given.no_answer_timeout or before.no_answer_timeout,
        recording_format=given.recording_format or before.recording_format,
        api_base_url=given.api_base_url or before.api_base_url,
    )
    if "webhook_base_url" in given.unset:
        after = replace(after, webhook_base_url=None)
    if "no_answer_timeout" in given.unset:
        after = replace(after, no_answer_timeout=None)
    if "recording_format" in given.unset:
        after = replace(after, recording_format=None)
    if "api_base_url" in given.unset:
        after = replace(after, api_base_url=DEFAULT_API_BASE_URL)
    if after.webhook_api_key != before.webhook_api_key:
        after = after.without_previous_key()
    moved = origin(after.api_base_url) != origin(before.api_base_url)
    if moved or after.domain_uuid != before.domain_uuid:
        after = after.without_remote_facts()
    if moved and given.domain_api_key is None:
        after = replace(after, domain_api_key=None)
    if after.webhook_api_key is None:
        after = replace(after, webhook_api_key=new_webhook_key())
    return after


def require_complete(settings: Settings, *, before: Settings | None = None) -> None:
    """Raise `UsageError` naming each way to give what no prompt has given."""
    if settings.domain_uuid is None:
        raise UsageError(
            "the domain UUID is missing",
            hint="give it with `--domain-uuid UUID`",
            code="usage.missing",
        )
    if settings.domain_api_key is None:
        raise UsageError(
            "the domain API key is missing"
            if before is None or before.domain_api_key is None
            else "another API address needs its own API key: the stored one is not sent there",
            hint="give it with `--api-key-stdin`, `--api-key-file PATH` or `--api-key-env NAME`",
            code="usage.missing",
        )


def with_unset(given: GivenSettings, names: list[str]) -> GivenSettings:
    """Add the settings to clear; their names may be written with `-` or `_`."""
    chosen = frozenset(name.strip().lower().replace("-", "_") for name in names)
    if not chosen <= frozenset(UNSETTABLE):
        raise UsageError(
            "--unset: expected one of "
            + ", ".join(name.replace("_", "-") for name in UNSETTABLE)
            + " (the others are always needed)"
        )
    for name in UNSETTABLE:
        if name in chosen and getattr(given, name) is not None:
            raise UsageError(f"{name.replace('_', '-')} is both given and unset: leave one out")
    return replace(given, unset=chosen)


def new_webhook_key() -> Secret:
    """Make a key of 256 random bits, written in characters that RFC 6750 allows."""
    return Secret(secrets.token_urlsafe(32))


@dataclass(frozen=True, slots=True)
class Saved:
    """What `configure` did: the profile as it is now, what changed in it, and where."""

    detail: ProfileDetail
    changed: tuple[str, ...]
    is_new: bool
    path: str


def saved(
    name: str, before: Settings | None, after: Settings, *, is_default: bool, path: str
) -> Saved:
    """Compare a profile before and after it was saved."""
    was = before or Settings()
    return Saved(
        detail=ProfileDetail(profile=name, is_default=is_default, settings=after),
        changed=tuple(
            setting for setting in SETTING_NAMES if getattr(was, setting) != getattr(after, setting)
        ),
        is_new=before is None,
        path=path,
    )
