"""A key that another program prints: the keeper of a team's secrets, say.

The program is run without a shell. Its stderr is the user's, and so is the terminal, where it may
ask; stdin that is no terminal is opbx's own. It gets none of the variables that hold opbx's keys.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO

from opbx_cli.key_shapes import has_key_shape
from opbx_cli.models import Secret
from opbx_cli.settings import KEYS, OPENS_THE_STORE

TIMEOUT = 30.0  # seconds
SIZE_MAX = 4096  # bytes; a key has 255 characters at most
_PATIENCE = 1.0  # seconds that a program has to end when asked, and its output to come to an end


class KeyCommandFailed(Exception):  # worded by whoever named the command
    """Why there is no key; neither the command's words nor what it printed are in it."""


def key_from_command(
    words: Sequence[str],
    environ: Mapping[str, str],
    *,
    without: frozenset[str] = frozenset(),
    timeout: float = TIMEOUT,
) -> Secret:
    """Run the program and return the one line that it prints, or raise KeyCommandFailed.

    `without` names more variables that it does not get.
    """
    if any(map(has_key_shape, words)):
        raise KeyCommandFailed("has a key in it, which the list of processes would show")
    kept_back = {*KEYS, *OPENS_THE_STORE, *without}
    child = {name: text for name, text in environ.items() if name not in kept_back}
    with _running(list(words), child) as process:
        return _line(_answer(process, timeout))


@contextmanager
def _running(words: list[str], environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program, and leave none running whatever comes.

    A thread starts it: Python raises in the main thread for a request to end, which there could
    come when the program runs already and nobody knows of it yet.
    """
    started: list[subprocess.Popen[bytes] | Exception] = []
    starter = threading.Thread(target=_start, args=(words, environ, started))
    try:
        starter.start()
        starter.join()
        (process,) = started
        if isinstance(process, Exception):
            reason = getattr(process, "strerror", None) or "not a command"
            raise KeyCommandFailed(f"could not be started: {reason}")
        yield process
    finally:
        starter.join()
        for process in started:
            if isinstance(process, subprocess.Popen):
                _end(process)


def _start(
    words: list[str], environ: dict[str, str], started: list[subprocess.Popen[bytes] | Exception]
) -> None:
    try:
        process = subprocess.Popen(  # noqa: S603  # the user's own command, without a shell
            words,
            env=environ,
            stdin=None if os.isatty(0) else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
    except (OSError, ValueError) as error:
        started.append(error)
    else:
        started.append(process)


def _answer(process: subprocess.Popen[bytes], timeout: float) -> bytes:
    """Return what a program printed until it ended well; one left running may hold the pipe."""
    assert process.stdout is not None
    chunks: list[bytes] = []
    reader = threading.Thread(target=_collect, args=(process.stdout, chunks), daemon=True)
    reader.start()
    try:
        code = process.wait(timeout)
    except subprocess.TimeoutExpired:
        raise KeyCommandFailed(f"did not end within {timeout:g} s") from None
    reader.join(_PATIENCE)
    content = b"".join(chunks)
    if len(content) > SIZE_MAX:
        raise KeyCommandFailed("printed more than a key")
    if code < 0:
        raise KeyCommandFailed(f"was ended by {_signal_name(-code)}")
    if code:
        raise KeyCommandFailed(f"ended with exit code {code}")
    return content


def _collect(pipe: IO[bytes], chunks: list[bytes]) -> None:
    """Read to the end, or so far that it cannot be a key; closed then, the pipe stops the rest."""
    with pipe, suppress(OSError):
        while sum(map(len, chunks)) <= SIZE_MAX:
            chunk = os.read(pipe.fileno(), SIZE_MAX)
            if not chunk:
                return
            chunks.append(chunk)


def _line(content: bytes) -> Secret:
    lines = content.decode("utf-8", errors="replace").strip().splitlines()
    if not lines:
        raise KeyCommandFailed("printed nothing")
    if len(lines) > 1:
        raise KeyCommandFailed("printed more than one line")
    return Secret(lines[0])


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave no program running and none unwaited for, also where this one is asked to end."""
    for ask in (process.terminate, process.kill):
        if process.poll() is not None:
            return
        with suppress(PermissionError):  # it became another user
            ask()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
