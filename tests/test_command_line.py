"""Finding the way: help in every form, options anywhere, and what people know from other tools."""

from __future__ import annotations

import re

import pytest

from opbx_cli.cli.commands import COMMANDS
from opbx_cli.cli.tree import Entry
from opbx_cli.settings import KEYS
from pages import PAGES
from support import Opbx
from terminal import on_terminal, shown_on_terminal

UUID = "6b1f0c2e-0000-4000-8000-000000000001"
KEY = "XI0123456789abcdefghijABCDEFGHIJKL"


def paths(entries: dict[str, Entry] | None = None, start: tuple[str, ...] = ()) -> list[str]:
    found = []
    for name, entry in (COMMANDS if entries is None else entries).items():
        if entry.place is not None:
            found.append(" ".join((*start, name)))
        found += paths(dict(entry.commands), (*start, name))
    return found


def test_alone_it_prints_its_help_and_ends_well(opbx: Opbx) -> None:
    alone = opbx.process()
    assert (alone.code, alone.stderr) == (0, "")
    assert alone.stdout.startswith("Usage: opbx")
    assert alone == opbx.process("--help") == opbx.process("help")


@pytest.mark.parametrize("path", [*paths(), "trunks", "profiles", "key"])
def test_help_of_a_command_is_its_help(opbx: Opbx, path: str) -> None:
    outcome = opbx.process("help", *path.split()) if path == "validate" else None
    words = path.split()
    if outcome is not None:
        assert outcome == opbx.process(*words, "--help")
    assert opbx("help", *words).code == opbx(*words, "--help").code == 0


@pytest.mark.parametrize(
    ("topic", "words"),
    [
        ("environment", ["OPBX_PROFILE", "NO_COLOR", *KEYS]),
        ("exit-codes", ["130", "8  ", "partial"]),
        ("output", ["--json", "stderr", "markdown", "junit"]),
        ("files", ["store.toml", "OPBX_HOME"]),
    ],
)
def test_topics_are_short_texts_on_stdout(opbx: Opbx, topic: str, words: list[str]) -> None:
    outcome = opbx("help", topic)
    assert (outcome.code, outcome.stderr) == (0, "")
    for word in words:
        assert word in outcome.stdout
    assert max(map(len, outcome.stdout.splitlines())) <= 100
    assert f"{topic}" in " ".join(opbx("--help").stdout.split())


def test_the_topic_about_variables_has_every_one_that_the_pages_have(opbx: Opbx) -> None:
    shown = opbx("help", "environment").stdout
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"`(OPBX_[A-Z_]+|CLOUDONIX_API_[A-Z_]+)`", pages))
    left_out = {"OPBX_ALLOW_SHARED_KEY_FILE", "OPBX_ALLOW_SHARED_STORE"}
    assert {name for name in named if name not in shown} <= left_out


@pytest.mark.parametrize(
    "argv",
    [
        ("--json", "profiles", "list"),
        ("--output", "json", "profiles", "list"),
        ("--output=json", "-q", "profiles", "list"),
        ("-o", "json", "--no-input", "profiles", "list"),
        ("-p", "default", "profiles", "show", "--json"),
    ],
)
def test_shared_options_stand_before_a_command_too(configured: Opbx, argv: tuple[str, ...]) -> None:
    outcome = configured(*argv)
    assert outcome.code == 0, outcome.stderr
    assert outcome.document["schema"].startswith("opbx.profile")


def test_before_a_command_for_another_program_they_are_ours(configured: Opbx) -> None:
    outcome = configured.process("-q", "exec", "--", "sh", "-c", 'echo "$OPBX_DOMAIN_UUID"')
    assert outcome.code == 0, outcome.stderr
    assert outcome.stdout.strip()


def test_before_a_group_alone_the_missing_command_is_what_is_said(opbx: Opbx) -> None:
    outcome = opbx("-q", "trunks")
    assert outcome.code == 2
    assert outcome.stderr.startswith("error: opbx trunks: a command is missing: one of list, show")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("trunk list", "trunks list"),
        ("list trunks", "trunks list"),
        ("trunks ls", "trunks list"),
        ("ls", "trunks list"),
        ("profile show", "profiles show"),
        ("profiles delete", "profiles remove"),
        ("profiles rm", "profiles remove"),
        ("webhook-key show", "webhook-key reveal"),
        ("key list", "key status"),
        ("init", "configure"),
        ("login", "configure"),
        ("instance login", "instance connect"),
        ("valdate", "validate"),
        ("webhook_url", "webhook-url"),
    ],
)
def test_a_wrong_command_is_answered_with_the_right_one(opbx: Opbx, typed: str, meant: str) -> None:
    outcome = opbx(*typed.split(), "--json")
    assert outcome.code == 2
    assert outcome.error["hint"] == f"did you mean `opbx {meant}`?"
    assert meant in paths()


