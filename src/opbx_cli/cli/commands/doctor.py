"""`opbx doctor`: what is wrong with this installation."""

import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from opbx_cli import __version__, private_files, settings
from opbx_cli.cli.app import App
from opbx_cli.cli.command import command
from opbx_cli.cli.output import view_of
from opbx_cli.cli.output.documents import json_of
from opbx_cli.cli.topics import ENVIRONMENT
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import OpbxError, UsageError
from opbx_cli.installation import installation
from opbx_cli.key_shapes import path_may_be_key
from opbx_cli.models import Secret
from opbx_cli.operations import doctor as checks
from opbx_cli.operations.doctor import Diagnosis
from opbx_cli.operations.doctor_bundle import read_bundle, without_secrets
from opbx_cli.operations.doctor_network import Look, Signed, health_check, network_checks
from opbx_cli.operations.verdicts import Check, Result, skipped
from opbx_cli.settings import ActiveSettings
from opbx_cli.settings.table import Settings

DEPENDENCIES = ("typer", "rich", "httpx", "httpcore", "cryptography", "platformdirs")
NETWORK = ("proxy", "dns", "tcp", "tls", "clock", "cloudonix", "opbx")


@command()
def doctor(
    app: App,
    *,
    bundle: Annotated[
        str | None,
        typer.Option(
            "--bundle", metavar="FILE", help="Write it to a new file, too, that is safe to send."
        ),
    ] = None,
    read: Annotated[
        str | None,
        typer.Option("--read", metavar="FILE", help="Show such a file; nothing here is looked at."),
    ] = None,
) -> None:
    """Find out what is wrong with this installation.

    Looks at versions, the store and its key, the profile, the audit trail, the way to the API
    (proxy, DNS, TLS, clock), and at what Cloudonix and a linked OPBX answer. Changes nothing and
    asks nothing; exit 1 if a check failed.
    """
    if read is not None and bundle is not None:
        raise UsageError("--read and --bundle contradict each other")
    if read is not None:
        app.ui.show(read_bundle(Path(read)))
        return
    path = None if bundle is None else _bundle_path(bundle)
    with app.ui.working("Looking at this installation"):
        diagnosis = _diagnosis(app)
    app.ui.show(diagnosis)
    if path is not None:
        _write(app, path, diagnosis)
    if diagnosis.failed:
        count = f"{len(diagnosis.failed)} of {len(diagnosis.checks)} checks failed"
        raise OpbxError(
            f"{count}: {', '.join(check.id for check in diagnosis.failed)}",
            hint=diagnosis.failed[0].advice,
            code=ErrorCode.DOCTOR_CHECK_FAILED,
        )


def _diagnosis(app: App) -> Diagnosis:
    app.protect_memory()
    app.may_ask = False  # no passphrase: what needs one is skipped
    # Before the keys among them are taken out.
    secrets = [Secret(text) for name in settings.KEYS if (text := app.environ.get(name))]
    found = [checks.versions_check(_versions()), checks.environment_check(_variables(app))]
    here, active = _local(app, secrets)
    found += [*here, *_network(app, active)]
    made = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return without_secrets(Diagnosis(made, tuple(found)), secrets)


def _versions() -> dict[str, str | None]:
    versions: dict[str, str | None] = {
        "opbx": __version__,
        "installed by": installation().tool,
        "Python": platform.python_version(),
        platform.system() or "system": platform.release(),
    }
    for name in DEPENDENCIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def _variables(app: App) -> Iterable[str]:
    known = {name for names in ENVIRONMENT for name in names.split(", ")}
    known |= {name.lower() for name in known if name.endswith("_PROXY")}
    return sorted(known.intersection(app.environ))


def _local(app: App, secrets: list[Secret]) -> tuple[list[Check], ActiveSettings | None]:
    """Look at what is kept here, and return the settings, if there are any."""
    if app.is_storeless:
        why = "the settings come from the environment"
        profile, active = _profile(app, secrets)
        kept = [skipped(name, why) for name in ("store", "key")]
        return [*kept, profile, skipped("history", why)], active
    kept = _store(app, secrets)
    active = None
    profile = skipped("profile", "no settings can be read: see store and key")
    if all(check.result in (Result.OK, Result.WARNING) for check in kept):
        profile, active = _profile(app, secrets)
    return [*kept, profile, _history(app)], active


