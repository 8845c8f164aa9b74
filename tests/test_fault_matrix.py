"""Each request of a first `validate`, met by each fault: the truth is told, nothing is lost.

Whatever happens, the exit code and the error are right, no write that may have happened is
sent twice where that would matter, and the next run ends with one application of OPBX's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from opbx_cli.sandbox.server import RunningSandbox
from support import Opbx, Outcome

pytestmark = pytest.mark.uncounted
APPLICATIONS = "/applications"


@dataclass(frozen=True)
class Moment:
    """One request of a first run: the fault's call, its place, and the step it belongs to."""

    call: str
    first: int
    step: str
    method: str
    is_list: bool = False


MOMENTS = {
    "read-domain": Moment("get-domain", 1, "connect", "GET"),
    "read-applications": Moment("list-applications", 1, "connect", "GET", is_list=True),
    "create": Moment("create-application", 1, "voice-application", "POST"),
    "profile": Moment("update-domain", 1, "domain-profile", "PUT"),
    "default": Moment("update-domain", 2, "default-application", "PUT"),
    "look-at-domain": Moment("get-domain", 2, "default-application", "GET"),
    "look-at-applications": Moment(
        "list-applications", 2, "default-application", "GET", is_list=True
    ),
}


@dataclass(frozen=True)
class Meaning:
    """What a fault means: exit code, name, words of the message, whether reads are repeated."""

    exit_code: int
    code: str
    said: str
    repeated: bool = False
    is_after: bool = False


REFUSED = "Cloudonix refused the request ({})"
TROUBLE = "Cloudonix has trouble of its own ({})"
NONSENSE = "the answer cannot be understood: "
DOMAIN_GONE = Meaning(5, "domain.not_found", "this domain does not exist in Cloudonix (404)")
NOT_APPLIED = Meaning(6, "remote.not_applied", "accepted the change but did not make it")
NOT_SHOWN = Meaning(6, "remote.not_shown", "accepted the new voice application but does not show")
LIMITED = "too many requests for this domain (429)"

FAULTS = {
    **{
        status: Meaning(6, "remote.refused", REFUSED.format(status))
        for status in ("400", "409", "422")
    },
    "401": Meaning(4, "auth.rejected", "(401)"),
    "403": Meaning(4, "auth.forbidden", "(403)"),
    "404": Meaning(5, "not_found", "not found (404)"),
    "429": Meaning(7, "remote.rate_limited", LIMITED, repeated=True),
    "429:2": Meaning(7, "remote.rate_limited", LIMITED, repeated=True),
    "429:Wed, 21 Oct 2015 07:28:00 GMT": Meaning(7, "remote.rate_limited", LIMITED, repeated=True),
    "429:86400": Meaning(7, "remote.rate_limited", LIMITED),
    "429:soon": Meaning(7, "remote.rate_limited", LIMITED, repeated=True),
    **{
        status: Meaning(7, "remote.overloaded", TROUBLE.format(status), repeated=True)
        for status in ("500", "502", "503", "504")
    },
    "html": Meaning(6, "remote.unintelligible", NONSENSE),
    "empty": Meaning(6, "remote.unintelligible", NONSENSE),
    "truncated": Meaning(6, "remote.unintelligible", NONSENSE),
    "truncated-after": Meaning(6, "remote.unintelligible", NONSENSE, is_after=True),
    "array": Meaning(6, "remote.unintelligible", NONSENSE),
    "nested": Meaning(6, "remote.unintelligible", NONSENSE),
    "huge": Meaning(6, "remote.unintelligible", NONSENSE),
    "gzip-bomb": Meaning(6, "remote.unintelligible", NONSENSE),
    "redirect": Meaning(6, "remote.redirect", "redirect (302)"),
    "hang": Meaning(7, "network.timeout", "did not answer in time", repeated=True),
    "slow-body": Meaning(7, "network.timeout", "did not answer in time", repeated=True),
    "close-before": Meaning(7, "network.lost", "was lost before", repeated=True),
    "close-after": Meaning(7, "network.lost", "was lost before", repeated=True, is_after=True),
    "echo-key": Meaning(6, "remote.refused", REFUSED.format(400)),
}