def test_a_command_that_is_near_nothing_gets_the_list(opbx: Opbx) -> None:
    outcome = opbx(KEY)
    assert outcome.code == 2
    assert "no such command: one of configure, validate" in outcome.stderr
    assert KEY not in outcome.stderr


@pytest.mark.parametrize(
    ("argv", "meant"),
    [
        (("validate", "--dry-run"), "--check"),
        (("trunks", "list", "--format", "json"), "--output"),
        (("trunks", "list", "--serach", "x"), "--search"),
        (("webhook-key", "rotate", "--force"), "--yes"),
    ],
)
def test_a_wrong_option_is_answered_with_the_right_one(
    opbx: Opbx, argv: tuple[str, ...], meant: str
) -> None:
    outcome = opbx(*argv)
    assert outcome.code == 2
    assert f"no such option; did you mean {meant}?" in outcome.stderr


def test_a_profile_as_an_argument_is_told_how_it_is_named(opbx: Opbx) -> None:
    outcome = opbx("validate", "acme")
    assert outcome.code == 2
    assert "more arguments than it takes; `--profile` names a profile" in outcome.stderr


def test_a_key_on_the_command_line_is_said_to_be_in_the_history_now(opbx: Opbx) -> None:
    outcome = opbx("configure", "--api-key", KEY)
    assert outcome.code == 2
    assert "it is in the shell's history now: replace it" in outcome.stderr
    assert KEY not in outcome.stderr


def test_a_profile_that_is_nearly_there_is_named(configured: Opbx) -> None:
    outcome = configured("profiles", "show", "-p", "defualt", "--json")
    assert (outcome.code, outcome.error["code"]) == (3, "profile.not_found")
    assert outcome.error["message"] == "no profile 'defualt'; did you mean 'default'?"
    secret = configured("profiles", "show", "-p", "s3cret-word", "--json")
    assert "s3cret" not in secret.stderr


@pytest.mark.parametrize(("value", "columns"), [("1", 80), ("120", 120), ("200", 200)])
def test_a_terminals_table_goes_into_a_pipe_on_request(
    storeless: Opbx, value: str, columns: int
) -> None:
    environ = {"OPBX_FORCE_TTY": value, "COLUMNS": "80"}
    shown = storeless.process("trunks", "list", **environ).stdout
    assert shown.splitlines()[0].split()[0] == ("NAME" if columns < 140 else "ID")
    assert max(map(len, shown.splitlines())) <= columns
    plain = storeless.process("trunks", "list", OPBX_FORCE_TTY="0").stdout
    assert "\t" in plain


def test_colours_are_not_forced_by_a_nought(configured: Opbx) -> None:
    forced = configured.process("trunks", "shwo", FORCE_COLOR="1")
    assert "\x1b[" in forced.stderr
    assert "\x1b[" not in configured.process("trunks", "shwo", FORCE_COLOR="0").stderr


def test_on_a_terminal_without_a_store_it_offers_to_begin(opbx: Opbx) -> None:
    with on_terminal(environ=opbx.process_environ(NO_COLOR="1")) as terminal:
        assert "Usage: opbx" in terminal.expect("Save a first profile now? [Y/n] ")
        terminal.send("")
        terminal.expect("Domain UUID: ")
        terminal.send("", end="\x03")
        terminal.finish()
        assert terminal.exit_code == 130
    with on_terminal(environ=opbx.process_environ(NO_COLOR="1")) as terminal:
        terminal.expect("Save a first profile now? [Y/n] ")
        terminal.send("n")
        terminal.finish()
        assert terminal.exit_code == 0
    assert not opbx.home.exists()


def test_with_a_store_it_offers_nothing(configured: Opbx) -> None:
    code, shown = shown_on_terminal(environ=configured.process_environ(NO_COLOR="1"))
    assert code == 0
    assert "Save a first profile" not in shown
