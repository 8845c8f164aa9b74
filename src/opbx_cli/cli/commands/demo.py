"""`opbx demo`: the main commands at work, against the sandbox."""

from typing import Annotated

import typer

from opbx_cli.cli.app import App
from opbx_cli.cli.command import command
from opbx_cli.cli.commands.demonstration import demonstrate
from opbx_cli.errors import OpbxError


@command()
def demo(
    app: App,
    *,
    webhooks: Annotated[
        bool, typer.Option("--webhooks", help="Show calls and their callbacks instead.")
    ] = False,
) -> None:
    """Show opbx at work.

    Brings OPBX, Cloudonix and a store together: instance connect and pull, validate, a call,
    webhook-key rotate, a call, status. All of it runs against the built-in sandbox, in a temporary
    home: nothing of yours is read or changed, and nothing is left behind. With --webhooks the
    sandbox places calls, and webhook listen receives their callbacks.
    """
    result = demonstrate(app.ui, webhooks=webhooks)
    app.ui.show(result)
    if not result.went_well:
        raise OpbxError("the demo did not go as it should")
