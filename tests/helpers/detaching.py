"""What the tests of `detach` share: what a domain has of OPBX's, and what the store remembers."""

from __future__ import annotations

import tomllib
from typing import Any

from opbx_cli.sandbox.server import RunningSandbox
from support import Opbx
from validation import remote_applications, remote_domain

IVR_URL = "https://ivr.example.com/route"

CDR = "cdr-endpoint"
SESSION_UPDATE = "session-update-endpoint"
KEY = "authorization-api-key"


def remembered(opbx: Opbx, profile: str = "default") -> Any:
    """Who had the calls before, as the store has it; None where that is not known."""
    tree = tomllib.loads((opbx.home / "store.toml").read_text())
    return tree["profile"][profile].get("calls_before")


def add_ivr(sandbox: RunningSandbox, name: str = "ivr-2019") -> Any:
    """Somebody's application, which has the calls."""
    sandbox.state.add_application(name, url=IVR_URL)
    sandbox.state.set_default_application(name)
    (found,) = [one for one in remote_applications(sandbox) if one["name"] == name]
    return found


def in_charge(sandbox: RunningSandbox) -> Any:
    """The name of the application that has the calls."""
    current = remote_domain(sandbox)["defaultApplication"]
    names = {one["id"]: one["name"] for one in remote_applications(sandbox)}
    return names.get(current, current)


def ours(sandbox: RunningSandbox) -> Any:
    """OPBX's application; None where it is gone."""
    found = [one for one in remote_applications(sandbox) if one["name"].startswith("opbx-")]
    return found[0] if found else None


def callback_keys(sandbox: RunningSandbox) -> dict[str, Any]:
    """What the domain's profile has of OPBX's."""
    profile = remote_domain(sandbox)["profile"] or {}
    return {name: profile[name] for name in (CDR, SESSION_UPDATE, KEY) if profile.get(name)}
