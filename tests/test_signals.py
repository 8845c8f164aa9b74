"""SIGTERM and SIGHUP at every request: what was changed is said, recorded, and known next time."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from declared import parsed
from opbx_cli.sandbox.server import RunningSandbox
from support import Opbx, wait_until_open
from terminal import on_terminal
from validation import configure

StartSandbox = Callable[..., RunningSandbox]
KEY = "authorization-api-key"
SIGNALS = {signal.SIGTERM: 143, signal.SIGHUP: 129}
WRITES = ("create-application", "update-application", "update-domain")
REQUESTS = {"validate": 7, "rotate": 2}
ENDED_IN = 30.0  # seconds; a write under way is given up after five


def remote_key(sandbox: RunningSandbox) -> Any:
    domain: Any = sandbox.state.domain()
    return domain["profile"].get(KEY)


def stored_key(opbx: Opbx) -> str:
    return opbx("webhook-key", "reveal", "--yes").stdout.strip()


def ended_at(
    opbx: Opbx, sandbox: RunningSandbox, number: int, by: signal.Signals, *argv: str
) -> tuple[int, str, str, str]:
    """Run a command, and end it while its request of that number waits for an answer."""
    with subprocess.Popen(
        [sys.executable, "-m", "opbx_cli", *argv],
        env=opbx.process_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while process.poll() is None:
            requests = sandbox.requests
            if len(requests) >= number and any(one.ended is None for one in requests):
                break
            os.sched_yield()
        process.send_signal(by)
        stdout, stderr = process.communicate(timeout=ENDED_IN)
    return process.returncode, stdout, stderr, sandbox.requests[-1].call


@pytest.mark.parametrize("by", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("number", range(1, REQUESTS["validate"] + 1))
def test_validate_finishes_the_write_under_way_and_says_what_it_did(
    start_sandbox: StartSandbox, opbx: Opbx, number: int, by: signal.Signals
) -> None:
    """The server is slow, not dead: the write is finished within five seconds."""
    sandbox = start_sandbox(latency=0.3)
    configure(opbx, sandbox)
    configured = opbx
    code, stdout, stderr, _call = ended_at(configured, sandbox, number, by, "validate", "--json")
    assert code == SIGNALS[by], stderr
    document = parsed(stdout)
    error = parsed(stderr.splitlines()[-1])["error"]
    assert (error["code"], error["exit_code"]) == ("interrupted", SIGNALS[by])
    assert "`opbx validate` goes on from here" in error["hint"]
    check_told(document, error, configured, sandbox)
    again = configured("validate", "--json")
    assert again.code == 0, again.stderr
    assert remote_key(sandbox) == stored_key(configured)
    assert len(sandbox.state.applications()) == 1


def check_told(
    document: dict[str, Any], error: dict[str, Any], opbx: Opbx, sandbox: RunningSandbox
) -> None:
    """What Cloudonix has of ours is in the document, the error and the audit trail."""
    statuses = {one["id"]: one["status"] for one in document["steps"]}
    has = {
        "voice-application": bool(sandbox.state.applications()),
        "domain-profile": remote_key(sandbox) is not None,
    }
    for step, is_there in has.items():
        if is_there:
            assert statuses[step] in ("created", "updated", "failed"), statuses
            assert step in error["message"]
        else:
            assert statuses.get(step, "skipped") == "skipped"
    if any(has.values()):
        entry = opbx("profiles", "history", "--json").document["entries"][-1]
        assert (entry["command"], entry["result"]) == ("validate", "interrupted")


@pytest.mark.parametrize("by", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("kind", ["hang", "hang-after"])
@pytest.mark.parametrize("number", range(1, REQUESTS["rotate"] + 1))
def test_a_rotation_that_is_cut_off_knows_both_keys(
    configured: Opbx, sandbox: RunningSandbox, number: int, kind: str, by: signal.Signals
) -> None:
    assert configured("validate").code == 0
    old = stored_key(configured)
    sandbox.set_faults(f"any={kind}@{number}")
    sandbox.forget_requests()
    code, stdout, stderr, call = ended_at(
        configured, sandbox, number, by, "webhook-key", "rotate", "--json"
    )
    assert (code, stdout) == (SIGNALS[by], "")
    error = parsed(stderr.splitlines()[-1])["error"]
    assert error["exit_code"] == SIGNALS[by]
    sandbox.set_faults()
    in_force = remote_key(sandbox)
    if call == "update-domain":
        assert "both are kept here" in error["message"]
        assert (in_force == old) == (kind == "hang")
    else:
        assert in_force == old
    assert configured("validate").code == 0
    assert stored_key(configured) == remote_key(sandbox) == in_force
    assert configured("validate", "--check").code == 0


@contextmanager
def lock_held(path: Path) -> Iterator[None]:
    """Hold a lock of the store's, as another opbx does."""
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def rotating(opbx: Opbx) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "opbx_cli", "webhook-key", "rotate"],
        env=opbx.process_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("by", SIGNALS, ids=lambda number: number.name)
def test_a_rotation_that_is_ended_while_it_saves_the_new_key_goes_back(
    configured: Opbx, sandbox: RunningSandbox, by: signal.Signals
) -> None:
    assert configured("validate").code == 0
    old = stored_key(configured)
    sandbox.forget_requests()
    with rotating(configured) as process:
        with lock_held(configured.home / "store.toml.lock"):
            while process.poll() is None and not any(one.ended for one in sandbox.requests):
                os.sched_yield()
            wait_until_open(configured.home / "store.toml.lock", by=process)
            process.send_signal(by)
            time.sleep(0.2)
        stdout, stderr = process.communicate(timeout=ENDED_IN)
    assert (process.returncode, stdout) == (SIGNALS[by], "")
    assert "opbx keeps the old webhook key" in stderr
    assert stored_key(configured) == remote_key(sandbox) == old


