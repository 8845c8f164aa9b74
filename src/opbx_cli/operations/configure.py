"""Configure: what a profile becomes when somebody gives some of its settings."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import UsageError
from opbx_cli.models import KeyMemory, KeyState, Secret
from opbx_cli.operations.profiles import ProfileDetail
from opbx_cli.settings.table import PLAIN_OPTIONS, SETTING_NAMES, UNSETTABLE, Settings
from opbx_cli.values import origin


@dataclass(frozen=True, slots=True)
class GivenSettings:
    """What somebody gave, by the settings' names. `unset` holds names to clear."""

    values: Mapping[str, Any] = field(default_factory=dict)
    unset: frozenset[str] = frozenset()

    @property
    def is_empty(self) -> bool:
        return self == GivenSettings()

    @property
    def settings(self) -> Settings:
        """Return the given ones among settings that are otherwise unset."""
        return Settings(**self.values)

    def plus(self, **values: Any) -> GivenSettings:
        """Return these and others; None is none."""
        given = {name: value for name, value in values.items() if value is not None}
        return replace(self, values={**self.values, **given})


def merge(current: Settings | None, given: GivenSettings, *, api_base_url: str) -> Settings:
    """Return the settings with what was given; everything else stays as it was.

    `api_base_url` is where a new profile's domain lives. Another domain forgets what came from
    the old one, the keys that worked there included; another origin of the API forgets the API
    key, which must not travel there. A webhook key is made where there is none.
    """
    before = current or Settings(api_base_url=api_base_url)
    keys = given.settings
    plain = {row.name: given.values[row.name] for row in PLAIN_OPTIONS if row.name in given.values}
    cleared = {row.name: row.default for row in UNSETTABLE if row.name in given.unset}
    after = replace(before, **plain, **cleared)
    is_moved = origin(after.api_base_url) != origin(before.api_base_url)
    is_another = before.domain_uuid is not None and after.domain_uuid != before.domain_uuid
    if is_moved or is_another:
        after = replace(after.without_remote_facts(), domain_api_key=None)
    if is_another:
        after = _without_webhook_key_in_use(after, before).with_instance_of(Settings())
    if keys.domain_api_key is not None:
        after = replace(after, domain_api_key=keys.domain_api_key)
    if keys.webhook_api_key is not None:
        after = with_webhook_key(after, keys.webhook_api_key)
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
        return replace(given, webhook_key_memory=memory._replace(state=KeyState.SENDING))
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
            hint="give it with `--domain-uuid`",
            code=ErrorCode.USAGE_MISSING,
        )
    if settings.domain_api_key is None:
        raise UsageError(
            _why_no_api_key(settings, before),
            hint="give it with `--api-key-stdin`, `--api-key-file` or `--api-key-env`",
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
    known = [row.name for row in UNSETTABLE]
    if not chosen <= frozenset(known):
        raise UsageError(
            f"--unset: expected one of {', '.join(known).replace('_', '-')} "
            "(the others are always needed)"
        )
    for name in known:
        if name in chosen and name in given.values:
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
