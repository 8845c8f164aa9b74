"""What people type, brought to what the parser knows; and what they probably meant.

Nothing here repeats what was typed: it may be a key in a wrong place.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opbx_cli.cli.tree import Entry

# What other tools call things that have another name here.
OTHER_COMMANDS = {
    "delete": "remove",
    "del": "remove",
    "rm": "remove",
    "ls": "list",
    "get": "show",
    "mv": "rename",
    "init": "configure",
    "login": "configure",
    "setup": "configure",
    "check": "validate",
    "sync": "validate",
    "plan": "validate",
    "doctor": "status",
    "profiles delete": "profiles remove",
    "webhook-key show": "webhook-key reveal",
    "webhook-key list": "webhook-key reveal",
    "key list": "key status",
    "key show": "key status",
    "instance login": "instance connect",
    "instance logout": "instance disconnect",
    "webhooks listen": "webhook listen",
}
OTHER_OPTIONS = {
    "--dry-run": "--check",
    "--format": "--output",
    "--name": "--profile",
    "--force": "--yes",
    "--non-interactive": "--no-input",
    "--debug": "--verbose",
    "--silent": "--quiet",
    "--api-key": "--api-key-stdin",
    "--webhook-key": "--webhook-key-stdin",
    "--uuid": "--domain-uuid",
    "--timeout": "--no-answer-timeout",
}
# The shared options, and whether each has a value behind it.
SHARED_WITH_VALUE = ("--profile", "-p", "--output", "-o")
SHARED_FLAGS = ("--json", "--no-input", "--quiet", "-q", "--verbose", "-v")
HELP = "--help"


def with_options_behind(argv: list[str], entries: Mapping[str, Entry]) -> list[str]:
    """Put shared options that stand before a command behind it, where the parser has them."""
    ahead, rest = _options_ahead(argv)
    if not ahead or not rest or rest[0] not in entries:
        return argv
    words, is_command = _command_words(rest, entries)
    # Of a group a command is missing: that is to be said, and not how it is to be run.
    return [*rest[:words], *(ahead if is_command else []), *rest[words:]]


def asking_for_help(argv: list[str]) -> list[str]:
    """Return `help COMMAND…` as `COMMAND… --help`, and nothing at all as `--help`."""
    if not argv:
        return [HELP]
    if argv[0] == "help":
        return [*(word for word in argv[1:] if word != HELP), HELP]
    return argv


def meant_command(argv: list[str], entries: Mapping[str, Entry]) -> str | None:
    """Return the command that was probably meant, as it is written; None where none is near."""
    typed = " ".join([word for word in argv if not word.startswith("-")][:2])
    known = list(_paths(entries))
    first, _, second = typed.partition(" ")
    if (other := OTHER_COMMANDS.get(typed) or OTHER_COMMANDS.get(first)) is not None:
        return next((path for path in known if path in (other, f"{other} {second}")), None) or next(
            (path for path in known if path.endswith(f" {other}")), None
        )
    translated = f"{first} {OTHER_COMMANDS.get(second, second)}"
    for guess in (translated, typed, f"{second} {first}", first):
        near = difflib.get_close_matches(guess.strip(), known, n=1, cutoff=0.75)
        if near:
            return near[0]
    return None


def meant_option(option: str, known: list[str]) -> str | None:
    """Return the option that was probably meant, if the command has it."""
    other = OTHER_OPTIONS.get(option)
    if other in known:
        return other
    near = difflib.get_close_matches(option, known, n=1)
    return near[0] if near else None


def _options_ahead(argv: list[str]) -> tuple[list[str], list[str]]:
    """Return the shared options at the start, with their values, and what stands behind them."""
    number = 0
    while number < len(argv):
        word = argv[number]
        if word in SHARED_WITH_VALUE:
            number += 2
        elif word in SHARED_FLAGS or word.startswith(("--profile=", "--output=")):
            number += 1
        else:
            break
    return argv[:number], argv[number:]


def _command_words(argv: list[str], entries: Mapping[str, Entry]) -> tuple[int, bool]:
    """Return how many words at the start are the command, and whether that can be run."""
    words, is_command = 0, False
    for word in argv:
        if word not in entries:
            break
        words, is_command = words + 1, entries[word].place is not None
        entries = entries[word].commands
    return words, is_command


def _paths(entries: Mapping[str, Entry], path: str = "") -> Iterator[str]:
    for name, entry in entries.items():
        here = f"{path} {name}".strip()
        yield here
        yield from _paths(entry.commands, here)
