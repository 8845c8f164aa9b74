"""Questions to the person at the terminal, and what takes their place without one."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Protocol, TypeVar

from opbx_cli.cli.terminals import fitted
from opbx_cli.errors import UsageError
from opbx_cli.models import Secret
from opbx_cli.settings import checked

Value = TypeVar("Value")

ATTEMPTS = 3  # as often a question is asked before its default counts


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

    def confirm(self, question: str, *, default: bool = False) -> bool:
        """Ask for a yes or a no; an empty answer is `default`."""

    def choose(self, question: str, answers: Mapping[str, str], *, default: str) -> str:
        """Ask for one of the answers, whose keys are what is typed; empty is `default`."""


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

    def confirm(self, question: str, *, default: bool = False) -> bool:
        shown = "[Y/n]" if default else "[y/N]"
        answers = {"y": "yes", "n": "no"}
        return self._chosen(f"{question} {shown} ", answers, default="ny"[default]) == "y"

    def choose(self, question: str, answers: Mapping[str, str], *, default: str) -> str:
        lines = [fitted(line) for line in question.splitlines()]
        lines += [fitted(f"  {one}  {meaning}", indent=" " * 5) for one, meaning in answers.items()]
        print("\n".join(lines), file=sys.stderr)  # noqa: T201
        letters = "/".join(one.upper() if one == default else one for one in answers)
        return self._chosen(f"[{letters}] ", answers, default=default)

    def _chosen(self, prompt: str, answers: Mapping[str, str], *, default: str) -> str:
        """Ask until an answer fits, three times at most; after that it is the default."""
        for _ in range(ATTEMPTS):
            typed = self._line(prompt).strip().lower()
            for letter, meaning in answers.items():
                if typed in (letter, meaning.partition(" ")[0].rstrip(",")):
                    return letter
            if not typed:
                return default
            print(f"Please answer {_listed(list(answers))}.", file=sys.stderr)  # noqa: T201
        return default

    def _line(self, prompt: str) -> str:
        with _ending_its_line():
            print(fitted(prompt.rstrip()), end=" ", file=sys.stderr, flush=True)  # noqa: T201
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

    def confirm(self, question: str, *, default: bool = False) -> bool:  # noqa: ARG002
        return False

    def choose(
        self,
        question: str,  # noqa: ARG002
        answers: Mapping[str, str],  # noqa: ARG002
        *,
        default: str,
    ) -> str:
        return default


def _listed(letters: list[str]) -> str:
    return f"{', '.join(letters[:-1])} or {letters[-1]}"


def _shown(current: str | None) -> str:
    return "" if current is None else f" [{current}]"


@contextmanager
def _ending_its_line() -> Iterator[None]:
    """Put what follows an unanswered question (Ctrl-C, Ctrl-D) on a line of its own."""
    try:
        yield
    except (EOFError, OSError):  # OSError: the terminal went away
        _end_line()
        raise UsageError(
            "the input ended at a prompt: nothing was saved", code="usage.end_of_input"
        ) from None
    except KeyboardInterrupt:
        _end_line()
        raise


def _end_line() -> None:
    with suppress(OSError):
        print(file=sys.stderr)  # noqa: T201
