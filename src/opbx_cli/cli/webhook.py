"""`opbx webhook`: Cloudonix's callbacks, received here."""

import errno
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opbx_cli.cli.app import App
from opbx_cli.cli.options import command
from opbx_cli.errors import ConfigurationError, UsageError
from opbx_cli.key_shapes import path_looks_like_key

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from opbx_cli.models import Settings
    from opbx_cli.operations.callback_keys import Version
    from opbx_cli.receiver.callback import Callback
    from opbx_cli.receiver.keys import AcceptedKey, Keys
    from opbx_cli.receiver.opbx import Played
    from opbx_cli.receiver.save_limit import SaveLimit
    from opbx_cli.receiver.server import Server

DEFAULT_PORT = 8080
STATES = ("january", "july")
PORTS = range(65536)
ENDED_BY_SIGNAL = 128  # and the signal's number behind it, as shells have it
LOOPBACK = "127.0.0.1"
EPILOG = (
    "A callback is answered after it was shown, and saved. Bodies hold call data: who called whom, "
    "and when. With --save they are kept as they came, for you alone to read; of the headers, "
    "those with keys are left out. Of a refused callback only the headers are kept, and why."
)


def register(root: typer.Typer) -> None:
    group = typer.Typer(
        help="Receive Cloudonix's callbacks.", no_args_is_help=True, rich_markup_mode=None
    )
    root.add_typer(group, name="webhook")
    command(group, "listen", epilog=EPILOG)(listen)


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
            "--as", metavar="STATE", help="Answer as OPBX of january or of july (2026) does."
        ),
    ] = "july",
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
) -> None:
    """Show callbacks as they arrive, in place of OPBX.

    Checks them for this profile's domain and key, and answers as OPBX does: as of July 2026 by the
    webhook key alone, as of January session updates by a signature (CLOUDONIX_WEBHOOK_SECRET,
    CLOUDONIX_VERIFY_SIGNATURE) and call records by nothing. Accepted calls are hung up. One line
    for each callback, until Ctrl-C, which ends it with 0 (SIGTERM with 143, SIGHUP with 129).
    Follows `opbx webhook-key rotate`.
    """
    from opbx_cli.cli.extras import require_sandbox_extra

    if port not in PORTS:
        raise UsageError("--port: expected 0 to 65535")
    if played_as not in STATES:
        raise UsageError(f"--as: expected {' or '.join(STATES)}")
    host = _address(host)
    limit = _save_limit(save, save_limit)
    if save is not None and path_looks_like_key(save):
        raise UsageError("--save: this looks like a key: expected the path of a folder")
    require_sandbox_extra("the receiver")
    from opbx_cli.cli.results import ListeningAddress
    from opbx_cli.receiver.archive import Archive
    from opbx_cli.receiver.reception import Reception
    from opbx_cli.receiver.server import Server, url_of
    from opbx_cli.values import is_loopback

    keys, now = _keys(app)

    def show(callback: "Callback") -> None:
        if not app.ui.show_callback(callback):
            server.stop()

    with _listening(host, port) as listener, ExitStack() as stack:
        archive = None
        if save is not None:
            archive = stack.enter_context(Archive(Path(save).absolute(), limit, warn=app.ui.warn))
        active, played = app.settings, _played(app, played_as)
        reception = Reception(keys, show, played=played, archive=archive)
        server = Server(reception, warn=app.ui.warn)
        address = ListeningAddress(
            url_of(listener),
            active.profile,
            active.profile_option,
            now[0].key,
            not is_loopback(host),
            played,
        )
        _serve(app, server, listener, lambda: app.ui.show_beside(address))


def _played(app: App, state: str) -> "Played":
    """Return the OPBX that is stood in for: the domain's, configured as its variables say."""
    from opbx_cli import settings
    from opbx_cli.receiver.opbx import Organization, Played, Signatures, State
    from opbx_cli.values import parse_switch

    found = app.settings.settings
    secret = settings.key_from_variable(app.environ, settings.SIGNATURE_SECRET)
    checks = settings.from_variable(app.environ, settings.VERIFY_SIGNATURE, parse_switch)
    return Played(
        State(state),
        Organization(found.domain_uuid, found.domain_name),
        Signatures(secret, are_checked=checks is not False),
    )


def _save_limit(folder: str | None, size: str | None) -> "SaveLimit | None":
    """Check the options for saving; return the limit that was asked for."""
    from opbx_cli.receiver.save_limit import SaveLimit
    from opbx_cli.settings import checked
    from opbx_cli.values import parse_size

    if folder == "":  # a script's variable without a value, which would mean the current folder
        raise UsageError("--save: expected a folder")
    if size is None:
        return None
    if folder is None:
        raise UsageError("--save-limit: there is nothing to limit without --save")
    return SaveLimit.of_size(checked(parse_size, size, "--save-limit"))


def _serve(
    app: App, server: "Server", listener: "socket.socket", ready: "Callable[[], None]"
) -> None:
    from opbx_cli.cli.results import Received

    try:
        server.run(listener, ready=ready)
    finally:
        tally = server.reception.tally
        app.ui.show_beside(Received(tally.callbacks, tally.refused, server.turned_away))
    if server.stopped_by not in (None, signal.SIGINT):  # Ctrl-C is how it is meant to end
        app.exit_code = ENDED_BY_SIGNAL + server.stopped_by


def _address(host: str) -> str:
    """Return the address as the system writes it; names are not looked up."""
    import ipaddress

    if host == "localhost":
        return LOOPBACK
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        raise UsageError("--host: expected an IP address, such as 127.0.0.1 or ::1") from None


def _listening(host: str, port: int) -> "socket.socket":
    from opbx_cli.receiver.server import listening

    try:
        return listening(host, port)
    except OSError as error:
        other_port = "`opbx webhook listen --port 0` takes any free port"
        raise ConfigurationError(
            f"the receiver cannot listen on port {port} of {host}: {error.strerror}",
            hint=other_port if error.errno in (errno.EADDRINUSE, errno.EACCES) else None,
        ) from error


def _keys(app: App) -> "tuple[Keys, tuple[AcceptedKey, ...]]":
    """Return the keys as they will be, and as they are. ConfigurationError without any."""
    from opbx_cli.operations.callback_keys import FollowedKeys, accepted_keys

    active = app.settings
    profile = active.profile
    active.require_webhook_key()
    keys = accepted_keys(active.settings)
    if profile is None:
        return (lambda: keys), keys

    app.may_ask = False  # a prompt would keep callbacks waiting, and Ctrl-C

    def load() -> "Settings":
        return app.store.read().find(profile)[1]

    followed = FollowedKeys(
        keys, version=lambda: _version(app.paths.store), load=load, warn=app.ui.warn
    )
    return followed, keys


def _version(store: Path) -> "Version":
    """Return what changes with every save: a save is a rename of a new file."""
    try:
        status = store.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)
