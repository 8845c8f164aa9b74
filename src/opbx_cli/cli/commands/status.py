"""`opbx status`: the settings here, in Cloudonix and in OPBX, on one screen."""

from opbx_cli.cli.app import App
from opbx_cli.cli.command import command
from opbx_cli.cli.input.options import REPORTS, EnvFilePath
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import DIFFERS, ConfigurationError, OpbxError, StoreError
from opbx_cli.http.background import InBackground
from opbx_cli.instance import InstanceSettings
from opbx_cli.operations.status import last_validated, status_of
from opbx_cli.remote import Snapshot
from opbx_cli.settings import ActiveSettings


@command(formats=REPORTS)
def status(app: App, *, env_file: EnvFilePath = None) -> int:
    """Compare the settings here, in Cloudonix and in OPBX.

    Shows each setting in each place, whether calls arrive, and when the domain was last brought
    in line from this computer. Changes nothing; exit 8 if something differs.
    """
    app.use_env_file(env_file)
    active = app.settings
    app.tell_context(active)
    base_url = _base_url(app, active)
    with app.ui.working("Reading the settings"):
        snapshot, remote = _read(app, active)
    result = status_of(active, base_url, snapshot, remote, _last_validated(app, active))
    app.ui.show(result)
    return DIFFERS if result.differs else 0


def _base_url(app: App, active: ActiveSettings) -> str | None:
    """Return where OPBX is reached; that nothing says so, or it is refused, is a warning here."""
    try:
        found = app.webhook_url_of(active)
    except ConfigurationError as error:
        if error.code != ErrorCode.CONFIGURATION_WEBHOOK_URL:
            raise
        app.ui.warn(error.message)
        return active.settings.webhook_base_url
    for warning in found.warnings:
        app.ui.warn(warning)
    return found.base_url


def _read(app: App, active: ActiveSettings) -> tuple[Snapshot, InstanceSettings | None]:
    """Ask both sides at the same time: one round trip to each."""
    client, opened = app.client, app.instance_of(active)
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
    return snapshot, _answer(app, reading)


def _answer(app: App, reading: InBackground[InstanceSettings]) -> InstanceSettings | None:
    """Return what OPBX has; an OPBX that cannot be asked leaves the other two sides to show."""
    try:
        return reading.result()
    except OpbxError as error:
        hint = "" if error.hint is None else f" ({error.hint})"
        app.ui.warn(f"OPBX is left out: {error.message}{hint}")
        return None


def _last_validated(app: App, active: ActiveSettings) -> str | None:
    """Look into the audit trail; without a store no file is read."""
    if active.profile is None:
        return None
    try:
        return last_validated(app.history.read().entries, active)
    except StoreError as error:
        app.ui.warn(f"the audit trail could not be read: {error.message}")
        return None
