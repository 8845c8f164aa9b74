"""Questions to the person at the terminal, and what takes their place without one."""

from __future__ import annotations

import getpass
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Protocol, TypeVar

from opbx_cli.cli.output.terminals import fitted, is_terminal
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import UsageError
from opbx_cli.models import Secret
from opbx_cli.settings import checked
from opbx_cli.values import InvalidValue

try:
    import readline
except ImportError:  # Windows, whose console edits lines by itself
    pass
else:
    readline.set_auto_history(False)  # what was typed at one question is no answer to the next

Value = TypeVar("Value")
Answer = TypeVar("Answer")

SIGNALS_SEEN_EVERY = 0.1  # seconds
ATTEMPTS = 3  # as often a question is asked before its default counts


class Cleared(Enum):
    """The answer that takes an optional value away."""

    CLEARED = "-"


class Prompts(Protocol):
    """Asks; raises `UsageError` where there is nobody to ask or nothing comes back.

    An answer that makes no sense is explained, and asked for again, three times at most.
    """

    def ask(
        self,
        question: str,
        parse: Callable[[str], Value],
        *,
        current: str | None = None,
        required: bool = False,
    ) -> Value | None:
        """Ask for a value; None for an empty answer, which keeps what is there."""

    def ask_optional(
        self,
        question: str,
        parse: Callable[[str], Value],
        *,
        current: str | None,
        without: str,
    ) -> Value | Cleared | None:
        """Ask for a value that may be unset; `without` says what is done then."""

    def ask_secret(
        self,
        question: str,
        parse: Callable[[str], Secret],
        *,
        current: Secret | None = None,
        is_key: bool = False,
    ) -> Secret | None:
        """Ask without echo; None for an empty answer, which keeps what is there.

        Somebody who typed a key blindly is told how long it is, and how it ends.
        """

    def confirm(self, question: str, *, default: bool = False) -> bool:
        """Ask for a yes or a no; an empty answer is `default`."""

    def choose(self, question: str, answers: Mapping[str, str], *, default: str) -> str:
        """Ask for one of the answers, whose keys are what is typed; empty is `default`."""


class TerminalPrompts:
    """Asks on stderr, so that stdout stays the answer's; reads from the terminal."""

    def ask(
        self,
        question: str,
        parse: Callable[[str], Value],
        *,
        current: str | None = None,
        required: bool = False,
    ) -> Value | None:
        shown = "" if current is None else f" [{current}]"
        is_needed = required and current is None

        def answer(text: str) -> Value | None:
            if not text and not is_needed:
                return None
            return parse(text)

        return self._asked(question, lambda: self._line(f"{question}{shown}: ").strip(), answer)

    def ask_optional(
        self,
        question: str,
        parse: Callable[[str], Value],
        *,
        current: str | None,
        without: str,
    ) -> Value | Cleared | None:
        shown = f" (Enter: {without})" if current is None else f" [{current}; - for {without}]"

        def answer(text: str) -> Value | Cleared | None:
            if not text:
                return None
            return Cleared.CLEARED if text == Cleared.CLEARED.value else parse(text)

        return self._asked(question, lambda: self._line(f"{question}{shown}: ").strip(), answer)

    def ask_secret(
        self,
        question: str,
        parse: Callable[[str], Secret],
        *,
        current: Secret | None = None,
        is_key: bool = False,
    ) -> Secret | None:
        shown = "" if current is None else f" [{current.mask}]"

        def typed() -> str:
            with _ending_its_line(), _signals_seen():
                return getpass.getpass(f"{question}{shown} (typing stays hidden): ", sys.stderr)

        secret = self._asked(question, typed, lambda text: parse(text) if text else None)
        if secret is not None and is_key:
            _say(_receipt(secret))
        return secret

    def _asked(
        self, question: str, typed: Callable[[], str], answer: Callable[[str], Answer]
    ) -> Answer:
        """Ask until an answer makes sense, three times at most; then it is an error."""
        text = typed()
        for _ in range(ATTEMPTS - 1):
            try:
                return answer(text)
            except InvalidValue as problem:
                _say(f"Not taken: {problem}.")
                text = self._other(problem.proposal) or typed()
        return checked(answer, text, question)

    def _other(self, proposal: str | None) -> str | None:
        """Offer what was probably meant."""
        if proposal is None or not self.confirm(f"Do you mean {proposal}?", default=True):
            return None
        return proposal

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
            _say(f"Please answer {_listed(list(answers))}.")
        return default

    def _line(self, prompt: str) -> str:
        *above, last = fitted(prompt.rstrip()).splitlines()
        with _ending_its_line(), _signals_seen():
            print(*above, sep="\n", end="\n" * bool(above), file=sys.stderr)  # noqa: T201
            return _typed(last + " ")


class NoPrompts:
    """Stands in where nobody may be asked: whatever is missing stays missing."""

    def ask(
        self,
        question: str,  # noqa: ARG002
        parse: Callable[[str], Value],  # noqa: ARG002
        *,
        current: str | None = None,  # noqa: ARG002
        required: bool = False,  # noqa: ARG002
    ) -> Value | None:
        return None

    def ask_optional(
        self,
        question: str,  # noqa: ARG002
        parse: Callable[[str], Value],  # noqa: ARG002
        *,
        current: str | None,  # noqa: ARG002
        without: str,  # noqa: ARG002
    ) -> Value | Cleared | None:
        return None

    def ask_secret(
        self,
        question: str,  # noqa: ARG002
        parse: Callable[[str], Secret],  # noqa: ARG002
        *,
        current: Secret | None = None,  # noqa: ARG002
        is_key: bool = False,  # noqa: ARG002
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


def _receipt(key: Secret) -> str:
    """Say as much of a key as a mask does, so that a slip is seen."""
    end = key.mask.strip("*")
    return f"{len(key.reveal())} characters{f', ends in {end}' if end else ''}."


def _say(sentence: str) -> None:
    print(fitted(sentence), file=sys.stderr)  # noqa: T201


@contextmanager
def _signals_seen() -> Iterator[None]:
    """Interrupt the wait for an answer again and again, so that Python looks for signals.

    It looks when a signal ends the wait; one that arrived right before would go unseen.
    """
    if not hasattr(signal, "setitimer"):  # Windows
        yield
        return
    former = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, SIGNALS_SEEN_EVERY, SIGNALS_SEEN_EVERY)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def _typed(prompt: str) -> str:
    """Return one line; EOFError where there is none.

    `input` edits lines with readline, which needs stdout on the same terminal: it prompts there.
    """
    if is_terminal(sys.stdout) and os.path.sameopenfile(sys.stdin.fileno(), sys.stdout.fileno()):
        sys.stderr.flush()
        return input(prompt)
    print(prompt, end="", file=sys.stderr, flush=True)  # noqa: T201
    answer = sys.stdin.readline()
    if not answer:
        raise EOFError
    return answer.removesuffix("\n")


@contextmanager
def _ending_its_line() -> Iterator[None]:
    """Put what follows an unanswered question (Ctrl-C, Ctrl-D) on a line of its own."""
    try:
        yield
    except (EOFError, OSError):  # OSError: the terminal went away
        _end_line()
        raise UsageError(
            "the input ended at a prompt: nothing was saved", code=ErrorCode.USAGE_END_OF_INPUT
        ) from None
    except KeyboardInterrupt:
        _end_line()
        raise


def _end_line() -> None:
    with suppress(OSError):
        print(file=sys.stderr)  # noqa: T201
