"""Start-up is a feature: nothing heavy is loaded by a command that does not use it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from opbx_cli.cli.commands import COMMANDS
from support import Opbx

HEAVY = {
    "anyio",
    "asyncio",
    "click",
    "cryptography",
    "h11",
    "httpx",
    "json",
    "opbx_cli.webhooks.receiver",
    "platformdirs",
    "pydantic",
    "rich",
    "ssl",
    "starlette",
    "tomli_w",
    "tomllib",
    "uvicorn",
}
STORE = {"cryptography", "tomli_w", "tomllib"}
# The modules of the command line that all commands have in common.
LIGHT = {
    "app",
    "command_line",
    "commands",
    "inherited_signals",
    "input",
    "input.key_files",
    "input.options",
    "main",
    "output",
    "output.runners",
    "output.terminals",
    "output.ui",
    "signals",
    "topics",
    "tree",
    "usage_errors",
}


def loaded_by(opbx: Opbx, argv: list[str]) -> set[str]:
    code = (
        "import os, sys; from opbx_cli.cli.main import run; "
        "run(sys.argv[1:], os.environ); print('loaded', *sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *argv],
        capture_output=True,
        text=True,
        env=opbx.process_environ(),
        check=True,
    )
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("argv", "allowed"),
    [
        (["--version"], set()),
        (["--help"], set()),
        (["trunks", "list", "--help"], set()),
        (["webhook-url", "--endpoint", "base"], STORE),
        (["configure", "--no-answer-timeout", "0"], set()),
    ],
)
def test_only_what_a_command_uses_is_loaded(
    configured: Opbx, argv: list[str], allowed: set[str]
) -> None:
    loaded = loaded_by(configured, argv)
    assert "opbx_cli.cli.main" in loaded
    assert loaded & HEAVY <= allowed


@pytest.mark.parametrize(
    "argv",
    [["--version"], ["--help"], ["profiles", "--help"], ["trunks"], ["nonsense"], []],
    ids=" ".join,
)
def test_what_runs_no_command_imports_none(opbx: Opbx, argv: list[str]) -> None:
    ours = {name for name in loaded_by(opbx, argv) if name.startswith("opbx_cli.cli.")}
    assert {name.removeprefix("opbx_cli.cli.") for name in ours} == LIGHT


def test_a_command_imports_no_other_one(configured: Opbx) -> None:
    places = {
        entry.place.partition(":")[0]
        for group in (COMMANDS, *(entry.commands for entry in COMMANDS.values()))
        for entry in group.values()
        if entry.place is not None
    }
    loaded = loaded_by(configured, ["profiles", "list"])
    assert {place for place in places if f"opbx_cli.cli.commands.{place}" in loaded} == {"profiles"}


def test_off_a_terminal_a_table_loads_no_rich(configured: Opbx) -> None:
    assert "rich" not in loaded_by(configured, ["profiles", "list"])


@pytest.mark.parametrize("form", ["markdown", "junit"])
def test_a_report_loads_no_module_with_rich(configured: Opbx, form: str) -> None:
    # Ours alone: httpx loads rich itself where Click happens to be installed.
    ours = {f"opbx_cli.cli.output.{name}" for name in ("terminal", "progress")}
    for argv in (["status"], ["validate", "--all"]):
        loaded = loaded_by(configured, [*argv, "-o", form])
        assert f"opbx_cli.cli.output.{form}" in loaded
        assert not loaded & ours


def test_the_storeless_mode_does_without_the_store(storeless: Opbx) -> None:
    loaded = loaded_by(storeless, ["trunks", "list"])
    assert "httpx" in loaded
    assert not loaded & STORE
