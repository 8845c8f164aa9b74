"""A key that is handed out arrives, or the command says that it did not and leaves no slot."""

from __future__ import annotations

import json
import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from support import Opbx, Outcome
from terminal import Terminal

ADD = ("key", "add", "--kind", "external")
REVEAL = ("webhook-key", "reveal")
RECOVERY = ("key", "export-recovery")
TO_FILE = {"key add": ADD, "reveal": REVEAL, "export-recovery": RECOVERY}
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")

# Becomes opbx with files of so many bytes at most, as on a disk that is nearly full.
LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
os.execv(sys.executable, [sys.executable, "-m", "opbx_cli", *sys.argv[2:]])
"""
KEY_FITS = 300  # bytes; the store does not fit


def started(
    opbx: Opbx, *argv: str, stdout: IO[bytes] | int = subprocess.PIPE, limit: int | None = None
) -> Outcome:
    program = ["-m", "opbx_cli"] if limit is None else ["-c", LIMITED, str(limit)]
    done = subprocess.run(
        [sys.executable, *program, *argv],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        # Without a buffer Python takes a write that was cut short for a whole one.
        env=opbx.process_environ(PYTHONDONTWRITEBYTECODE="1", PYTHONUNBUFFERED="1"),
        cwd=opbx.home.parent,
        check=False,
        timeout=60,
    )
    return Outcome(done.returncode, (done.stdout or b"").decode(), done.stderr.decode())


def nobody_reads(opbx: Opbx, *argv: str) -> Outcome:
    """Run as in `opbx … | true`, with the reader gone for sure."""
    source, sink = os.pipe()
    os.close(source)
    try:
        return started(opbx, *argv, stdout=sink)
    finally:
        os.close(sink)


def to_a_full_device(opbx: Opbx, *argv: str) -> Outcome:
    with Path("/dev/full").open("wb") as full:
        return started(opbx, *argv, stdout=full)


def to_a_full_disk(opbx: Opbx, *argv: str) -> Outcome:
    with (opbx.home.parent / "redirected").open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        return started(opbx, *argv, stdout=file, limit=20)


def closed(opbx: Opbx, *argv: str) -> Outcome:
    """Run as in `opbx … >&-`."""
    words = shlex.join([sys.executable, "-m", "opbx_cli", *argv])
    done = subprocess.run(
        ["sh", "-c", f"exec {words} >&-"],
        capture_output=True,
        text=True,
        env=opbx.process_environ(),
        check=False,
        timeout=60,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


LOST: dict[str, tuple[Callable[..., Outcome], str]] = {
    "nobody reads": (nobody_reads, "Broken pipe"),
    "a full device": (to_a_full_device, "No space left on device"),
    "a full disk": (to_a_full_disk, "File too large"),
    "a closed stdout": (closed, "Bad file descriptor"),
}


def slots(opbx: Opbx) -> list[str]:
    return [key["kind"] for key in opbx("key", "status", "--json").document["keys"]]


def deeds(opbx: Opbx) -> list[str]:
    entries = opbx("profiles", "history", "--json").document["entries"]
    return [entry["command"] for entry in entries]


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@FULL
@pytest.mark.parametrize("way", LOST)
def test_a_new_key_that_nobody_got_leaves_no_slot(configured: Opbx, way: str) -> None:
    run, reason = LOST[way]
    before = (configured.home / "store.toml").read_bytes()
    outcome = run(configured, *ADD)
    assert outcome.code == 1
    assert outcome.stderr == (
        f"error: the new key could not be written to stdout: {reason}; no slot was added\n"
        "hint: `opbx key add --kind external --to-file store.key` writes it to a file for you "
        "alone\n"
    )
    outcome = run(configured, *ADD, "--json")
    assert outcome.code == 1
    assert outcome.error["code"] == "output.not_delivered"
    assert (configured.home / "store.toml").read_bytes() == before
    assert deeds(configured) == ["configure"]
    assert configured("key", "rotate").code == 0


@FULL
@pytest.mark.parametrize("way", LOST)
def test_a_webhook_key_that_nobody_got_is_an_error(configured: Opbx, way: str) -> None:
    run, reason = LOST[way]
    for output in ([], ["--json"]):
        outcome = run(configured, *REVEAL, "--yes", *output)
        assert outcome.code == 1
        message = f"the webhook key could not be written to stdout: {reason}"
        hint = "`opbx webhook-key reveal --to-file webhook.key` writes it to a file for you alone"
        if output:
            error = json.loads(outcome.stderr)["error"]
            assert (error["message"], error["hint"]) == (message, hint)
        else:
            assert outcome.stderr == f"error: {message}\nhint: {hint}\n"


def test_a_recovery_key_that_nobody_saw_leaves_no_slot(configured: Opbx) -> None:
    master, slave = os.openpty()  # where stdout goes; the questions are on another one
    with open(slave, "wb") as stdout:  # noqa: PTH123  # a descriptor, not a path
        terminal = Terminal(*RECOVERY, environ=configured.process_environ(), stdout=stdout)
    try:
        terminal.expect("[y/N] ")
        os.close(master)
        terminal.send("y")
        shown = terminal.finish()
        assert terminal.exit_code == 1
    finally:
        terminal.close()
    assert "could not be written to stdout" in shown
    assert "no slot was added" in " ".join(shown.split())
    assert slots(configured) == ["keyfile"]


def test_a_printed_key_whose_slot_was_not_saved_is_said_to_open_nothing(configured: Opbx) -> None:
    outcome = started(configured, *ADD, limit=KEY_FITS)
    assert outcome.code == 10
    assert outcome.stdout.startswith("opbxk1_")
    warning, error, *_ = outcome.stderr.splitlines()
    assert warning == "warning: the key that was printed opens nothing: no slot was added for it"
    assert error.startswith("error: ")
    assert "the previous store is intact" in error
    assert slots(configured) == ["keyfile"]
    outcome = started(configured, *ADD, "--json", limit=KEY_FITS)
    assert "opens nothing" in json.loads(outcome.stderr)["warnings"][0]


@pytest.mark.parametrize("argv", [ADD, RECOVERY], ids=" ".join)
def test_a_key_file_whose_slot_was_not_saved_is_removed_again(
    configured: Opbx, argv: tuple[str, ...]
) -> None:
    file = configured.home.parent / "new.key"
    outcome = started(configured, *argv, "--to-file", "new.key", limit=KEY_FITS)
    assert (outcome.code, outcome.stdout) == (10, "")
    assert f"warning: {file} was removed again: no slot was added for its key\n" in outcome.stderr
    assert not file.exists()
    assert slots(configured) == ["keyfile"]


@pytest.mark.parametrize("argv", TO_FILE.values(), ids=TO_FILE)
def test_a_key_file_that_does_not_fit_leaves_nothing(
    configured: Opbx, argv: tuple[str, ...]
) -> None:
    outcome = started(configured, *argv, "--to-file", "new.key", limit=20)
    assert (outcome.code, outcome.stdout) == (1, "")
    assert "error: --to-file: the file could not be written: File too large" in outcome.stderr
    assert not (configured.home.parent / "new.key").exists()
    assert slots(configured) == ["keyfile"]
    assert deeds(configured) == ["configure"]


@pytest.mark.parametrize("umask", [0, 0o077, 0o777])
@pytest.mark.parametrize("argv", TO_FILE.values(), ids=TO_FILE)
def test_a_key_file_is_for_its_owner_alone(
    configured: Opbx, argv: tuple[str, ...], umask: int
) -> None:
    before = os.umask(umask)
    try:
        outcome = configured.process(*argv, "--to-file", "new.key")
    finally:
        os.umask(before)
    assert outcome.code == 0, outcome.stderr
    file = configured.home.parent / "new.key"
    assert mode_of(file) == 0o600
    key = file.read_text().removesuffix("\n")
    assert key not in outcome.stdout + outcome.stderr
    if argv == REVEAL:
        assert outcome == Outcome(0, f"{file}\n", "")
        assert configured(*REVEAL, "--yes").stdout == file.read_text()
        return
    assert f"OPBX_STORE_KEY_FILE={file}" in outcome.stderr
    assert outcome.stdout == configured("key", "status").stdout
    for path in (configured.home / "keys").iterdir():
        path.unlink()
    assert configured("profiles", "list", OPBX_STORE_KEY_FILE=str(file)).code == 0


def test_the_answer_about_a_key_file_is_a_document(configured: Opbx, tmp_path: Path) -> None:
    outcome = configured(*REVEAL, "--to-file", str(tmp_path / "a.key"), "--json")
    assert outcome.document == {
        "schema": "opbx.key-file/1",
        "file": str(tmp_path / "a.key"),
        "warnings": [],
    }
    outcome = configured(*ADD, "--to-file", str(tmp_path / "b.key"), "--json")
    assert outcome.document["schema"] == "opbx.keys/1"
    assert outcome.stderr == ""


@pytest.mark.parametrize("argv", TO_FILE.values(), ids=TO_FILE)
def test_nothing_is_overwritten(configured: Opbx, argv: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "folder").mkdir()
    for name in ("file", "link", "folder"):
        outcome = configured(*argv, "--to-file", str(tmp_path / name))
        assert (outcome.code, outcome.stdout) == (2, "")
        assert outcome.stderr.startswith("error: --to-file: there is such a file already")
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()
    outcome = configured(*argv, "--to-file", str(tmp_path / "none" / "new.key"))
    assert outcome.code == 1
    assert "No such file or directory" in outcome.stderr
    assert slots(configured) == ["keyfile"]


def test_only_a_key_that_would_be_printed_goes_to_a_file(configured: Opbx, tmp_path: Path) -> None:
    outcome = configured("key", "add", "--kind", "keyfile", "--to-file", str(tmp_path / "x.key"))
    assert outcome.code == 2
    assert "--kind external" in outcome.stderr
    assert not (tmp_path / "x.key").exists()


def test_the_store_is_asked_before_the_file_is_made(opbx: Opbx, tmp_path: Path) -> None:
    assert opbx(*ADD, "--to-file", str(tmp_path / "x.key")).code == 3
    assert opbx(*REVEAL, "--to-file", str(tmp_path / "x.key")).code == 3
    assert not (tmp_path / "x.key").exists()


@pytest.mark.parametrize("output", [[], ["--json"]], ids=["text", "JSON"])
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666])
@pytest.mark.parametrize("argv", [ADD, (*REVEAL, "--yes")], ids=["key add", "reveal"])
def test_a_redirect_into_a_file_that_others_can_read_is_warned_of(
    configured: Opbx, argv: tuple[str, ...], mode: int, output: list[str]
) -> None:
    file = configured.home.parent / "redirected"
    with file.open("wb") as stdout:
        file.chmod(mode)
        outcome = started(configured, *argv, *output, stdout=stdout)
    assert outcome.code == 0
    assert outcome.stderr == (
        f"warning: others can read the file that stdout goes to (mode {mode:04o}), and so the key: "
        "--to-file PATH makes a file for you alone\n"
    )
    assert len(file.read_text().split()) == 1


@pytest.mark.parametrize("argv", [ADD, (*REVEAL, "--yes")], ids=["key add", "reveal"])
def test_other_ways_for_a_key_are_not_warned_of(configured: Opbx, argv: tuple[str, ...]) -> None:
    file = configured.home.parent / "redirected"
    with file.open("wb") as stdout, Path("/dev/null").open("wb") as nowhere:
        file.chmod(0o600)
        for to in (stdout, nowhere, subprocess.PIPE):
            assert started(configured, *argv, stdout=to).stderr == ""


def test_as_the_shell_does_it(configured: Opbx) -> None:
    """`> ci.key` with the usual umask, and the way that the README shows."""
    opbx = shlex.join([sys.executable, "-m", "opbx_cli"])
    lines = f"umask 022; {opbx} key add --kind external > ci.key; {opbx} key add --kind external "
    done = subprocess.run(
        ["sh", "-ec", f"{lines}--to-file own.key"],
        cwd=configured.home.parent,
        env=configured.process_environ(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr.count("warning: others can read the file that stdout goes to") == 1
    modes = [mode_of(configured.home.parent / name) for name in ("ci.key", "own.key")]
    assert modes == [0o644, 0o600]
