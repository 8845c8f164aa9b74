"""A sandbox of one's own: a process of opbx, for as long as something needs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from opbx_cli.cli.output.results import SandboxAddress
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError
from opbx_cli.installation import own_program
from opbx_cli.sandbox import DomainCredentials, OpbxCredentials


@contextmanager
def running_sandbox(*, plays_opbx: bool) -> Iterator[SandboxAddress]:
    """Start the sandbox on any free port, and stop it.

    Ctrl-C is not for it: what uses it ends first.
    """
    argv = [*own_program(), "sandbox", "--port", "0", "--no-rate-limit", "--json"]
    argv += ["--opbx"] if plays_opbx else []
    with _started(argv) as process:
        try:
            assert process.stdout is not None
            yield _address(process, iter(process.stdout.readline, ""))
        finally:
            process.terminate()


def _started(argv: list[str]) -> subprocess.Popen[str]:
    """Start it with Ctrl-C ignored, which a program keeps over exec(2)."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return subprocess.Popen(  # noqa: S603  # our own command
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=plain_environment(),
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)


def plain_environment() -> dict[str, str]:
    """Return the environment without anything that is about opbx or OPBX."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OPBX_", "CLOUDONIX_")) and name != "APP_URL"
    }


def _address(process: subprocess.Popen[str], lines: Iterator[str]) -> SandboxAddress:
    """Read what the sandbox prints when it is ready, or raise what it says instead."""
    text = ""
    for line in lines:
        text += line
        if line == "}\n":
            document = json.loads(text)
            opbx = document["opbx"]
            made_up = {name: text for name, text in (opbx or {}).items() if name != "url"}
            return SandboxAddress(
                document["url"],
                tuple(DomainCredentials(**entry) for entry in document["domains"]),
                OpbxCredentials(**made_up) if opbx else None,
            )
    assert process.stderr is not None
    error = json.loads(process.stderr.read())["error"]
    raise ConfigurationError(error["message"], hint=error["hint"], code=ErrorCode.of(error["code"]))
