"""Becoming another program, with secrets in its environment and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import ClassVar, NoReturn

from opbx_cli.cli.inherited_signals import InheritedSignals
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
    try:
        if sys.platform == "win32":
            sys.exit(subprocess.run(words, env=environ, check=False).returncode)  # noqa: S603
        os.execvpe(words[0], words, environ)  # noqa: S606  # no shell is what is wanted
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundCommandError("the command to run was not found") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a command"
        raise NotRunnableError(f"the command cannot be run: {reason}") from error
