"""Usage errors in our own words.

Typer repeats the argument that it did not understand; here it may be a key that was typed
in the wrong place. So an error names what is known (our options, our commands) and never
what was typed. Its exceptions live in its private copy of Click: the reason for the upper
bound on Typer in pyproject.toml.
"""

from __future__ import annotations

import difflib

from typer._click.core import Command, Context
from typer._click.exceptions import (
    BadOptionUsage,
    BadParameter,
    ClickException,
    MissingParameter,
    NoArgsIsHelpError,
    NoSuchOption,
)

from opbx_cli.errors import OpbxError, UsageError

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

__all__ = ["ClickException", "Command", "usage_error"]


def usage_error(error: ClickException, argv: list[str], root: Command) -> OpbxError:
    """Word an exception of Typer's parser for the user."""
    context: Context | None = getattr(error, "ctx", None)
    if context is not None:
        path, command = context.command_path, context.command
    else:
        path, command = _typed_command(argv, root)
    return UsageError(f"{path}: {_reason(error, command, argv)}", hint=f"`{path} --help`")


def _typed_command(argv: list[str], root: Command) -> tuple[str, Command]:
    """Find the command that was typed, for errors of the parser that do not say it."""
    path, command = "opbx", root
    for word in argv:
        following = getattr(command, "commands", {}).get(word)
        if following is not None:
            path, command = f"{path} {word}", following
    return path, command


def _reason(error: ClickException, command: Command, argv: list[str]) -> str:
    commands = list(getattr(command, "commands", ()))
    options = [name for param in command.params for name in param.opts]
    if isinstance(error, NoArgsIsHelpError):
        return f"a command is missing: {_listed(commands)}"
    if isinstance(error, NoSuchOption):
        if error.option_name in SHARED_OPTIONS and commands:
            return f"{error.option_name} stands behind the command, as in `opbx trunks list --json`"
        close = difflib.get_close_matches(error.option_name, options, n=1)
        return "no such option" + (f"; did you mean {close[0]}?" if close else "")
    if isinstance(error, BadOptionUsage):
        name = error.option_name if error.option_name in options else "an option"
        return f"{name} is used without its value, or with one that it does not take"
    if isinstance(error, MissingParameter):
        return f"{_name(error)} is missing"
    if isinstance(error, BadParameter):
        return f"the value of {_name(error)} is not valid"
    if commands:
        typed = [word for word in argv if not word.startswith("-")]
        close = difflib.get_close_matches(typed[-1] if typed else "", commands, n=1)
        return "no such command" + (
            f"; did you mean {close[0]}?" if close else f": {_listed(commands)}"
        )
    return "more arguments than it takes"


def _name(error: BadParameter) -> str:
    """Return an option as it is written, an argument as the help calls it."""
    if error.param is None:
        return "an argument"
    return next(
        (name for name in error.param.opts if name.startswith("--")),
        error.param.human_readable_name,
    )


def _listed(names: list[str]) -> str:
    return f"one of {', '.join(names)}"
