"""The demo's work: a sandbox and a home for as long as it takes, and the commands in them."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from opbx_cli.cli.results import Demonstration, Shown
from opbx_cli.cli.ui import Ui
from opbx_cli.errors import ConfigurationError, OpbxError

WEBHOOK_BASE_URL = "https://pbx.example.com"


@dataclass(frozen=True, slots=True)
class _Sandbox:
    url: str
    uuid: str
    api_key: str


def demonstrate(ui: Ui, *, webhooks: bool) -> Demonstration:
    """Run the commands and show them; leave nothing behind."""
    with tempfile.TemporaryDirectory(prefix="opbx-demo-") as home, _sandbox() as sandbox:
        environ = {
            **_plain_environment(),
            "OPBX_HOME": home,
            "APP_URL": WEBHOOK_BASE_URL,
            "CLOUDONIX_API_BASE_URL": sandbox.url,
        }
        words = ["configure", "--domain-uuid", sandbox.uuid, "--api-key-stdin"]
        configured = _run(ui, words, environ, stdin=sandbox.api_key)
        show_rest = _webhooks if webhooks else _main_commands
        shown, expected = show_rest(ui, environ)
    codes = [entry.exit_code for entry in (configured, *shown)]
    return Demonstration((configured, *shown), went_well=codes == [0, *expected])


def _main_commands(ui: Ui, environ: dict[str, str]) -> tuple[list[Shown], list[int]]:
    commands = [["validate", "--check"], ["validate"], ["validate"], ["trunks", "list"]]
    commands.append(["webhook-url"])
    return [_run(ui, words, environ) for words in commands], [8, 0, 0, 0, 0]


def _webhooks(ui: Ui, environ: dict[str, str]) -> tuple[list[Shown], list[int]]:
    """Show the whole loop on one machine: the sandbox calls, and the listener answers."""
    with _listening(ui, environ) as listener:
        environ = {**environ, "APP_URL": listener.url}
        commands = [["validate"], ["webhook-url", "--check", "--with-key"], ["sandbox", "call"]]
        commands += [["webhook-key", "rotate", "--grace", "15m"], ["sandbox", "call"]]
        commands.append(["sandbox", "call", "--wrong-key"])
        shown = [_run_beside(ui, words, environ) for words in commands]
    return [*shown, listener.shown], [0, 0, 0, 0, 0, 0, 0]


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


class _Listener:
    """`opbx webhook listen`, behind the other commands; `shown` is what became of it."""

    def __init__(self, ui: Ui, environ: dict[str, str]) -> None:
        words = ["webhook", "listen", "--port", "0"]
        self._line = "opbx " + shlex.join(words)
        self._ui = ui
        self._output: list[str] = []
        if ui.output != "json":
            ui.show_line(f"$ {self._line} &")
        self.process = subprocess.Popen(  # noqa: S603  # our own command
            [*_opbx(), *words],
            env=environ,
            stdout=subprocess.PIPE if ui.output == "json" else None,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.url = self._first_url()
        self._follower = threading.Thread(target=self._follow, daemon=True)
        self._follower.start()

    def stop(self) -> None:
        self.process.terminate()
        with self.process:
            callbacks = "" if self.process.stdout is None else self.process.stdout.read()
            self._follower.join()
        output = "".join([*self._output, callbacks])
        self.shown = Shown(self._line, self.process.returncode, output)

    def _first_url(self) -> str:
        """Wait until it says where it listens."""
        assert self.process.stderr is not None
        for line in iter(self.process.stderr.readline, ""):
            self._relay(line)
            found = re.search(r"http://127\.0\.0\.1:[0-9]+", line)
            if found is not None:
                return found[0]
        raise OpbxError("the listener did not start", code="demo.listener")

    def _follow(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._relay(line)

    def _relay(self, line: str) -> None:
        self._output.append(line)
        if self._ui.output != "json":
            self._ui.notice(line.rstrip("\n"))


@contextmanager
def _listening(ui: Ui, environ: dict[str, str]) -> Iterator[_Listener]:
    listener = _Listener(ui, environ)
    try:
        yield listener
    finally:
        listener.stop()


def _run(ui: Ui, words: list[str], environ: dict[str, str], *, stdin: str = "") -> Shown:
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


def _run_beside(ui: Ui, words: list[str], environ: dict[str, str]) -> Shown:
    """Run a command while the listener writes to the same terminal, which no wheel survives."""
    if ui.output == "json":
        return _run(ui, words, environ)
    line = "opbx " + shlex.join(words)
    ui.show_line(f"$ {line}")
    with subprocess.Popen(  # noqa: S603  # our own command
        [*_opbx(), *words], env=environ, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for said in process.stderr:
            ui.notice(said.rstrip("\n"))
    ui.show_line("" if process.returncode == 0 else f"(exit code {process.returncode})\n")
    return Shown(line, process.returncode, "")


def _opbx() -> list[str]:
    return [sys.executable, "-m", "opbx_cli"]


def _plain_environment() -> dict[str, str]:
    """Return the environment without anything that is about opbx or OPBX."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OPBX_", "CLOUDONIX_")) and name != "APP_URL"
    }
