"""How a function becomes a command.

The modules of commands do without `from __future__ import annotations`: Typer needs the
annotations themselves, and compiling them from text would be done again at each start.
"""

import copy
import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import typer
from typer.core import TyperCommand, TyperGroup

from opbx_cli.cli.app import App
from opbx_cli.cli.input.options import SHARED_NAMES, TEXT_AND_JSON, SharedOptions
from opbx_cli.cli.tree import Entry, LazyGroup
from opbx_cli.errors import UsageError

Function = Callable[..., int | None]  # a command's exit code; None is 0

_SHARED = "opbx.shared_options"
_CONTEXT = inspect.Parameter(
    "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
)


class Declared(NamedTuple):
    """A function that takes the `App` first, and what else its command has."""

    function: Function
    formats: tuple[str, ...]
    epilog: str | None
    context_settings: dict[str, Any] | None
    help: str | None = None
    options: tuple[inspect.Parameter, ...] = ()

    def made(self, name: str, entry: Entry) -> TyperCommand | TyperGroup:
        """Return the command with the shared options, and with those behind it, if any."""
        run = _runnable(self)
        if entry.commands:
            group = typer.Typer(name=name, add_completion=False, rich_markup_mode=None)
            group.callback(cls=_Group, invoke_without_command=True)(run)
            made = cast("_Group", typer.main.get_command(group))
            made.hold(entry.commands)
            made.examples = entry.examples
            _name_formats(made, self.formats)
            return made
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(
            name,
            cls=_Command,
            help=self.help,
            epilog=self.epilog,
            context_settings=self.context_settings,
        )(run)
        command = cast("_Command", typer.main.get_command(alone))
        command.examples = entry.examples
        _name_formats(command, self.formats)
        return command


def command(
    *,
    formats: tuple[str, ...] = TEXT_AND_JSON,
    epilog: str | None = None,
    context_settings: dict[str, Any] | None = None,
    help: str | None = None,  # noqa: A002  # Typer's word
    options: tuple[inspect.Parameter, ...] = (),
) -> Callable[[Function], Declared]:
    """Declare a function as a command; `cli/main` has its name.

    `options` stand for a function's `**` of them, where a table has them.
    """
    return lambda function: Declared(function, formats, epilog, context_settings, help, options)


class _Command(TyperCommand):
    """A command with the shared options behind its own, and examples at the end of its help."""

    examples: tuple[str, ...] = ()

    def __init__(self, name: str | None, *, params: list[Any], **attributes: Any) -> None:
        super().__init__(name, params=[*params, *_shared_parameters()], **attributes)

    def invoke(self, ctx: Any) -> Any:
        _set_shared_aside(ctx)
        return super().invoke(ctx)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        super().format_epilog(ctx, formatter)
        _write_examples(self.examples, formatter)


class _Group(LazyGroup):
    """A command with others behind it, and with the shared options behind its own."""

    examples: tuple[str, ...] = ()

    def __init__(self, *, params: list[Any], **attributes: Any) -> None:
        super().__init__(params=[*params, *_shared_parameters()], **attributes)

    def invoke(self, ctx: Any) -> Any:
        _set_shared_aside(ctx)
        return super().invoke(ctx)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        super().format_epilog(ctx, formatter)
        _write_examples(self.examples, formatter)


def _write_examples(examples: tuple[str, ...], formatter: Any) -> None:
    if examples:
        with formatter.section("Examples"):
            for line in examples:
                formatter.write_text(line)


@functools.cache
def _shared_parameters() -> list[Any]:
    """Have Typer read the shared options as it reads a command's own, once for all commands."""
    reader = typer.Typer(add_completion=False)
    reader.command()(SharedOptions)
    return typer.main.get_command(reader).params


def _name_formats(made: TyperCommand | TyperGroup, formats: tuple[str, ...]) -> None:
    """Have a command's help say which formats are its own; the option itself is everybody's."""
    for number, parameter in enumerate(made.params):
        if parameter.name == "output":
            own: Any = copy.copy(parameter)
            own.metavar, own.help = "|".join(formats), "How to answer. [env: OPBX_OUTPUT]"
            made.params[number] = own


def _set_shared_aside(context: Any) -> None:
    """Keep the shared options for `run`: Typer passes on what the function's signature has."""
    values = {name: context.params.pop(name) for name in SHARED_NAMES}
    context.meta[_SHARED] = SharedOptions(**values)


def _runnable(declared: Declared) -> Function:
    """Return the function as Typer calls it: with a context, and without the shared options."""
    function = declared.function
    own = declared.options or list(inspect.signature(function).parameters.values())[1:]

    @functools.wraps(function)
    def run(context: typer.Context, **values: Any) -> int | None:
        if context.invoked_subcommand is not None:
            _refuse_options(context)
            return None
        app: App = context.obj
        app.begin(context.meta[_SHARED], declared.formats)
        return function(app, **values)

    run.__signature__ = inspect.Signature([_CONTEXT, *own])  # type: ignore[attr-defined]
    run.__annotations__ = {}  # the signature has them; Typer would work through both
    return run


def _refuse_options(context: typer.Context) -> None:
    """Refuse options in front of a command behind this one, rather than pass them over."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is not None and source.name == "COMMANDLINE":
            path = f"{context.command_path} {context.invoked_subcommand}"
            raise UsageError(
                f"{path}: {parameter.opts[0]} stands in front of it, where it means nothing",
                hint=f"`{path} --help` shows which options stand behind it",
            )
