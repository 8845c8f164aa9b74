"""What completion offers, without any shell; `test_completion_shells` presses Tab in real ones."""

from __future__ import annotations

import io
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import command_words
from opbx_cli.completion import candidates
from opbx_cli.completion import command_words as made
from opbx_cli.completion.answers import complete
from opbx_cli.completion.names import NAME_LENGTH_MAX, TRUNKS_MAX, TrunkNames
from opbx_cli.completion.scripts import SCRIPTS
from opbx_cli.sandbox.server import RunningSandbox
from support import Opbx

BREAKS = " \t\n\"'><=;|&(:"  # as bash has them


def answer(opbx: Opbx, shell: str, *texts: str) -> list[str]:
    """Ask as a shell's script does; return the lines of the answer."""
    question = io.BytesIO("".join(f"{text}\0" for text in texts).encode())
    target = io.BytesIO()
    assert complete(["__complete", shell], opbx.environ, question, target) == 0
    return target.getvalue().decode().splitlines()


def offered(opbx: Opbx, line: str) -> list[str]:
    kind, *words = answer(opbx, "bash", BREAKS, line)
    assert kind == "words"
    return words


def test_the_words_are_those_of_the_commands() -> None:
    found = {name: getattr(made, name) for name in command_words.words()}
    assert found == command_words.words(), "run `make completion`"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("opbx tr", ["trunks"]),
        ("opbx trunks ", ["list", "show"]),
        ("opbx -q --profile acme trunks l", ["list"]),
        ("opbx --profile=acme trunks s", ["show"]),
        ("OPBX_PROFILE=acme opbx trunks s", ["show"]),
        ("/usr/bin/opbx trunks s", ["show"]),
        ("opbx trunks list --dir", ["--direction"]),
        ("opbx trunks list --direction ", ["outbound", "inbound", "all"]),
        ("opbx trunks list --direction=in", ["inbound"]),
        ("opbx trunks list --direction 'in", ["inbound"]),
        ("opbx trunks list -o ", ["text", "json", "csv"]),
        ("opbx profiles list -o ", ["text", "json"]),
        ("opbx configure --recording-format ", ["wav", "mp3"]),
        ("opbx configure --unset no", ["no-answer-timeout"]),
        ("opbx configure --domain-uuid ", []),
        ("opbx webhook listen --as ", ["january", "july"]),
        ("opbx completion ", ["bash", "zsh", "fish", "powershell"]),
        ("opbx completion bash z", []),
        ("opbx help e", ["exec", "environment", "exit-codes"]),
        ("opbx help trunks ", ["list", "show"]),
        ("opbx sandbox ", ["call", "exec"]),
        ("opbx nonsense tr", []),
        ("opbx --vers", ["--version"]),
        ("opbx --nonsense=", []),
    ],
)
def test_words_follow_what_was_typed(opbx: Opbx, line: str, words: list[str]) -> None:
    assert offered(opbx, line) == words


def test_options_are_offered_where_no_argument_can_stand(opbx: Opbx) -> None:
    assert {"--check", "--all", "--json", "--help"} <= set(offered(opbx, "opbx validate "))
    assert offered(opbx, "opbx validate x") == []


@pytest.mark.parametrize(
    "line",
    [
        "opbx apply ",
        "opbx configure --api-key-file ",
        "opbx configure --api-key-file=k",
        "opbx webhook listen --save ",
        "opbx exec -- ",
        "opbx exec -- cat --number x",
    ],
)
def test_files_are_the_shells_own(opbx: Opbx, line: str) -> None:
    assert answer(opbx, "bash", BREAKS, line) == ["files"]


def test_profiles_are_read_without_the_stores_key(configured: Opbx) -> None:
    domain = "11111111-1111-4111-8111-111111111111"
    key = "XI0123456789abcdefghijABCDEFGHIJKL"
    argv = ("configure", "--domain-uuid", domain, "--api-key-stdin", "--profile", "pbx.example.com")
    assert configured(*argv, stdin=key).code == 0
    for path in (configured.home / "keys").iterdir():
        path.unlink()
    assert configured("profiles", "list").code == 10
    for line in ("profiles use ", "validate -p ", "validate --only ", "profiles rename "):
        assert offered(configured, f"opbx {line}") == ["default", "pbx.example.com"]
    assert offered(configured, "opbx validate --profile=p") == ["pbx.example.com"]
    assert offered(configured, "opbx profiles rename default pb") == []


@pytest.mark.parametrize("spoil", ["chmod", "damage", "remove", "home"])
def test_a_store_that_cannot_be_read_is_no_error(configured: Opbx, spoil: str) -> None:
    store = configured.home / "store.toml"
    if spoil == "chmod":
        store.chmod(0o644)
    elif spoil == "damage":
        store.write_bytes(b"\xff\xfe[profile.")
    elif spoil == "remove":
        store.unlink()
    else:
        configured.environ["OPBX_HOME"] = "a\nb"
    assert offered(configured, "opbx validate --profile ") == []
    assert offered(configured, "opbx trunks show x") == []


