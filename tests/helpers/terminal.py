"""A real terminal for tests: opbx on a pseudo-terminal that answers as a person would."""

from __future__ import annotations

import codecs
import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from support import MEASURED

DEADLINE = 30.0  # seconds; only a test that fails ever waits for it
LINE_FEED, CTRL_C, CTRL_D = "\n", "\x03", "\x04"
UP, LEFT, HOME, BACKSPACE = "\x1b[A", "\x1b[D", "\x1b[H", "\x7f"

# Makes a terminal that it inherits its controlling one, then becomes the program. A program of
# its own, because forking a test process that has threads (a sandbox) is not safe.
_LAUNCHER = """
import fcntl, os, sys, termios
terminal = int(sys.argv[1])
fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
for stream in sys.argv[2]:
    os.dup2(terminal, int(stream))
os.close(terminal)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Terminal:
    """opbx with a controlling terminal; streams that are not on it are pipes or files.

    Or another `program`, by its path: a shell.
    """

    def __init__(
        self,
        *argv: str,
        environ: Mapping[str, str],
        program: str | None = None,
        columns: int = 80,
        rows: int = 24,
        stdin: bytes | None = None,
        stdout: IO[bytes] | None = None,
        stderr: IO[bytes] | None = None,
    ) -> None:
        self.shown = ""
        self._is_there = True
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        streams = [
            str(number) for number, other in enumerate((stdin, stdout, stderr)) if other is None
        ]
        launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER]
        command = [sys.executable, "-m", "opbx_cli"] if program is None else [program]
        with _content(stdin) as source:
            self._process = subprocess.Popen(
                [*launcher, str(slave), "".join(streams), *command, *argv],
                stdin=source,
                stdout=stdout or subprocess.DEVNULL,
                stderr=stderr or subprocess.DEVNULL,
                env={"TERM": "xterm-256color", **MEASURED, **environ},
                start_new_session=True,
                pass_fds=[slave],
            )
        os.close(slave)

    def expect(self, text: str) -> str:
        """Wait until the terminal shows `text`; return all that came up to it since last time."""
        deadline = time.monotonic() + DEADLINE
        while text not in self.shown:
            if not self._receive(deadline):
                raise AssertionError(f"{text!r} never came; there was {self.shown!r}")
        before, _, self.shown = self.shown.partition(text)
        return before + text

    def send(self, line: str, end: str = LINE_FEED) -> None:
        os.write(self._master, f"{line}{end}".encode())

    def answer(self, answers: Mapping[str, str]) -> str:
        """Answer each question with what stands beside it; return all that was shown."""
        deadline = time.monotonic() + DEADLINE
        everything = ""
        while self._receive(deadline):
            for question, answer in answers.items():
                if self.shown.endswith(question):
                    everything, self.shown = everything + self.shown, ""
                    self.send(answer)
        return everything + self.finish()

    def finish(self) -> str:
        """Wait for the end; return all that was shown since the last `expect`."""
        deadline = time.monotonic() + DEADLINE
        while self._receive(deadline):
            pass
        self._process.wait(DEADLINE)
        rest, self.shown = self.shown, ""
        return rest

    @property
    def exit_code(self) -> int:
        return self._process.wait(DEADLINE)

    @property
    def echoes(self) -> bool:
        """Tell whether what is typed shows on the terminal."""
        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)

    def hang_up(self) -> None:
        """Go away, as a terminal does whose window is closed."""
        os.close(self._master)
        self._is_there = False

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(DEADLINE)
        if self._is_there:
            os.close(self._master)

    def _receive(self, deadline: float) -> bool:
        """Take what the terminal shows next; False when the program is gone."""
        ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise AssertionError(f"nothing more came; there was {self.shown!r}")
        try:
            piece = os.read(self._master, 65536)
        except OSError:  # how Linux says that nobody has the other end any more
            return False
        # Joined first, because a piece may end between the two characters of a line break.
        self.shown = (self.shown + self._decoder.decode(piece)).replace("\r\n", "\n")
        return bool(piece)


@contextmanager
def on_terminal(
    *argv: str,
    environ: Mapping[str, str],
    columns: int = 80,
    stdin: bytes | None = None,
    stdout: Path | None = None,
    stderr: Path | None = None,
) -> Iterator[Terminal]:
    """Run opbx on a terminal; `stdin` is piped in, `stdout` and `stderr` go to files."""
    with _opened(stdout) as out, _opened(stderr) as err:
        terminal = Terminal(
            *argv, environ=environ, columns=columns, stdin=stdin, stdout=out, stderr=err
        )
        try:
            yield terminal
        finally:
            terminal.close()


def shown_on_terminal(*argv: str, environ: Mapping[str, str], columns: int = 80) -> tuple[int, str]:
    """Run opbx on a terminal without typing anything; return its exit code and the screen."""
    with on_terminal(*argv, environ=environ, columns=columns) as terminal:
        shown = terminal.finish()
        return terminal.exit_code, shown


@contextmanager
def _opened(path: Path | None) -> Iterator[IO[bytes] | None]:
    if path is None:
        yield None
        return
    with path.open("wb") as file:
        yield file


@contextmanager
def _content(data: bytes | None) -> Iterator[int]:
    """A stdin that has `data` and ends; small enough to wait in the pipe by itself."""
    if data is None:
        yield subprocess.DEVNULL
        return
    source, sink = os.pipe()
    try:
        os.write(sink, data)
        os.close(sink)
        yield source
    finally:
        os.close(source)
