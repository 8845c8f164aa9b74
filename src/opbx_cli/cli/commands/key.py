"""`opbx key`: the ways to open the store."""

import shlex
from typing import Annotated

import typer

from opbx_cli.cli.app import App
from opbx_cli.cli.command import command
from opbx_cli.cli.input.interview import ask_new_passphrase
from opbx_cli.cli.input.options import KeyFilePath
from opbx_cli.cli.output.delivery import ToFile, ToStdout
from opbx_cli.cli.output.results import KeyFile
from opbx_cli.errors import UsageError
from opbx_cli.key_shapes import path_may_be_key
from opbx_cli.models import Secret
from opbx_cli.operations.history import Deed
from opbx_cli.operations.keys import overview, rotated
from opbx_cli.store import SlotKind
from opbx_cli.store.key_changes import AddedSlot, generated_key

# What can be added; a recovery key has a command of its own.
KINDS = tuple(kind for kind in SlotKind if kind is not SlotKind.RECOVERY)

NOT_ADDED = "no slot was added"


@command()
def show_key_status(app: App) -> None:
    """Show the ways to open the store.

    Where each key is and what it protects against; never the keys.
    """
    status = app.store.keys.status()
    app.warn_of_store()
    app.ui.show(overview(status))


@command()
def add_key(
    app: App,
    *,
    kind: Annotated[str, typer.Option(metavar="|".join(KINDS), help="What opens the store then.")],
    to_file: KeyFilePath = None,
) -> None:
    """Add a way to open the store.

    external, for CI, prints the new key once and nothing else, or writes it --to-file: it is kept
    nowhere else.
    """
    if kind not in KINDS:
        raise UsageError(f"--kind: expected one of {', '.join(KINDS)}")
    if to_file is not None and kind != "external":
        raise UsageError("--to-file: only the key of --kind external is handed out")
    if kind == "external":
        command = "opbx key add --kind external --to-file store.key"
        _add_handed_out(app, SlotKind.EXTERNAL, "key add", _delivery(app, to_file, command))
        return
    passphrase = _new_passphrase(app) if kind == "passphrase" else None
    added = app.store.keys.add(SlotKind(kind), passphrase=passphrase)
    _record(app, "key add", added)
    _show_overview(app)


@command()
def generate_key(app: App, *, to_file: KeyFilePath = None) -> None:
    """Make a key for a store that is still to be made.

    Prints it once and nothing else, or writes it --to-file: it is kept nowhere else, and opens the
    store that is made with it (OPBX_STORE_KEY). No store is read, made or changed;
    `opbx key add --kind external` adds a key to one that is there.
    """
    app.protect_memory()
    if to_file is None:
        command = "opbx key generate --to-file store.key"
        ToStdout(app.ui, "the new key", command=command).hand_out(generated_key())
        app.ui.say_warnings()
        return
    if path_may_be_key(to_file):
        raise UsageError(
            "--to-file: this may be a key: expected the path of a new file",
            hint="give it with a slash, as in `opbx key generate --to-file ./store.key`",
        )
    file = ToFile(app.ui, to_file)
    file.hand_out(generated_key())
    app.ui.notice(f"`export {_variable_of(file)}` has `opbx configure` make a store with this key.")
    app.ui.show(KeyFile(str(file.path)))


@command()
def remove_key(
    app: App,
    slot_id: Annotated[str, typer.Argument(metavar="ID", help="As `opbx key status` shows it.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove a way to open the store.

    Whoever has the key and an older copy of the store can still open that copy; `opbx key
    rotate` makes sure of the store and its backup.
    """
    app.confirm(
        "Remove this way to open the store?",
        yes=yes,
        doing="removing a way to open the store",
        hint="repeat the command with `--yes`",
    )
    status = app.store.keys.remove(slot_id)
    app.warn_of_store()
    app.record(Deed("key remove", others=(f"slot {slot_id}",)))
    app.ui.show(overview(status))


@command()
def rotate_keys(
    app: App,
    *,
    drop: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Leave out one whose key is not at hand; repeatable."),
    ] = None,
) -> None:
    """Encrypt everything anew.

    The store and its backup get a new data key, so that the old keys open neither.
    """
    rotation = app.store.keys.rotate(drop=frozenset(drop or ()))
    app.warn_of_store()
    slots = (f"slot {slot.id} ({slot.kind})" for slot in rotation.slots)
    app.record(Deed("key rotate", others=("data key", *slots)))
    for warning in rotation.warnings:
        app.ui.warn(warning)
    app.ui.show(rotated(rotation))


@command()
def export_recovery_key(app: App, *, to_file: KeyFilePath = None) -> None:
    """Make a recovery key, shown once.

    To be printed or written down: on a terminal only, or --to-file, for a disk that is kept apart.
    OPBX_STORE_KEY opens the store with it.
    """
    delivery = _delivery(app, to_file, "opbx key export-recovery --to-file recovery.key")
    if to_file is None:
        if not app.may_ask or not app.ui.is_rich:
            raise UsageError(
                "a recovery key is shown on a terminal alone",
                hint="`opbx key export-recovery --to-file recovery.key` writes it to a file for "
                "you alone",
            )
        app.confirm(
            "Show a new recovery key on this terminal, once?", yes=False, doing="this", hint=None
        )
    _add_handed_out(app, SlotKind.RECOVERY, "key export-recovery", delivery)
    if to_file is None:
        app.ui.notice("Keep it apart from this computer; it is not shown again.")
    else:
        app.ui.notice("Keep that file apart from this computer.")


def _delivery(app: App, to_file: str | None, command: str) -> ToFile | ToStdout:
    if to_file is not None:
        return ToFile(app.ui, to_file, state=NOT_ADDED)
    return ToStdout(app.ui, "the new key", command=command, state=NOT_ADDED)


def _add_handed_out(
    app: App, kind: SlotKind, command_name: str, delivery: ToFile | ToStdout
) -> None:
    """Add a slot whose key is kept nowhere; show the slots where stdout is not the key's."""
    added = app.store.keys.add(kind, delivery=delivery)
    _record(app, command_name, added)
    if isinstance(delivery, ToStdout):
        app.ui.say_warnings()
        return
    export = f"`export {_variable_of(delivery)}`"
    app.ui.notice(f"The new key is in a file for you alone: {export} opens the store.")
    _show_overview(app)


def _variable_of(delivery: ToFile) -> str:
    return f"OPBX_STORE_KEY_FILE={shlex.quote(str(delivery.path))}"


def _record(app: App, command_name: str, added: AddedSlot) -> None:
    app.warn_of_store()
    app.record(Deed(command_name, others=(f"slot {added.slot.id} ({added.slot.kind})",)))


def _show_overview(app: App) -> None:
    app.ui.show(overview(app.store.keys.status()))


def _new_passphrase(app: App) -> Secret:
    if not app.may_ask:
        raise UsageError("a passphrase is asked for on a terminal alone")
    return ask_new_passphrase(app.prompts)
