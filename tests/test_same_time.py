"""Two commands that write at the same time, and answers that are lost: one truth about the key."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from declared import parsed
from opbx_cli.models import Secret
from opbx_cli.sandbox.server import RunningSandbox
from support import Opbx, wait_until_open
from validation import configure

StartSandbox = Callable[..., RunningSandbox]
KEY = "authorization-api-key"
OTHER_KEY = "a-key-that-somebody-gave-0123456789"
COMMANDS = ("validate", "rotate", "apply", "configure")
LOST = ("close-after", "500", "504", "truncated-after", "close-before")
REQUESTS = {"validate": 6, "rotate": 3, "apply": 6}


def remote_key(sandbox: RunningSandbox) -> Any:
    domain: Any = sandbox.state.domain()
    return domain["profile"].get(KEY)


def stored_key(opbx: Opbx) -> str:
    return opbx("webhook-key", "reveal", "--yes").stdout.strip()


def words(opbx: Opbx, sandbox: RunningSandbox, command: str) -> list[str]:
    """Return the command line; what it needs is written beside the home."""
    folder = opbx.home.parent
    if command == "rotate":
        return ["webhook-key", "rotate"]
    if command == "configure":
        (folder / "other.key").write_text(OTHER_KEY)
        return ["configure", "--webhook-key-file", str(folder / "other.key")]
    if command == "apply":
        domain = sandbox.domains[0]
        key, manifest = folder / "api.key", folder / "domains.toml"
        key.touch(mode=0o600)
        key.write_text(domain.api_key)
        manifest.write_text(
            f'[profile.default]\ndomain_uuid = "{domain.uuid}"\n'
            'domain_api_key_file = "api.key"\nno_answer_timeout = 33\n'
        )
        return ["apply", str(manifest)]
    return ["validate"]


def started(opbx: Opbx, argv: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "opbx_cli", *argv, "--json"],
        env=opbx.process_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def check_one_truth(opbx: Opbx, sandbox: RunningSandbox) -> None:
    """Both sides have one key, now or after the next `validate`, and it stays so."""
    mended = opbx("validate", "--json")
    assert mended.code == 0, mended.stdout + mended.stderr
    assert stored_key(opbx) == remote_key(sandbox)
    sandbox.forget_requests()
    assert opbx("validate", "--check").code == 0
    assert [one for one in sandbox.requests if one.method != "GET"] == []


@pytest.mark.uncounted
@pytest.mark.parametrize("second", COMMANDS)
@pytest.mark.parametrize(
    ("first", "number"),
    [(one, number) for one, count in REQUESTS.items() for number in range(1, count + 1)],
)
def test_a_second_command_begins_at_any_request_of_the_first(
    start_sandbox: StartSandbox, opbx: Opbx, first: str, number: int, second: str
) -> None:
    sandbox = start_sandbox(latency=0.1)
    configure(opbx, sandbox)
    assert opbx("validate").code == 0
    # So that there is something to write.
    assert opbx("configure", "--no-answer-timeout", "20").code == 0
    sandbox.forget_requests()
    lines = [words(opbx, sandbox, one) for one in (first, second)]
    with started(opbx, lines[0]) as one:
        while one.poll() is None and len(sandbox.requests) < number:
            os.sched_yield()
        with started(opbx, lines[1]) as other:
            outputs = [one.communicate(timeout=60), other.communicate(timeout=60)]
        codes = [one.returncode, other.returncode]
    if codes[0] in (3, 9) and (first, second) == ("rotate", "configure"):
        # Somebody gave another key while the new one was on its way: that is said.
        assert "was changed by somebody else" in outputs[0][1]
        codes[0] = 0
    assert codes == [0, 0], outputs
    if "configure" not in (first, second):
        # Each said "done", so it is.
        assert stored_key(opbx) == remote_key(sandbox)
    check_one_truth(opbx, sandbox)


@pytest.mark.uncounted
@pytest.mark.parametrize("shown", ["echoed", "masked", "absent"])
@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize(
    ("command", "number"),
    [(one, number) for one, count in REQUESTS.items() for number in range(1, count + 1)],
)
def test_an_answer_is_lost_at_any_request(
    start_sandbox: StartSandbox, opbx: Opbx, command: str, number: int, fault: str, shown: str
) -> None:
    sandbox = start_sandbox(variants=[f"webhook-key={shown}"])
    configure(opbx, sandbox)
    assert opbx("validate").code == 0
    assert opbx("configure", "--no-answer-timeout", "20").code == 0
    old = remote_key(sandbox)
    # Lost for good: a repetition of the request is lost too.
    sandbox.set_faults(f"any={fault}*4@{number}")
    sandbox.forget_requests()
    outcome = opbx(*words(opbx, sandbox, command), "--json")
    sandbox.set_faults()
    assert "Traceback" not in outcome.stderr
    in_force = remote_key(sandbox)
    if outcome.code == 0:
        assert stored_key(opbx) == in_force
    elif stored_key(opbx) != in_force:
        # Which side has which key is said, by fingerprint.
        message = parsed(outcome.stderr.splitlines()[-1])["error"]["message"]
        assert Secret(in_force).fingerprint in message
        assert Secret(stored_key(opbx)).fingerprint in message
    check_one_truth(opbx, sandbox)
    assert remote_key(sandbox) in (old, in_force)


def in_doubt(opbx: Opbx, sandbox: RunningSandbox, fault: str) -> tuple[str, str]:
    """Cut a rotation off; return the key from before and the new one."""
    assert opbx("validate").code == 0
    old = remote_key(sandbox)
    sandbox.set_faults(f"update-domain={fault}*9", "get-domain=500*9@2")
    assert opbx("webhook-key", "rotate").code == 7
    sandbox.set_faults()
    return old, stored_key(opbx)


@pytest.mark.parametrize("fault", ["close-before", "close-after"])
def test_a_key_that_is_given_after_a_cut_off_rotation_is_the_one_that_counts(
    configured: Opbx, sandbox: RunningSandbox, fault: str
) -> None:
    in_doubt(configured, sandbox, fault)
    given = configured("configure", "--webhook-key-stdin", stdin=OTHER_KEY)
    assert given.code == 0
    outcome = configured("validate", "--json")
    assert outcome.code == 0, outcome.stdout
    assert stored_key(configured) == remote_key(sandbox) == OTHER_KEY
    check_one_truth(configured, sandbox)


def test_a_key_that_is_given_while_a_cut_off_rotation_is_ended(
    start_sandbox: StartSandbox, opbx: Opbx
) -> None:
    sandbox = start_sandbox(latency=0.5)
    configure(opbx, sandbox)
    in_doubt(opbx, sandbox, "close-before")
    sandbox.forget_requests()
    with started(opbx, ["validate"]) as validating:
        while validating.poll() is None and not sandbox.requests:
            os.sched_yield()
        assert opbx(*words(opbx, sandbox, "configure")).code == 0
        stdout, stderr = validating.communicate(timeout=60)
    assert (validating.returncode, parsed(stdout)["result"]) == (0, "ok"), stderr
    assert stored_key(opbx) == remote_key(sandbox) == OTHER_KEY
    check_one_truth(opbx, sandbox)


def test_a_store_that_cannot_be_saved_does_not_cost_the_result_document(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    in_doubt(configured, sandbox, "close-before")
    configured.home.chmod(0o700)
    (configured.home / "store.toml.lock").unlink()
    (configured.home / "store.toml.lock").mkdir()
    outcome = configured("validate", "--json")
    assert outcome.code == 10, outcome.stderr
    assert outcome.document["result"] == "failed"
    assert outcome.error["code"].startswith("store.")


def test_a_command_says_that_it_waits_for_another_one(
    start_sandbox: StartSandbox, opbx: Opbx
) -> None:
    sandbox = start_sandbox(latency=0.3)
    configure(opbx, sandbox)
    with started(opbx, ["validate"]) as one:
        while one.poll() is None and not sandbox.requests:
            os.sched_yield()
        outcome = opbx("webhook-key", "rotate")
        one.communicate(timeout=60)
    assert one.returncode == 0
    assert outcome.code == 0
    assert "Another opbx is at work on this domain: waiting for it." in outcome.stderr
    assert stored_key(opbx) == remote_key(sandbox)


def test_a_url_that_was_saved_while_a_run_waited_is_the_one_that_counts(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    assert configured("validate").code == 0
    (lock,) = (configured.home / "locks").iterdir()
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with started(configured, ["validate"]) as waiting:
            wait_until_open(lock, by=waiting)  # it has read the profile before
            moved = configured("configure", "--webhook-base-url", "https://other.example.com")
            assert moved.code == 0
            fcntl.flock(file, fcntl.LOCK_UN)
            waiting.communicate(timeout=60)
    assert waiting.returncode == 0
    domain: Any = sandbox.state.domain()
    assert domain["profile"]["cdr-endpoint"].startswith("https://other.example.com/")
    assert configured("validate", "--check").code == 0


def test_many_domains_do_not_wait_for_each_other(start_sandbox: StartSandbox, opbx: Opbx) -> None:
    sandbox = start_sandbox(domains=40, latency=0.05)
    folder = opbx.home.parent
    tables = []
    for number, domain in enumerate(sandbox.domains):
        (folder / f"{number}.key").write_text(domain.api_key)
        tables.append(
            f'[profile.p{number}]\ndomain_uuid = "{domain.uuid}"\n'
            f'domain_api_key_file = "{number}.key"\napi_base_url = "{sandbox.url}"\n'
            'webhook_base_url = "https://pbx.example.com"\n'
        )
    manifest = folder / "domains.toml"
    manifest.write_text("\n".join(tables))
    first = opbx("apply", str(manifest))  # makes the store
    assert first.code == 0
    again = opbx("apply", str(manifest))
    assert "Another opbx" not in first.stderr + again.stderr
    assert len(list((opbx.home / "locks").iterdir())) == 40


def test_locks_are_empty_and_private(configured: Opbx, sandbox: RunningSandbox) -> None:
    assert configured("validate").code == 0
    folder: Path = configured.home / "locks"
    assert folder.stat().st_mode & 0o777 == 0o700
    (lock,) = folder.iterdir()
    assert (lock.stat().st_mode & 0o777, lock.read_bytes()) == (0o600, b"")
