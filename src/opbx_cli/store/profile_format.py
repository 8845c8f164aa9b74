"""One profile's settings to TOML values and secrets, and back with every value checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from opbx_cli.models import ApplicationReference, CallsBefore, KeyMemory, KeyState, Secret
from opbx_cli.settings.table import KEY_MEMORY, TABLE, Settings, plain
from opbx_cli.store.file_format import PLAIN_FIELDS, SEALED_FIELDS
from opbx_cli.store.strict_toml import UnfitStore
from opbx_cli.values import InvalidValue, check_key

# How the format writes what is remembered of the key that was sent: a prefix, and its fingerprint.
_MEMORY_PREFIXES = {
    KeyState.GENERATED: "made:",
    KeyState.SENDING: "sending:",
    KeyState.ROTATING: "rotating:",
    KeyState.SENT: "",
    KeyState.SHOWN: "seen:",
    KeyState.FOUND: "found:",
}
_MEMORY_TEXT = re.compile(r"(?P<prefix>[a-z]+:)??(?P<fingerprint>fp:[0-9a-f]{8})")


def _parse_memory(text: str) -> KeyMemory:
    match = _MEMORY_TEXT.fullmatch(text)
    prefix = "" if match is None else match["prefix"] or ""
    states = [state for state, known in _MEMORY_PREFIXES.items() if known == prefix]
    if match is None or not states:
        raise InvalidValue("expected the fingerprint of a key")
    return KeyMemory(states[0], match["fingerprint"])


_PARSERS: Mapping[str, Callable[[str], object]] = {
    # Many profiles have the same few addresses; secrets are not kept.
    **{
        row.stored_as: check_key if row.is_secret else lru_cache(maxsize=64)(row.parse)
        for row in TABLE
    },
    KEY_MEMORY: _parse_memory,
}


def plain_values(settings: Settings) -> Mapping[str, object]:
    """Return what is stored as it is, by TOML key; what is unset is left out."""
    values = {name: plain(getattr(settings, name)) for name in PLAIN_FIELDS}
    if (application := settings.voice_application) is not None:
        values["voice_application"] = _set_only(
            {"id": application.id, "uuid": application.uuid, "name": application.name}
        )
    if (before := settings.calls_before) is not None:
        values["calls_before"] = _set_only(
            {"id": before.id, "uuid": before.uuid, "name": before.name, "type": before.type}
        )
    return _set_only(values)


def sealed_values(settings: Settings) -> Mapping[str, Secret]:
    """Return what is stored encrypted, by TOML key."""
    values = {name: getattr(settings, name) for name in SEALED_FIELDS if name != KEY_MEMORY}
    memory = settings.webhook_key_memory
    if memory is not None:
        values[KEY_MEMORY] = Secret(_MEMORY_PREFIXES[memory.state] + memory.fingerprint)
    return {name: values[name] for name in SEALED_FIELDS if values.get(name) is not None}


def to_settings(
    profile: str, plain: Mapping[str, object], *, secrets: Mapping[str, Secret]
) -> Settings:
    """Check every value: that it is authentic does not make it possible."""
    values = {name: _checked(profile, name, value=value) for name, value in plain.items()}
    values |= {
        name: _parsed(profile, name, text=secret.reveal()) for name, secret in secrets.items()
    }
    memory = values.pop(KEY_MEMORY, None)
    return Settings(**values, webhook_key_memory=memory)  # type: ignore[arg-type]  # parsed


def _checked(profile: str, name: str, *, value: object) -> object:
    if name == "voice_application" and isinstance(value, Mapping):
        return ApplicationReference(value["id"], value.get("uuid"), value["name"])
    if name == "calls_before" and isinstance(value, Mapping):
        return CallsBefore(**value)
    return _parsed(profile, name, text=str(value))


def _parsed(profile: str, name: str, *, text: str) -> object:
    try:
        return _PARSERS[name](text)
    except InvalidValue as error:
        raise UnfitStore(
            f"`{name}` of profile {profile} has a value that opbx does not take: {error}"
        ) from None


def _set_only(values: Mapping[str, object]) -> Mapping[str, object]:
    return {name: value for name, value in values.items() if value is not None}
