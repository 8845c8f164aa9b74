"""The options that every command takes, and those that several share.

Typer's root options stand before the subcommand (`opbx --json trunks list`); users write
them behind it, so each command carries them: `command` adds them, in one place.
"""

from typing import Annotated, NamedTuple

import typer

TEXT_AND_JSON = ("text", "json")
REPORTS = (*TEXT_AND_JSON, "markdown", "junit")  # of a CI job

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


class SharedOptions(NamedTuple):
    """As given on the command line; None or False where not given."""

    profile: Annotated[  # a list, because of two the last one would count
        list[str] | None,
        typer.Option("--profile", "-p", metavar="NAME", help="Profile to use. [env: OPBX_PROFILE]"),
    ] = None
    output: Annotated[  # `command` has the formats for its help
        str | None,
        typer.Option("--output", "-o", metavar="FORMAT"),
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


SHARED_NAMES = SharedOptions._fields
