"""A key on its way out of opbx: to stdout, or into a new file for its owner alone.

It is handed out before the store counts on it, so that no store waits for a key that nobody
has; what was handed out in vain is taken back, or said to open nothing.
"""

from __future__ import annotations

import os
from pathlib import Path

from opbx_cli import private_files
from opbx_cli.cli.output.ui import Ui
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import OpbxError, UsageError
from opbx_cli.key_shapes import path_looks_like_key
from opbx_cli.models import Secret

NOT_DELIVERED = ErrorCode.OUTPUT_NOT_DELIVERED


class ToStdout:
    """Prints the key alone. `what` names it in errors, `command` is how to have it in a file."""

    def __init__(self, ui: Ui, what: str, *, command: str, state: str | None = None) -> None:
        self._ui = ui
        self._what = what
        self._command = command
        self._state = state

    def hand_out(self, key: Secret) -> None:
        """Print the key, down to its reader or the disk. Raises `OpbxError` where that failed."""
        try:
            self._ui.hand_out(key.reveal())
        except OSError as error:
            raise OpbxError(
                f"{self._what} could not be written to stdout: "
                f"{_with_state(_reason(error), self._state)}",
                hint=f"`{self._command}` writes it to a file for you alone",
                code=NOT_DELIVERED,
            ) from error

    def take_back(self) -> None:
        self._ui.warn("the key that was printed opens nothing: no slot was added for it")


class ToFile:
    """Writes the key to a new file with mode 0600; `state` says what is so without it."""

    def __init__(self, ui: Ui, path: str, *, state: str | None = None) -> None:
        """Raises `UsageError` for a path that looks like a key: it would become a file's name."""
        if path_looks_like_key(path):
            raise UsageError("--to-file: this looks like a key: expected the path of a new file")
        self.path = Path(path).absolute()
        self._ui = ui
        self._state = state

    def hand_out(self, key: Secret) -> None:
        """Write the key to the file, as `write` does."""
        self.write(f"{key.reveal()}\n")

    def write(self, text: str) -> None:
        """Write the file, down to the disk.

        Raises `UsageError` where it is there already, `OpbxError` where it cannot be written;
        then no file is left.
        """
        try:
            private_files.write_new_synced(self.path, text.encode())
        except FileExistsError as error:
            raise UsageError(
                _with_state(
                    "--to-file: there is such a file already, and it stays as it is", self._state
                ),
                hint="give the path of a file that is not there yet",
                code=ErrorCode.USAGE_FILE_EXISTS,
            ) from error
        except OSError as error:
            reason = _with_state(_reason(error), self._state)
            raise OpbxError(
                f"--to-file: the file could not be written: {reason}", code=NOT_DELIVERED
            ) from error

    def take_back(self) -> None:
        """Remove the file: the store that its key was for was not saved."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            self._ui.warn(
                f"{self.path} could not be removed again ({_reason(error)}); its key opens "
                "nothing: no slot was added for it"
            )
        else:
            self._ui.warn(f"{self.path} was removed again: no slot was added for its key")


def _reason(error: OSError) -> str:
    return error.strerror or os.strerror(error.errno or 0)


def _with_state(sentence: str, state: str | None) -> str:
    return sentence if state is None else f"{sentence}; {state}"
