"""Usage errors in our own words.

Typer repeats the argument that it did not understand; here it may be a key that was typed
in the wrong place. So an error names what is known (our options, our commands) and never
what was typed. Most of Typer's exceptions have no public name: they are told apart by what
they carry.
"""

from __future__ import annotations

import difflib
from typing import Any

import typer

from opbx_cli.errors import OpbxError, UsageError

# What Typer raises for a command line that it does not take: the base of its public exception.
Misuse: type[Exception] = typer.BadParameter.__mro__[1]

SHARED_OPTIONS = (
    "--profile",
    "-p",
    "--output",
    "-o",
    "--json",
    "--no-input",
    "--quiet",
    "-q",
    "--verbose",
    "-v",
)


def usage_error(error: Exception, argv: list[str], root: Any) -> OpbxError:
    """Word an exception of Typer's parser for the user; `root` is its tree of commands."""
    context: typer.Context | None = getattr(error, "ctx", None)
    if context is not None:
        path, command = context.command_path, context.command
    else:
        path, command = _typed_command(argv, root)
    return UsageError(f"{path}: {_reason(error, command, argv)}", hint=f"`{path} --help`")


def _typed_command(argv: list[str], root: Any) -> tuple[str, Any]:
    """Find the command that was typed, for errors of the parser that do not say it."""
    path, command = "opbx", root
    for word in argv:
        following = getattr(command, "commands", {}).get(word)
        if following is not None:
            path, command = f"{path} {word}", following
    return path, command


def _reason(error: Exception, command: Any, argv: list[str]) -> str:
    commands = list(getattr(command, "commands", ()))
    options = [name for param in command.params for name in param.opts]
    option: str | None = getattr(error, "option_name", None)
    if option is not None and hasattr(error, "possibilities"):
        if option in SHARED_OPTIONS and commands:
            return f"{option} stands behind the command, as in `opbx trunks list --json`"
        close = difflib.get_close_matches(option, options, n=1)
        return "no such option" + (f"; did you mean {close[0]}?" if close else "")
    if option is not None:
        name = option if option in options else "an option"
        return f"{name} is used without its value, or with one that it does not take"
    if isinstance(error, typer.BadParameter):
        is_missing = hasattr(error, "param_type")
        if is_missing:
            return f"{_name(error)} is missing"
        return f"the value of {_name(error)} is not valid"
    if commands:
        typed = [word for word in argv if not word.startswith("-")]
        close = difflib.get_close_matches(typed[-1] if typed else "", commands, n=1)
        return "no such command" + (
            f"; did you mean {close[0]}?" if close else f": one of {', '.join(commands)}"
        )
    return "more arguments than it takes"


def _name(error: typer.BadParameter) -> str:
    """Return an option as it is written, an argument as the help calls it."""
    parameter = error.param
    if parameter is None:
        return "an argument"
    words = parameter.metavar or (parameter.name or "").upper()
    return next((name for name in parameter.opts if name.startswith("--")), words)
