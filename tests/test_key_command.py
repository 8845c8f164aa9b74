"""`OPBX_STORE_KEY_COMMAND`: another program prints the key of the store."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from opbx_cli.key_command import KeyCommandFailed, key_from_command
from opbx_cli.sandbox.server import RunningSandbox
from opbx_cli.store import crypto
from support import Opbx
from terminal import Terminal

KEY = crypto.raw_key_to_text(bytes(range(32)))
API_KEY = "XI0123456789abcdefghijABCDEFGHIJKL"
UUID = "6b1f0c2e-0000-4000-8000-000000000001"
NEW = ("configure", "--domain-uuid", UUID, "--api-key-stdin")
VARIABLE = "OPBX_STORE_KEY_COMMAND"

Program = Callable[[str], str]
# Asks opbx to end just when the program that prints the key has been started.
ENDED_WHILE_STARTING = """
import os, pathlib, signal, subprocess, sys

class Popen(subprocess.Popen):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        pathlib.Path(sys.argv[1]).write_text(str(self.pid))
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(100_000):
            pass

subprocess.Popen = Popen
from opbx_cli.cli.main import run
sys.exit(run(["profiles", "list"], dict(os.environ)))
"""


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Make a program of a shell's lines, and return its path, which has a space in it."""

    def make(lines: str) -> str:
        path = tmp_path / "a program"
        path.write_text(f"#!/bin/sh\n{lines}\n")
        path.chmod(0o700)
        return str(path)

    return make


@pytest.fixture
def keeper(opbx: Opbx, program: Program, tmp_path: Path) -> Opbx:
    """An opbx whose key a program prints, which also notes each run."""
    path = program(f'echo "$@" >> {tmp_path}/runs; echo {KEY}')
    opbx.environ |= {VARIABLE: f"'{path}' 'two words' $HOME", "PATH": os.environ["PATH"]}
    assert opbx.process(*NEW, stdin=API_KEY).code == 0
    return opbx


def runs(tmp_path: Path) -> list[str]:
    return (tmp_path / "runs").read_text().splitlines()


def test_the_command_is_split_as_by_a_shell_and_run_once_without_one(
    keeper: Opbx, tmp_path: Path
) -> None:
    assert runs(tmp_path) == ["two words $HOME"]
    shown = keeper.process("profiles", "show", "--json")
    assert shown.code == 0, shown.stderr
    assert len(runs(tmp_path)) == 2
    assert keeper.process("configure", "--no-answer-timeout", "30").code == 0
    assert keeper.process("key", "status").code == 0
    assert len(runs(tmp_path)) == 4
    assert keeper.process("key", "rotate").code == 0
    assert len(runs(tmp_path)) == 5


def test_the_store_opens_with_the_same_key_from_elsewhere(keeper: Opbx) -> None:
    del keeper.environ[VARIABLE]
    assert keeper("profiles", "list", OPBX_STORE_KEY=KEY).code == 0
    assert keeper("profiles", "list").code == 10


