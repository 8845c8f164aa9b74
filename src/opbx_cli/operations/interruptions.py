"""Requests to end a run, and what a step that was cut off is told to be."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from opbx_cli.errors import Interrupted


class Interruptions(Protocol):
    """Requests to end, which wait while a write is under way."""

    def held(self) -> AbstractContextManager[None]:
        """Let a request wait until the block ends, some seconds at most."""

    def check(self) -> None:
        """Raise `KeyboardInterrupt` if a request waits."""


class NoInterruptions:
    """For a thread that no signal reaches."""

    def held(self) -> AbstractContextManager[None]:
        return nullcontext()

    def check(self) -> None:
        return


def given_up() -> Interrupted:
    """Return the error of a step that was cut off while it wrote."""
    return Interrupted(
        "interrupted while it was being written: it may have been carried out",
        hint="run the same command again: it looks first",
    )
