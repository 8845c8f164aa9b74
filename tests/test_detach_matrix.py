"""Each request of a `detach`, met by each fault and each Cloudonix: the next run ends it."""

from __future__ import annotations

import json

import pytest

from detaching import callback_keys, in_charge, ours, remembered
from opbx_cli.sandbox.server import RunningSandbox
from support import Opbx
from validation import StartSandbox, configure, statuses, writes

pytestmark = pytest.mark.uncounted
# The call and its place in the run, and the step that it belongs to.
MOMENTS = {
    "read-domain": ("get-domain", 1, "connect"),
    "read-applications": ("list-applications", 1, "connect"),
    "calls": ("update-domain", 1, "default-application"),
    "read-profile": ("get-domain", 2, "domain-profile"),
    "profile": ("update-domain", 2, "domain-profile"),
    "application": ("update-application", 1, "voice-application"),
    "look-at-domain": ("get-domain", 3, "voice-application"),
    "look-at-applications": ("list-applications", 2, "voice-application"),
}
FAULTS = (
    *("400", "401", "403", "404", "409", "422", "429", "429:86400", "500", "503"),
    *("html", "empty", "truncated", "truncated-after", "array", "nested", "redirect"),
    *("hang", "slow-body", "close-before", "close-after", "echo-key"),
)
ALL_STEPS = ("connect", "domain", "default-application", "domain-profile", "voice-application")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_fault_is_told_as_it_is_and_the_next_run_goes_on(
    attached: Opbx, sandbox: RunningSandbox, moment: str, fault: str
) -> None:
    call, first, failed = MOMENTS[moment]
    key = attached("webhook-key", "reveal", "--yes").stdout
    sandbox.set_faults(f"{call}={fault}@{first}")
    patience = {"CLOUDONIX_API_TIMEOUT": "0.2"} if fault in ("hang", "slow-body") else {}
    outcome = attached("detach", "--yes", "--json", **patience)
    found = statuses(outcome)
    assert list(found) == [*ALL_STEPS, "save"]
    result = outcome.document["result"]
    if result == "ok":
        assert outcome.code == 0
    elif (moment, fault) == ("read-applications", "404"):  # what an empty list looks like
        assert (outcome.code, outcome.error["code"]) == (9, "detach.wants_choice")
        assert writes(sandbox) == []
    else:
        assert result == ("partial" if "updated" in found.values() else "failed")
        assert (outcome.code == 9) == (result == "partial")
        assert json.loads(outcome.stderr.splitlines()[-1])["error"]["hint"]
        is_gone = fault == "404" and call == "get-domain" and first == 1
        assert found["domain" if is_gone else failed] == "failed"
        # What comes behind a step that failed was not touched; what is remembered is kept.
        assert remembered(attached)["name"] == "ivr-2019"
        if failed == "default-application":
            assert set(callback_keys(sandbox)) == {
                "authorization-api-key",
                "cdr-endpoint",
                "session-update-endpoint",
            }
        if failed != "voice-application":
            assert ours(sandbox)["active"] is True
    assert attached("webhook-key", "reveal", "--yes").stdout == key

    sandbox.set_faults()
    assert attached("detach", "--yes").code == 0
    assert (in_charge(sandbox), callback_keys(sandbox)) == ("ivr-2019", {})
    assert ours(sandbox)["active"] is False
    assert attached("detach", "--check").code == 0
    assert remembered(attached) is None


@pytest.mark.parametrize(
    "variants",
    [
        ("write-answer=empty",),
        ("write-answer=empty", "application-lag=1"),
        ("write-answer=empty", "default-application=patch", "ids=string"),
        ("write-answer=empty", "webhook-key=absent", "profile=replace"),
        ("write-answer=empty", "webhook-key=masked"),
        ("application-body=strict", "application-patch=off"),
        ("application-path=name",),
        ("application-path=id", "ids=string", "numbers=string"),
        ("nulls=on", "webhook-key=absent"),
        ("profile=replace", "nulls=on"),
        ("fresh=none", "empty-list=list"),
        ("fresh=other", "default-application=put"),
        ("uuid-case=exact",),
        ("names=duplicate",),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("delete", [False, True], ids=["inactive", "deleted"])
def test_whatever_cloudonix_is_like_it_is_as_it_was(
    opbx: Opbx, start_sandbox: StartSandbox, variants: tuple[str, ...], *, delete: bool
) -> None:
    sandbox = start_sandbox(variants=variants)
    opbx.sleep = sandbox.advance
    configure(opbx, sandbox)
    before = sandbox.state.domain()
    options = ("--delete-application",) if delete else ()
    for _ in range(2):
        attached = opbx("validate", "--yes", "--json")
        assert attached.code == 0, attached.stderr
        outcome = opbx("detach", "--yes", "--json", *options)
        assert outcome.code == 0, outcome.stderr
        assert sandbox.state.domain()["defaultApplication"] == before["defaultApplication"]
        assert callback_keys(sandbox) == {}
        sandbox.forget_requests()
        assert opbx("detach", "--check", *options).code == 0
        assert (opbx("detach", *options).code, writes(sandbox)) == (0, [])
    found = ours(sandbox)
    assert found is None if delete else found["active"] is False
