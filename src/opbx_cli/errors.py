"""Every error a user can meet, drawn as one tree, each branch with its exit code.

    OpbxError
    ├── UsageError           2    the command line, or an answer to a prompt
    ├── ConfigurationError   3    a setting missing or impossible
    ├── CredentialsError     4    missing, rejected (401), not allowed (403)
    ├── NotFoundError        5    the domain or trunk does not exist
    ├── RemoteError          6    Cloudonix refused, or its answer makes no sense
    ├── UnreachableError     7    network, TLS, time-out, overload: safe to run again
    ├── PartialError         9    some steps done, some not
    ├── StoreError          10    the store: key, damage, permissions, lock
    └── Interrupted        130    Ctrl-C
        ├── Terminated    143    SIGTERM
        └── HungUp        129    SIGHUP

A message says what failed and on which thing; a hint is the one next step. Neither
ever repeats a value that somebody typed: it may be a secret in the wrong place.
"""

from __future__ import annotations

import copy
from typing import ClassVar

from opbx_cli.error_codes import ErrorCode

DONE = 0
UNEXPECTED = 1
DIFFERS = 8


class OpbxError(Exception):
    """What went wrong (`message`), a stable name for it (`code`), and what to do (`hint`)."""

    exit_code: ClassVar[int] = UNEXPECTED
    default_code: ClassVar[ErrorCode] = ErrorCode.UNEXPECTED
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: ErrorCode | None = None,
        http_status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.request = ""  # how the message names the request of an API
        self.reason = message  # the message without what was tried
        self.hint = hint
        self.code = code or self.default_code
        self.http_status = http_status

    def with_more(self, said: str, *, hint: str | None = None) -> OpbxError:
        """Return the same error with more said at its end, and this hint in place of its own."""
        more = copy.copy(self)
        more.message, more.hint = self.message + said, hint or self.hint
        more.reason = self.reason + said
        return more

    def about(self, name: str) -> OpbxError:
        """Return the same error with who it is about in front."""
        named = copy.copy(self)
        named.message = f"{name}: {self.message}"
        return named

    @property
    def message_for_people(self) -> str:
        """Return the message without the request of an API, which says nothing to an owner."""
        return self.message.replace(self.request, "") if self.request else self.message

    def as_object(self) -> dict[str, object]:
        """Return the error as JSON shows it."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "exit_code": self.exit_code,
            "retryable": self.retryable,
            "http_status": self.http_status,
        }


class UsageError(OpbxError):
    exit_code = 2
    default_code = ErrorCode.USAGE


class ConfigurationError(OpbxError):
    exit_code = 3
    default_code = ErrorCode.CONFIGURATION


class CredentialsError(OpbxError):
    exit_code = 4
    default_code = ErrorCode.AUTH_REJECTED


class NotFoundError(OpbxError):
    exit_code = 5
    default_code = ErrorCode.NOT_FOUND


class RemoteError(OpbxError):
    exit_code = 6
    default_code = ErrorCode.REMOTE_REFUSED


class UnreachableError(OpbxError):
    """Nothing is known to be wrong with the request: running it again is safe.

    `doubtful` is true where the request may have reached Cloudonix all the same, so
    that a write must be looked for before it is sent once more.
    """

    exit_code = 7
    default_code = ErrorCode.NETWORK_UNREACHABLE
    retryable = True

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: ErrorCode | None = None,
        http_status: int | None = None,
        doubtful: bool = False,
    ) -> None:
        super().__init__(message, hint=hint, code=code, http_status=http_status)
        self.doubtful = doubtful


class PartialError(OpbxError):
    exit_code = 9
    default_code = ErrorCode.VALIDATE_PARTIAL


class StoreError(OpbxError):
    exit_code = 10
    default_code = ErrorCode.STORE


class Interrupted(OpbxError):
    """Somebody asked the command to end, with Ctrl-C."""

    exit_code = 130
    default_code = ErrorCode.INTERRUPTED


class Terminated(Interrupted):
    """SIGTERM: a cancelled job, `docker stop`. The code is 128 and its number, as in shells."""

    exit_code = 143


class HungUp(Interrupted):
    """SIGHUP: the terminal went away."""

    exit_code = 129
