"""The command tree as plain values: what the pages and the manual are made from.

Nothing here is laid out: no width, no language and no way to write help has a part in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opbx_cli.cli.commands import COMMANDS
from opbx_cli.cli.input.options import SHARED_NAMES
from opbx_cli.cli.main import _tree
from opbx_cli.cli.topics import ENVIRONMENT, EXIT_CODES
from opbx_cli.cli.tree import Entry

EVERYDAY = (0, 1, 2, 3, 130)  # how every command may end; 143 and 129 stand with 130
KINDS = {
    "INT": "NUMBER",
    "INTEGER": "NUMBER",
    "FLOAT": "NUMBER",
    "STRING": "TEXT",
}  # of a value without a name
MARKS = re.compile(r"\s*\[env: (\w+)\]")


@dataclass(frozen=True, slots=True)
class Parameter:
    """An option or an argument: its names, its value, what it is about, and its variable."""

    names: tuple[str, ...]
    value: str
    about: str
    variable: str | None
    is_required: bool
    is_shared: bool

    @property
    def shown(self) -> str:
        return f"{', '.join(self.names)} {self.value}".strip()


@dataclass(frozen=True, slots=True)
class Command:
    """One command, or a group of them; `commands` are those behind it."""

    path: tuple[str, ...]
    summary: str
    about: tuple[str, ...]  # paragraphs
    closing: tuple[str, ...]  # paragraphs behind the options, as the help has them
    arguments: tuple[Parameter, ...]
    options: tuple[Parameter, ...]
    formats: tuple[str, ...]
    examples: tuple[str, ...]
    exit_codes: tuple[int, ...]
    documents: tuple[str, ...]
    commands: tuple[Command, ...]
    is_runnable: bool

    @property
    def name(self) -> str:
        return " ".join(("opbx", *self.path))

    @property
    def usages(self) -> tuple[str, ...]:
        words = [self.name, *(["[OPTIONS]"] if self.options else [])]
        alone = " ".join((*words, *(one.value for one in self.arguments)))
        behind = f"{self.name} COMMAND"
        return (*([alone] if self.is_runnable else []), *([behind] if self.commands else []))

    @property
    def variables(self) -> dict[str, str]:
        """The variables that stand for options, with what each is about."""
        return {one.variable: ENVIRONMENT[one.variable] for one in self.options if one.variable}

    @property
    def endings(self) -> dict[str, str]:
        """The exit codes, with their meanings."""
        codes = sorted({*EVERYDAY, *self.exit_codes})
        return {str(code): EXIT_CODES.get(str(code), OTHER_CODES.get(code, "")) for code in codes}

    def walk(self) -> Iterator[Command]:
        yield self
        for command in self.commands:
            yield from command.walk()


OTHER_CODES = {126: "the command cannot be run", 127: "the command was not found"}


def root() -> Command:
    """The whole tree."""
    return _command(
        (),
        Entry("Administer the Cloudonix side of an OPBX organisation.", commands=COMMANDS),
        _tree(),
    )


def _command(path: tuple[str, ...], entry: Entry, made: Any) -> Command:
    first, *about = _paragraphs(made.help)
    assert first.startswith(entry.help), f"{path}: its help begins with another sentence"
    more = first.removeprefix(entry.help).strip()
    parameters = [_parameter(one) for one in made.params]
    return Command(
        path=path,
        summary=entry.help,
        about=tuple([more] * bool(more) + about),
        closing=tuple(_paragraphs(made.epilog)),
        arguments=tuple(one for one in parameters if not one.names),
        options=tuple(one for one in parameters if one.names),
        formats=tuple(
            word for one in made.params if one.name == "output" for word in one.metavar.split("|")
        ),
        examples=entry.examples,
        exit_codes=entry.exit_codes,
        documents=entry.documents,
        commands=tuple(
            _command((*path, name), one, made.get_command(None, name))
            for name, one in entry.commands.items()
        ),
        is_runnable=entry.place is not None,
    )


def sentences(topic: str) -> list[str]:
    """The lines of a topic, each up to the end of its last sentence."""
    return [" ".join(one.split()) for one in re.split(r"(?<=[.])\n", topic) if one]


def _paragraphs(text: str | None) -> list[str]:
    return [" ".join(one.split()) for one in re.split(r"\n\s*\n", text or "") if one.strip()]


def _parameter(made: Any) -> Parameter:
    is_option = made.param_type_name == "option"
    names = [*made.opts, *made.secondary_opts]
    kind = made.metavar or KINDS.get(made.type.name.upper(), made.type.name.upper())
    text = " ".join((made.help or "").split())
    variable = MARKS.search(text)
    return Parameter(
        names=tuple(sorted(names, key=lambda name: name.startswith("--"))) if is_option else (),
        value="" if is_option and made.is_flag else kind,
        about=f"{MARKS.sub('', text)}{_default(made)}",
        variable=variable[1] if variable else None,
        is_required=made.required and is_option,
        is_shared=made.name in SHARED_NAMES,
    )


def _default(made: Any) -> str:
    """The value of an option that is not given, where it is one."""
    if made.default is None or made.default is False or made.required:
        return ""
    return f" Default: {made.opts[0] if made.is_flag else made.default}."
