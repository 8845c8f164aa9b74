"""The demo's work: a sandbox and a home for as long as it takes, and the commands in them."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
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
LISTEN = ["webhook", "listen", "--port", "0"]


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
        environ = {**environ, "APP_URL": listener.started()}
        commands = [["validate"], ["webhook-url", "--check", "--with-key"], ["sandbox", "call"]]
        commands += [["webhook-key", "rotate", "--grace", "15m"], ["sandbox", "call"]]
        commands.append(["sandbox", "call", "--wrong-key"])
        shown = [_run(ui, words, environ, beside=True) for words in commands]
    return [*shown, listener.shown], [0] * (len(shown) + 1)


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

    def __init__(self, ui: Ui, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._said = _Said(ui, process)
        self._follower = threading.Thread(target=self._said.follow, daemon=True)

    def started(self) -> str:
        """Wait until it says where it listens; return the URL."""
        for line in self._said:
            found = re.search(r"http://127\.0\.0\.1:[0-9]+", line)
            if found is not None:
                self._follower.start()
                return found[0]
        why = "".join(self._said.lines[:1]).strip() or "it said nothing"
        raise OpbxError(f"the listener did not start: {why}", code="demo.listener")

    def stop(self) -> None:
        is_serving = self._follower.ident is not None
        # As a person ends it; one that does not serve yet may have been told to ignore that.
        self._process.send_signal(signal.SIGINT if is_serving else signal.SIGTERM)
        callbacks = "" if self._process.stdout is None else self._process.stdout.read()
        if is_serving:
            self._follower.join()
        output = "".join([*self._said.lines, callbacks])
        self.shown = Shown(_line(LISTEN), self._process.wait(), output)


class _Said:
    """What a command says on stderr, passed on line by line; JSON keeps it for the document."""

    def __init__(self, ui: Ui, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        self.lines: list[str] = []
        self._ui = ui
        self._stream = process.stderr

    def __iter__(self) -> Iterator[str]:
        for line in iter(self._stream.readline, ""):
            self.lines.append(line)
            if self._ui.output != "json":
                self._ui.pass_on(line.rstrip("\n"))
            yield line

    def follow(self) -> None:
        for _line in self:
            pass


@contextmanager
def _listening(ui: Ui, environ: dict[str, str]) -> Iterator[_Listener]:
    if ui.output != "json":
        ui.show_line(f"$ {_line(LISTEN)} &")
    with subprocess.Popen(  # noqa: S603  # our own command
        [*_opbx(), *LISTEN],
        env=environ,
        stdout=subprocess.PIPE if ui.output == "json" else None,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        listener = _Listener(ui, process)
        try:
            yield listener
        finally:
            listener.stop()


def _run(
    ui: Ui, words: list[str], environ: dict[str, str], *, stdin: str = "", beside: bool = False
) -> Shown:
    """Run one command as a user would, showing its line first.

    `beside` is for one that runs while the listener writes to the same terminal: a wheel would
    not survive that, so its stderr is no terminal, but passed on.
    """
    line = _line(words) + (" < api-key.txt" if stdin else "")
    as_json = ui.output == "json"
    if not as_json:
        ui.show_line(f"$ {line}")
    with subprocess.Popen(  # noqa: S603  # our own command
        [*_opbx(), *words],
        env=environ,
        stdin=subprocess.PIPE,  # no terminal, also where it is empty: nobody is asked anything
        stdout=subprocess.PIPE if as_json else None,
        stderr=subprocess.STDOUT if as_json else subprocess.PIPE if beside else None,
        text=True,
    ) as process:
        if beside and not as_json:
            _Said(ui, process).follow()
        output = process.communicate(stdin)[0] or ""
    if not as_json:
        ui.show_line("" if process.returncode == 0 else f"(exit code {process.returncode})\n")
    return Shown(line, process.returncode, output)


def _line(words: list[str]) -> str:
    return "opbx " + shlex.join(words)


def _opbx() -> list[str]:
    return [sys.executable, "-m", "opbx_cli"]


def _plain_environment() -> dict[str, str]:
    """Return the environment without anything that is about opbx or OPBX."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OPBX_", "CLOUDONIX_")) and name != "APP_URL"
    }