@pytest.mark.parametrize("by", SIGNALS, ids=lambda number: number.name)
def test_a_rotation_that_is_ended_after_the_key_was_sent_says_so(
    start_sandbox: StartSandbox, opbx: Opbx, by: signal.Signals
) -> None:
    sandbox = start_sandbox(latency=0.5)
    configure(opbx, sandbox)
    assert opbx("validate").code == 0
    old = stored_key(opbx)
    sandbox.forget_requests()
    with rotating(opbx) as process:
        while process.poll() is None and not any(
            one.call == "update-domain" for one in sandbox.requests
        ):
            os.sched_yield()
        with lock_held(opbx.home / "store.toml.lock"):
            while process.poll() is None and sandbox.requests[-1].ended is None:
                os.sched_yield()
            wait_until_open(opbx.home / "store.toml.lock", by=process)
            process.send_signal(by)
            time.sleep(0.2)
        stdout, _stderr = process.communicate(timeout=ENDED_IN)
    assert process.returncode == SIGNALS[by]
    assert "OPBX refuses callbacks until it has the new key too." in stdout
    assert stored_key(opbx) == remote_key(sandbox) != old
    entry = opbx("profiles", "history", "--json").document["entries"][-1]
    assert (entry["command"], entry["result"]) == ("webhook-key rotate", "ok")


@pytest.mark.parametrize("by", [*SIGNALS, signal.SIGINT], ids=lambda number: number.name)
def test_a_validate_that_is_ended_while_it_waits_for_another_one_prints_its_document(
    configured: Opbx, sandbox: RunningSandbox, by: signal.Signals
) -> None:
    assert configured("validate").code == 0
    (lock,) = (configured.home / "locks").iterdir()
    with (
        lock_held(lock),
        subprocess.Popen(
            [sys.executable, "-m", "opbx_cli", "validate", "--json", "--verbose"],
            env=configured.process_environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        wait_until_open(lock, by=process)
        process.send_signal(by)
        stdout, stderr = process.communicate(timeout=ENDED_IN)
    assert process.returncode == SIGNALS.get(by, 130)
    assert {one["status"] for one in parsed(stdout)["steps"]} == {"skipped"}
    assert "no step had changed anything" in stderr


@pytest.mark.parametrize("argv", [("validate",), ("webhook-key", "rotate")], ids=" ".join)
def test_a_terminal_that_goes_away_at_a_question_ends_the_run_as_a_hang_up(
    configured: Opbx, sandbox: RunningSandbox, tmp_path: Path, argv: tuple[str, ...]
) -> None:
    assert configured("validate").code == 0
    sandbox.state.set_profile_keys({KEY: "somebody-elses-webhook-key-0123456789"})
    answer = tmp_path / "answer.json"
    environ = configured.process_environ(NO_COLOR="1")
    with on_terminal(*argv, "--json", environ=environ, stdout=answer) as terminal:
        terminal.expect("/N] ")
        terminal.hang_up()
        assert terminal.exit_code == 129
    if argv == ("validate",):
        assert parsed(answer.read_text())["result"] == "failed"
    assert configured("validate", "--keep-webhook-key").code == 0  # the lock is free


@pytest.mark.parametrize("by", SIGNALS, ids=lambda number: number.name)
def test_apply_prints_what_it_was_about(
    opbx: Opbx, sandbox: RunningSandbox, tmp_path: Path, by: signal.Signals
) -> None:
    domain = sandbox.domains[0]
    key = tmp_path / "api.key"
    key.touch(mode=0o600)
    key.write_text(domain.api_key)
    manifest = tmp_path / "domains.toml"
    manifest.write_text(
        f'[profile.acme]\ndomain_uuid = "{domain.uuid}"\ndomain_api_key_file = "api.key"\n'
        f'api_base_url = "{sandbox.url}"\nwebhook_base_url = "https://pbx.example.com"\n'
    )
    sandbox.set_faults("update-domain=hang")
    code, stdout, stderr, _call = ended_at(opbx, sandbox, 4, by, "apply", str(manifest), "--json")
    assert code == SIGNALS[by], stderr
    document = parsed(stdout)
    assert document["profile"] == "acme"
    statuses = {one["id"]: one["status"] for one in document["steps"]}
    assert statuses["settings"] == "created"
    assert statuses["voice-application"] == "created"
    assert "acme was under way (voice-application done)" in stderr
    entry = opbx("profiles", "history", "--json").document["entries"][-1]
    assert (entry["command"], entry["result"]) == ("apply", "interrupted")
    sandbox.set_faults()
    assert opbx("apply", str(manifest)).code == 0
    assert remote_key(sandbox) == stored_key(opbx)


def test_what_was_ignored_at_the_start_stays_ignored(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.set_faults("get-domain=429:1*1")
    with subprocess.Popen(
        ["nohup", sys.executable, "-m", "opbx_cli", "validate", "--json"],
        env=configured.process_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while process.poll() is None and not sandbox.requests:
            os.sched_yield()
        process.send_signal(signal.SIGHUP)
        stdout, _stderr = process.communicate(timeout=ENDED_IN)
    assert process.returncode == 0
    assert parsed(stdout)["result"] == "ok"


def test_the_demo_leaves_no_server_behind(opbx: Opbx, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "opbx_cli", "demo", "--json"],
        env=opbx.process_environ(TMPDIR=str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as process:
        while process.poll() is None and not any(tmp_path.glob("*/*")):
            os.sched_yield()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=ENDED_IN)
    assert process.returncode == 143
    with pytest.raises(ProcessLookupError):  # nobody of its group is left
        os.killpg(process.pid, 0)
    assert list(tmp_path.iterdir()) == []
