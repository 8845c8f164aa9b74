"""The demo's work: a sandbox and a home for as long as it takes, and the commands in them."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from opbx_cli.cli.results import Demonstration, Shown
from opbx_cli.cli.ui import Ui
from opbx_cli.errors import ConfigurationError

WEBHOOK_BASE_URL = "https://pbx.example.com"


@dataclass(frozen=True, slots=True)
class _Sandbox:
    url: str
    uuid: str
    api_key: str


def demonstrate(ui: Ui) -> Demonstration:
    """Run the commands and show them; leave nothing behind."""
    with tempfile.TemporaryDirectory(prefix="opbx-demo-") as home, _sandbox() as sandbox:
        environ = {
            **_plain_environment(),
            "OPBX_HOME": home,
            "APP_URL": WEBHOOK_BASE_URL,
            "CLOUDONIX_API_BASE_URL": sandbox.url,
        }
        configure = ["configure", "--domain-uuid", sandbox.uuid, "--api-key-stdin"]
        shown = [
            _run(ui, words, stdin, environ)
            for words, stdin in (
                (configure, sandbox.api_key),
                (["validate", "--check"], ""),
                (["validate"], ""),
                (["validate"], ""),
                (["trunks", "list"], ""),
                (["webhook-url"], ""),
            )
        ]
    codes = [entry.exit_code for entry in shown]
    return Demonstration(tuple(shown), went_well=codes == [0, 8, 0, 0, 0, 0])


@contextmanager
def _sandbox() -> Iterator[_Sandbox]:
    """Start the sandbox on any free port, and stop it."""
    argv = [*_opbx(), "sandbox", "--port", "0", "--no-rate-limit", "--json"]
    with subprocess.Popen(  # noqa: S603  # our own command
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_plain_environment(), text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield _parsed(process, iter(process.stdout.readline, ""))
        finally:
            process.terminate()


def _parsed(process: subprocess.Popen[str], lines: Iterator[str]) -> _Sandbox:
    text = ""
    for line in lines:
        text += line
        if line == "}\n":
            document = json.loads(text)
            first = document["domains"][0]
            return _Sandbox(document["url"], first["uuid"], first["api_key"])
    assert process.stderr is not None
    error = json.loads(process.stderr.read())["error"]
    raise ConfigurationError(error["message"], hint=error["hint"], code=error["code"])


def _run(ui: Ui, words: list[str], stdin: str, environ: dict[str, str]) -> Shown:
    """Run one command as a user would, showing its line first."""
    line = "opbx " + shlex.join(words) + (" < api-key.txt" if stdin else "")
    if ui.output == "json":
        done = subprocess.run(  # noqa: S603  # our own command
            [*_opbx(), *words],
            input=stdin,
            env=environ,
            text=True,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return Shown(line, done.returncode, done.stdout)
    ui.show_line(f"$ {line}")
    done = subprocess.run(  # noqa: S603  # our own command
        [*_opbx(), *words], input=stdin, env=environ, text=True, check=False
    )
    ui.show_line("" if done.returncode == 0 else f"(exit code {done.returncode})\n")
    return Shown(line, done.returncode, "")


def _opbx() -> list[str]:
    return [sys.executable, "-m", "opbx_cli"]


def _plain_environment() -> dict[str, str]:
    """Return the environment without anything that is about opbx or OPBX."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OPBX_", "CLOUDONIX_")) and name != "APP_URL"
    }
