"""stdout is the answer, stderr all else: documents, pipes, full disks, colours, encodings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from declared import parsed
from opbx_cli.sandbox.server import RunningSandbox
from support import Opbx, Outcome
from terminal import on_terminal, shown_on_terminal

UUID = "6b1f0c2e-0000-4000-8000-000000000001"
KEY = "XI0123456789abcdefghijABCDEFGHIJKL"
BASE = "https://pbx.example.com"
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
ERROR = {"code", "message", "hint", "exit_code", "retryable", "http_status"}
ESCAPE = "\x1b"


@pytest.fixture
def stored(opbx: Opbx) -> Opbx:
    outcome = opbx("configure", "--domain-uuid", UUID, "--api-key-stdin", stdin=KEY)
    assert outcome.code == 0, outcome.stderr
    return opbx


def start(
    opbx: Opbx, *argv: str, stdout: IO[bytes] | int, stderr: IO[bytes] | int = subprocess.PIPE
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "opbx_cli", *argv],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env=opbx.process_environ(APP_URL=BASE),
    )


def with_closed(opbx: Opbx, *argv: str, stream: int) -> Outcome:
    """Run the program as the shell does with `>&-`."""
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {stream}>&-', "sh", sys.executable, "-m", "opbx_cli", *argv],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=opbx.process_environ(APP_URL=BASE),
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("argv", "schema"),
    [
        (("validate", "--check"), "opbx.validate/1"),
        (("trunks", "list"), "opbx.trunks/1"),
        (("trunks", "show", "carrier-main"), "opbx.trunk/1"),
        (("webhook-url",), "opbx.webhook-url/1"),
        (("profiles", "list"), "opbx.profiles/1"),
        (("profiles", "show", "--origin"), "opbx.profile/1"),
        (("profiles", "use", "default"), "opbx.profiles/1"),
        (("configure", "--no-answer-timeout", "30"), "opbx.profile/1"),
    ],
)
def test_json_is_exactly_one_document(configured: Opbx, argv: tuple[str, ...], schema: str) -> None:
    outcome = configured(*argv, "--json", OPBX_RECORDING_FORMAT="wav")
    assert outcome.stderr == ""
    assert outcome.document["schema"] == schema
    assert all(isinstance(sentence, str) for sentence in outcome.document["warnings"])
    assert outcome.stdout.endswith("}\n")
    assert outcome.stdout.isascii()


@pytest.mark.parametrize(
    ("argv", "variables", "code"),
    [
        (("nonsense",), {}, 2),
        (("webhook-url", "-p", "missing"), {}, 3),
        (("webhook-url",), {"APP_URL": "nonsense"}, 3),
        (("trunks", "show", "missing"), {}, 5),
        (("webhook-url",), {"OPBX_STORE_KEY": ""}, 10),
        (("profiles", "remove", "default"), {}, 2),
    ],
)
def test_every_failure_is_a_document_on_stderr(
    configured: Opbx, argv: tuple[str, ...], variables: dict[str, str], code: int
) -> None:
    configured("configure", "--unset", "webhook-base-url")
    outcome = configured(*argv, "--json", **variables)
    assert (outcome.code, outcome.stdout) == (code, "")
    assert outcome.stderr.count("\n") == 1
    assert outcome.error.keys() == ERROR
    assert outcome.error["exit_code"] == code


def test_a_difference_is_no_error(configured: Opbx) -> None:
    outcome = configured("validate", "--check", "--json")
    assert (outcome.code, outcome.stderr) == (8, "")


def test_a_failed_validation_prints_both_documents(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.set_faults("get-domain=401*9")
    outcome = configured("validate", "--json")
    assert outcome.document["result"] == "failed"
    assert outcome.error["exit_code"] == outcome.code == 4


def test_warnings_go_to_stderr_in_text_and_into_the_document_in_json(opbx: Opbx) -> None:
    outcome = opbx("webhook-url", APP_URL="http://localhost")
    assert outcome.stdout == "http://localhost\n"
    assert [line.split(":")[0] for line in outcome.stderr.splitlines()] == ["warning"] * 3
    outcome = opbx("webhook-url", "--json", APP_URL="http://localhost")
    assert (len(outcome.document["warnings"]), outcome.stderr) == (3, "")


@pytest.mark.parametrize(
    "argv",
    [
        ("profiles", "list"),
        ("profiles", "show", "--json"),
        ("--help",),
        ("configure", "--help"),
        ("--version",),
    ],
)
def test_a_reader_who_goes_away_does_no_harm(stored: Opbx, argv: tuple[str, ...]) -> None:
    source, sink = os.pipe()
    os.close(source)
    process = start(stored, *argv, stdout=sink)
    os.close(sink)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, b"")


def test_work_goes_on_when_the_reader_goes_away(configured: Opbx, sandbox: RunningSandbox) -> None:
    source, sink = os.pipe()
    os.close(source)
    process = start(configured, "validate", stdout=sink)
    os.close(sink)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0
    assert stderr.startswith(b"warning: a new webhook key (fp:")
    assert configured("validate", "--check").code == 0


@FULL
@pytest.mark.parametrize(
    "argv",
    [
        ("profiles", "list"),
        ("profiles", "show", "--json"),
        ("webhook-url",),
        ("--help",),
        ("profiles", "show", "-h"),
        ("--version",),
    ],
)
def test_a_full_disk_is_one_clear_error(stored: Opbx, argv: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        process = start(stored, *argv, stdout=full)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    message = "the output could not be written: No space left on device"
    if "--json" in argv:
        assert parsed(stderr)["error"]["message"] == message
    else:
        assert stderr.decode() == f"error: {message}\n"


@FULL
def test_what_could_not_be_shown_was_done_all_the_same(stored: Opbx) -> None:
    with Path("/dev/full").open("wb") as full:
        process = start(stored, "profiles", "rename", "default", "acme", stdout=full)
        process.communicate(timeout=60)
    assert process.returncode == 1
    assert stored("profiles", "list").stdout.startswith("acme\t")


@FULL
def test_a_full_disk_at_stderr_hides_no_exit_code(opbx: Opbx) -> None:
    with Path("/dev/full").open("wb") as full:
        process = start(opbx, "profiles", "list", stdout=subprocess.PIPE, stderr=full)
        stdout, _ = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (3, b"")


def test_a_closed_stdout_is_an_error_where_there_is_an_answer(stored: Opbx) -> None:
    outcome = with_closed(stored, "profiles", "list", stream=1)
    assert (outcome.code, outcome.stdout) == (1, "")
    assert outcome.stderr == "error: the output could not be written: Bad file descriptor\n"


def test_a_closed_stderr_keeps_answer_and_exit_code(stored: Opbx) -> None:
    outcome = with_closed(stored, "webhook-url", stream=2)
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, f"{BASE}\n", "")
    assert with_closed(stored, "nonsense", stream=2) == Outcome(2, "", "")


def test_a_closed_stdin_is_an_empty_one(stored: Opbx) -> None:
    assert with_closed(stored, "webhook-url", stream=0).code == 0
    outcome = with_closed(stored, "configure", "--api-key-stdin", stream=0)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert "--api-key-stdin: the key is empty" in outcome.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "ascii:strict", "cp1252"])
def test_a_poor_encoding_loses_letters_and_not_the_answer(storeless: Opbx, encoding: str) -> None:
    """`validate` shows arrows; the hint about the webhook URL has an ellipsis."""
    outcome = storeless.process("validate", "--check", PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert (outcome.code, outcome.stderr) == (8, "")
    assert "Calls are sent to" in outcome.stdout
    environ = {"PYTHONIOENCODING": encoding, "OPBX_WEBHOOK_BASE_URL": ""}
    outcome = storeless.process("webhook-url", **environ)
    assert outcome.code == 3
    assert outcome.stderr.startswith("error: no webhook base URL")


def test_the_plainest_locale_works_on_a_terminal(stored: Opbx) -> None:
    variables = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environ = stored.process_environ(APP_URL=BASE, PYTHONIOENCODING="ascii", **variables)
    code, shown = shown_on_terminal("webhook-url", environ=environ)
    assert code == 0
    assert BASE in shown


@pytest.mark.parametrize(
    ("variables", "colours"),
    [
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, True),
        ({"TERM": "dumb"}, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True),
    ],
)
def test_colours_on_a_terminal(opbx: Opbx, variables: dict[str, str], colours: bool) -> None:
    environ = opbx.process_environ(**variables)
    code, shown = shown_on_terminal("nonsense", environ=environ)
    assert code == 2
    assert (f"{ESCAPE}[31m" in shown) is colours
    assert (ESCAPE in shown) is colours


@pytest.mark.parametrize(
    ("variables", "escapes"),
    [({}, "bold"), ({"NO_COLOR": "1"}, "bold"), ({"TERM": "dumb"}, "")],
)
def test_tables_without_colours(stored: Opbx, variables: dict[str, str], escapes: str) -> None:
    environ = stored.process_environ(**variables)
    code, shown = shown_on_terminal("profiles", "list", environ=environ)
    assert code == 0
    assert (ESCAPE in shown) is bool(escapes)
    if "NO_COLOR" in variables:  # weight is no colour
        assert f"{ESCAPE}[3" not in shown


def test_off_a_terminal_there_is_no_escape_and_no_line_is_cut(stored: Opbx) -> None:
    stored("configure", "--webhook-base-url", f"{BASE}/{'a' * 200}")
    outcome = stored.process("profiles", "show", COLUMNS="40")
    assert f"{BASE}/{'a' * 200}\n" in outcome.stdout
    assert ESCAPE not in outcome.stdout
    assert ESCAPE not in stored.process("nonsense").stderr
    forced = stored.process("nonsense", FORCE_COLOR="1")
    assert forced.stderr.startswith(f"{ESCAPE}[31m")


def test_the_answer_is_plain_where_only_stderr_is_a_terminal(stored: Opbx, tmp_path: Path) -> None:
    answer = tmp_path / "answer"
    environ = stored.process_environ(APP_URL="http://localhost", NO_COLOR="1")
    for columns in (0, 40, 200):
        with on_terminal(
            "webhook-url", environ=environ, stdout=answer, columns=columns
        ) as terminal:
            lines = terminal.finish().splitlines()
            assert terminal.exit_code == 0
        assert answer.read_text() == "http://localhost\n"
        assert lines[0].startswith("warning: ")
        assert max(map(len, lines)) <= (columns or 80)
    assert len(lines) == 3


def test_debug_shows_where_and_no_values(stored: Opbx) -> None:
    (stored.home / "store.toml").write_text(KEY)
    for argv in (("profiles", "list"), ("profiles", "list", "--json"), (f"--{KEY}",)):
        outcome = stored.process(*argv, OPBX_DEBUG="1")
        assert outcome.code in (2, 10)
        assert 'cli/main.py", line ' in outcome.stderr
        assert "opbx_cli.errors." in outcome.stderr
        assert KEY not in outcome.stderr
        plain = stored.process(*argv, OPBX_DEBUG="0")
        assert "main.py" not in plain.stderr
        assert plain.code == outcome.code


@pytest.fixture
def broken(stored: Opbx, tmp_path: Path) -> Opbx:
    """An installation with a broken dependency, whose error says more than it should."""
    package = tmp_path / "broken" / "cryptography"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"raise RuntimeError('{KEY[::-1]}'[::-1])\n")
    stored.environ["PYTHONPATH"] = str(package.parent)
    return stored


def test_what_nobody_expected_is_exit_1_without_a_traceback(broken: Opbx) -> None:
    outcome = broken.process("profiles", "list")
    assert (outcome.code, outcome.stdout) == (1, "")
    assert outcome.stderr == (
        "error: unexpected error: RuntimeError\n"
        "hint: run it again with OPBX_DEBUG=1, and report what that shows\n"
    )
    outcome = broken.process("profiles", "list", "--json")
    assert outcome.error["code"] == "unexpected"
    assert outcome.stderr.count("\n") == 1


def test_what_it_asks_for_then_shows_places_and_no_messages(broken: Opbx) -> None:
    outcome = broken.process("profiles", "list", OPBX_DEBUG="1")
    assert outcome.code == 1
    assert "builtins.RuntimeError" in outcome.stderr
    assert 'cryptography/__init__.py", line 1' in outcome.stderr
    assert KEY not in outcome.stderr


def test_ctrl_c_while_waiting_for_a_key_is_exit_130(opbx: Opbx) -> None:
    pipe = opbx.home.parent / "pipe"
    os.mkfifo(pipe)
    argv = ("configure", "--domain-uuid", UUID, "--api-key-file", str(pipe))
    process = start(opbx, *argv, stdout=subprocess.PIPE)
    # Opening for writing waits for the reader: then the program is past its start.
    with pipe.open("wb"):
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (130, b"")
    assert stderr == b"error: interrupted: the store is intact\n"
