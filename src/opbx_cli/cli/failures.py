"""Usage errors in our own words.

Typer repeats the argument that it did not understand; here it may be a key that was typed
in the wrong place. So an error names what is known (our options, our commands) and never
what was typed. Its exceptions live in its private copy of Click: the reason for the upper
bound on Typer in pyproject.toml.
"""

from __future__ import annotations

import difflib

from typer._click.core import Context
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

__all__ = ["ClickException", "usage_error"]


def usage_error(error: ClickException, argv: list[str]) -> OpbxError:
    """Word an exception of Typer's parser for the user."""
    context: Context | None = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "opbx"
    return UsageError(f"{path}: {_reason(error, context, argv)}", hint=f"`{path} --help`")


def _reason(error: ClickException, context: Context | None, argv: list[str]) -> str:
    if isinstance(error, NoArgsIsHelpError):
        return f"a command is missing: {_listed(_commands(context))}"
    if isinstance(error, NoSuchOption):
        if error.option_name in SHARED_OPTIONS and _commands(context):
            return f"{error.option_name} stands behind the command, as in `opbx trunks list --json`"
        known = _options(context)
        close = difflib.get_close_matches(error.option_name, known, n=1)
        return "no such option" + (f"; did you mean {close[0]}?" if close else "")
    if isinstance(error, BadOptionUsage):
        name = error.option_name if error.option_name in _options(context) else "an option"
        return f"{name} is used without its value, or with one that it does not take"
    if isinstance(error, MissingParameter):
        return f"{_name(error)} is missing"
    if isinstance(error, BadParameter):
        return f"the value of {_name(error)} is not valid"
    commands = _commands(context)
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


def _commands(context: Context | None) -> list[str]:
    return list(getattr(context.command, "commands", ())) if context is not None else []


def _options(context: Context | None) -> list[str]:
    if context is None:
        return []
    return [name for param in context.command.get_params(context) for name in param.opts]


def _listed(names: list[str]) -> str:
    return f"one of {', '.join(names)}"