def test_only_what_needs_the_key_runs_the_command(opbx: Opbx) -> None:
    assert opbx("profiles", "list", OPBX_STORE_KEY_COMMAND="false").code == 3  # there is no store
    assert opbx("--version", OPBX_STORE_KEY_COMMAND="false").code == 0


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("exit 7", "ended with exit code 7"),
        (f"echo {KEY}; exit 1", "ended with exit code 1"),
        ("kill -9 $$", "was ended by SIGKILL"),
        ("true", "printed nothing"),
        ("echo", "printed nothing"),
        (f"echo {KEY}; echo {KEY}", "printed more than one line"),
        ("yes", "printed more than a key"),
        (f"echo {KEY} | cut -c1-30", "printed is malformed"),
    ],
)
def test_a_failure_is_exit_10_and_says_why(
    opbx: Opbx, program: Program, lines: str, why: str
) -> None:
    command = shlex.quote(program(lines))
    outcome = opbx.process(*NEW, "--json", stdin=API_KEY, OPBX_STORE_KEY_COMMAND=command)
    assert (outcome.code, outcome.stdout) == (10, "")
    assert f"the command in {VARIABLE} {why}" in outcome.error["message"]
    assert KEY[:20] not in outcome.stderr
    assert not (opbx.home / "store.toml").exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no-such-program-anywhere", "could not be started: No such file or directory"),
        ("''", "could not be started"),
        ("/", "could not be started: Permission denied"),
        ("echo 'open", "a quote in it has no end"),
        ("", "is set but empty"),
        (" ", "is set but empty"),
        (KEY, "has a key in it"),
        (f"echo {KEY}", "has a key in it"),
    ],
)
def test_what_is_no_command_is_exit_10_and_not_repeated(opbx: Opbx, text: str, why: str) -> None:
    outcome = opbx.process(*NEW, stdin=API_KEY, OPBX_STORE_KEY_COMMAND=text)
    assert (outcome.code, outcome.stdout) == (10, "")
    assert why in outcome.stderr
    assert KEY not in outcome.stderr
    assert "no-such" not in outcome.stderr


def test_the_hint_is_a_command_that_shows_the_failure(opbx: Opbx) -> None:
    outcome = opbx.process(*NEW, stdin=API_KEY, OPBX_STORE_KEY_COMMAND="sh -c 'exit 7'")
    command = outcome.stderr.split("`")[1]
    environ = {**os.environ, VARIABLE: "sh -c 'exit 7'"}
    assert subprocess.run(command, shell=True, env=environ, check=False).returncode == 7


@pytest.mark.parametrize("others", [["OPBX_STORE_KEY"], ["OPBX_STORE_KEY_FILE"], ["both"]])
def test_a_store_has_one_source_of_its_key(opbx: Opbx, others: list[str]) -> None:
    if others == ["both"]:
        others = ["OPBX_STORE_KEY", "OPBX_STORE_KEY_FILE"]
    outcome = opbx(*NEW, stdin=API_KEY, **dict.fromkeys(others, KEY), OPBX_STORE_KEY_COMMAND="true")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert all(name in outcome.stderr for name in (*others, VARIABLE))
    assert KEY not in outcome.stderr


def test_a_wrong_key_names_the_variable(keeper: Opbx) -> None:
    other = crypto.raw_key_to_text(bytes(range(1, 33)))
    outcome = keeper("profiles", "list", OPBX_STORE_KEY_COMMAND=f"sh -c 'cat {keeper.home}.key'")
    assert outcome.code == 10
    Path(f"{keeper.home}.key").write_text(other)
    outcome = keeper("profiles", "list", OPBX_STORE_KEY_COMMAND=f"cat {keeper.home}.key")
    assert outcome.code == 10
    assert f"wrong key: {VARIABLE} does not open" in outcome.stderr


def test_its_stderr_is_the_users(opbx: Opbx, program: Program) -> None:
    command = shlex.quote(program("echo sign in first >&2; exit 3"))
    outcome = opbx.process(*NEW, stdin=API_KEY, OPBX_STORE_KEY_COMMAND=command)
    assert outcome.code == 10
    assert outcome.stderr.startswith("sign in first\nerror: ")


def test_stdin_that_is_no_terminal_is_not_its(opbx: Opbx, program: Program) -> None:
    command = shlex.quote(program(f"cat; echo {KEY}"))
    outcome = opbx.process(*NEW, stdin=API_KEY, OPBX_STORE_KEY_COMMAND=command)
    assert outcome.code == 0, outcome.stderr


def test_it_may_ask_on_the_terminal(keeper: Opbx, program: Program) -> None:
    lines = f'printf "PIN: " >&2; read pin; test "$pin" = 1234 && echo {KEY}'
    environ = keeper.process_environ(OPBX_STORE_KEY_COMMAND=shlex.quote(program(lines)))
    terminal = Terminal("profiles", "list", environ=environ)
    terminal.expect("PIN: ")
    terminal.send("1234")
    assert "default" in terminal.finish()
    assert terminal.exit_code == 0


