"""The words that completion offers, from the tree of commands: `make completion` writes them."""

from __future__ import annotations

import pprint
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from opbx_cli.cli.commands import COMMANDS
from opbx_cli.cli.input.options import SHARED_NAMES
from opbx_cli.cli.main import root
from opbx_cli.cli.topics import TOPICS
from opbx_cli.cli.tree import Entry
from opbx_cli.completion import command_words
from opbx_cli.completion.candidates import MORE, OTHER, PATH, PROFILE, TRUNK
from opbx_cli.settings.table import UNSETTABLE

OPTIONS_TYPE = "tuple[tuple[tuple[str, ...], str, str], ...]"
FILE = Path(command_words.__file__)
HELP = (("-h", "--help"), "", "Show this message and exit.")
# The same for all commands; `--output` has other formats with some.
SHARED = tuple(f"--{name.replace('_', '-')}" for name in SHARED_NAMES if name != "output")
# What no metavar says.
KINDS = {
    "profile": PROFILE,
    "only": PROFILE,
    "trunk": TRUNK,
    "unset": "|".join(row.option.removeprefix("--") for row in UNSETTABLE),
}
PROFILE_ARGUMENTS = ("name", "old")  # of `opbx profiles …`
PATHS = {"PATH", "FILE", "DIR", "-- COMMAND..."}


def words() -> dict[str, Any]:
    """Return what the module shall hold, by its names."""
    tree = typer.main.get_command(root)
    found = list(_walk(tree, "", COMMANDS))
    first = tuple(_options(found[0][2]))
    shared = tuple(option for option in first if option[0][0] in SHARED)
    own = {
        path: tuple(option for option in _options(command) if option not in shared)
        for path, _, command in found
    }
    arguments = {path: tuple(_arguments(path, command)) for path, _, command in found}
    # In front of a command `--output` may have any format; there the two of all are offered.
    output = tuple(option for option in first if option[0][0] == "--output")
    return {
        "TOPICS": TOPICS,
        "COMMANDS": {path: entry.help for path, entry, _ in found},
        "SHARED": (*shared, HELP),
        "OPTIONS": {"": (*_options(tree), *output), **_filled(own)},
        "ARGUMENTS": _filled(arguments),
    }


def _filled(table: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    return {path: values for path, values in table.items() if values}


def _walk(group: Any, start: str, entries: Any) -> Iterator[tuple[str, Entry, Any]]:
    for name, entry in entries.items():
        command = group.get_command(None, name)
        path = f"{start} {name}".strip()
        yield path, entry, command
        yield from _walk(command, path, entry.commands)


def _options(command: Any) -> Iterator[tuple[tuple[str, ...], str, str]]:
    for parameter in command.params:
        if parameter.param_type_name == "option":
            kind = "" if parameter.is_flag else _kind(parameter)
            for names in filter(None, (parameter.opts, parameter.secondary_opts)):
                yield tuple(names), kind, " ".join((parameter.help or "").split())


def _arguments(path: str, command: Any) -> Iterator[str]:
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            if path.startswith("profiles ") and parameter.name in PROFILE_ARGUMENTS:
                yield PROFILE
            else:
                yield _kind(parameter) + (MORE if parameter.nargs < 0 else "")


def _kind(parameter: Any) -> str:
    metavar = parameter.metavar or ""
    if parameter.name in KINDS:
        return KINDS[parameter.name]
    if metavar in PATHS:
        return PATH
    return metavar if "|" in metavar and metavar.islower() else OTHER


def text() -> str:
    """Return the module, not yet formatted."""
    lines = [
        '"""Commands, options and kinds of values: `make completion` writes this file."""',
        "",
        "from __future__ import annotations",
        "",
        "from typing import Final",
    ]
    types = {
        "TOPICS": "tuple[str, ...]",
        "COMMANDS": "dict[str, str]",
        "SHARED": OPTIONS_TYPE,
        "OPTIONS": f"dict[str, {OPTIONS_TYPE}]",
        "ARGUMENTS": "dict[str, tuple[str, ...]]",
    }
    for name, value in words().items():
        shown = pprint.pformat(value, sort_dicts=False, width=100, underscore_numbers=False)
        lines += ["", f"{name}: Final[{types[name]}] = {shown}"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
