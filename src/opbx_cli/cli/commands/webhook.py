"""`opbx webhook`: Cloudonix's callbacks, received here."""

import ipaddress
from typing import Annotated

import typer

from opbx_cli.cli.app import App
from opbx_cli.cli.command import command
from opbx_cli.cli.commands.listener import serve
from opbx_cli.errors import UsageError
from opbx_cli.key_shapes import path_looks_like_key
from opbx_cli.settings import checked
from opbx_cli.values import parse_size
from opbx_cli.webhooks.receiver.opbx import State
from opbx_cli.webhooks.receiver.save_limit import SaveLimit

DEFAULT_PORT = 8080
PORTS = range(65536)
LOOPBACK = "127.0.0.1"
EPILOG = (
    "A callback is answered after it was shown, and saved. Bodies hold call data: who called whom, "
    "and when. With --save they are kept as they came, for you alone to read; of the headers, "
    "those with keys are left out. Of a refused callback only the headers are kept, and why."
)


@command(epilog=EPILOG)
def listen(
    app: App,
    *,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any.")] = DEFAULT_PORT,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="IP address to listen on.")
    ] = LOOPBACK,
    played_as: Annotated[
        str,
        typer.Option(
            "--as", metavar="|".join(State), help="Answer as OPBX of that month of 2026 does."
        ),
    ] = State.JULY,
    save: Annotated[
        str | None, typer.Option(metavar="DIR", help="Keep bodies and headers as files there.")
    ] = None,
    save_limit: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="What that folder may hold, such as 500M or 10G. [default: 1G, and 10000 files; "
            "over 1G, 10000 for each]",
        ),
    ] = None,
) -> int:
    """Show callbacks as they arrive, in place of OPBX.

    Checks them for this profile's domain and key, and answers as OPBX does: as of July 2026 by the
    webhook key alone, as of January session updates by a signature (with the secret in
    CLOUDONIX_WEBHOOK_SECRET; CLOUDONIX_VERIFY_SIGNATURE=false takes any) and call records by
    nothing. Until `opbx validate` has saved the domain's name, any name counts as its. Accepted
    calls are hung up. One line for each callback, until Ctrl-C, which ends it with 0 (SIGTERM with
    143, SIGHUP with 129). Follows `opbx webhook-key rotate`.
    """
    if port not in PORTS:
        raise UsageError("--port: expected 0 to 65535")
    if played_as not in set(State):
        raise UsageError(f"--as: expected {' or '.join(State)}")
    host = _address(host)
    limit = _save_limit(save, save_limit)
    if save is not None and path_looks_like_key(save):
        raise UsageError("--save: this looks like a key: expected the path of a folder")
    return serve(app, host, port, state=State(played_as), folder=save, limit=limit)


def _save_limit(folder: str | None, size: str | None) -> SaveLimit | None:
    """Check the options for saving; return the limit that was asked for."""
    if folder == "":  # a script's variable without a value, which would mean the current folder
        raise UsageError("--save: expected a folder")
    if size is None:
        return None
    if folder is None:
        raise UsageError("--save-limit: there is nothing to limit without --save")
    return SaveLimit.of_size(checked(parse_size, size, "--save-limit"))


def _address(host: str) -> str:
    """Return the address as the system writes it; names are not looked up."""
    if host == "localhost":
        return LOOPBACK
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        raise UsageError("--host: expected an IP address, such as 127.0.0.1 or ::1") from None
