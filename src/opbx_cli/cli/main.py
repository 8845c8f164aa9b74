"""The tree of commands, and the one boundary at which every error ends."""

import functools
import re
import sys
import time
from collections.abc import Callable, MutableMapping
from typing import Annotated, cast

import typer

from opbx_cli import __version__
from opbx_cli.cli.app import App
from opbx_cli.cli.command_line import asking_for_help, with_options_behind
from opbx_cli.cli.commands import COMMANDS
from opbx_cli.cli.input.options import TEXT_AND_JSON, SharedOptions
from opbx_cli.cli.topics import TOPICS, topic
from opbx_cli.cli.tree import LazyGroup
from opbx_cli.cli.usage_errors import Misuse, usage_error
from opbx_cli.errors import DONE, UNEXPECTED, Interrupted, OpbxError, UsageError

EPILOG = (
    "Start with `opbx configure`, then `opbx validate`; `opbx demo` shows them at work. "
    "Exit codes: 0 done, 1 unexpected or a failed check, 2 usage, 3 configuration, 4 credentials, "
    "5 not found, 6 refused, 7 unreachable, 8 differs, 9 partial, 10 store, 130 interrupted "
    "(143 by SIGTERM, 129 by SIGHUP). The command `help` shows the help of another one, and is "
    f"about {', '.join(TOPICS[:-1])} or {TOPICS[-1]}: opbx help exit-codes."
)


class _Root(LazyGroup):
    entries = COMMANDS


root = typer.Typer(
    name="opbx",
    cls=_Root,
    help="Administer the Cloudonix side of an OPBX organisation.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,  # `opbx completion` instead, which needs no other shell to run
    pretty_exceptions_enable=False,
    # Plain help: it loads no rich, wraps to any width and reads the same in a pipe.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(value: bool) -> None:  # noqa: FBT001  # the signature Typer calls
    if value:
        typer.echo(f"opbx {__version__}")
        raise typer.Exit


@root.callback()
def opbx(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_show_version, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Administer the Cloudonix side of an OPBX organisation."""


def run(
    argv: list[str],
    environ: MutableMapping[str, str],
    *,
    sleep: Callable[[float], None] = time.sleep,
    protect: Callable[[], None] = lambda: None,
) -> int:
    """Run one command line; return its exit code. No exception leaves this function."""
    for stream, errors in ((sys.stdin, "replace"), (sys.stdout, "backslashreplace")):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=errors)
    app = App(environ, json=_asks_for_json(argv, environ), sleep=sleep, protect=protect)
    try:
        with app.signals.handled():
            code = _answer(app, argv)
    except OpbxError as error:
        if isinstance(error, Interrupted):
            error = app.signals.named(error)
        app.ui.fail(error)
        code = error.exit_code
    finally:
        app.close()
    app.ui.flush()
    if app.ui.output_problem is not None:
        problem = OpbxError(f"the output could not be written: {app.ui.output_problem.strerror}")
        app.ui.fail(problem)
        return code or problem.exit_code
    return code


def _answer(app: App, argv: list[str]) -> int:
    """Show a topic, or run a command; somebody without a profile is offered to begin."""
    if argv[:1] == ["help"] and len(argv) == 2 and argv[1] in TOPICS:
        app.ui.print_text(topic(argv[1]) or "")
        return DONE
    code = _dispatch(app, with_options_behind(asking_for_help(argv), COMMANDS))
    if not argv and app.ui.can_prompt and app.ui.is_rich and _wants_to_begin(app):
        return _dispatch(app, ["configure"])
    return code


def _dispatch(app: App, argv: list[str]) -> int:
    """Run the command; turn everything that is not an error of ours into one."""
    command = _tree()
    try:
        code = command.main(args=argv, prog_name="opbx", standalone_mode=False, obj=app)
    except OpbxError:
        raise
    except Misuse as error:
        raise usage_error(error, argv, command) from error
    except typer.Abort as error:
        raise UsageError("the input ended: nothing was saved") from error
    except SystemExit as error:
        # Typer's way to end when the reader of its help went away (`opbx --help | head -1`).
        if isinstance(error.__context__, BrokenPipeError):
            return DONE
        raise
    except Exception as error:
        if isinstance(error, OSError) and not app.has_begun:  # help or version, to a full disk
            app.ui.lose("stdout", error)
            return DONE
        hint = "run it again with OPBX_DEBUG=1, and report what that shows"
        raise OpbxError(f"unexpected error: {type(error).__name__}", hint=hint) from error
    if code == Interrupted.exit_code and app.signals.received is not None:
        raise Interrupted("interrupted: the store is intact")
    return cast("int | None", code) or DONE


def _wants_to_begin(app: App) -> bool:
    """Ask somebody at a terminal who has no profile yet, behind the help."""
    app.begin(SharedOptions(), TEXT_AND_JSON)
    if not app.may_ask or app.is_storeless or app.has_store():
        return False
    return app.prompts.confirm("Nothing is set up yet. Save a first profile now?", default=True)


@functools.cache
def _tree() -> LazyGroup:
    """Make the root once: a command that was loaded is there again for the next command line."""
    return cast("LazyGroup", typer.main.get_command(root))


def _asks_for_json(argv: list[str], environ: MutableMapping[str, str]) -> bool:
    """Guess the output format for errors that come before the options are understood."""
    if "--json" in argv:
        return True
    chosen = environ.get("OPBX_OUTPUT")
    for word, following in zip(argv, [*argv, ""][1:], strict=True):
        option = re.fullmatch(r"(?:--output(?:=|$)|-[qvy]*o)(.*)", word)
        if option is not None:
            chosen = option[1] or following
    return chosen == "json"


__all__ = ["UNEXPECTED", "run"]
