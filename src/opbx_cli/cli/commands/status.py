"""`opbx status`: the settings here, in Cloudonix and in OPBX, on one screen."""

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from opbx_cli.cli.app import App
from opbx_cli.cli.command import command
from opbx_cli.cli.fleet import Warn, look_at_all
from opbx_cli.cli.input.options import REPORTS, EnvFilePath
from opbx_cli.cli.input.selection import AllProfiles, Only, refuse_only
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import DIFFERS, ConfigurationError, OpbxError, StoreError
from opbx_cli.http.background import InBackground
from opbx_cli.instance import InstanceSettings
from opbx_cli.operations.status import Status, last_validated, status_of
from opbx_cli.remote import Snapshot
from opbx_cli.settings import ActiveSettings

if TYPE_CHECKING:
    from opbx_cli.cloudonix import Client
    from opbx_cli.store.audit_log import AuditEvent


@command(formats=REPORTS)
def status(
    app: App,
    *,
    all_profiles: AllProfiles = False,
    only: Only = None,
    env_file: EnvFilePath = None,
) -> int:
    """Compare the settings here, in Cloudonix and in OPBX.

    Shows each setting in each place, whether calls arrive, and when the domain was last brought
    in line from this computer. Changes nothing; exit 8 if something differs, and with --all 9 if a
    profile could not be asked.
    """
    app.use_env_file(env_file)
    if all_profiles:
        return _show_all(app, only)
    refuse_only(only)
    active = app.settings
    app.tell_context(active)
    base_url = _base_url(app, active, app.ui.warn)
    with app.ui.working("Reading the settings"):
        snapshot, remote = _read(app, app.client, active, app.ui.warn)
    entries = () if active.profile is None else _history(app)
    result = status_of(active, base_url, snapshot, remote, last_validated(entries, active))
    app.ui.show(result)
    return DIFFERS if result.differs else 0


def _show_all(app: App, only: list[str] | None) -> int:
    entries = () if app.is_storeless else _history(app)

    def look(active: ActiveSettings, warn: Warn) -> Status:
        base_url = _base_url(app, active, warn)
        with closing(app.client_for(active)) as client:
            snapshot, remote = _read(app, client, active, warn)
        return status_of(active, base_url, snapshot, remote, last_validated(entries, active))

    return look_at_all(app, only, look, schema="opbx.status/1")


def _base_url(app: App, active: ActiveSettings, warn: Warn) -> str | None:
    """Return where OPBX is reached; that nothing says so, or it is refused, is a warning here."""
    try:
        found = app.webhook_url_of(active)
    except ConfigurationError as error:
        if error.code != ErrorCode.CONFIGURATION_WEBHOOK_URL:
            raise
        warn(error.message)
        return active.settings.webhook_base_url
    for warning in found.warnings:
        warn(warning)
    return found.base_url


def _read(
    app: App, client: "Client", active: ActiveSettings, warn: Warn
) -> tuple[Snapshot, InstanceSettings | None]:
    """Ask both sides at the same time: one round trip to each."""
    opened = app.instance_of(active)
    if opened is None:
        return client.snapshot(), None

    def ask() -> InstanceSettings:
        with opened() as instance:
            return instance.read()

    reading = InBackground(ask)
    try:
        snapshot = client.snapshot()
    except OpbxError:
        reading.wait()
        raise
    return snapshot, _answer(reading, warn)


def _answer(reading: InBackground[InstanceSettings], warn: Warn) -> InstanceSettings | None:
    """Return what OPBX has; an OPBX that cannot be asked leaves the other two sides to show."""
    try:
        return reading.result()
    except OpbxError as error:
        hint = "" if error.hint is None else f" ({error.hint})"
        warn(f"OPBX is left out: {error.message}{hint}")
        return None


def _history(app: App) -> "Sequence[AuditEvent]":
    """Return what the audit trail has; nothing where it cannot be read."""
    try:
        return app.history.read().entries
    except StoreError as error:
        app.ui.warn(f"the audit trail could not be read: {error.message}")
        return ()
