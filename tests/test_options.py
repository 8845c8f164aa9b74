"""What all commands have in common: options, help, hints, and errors that repeat nothing."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import opbx_cli
from opbx_cli.cli.commands import COMMANDS
from opbx_cli.cli.main import root
from opbx_cli.cli.topics import TOPICS
from opbx_cli.cli.usage_errors import Misuse
from support import Opbx

UUID = "6b1f0c2e-0000-4000-8000-000000000001"
KEY = "XI0123456789abcdefghijABCDEFGHIJKL"
SHARED = {"--profile", "-p", "--output", "-o", "--json", "--no-input", "--quiet", "-q"}
SHARED |= {"--verbose", "-v"}
# A key with what no profile name has, so that no command takes it for one and goes on.
SECRET = "XIsK7q0123456789abcdefABCDEF=sK7q!"
MARK = "sK7q"


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command of the tree with its words, groups included."""
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


TREE: dict[tuple[str, ...], Any] = dict(commands(typer.main.get_command(root)))
GROUPS = [path for path, command in TREE.items() if hasattr(command, "commands")]
# What does something when it is typed: `opbx sandbox` does, with a command behind it or without.
LEAVES = {
    path: command
    for path, command in TREE.items()
    if path not in GROUPS or command.invoke_without_command
}
every_command = pytest.mark.parametrize("path", LEAVES, ids=" ".join)


def options(path: tuple[str, ...]) -> dict[str, Any]:
    """The options of a command by each of their names."""
    command = LEAVES[path]
    parameters = command.get_params(
        command.make_context("opbx", ["--help"], resilient_parsing=True)
    )
    return {
        name: one
        for one in parameters
        for name in (*one.opts, *one.secondary_opts)
        if name.startswith("-")
    }


def test_the_tree_has_the_commands_of_the_contract() -> None:
    expected = "configure,validate,trunks list,trunks show,webhook-url,profiles list,profiles show"
    expected += ",profiles use,profiles rename,profiles remove,demo,sandbox,sandbox call"
    assert {tuple(words.split()) for words in expected.split(",")} <= LEAVES.keys()


@every_command
def test_the_table_of_commands_has_each_ones_own_line_of_help(path: tuple[str, ...]) -> None:
    entries = COMMANDS if len(path) == 1 else COMMANDS[path[0]].commands
    assert LEAVES[path].get_short_help_str(limit=80) == entries[path[-1]].help


@every_command
def test_every_command_takes_all_shared_options(path: tuple[str, ...]) -> None:
    known = options(path)
    assert known.keys() >= SHARED
    assert "--version" not in known
    for short, long in (("-p", "--profile"), ("-o", "--output"), ("-q", "--quiet")):
        assert known[short] is known[long]


@every_command
def test_no_option_asks_for_a_secret_as_its_value(path: tuple[str, ...]) -> None:
    for name, option in options(path).items():
        takes_value = not option.is_flag and not option.count
        is_key = re.search(r"key|secret|password|passphrase|token", name)
        assert not (takes_value and is_key) or name.endswith(("-file", "-env")), name


