"""The options that every command takes, and how a function becomes a command.

Typer's root options stand before the subcommand (`opbx --json trunks list`); users write
them behind it, so each command carries them. They are added here, in one place.

The modules of commands do without `from __future__ import annotations`: Typer needs the
annotations themselves, and compiling them from text would be done again at each start.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer._click.core import Parameter, ParameterSource
from typer.core import TyperCommand, TyperGroup
from typer.main import get_params_convertors_ctx_param_name_from_function

from opbx_cli.cli.app import App
from opbx_cli.errors import UsageError

Function = Callable[..., None]

TEXT_AND_JSON = ("text", "json")

EnvFilePath = Annotated[
    str | None,
    typer.Option(
        "--env-file",
        metavar="PATH",
        help="OPBX's .env, to read the webhook base URL from. [env: OPBX_ENV_FILE]",
    ),
]

KeyFilePath = Annotated[
    str | None,
    typer.Option(
        "--to-file",
        metavar="PATH",
        help="Write the key to a new file for you alone, instead of printing it.",
    ),
]


@dataclass(frozen=True, eq=False, repr=False)
class SharedOptions:
    """As given on the command line; None or False where not given."""

    profile: Annotated[
        str | None,
        typer.Option("--profile", "-p", metavar="NAME", help="Profile to use. [env: OPBX_PROFILE]"),
    ] = None
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FORMAT", help="text or json. [env: OPBX_OUTPUT]"),
    ] = None
    json: Annotated[bool, typer.Option("--json", help="Short for --output json.")] = False
    no_input: Annotated[
        bool, typer.Option("--no-input", help="Never ask. [env: OPBX_NO_INPUT]")
    ] = False
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, no notices; warnings stay.")
    ] = False
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show HTTP calls on stderr, without secrets.")
    ] = False


_NAMES = tuple(SharedOptions.__dataclass_fields__)
_CONTEXT = inspect.Parameter(
    "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
)


@functools.cache
def _shared_parameters() -> list[Parameter]:
    """Have Typer read the shared options once: reading them for each command costs a third
    of the start-up time that is ours.
    """
    parameters, _convertors, _context = get_params_convertors_ctx_param_name_from_function(
        SharedOptions
    )
    return [*parameters]


class Command(TyperCommand):
    """A command with the shared options behind its own."""

    def __init__(self, name: str | None, *, params: list[Parameter], **attributes: Any) -> None:
        super().__init__(name, params=[*params, *_shared_parameters()], **attributes)


class Group(TyperGroup):
    """A command with others behind it, and with the shared options behind its own."""

    def __init__(self, *, params: list[Parameter], **attributes: Any) -> None:
        super().__init__(params=[*params, *_shared_parameters()], **attributes)


def command(
    group: typer.Typer,
    name: str,
    *,
    formats: tuple[str, ...] = TEXT_AND_JSON,
    epilog: str | None = None,
    context_settings: dict[str, Any] | None = None,
) -> Callable[[Function], Function]:
    """Register a function that takes the `App` first as a command with the shared options."""

    def register(function: Function) -> Function:
        run = _runnable(function, formats)
        group.command(name, cls=Command, epilog=epilog, context_settings=context_settings)(run)
        return function

    return register


def command_with_others(root: typer.Typer, name: str, function: Function) -> typer.Typer:
    """Register a function as `command` does, and return a group for the commands behind it."""
    run = _runnable(function, TEXT_AND_JSON)
    group = typer.Typer(rich_markup_mode=None)
    group.callback(cls=Group, invoke_without_command=True)(run)
    root.add_typer(group, name=name)
    return group


def _runnable(function: Function, formats: tuple[str, ...]) -> Callable[..., None]:
    """Return the function as Typer calls it: with a context, and without the shared options."""
    own = list(inspect.signature(function).parameters.values())[1:]

    @functools.wraps(function)
    def run(context: typer.Context, **values: Any) -> None:
        if context.invoked_subcommand is not None:
            _refuse_options(context)
            return
        shared = {shared_name: values.pop(shared_name) for shared_name in _NAMES}
        app: App = context.obj
        app.begin(SharedOptions(**shared), formats)
        function(app, **values)

    run.__signature__ = inspect.Signature([_CONTEXT, *own])  # type: ignore[attr-defined]
    run.__annotations__ = {}  # the signature has them; Typer would work through both
    return run


def _refuse_options(context: typer.Context) -> None:
    """Refuse options in front of a command behind this one, rather than pass them over."""
    for parameter in context.command.params:
        name = parameter.name or ""
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            path = f"{context.command_path} {context.invoked_subcommand}"
            raise UsageError(
                f"{path}: {parameter.opts[0]} stands in front of it, where it means nothing",
                hint=f"`{path} --help` shows which options stand behind it",
            )
