"""Questions to the person at the terminal, and what takes their place without one."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from opbx_cli.errors import UsageError
from opbx_cli.models import Secret
from opbx_cli.settings import checked

Value = TypeVar("Value")


class Prompts(Protocol):
    """Asks; raises `UsageError` where there is nobody to ask or nothing comes back."""

    def ask(
        self, question: str, parse: Callable[[str], Value], *, current: str | None = None
    ) -> Value | None:
        """Ask for a value; None for an empty answer, which keeps what is there."""

    def ask_secret(
        self, question: str, parse: Callable[[str], Secret], *, current: Secret | None = None
    ) -> Secret | None:
        """Ask without echo; None for an empty answer, which keeps what is there."""

    def confirm(self, question: str) -> bool:
        """Ask for a yes; anything else is a no."""


class TerminalPrompts:
    """Asks on stderr, so that stdout stays the answer's; reads from the terminal."""

    def ask(
        self, question: str, parse: Callable[[str], Value], *, current: str | None = None
    ) -> Value | None:
        answer = self._line(f"{question}{_shown(current)}: ")
        return checked(parse, answer, question) if answer.strip() else None

    def ask_secret(
        self, question: str, parse: Callable[[str], Secret], *, current: Secret | None = None
    ) -> Secret | None:
        shown = _shown(None if current is None else current.mask)
        with _ending_its_line():
            answer = getpass.getpass(f"{question}{shown} (typing stays hidden): ", sys.stderr)
        return checked(parse, answer, question) if answer else None

    def confirm(self, question: str) -> bool:
        return self._line(f"{question} [y/N] ").strip().lower() in ("y", "yes")

    def _line(self, prompt: str) -> str:
        with _ending_its_line():
            print(prompt, end="", file=sys.stderr, flush=True)  # noqa: T201
            answer = sys.stdin.readline()
            if not answer:
                raise EOFError
        return answer.removesuffix("\n")


class NoPrompts:
    """Stands in where nobody may be asked: whatever is missing stays missing."""

    def ask(
        self,
        question: str,  # noqa: ARG002
        parse: Callable[[str], Value],  # noqa: ARG002
        *,
        current: str | None = None,  # noqa: ARG002
    ) -> Value | None:
        return None

    def ask_secret(
        self,
        question: str,  # noqa: ARG002
        parse: Callable[[str], Secret],  # noqa: ARG002
        *,
        current: Secret | None = None,  # noqa: ARG002
    ) -> Secret | None:
        return None

    def confirm(self, question: str) -> bool:  # noqa: ARG002
        return False


def _shown(current: str | None) -> str:
    return "" if current is None else f" [{current}]"


@contextmanager
def _ending_its_line() -> Iterator[None]:
    """Put what follows an unanswered question (Ctrl-C, Ctrl-D) on a line of its own."""
    try:
        yield
    except EOFError:
        print(file=sys.stderr)  # noqa: T201
        raise UsageError(
            "the input ended at a prompt: nothing was saved", code="usage.end_of_input"
        ) from None
    except KeyboardInterrupt:
        print(file=sys.stderr)  # noqa: T201
        raise