@pytest.mark.parametrize("path", TREE, ids=lambda path: " ".join(path) or "opbx")
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_of_every_command_fits_80_columns(
    opbx: Opbx, path: tuple[str, ...], flag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    outcome = opbx(*path, flag, OPBX_OUTPUT="nonsense", OPBX_HOME="/dev/null")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout.startswith("Usage: " + " ".join(["opbx", *path]))
    assert max(map(len, outcome.stdout.splitlines())) <= 80


def test_the_version_is_on_the_root_alone(opbx: Opbx) -> None:
    outcome = opbx("--version")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout == f"opbx {opbx_cli.__version__}\n"
    assert opbx.process("--version").stdout == outcome.stdout
    outcome = opbx("profiles", "list", "--version")
    assert (outcome.code, outcome.stdout) == (2, "")


def test_no_command_at_all_lists_them(opbx: Opbx) -> None:
    for path in (("profiles",), ("trunks",), ("instance",)):
        outcome = opbx(*path)
        assert (outcome.code, outcome.stdout) == (2, "")
        error, hint = outcome.stderr.splitlines()
        assert "a command is missing: one of" in error
        assert hint == f"hint: `{' '.join(['opbx', *path])} --help`"


@pytest.mark.parametrize(
    ("argv", "variable", "is_json"),
    [
        ((), None, False),
        ((), "", False),
        ((), "text", False),
        ((), "json", True),
        (("--json",), None, True),
        (("--json",), "text", True),
        (("-o", "json"), "text", True),
        (("-ojson",), None, True),
        (("--output=text",), "json", False),
        (("--output", "text"), "json", False),
        (("--json", "--output", "json"), None, True),
        (("--json",), "nonsense", True),
    ],
)
def test_flag_then_variable_then_default(
    opbx: Opbx, argv: tuple[str, ...], variable: str | None, is_json: bool
) -> None:
    variables = {} if variable is None else {"OPBX_OUTPUT": variable}
    outcome = opbx("webhook-url", *argv, APP_URL="https://pbx.example.com", **variables)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout.startswith("{") is is_json


REPORTS = " or markdown or junit"
MORE_FORMATS: dict[tuple[str, ...], str] = {
    ("trunks", "list"): " or csv",
    **dict.fromkeys((("validate",), ("apply",), ("status",), ("webhook-url",)), REPORTS),
}


@every_command
def test_an_unknown_format_is_refused(opbx: Opbx, path: tuple[str, ...]) -> None:
    arguments = [one for one in LEAVES[path].params if one.param_type_name == "argument"]
    needed = ["a" for one in arguments if one.required]
    formats = "text or json" + MORE_FORMATS.get(path, "")
    required = _required_options(path)
    outcome = opbx(*path, *required, *needed, OPBX_OUTPUT=SECRET)
    assert (outcome.code, outcome.stdout) == (3, "")
    assert outcome.stderr == f"error: OPBX_OUTPUT: expected {formats}\n"
    for argv in (("-o", SECRET), ("--output=xml",), ("-o", "JSON"), ("--output", "")):
        outcome = opbx(*path, *required, *argv, *needed)
        assert (outcome.code, outcome.stdout) == (2, "")
        assert outcome.stderr == f"error: --output: expected {formats}\n"
    for other in ("text", "csv"):
        outcome = opbx(*path, *required, "--json", "--output", other, *needed)
        assert (outcome.code, outcome.stdout) == (2, "")
        assert outcome.error["message"] == "--json contradicts --output"


@every_command
def test_help_names_the_formats_of_each_command(opbx: Opbx, path: tuple[str, ...]) -> None:
    formats = ("text or json" + MORE_FORMATS.get(path, "")).replace(" or ", "|")
    told = " ".join(opbx(*path, "--help").stdout.split())
    assert f"--output {formats} How to answer. [env: OPBX_OUTPUT]" in told


def _required_options(path: tuple[str, ...]) -> list[str]:
    needed = {id(one): name for name, one in options(path).items() if one.required}
    return [word for name in needed.values() for word in (name, "a")]


def test_options_in_front_of_a_command_are_refused_not_passed_over(opbx: Opbx) -> None:
    for words in (["--port", "1"], ["--no-rate-limit"], ["-p", "acme"], ["--json"]):
        outcome = opbx("sandbox", *words, "call")
        assert (outcome.code, outcome.stdout) == (2, "")
        assert "stands in front of it" in outcome.stderr
        assert "opbx sandbox call --help" in outcome.stderr


def test_csv_is_for_the_list_of_trunks_alone(storeless: Opbx) -> None:
    assert storeless("trunks", "list", "--output", "csv").code == 0
    assert storeless("trunks", "list", OPBX_OUTPUT="csv").stdout.startswith("id,uuid,name,")
    for path in (("webhook-url",), ("profiles", "list"), ("trunks", "show", "x")):
        assert storeless(*path, "--output", "csv").code == 2


@pytest.mark.parametrize("text", ["maybe", "2", SECRET])
def test_a_switch_that_is_neither_on_nor_off_is_refused(opbx: Opbx, text: str) -> None:
    outcome = opbx("webhook-url", OPBX_NO_INPUT=text)
    assert (outcome.code, outcome.stdout) == (3, "")
    assert outcome.stderr.startswith("error: OPBX_NO_INPUT: expected 1, true, yes or on, ")
    assert opbx("webhook-url", "--no-input", APP_URL="https://a.example.com").code == 0


# Nothing is configured: these are understood, and end with that.
THREE = (("list", "--json"), ("--json", "webhook-url"))


@pytest.mark.parametrize(
    "argv",
    [
        ("--json",),
        ("--json", "webhook-url"),
        ("webhook-url", "--nonsense", "--json"),
        ("webhook-url", "--json", "--nonsense"),
        ("nonsense", "--json"),
        ("profiles", "--json"),
        ("profiles", "nonsense", "--json"),
        ("profiles", "use", "--json"),
        ("trunks", "show", "a", "b", "--json"),
        ("sandbox", "--port", "x", "--json"),
        ("webhook-url", "--nonsense", "-o", "json"),
        ("webhook-url", "--nonsense", "-ojson"),
        ("webhook-url", "--nonsense", "-qo", "json"),
        ("webhook-url", "--nonsense", "-vqojson"),
        ("webhook-url", "--nonsense", "--output", "json"),
        ("webhook-url", "--nonsense", "--output=json"),
        ("configure", "--json"),
        ("profiles", "list", "--json"),
    ],
)
def test_errors_are_documents_wherever_json_stands(opbx: Opbx, argv: tuple[str, ...]) -> None:
    outcome = opbx(*argv)
    assert outcome.stdout == ""
    assert outcome.stderr.count("\n") == 1
    error = outcome.error
    assert error["exit_code"] == outcome.code == (3 if argv[-2:] in THREE else 2)
    assert error.keys() == {"code", "message", "hint", "exit_code", "retryable", "http_status"}
    assert (error["retryable"], error["http_status"]) == (False, None)


def test_usage_errors_are_text_where_text_was_asked_for(opbx: Opbx) -> None:
    for argv in (
        ("webhook-url", "--nonsense", "-o", "text"),
        ("webhook-url", "--nonsense", "-otext"),
    ):
        assert opbx(*argv, OPBX_OUTPUT="json").stderr.startswith("error: opbx webhook-url: ")
    assert opbx("nonsense", OPBX_OUTPUT="json").error["exit_code"] == 2


def wrong_places(path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Command lines with a secret where it does not belong."""
    yield (f"--{SECRET}",)
    yield (f"-{SECRET}",)
    yield (f"--unknown={SECRET}",)
    yield ("--unknown", SECRET)
    yield (f"--json={SECRET}",)
    yield ("--profile", SECRET)
    yield (f"-p{SECRET}",)
    yield ("-o", SECRET)
    yield (SECRET,) * 4
    for name, option in options(path).items():
        if not option.is_flag and not option.count:
            yield (name, SECRET)


@every_command
def test_a_secret_typed_in_a_wrong_place_never_comes_back(
    opbx: Opbx, path: tuple[str, ...]
) -> None:
    for wrong in wrong_places(path):
        for extra in ((), ("--json",)):
            outcome = opbx(*path, *extra, *wrong, OPBX_DEBUG="1" if extra else "")
            assert outcome.code not in (0, 1), (wrong, outcome)
            assert MARK not in outcome.stdout + outcome.stderr, (wrong, outcome)


@pytest.mark.parametrize("path", GROUPS)
def test_an_unknown_command_is_not_repeated(opbx: Opbx, path: tuple[str, ...]) -> None:
    for words in ((SECRET,), (SECRET, "--json"), ("--json", SECRET), (f"-{SECRET}",)):
        outcome = opbx(*path, *words)
        assert (outcome.code, outcome.stdout) == (2, "")
        assert MARK not in outcome.stderr


def test_a_slip_of_the_finger_is_put_right(opbx: Opbx) -> None:
    assert "did you mean `opbx profiles`?" in opbx("profile").stderr
    assert "did you mean `opbx profiles rename`?" in opbx("profiles", "renam").stderr
    assert "did you mean --domain-uuid?" in opbx("configure", "--domain-uid", "x").stderr
    assert "--endpoint is used without its value" in opbx("webhook-url", "--endpoint").stderr
    assert "NAME is missing" in opbx("profiles", "use").stderr


def test_quiet_silences_notices_and_not_warnings(opbx: Opbx) -> None:
    argv = ("configure", "--domain-uuid", UUID, "--api-key-stdin")
    outcome = opbx(*argv, "-q", stdin="an-odd-key")
    assert outcome.code == 0
    assert outcome.stderr.startswith("warning: the domain API key does not look like")
    assert outcome.stderr.count("\n") == 1
    outcome = opbx("profiles", "remove", "default", "--yes", "--quiet")
    assert (outcome.code, outcome.stderr) == (0, "")
    outcome = opbx("profiles", "list", "-q", "-p", ".")
    assert outcome.stderr.startswith("error: --profile: ")


def test_verbose_traces_calls_without_secrets(storeless: Opbx) -> None:
    domain = storeless.environ["OPBX_DOMAIN_UUID"]
    outcome = storeless("trunks", "list", "-v")
    assert outcome.code == 0
    assert re.search(
        rf"GET http://127.0.0.1:\d+/.*/{domain}/trunks -> 200 OK in \d+ ms", outcome.stderr
    )
    for text in (storeless.environ["OPBX_DOMAIN_API_KEY"], "Bearer"):
        assert text not in outcome.stderr
    assert storeless("trunks", "list", "--json", "-v").document["schema"] == "opbx.trunks/1"
    assert storeless("trunks", "list").stderr == ""


def texts() -> Iterator[tuple[str, str]]:
    """Every text of the source that a user may see, with the file it stands in."""
    for path in sorted(Path(opbx_cli.__file__).parent.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for statement in tree.body:
            if not isinstance(statement, ast.Expr):  # what a module says of itself
                yield from ((_text(node), path.name) for node in ast.walk(statement))


def suggested() -> dict[str, str]:
    """Every command line in backticks, with the file it stands in."""
    return {line: name for text, name in texts() for line in re.findall(r"`(opbx [^`]*)`", text)}


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else "VALUE" for part in node.values)
        return "".join(map(str, parts))
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def parses(line: str) -> bool:
    command = line.partition(" | ")[0]
    words = [word for word in shlex.split(command)[1:] if word not in ("…", "...")]
    known = (n for n in range(len(words), -1, -1) if tuple(words[:n]) in TREE)
    path, rest = tuple(words[: (n := next(known))]), words[n:]
    if words[:1] == ["help"]:
        return words[1:] in [[topic] for topic in TOPICS]
    if path not in LEAVES:
        return rest in ([], ["--help"])
    try:
        LEAVES[path].make_context("opbx", rest)
    except Misuse:
        return False
    return True


@pytest.mark.parametrize("line", suggested())
def test_every_command_in_a_hint_parses(line: str) -> None:
    """VALUE stands for what is put in: a name, say, or options that may be none at all.

    In the command's place it is one of those that bring Cloudonix in line.
    """
    for command in ("validate", "apply domains.toml --no-store"):
        whole = line.replace("opbx VALUE", f"opbx {command}")
        assert parses(whole) or parses(whole.replace("VALUE", "")), suggested()[line]


def test_commands_in_hints_can_be_pasted() -> None:
    """No placeholder stands in one: what only the user knows has an example in its place."""
    in_ticks = {one for text, _ in texts() for one in re.findall(r"`([^`]+)`", text)}
    commands = {one for one in in_ticks if re.match(r"(opbx|export|unset|chmod|mv) ", one)}
    placeholder = re.compile(r"(?<![$\w-])(?!VALUE)[A-Z]{3,}(?![\w=])|…|\.\.\.|<\w+>")
    assert {one for one in commands if placeholder.search(one)} == set()


def test_options_in_hints_exist() -> None:
    known = {name for path in LEAVES for name in options(path)}
    named = {one for text, _ in texts() for one in re.findall(r"`(--[a-z-]+)[^`]*`", text)}
    assert named <= known
    assert len(suggested()) > 10


def examples() -> list[tuple[str, str]]:
    """Return each command's place in the tree with each of its examples."""
    groups = [("", COMMANDS), *((f"{name} ", entry.commands) for name, entry in COMMANDS.items())]
    return [
        (prefix + name, line)
        for prefix, entries in groups
        for name, entry in entries.items()
        if entry.place is not None
        for line in entry.examples or ("",)
    ]


@pytest.mark.parametrize(("path", "line"), examples())
def test_each_command_ends_its_help_with_examples_that_parse(
    opbx: Opbx, path: str, line: str
) -> None:
    assert line.startswith(f"opbx {path}")
    assert parses(line)
    shown = opbx(*path.split(), "--help").stdout
    assert " ".join(line.split()) in " ".join(shown.partition("Examples:")[2].split())
