"""`opbx apply`: provision the profiles of a manifest."""

import shlex
from collections.abc import Mapping
from dataclasses import replace
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
from opbx_cli.cli.input.interview import key_from_file
from opbx_cli.cli.input.options import REPORTS, EnvFilePath
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError
from opbx_cli.key_command import KeyCommandFailed, key_from_command
from opbx_cli.models import Secret
from opbx_cli.operations.configure import GivenSettings, merge
from opbx_cli.operations.group_save import GroupSave
from opbx_cli.operations.manifest import (
    PLAIN,
    SIZE_MAX,
    Entry,
    KeyPlace,
    parse,
    refuse_commands,
    refused,
)
from opbx_cli.operations.profiles import refuse_key
from opbx_cli.operations.provision import KEY_TO_BE_MADE, Provision
from opbx_cli.operations.validate.desired import Choices
from opbx_cli.operations.validate.run import Task
from opbx_cli.store import StoreContents
from opbx_cli.values import parse_key

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
    file: Annotated[str, typer.Argument(metavar="FILE", help="The manifest, in TOML.")],
    *,
    check: Check = False,
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
    entries = parse(_content(file), file)
    if not allow_commands:
        refuse_commands(entries, file)
    # The store comes first: memory is protected before the first key is read into it.
    saving = GroupSave(app.store, create=True)
    given = _given(app, entries, file)
    tasks = _tasks(app, entries, given, saving, choices, check=check)
    try:
        return validate_batch(
            app, tasks, saving, command="apply", again=f"opbx apply {shlex.quote(file)}"
        )
    finally:
        if saving.created is not None:
            app.tell_of_new_store(saving.created)
        app.warn_of_store()


def _content(file: str) -> bytes:
    """Read the manifest; one byte more than it may have shows that it is too large."""
    try:
        with Path(file).open("rb") as source:
            return source.read(SIZE_MAX + 1)
    except (OSError, ValueError) as error:
        # The path is not repeated: it may be a key, given in the wrong place.
        reason = getattr(error, "strerror", None) or "not a path"
        raise ConfigurationError(
            f"FILE: the manifest cannot be read: {reason}", code=ErrorCode.CONFIGURATION_MANIFEST
        ) from error


def _given(app: App, entries: tuple[Entry, ...], file: str) -> dict[str, GivenSettings]:
    """Read the keys, when all else is known to be right."""
    taken: dict[str | tuple[str, ...], Secret] = {}
    named = (key.variable for entry in entries for key in (entry.api_key, entry.webhook_key) if key)
    others = frozenset(filter(None, named))  # which hold keys: no command gets them

    def key(place: KeyPlace | None) -> Secret | None:
        return None if place is None else _key(app, place, file, taken, others)

    return {
        entry.profile: entry.given.plus(
            domain_api_key=key(entry.api_key), webhook_api_key=key(entry.webhook_key)
        )
        for entry in entries
    }


def _key(
    app: App,
    place: KeyPlace,
    file: str,
    taken: dict[str | tuple[str, ...], Secret],
    others: frozenset[str],
) -> Secret:
    """Read one key; a variable leaves the environment, and may serve several profiles."""
    name = f"{file}: {place.name}"
    if place.file is not None:
        return key_from_file(Path(file).parent / place.file, name, warn=app.ui.warn)
    if place.command is not None:
        if place.command not in taken:
            taken[place.command] = _printed_key(app, place.command, others, name)
        return taken[place.command]
    assert place.variable is not None
    if place.variable not in taken:
        text = app.environ.pop(place.variable, None)
        if text is None:
            raise refused(file, place.name, "no such variable is set")
        taken[place.variable] = settings.checked(parse_key, text, name, ConfigurationError)
    return taken[place.variable]


def _printed_key(app: App, words: tuple[str, ...], others: frozenset[str], name: str) -> Secret:
    """Run a command of the manifest, from the current folder; one may serve several profiles."""
    try:
        key = key_from_command(words, app.environ, without=others)
    except KeyCommandFailed as problem:
        raise ConfigurationError(
            f"{name}: the command {problem}",
            hint="nothing was changed; run it by itself: it has to print the key, alone",
            code=ErrorCode.CONFIGURATION_MANIFEST,
        ) from None
    return settings.checked(parse_key, key.reveal(), name, ConfigurationError)


def _tasks(
    app: App,
    entries: tuple[Entry, ...],
    given: Mapping[str, GivenSettings],
    saving: GroupSave,
    choices: Choices,
    *,
    check: bool,
) -> dict[str, Task]:
    """Return the validations, each with what is saved in its profile once it is accepted."""
    api_base_url = settings.api_base_url(app.environ)
    contents = app.read_store() if app.store.exists() else StoreContents()

    def read() -> StoreContents:
        return app.read_store() if app.store.exists() else StoreContents()

    order = () if contents.profiles else tuple(given)
    provisions = {}
    for name, one in given.items():
        stored = contents.profiles.get(name)
        if stored is None:
            refuse_key(name, ConfigurationError)
        candidate = merge(stored, one, api_base_url=api_base_url)
        provisions[name] = Provision(
            name, one, api_base_url, read, saving.update, stored, candidate, order
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
        active = replace(task.active, api_key_place=places[name])
        found[name] = replace(
            task, active=active, provision=provisions[name], warnings=tuple(warnings)
        )
    return found
