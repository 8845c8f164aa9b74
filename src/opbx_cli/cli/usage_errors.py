"""Usage errors in our own words.

Typer repeats the argument that it did not understand; here it may be a key that was typed
in the wrong place. So an error names what is known (our options, our commands) and never
what was typed. Most of Typer's exceptions have no public name: they are told apart by what
they carry.
"""

from __future__ import annotations

from typing import Any

import typer

from opbx_cli.cli.command_line import meant_command, meant_option
from opbx_cli.errors import OpbxError, UsageError

# What Typer raises for a command line that it does not take: the base of its public exception.
Misuse: type[Exception] = typer.BadParameter.__mro__[1]


def usage_error(error: Exception, argv: list[str], root: Any) -> OpbxError:
    """Word an exception of Typer's parser for the user; `root` is its tree of commands."""
    context: typer.Context | None = getattr(error, "ctx", None)
    if context is not None:
        path, command = context.command_path, context.command
    else:
        path, command = _typed_command(argv, root)
    hint = f"`{path} --help`"
    if _is_unknown_command(error, command):
        meant = meant_command(argv, root.entries)
        if meant is not None and path != f"opbx {meant}":
            return UsageError(f"{path}: no such command", hint=f"did you mean `opbx {meant}`?")
    if path == "opbx configure" and _option_of(error) in ("--api-key", "--webhook-key"):
        hint = (
            f"`{_option_of(error)}-stdin` reads it; if a key was typed here, it is in the shell's "
            "history now: replace it"
        )
    return UsageError(f"{path}: {_reason(error, command)}", hint=hint)


def _is_unknown_command(error: Exception, command: Any) -> bool:
    is_about_more = _option_of(error) is not None or isinstance(error, typer.BadParameter)
    return bool(getattr(command, "commands", ())) and not is_about_more


def _option_of(error: Exception) -> str | None:
    option: str | None = getattr(error, "option_name", None)
    return option


def _typed_command(argv: list[str], root: Any) -> tuple[str, Any]:
    """Find the command that was typed, for errors of the parser that do not say it."""
    path, command = "opbx", root
    for word in argv:
        following = getattr(command, "commands", {}).get(word)
        if following is not None:
            path, command = f"{path} {word}", following
    return path, command


def _reason(error: Exception, command: Any) -> str:
    commands = list(getattr(command, "commands", ()))
    options = [name for param in command.params for name in param.opts]
    option = _option_of(error)
    if option is not None and hasattr(error, "possibilities"):
        meant = meant_option(option, options)
        return "no such option" + (f"; did you mean {meant}?" if meant else "")
    if option is not None:
        name = option if option in options else "an option"
        return f"{name} is used without its value, or with one that it does not take"
    if isinstance(error, typer.BadParameter):
        is_missing = hasattr(error, "param_type")
        if is_missing:
            return f"{_name(error)} is missing"
        return f"the value of {_name(error)} is not valid"
    if commands:
        return f"no such command: one of {', '.join(commands)}"
    is_about_profile = "--profile" in options and not hasattr(command, "commands")
    more = "; `--profile` names a profile" if is_about_profile else ""
    return f"more arguments than it takes{more}"


def _name(error: typer.BadParameter) -> str:
    """Return an option as it is written, an argument as the help calls it."""
    parameter = error.param
    if parameter is None:
        return "an argument"
    words = parameter.metavar or (parameter.name or "").upper()
    return next((name for name in parameter.opts if name.startswith("--")), words)
