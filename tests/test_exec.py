"""`opbx exec`: the profile's values in a child's environment, and nowhere else."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx

SHOW = "import json, os; print(json.dumps(dict(os.environ)))"


def test_the_child_has_the_variables_of_the_storeless_mode(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    assert configured("configure", "--no-answer-timeout", "45").code == 0
    outcome = configured.process("exec", "--", sys.executable, "-c", SHOW, OPBX_PROFILE="default")
    assert outcome.code == 0, outcome.stderr
    environ = outcome.document
    domain = sandbox.domains[0]
    assert environ["OPBX_DOMAIN_UUID"] == domain.uuid
    assert environ["OPBX_DOMAIN_API_KEY"] == domain.api_key
    assert len(environ["OPBX_WEBHOOK_API_KEY"]) == 43
    assert environ["OPBX_WEBHOOK_BASE_URL"] == WEBHOOK_BASE_URL
    assert environ["OPBX_NO_ANSWER_TIMEOUT"] == "45"
    assert environ["CLOUDONIX_API_BASE_URL"] == sandbox.url
    assert "OPBX_RECORDING_FORMAT" not in environ
    assert "OPBX_PROFILE" not in environ


def test_opbx_itself_works_inside(configured: Opbx) -> None:
    opbx = [sys.executable, "-m", "opbx_cli"]
    outcome = configured.process("exec", "--", *opbx, "validate", "--json")
    assert outcome.code == 0, outcome.stderr
    assert outcome.document["profile"] is None


def test_the_store_key_is_not_passed_on(opbx: Opbx, sandbox: RunningSandbox) -> None:
    key_file = opbx.home.parent / "store.key"
    key_file.write_text("opbxk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9jDc0p\n")
    key_file.chmod(0o600)
    key = key_file.read_text().strip()
    domain = sandbox.domains[0]
    for variable in ({"OPBX_STORE_KEY": key}, {"OPBX_STORE_KEY_FILE": str(key_file)}):
        saved = opbx(
            *("configure", "--domain-uuid", domain.uuid, "--api-key-stdin"),
            stdin=domain.api_key,
            **variable,
        )
        assert saved.code == 0, saved.stderr
        outcome = opbx.process("exec", "--", sys.executable, "-c", SHOW, **variable)
        assert outcome.code == 0, outcome.stderr
        assert not [name for name in outcome.document if name.startswith("OPBX_STORE")]
        assert key not in outcome.stdout


def test_the_exit_code_is_the_childs(configured: Opbx) -> None:
    for code in (0, 1, 8, 77):
        assert configured.process("exec", "--", "sh", "-c", f"exit {code}").code == code


def test_options_behind_the_command_are_the_childs(configured: Opbx) -> None:
    outcome = configured.process("exec", "echo", "--json", "-q", "--profile", "x")
    assert (outcome.code, outcome.stdout) == (0, "--json -q --profile x\n")


def test_signals_are_the_childs(configured: Opbx) -> None:
    code = (
        "import signal, sys; signal.signal(15, lambda *_: sys.exit(33)); "
        "print(flush=True); signal.pause()"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "opbx_cli", "exec", "--", sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env=configured.process_environ(),
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 33


def test_a_closed_pipe_ends_the_child_as_it_would_without_opbx(configured: Opbx) -> None:
    done = subprocess.run(
        f"{sys.executable} -m opbx_cli exec -- yes | head -1; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        env=configured.process_environ(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"y\n{128 + signal.SIGPIPE}\n"


def test_the_command_line_has_no_key(configured: Opbx, sandbox: RunningSandbox) -> None:
    code = "import sys; print(open('/proc/self/cmdline').read())"
    outcome = configured.process("exec", "--", sys.executable, "-c", code)
    assert sandbox.domains[0].api_key not in outcome.stdout


@pytest.mark.parametrize("words", [["/no/such/command"], ["no-such-command-anywhere"]])
def test_a_command_that_is_not_there_is_127(configured: Opbx, words: list[str]) -> None:
    outcome = configured.process("exec", "--", *words)
    assert outcome.code == 127
    assert outcome.stderr == "error: the command to run was not found\n"


def test_a_command_that_cannot_run_is_126(configured: Opbx, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("")
    outcome = configured.process("exec", "--", str(script))
    assert outcome.code == 126
    assert outcome.stderr == "error: the command cannot be run: Permission denied\n"


def test_without_a_command_it_is_a_usage_error(configured: Opbx) -> None:
    for argv in (["exec"], ["exec", "--"]):
        assert configured(*argv).code == 2


def test_without_a_store_it_passes_the_environment_on(storeless: Opbx) -> None:
    outcome = storeless.process("exec", "--", sys.executable, "-c", SHOW)
    assert outcome.document["OPBX_DOMAIN_API_KEY"] == storeless.environ["OPBX_DOMAIN_API_KEY"]


def test_a_variable_that_names_a_file_is_not_passed_on(storeless: Opbx, tmp_path: Path) -> None:
    """The child has the key itself, and an opbx in there would refuse to choose."""
    key = storeless.environ.pop("OPBX_DOMAIN_API_KEY")
    (tmp_path / "api.key").write_text(key)
    storeless.environ["OPBX_DOMAIN_API_KEY_FILE"] = str(tmp_path / "api.key")
    outcome = storeless.process("exec", "--", sys.executable, "-c", SHOW)
    assert outcome.document["OPBX_DOMAIN_API_KEY"] == key
    assert "OPBX_DOMAIN_API_KEY_FILE" not in outcome.document
    inside = [sys.executable, "-m", "opbx_cli", "validate", "--check", "-q"]
    assert storeless.process("exec", "--", *inside).code == 8


def test_no_profile_is_a_configuration_error(opbx: Opbx) -> None:
    assert opbx.process("exec", "--", "true").code == 3
    assert list(opbx.home.parent.iterdir()) == []


def signals_of_child(opbx: Opbx, before: str) -> dict[str, set[int]]:
    """Return what a child ignores and blocks by what the kernel says; `before` is run first."""
    launcher = f"import os, signal, sys\n{before}\nos.execv(sys.argv[1], sys.argv[1:])"
    command = [sys.executable, "-m", "opbx_cli", "exec", "--"]
    done = subprocess.run(
        [sys.executable, "-c", launcher, *command, "grep", "^Sig", "/proc/self/status"],
        env=opbx.process_environ(),
        capture_output=True,
        text=True,
        check=True,
    )
    masks = dict(line.split(":\t") for line in done.stdout.splitlines())
    # Without what the C library keeps for itself, which the machine may have ignored for all.
    return {
        name: {one for one in signal.valid_signals() if int(masks[name], 16) >> (one - 1) & 1}
        for name in ("SigIgn", "SigBlk")
    }


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows it in /proc")
def test_the_child_ignores_what_opbx_was_started_to_ignore_and_nothing_else(
    configured: Opbx,
) -> None:
    """Python itself ignores SIGPIPE and SIGXFSZ, which no program expects."""
    assert signals_of_child(configured, "") == {"SigIgn": set(), "SigBlk": set()}
    ignored = {signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1}
    before = "".join(f"signal.signal({int(one)}, signal.SIG_IGN)\n" for one in ignored)
    before += f"signal.pthread_sigmask(signal.SIG_BLOCK, [{int(signal.SIGUSR2)}])"
    found = signals_of_child(configured, before)
    assert found == {"SigIgn": ignored, "SigBlk": {signal.SIGUSR2}}
