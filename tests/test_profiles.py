"""`profiles`: what is stored, and its names."""

from __future__ import annotations

import re
from typing import Any

import pytest

from opbx_cli.sandbox.server import RunningSandbox
from support import Opbx
from terminal import shown_on_terminal

UUID = "6b1f0c2e-0000-4000-8000-00000000000{}"
KEY = "XI0123456789abcdefghijABCDEFGHIJKL"
SECRET_NAME = "canary-0123456789abcdefghijABCDEFGH"  # a key of a kind that a name may have too
LONGEST = "a" * 64
SETTINGS = (
    "domain_uuid",
    "domain_name",
    "domain_api_key",
    "webhook_api_key",
    "webhook_base_url",
    "no_answer_timeout",
    "recording_format",
    "api_base_url",
    "voice_application",
    "cloudonix_package",
)


def add(opbx: Opbx, name: str, number: int) -> None:
    argv = ("--domain-uuid", UUID.format(number), "--api-key-stdin")
    outcome = opbx("configure", "-p", name, *argv, stdin=KEY)
    assert outcome.code == 0, outcome.stderr


@pytest.fixture
def two(opbx: Opbx) -> Opbx:
    """Two profiles, the first one the default."""
    add(opbx, "acme", 1)
    add(opbx, "b.example.com", 2)
    return opbx


