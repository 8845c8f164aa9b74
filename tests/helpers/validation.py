"""What the tests of `validate` share: its document, and what the sandbox has."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx, Outcome

VOICE = f"{WEBHOOK_BASE_URL}/api/voice/route"
StartSandbox = Callable[..., RunningSandbox]


def statuses(outcome: Outcome) -> dict[str, str]:
    return {step["id"]: step["status"] for step in outcome.document["steps"]}


def step(outcome: Outcome, name: str) -> dict[str, Any]:
    found = [step for step in outcome.document["steps"] if step["id"] == name]
    assert len(found) == 1
    step = found[0]
    assert isinstance(step, dict)
    return step


def remote_domain(sandbox: RunningSandbox) -> Any:
    return sandbox.state.domain()


def remote_applications(sandbox: RunningSandbox) -> Any:
    return sandbox.state.applications()


def writes(sandbox: RunningSandbox) -> list[str]:
    return [request.call for request in sandbox.requests if request.method != "GET"]


def ended_during(
    opbx: Opbx, sandbox: RunningSandbox, *argv: str, call: str, by: signal.Signals
) -> Outcome:
    """Send a command a signal while one of its calls has no answer yet."""
    with subprocess.Popen(
        [sys.executable, "-m", "opbx_cli", *argv],
        env=opbx.process_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while process.poll() is None and not any(
            request.call == call and request.ended is None for request in sandbox.requests
        ):
            os.sched_yield()
        process.send_signal(by)
        stdout, stderr = process.communicate(timeout=30)
    return Outcome(process.returncode, stdout, stderr)


def storeless_run(
    opbx: Opbx, sandbox: RunningSandbox, *argv: str, webhook_key: str | None = "w" * 32
) -> Outcome:
    domain = sandbox.domains[0]
    variables = {
        "CLOUDONIX_API_BASE_URL": sandbox.url,
        "OPBX_DOMAIN_UUID": domain.uuid,
        "OPBX_DOMAIN_API_KEY": domain.api_key,
        "APP_URL": WEBHOOK_BASE_URL,
    }
    if webhook_key is not None:
        variables["OPBX_WEBHOOK_API_KEY"] = webhook_key
    return opbx("validate", "--json", *argv, **variables)


def configure(opbx: Opbx, sandbox: RunningSandbox, *more: str) -> None:
    domain = sandbox.domains[0]
    outcome = opbx(
        "configure",
        *("--domain-uuid", domain.uuid, "--api-key-stdin", "--api-base-url", sandbox.url),
        *("--webhook-base-url", WEBHOOK_BASE_URL, *more),
        stdin=domain.api_key,
    )
    assert outcome.code == 0, outcome.stderr


def computer(opbx: Opbx, sandbox: RunningSandbox, name: str) -> Opbx:
    """A computer of its own, set up from the domain's key alone."""
    home = opbx.home.parent / name
    found = Opbx(home, {"OPBX_HOME": str(home)}, sleep=sandbox.advance)
    domain = sandbox.domains[0]
    saved = found(
        *("configure", "--domain-uuid", domain.uuid, "--api-key-stdin"),
        *("--api-base-url", sandbox.url, "--webhook-base-url", WEBHOOK_BASE_URL),
        stdin=domain.api_key,
    )
    assert saved.code == 0, saved.stderr
    return found
