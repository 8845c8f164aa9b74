"""What the tests drive: the command, inside this process or as the installed program."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import coverage

import declared
from opbx_cli.cli.main import run

WEBHOOK_BASE_URL = "https://pbx.example.com"


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        content = json.loads(self.stdout)
        assert isinstance(content, dict)
        return content

    @property
    def error(self) -> dict[str, Any]:
        """The error in the JSON document that ends stderr."""
        content = json.loads(self.stderr.splitlines()[-1])["error"]
        assert isinstance(content, dict)
        return content


# What makes a process measure its coverage, for those that no test inside this process covers;
# measuring all of them would double the suite's time.
PROJECT = Path(__file__).parents[2]
MEASURED = (
    {
        "COVERAGE_PROCESS_START": str(PROJECT / "pyproject.toml"),
        "COVERAGE_FILE": str(PROJECT / ".coverage"),
    }
    if coverage.Coverage.current()
    else {}
)
# Ours to set, or set by pytest-xdist for its workers.
LEFT_OUT = {"APP_URL", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"}


@dataclass
class Opbx:
    """Runs opbx with a home and an environment of its own.

    Called, it runs inside this process, through the same boundary as the real command and
    without waiting between retries: `waits` has what it would have waited, and `sleep` is
    told, so that a sandbox can let the time pass. `process` runs the installed program. Every
    exit code and JSON document is compared with the reference, unless the opbx is not ours.
    """

    home: Path
    environ: dict[str, str] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    sleep: Callable[[float], None] = lambda _seconds: None
    is_ours: bool = True

    def __call__(self, *argv: str, stdin: str = "", **variables: str) -> Outcome:
        stdout, stderr = io.StringIO(), io.StringIO()
        environ = {**self.environ, **variables}
        before, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(stdin.encode()))
        try:
            with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
                code = run(list(argv), environ, sleep=self._wait)
        finally:
            sys.stdin = before
        return self._checked(argv, Outcome(code, stdout.getvalue(), stderr.getvalue()))

    def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.sleep(seconds)

    def process(self, *argv: str, stdin: str = "", **variables: str) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", "opbx_cli", *argv],
            input=stdin,
            capture_output=True,
            text=True,
            env=self.process_environ(**variables),
            cwd=self.home.parent,
            check=False,
            timeout=60,
        )
        return self._checked(argv, Outcome(done.returncode, done.stdout, done.stderr))

    def _checked(self, argv: tuple[str, ...], outcome: Outcome) -> Outcome:
        if self.is_ours:
            declared.check(argv, outcome.code, outcome.stdout, outcome.stderr)
        return outcome

    def process_environ(self, **variables: str) -> dict[str, str]:
        """The environment for a process: the machine's, without anything about opbx."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OPBX_", "CLOUDONIX_", "COVERAGE_")) and name not in LEFT_OUT
        }
        return {**kept, **self.environ, **variables}


def wait_until_open(path: Path, *, by: subprocess.Popen[str]) -> None:
    """Wait until a process has opened a file: a lock that is held is what it waits for then.

    A process that protects its memory shows its files to root alone; others see that it does,
    which is shortly before it opens a lock.
    """
    folder = Path(f"/proc/{by.pid}/fd")
    while folder.exists() and by.poll() is None:
        try:
            if any(descriptor.readlink() == path for descriptor in folder.iterdir()):
                return
        except PermissionError:
            break
        except OSError:  # closed meanwhile, or the process has ended
            continue
        os.sched_yield()
    time.sleep(1.5)
