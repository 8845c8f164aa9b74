"""Start-up is a feature: nothing heavy is loaded by a command that does not use it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support import Opbx

HEAVY = {
    "anyio",
    "asyncio",
    "click",
    "cryptography",
    "h11",
    "httpx",
    "json",
    "opbx_cli.receiver",
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
    code = (
        "import os, sys; from opbx_cli.cli.main import run; "
        "run(sys.argv[1:], os.environ); print('loaded', *sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *argv],
        capture_output=True,
        text=True,
        env=configured.process_environ(),
        check=True,
    )
    loaded = set(done.stderr.splitlines()[-1].split())
    assert "opbx_cli.cli.main" in loaded
    assert loaded & HEAVY <= allowed
