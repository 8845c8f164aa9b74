"""Profiles: the named settings in a store, as a mapping that is never changed in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError, OpbxError, UsageError
from opbx_cli.key_shapes import looks_like_key
from opbx_cli.models import DEFAULT_PROFILE_NAME, KeyState
from opbx_cli.settings.table import SETTING_NAMES, Settings

if TYPE_CHECKING:
    from opbx_cli.store import StoreContents


@dataclass(frozen=True, slots=True)
class ProfileDetail:
    """One profile in full. `profile` is None where the settings come from the environment."""

    profile: str | None
    is_default: bool
    settings: Settings
    origins: Mapping[str, str] | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProfileList:
    default: str | None
    profiles: tuple[ProfileDetail, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProfileChange:
    """What was done to the set of profiles, in one sentence, and the set as it is now."""

    sentence: str
    after: ProfileList


def name_to_save(contents: StoreContents | None, name: str | None) -> str:
    """Return the profile that `configure` is about: the named, the default or the first.

    Raises `UsageError` for a new name that looks like a key.
    """
    if name is not None:
        if contents is None or name not in contents.profiles:
            refuse_key(name)
        return name
    if contents is None or not contents.profiles:
        return DEFAULT_PROFILE_NAME
    return contents.find(None)[0]


def put(contents: StoreContents, name: str, settings: Settings) -> StoreContents:
    """Return the set with this profile in it; the first one becomes the default.

    Raises `ConfigurationError` for a new name that looks like a key.
    """
    if name not in contents.profiles:
        refuse_key(name, ConfigurationError)
    default = contents.default_profile if contents.profiles else name
    return contents._replace(
        profiles={**contents.profiles, name: settings}, default_profile=default
    )


def refuse_key(name: str, error: type[OpbxError] = UsageError) -> None:
    """Refuse a new profile's name that looks like a key, by raising `error`."""
    if looks_like_key(name):
        raise error(
            "the new profile's name looks like a key, and a profile's name is shown on screens",
            hint="choose another name; `opbx configure --api-key-stdin` takes a key",
        )


def use(contents: StoreContents, name: str) -> StoreContents:
    """Return the set with another default profile."""
    return contents._replace(default_profile=contents.find(name)[0])


def rename(contents: StoreContents, old: str, new: str) -> StoreContents:
    """Return the set with `old` called `new`, in the same place."""
    contents.find(old)
    if new not in contents.profiles:
        refuse_key(new)
    if new != old and new in contents.profiles:
        raise UsageError("a profile of the new name exists already", code=ErrorCode.PROFILE_EXISTS)
    return contents._replace(
        profiles={new if name == old else name: kept for name, kept in contents.profiles.items()},
        default_profile=new if contents.default_profile == old else contents.default_profile,
    )


def remove(contents: StoreContents, name: str) -> StoreContents:
    """Return the set without a profile; no other becomes the default in its place."""
    contents.find(name)
    return contents._replace(
        profiles={other: kept for other, kept in contents.profiles.items() if other != name},
        default_profile=None if contents.default_profile == name else contents.default_profile,
    )


def differences(before: StoreContents, after: StoreContents) -> tuple[str, ...]:
    """Say what differs between two saves: profiles and settings by name, never a value."""
    lines = [f"profile {name} is gone" for name in before.profiles if name not in after.profiles]
    for name, settings in after.profiles.items():
        old = before.profiles.get(name)
        if old is None:
            lines.append(f"profile {name} is new")
            continue
        changed = [item for item in SETTING_NAMES if getattr(old, item) != getattr(settings, item)]
        if changed:
            lines.append(f"profile {name} differs in {', '.join(changed)}")
    if before.default_profile != after.default_profile:
        lines.append(f"the default profile is {after.default_profile or 'none'}")
    return tuple(lines)


def keys_brought_back(now: StoreContents, then: StoreContents) -> tuple[str, ...]:
    """Say which webhook keys an earlier save would bring back, and which are in force."""
    lines = []
    for name, settings in then.profiles.items():
        old = now.profiles.get(name) or Settings()
        key = settings.webhook_api_key
        if key is None or key == old.webhook_api_key:
            continue
        lines.append(
            f"profile {name} gets the webhook key {key.label} back; {_in_force(old)}: "
            f"`opbx validate --profile {name}` compares it with Cloudonix's"
        )
    return tuple(lines)


def _in_force(settings: Settings) -> str:
    memory = settings.webhook_key_memory
    if memory is None or memory.state is KeyState.GENERATED:
        return "this store does not know which one is in force"
    if memory.state.is_in_force:
        return f"as far as this store knows, {memory.fingerprint} is in force"
    return f"{memory.fingerprint} was sent last, and may be in force"


def listed(contents: StoreContents) -> ProfileList:
    return ProfileList(
        default=contents.default_profile,
        profiles=tuple(
            ProfileDetail(profile=name, is_default=name == contents.default_profile, settings=found)
            for name, found in contents.profiles.items()
        ),
    )
