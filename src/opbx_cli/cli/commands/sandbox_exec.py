"""`opbx sandbox exec`: run one command with a sandbox of its own."""

from typing import Annotated

import typer

from opbx_cli import settings
from opbx_cli.cli.app import App
from opbx_cli.cli.child import KEPT_BACK, run_beside
from opbx_cli.cli.command import command
from opbx_cli.cli.running_sandbox import running_sandbox

# What is somebody's own is not for a trial: a real OPBX, say, to which it could be handed.
LEFT_OUT = (
    *KEPT_BACK,
    settings.INSTANCE_URL,
    settings.INSTANCE_TOKEN,
    settings.INSTANCE_EMAIL,
    settings.INSTANCE_PASSWORD,
)


@command(context_settings={"allow_interspersed_args": False})
def execute_in_sandbox(
    app: App,
    words: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="What to run.")],
    *,
    opbx: Annotated[
        bool, typer.Option("--opbx", help="Play OPBX too: its settings, and its callbacks.")
    ] = False,
) -> int:
    """Run a command with a sandbox of its own.

    The sandbox listens on a free port; the variables that point opbx at it are in the command's
    environment, and it ends with the command. Exit code and signals are the command's own; 127
    means that it was not found, 126 that it cannot be run.
    """
    app.ui.flush()
    with running_sandbox(plays_opbx=opbx) as sandbox:
        environ = {name: text for name, text in app.environ.items() if name not in LEFT_OUT}
        return run_beside(words, environ={**environ, **sandbox.variables})
