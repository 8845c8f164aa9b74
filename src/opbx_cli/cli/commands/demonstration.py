"""The demo's work: a sandbox and a home for as long as it takes, and the commands in them."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from opbx_cli.cli.output.results import Demonstration, SandboxAddress, Shown
from opbx_cli.cli.output.ui import Ui
from opbx_cli.cli.running_sandbox import plain_environment, running_sandbox
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError, OpbxError
from opbx_cli.installation import own_program

LISTEN = ["webhook", "listen", "--port", "0"]
PREFIX = "opbx-demo-"
MEMORY = "/dev/shm"  # noqa: S108  # a folder with a random name is made in it, for us alone
ABOUT_LISTENING = "Stand in for OPBX, beside the other commands."


@dataclass(frozen=True, slots=True)
class _Step:
    """A command with one sentence about it; `given` is a file for its stdin, and what is in it."""

    about: str
    words: list[str]
    given: tuple[str, str] = ("", "")


def demonstrate(ui: Ui, *, webhooks: bool) -> Demonstration:
    """Run the commands and show them; leave nothing behind."""
    with (
        _temporary_home() as home,
        running_sandbox(plays_opbx=not webhooks) as sandbox,
    ):
        environ = {
            **plain_environment(),
            "OPBX_HOME": home,
            "CLOUDONIX_API_BASE_URL": sandbox.url,
        }
        configured = _run(ui, _configure(sandbox), environ)
        if webhooks:
            shown = _webhooks(ui, environ)
        else:
            shown = [_run(ui, step, environ) for step in _triangle(sandbox)]
    everything = (configured, *shown)
    return Demonstration(everything, went_well=not any(one.exit_code for one in everything))


def _temporary_home() -> tempfile.TemporaryDirectory[str]:
    """Make a home for the demo; in memory where no disk can be written, as in some containers."""
    with suppress(FileNotFoundError):
        return tempfile.TemporaryDirectory(prefix=PREFIX)
    if os.access(MEMORY, os.W_OK | os.X_OK):
        return tempfile.TemporaryDirectory(prefix=PREFIX, dir=MEMORY)
    raise ConfigurationError(
        "the demo needs a folder for temporary files, and can write to none",
        hint="name one that you can write, as in `export TMPDIR=/srv/tmp`",
        code=ErrorCode.CONFIGURATION_HOME,
    )


def _configure(sandbox: SandboxAddress) -> _Step:
    domain = sandbox.domains[0]
    return _Step(
        "Save the domain and its API key, which comes from a file and is saved encrypted.",
        ["configure", "--domain-uuid", domain.uuid, "--api-key-stdin"],
        given=("api-key.txt", domain.api_key),
    )


def _triangle(sandbox: SandboxAddress) -> list[_Step]:
    """Bring the store, Cloudonix and OPBX together, and prove it with calls."""
    owner = sandbox.opbx
    assert owner is not None
    connect = ["instance", "connect", sandbox.url, "--email", owner.email, "--password-stdin"]
    return [
        _Step(
            "Sign in to OPBX as the organisation's owner; the password is saved nowhere.",
            connect,
            given=("password.txt", owner.password),
        ),
        _Step("Take over the settings that OPBX has.", ["instance", "pull", "--yes"]),
        _Step("Bring Cloudonix in line with them, and compare OPBX's copy.", ["validate"]),
        _Step("Have Cloudonix send OPBX what it sends for a call.", ["sandbox", "call"]),
        _Step("Give Cloudonix and OPBX a new webhook key.", ["webhook-key", "rotate"]),
        _Step("Call again: OPBX takes the new key.", ["sandbox", "call"]),
        _Step("See each setting here, in Cloudonix and in OPBX.", ["status"]),
        _Step("List the trunks that calls go out through.", ["trunks", "list"]),
        _Step("Print where Cloudonix reaches OPBX.", ["webhook-url"]),
    ]


def _webhooks(ui: Ui, environ: dict[str, str]) -> list[Shown]:
    """Show the whole loop on one machine: the sandbox calls, and the listener answers."""
    steps = [
        _Step("Point Cloudonix at the listener.", ["validate"]),
        _Step("Prove that callbacks arrive.", ["webhook-url", "--check", "--with-key"]),
        _Step("Have Cloudonix send what it sends for a call.", ["sandbox", "call"]),
        _Step(
            "Put a new webhook key in force; the listener takes the old one for a while.",
            ["webhook-key", "rotate", "--grace", "15m"],
        ),
        _Step("Call again, with the new key.", ["sandbox", "call"]),
        _Step("See that a made-up key is refused.", ["sandbox", "call", "--wrong-key"]),
    ]
    with _listening(ui, environ) as listener:
        environ = {**environ, "APP_URL": listener.started()}
        shown = [_run(ui, step, environ, beside=True) for step in steps]
    return [*shown, listener.shown]


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
        raise OpbxError(f"the listener did not start: {why}", code=ErrorCode.DEMO_LISTENER)

    def stop(self) -> None:
        is_serving = self._follower.ident is not None
        # As a person ends it; one that does not serve yet may have been told to ignore that.
        self._process.send_signal(signal.SIGINT if is_serving else signal.SIGTERM)
        callbacks = "" if self._process.stdout is None else self._process.stdout.read()
        if is_serving:
            self._follower.join()
        output = "".join([*self._said.lines, callbacks])
        self.shown = Shown(ABOUT_LISTENING, _line(LISTEN), self._process.wait(), output)


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
        ui.show_line(ABOUT_LISTENING)
        ui.show_line(f"$ {_line(LISTEN)} &")
    with subprocess.Popen(  # noqa: S603  # our own command
        [*own_program(), *LISTEN],
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


def _run(ui: Ui, step: _Step, environ: dict[str, str], *, beside: bool = False) -> Shown:
    """Run one command as a user would, showing its sentence and its line first.

    `beside` is for one that runs while the listener writes to the same terminal: a wheel would
    not survive that, so its stderr is no terminal, but passed on.
    """
    file, stdin = step.given
    line = _line(step.words) + (f" < {file}" if file else "")
    as_json = ui.output == "json"
    if not as_json:
        ui.show_line(step.about)
        ui.show_line(f"$ {line}")
    with subprocess.Popen(  # noqa: S603  # our own command
        [*own_program(), *step.words],
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
    return Shown(step.about, line, process.returncode, output)


def _line(words: list[str]) -> str:
    return "opbx " + shlex.join(words)
