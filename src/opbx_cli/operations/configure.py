"""Configure: what a profile becomes when somebody gives some of its settings."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import UsageError
from opbx_cli.models import (
    DEFAULT_API_BASE_URL,
    SETTING_NAMES,
    KeyMemory,
    KeyState,
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

    `api_base_url` is where a new profile's domain lives. Another domain forgets what came from
    the old one, the keys that worked there included; another origin of the API forgets the API
    key, which must not travel there. A webhook key is made where there is none.
    """
    before = current or Settings(api_base_url=api_base_url)
    after = replace(
        before,
        domain_uuid=given.domain_uuid or before.domain_uuid,
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
    is_moved = origin(after.api_base_url) != origin(before.api_base_url)
    is_another = before.domain_uuid is not None and after.domain_uuid != before.domain_uuid
    if is_moved or is_another:
        after = replace(after.without_remote_facts(), domain_api_key=None)
    if is_another:
        after = _without_webhook_key_in_use(after, before).without_instance()
    if given.domain_api_key is not None:
        after = replace(after, domain_api_key=given.domain_api_key)
    if given.webhook_api_key is not None:
        after = with_webhook_key(after, given.webhook_api_key)
    if after.webhook_api_key is None:
        key = new_webhook_key()
        memory = KeyMemory.of(key, KeyState.GENERATED)
        after = replace(after, webhook_api_key=key, webhook_key_memory=memory)
    return after


def with_webhook_key(settings: Settings, key: Secret) -> Settings:
    """Return the settings with a key that somebody gave.

    The one that was sent before is kept until the new one is in force: it is ours to replace.
    """
    old, memory = settings.webhook_api_key, settings.webhook_key_memory
    if key == old:
        return settings
    if memory is None or memory.state is KeyState.GENERATED:
        without = settings.without_previous_key()
        return replace(without, webhook_api_key=key, webhook_key_memory=None)
    given = replace(settings, webhook_api_key=key, webhook_api_key_previous_until=None)
    if memory.state is KeyState.ROTATING:  # cut off: either of both may be in force, and is ours
        return replace(given, webhook_key_memory=replace(memory, state=KeyState.SENDING))
    return replace(given, webhook_api_key_previous=old) if memory.is_of(old) else given


def _without_webhook_key_in_use(settings: Settings, before: Settings) -> Settings:
    """Forget a webhook key that was in force on another domain.

    OPBX checks that domain's calls with it: whoever has the new one has no business knowing it.
    """
    memory = before.webhook_key_memory
    is_unused = memory is None or memory.state is KeyState.GENERATED
    return replace(
        settings,
        webhook_api_key=before.webhook_api_key if is_unused else None,
        webhook_key_memory=memory if is_unused else None,
    )


def require_complete(settings: Settings, *, before: Settings | None = None) -> None:
    """Raise `UsageError` naming each way to give what no prompt has given."""
    if settings.domain_uuid is None:
        raise UsageError(
            "the domain UUID is missing",
            hint="give it with `--domain-uuid UUID`",
            code=ErrorCode.USAGE_MISSING,
        )
    if settings.domain_api_key is None:
        raise UsageError(
            _why_no_api_key(settings, before),
            hint="give it with `--api-key-stdin`, `--api-key-file PATH` or `--api-key-env NAME`",
            code=ErrorCode.USAGE_MISSING,
        )


def _why_no_api_key(settings: Settings, before: Settings | None) -> str:
    if before is None or before.domain_api_key is None:
        return "the domain API key is missing"
    if before.domain_uuid != settings.domain_uuid:
        return "another domain needs its own API key: the stored one is of the domain before"
    return "another API address needs its own API key: the stored one is not sent there"


def rival_warnings(profiles: Mapping[str, Settings], name: str) -> tuple[str, ...]:
    """Name the other profiles that send the same domain's calls to another place."""
    own = profiles[name]
    return tuple(
        f"profile '{other}' is about the same domain and has another webhook base URL "
        f"({settings.webhook_base_url}): calls go to one of the two, and `opbx validate` wants a "
        "yes before it moves them to the other"
        for other, settings in profiles.items()
        if settings.domain_uuid == own.domain_uuid
        and origin(settings.api_base_url) == origin(own.api_base_url)
        and None not in (settings.webhook_base_url, own.webhook_base_url)
        and settings.webhook_base_url != own.webhook_base_url
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