def test_trunks_are_offered_as_they_were_last_listed(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    assert offered(configured, "opbx trunks show c") == []
    assert configured("trunks", "list").code == 0
    sandbox.forget_requests()
    names = offered(configured, "opbx trunks show c")
    assert "carrier-main" in names
    assert offered(configured, "opbx -p default trunks show c") == names
    assert offered(configured, "opbx trunks show -p default c") == names
    assert offered(configured, "opbx trunks show -p other c") == []
    assert not sandbox.requests
    (path,) = (configured.home / "trunk-names").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.unlink()
    assert configured("trunks", "show", "carrier-main").code == 0
    assert offered(configured, "opbx trunks show c") == names


def test_trunks_of_many_profiles_are_remembered_and_forgotten_with_them(configured: Opbx) -> None:
    assert configured("trunks", "list", "--all").code == 0
    assert offered(configured, "opbx trunks show -p default c")
    assert configured("profiles", "rename", "default", "acme").code == 0
    assert configured("trunks", "list").code == 0
    assert [path.name for path in (configured.home / "trunk-names").iterdir()] == ["acme"]


def test_a_failure_to_remember_trunks_is_no_error(configured: Opbx) -> None:
    (configured.home / "trunk-names").write_text("in the way")
    done = configured("trunks", "list")
    assert (done.code, done.stderr) == (0, "")
    assert offered(configured, "opbx trunks show c") == []


def test_without_a_store_nothing_is_kept(storeless: Opbx) -> None:
    assert storeless("trunks", "list").code == 0
    assert not storeless.home.exists()


def test_names_of_trunks_are_bounded_and_can_be_typed(tmp_path: Path) -> None:
    names = TrunkNames(tmp_path / "names")
    many = [f"trunk {number}" for number in range(TRUNKS_MAX + 5)]
    unfit = ["", "two\nlines", "-x", "x" * (NAME_LENGTH_MAX + 1), "\u202eback"]
    names.remember("a", [None, *unfit, "it's", "it's", *many], profiles=["a"])
    assert names.of("a") == ("it's", *many[: TRUNKS_MAX - 1])
    assert names.of("b") == ()


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("it", r"it\'s\ 5\$"),
        ("'it", r"it'\''s 5$"),
        ('"it', r"it's 5\$"),
        (r"it\'s", r"it\'s\ 5\$"),
        ('"it"', r"it\'s\ 5\$"),
        ("carrier:b", r"b\ \"1\""),
        ('"carrier:b', r'carrier:b \"1\""'),
        (r"carrier\:b", r"carrier:b\ \"1\""),
        ("Z", r"Zürich"),
    ],
)
def test_bash_is_given_what_it_puts_in_place(configured: Opbx, line: str, word: str) -> None:
    names = TrunkNames(configured.home / "trunk-names")
    names.remember("default", ["it's 5$", 'carrier:b "1"', "Zürich"], profiles=["default"])
    assert offered(configured, f"opbx trunks show {line}") == [word]


def test_each_shell_reads_its_own_form(configured: Opbx) -> None:
    TrunkNames(configured.home / "trunk-names").remember(
        "default", ["a:b\\c"], profiles=["default"]
    )
    assert answer(configured, "zsh", "opbx", "trunks", "show", "a") == ["words", "a\\:b\\\\c"]
    assert answer(configured, "fish", "opbx trunks show 'a") == ["words", "a:b\\c"]
    assert answer(configured, "powershell", "opbx", "trunks", "show", "A") == ["words", "a:b\\c"]
    assert answer(configured, "powershell", "opbx", "trunks", "show", "b") == ["words"]
    help_text = made.COMMANDS["trunks list"]
    assert answer(configured, "zsh", "opbx", "trunks", "")[1] == f"list:{help_text}"
    assert answer(configured, "fish", "opbx trunks ")[1] == f"list\t{help_text}"
    assert answer(configured, "fish", r"opbx 'trunks' 's") == [
        "words",
        f"list\t{help_text}",
        f"show\t{made.COMMANDS['trunks show']}",
    ]
    assert answer(configured, "nonsense") == answer(configured, "zsh", "opbx", "")[:1] + [
        f"{name}\t{text}" if text else name
        for name, text in candidates.answer([], "", configured.environ).candidates
    ]


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_script_is_printed_whatever_shell_runs(opbx: Opbx, shell: str) -> None:
    done = opbx.process("completion", shell, SHELL="/bin/false")
    assert (done.code, done.stdout, done.stderr) == (0, SCRIPTS[shell], "")
    assert f"opbx __complete {shell}" in done.stdout.replace("$opbx", "opbx")


def test_an_unknown_shell_is_a_usage_error(opbx: Opbx) -> None:
    done = opbx("completion", "tcsh")
    assert done.code == 2
    assert "expected one of bash, zsh, fish, powershell" in done.stderr
    assert "tcsh" not in done.stderr


def test_the_options_of_the_library_are_gone(opbx: Opbx) -> None:
    assert "-completion" not in opbx("--help").stdout
    assert opbx("--install-completion").code == 2


def test_a_tab_loads_no_command_and_nothing_heavy(configured: Opbx) -> None:
    code = (
        "import sys; from opbx_cli import __main__; sys.argv = ['opbx', '__complete', 'fish']\n"
        "try: __main__.main()\n"
        "finally: print('loaded', *sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input="opbx validate --profile \0",
        capture_output=True,
        text=True,
        env=configured.process_environ(),
        check=True,
    )
    assert done.stdout == "words\ndefault\n"
    loaded = set(done.stderr.splitlines()[-1].split())
    heavy = {"cryptography", "httpx", "rich", "typer", "tomllib", "platformdirs", "json", "ssl"}
    assert not loaded & heavy
    assert not {name for name in loaded if name.startswith(("opbx_cli.cli", "opbx_cli.store."))}