def listing(opbx: Opbx) -> dict[str, Any]:
    outcome = opbx("profiles", "list", "--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    return outcome.document


def names(opbx: Opbx) -> list[str]:
    return [entry["profile"] for entry in listing(opbx)["profiles"]]


def test_the_list_is_tab_separated_without_a_header(two: Opbx) -> None:
    outcome = two("profiles", "list")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout == (
        f"acme\tdefault\t{UUID.format(1)}\t\nb.example.com\t\t{UUID.format(2)}\t\n"
    )


def test_the_list_as_a_document(two: Opbx) -> None:
    assert listing(two) == {
        "schema": "opbx.profiles/1",
        "default": "acme",
        "profiles": [
            {
                "profile": name,
                "is_default": name == "acme",
                "domain_uuid": UUID.format(number),
                "domain_name": None,
            }
            for number, name in enumerate(("acme", "b.example.com"), 1)
        ],
        "warnings": [],
    }


def test_a_profile_is_one_line_a_setting(two: Opbx) -> None:
    outcome = two("profiles", "show")
    assert (outcome.code, outcome.stderr) == (0, "")
    rows = [line.split("\t") for line in outcome.stdout.splitlines()]
    assert [row[0] for row in rows] == ["profile", *SETTINGS]
    values: dict[str, str] = dict(rows)
    assert values["profile"] == "acme"
    assert values["domain_uuid"] == UUID.format(1)
    assert values["domain_api_key"] == "************IJKL (fp:c4586595)"
    assert values["voice_application"] == ""
    assert KEY not in outcome.stdout


def test_origins_name_each_source(configured: Opbx) -> None:
    assert configured("validate").code == 0
    outcome = configured("profiles", "show", "--origin")
    rows = [line.split("\t") for line in outcome.stdout.splitlines()]
    assert all(len(row) == 3 for row in rows)
    origins = {name: source for name, _, source in rows}
    assert origins["domain_uuid"] == origins["voice_application"] == "profile default"
    assert origins["no_answer_timeout"] == ""
    document = configured("profiles", "show", "--origin", "--json").document
    assert tuple(document["origins"]) == SETTINGS
    assert document["origins"]["domain_api_key"] == "profile default"
    assert document["origins"]["recording_format"] is None
    assert document["voice_application"].keys() == {"id", "uuid", "name"}


def test_the_origin_of_the_public_api_address_is_the_default(two: Opbx) -> None:
    document = two("profiles", "show", "--origin", "--json").document
    assert document["origins"]["api_base_url"] == "default"
    assert "origins" not in two("profiles", "show", "--json").document


@pytest.mark.parametrize(
    ("argv", "variables", "shown"),
    [
        ((), {}, "acme"),
        (("b.example.com",), {}, "b.example.com"),
        (("-p", "b.example.com"), {}, "b.example.com"),
        (("--profile=b.example.com",), {}, "b.example.com"),
        ((), {"OPBX_PROFILE": "b.example.com"}, "b.example.com"),
        ((), {"OPBX_PROFILE": ""}, "acme"),
        (("-p", "acme"), {"OPBX_PROFILE": "b.example.com"}, "acme"),
        (("acme",), {"OPBX_PROFILE": "b.example.com"}, "acme"),
        (("acme", "-p", "acme"), {}, "acme"),
    ],
)
def test_argument_then_flag_then_variable_then_default(
    two: Opbx, argv: tuple[str, ...], variables: dict[str, str], shown: str
) -> None:
    outcome = two("profiles", "show", *argv, "--json", **variables)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert (outcome.document["profile"], outcome.document["is_default"]) == (shown, shown == "acme")


@pytest.mark.parametrize(
    "argv",
    [("show", "acme"), ("use", "acme"), ("rename", "acme", "other"), ("remove", "acme", "--yes")],
)
def test_an_argument_and_a_flag_that_name_two_profiles_are_refused(
    two: Opbx, argv: tuple[str, ...]
) -> None:
    outcome = two("profiles", *argv, "-p", "b.example.com")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr == "error: two profiles are named: by the argument, and by --profile\n"
    assert names(two) == ["acme", "b.example.com"]


def test_use_changes_the_default(two: Opbx) -> None:
    outcome = two("profiles", "use", "b.example.com", OPBX_PROFILE="acme")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout == "'b.example.com' is the default now.\n"
    assert two("profiles", "show", "--json").document["profile"] == "b.example.com"
    outcome = two("profiles", "use", "acme", "--json")
    assert outcome.document == listing(two)
    assert outcome.document["default"] == "acme"


def test_rename_keeps_place_default_and_settings(two: Opbx) -> None:
    before = two("profiles", "show", "acme", "--json").document
    outcome = two("profiles", "rename", "acme", "a.example.com")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout == "'acme' is called 'a.example.com' now.\n"
    assert names(two) == ["a.example.com", "b.example.com"]
    assert two("profiles", "show", "--json").document == {**before, "profile": "a.example.com"}


def test_rename_never_replaces_another_profile(two: Opbx) -> None:
    outcome = two("profiles", "rename", "acme", "b.example.com")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr == "error: a profile of the new name exists already\n"
    assert two("profiles", "rename", "acme", "acme").code == 0
    assert names(two) == ["acme", "b.example.com"]


def test_remove_needs_a_yes_off_a_terminal(two: Opbx) -> None:
    outcome = two("profiles", "remove", "acme")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr == (
        "error: removing a profile needs a yes\nhint: `opbx profiles remove acme --yes`\n"
    )
    hint = outcome.stderr.split("`")[1].removeprefix("opbx ")
    assert two(*hint.split()).code == 0
    assert names(two) == ["b.example.com"]


def test_without_its_default_a_store_has_none(two: Opbx) -> None:
    outcome = two("profiles", "remove", "acme", "-y")
    assert outcome.code == 0
    assert outcome.stdout == "Profile 'acme' was removed; Cloudonix was not changed.\n"
    assert "as in `opbx profiles use " in outcome.stderr
    assert listing(two)["default"] is None
    for argv in (
        ("profiles", "show"),
        ("trunks", "list"),
        ("configure", "--no-answer-timeout", "9"),
    ):
        outcome = two(*argv)
        assert (outcome.code, outcome.stdout) == (3, "")
        assert outcome.stderr == (
            "error: no default profile\n"
            "hint: choose one, as in `opbx profiles use b.example.com` (stored: b.example.com)\n"
        )
    add(two, "third", 3)
    assert listing(two)["default"] is None
    assert two("profiles", "show", "third").code == 0


def test_the_last_profile_may_be_removed_and_a_new_one_becomes_the_default(two: Opbx) -> None:
    for name in ("b.example.com", "acme"):
        outcome = two("profiles", "remove", name, "--yes", "--json")
        assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.document == {
        "schema": "opbx.profiles/1",
        "default": None,
        "profiles": [],
        "warnings": [],
    }
    assert two("profiles", "list").stdout == ""
    for argv in (("show",), ("show", "acme"), ("use", "acme"), ("remove", "acme")):
        outcome = two("profiles", *argv)
        assert (outcome.code, outcome.stdout) == (3, "")
        assert outcome.stderr == (
            "error: no profile is stored\nhint: save a first one with `opbx configure`\n"
        )
    given = ("--domain-uuid", UUID.format(1), "--api-key-stdin", "--json")
    document = two("configure", *given, stdin=KEY).document
    assert (document["profile"], document["is_default"]) == ("default", True)


@pytest.mark.parametrize(
    "argv",
    [
        ("show", SECRET_NAME),
        ("show", "-p", SECRET_NAME),
        ("use", SECRET_NAME),
        ("rename", SECRET_NAME, "other"),
        ("remove", SECRET_NAME),
        ("remove", SECRET_NAME, "--yes"),
    ],
)
def test_an_unknown_profile_is_a_configuration_error(two: Opbx, argv: tuple[str, ...]) -> None:
    outcome = two("profiles", *argv)
    assert (outcome.code, outcome.stdout) == (3, "")
    assert outcome.stderr == (
        "error: no profile has that name\n"
        "hint: `opbx profiles list` shows what is stored (stored: acme, b.example.com)\n"
    )


@pytest.mark.parametrize(
    "name", ["", ".hidden", "_a", "a b", "a/b", "../a", "a\n", "é", "a" * 65, "a'b", "\x1b[2J"]
)
def test_what_is_no_name_is_refused_everywhere(two: Opbx, name: str) -> None:
    for argv in (("show",), ("use",), ("remove", "--yes"), ("rename", "acme")):
        outcome = two("profiles", *argv, name)
        assert (outcome.code, outcome.stdout) == (2, "")
        assert "expected a profile name: 1 to 64 letters" in outcome.stderr
    for words in (("profiles", "list"), ("configure",), ("webhook-url",), ("trunks", "list")):
        outcome = two(*words, f"--profile={name}")
        assert (outcome.code, outcome.stdout) == (2, "")
        assert outcome.stderr.startswith("error: --profile: expected a profile name")
        if name:
            outcome = two(*words, OPBX_PROFILE=name)
            assert (outcome.code, outcome.stdout) == (3, "")
            assert outcome.stderr.startswith("error: OPBX_PROFILE: expected a profile name")


@pytest.mark.parametrize("name", ["0", "A.b_c-d", "api.cloudonix.io", LONGEST, "true", "inf"])
def test_any_domain_name_is_a_profile_name(two: Opbx, name: str) -> None:
    add(two, name, 3)
    assert names(two) == ["acme", "b.example.com", name]
    assert two("profiles", "show", name, "--json").document["profile"] == name


@pytest.mark.parametrize(
    "argv",
    [
        ("list",),
        ("show",),
        ("show", "acme"),
        ("use", "a"),
        ("rename", "a", "b"),
        ("remove", "a", "-y"),
    ],
)
def test_without_a_store_the_hint_is_configure(opbx: Opbx, argv: tuple[str, ...]) -> None:
    outcome = opbx("profiles", *argv)
    assert (outcome.code, outcome.stdout) == (3, "")
    assert outcome.stderr == (
        f"error: not configured: there is no {opbx.home / 'store.toml'}\n"
        "hint: save a first profile with `opbx configure`\n"
    )
    assert not opbx.home.exists()


def test_hints_name_the_profile_that_a_command_worked_on(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    """Otherwise whoever follows them changes the default profile instead."""
    argv = (
        "--domain-uuid",
        sandbox.domains[0].uuid,
        "--api-key-stdin",
        "--api-base-url",
        sandbox.url,
    )
    assert configured("configure", "-p", "acme", *argv, stdin=KEY).code == 0
    outcome = configured("trunks", "list", "-p", "acme")
    assert outcome.code == 4
    assert "`opbx configure --api-key-stdin --profile acme`" in outcome.stderr
    hint = configured("webhook-url", OPBX_PROFILE="acme").stderr
    assert "`opbx configure --profile acme` asks for one" in hint
    outcome = configured("trunks", "list")
    assert outcome.code == 0


@pytest.mark.parametrize("columns", [80, 200])
def test_on_a_terminal_nothing_is_cut_and_no_line_is_too_wide(two: Opbx, columns: int) -> None:
    add(two, LONGEST, 3)
    two("configure", "-p", LONGEST, "--webhook-base-url", "https://pbx.example.com/" + "b" * 200)
    environ = two.process_environ()
    for argv in (("list",), ("show", LONGEST), ("show", LONGEST, "--origin")):
        code, shown = shown_on_terminal("profiles", *argv, environ=environ, columns=columns)
        assert code == 0
        plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
        lines = plain.splitlines()
        assert all(len(line) <= columns for line in lines if "https://" not in line)
        letters = re.sub(r"\s", "", plain)
        assert "…" not in plain
        assert letters.count("a") >= 64
        if argv[0] == "show":
            assert any("b" * 200 in line for line in lines)  # a URL is never broken
            assert KEY not in plain


def test_the_table_has_a_header_and_says_when_it_is_empty(two: Opbx) -> None:
    environ = two.process_environ(NO_COLOR="1", TERM="dumb")
    _, shown = shown_on_terminal("profiles", "list", environ=environ)
    header, first, second = shown.splitlines()
    assert header.split() == ["PROFILE", "DEFAULT", "DOMAIN", "UUID", "DOMAIN", "NAME"]
    assert first.split() == ["acme", "default", UUID.format(1)]
    assert second.split() == ["b.example.com", UUID.format(2)]
    for name in ("acme", "b.example.com"):
        two("profiles", "remove", name, "--yes")
    assert shown_on_terminal("profiles", "list", environ=environ) == (0, "No profiles.\n")


def test_a_name_that_looks_like_an_api_key_is_refused(configured: Opbx) -> None:
    key = "XI" + "0" * 32
    outcome = configured("profiles", "rename", "default", key)
    assert outcome.code == 2
    assert "looks like an API key" in outcome.stderr
    assert key not in outcome.stderr
