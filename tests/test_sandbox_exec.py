"""`opbx sandbox exec`: a command with a sandbox that is there before it, and gone after."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from support import MEASURED, Opbx
from terminal import CTRL_C, on_terminal

OPBX = [sys.executable, "-m", "opbx_cli"]
SHOW = "import json, os; print(json.dumps(dict(os.environ)))"


def is_served(url: str) -> bool:
    place = urlsplit(url)
    try:
        with socket.create_connection((place.hostname or "", place.port or 0), timeout=5):
            return True
    except OSError:
        return False


def test_the_command_works_on_the_sandbox(opbx: Opbx) -> None:
    outcome = opbx.process("sandbox", "exec", "--", *OPBX, "trunks", "list", "--json", **MEASURED)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.document["trunks"][0]["name"]
    assert list(opbx.home.parent.iterdir()) == []


def test_it_plays_opbx_where_that_is_asked_for(opbx: Opbx) -> None:
    script = f"{' '.join(OPBX)} validate --json && {' '.join(OPBX)} status"
    outcome = opbx.process("sandbox", "exec", "--opbx", "--", "sh", "-c", script)
    assert "default_application" in outcome.stdout, outcome.stderr
    outcome = opbx.process("sandbox", "exec", "--opbx", "--", sys.executable, "-c", SHOW)
    assert outcome.document["OPBX_INSTANCE_URL"] == outcome.document["CLOUDONIX_API_BASE_URL"]


def test_the_environment_is_the_callers_without_what_leads_elsewhere(opbx: Opbx) -> None:
    variables = {
        "APP_URL": "https://pbx.example.com",
        "OPBX_PROFILE": "acme",
        "OPBX_STORE_KEY": "x",
        "OPBX_DOMAIN_API_KEY_FILE": "/no/such/file",
        "OPBX_INSTANCE_TOKEN": "a-token-of-a-real-opbx",
        "CLOUDONIX_API_BASE_URL": "https://api.example.com",
    }
    outcome = opbx.process("sandbox", "exec", "--", sys.executable, "-c", SHOW, **variables)
    environ = outcome.document
    assert environ["APP_URL"] == variables.pop("APP_URL")
    assert environ["CLOUDONIX_API_BASE_URL"].startswith("http://127.0.0.1:")
    assert {environ.get(name) for name in variables} - {environ["CLOUDONIX_API_BASE_URL"]} == {None}


@pytest.mark.parametrize("code", [0, 1, 8, 77, 130])
def test_the_exit_code_is_the_commands(opbx: Opbx, code: int) -> None:
    outcome = opbx.process("sandbox", "exec", "sh", "-c", f"exit {code}")
    assert (outcome.code, outcome.stdout, outcome.stderr) == (code, "", "")


def test_a_command_that_was_killed_ends_as_in_a_shell(opbx: Opbx) -> None:
    assert opbx.process("sandbox", "exec", "sh", "-c", "kill -9 $$").code == 137


def test_a_command_that_is_not_there_is_127(opbx: Opbx) -> None:
    outcome = opbx.process("sandbox", "exec", "--", "/no/such/command")
    assert (outcome.code, outcome.stderr) == (127, "error: the command to run was not found\n")


def test_stdin_is_the_commands(opbx: Opbx) -> None:
    outcome = opbx.process("sandbox", "exec", "--", "cat", stdin="a line\n")
    assert (outcome.code, outcome.stdout) == (0, "a line\n")


def test_the_sandbox_is_gone_when_the_command_is(opbx: Opbx) -> None:
    outcome = opbx.process("sandbox", "exec", "--", sys.executable, "-c", SHOW)
    assert not is_served(outcome.document["CLOUDONIX_API_BASE_URL"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_requests_to_end_are_the_commands(opbx: Opbx, number: signal.Signals) -> None:
    """It ends as it likes, and the sandbox serves it until then."""
    code = (
        "import os, signal, sys, urllib.request\n"
        "def end(number, _frame):\n"
        "    url = os.environ['CLOUDONIX_API_BASE_URL']\n"
        "    try: urllib.request.urlopen(url, timeout=5)\n"
        "    except urllib.error.HTTPError: pass\n"
        "    sys.exit(30 + number)\n"
        f"signal.signal({int(number)}, end)\n"
        "print(os.environ['CLOUDONIX_API_BASE_URL'], flush=True)\n"
        "signal.pause()\n"
    )
    with subprocess.Popen(
        [*OPBX, "sandbox", "exec", "--", sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env=opbx.process_environ(**MEASURED),
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        process.send_signal(number)
        assert process.wait(timeout=30) == 30 + number
    assert not is_served(url)
    with pytest.raises(ProcessLookupError):  # nobody of its group is left
        os.killpg(process.pid, 0)


def test_ctrl_c_at_a_terminal_reaches_the_command_once(opbx: Opbx) -> None:
    """The terminal sends it to all: passed on, it would be a second one."""
    code = (
        "import signal, sys, time\n"
        "heard = []\n"
        "signal.signal(signal.SIGINT, lambda number, _frame: heard.append(number))\n"
        "print('ready', flush=True)\n"
        "while not heard: time.sleep(0.01)\n"
        "time.sleep(0.5)\n"
        "print('heard', len(heard), flush=True)\n"
    )
    argv = ("sandbox", "exec", "--", sys.executable, "-c", code)
    with on_terminal(*argv, environ=opbx.process_environ()) as terminal:
        terminal.expect("ready")
        terminal.send(CTRL_C, end="")
        terminal.expect("heard 1")
        assert terminal.exit_code == 0
