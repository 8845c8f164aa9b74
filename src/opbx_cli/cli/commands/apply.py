"""`opbx apply`: provision the profiles of a manifest."""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from opbx_cli import settings
from opbx_cli.cli.app import App
from opbx_cli.cli.batch import tasks_of, validate_batch
from opbx_cli.cli.command import command
from opbx_cli.cli.input.choices import (
    Check,
    KeepWebhookKey,
    ReplaceDefault,
    ReplaceWebhookKey,
    Yes,
    choices_of,
)
from opbx_cli.cli.input.manifest_keys import ManifestKeys
from opbx_cli.cli.input.options import REPORTS, EnvFilePath
from opbx_cli.cli.input.selection import Only, only_words, selected
from opbx_cli.cli.tasks import task_of
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError
from opbx_cli.operations.configure import GivenSettings, merge
from opbx_cli.operations.group_save import GroupSave
from opbx_cli.operations.manifest import PLAIN, SIZE_MAX, Entry, parse, refuse_commands
from opbx_cli.operations.profiles import refuse_key
from opbx_cli.operations.provision import KEY_TO_BE_MADE, Provision, in_order
from opbx_cli.operations.validate.desired import Choices
from opbx_cli.operations.validate.run import Task
from opbx_cli.store import StoreContents

STDIN = "-"
EPILOG = (
    "Running it again is always safe. Profiles that the manifest does not name stay as they are, "
    "and so does a setting that it leaves out. Exit codes as those of validate --all: 0, 8 with "
    "--check, 9 when any profile failed; 3 for a manifest that is not taken: then nothing is done."
)


HELP = f"""Save and validate all profiles of a manifest.

A profile is saved once Cloudonix has accepted its key; until then it keeps what it had.
The manifest has a table [profile."NAME"] for each, with settings as configure takes them:
{", ".join(PLAIN)}. Keys are named, not written: domain_api_key_env or domain_api_key_file,
and the same for webhook_api_key. A relative path starts at the manifest's folder.
With --allow-commands also domain_api_key_command, a list of words: a program that prints the key.
"""


@command(formats=REPORTS, help=HELP, epilog=EPILOG)
def apply(
    app: App,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The manifest, in TOML; - is stdin.")],
    *,
    check: Check = False,
    only: Only = None,
    replace_default: ReplaceDefault = False,
    keep_webhook_key: KeepWebhookKey = False,
    replace_webhook_key: ReplaceWebhookKey = False,
    yes: Yes = False,
    allow_commands: Annotated[
        bool,
        typer.Option(
            "--allow-commands", help="Run the commands that the manifest names to print keys."
        ),
    ] = False,
    no_store: Annotated[
        bool,
        typer.Option(
            "--no-store", help="Work from the manifest alone: save nothing on this computer."
        ),
    ] = False,
    env_file: EnvFilePath = None,
) -> int:
    """Save and validate all profiles of a manifest."""
    choices = choices_of(
        replace_default=replace_default or yes,
        keep_key=keep_webhook_key,
        replace_key=replace_webhook_key,
        yes=yes,
    )
    app.refuse_profile("the manifest names the profiles")
    app.use_env_file(env_file)
    name, folder = ("stdin", Path()) if file == STDIN else (file, Path(file).parent)
    entries = parse(_content(file), name)
    chosen = selected((entry.profile for entry in entries), only)
    entries = tuple(entry for entry in entries if entry.profile in chosen)
    if not allow_commands:
        refuse_commands(entries, name)
    keys = ManifestKeys(app, entries, file=name, folder=folder)
    again = f"opbx apply {shlex.quote(file)}{only_words(only)}"
    if no_store:
        app.protect_memory()
        tasks = _unsaved_tasks(app, entries, keys.given(), choices, manifest=file, check=check)
        return validate_batch(app, tasks, None, command="apply", again=f"{again} --no-store")
    # The store comes first: memory is protected before the first key is read into it.
    contents = _stored(app)
    order = () if contents.profiles else tuple(entry.profile for entry in entries)
    saving = GroupSave(app.store, create=True, arrange=partial(in_order, order=order))
    tasks = _tasks(app, entries, keys.given(), contents, saving, choices, check=check)
    try:
        return validate_batch(app, tasks, saving, command="apply", again=again)
    finally:
        if saving.created is not None:
            app.tell_of_new_store(saving.created)
        app.warn_of_store()


def _content(file: str) -> bytes:
    """Read the manifest; one byte more than it may have shows that it is too large."""
    if file == STDIN:
        return b"" if sys.stdin is None else sys.stdin.buffer.read(SIZE_MAX + 1)
    try:
        with Path(file).open("rb") as source:
            return source.read(SIZE_MAX + 1)
    except (OSError, ValueError) as error:
        # The path is not repeated: it may be a key, given in the wrong place.
        reason = getattr(error, "strerror", None) or "not a path"
        raise ConfigurationError(
            f"FILE: the manifest cannot be read: {reason}", code=ErrorCode.CONFIGURATION_MANIFEST
        ) from error


def _stored(app: App) -> StoreContents:
    """Return what the store holds now; nothing where there is none yet."""
    return app.read_store() if app.store.exists() else StoreContents()


def _tasks(
    app: App,
    entries: tuple[Entry, ...],
    given: Mapping[str, GivenSettings],
    contents: StoreContents,
    saving: GroupSave,
    choices: Choices,
    *,
    check: bool,
) -> dict[str, Task]:
    """Return the validations, each with what is saved in its profile once it is accepted."""
    api_base_url = settings.api_base_url(app.environ)
    provisions = {}
    for name, one in given.items():
        stored = contents.profiles.get(name)
        if stored is None:
            refuse_key(name, ConfigurationError)
        candidate = merge(stored, one, api_base_url=api_base_url)
        provisions[name] = Provision(
            name, one, api_base_url, partial(_stored, app), saving.update, stored, candidate
        )
    candidates = {name: provision.candidate for name, provision in provisions.items()}
    places = {entry.profile: entry.api_key.name for entry in entries}
    found = {}
    for name, task in tasks_of(
        app, candidates, contents, saving.update, choices, check=check
    ).items():
        warnings = [*task.warnings, *settings.key_warnings(candidates[name])]
        stored = provisions[name].stored
        if check and stored is None and given[name].settings.webhook_api_key is None:
            warnings.append(KEY_TO_BE_MADE)
        active = task.active._replace(api_key_place=places[name])
        found[name] = replace(
            task, active=active, provision=provisions[name], warnings=tuple(warnings)
        )
    return found


def _unsaved_tasks(
    app: App,
    entries: tuple[Entry, ...],
    given: Mapping[str, GivenSettings],
    choices: Choices,
    *,
    manifest: str,
    check: bool,
) -> dict[str, Task]:
    """Return the validations of what the manifest alone says, which is saved nowhere."""
    default = GivenSettings({"api_base_url": settings.api_base_url(app.environ)})
    tasks = {}
    for entry in entries:
        refuse_key(entry.profile, ConfigurationError)
        found = default.plus(**given[entry.profile].values).settings
        active = settings.unsaved_settings(
            found,
            profile=entry.profile,
            manifest=manifest,
            key_places=entry.key_places,
            environ=app.environ,
        )
        task = task_of(app, active, choices, check=check)
        tasks[entry.profile] = replace(task, warnings=settings.key_warnings(found))
    return tasks
