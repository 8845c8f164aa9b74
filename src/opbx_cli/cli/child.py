"""Other programs: becoming one, and running one; secrets are in its environment alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import ClassVar, NoReturn

from opbx_cli.cli.inherited_signals import InheritedSignals
from opbx_cli.cli.signals import HANDLED
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import OpbxError
from opbx_cli.models import Secret
from opbx_cli.settings import KEY_FILES, OPENS_THE_STORE

# What opens the store, what would make an opbx in there ask for a stored profile, and what would
# name a key beside the one that it is given.
KEPT_BACK = (*OPENS_THE_STORE, "OPBX_PROFILE", *KEY_FILES.values())


class NotFoundCommandError(OpbxError):
    """As env(1) and the shells have it."""

    exit_code: ClassVar[int] = 127
    default_code: ClassVar[ErrorCode] = ErrorCode.EXEC_NOT_FOUND


class NotRunnableError(OpbxError):
    exit_code: ClassVar[int] = 126
    default_code: ClassVar[ErrorCode] = ErrorCode.EXEC_NOT_RUNNABLE


def become(
    words: list[str],
    *,
    environ: dict[str, str],
    secrets: Mapping[str, Secret],
    signals: InheritedSignals,
) -> NoReturn:
    """Replace this process: exit code and signals are then the command's own.

    Returns only by raising, where the command could not be started.
    """
    for name in KEPT_BACK:
        environ.pop(name, None)
    environ.update({name: secret.reveal() for name, secret in secrets.items()})
    signals.restore()
    with _worded():
        if sys.platform == "win32":
            sys.exit(subprocess.run(words, env=environ, check=False).returncode)  # noqa: S603
        os.execvpe(words[0], words, environ)  # noqa: S606  # no shell is what is wanted


def run_beside(words: list[str], *, environ: dict[str, str]) -> int:
    """Run a command and wait for it; return its exit code, as a shell has it where it was killed.

    Requests to end are the command's: it gets those that it does not have from the terminal.
    """
    with _worded():
        process = subprocess.Popen(words, env=environ)  # noqa: S603  # the user's own command

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGINT or not _is_in_foreground():
            process.send_signal(number)

    before = {number: signal.getsignal(number) for number in HANDLED}
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, pass_on)
        code = process.wait()
    except BaseException:  # a request to end that came before it could be passed on
        process.terminate()
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


def _is_in_foreground() -> bool:
    """Tell whether Ctrl-C at the terminal goes to this process, and so to what it started."""
    if sys.platform == "win32":
        return True
    try:
        terminal = os.open(os.ctermid(), os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


@contextmanager
def _worded() -> Iterator[None]:
    """Say why a command could not be started."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundCommandError("the command to run was not found") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a command"
        raise NotRunnableError(f"the command cannot be run: {reason}") from error
