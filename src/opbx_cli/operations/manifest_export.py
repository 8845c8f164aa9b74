"""A manifest of stored profiles, with the names of variables in place of their keys."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError
from opbx_cli.operations.batch import shared_domains
from opbx_cli.settings.table import KEY_OPTIONS, PLAIN_OPTIONS, Settings, plain

ABOUT = "# Written by `opbx profiles export`: the variables named here hold the keys."


@dataclass(frozen=True, slots=True)
class KeyVariable:
    """The variable that a manifest names in place of a profile's key."""

    profile: str
    setting: str
    name: str


@dataclass(frozen=True, slots=True)
class ProfileExport:
    """A manifest for `apply`; `file` is where it was written, if not to stdout."""

    manifest: str
    variables: tuple[KeyVariable, ...]
    warnings: tuple[str, ...] = ()
    file: str | None = None


def export(profiles: Mapping[str, Settings], *, first: str | None) -> ProfileExport:
    """Return the manifest, with profile `first` in front: it is the default one of a new store.

    Raises `ConfigurationError` where no profile has a domain and its key.
    """
    known = {
        name: found
        for name, found in sorted(profiles.items(), key=lambda item: item[0] != first)
        if found.domain_uuid is not None and found.domain_api_key is not None
    }
    if not known:
        raise ConfigurationError(
            "no profile has a domain UUID and an API key, and a manifest needs both",
            hint="`opbx configure` saves them",
            code=ErrorCode.PROFILE_NONE,
        )
    taken: dict[str, KeyVariable] = {}
    tables = [_table(name, found, taken) for name, found in known.items()]
    return ProfileExport(
        "\n".join([f"{ABOUT}\n", *tables]), tuple(taken.values()), _warnings(profiles, known)
    )


def _table(name: str, found: Settings, taken: dict[str, KeyVariable]) -> str:
    values = {row.name: plain(getattr(found, row.name)) for row in PLAIN_OPTIONS}
    for row in KEY_OPTIONS:
        if getattr(found, row.name) is not None:
            variable = _variable(f"{row.name}_{name}", taken)
            taken[variable] = KeyVariable(name, row.name, variable)
            values[f"{row.name}_env"] = variable
    # JSON's strings and numbers are TOML's, too: all of these are printable ASCII.
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in values.items() if value is not None]
    return f'[profile."{name}"]\n{"".join(lines)}'


def _variable(text: str, taken: Mapping[str, KeyVariable]) -> str:
    """Return a name for a variable that is no other profile's; `a-b` and `a.b` are two."""
    name = start = re.sub(r"[^A-Z0-9]", "_", text.upper())
    number = 1
    while name in taken:
        number += 1
        name = f"{start}_{number}"
    return name


def _warnings(profiles: Mapping[str, Settings], known: Mapping[str, Settings]) -> tuple[str, ...]:
    left_out = [
        f"profile '{name}' is left out: it has no domain UUID or no API key"
        for name in profiles
        if name not in known
    ]
    shared = [
        f"profile '{name}' has the domain of {', '.join(others)}, and a manifest takes a domain "
        "once: remove one of them from the manifest"
        for name, others in shared_domains(known).items()
    ]
    linked = [
        f"profile '{name}' is linked to an OPBX, and a manifest does not say so: "
        f"`opbx instance connect {found.instance_url} --profile {name}` links it again"
        for name, found in known.items()
        if found.instance_url is not None
    ]
    return (*left_out, *shared, *linked)