def meaning(moment: Moment, fault: str) -> Meaning | None:
    """What the fault means to this request; None where the run ends well all the same."""
    if fault == "404" and moment.method == "GET":
        return None if moment.is_list else DOMAIN_GONE  # 404 is what an empty list looks like
    if fault == "empty" and moment.method != "GET":
        return (
            NOT_SHOWN if moment.method == "POST" else NOT_APPLIED
        )  # 204 is a fine answer to a write, but the change is not there
    known = FAULTS[fault]
    if known.is_after and moment.method != "GET":
        return None  # it happened, and a look proves it
    return known


def step_of(outcome: Outcome, name: str) -> dict[str, Any]:
    (found,) = [step for step in outcome.document["steps"] if step["id"] == name]
    assert isinstance(found, dict)
    return found


def ours(sandbox: RunningSandbox) -> list[Any]:
    return [
        entry
        for entry in sandbox.state.applications()
        if str(entry["name"]).startswith("opbx-routing-application-")
    ]


def attempts(sandbox: RunningSandbox, moment: Moment) -> list[Any]:
    """The requests that the fault was for."""
    found = [request for request in sandbox.requests if request.call == moment.call]
    return found[moment.first - 1 :]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", MOMENTS)
def test_a_fault_is_told_as_it_is_and_the_next_run_goes_on(
    configured: Opbx, sandbox: RunningSandbox, name: str, fault: str
) -> None:
    moment = MOMENTS[name]
    expected = meaning(moment, fault)
    before = configured("profiles", "show", "--json").document
    store = (configured.home / "store.toml").read_bytes()
    sandbox.set_faults(f"{moment.call}={fault}@{moment.first}")

    patience = {"CLOUDONIX_API_TIMEOUT": "0.2"} if fault in ("hang", "slow-body") else {}
    outcome = configured("validate", "--json", **patience)

    check_attempts(sandbox, moment, fault)
    if expected is None:
        assert outcome.code == 0, outcome.stderr
    else:
        check_failure(outcome, moment, expected, wrote=moment.step != "connect")
        if outcome.document["result"] == "failed":
            assert (configured.home / "store.toml").read_bytes() == store
    kept = ("domain_uuid", "domain_api_key", "webhook_api_key", "webhook_base_url")
    after = configured("profiles", "show", "--json").document
    assert [after[key] for key in kept] == [before[key] for key in kept]

    sandbox.set_faults()
    assert configured("validate", "--json").code == 0
    (application,) = ours(sandbox)
    assert sandbox.state.domain()["defaultApplication"] == application["id"]
    assert configured("validate", "--check").code == 0


def check_attempts(sandbox: RunningSandbox, moment: Moment, fault: str) -> None:
    """At most three repetitions, none of them of a POST that may have happened."""
    posts = [request for request in sandbox.requests if request.method == "POST"]
    assert len(posts) <= (4 if fault.startswith("429") and moment.method == "POST" else 1)
    tried = attempts(sandbox, moment)
    if moment.method != "GET":  # a read may have two reasons, a write has one
        writes = [f"{request.method} {sorted(request.body)}" for request in tried]
        assert max(writes.count(write) for write in writes) <= 4
    if fault == "429:86400":
        assert len(tried) == 1, "a wait over 30 s is the user's to decide"


def check_failure(outcome: Outcome, moment: Moment, expected: Meaning, *, wrote: bool) -> None:
    step = {"domain.not_found": "domain"}.get(expected.code, moment.step)
    step = moment.step if moment.first == 2 else step
    failed = step_of(outcome, step)
    assert failed["status"] == "failed", outcome.document
    error = failed["error"]
    assert (error["exit_code"], error["code"]) == (expected.exit_code, expected.code)
    assert expected.said in error["message"]
    if expected.code not in ("domain.not_found", "remote.not_applied", "remote.not_shown"):
        path = "/applications" if "applications" in moment.call or moment.is_list else ""
        path = "/applications" if moment.call == "create-application" else path
        assert "/customers/self/domains/" in error["message"]
        assert (path in error["message"]) or not path
    assert error["hint"], f"{error['code']} says what to do"
    partial = wrote and moment.method != "POST"
    assert outcome.code == (9 if partial else expected.exit_code)
    assert outcome.error["exit_code"] == outcome.code
    assert outcome.error["hint"]
    assert json.loads(outcome.stderr.splitlines()[-1])["error"] == outcome.error
    assert outcome.document["result"] == ("partial" if partial else "failed")
    assert "Traceback" not in outcome.stderr
