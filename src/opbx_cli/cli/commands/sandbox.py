"""`opbx sandbox`: a local Cloudonix API for trials and CI."""

from typing import Annotated

import typer

from opbx_cli.cli.app import App
from opbx_cli.cli.command import command
from opbx_cli.cli.output.results import SandboxAddress
from opbx_cli.errors import ConfigurationError, UsageError
from opbx_cli.sandbox import OPBX_CREDENTIALS, DomainCredentials, Options
from opbx_cli.sandbox.server import serve

DEFAULT_PORT = 8765


@command()
def sandbox(
    app: App,
    *,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any.")] = DEFAULT_PORT,
    domains: Annotated[int, typer.Option(metavar="N", help="How many domains it has.")] = 1,
    trunks: Annotated[
        int | None, typer.Option(metavar="N", help="How many trunks a domain has.")
    ] = None,
    latency: Annotated[
        float, typer.Option(metavar="MS", help="Milliseconds before each answer.")
    ] = 0,
    rate_limit: Annotated[
        bool,
        typer.Option(
            "--rate-limit/--no-rate-limit",
            help="10 requests per 3 seconds, or as --variant rate-window=10 says.",
        ),
    ] = True,
    opbx: Annotated[
        bool, typer.Option("--opbx", help="Play OPBX too: its settings, and its callbacks.")
    ] = False,
    variant: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="One reading of an ambiguous fact; repeatable."),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="CALL=KIND[*N][@FIRST]", help="Misbehave on a call; repeatable."),
    ] = None,
) -> None:
    """Serve a local Cloudonix API.

    It is stateful, listens on loopback and runs until Ctrl-C. Prints the variables that
    point opbx at it. Its keys are made up. `opbx sandbox call`, in another terminal, makes it
    send what Cloudonix sends for a call. With --opbx it also plays an OPBX that works on the
    first domain, and prints how to sign in; --variant opbx=january or july says which.
    """
    try:
        options = Options.parse(
            port=port,
            domains=domains,
            trunks=trunks,
            latency=latency / 1000,
            rate_limit=rate_limit,
            opbx=opbx,
            variants=variant or (),
            faults=fault or (),
        )
    except ValueError as error:
        raise UsageError(f"opbx sandbox: {error}") from error

    def announce(url: str, credentials: tuple[DomainCredentials, ...]) -> None:
        app.ui.show(SandboxAddress(url, credentials, OPBX_CREDENTIALS if opbx else None))
        app.ui.notice("The sandbox is running; Ctrl-C stops it.")

    try:
        serve(options, announce=announce)
    except OSError as error:
        raise ConfigurationError(
            f"the sandbox cannot listen on port {port}: {error.strerror}",
            hint="`opbx sandbox --port 0` takes any free port",
        ) from error
