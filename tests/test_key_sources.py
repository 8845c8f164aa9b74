"""Where `configure` takes a key from: stdin, a file, a variable, and never an argument."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from opbx_cli.cli.main import run
from support import Opbx, Outcome

UUID = "6b1f0c2e-0000-4000-8000-000000000001"
KEY = "XI0123456789abcdefghijABCDEFGHIJKL"
WEBHOOK_KEY = "a-webhook-key.of_our~own+/0123456789=="
NEW = ("configure", "--domain-uuid", UUID)
FLAGS = ("--api-key", "--webhook-key")

# What is refused as a key, with the reason. Each holds MARK, so that an echo is found.
MARK = "sK7q"
REFUSED = {
    f"{MARK}abc": "8 to 255 characters",
    MARK * 64: "8 to 255 characters",
    f"{MARK}abcd efgh": "printable ASCII without spaces",
    f"{MARK}abcd\tefgh": "printable ASCII without spaces",
    f"{MARK}abcd\nefgh": "printable ASCII without spaces",
    f"{MARK}abcd\x00efgh": "printable ASCII without spaces",
    f"{MARK}abcdéfgh": "printable ASCII without spaces",
    f'"{MARK}abcdefgh"': "the key is in quotes",
    f"'{MARK}abcdefgh'": "the key is in quotes",
    f"OPBX_DOMAIN_API_KEY={MARK}abcdefgh": "this is an assignment",
    f"export OPBX_DOMAIN_API_KEY={MARK}abcdefgh": "this is an assignment",
    f"***{MARK}": "this is a mask",
    f"************{MARK}": "this is a mask",
    f"••••{MARK}": "this is a mask",
    "••••••••": "this is a mask",
    "●●●●●●●●": "this is a mask",
    f"…{MARK}": "this is a mask",
    "…": "this is a mask",
    "...": "this is a mask",
    "***": "this is a mask",
    "[REDACTED]": "this is a mask",
    "[redacted]": "this is a mask",
}


def refused(outcome: Outcome, code: int, *, name: str, reason: str) -> None:
    assert (outcome.code, outcome.stdout) == (code, "")
    assert outcome.stderr.startswith(f"error: {name}: ")
    assert reason in outcome.stderr
    assert MARK not in outcome.stderr


def saved_key(opbx: Opbx, name: str = "domain_api_key") -> object:
    return opbx("profiles", "show", "--json").document[name]["fingerprint"]


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n", " \t\n"])
def test_what_is_around_a_key_is_no_part_of_it(opbx: Opbx, tmp_path: Path, end: str) -> None:
    file = tmp_path / "key.txt"
    file.write_bytes(f"{KEY}{end}".encode())
    for argv in (("--api-key-stdin",), ("--api-key-file", str(file)), ("--api-key-env", "MINE")):
        outcome = opbx(*NEW, *argv, stdin=KEY + end, MINE=KEY + end)
        assert outcome.code == 0, outcome.stderr
        assert saved_key(opbx) == "fp:c4586595"


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_real_stdin_is_read_to_its_end(opbx: Opbx, end: str) -> None:
    outcome = opbx.process(*NEW, "--api-key-stdin", stdin=KEY + end)
    assert outcome.code == 0, outcome.stderr
    assert KEY not in outcome.stdout + outcome.stderr
    assert saved_key(opbx) == "fp:c4586595"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_key_file_of_windows_is_understood(opbx: Opbx, tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "key.txt"
    file.write_bytes(f"{KEY}\r\n".encode(encoding))
    outcome = opbx(*NEW, "--api-key-file", str(file))
    assert outcome.code == 0, outcome.stderr
    assert saved_key(opbx) == "fp:c4586595"


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_key_is_refused(opbx: Opbx, tmp_path: Path, flag: str, text: str) -> None:
    file = tmp_path / "key.txt"
    file.write_bytes(text.encode())
    reason = REFUSED[text]
    refused(opbx(*NEW, f"{flag}-stdin", stdin=text), 2, name=f"{flag}-stdin", reason=reason)
    refused(opbx(*NEW, f"{flag}-env", "MINE", MINE=text), 3, name="MINE", reason=reason)
    # A file is judged by its bytes: what is not ASCII cannot be told apart further.
    in_file = reason if text.isascii() else ""
    refused(opbx(*NEW, f"{flag}-file", str(file)), 3, name=f"{flag}-file", reason=in_file)
    assert not opbx.home.exists()


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("text", ["", "\n", "\r\n"])
def test_an_empty_key_is_an_error_that_names_the_cause(
    opbx: Opbx, tmp_path: Path, flag: str, text: str
) -> None:
    file = tmp_path / "key.txt"
    file.write_text(text)
    reason = "the key is empty (a missing secret in CI expands to nothing)"
    refused(opbx(*NEW, f"{flag}-stdin", stdin=text), 2, name=f"{flag}-stdin", reason=reason)
    refused(opbx(*NEW, f"{flag}-env", "MINE", MINE=text), 3, name="MINE", reason=reason)
    refused(opbx(*NEW, f"{flag}-file", str(file)), 3, name=f"{flag}-file", reason=reason)


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("sources", [("stdin", "file"), ("file", "env"), ("stdin", "env")])
def test_a_key_has_one_source(opbx: Opbx, flag: str, sources: tuple[str, str]) -> None:
    argv = {"stdin": ("stdin",), "file": ("file", MARK), "env": ("env", MARK)}
    words = [word for name in sources for word in (f"{flag}-{argv[name][0]}", *argv[name][1:])]
    outcome = opbx(*NEW, *words, stdin=KEY)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr == f"error: {flag}-stdin, {flag}-file, {flag}-env: use one\n"


def test_only_one_key_fits_on_stdin(opbx: Opbx) -> None:
    outcome = opbx(*NEW, "--api-key-stdin", "--webhook-key-stdin", stdin=KEY)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert "only one key fits on stdin" in outcome.stderr


def test_two_keys_come_from_two_sources(opbx: Opbx) -> None:
    outcome = opbx(
        *NEW, "--api-key-stdin", "--webhook-key-env", "MINE", stdin=KEY, MINE=WEBHOOK_KEY
    )
    assert (outcome.code, saved_key(opbx)) == (0, "fp:c4586595")
    mask = opbx("profiles", "show", "--json").document["webhook_api_key"]["mask"]
    assert mask == f"{'*' * 12}{WEBHOOK_KEY[-4:]}"
    outcome = opbx("configure", "--api-key-env", "MINE", "--webhook-key-env", "MINE", MINE=KEY)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert "two keys need two variables" in outcome.stderr


@pytest.mark.parametrize("flag", FLAGS)
def test_a_file_that_cannot_be_read_is_an_error(opbx: Opbx, tmp_path: Path, flag: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text(KEY)
    reasons = {
        f"{MARK}/missing": "No such file or directory",
        str(tmp_path): "Is a directory",
        "": "Is a directory",
        f"{tmp_path}/file/{MARK}": "Not a directory",
        f"{tmp_path}/loop": "symbolic links",
        MARK * 1000: "File name too long",
        f"{MARK}\0": "not a path",
        KEY: "No such file or directory",
    }
    for path, reason in reasons.items():
        outcome = opbx(*NEW, f"{flag}-file", path)
        refused(outcome, 3, name=f"{flag}-file", reason=reason)
        assert KEY not in outcome.stderr


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_file_without_permission_is_an_error(opbx: Opbx, tmp_path: Path) -> None:
    file = tmp_path / "key.txt"
    file.write_text(KEY)
    file.chmod(0)
    outcome = opbx(*NEW, "--api-key-file", str(file))
    refused(outcome, 3, name="--api-key-file", reason="Permission denied")


def test_a_huge_file_is_not_read_to_its_end(opbx: Opbx) -> None:
    for path in ("/dev/zero", "/dev/urandom"):
        outcome = opbx(*NEW, "--api-key-file", path)
        refused(outcome, 3, name="--api-key-file", reason="printable ASCII")


def test_a_key_file_may_be_a_pipe(opbx: Opbx, tmp_path: Path) -> None:
    """As in `--api-key-file <(pass show cloudonix)`."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(f"{KEY}\n",))
    writer.start()
    outcome = opbx(*NEW, "--api-key-file", str(pipe))
    writer.join()
    assert (outcome.code, saved_key(opbx)) == (0, "fp:c4586595")


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("name", ["MINE", "", KEY, "A=B"])
def test_a_variable_that_is_not_set_is_an_error(opbx: Opbx, flag: str, name: str) -> None:
    outcome = opbx(*NEW, f"{flag}-env", name)
    refused(outcome, 3, name=f"{flag}-env", reason="no such variable is set")
    assert KEY not in outcome.stderr


