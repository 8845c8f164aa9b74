"""What `opbx webhook listen` runs: the receiver, with the keys of a profile."""

import errno
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from opbx_cli import settings
from opbx_cli.cli.app import App
from opbx_cli.cli.output.reception import show_beside, show_callback
from opbx_cli.cli.output.results import ListeningAddress, Received
from opbx_cli.errors import DONE, ConfigurationError
from opbx_cli.operations.callback_keys import FollowedKeys, Version, accepted_keys
from opbx_cli.settings.table import Settings
from opbx_cli.values import is_loopback
from opbx_cli.webhooks.receiver.archive import Archive
from opbx_cli.webhooks.receiver.callback import Callback
from opbx_cli.webhooks.receiver.keys import AcceptedKey, Keys
from opbx_cli.webhooks.receiver.opbx import Organization, Played, Signatures, State
from opbx_cli.webhooks.receiver.reception import Reception
from opbx_cli.webhooks.receiver.save_limit import SaveLimit
from opbx_cli.webhooks.receiver.server import Server, listening, url_of

SIGNATURES_OFF = ("false", "(false)", "0")  # OPBX's framework takes `no` and `off` for a yes
ENDED_BY_SIGNAL = 128  # and the signal's number behind it, as shells have it


def serve(
    app: App, host: str, port: int, *, state: State, folder: str | None, limit: SaveLimit | None
) -> int:
    """Show callbacks until somebody ends it; keep them in `folder` if it is given.

    Returns the exit code.
    """
    keys, now = _keys(app)

    def show(callback: Callback) -> None:
        if not show_callback(app.ui, callback):
            server.stop()

    with _listening(host, port) as listener, ExitStack() as stack:
        archive = None
        if folder is not None:
            archive = stack.enter_context(Archive(Path(folder).absolute(), limit, warn=app.ui.warn))
        active, played = app.settings, _played(app, state)
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
        return _run(app, server, listener, lambda: show_beside(app.ui, address))


def _played(app: App, state: State) -> Played:
    """Return the OPBX that is stood in for: the domain's, configured as its variables say."""
    found = app.settings.settings
    organization = Organization(found.domain_uuid, found.domain_name)
    if state is State.JULY:
        return Played(state, organization)
    secret = settings.key_from_variable(app.environ, settings.SIGNATURE_SECRET)
    is_off = app.environ.get(settings.VERIFY_SIGNATURE, "").lower() in SIGNATURES_OFF
    return Played(state, organization, Signatures(secret, are_checked=not is_off))


def _run(app: App, server: Server, listener: socket.socket, ready: Callable[[], None]) -> int:
    try:
        server.run(listener, ready=ready)
    finally:
        tally = server.reception.tally
        show_beside(app.ui, Received(tally.callbacks, tally.refused, server.turned_away))
    if server.stopped_by not in (None, signal.SIGINT):  # Ctrl-C is how it is meant to end
        return ENDED_BY_SIGNAL + server.stopped_by
    return DONE


def _listening(host: str, port: int) -> socket.socket:
    try:
        return listening(host, port)
    except OSError as error:
        other_port = "`opbx webhook listen --port 0` takes any free port"
        raise ConfigurationError(
            f"the receiver cannot listen on port {port} of {host}: {error.strerror}",
            hint=other_port if error.errno in (errno.EADDRINUSE, errno.EACCES) else None,
        ) from error


def _keys(app: App) -> tuple[Keys, tuple[AcceptedKey, ...]]:
    """Return the keys as they will be, and as they are. ConfigurationError without any."""
    active = app.settings
    profile = active.profile
    active.require_webhook_key()
    keys = accepted_keys(active.settings)
    if profile is None:
        return (lambda: keys), keys

    app.may_ask = False  # a prompt would keep callbacks waiting, and Ctrl-C

    def load() -> Settings:
        return app.store.read().find(profile)[1]

    followed = FollowedKeys(
        keys, version=lambda: _version(app.paths.store), load=load, warn=app.ui.warn
    )
    return followed, keys


def _version(store: Path) -> Version:
    """Return what changes with every save: a save is a rename of a new file."""
    try:
        status = store.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)
