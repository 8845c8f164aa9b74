"""Ctrl-C at any moment: exit 130, the store intact, a sentence, and a next run that goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from opbx_cli.sandbox.server import RunningSandbox
from support import Opbx
from validation import ended_during


@pytest.mark.parametrize(
    ("call", "done"),
    [
        ("get-domain", "no step had changed anything"),
        ("create-application", "no step had changed anything"),
        ("update-domain", "done before that: voice-application"),
    ],
)
def test_validate_says_what_was_already_changed(
    configured: Opbx, sandbox: RunningSandbox, call: str, done: str
) -> None:
    sandbox.set_faults(f"{call}=hang")
    outcome = ended_during(configured, sandbox, "validate", call=call, by=signal.SIGINT)
    assert outcome.code == 130
    assert outcome.stderr.startswith("error: interrupted; ")
    assert done in outcome.stderr
    assert "`opbx validate` goes on from here" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert configured("profiles", "list").code == 0
    sandbox.set_faults()
    assert configured("validate").code == 0
    assert len(sandbox.state.applications()) == 1


def test_a_reading_command_ends_at_once(configured: Opbx, sandbox: RunningSandbox) -> None:
    sandbox.set_faults("list-trunks=hang")
    with subprocess.Popen(
        [sys.executable, "-m", "opbx_cli", "trunks", "list", "--json"],
        env=configured.process_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while process.poll() is None and not sandbox.requests:
            os.sched_yield()
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stdout == ""
    assert '"code": "interrupted"' in stderr


INTERRUPTED_START = """
import sys

class Interrupting:
    def find_spec(self, name, *_rest):
        if name == "opbx_cli.cli.main":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting())
from opbx_cli.__main__ import main
main()
"""


def test_while_it_starts_there_is_no_traceback_either() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_START], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
