"""`opbx sandbox call`: what Cloudonix sends to OPBX for a call, sent by the sandbox."""

import re
from contextlib import closing
from typing import Annotated

import typer

from opbx_cli.cli.app import App
from opbx_cli.cli.command import command
from opbx_cli.errors import ConfigurationError, UsageError
from opbx_cli.models import Secret
from opbx_cli.operations.call import check_sandbox, place_call
from opbx_cli.remote import CallOrder
from opbx_cli.settings import key_from_variable

# Numbers of no one: NANPA keeps 555-0100 to 555-0199 for fiction.
CALLER = "+12025550143"
CALLEE = "+12025550100"
NUMBER = r"\+?[0-9]{1,15}"  # E.164, or an extension: what OPBX takes
# As Cloudonix and OPBX's router name them.
DIRECTIONS = ("inbound", "subscriber", "outbound", "application", "outbound-api")


@command()
def call(
    app: App,
    *,
    caller: Annotated[str, typer.Option("--from", metavar="NUMBER", help="Who calls.")] = CALLER,
    callee: Annotated[
        str, typer.Option("--to", metavar="NUMBER", help="Which number is called.")
    ] = CALLEE,
    direction: Annotated[
        str, typer.Option(metavar="|".join(DIRECTIONS), help="Which way it goes.")
    ] = DIRECTIONS[0],
    wrong_key: Annotated[
        bool, typer.Option("--wrong-key", help="Send a made-up key, to see that it is refused.")
    ] = False,
    sign_with_env: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Sign session updates with the secret in this variable: OPBX of January 2026 "
            "wants that.",
        ),
    ] = None,
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
    secret = _signature_secret(app, sign_with_env)
    check_sandbox(active)
    order = CallOrder(caller, callee, direction, wrong_key, secret)
    with closing(app.sandbox_client_for(active)) as client, app.ui.working("Placing a call"):
        result = place_call(client, active, order)
    app.ui.show(result)
    if result.error is not None:
        raise result.error


def _signature_secret(app: App, variable: str | None) -> Secret | None:
    if variable is None:
        return None
    secret = key_from_variable(app.environ, variable)
    if secret is None:
        raise ConfigurationError("--sign-with-env: no such variable is set")
    return secret