def test_a_key_leaves_the_environment_when_it_is_read(
    opbx: Opbx, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {**opbx.environ, "MINE": KEY, "OTHER": WEBHOOK_KEY}
    assert run([*NEW, "--api-key-env", "MINE", "--webhook-key-env", "OTHER"], environ) == 0
    assert environ == opbx.environ
    assert KEY not in str(capsys.readouterr())


@pytest.mark.parametrize("option", ["--api-key", "--webhook-key", "--domain-api-key", "--key"])
def test_no_option_takes_a_key_as_its_value(opbx: Opbx, option: str) -> None:
    for argv in ((option, KEY), (f"{option}={KEY}",), (f"--api-key-stdin={KEY}",)):
        outcome = opbx(*NEW, *argv)
        assert (outcome.code, outcome.stdout) == (2, "")
        assert KEY not in outcome.stderr


def test_bytes_that_are_no_text_are_refused_like_other_text(opbx: Opbx, tmp_path: Path) -> None:
    file = tmp_path / "key.txt"
    file.write_bytes(KEY.encode("utf-32"))
    outcome = opbx.process(*NEW, "--api-key-file", str(file))
    refused(outcome, 3, name="--api-key-file", reason="printable ASCII")
    with file.open("rb") as stdin:
        refused(
            opbx.process(*NEW, "--api-key-stdin", stdin=stdin.read().decode("latin-1")),
            2,
            name="--api-key-stdin",
            reason="printable ASCII",
        )