def test_it_gets_no_variable_that_holds_a_key(opbx: Opbx, program: Program, tmp_path: Path) -> None:
    command = shlex.quote(program(f"env > {tmp_path}/env; echo {KEY}"))
    outcome = opbx.process(
        *("configure", "--domain-uuid", UUID, "--api-key-env", "MINE"),
        MINE=API_KEY,
        OPBX_DOMAIN_API_KEY=API_KEY,
        OPBX_WEBHOOK_API_KEY=API_KEY,
        OPBX_INSTANCE_TOKEN=API_KEY,
        OPBX_INSTANCE_PASSWORD=API_KEY,
        CLOUDONIX_WEBHOOK_SECRET=API_KEY,
        OPBX_STORE_KEY_COMMAND=command,
        OP_SERVICE_ACCOUNT_TOKEN="its own",
    )
    assert outcome.code == 0, outcome.stderr
    environ = (tmp_path / "env").read_text()
    assert API_KEY not in environ
    assert "OPBX_STORE_KEY" not in environ  # else an opbx in there would run it again
    assert "OP_SERVICE_ACCOUNT_TOKEN=its own" in environ


def test_a_child_of_exec_does_not_get_the_command(keeper: Opbx) -> None:
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    outcome = keeper.process("exec", "--", sys.executable, "-c", code)
    assert outcome.code == 0, outcome.stderr
    assert not [name for name in json.loads(outcome.stdout) if name.startswith("OPBX_STORE")]


def test_no_file_can_name_a_command(opbx: Opbx, sandbox: RunningSandbox, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    (tmp_path / ".env").write_text(
        f"{VARIABLE}=touch {ran}\nAPP_URL=https://pbx.example.com\n", encoding="utf-8"
    )
    assert opbx(*NEW, stdin=API_KEY).code == 0
    assert opbx("webhook-url", "--env-file", str(tmp_path / ".env")).code == 0
    assert not ran.exists()


def test_one_that_does_not_end_is_ended(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = f"trap '' TERM; echo $$ > {pid}; while :; do sleep 0.1; done"
    with pytest.raises(KeyCommandFailed, match=r"did not end within 1\.5 s"):
        key_from_command(["sh", "-c", script], os.environ, timeout=1.5)
    with pytest.raises(ProcessLookupError):  # not running, and no zombie
        os.kill(int(pid.read_text()), 0)


def test_what_it_leaves_running_does_not_hold_the_command_up(tmp_path: Path) -> None:
    """As an agent that goes on in the background, with the pipe open."""
    pid = tmp_path / "pid"
    script = f"sleep 600 & echo $! > {pid}; echo {API_KEY}"
    key = key_from_command(["sh", "-c", script], os.environ)
    assert key.reveal() == API_KEY
    os.kill(int(pid.read_text()), signal.SIGKILL)  # ProcessLookupError if it was waited for


def test_a_request_to_end_while_it_is_being_started_ends_it(keeper: Opbx, tmp_path: Path) -> None:
    """The signal comes when the program runs, and before opbx has it in hand."""
    pid = tmp_path / "pid"
    with subprocess.Popen(
        [sys.executable, "-c", ENDED_WHILE_STARTING, str(pid)],
        env=keeper.process_environ(OPBX_STORE_KEY_COMMAND="sleep 600"),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.wait(timeout=60) == 143
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_request_to_end_ends_the_command_too(
    keeper: Opbx, program: Program, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    pid = tmp_path / "pid"
    command = shlex.quote(program(f"echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 600"))
    with subprocess.Popen(
        [sys.executable, "-m", "opbx_cli", "profiles", "list"],
        env=keeper.process_environ(OPBX_STORE_KEY_COMMAND=command),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + 60
        while not pid.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(timeout=60) == code
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
