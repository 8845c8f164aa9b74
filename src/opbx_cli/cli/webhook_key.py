"""`opbx webhook-key`: the key with which OPBX checks that callbacks come from Cloudonix."""

from typing import TYPE_CHECKING, Annotated

import typer

from opbx_cli.cli.app import App
from opbx_cli.cli.options import command
from opbx_cli.errors import UsageError

if TYPE_CHECKING:
    from opbx_cli.models import Settings


def register(root: typer.Typer) -> None:
    group = typer.Typer(
        help="Replace or reveal the webhook key.", no_args_is_help=True, rich_markup_mode=None
    )
    root.add_typer(group, name="webhook-key")
    command(group, "rotate")(rotate_webhook_key)
    command(group, "reveal")(reveal_webhook_key)


def rotate_webhook_key(
    app: App,
    *,
    grace: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="For how long webhook listen takes the old key too: 15m, 2h, 1d."
        ),
    ] = None,
) -> None:
    """Put a new webhook key in force.

    Saves it, sends it to Cloudonix and reads it back. From then on Cloudonix sends the new key, so
    OPBX has to be given it at once: `opbx webhook-key reveal` prints it, and
    `opbx webhook-url --check --with-key` proves that it arrived.
    """
    from datetime import UTC, datetime, timedelta

    from opbx_cli import settings as source
    from opbx_cli.operations import profiles
    from opbx_cli.operations.history import Deed
    from opbx_cli.operations.webhook_key import rotate
    from opbx_cli.values import parse_duration

    until = None
    if grace is not None:
        seconds = source.checked(parse_duration, grace, "--grace")
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
    profile, old = _stored_profile(app), app.settings.settings
    saved, outcome = old, "partial"

    def save(before: "Settings", after: "Settings") -> None:
        nonlocal saved
        app.store.update(
            lambda contents: profiles.with_webhook_key(contents, profile, before, after)
        )
        saved = after

    try:
        with app.ui.working("Putting a new webhook key in force"):
            result = rotate(app.client, app.settings, save, old_valid_until=until)
        outcome = "ok"
    finally:
        if saved.webhook_api_key != old.webhook_api_key:
            app.record(Deed("webhook-key rotate", profile, old, saved, result=outcome))
    app.ui.show(result)


def reveal_webhook_key(
    app: App,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Print the webhook key, alone: OPBX needs it.

    The one command that prints a key. On a terminal it asks first; elsewhere it wants --yes.
    """
    key = app.settings.require_webhook_key()
    if not yes:
        if not app.may_ask:
            raise UsageError(
                "revealing the webhook key needs a yes",
                hint=f"`opbx webhook-key reveal --yes{app.settings.profile_option}`",
                code="usage.wants_yes",
            )
        if not app.prompts.confirm("Show the webhook key on this terminal?"):
            raise UsageError("not confirmed: nothing was shown", code="usage.declined")
    app.ui.show_line(key.reveal())


def _stored_profile(app: App) -> str:
    profile = app.settings.profile
    if profile is None:
        raise UsageError(
            "a new webhook key has to be saved, and without a store there is nowhere to",
            hint="name a profile that is stored: `opbx profiles list`",
        )
    return profile
