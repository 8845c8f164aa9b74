"""`opbx sandbox call`: what Cloudonix sends to OPBX for a call, sent by the sandbox."""

import re
from typing import Annotated

import typer

from opbx_cli.cli.app import App
from opbx_cli.errors import UsageError

# Numbers of no one: NANPA keeps 555-0100 to 555-0199 for fiction.
CALLER = "+12025550143"
CALLEE = "+12025550100"
NUMBER = r"\+?[0-9]{1,15}"  # E.164, or an extension: what OPBX takes
DIRECTIONS = ("inbound", "subscriber", "outbound-api")  # as Cloudonix names them


def call(
    app: App,
    *,
    caller: Annotated[str, typer.Option("--from", metavar="NUMBER", help="Who calls.")] = CALLER,
    callee: Annotated[
        str, typer.Option("--to", metavar="NUMBER", help="Which number is called.")
    ] = CALLEE,
    direction: Annotated[
        str, typer.Option(metavar="WHICH", help=f"{', '.join(DIRECTIONS)}.")
    ] = DIRECTIONS[0],
    wrong_key: Annotated[
        bool, typer.Option("--wrong-key", help="Send a made-up key, to see that it is refused.")
    ] = False,
) -> None:
    """Place a call in a running sandbox.

    Sends what Cloudonix would: the voice request to the default application, then session
    updates, then the call record, with the domain's webhook key. Exits with 1 if one of them
    is not taken; with --wrong-key, if one is not refused.
    """
    for option, number in (("--from", caller), ("--to", callee)):
        if not re.fullmatch(NUMBER, number):
            raise UsageError(f"{option}: expected a number, at most 15 digits, such as {CALLEE}")
    if direction not in DIRECTIONS:
        raise UsageError(f"--direction: expected one of {', '.join(DIRECTIONS)}")
    active = app.settings
    from opbx_cli.operations.call import check_sandbox, place_call
    from opbx_cli.remote import CallOrder

    check_sandbox(active)
    with app.ui.working("Placing a call"):
        result = place_call(app.client, active, CallOrder(caller, callee, direction, wrong_key))
    app.ui.show(result)
    if result.error is not None:
        raise result.error
