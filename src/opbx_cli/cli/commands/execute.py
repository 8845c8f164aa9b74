"""`opbx exec`: run one command with a profile's values in its environment."""

from typing import Annotated

import typer

from opbx_cli.cli.app import App
from opbx_cli.cli.child import become
from opbx_cli.cli.command import command
from opbx_cli.settings import variables_of


@command(context_settings={"allow_interspersed_args": False})
def execute(
    app: App,
    words: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="What to run.")],
) -> None:
    """Run a command with a profile's values.

    They are in its environment, as the variables of the store-less mode; the command line
    does not have them, and the key of the store is not passed on. Exit code and signals
    are the command's own; 127 means that it was not found, 126 that it cannot be run.
    """
    settings = app.settings.settings
    app.ui.flush()
    become(
        words,
        environ=dict(app.environ),
        secrets=variables_of(settings),
        signals=app.inherited_signals,
    )
