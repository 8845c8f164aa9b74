"""Each reading of what Cloudonix's sources leave open, alone and with those it interacts with.

After one run the domain is as desired, or the step that failed is named; after a second one
nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from opbx_cli.sandbox import Variants
from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx, Outcome

StartSandbox = Callable[..., RunningSandbox]
LAG = "application-lag=1"
ALONE = [
    (f"{name}={value}",)
    for name, values in Variants.choices().items()
    for value in values
    if value != "SECONDS"
] + [(LAG,)]
TOGETHER = [
    # What is confirmed by a look only, and looks that lag or have an empty list to show.
    ("write-answer=empty", LAG),
    ("write-answer=empty", LAG, "names=duplicate"),
    ("write-answer=empty", "empty-list=list", LAG),
    ("write-answer=empty", "default-application=patch"),
    ("write-answer=empty", "default-application=ignored"),
    ("write-answer=empty", "webhook-key=absent"),
    ("write-answer=empty", "webhook-key=masked", "profile=replace"),
    ("write-answer=empty", "application-path=id", "ids=string"),
    # What is sent back as it was read.
    ("profile=replace", "numbers=string"),
    ("profile=replace", "webhook-key=masked"),
    ("profile=replace", "webhook-key=absent"),
    ("profile=replace", "nulls=on"),
    ("nulls=on", "webhook-key=absent"),
    ("nulls=on", "fresh=none", "empty-list=list"),
    # How things are addressed.
    ("ids=string", "default-application=patch"),
    ("ids=string", "numbers=string", "application-path=id"),
    ("application-path=name", "application-patch=off"),
    ("application-path=id", "application-patch=off"),
    ("uuid-case=exact", "ids=string"),
    # Who has the calls.
    ("fresh=other", "default-application=put"),
    ("fresh=other", "default-application=patch", LAG),
    ("fresh=other", "default-application=ignored"),
    ("fresh=other", "names=duplicate", LAG, "write-answer=empty"),
    ("fresh=none", "default-application=patch", "ids=string"),
]
FAILS = {
    "default-application=ignored": ("default-application", "remote.not_applied", 9),
    "domain=inactive": ("domain", "domain.inactive", 6),
}


def prepared(opbx: Opbx, sandbox: RunningSandbox) -> Opbx:
    opbx.sleep = sandbox.advance
    domain = sandbox.domains[0]
    saved = opbx(
        "configure",
        *("--domain-uuid", domain.uuid.upper(), "--api-key-stdin"),
        *("--api-base-url", sandbox.url, "--webhook-base-url", WEBHOOK_BASE_URL),
        stdin=domain.api_key,
    )
    assert saved.code == 0, saved.stderr
    return opbx


def failure(chosen: tuple[str, ...]) -> tuple[str, str, int] | None:
    return next((FAILS[variant] for variant in chosen if variant in FAILS), None)


@pytest.mark.parametrize("chosen", [*ALONE, *TOGETHER], ids=" ".join)
def test_one_run_converges_or_names_the_step_and_the_next_writes_nothing(
    start_sandbox: StartSandbox, opbx: Opbx, chosen: tuple[str, ...]
) -> None:
    sandbox = start_sandbox(variants=list(chosen))
    sandbox.state.set_profile_keys({"customer": {"nested": [1, "ü"]}})
    prepared(opbx, sandbox)
    outcome = opbx("validate", "--replace-default", "--json")
    fails = failure(chosen)
    if fails is None:
        assert outcome.code == 0, outcome.stderr
        check_domain(sandbox)
    else:
        check_failure(outcome, *fails)
    sandbox.forget_requests()
    again = opbx("validate", "--json")
    written = {request.call for request in sandbox.requests if request.method != "GET"}
    if fails is None:
        assert again.code == 0, again.stderr
        assert opbx("validate", "--check").code == 0
    assert written <= ({"update-domain"} if fails else set()), "what is ignored is tried again"


def check_domain(sandbox: RunningSandbox) -> None:
    state: Any = sandbox.state.domain()
    (ours,) = [e for e in sandbox.state.applications() if str(e["name"]).startswith("opbx-")]
    assert state["defaultApplication"] == ours["id"]
    assert (ours["url"], ours["type"]) == (f"{WEBHOOK_BASE_URL}/api/voice/route", "cxml")
    assert (ours["method"], ours["active"]) == ("POST", True)
    profile = state["profile"]
    assert str(profile["call-timeout"]) == "60"
    assert profile["cdr-endpoint"] == f"{WEBHOOK_BASE_URL}/api/webhooks/cloudonix/cdr"
    assert len(profile["authorization-api-key"]) == 43
    assert profile["customer"] == {"nested": [1, "ü"]}


def check_failure(outcome: Outcome, step_id: str, code: str, exit_code: int) -> None:
    assert outcome.code == exit_code
    (failed,) = [step for step in outcome.document["steps"] if step["status"] == "failed"]
    assert (failed["id"], failed["error"]["code"]) == (step_id, code)


@pytest.mark.parametrize("path", ["name", "id", "both"])
@pytest.mark.parametrize("answer", ["object", "empty"])
@pytest.mark.parametrize("names", ["unique-409", "duplicate"])
def test_the_right_one_of_several_applications_is_updated(
    start_sandbox: StartSandbox, opbx: Opbx, path: str, answer: str, names: str
) -> None:
    variants = [f"application-path={path}", f"write-answer={answer}", f"names={names}"]
    sandbox = start_sandbox(variants=variants)
    prepared(opbx, sandbox)
    assert opbx("validate").code == 0
    (ours,) = sandbox.state.applications()
    number: Any = ours["id"]
    sandbox.state.add_application("somebody-elses", url="https://x.example")
    sandbox.state.edit_application(number, url="https://x.example", active=False)
    assert opbx("validate").code == 0
    edited, other = sandbox.state.applications()
    assert (edited["url"], edited["active"]) == (ours["url"], True)
    assert other["url"] == "https://x.example"
