"""`opbx detach`: calls go back where they went before, and what is OPBX's goes from Cloudonix."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from opbx_cli.sandbox.server import RunningSandbox
from support import Opbx
from validation import remote_applications, remote_domain

IVR_URL = "https://ivr.example.com/route"


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


def test_who_had_the_calls_is_remembered_once(configured: Opbx, sandbox: RunningSandbox) -> None:
    ivr = add_ivr(sandbox)
    assert configured("validate").code == 9
    assert remembered(configured) is None  # nothing is taken without a yes
    assert configured("validate", "--replace-default").code == 0
    expected = {"id": ivr["id"], "uuid": ivr["uuid"], "name": "ivr-2019", "type": "cxml"}
    assert remembered(configured) == expected
    assert configured("validate", "--replace-default").code == 0
    assert remembered(configured) == expected
    add_ivr(sandbox, "ivr-2020")
    assert configured("validate", "--replace-default").code == 0
    assert remembered(configured) == expected


def test_that_nobody_had_the_calls_is_remembered_too(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.state.set_default_application(None)
    assert configured("validate").code == 0
    assert remembered(configured) == {}
    assert configured("configure", "--no-answer-timeout", "33").code == 0
    assert configured("validate").code == 0
    assert remembered(configured) == {}


def test_cloudonixs_own_application_is_remembered_as_that(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    built_in = remote_domain(sandbox)["application"]
    assert configured("validate").code == 0
    assert remembered(configured) == {key: built_in[key] for key in ("id", "uuid", "name", "type")}


@pytest.mark.parametrize(("fault", "is_kept"), [("400", False), ("hang-after", True)])
def test_a_takeover_that_is_refused_is_not_remembered(
    configured: Opbx, sandbox: RunningSandbox, fault: str, *, is_kept: bool
) -> None:
    add_ivr(sandbox)
    sandbox.set_faults(f"update-domain={fault}*9@2")
    outcome = configured("validate", "--replace-default", CLOUDONIX_API_TIMEOUT="0.2")
    assert (remembered(configured) is not None) == is_kept, outcome.stderr


def test_a_domain_of_opbxs_own_has_nothing_to_be_remembered(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    """OPBX itself had the calls: who had them before that, nobody here knows."""
    name = "opbx-routing-application-made4opbx"
    sandbox.state.add_application(name, url="https://pbx.example.com/api/voice/route")
    sandbox.state.set_default_application(name)
    assert configured("validate", "--replace-webhook-key").code == 0
    assert remote_domain(sandbox)["defaultApplication"]
    assert remembered(configured) is None
