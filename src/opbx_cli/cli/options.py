"""The options that every command takes, and how a function becomes a command.

Typer's root options stand before the subcommand (`opbx --json trunks list`); users write
them behind it, so each command carries them. They are added here, in one place, to the
signature that Typer reads.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from opbx_cli.cli.app import App

Command = Callable[..., None]

TEXT_AND_JSON = ("text", "json")


@dataclass(frozen=True)
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


_SHARED = tuple(
    inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=entry.default, annotation=hint)
    for (name, hint), entry in zip(
        inspect.get_annotations(SharedOptions, eval_str=True).items(),
        SharedOptions.__dataclass_fields__.values(),
        strict=True,
    )
)
_CONTEXT = inspect.Parameter(
    "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
)


def command(
    group: typer.Typer,
    name: str,
    *,
    formats: tuple[str, ...] = TEXT_AND_JSON,
    epilog: str | None = None,
    context_settings: dict[str, Any] | None = None,
) -> Callable[[Command], Command]:
    """Register a function that takes the `App` first as a command with the shared options."""

    def register(function: Command) -> Command:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]

        @functools.wraps(function)
        def run(context: typer.Context, **values: Any) -> None:
            shared = {entry.name: values.pop(entry.name) for entry in _SHARED}
            app: App = context.obj
            app.begin(SharedOptions(**shared), formats)
            function(app, **values)

        parameters = [_CONTEXT, *own, *_SHARED]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {entry.name: entry.annotation for entry in parameters}
        group.command(name, epilog=epilog, context_settings=context_settings)(run)
        return function

    return register
