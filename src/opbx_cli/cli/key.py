"""`opbx key`: the ways to open the store."""

from typing import TYPE_CHECKING, Annotated

import typer

from opbx_cli.cli.app import App
from opbx_cli.cli.options import command
from opbx_cli.errors import UsageError

if TYPE_CHECKING:
    from opbx_cli.models import Secret

KINDS = ("keyfile", "external", "passphrase", "keyring")


def register(root: typer.Typer) -> None:
    group = typer.Typer(
        help="Manage what opens the store.", no_args_is_help=True, rich_markup_mode=None
    )
    root.add_typer(group, name="key")
    command(group, "status")(show_key_status)
    command(group, "add")(add_key)
    command(group, "remove")(remove_key)
    command(group, "rotate")(rotate_keys)
    command(group, "export-recovery")(export_recovery_key)


def show_key_status(app: App) -> None:
    """Show the ways to open the store.

    Where each key is and what it protects against; never the keys.
    """
    from opbx_cli.operations.keys import overview

    status = app.store.key_status()
    app.warn_of_store()
    app.ui.show(overview(status))


def add_key(
    app: App,
    *,
    kind: Annotated[str, typer.Option(metavar="KIND", help=f"{', '.join(KINDS)}.")],
) -> None:
    """Add a way to open the store.

    external, for CI, prints the new key once and nothing else: it is kept nowhere.
    """
    from opbx_cli.operations.history import Deed
    from opbx_cli.operations.keys import overview
    from opbx_cli.store import SlotKind

    if kind not in KINDS:
        raise UsageError(f"--kind: expected one of {', '.join(KINDS)}")
    passphrase = _new_passphrase(app) if kind == "passphrase" else None
    added = app.store.add_slot(SlotKind(kind), passphrase=passphrase)
    app.warn_of_store()
    app.record(Deed("key add", others=(f"slot {added.slot.id} ({kind})",)))
    if added.key is None:
        app.ui.show(overview(app.store.key_status()))
    else:
        app.ui.show_line(added.key.reveal())


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
    from opbx_cli.operations.history import Deed
    from opbx_cli.operations.keys import overview

    app.confirm(
        "Remove this way to open the store?",
        yes=yes,
        doing="removing a way to open the store",
        hint="`opbx key remove ID --yes`",
    )
    status = app.store.remove_slot(slot_id)
    app.warn_of_store()
    app.record(Deed("key remove", others=(f"slot {slot_id}",)))
    app.ui.show(overview(status))


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
    from opbx_cli.operations.history import Deed
    from opbx_cli.operations.keys import rotated

    rotation = app.store.rotate(drop=frozenset(drop or ()))
    app.warn_of_store()
    slots = (f"slot {slot.id} ({slot.kind})" for slot in rotation.slots)
    app.record(Deed("key rotate", others=("data key", *slots)))
    for warning in rotation.warnings:
        app.ui.warn(warning)
    app.ui.show(rotated(rotation))


def export_recovery_key(app: App) -> None:
    """Make a recovery key, shown once.

    To be printed or written down, on a terminal only. OPBX_STORE_KEY opens the store with it.
    """
    from opbx_cli.operations.history import Deed
    from opbx_cli.store import SlotKind

    if not app.may_ask or not app.ui.is_rich:
        raise UsageError(
            "a recovery key is shown on a terminal alone",
            hint="for a script there is `opbx key add --kind external`",
        )
    app.confirm(
        "Show a new recovery key on this terminal, once?", yes=False, doing="this", hint=None
    )
    added = app.store.add_slot(SlotKind.RECOVERY)
    app.warn_of_store()
    app.record(Deed("key export-recovery", others=(f"slot {added.slot.id} (recovery)",)))
    assert added.key is not None
    app.ui.notice("Keep it apart from this computer; it is not shown again:")
    app.ui.show_line(added.key.reveal())


def _new_passphrase(app: App) -> "Secret":
    from opbx_cli.cli.interview import ask_new_passphrase

    if not app.may_ask:
        raise UsageError("a passphrase is asked for on a terminal alone")
    return ask_new_passphrase(app.prompts)
