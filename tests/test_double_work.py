"""Work that was cut off, or is done twice at the same time: one application in the end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opbx_cli.operations.validate.plan import application_name
from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx

StartSandbox = Callable[..., RunningSandbox]
REQUESTS_OF_A_FIRST_RUN = 7
VOICE = f"{WEBHOOK_BASE_URL}/api/voice/route"


def program(opbx: Opbx, *argv: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "opbx_cli", *argv],
        env=opbx.process_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def configure(opbx: Opbx, sandbox: RunningSandbox) -> None:
    domain = sandbox.domains[0]
    key = opbx.home.parent / "webhook.key"
    key.write_text("webhook-key-of-all-0123456789abc\n")
    outcome = opbx(
        "configure",
        *("--domain-uuid", domain.uuid, "--api-key-stdin", "--webhook-key-file", str(key)),
        *("--api-base-url", sandbox.url, "--webhook-base-url", WEBHOOK_BASE_URL),
        stdin=domain.api_key,
    )
    assert outcome.code == 0, outcome.stderr


def neighbour(opbx: Opbx, sandbox: RunningSandbox) -> Opbx:
    """The same settings in a home of their own, as on another computer."""
    home = Path(f"{opbx.home}-of-a-neighbour")
    shutil.copytree(opbx.home, home)
    return Opbx(home, {"OPBX_HOME": str(home)}, sleep=sandbox.advance)


def is_busy(sandbox: RunningSandbox, count: int) -> bool:
    """Tell whether `count` requests came in and one of them waits for its answer."""
    requests = sandbox.requests
    return len(requests) >= count and any(request.ended is None for request in requests)


@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, REQUESTS_OF_A_FIRST_RUN + 1))
def test_a_run_killed_at_any_request_is_finished_by_the_next(
    start_sandbox: StartSandbox, opbx: Opbx, number: int, is_done: bool
) -> None:
    """Killed before Cloudonix did what was asked, or after it, without an answer."""
    sandbox = start_sandbox(variants=["names=duplicate"])
    configure(opbx, sandbox)
    sandbox.set_faults(f"any={'hang-after' if is_done else 'hang'}@{number}")
    with program(opbx, "validate") as process:
        while process.poll() is None and not is_busy(sandbox, number):
            os.sched_yield()
        process.kill()
    assert process.returncode == -9
    sandbox.set_faults()
    outcome = opbx("validate", "--json")
    assert outcome.code == 0, outcome.stderr
    check_one_in_charge(sandbox)
    assert opbx("validate", "--check").code == 0


def check_one_in_charge(sandbox: RunningSandbox) -> None:
    (application,) = sandbox.state.applications()
    domain: Any = sandbox.state.domain()
    assert application["name"] == application_name(sandbox.domains[0].uuid)
    assert application["url"] == VOICE
    assert domain["defaultApplication"] == application["id"]


@pytest.mark.parametrize("names", ["unique-409", "unique-500", "duplicate"])
@pytest.mark.parametrize("homes", [1, 2])
def test_two_runs_at_the_same_time_use_one_application(
    start_sandbox: StartSandbox, opbx: Opbx, names: str, homes: int
) -> None:
    """Both may look before either has created; whoever loses that race agrees in the end."""
    sandbox = start_sandbox(variants=[f"names={names}"], latency=0.03)
    configure(opbx, sandbox)
    other = neighbour(opbx, sandbox) if homes == 2 else opbx
    processes = [program(opbx, "validate", "--json"), program(other, "validate", "--json")]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    applications = sandbox.state.applications()
    assert len(applications) <= (2 if names == "duplicate" else 1)
    oldest = min(entry["id"] for entry in applications)  # type: ignore[type-var]
    assert sandbox.state.domain()["defaultApplication"] == oldest
    sandbox.forget_requests()
    for owner in (opbx, other):
        outcome = owner("validate", "--json")
        assert outcome.code == 0
        assert f"(id {oldest})" in outcome.document["steps"][2]["detail"]
    assert [request for request in sandbox.requests if request.method != "GET"] == []


def test_doubles_made_at_the_same_time_are_told_and_left_alone(
    start_sandbox: StartSandbox, opbx: Opbx
) -> None:
    sandbox = start_sandbox(variants=["names=duplicate"])
    configure(opbx, sandbox)
    name = application_name(sandbox.domains[0].uuid)
    other = neighbour(opbx, sandbox)
    # The first list is late: this run does not see what the other one has just made.
    assert other("validate").code == 0
    sandbox.state.set_default_application(None)
    sandbox.set_faults("list-applications=404*1")
    outcome = opbx("validate", "--json")
    assert outcome.code == 0, outcome.stderr
    first, second = sandbox.state.applications()
    assert (first["name"], second["name"]) == (name, name)
    assert sandbox.state.domain()["defaultApplication"] == first["id"]
    step = outcome.document["steps"][2]
    assert step["status"] == "adopted"
    assert f"(id {first['id']})" in step["detail"]
    assert f"id {second['id']} is left over" in step["detail"]
    shown = opbx("profiles", "show", "--json").document
    assert shown["voice_application"]["id"] == first["id"]
    for owner in (opbx, other):
        again = owner("validate", "--json")
        assert again.code == 0
        assert {step["status"] for step in again.document["steps"]} == {"ok", "unchanged"}
        assert f"{name} (id {second['id']})" in again.document["warnings"][0]


def test_a_remembered_application_that_is_listed_late_is_waited_for(
    start_sandbox: StartSandbox, opbx: Opbx
) -> None:
    sandbox = start_sandbox(
        variants=["names=duplicate", "fresh=other", "application-lag=1"],
    )
    configure(opbx, sandbox)
    opbx.sleep = sandbox.advance
    assert opbx("validate").code == 9
    again = opbx("validate", "--json")
    assert again.code == 9
    assert again.document["steps"][2]["status"] == "unchanged"
    assert again.document["steps"][2]["changes"] == []
    assert "gone" not in again.stdout
    assert len(sandbox.state.applications()) == 2  # ours, and the one that has the calls


def test_a_full_answer_in_doubt_is_looked_for(configured: Opbx, sandbox: RunningSandbox) -> None:
    for call in ("create-application", "update-domain", "update-domain"):
        sandbox.set_faults(f"{call}=truncated-after")
        outcome = configured("validate", "--json")
        assert outcome.code == 0, outcome.stderr
        assert outcome.stderr == ""


def test_a_store_that_cannot_be_written_is_told_and_made_good(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    lock = configured.home / "store.toml.lock"
    lock.unlink(missing_ok=True)
    lock.mkdir()
    outcome = configured("validate", "--json")
    assert outcome.code == 9
    assert outcome.document["steps"][-1]["error"]["code"].startswith("store")
    lock.rmdir()
    assert configured("validate").code == 0
    check_one_in_charge(sandbox)
