"""Which words can stand at the cursor, from those in front of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from opbx_cli.completion.command_words import ARGUMENTS, COMMANDS, OPTIONS, SHARED, TOPICS
from opbx_cli.completion.names import KnownNames

HELP = "help"  # shows the help of another command; the table of commands does without it
# Kinds of values, beside lists such as `text|json`. An option without a value has none.
PATH, PROFILE, TRUNK, OTHER = "PATH", "PROFILE", "TRUNK", "OTHER"
MORE = "..."  # behind the kind of a last argument that may stand many times


class Candidate(NamedTuple):
    """A word, and what a shell may show beside it."""

    text: str
    help: str = ""


class Answer(NamedTuple):
    """Words that fit; or files, which the shell knows itself."""

    candidates: tuple[Candidate, ...] = ()
    are_files: bool = False


def answer(words: Sequence[str], current: str, environ: Mapping[str, str]) -> Answer:
    """Return what can stand at the cursor; `current` says of what kind, and need not be its start.

    `words` stand in front of it, without the program's own name.
    """
    asks_for_help = bool(words) and words[0] == HELP
    read = _read(words[1:] if asks_for_help else words)
    if asks_for_help:
        topics = [Candidate(topic, "a topic") for topic in TOPICS] if not read.path else []
        return Answer((*_commands(read.path), *topics))
    return _Offer(read, KnownNames(environ)).answer(current)


@dataclass
class _Read:
    """What the words in front of the cursor say."""

    path: str = ""  # the command, as in `trunks list`
    arguments: int = 0
    profile: str | None = None
    expects: str = ""  # the kind of the value that an option waits for
    has_options: bool = True  # no `--` yet


def _read(words: Iterable[str]) -> _Read:
    read = _Read()
    for word in words:
        following = f"{read.path} {word}".strip()
        if read.expects:
            read.profile = word if read.expects == PROFILE else read.profile
            read.expects = ""
        elif not read.has_options:
            read.arguments += 1
        elif word == "--":
            read.has_options = False
        elif word.startswith("-"):
            name, has_value, value = word.partition("=")
            kind = _kind(read.path, name)
            read.expects = "" if has_value else kind
            read.profile = value if has_value and kind == PROFILE else read.profile
        elif following in COMMANDS and not read.arguments:
            read.path = following
        else:
            read.arguments += 1
    return read


@dataclass(frozen=True)
class _Offer:
    read: _Read
    names: KnownNames

    def answer(self, current: str) -> Answer:
        read = self.read
        if read.expects:
            return self._values(read.expects)
        if read.has_options and current.startswith("-"):
            name, has_value, _ = current.partition("=")
            if has_value:
                return self._values(_kind(read.path, name), before=f"{name}=")
            return self._options()
        found = self._arguments()
        # Where no argument can stand, the options are what somebody looks for.
        return found if found.candidates or found.are_files or current else self._options()

    def _options(self) -> Answer:
        if not self.read.has_options:
            return Answer()
        return Answer(
            tuple(
                Candidate(name, help_text)
                for names, _, help_text in _options_of(self.read.path)
                for name in names
                if name.startswith("--")
            )
        )

    def _arguments(self) -> Answer:
        read = self.read
        kinds = ARGUMENTS.get(read.path, ())
        if kinds and kinds[-1].endswith(MORE):
            kinds = (*kinds[:-1], *[kinds[-1].removesuffix(MORE)] * (read.arguments + 1))
        if read.arguments < len(kinds):
            return self._values(kinds[read.arguments])
        return Answer(_commands(read.path) if not read.arguments else ())

    def _values(self, kind: str, before: str = "") -> Answer:
        if kind == PATH:
            return Answer(are_files=True)
        found: Iterable[str] = ()
        if kind == PROFILE:
            found = self.names.profiles()
        elif kind == TRUNK:
            found = self.names.trunks(self.read.profile)
        elif kind != OTHER:
            found = kind.split("|") if kind else ()
        return Answer(tuple(Candidate(f"{before}{text}") for text in found))


def _commands(path: str) -> tuple[Candidate, ...]:
    start = f"{path} " if path else ""
    found = [
        Candidate(name.removeprefix(start), help_text)
        for name, help_text in COMMANDS.items()
        if name.startswith(start) and " " not in name.removeprefix(start)
    ]
    if not path:
        found.append(Candidate(HELP, "Show the help of a command, or of a topic."))
    return tuple(found)


def _options_of(path: str) -> tuple[tuple[tuple[str, ...], str, str], ...]:
    return (*OPTIONS.get(path, ()), *SHARED)


def _kind(path: str, name: str) -> str:
    return next((kind for names, kind, _ in _options_of(path) if name in names), "")