def _store(app: App, secrets: list[Secret]) -> list[Check]:
    """Look at the store once: a store key is taken out of the environment by the first look."""
    try:
        store, path = app.store, str(app.paths.store)
    except (OpbxError, OSError) as error:
        return [checks.failed("store", error), skipped("key", "see store")]
    problem: OpbxError | OSError | None = None
    try:
        contents = app.read_store()
        secrets += [key for one in contents.profiles.values() for key in _keys(one)]
    except (OpbxError, OSError) as error:
        problem = error
    if isinstance(problem, OpbxError) and problem.code == ErrorCode.STORE_MISSING:
        return [checks.store_check(path, problem, ()), skipped("key", "there is no store")]
    try:
        status = store.keys.status()
    except (OpbxError, OSError) as error:
        return [checks.failed("store", problem or error), skipped("key", "see store")]
    return [
        checks.store_check(path, problem, status.slots, is_shared=store.is_shared),
        checks.key_check(status.slots, status.opened_with, problem, store.warnings),
    ]


def _keys(found: Settings) -> list[Secret]:
    values = (getattr(found, name) for name in found.__slots__)
    return [value for value in values if isinstance(value, Secret)]


def _profile(app: App, secrets: list[Secret]) -> tuple[Check, ActiveSettings | None]:
    try:
        active = app.settings
    except (OpbxError, OSError) as error:
        if isinstance(error, OpbxError) and error.code == ErrorCode.STORE_MISSING:
            return skipped("profile", "there is no store"), None
        return checks.failed("profile", error), None
    secrets += _keys(active.settings)
    return checks.profile_check(active), active


def _history(app: App) -> Check:
    try:
        return checks.history_check(app.history.read())
    except (OpbxError, OSError) as error:
        return checks.failed("history", error)


def _network(app: App, active: ActiveSettings | None) -> tuple[Check, ...]:
    try:
        url = settings.api_base_url(app.environ)
        if active is not None:
            url = active.settings.api_base_url
        signed = Signed(_cloudonix(app, active), _opbx(app, active))
        patience = settings.api_timeout(app.environ)
        return network_checks(url, signed, observe=app.ui.trace, patience=patience)
    except OpbxError as error:  # a variable that holds no address, or no number
        why = "see cloudonix"
        return tuple(
            checks.failed(name, error) if name == "cloudonix" else skipped(name, why)
            for name in NETWORK
        )


def _cloudonix(app: App, active: ActiveSettings | None) -> Look | Check:
    if active is None or active.settings.domain_api_key is None:
        return skipped("cloudonix", "there is no key to ask with: see profile")
    try:
        client = app.client
    except OpbxError as error:
        return checks.failed("cloudonix", error)
    return lambda: checks.api_check(client.get_domain())


def _opbx(app: App, active: ActiveSettings | None) -> Look | Check:
    if active is None or active.settings.instance_url is None:
        return skipped("opbx", "no OPBX is linked")
    url = active.settings.instance_url
    if active.instance_login is not None:
        return partial(health_check, url, observe=app.ui.trace)

    def ask() -> Check:
        with app.open_instance(active) as instance:
            return checks.opbx_check(instance.who_am_i(), url, active.profile_option)

    return ask


def _bundle_path(text: str) -> Path:
    if path_may_be_key(text):
        raise UsageError(
            "--bundle: this may be a key by mistake: expected the path of a new file",
            hint="give it an ending or a slash, as in `opbx doctor --bundle ./doctor.json`",
        )
    return Path(text)


def _write(app: App, path: Path, diagnosis: Diagnosis) -> None:
    document = view_of(diagnosis).document
    content = json_of({**document, "warnings": [*diagnosis.warnings]}, indent=2)
    try:
        private_files.write_new_synced(path, content.encode())
    except FileExistsError as error:
        raise UsageError(
            "--bundle: there is such a file already, and it stays as it is",
            hint="give the path of a file that is not there yet",
            code=ErrorCode.USAGE_FILE_EXISTS,
        ) from error
    except OSError as error:
        raise OpbxError(
            f"--bundle: the file could not be written: {error.strerror}",
            code=ErrorCode.DOCTOR_NOT_WRITTEN,
        ) from error
    app.ui.notice(f"{path} has the same, without any key: it is safe to send.")
