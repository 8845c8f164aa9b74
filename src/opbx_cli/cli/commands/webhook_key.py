"""`opbx webhook-key`: the key with which OPBX checks that callbacks come from Cloudonix."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from opbx_cli import settings
from opbx_cli.cli.app import App
from opbx_cli.cli.command import command
from opbx_cli.cli.fleet import Fleet
from opbx_cli.cli.input.options import KeyFilePath
from opbx_cli.cli.input.selection import (
    AllProfiles,
    Only,
    active_settings,
    only_words,
    refuse_only,
    stored_profiles,
)
from opbx_cli.cli.output.delivery import ToFile, ToStdout
from opbx_cli.cli.output.results import KeyFile
from opbx_cli.cli.tasks import stored_profile
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import Interrupted, OpbxError, UsageError
from opbx_cli.operations.history import Deed
from opbx_cli.operations.validate.key_ownership import KeyOwner
from opbx_cli.operations.webhook_key import NOT_OURS, KeyRotation, RotatedKey
from opbx_cli.settings import ActiveSettings
from opbx_cli.values import listed, parse_duration

if TYPE_CHECKING:
    from opbx_cli.cloudonix import Client


@command()
def rotate_webhook_key(
    app: App,
    *,
    grace: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="For how long webhook listen takes the old key too: 15m, 2h, 1d."
        ),
    ] = None,
    yes: Annotated[
        bool,
        typer.Option("--yes", "-y", help="Replace a key that was not sent from here, too."),
    ] = False,
    all_profiles: AllProfiles = False,
    only: Only = None,
) -> int:
    """Put a new webhook key in force.

    Saves it, sends it to Cloudonix and reads it back. From then on Cloudonix sends the new key, so
    OPBX has to be given it at once: `opbx webhook-key reveal` prints it, and
    `opbx webhook-url --check --with-key` proves that it arrived. With --all one profile follows the
    other; a terminal is asked once, before the first.
    """
    until = None
    if grace is not None:
        seconds = settings.checked(parse_duration, grace, "--grace")
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
    if all_profiles:
        return _rotate_all(app, only, until, yes=yes)
    refuse_only(only)
    _require_store(app)
    app.tell_context(app.settings)
    _rotate(app, app.settings, app.client, until, yes=yes, show=app.ui.show)
    app.signals.check()
    return 0


def _rotate_all(app: App, only: list[str] | None, until: datetime | None, *, yes: bool) -> int:
    """Rotate one after the other, without asking in between, and go on where one fails."""
    contents, chosen = stored_profiles(app, only)
    by_hand = [name for name, found in chosen.items() if found.instance_url is None]
    if by_hand and app.may_ask:
        app.confirm(
            "No OPBX is linked to these, so each refuses its calls until you give it the new key: "
            f"{listed(by_hand)}. Rotate all the same?",
            yes=yes,
            doing="rotating keys that have to be handed over by hand",
            hint=None,
        )
    app.may_ask = False  # from now on: a passphrase may have opened the store
    fleet = Fleet(app.ui, "opbx.webhook-key/1")
    for name, active in active_settings(app, contents, chosen).items():
        show = partial(fleet.show, name, warnings=[*active.warnings])
        try:
            with closing(app.client_for(active)) as client:
                _rotate(app, active, client, until, yes=yes, show=show)
            app.signals.check()
        except (KeyboardInterrupt, Interrupted) as error:
            raise _cut_short(error, name, fleet.shown, chosen) from error
        except OpbxError as error:
            show(error)
    return fleet.end()


def _cut_short(
    error: BaseException, name: str, done: Sequence[str], chosen: Iterable[str]
) -> OpbxError:
    """Say where it was cut off, and what goes on with the rest, not with what is done."""
    cut = error.about(name) if isinstance(error, Interrupted) else Interrupted("interrupted")
    left = only_words([one for one in chosen if one not in done])
    return cut.with_more(
        f"; done before: {', '.join(done) or 'none'}",
        hint=f"`opbx webhook-key rotate --all{left}` goes on from here" if left else None,
    )


def _rotate(
    app: App,
    active: ActiveSettings,
    client: "Client",
    until: datetime | None,
    *,
    yes: bool,
    show: Callable[[RotatedKey], None],
) -> None:
    assert active.profile is not None
    stored = stored_profile(app, active.profile, client.domain_uuid)
    rotation = KeyRotation(
        client,
        stored,
        app.signals,
        instance=app.instance_of(active),
        profile_option=active.profile_option,
    )
    with app.alone_on(active):
        with app.ui.working("Looking which webhook key is in force"):
            owner = rotation.look()
        _want_yes(app, owner, active.profile_option, yes=yes)
        if owner in NOT_OURS and not yes:
            rotation.look()  # it may have taken long to answer
        with app.signals.held():  # until what was done is recorded and said
            try:
                with app.ui.working("Putting a new webhook key in force"):
                    result = rotation.run(old_valid_until=until)
            finally:
                if rotation.outcome != "failed":
                    app.record(
                        Deed(
                            "webhook-key rotate",
                            active.profile,
                            rotation.before,
                            rotation.saved,
                            result=rotation.outcome,
                        )
                    )
            show(result)


def _want_yes(app: App, owner: KeyOwner, option: str, *, yes: bool) -> None:
    """Want a yes where the key in force is not one that this store sent."""
    if owner not in NOT_OURS:
        return
    app.confirm(
        "The webhook key in force was not sent from here: OPBX may have it from another computer. "
        "Replace it by a new one?",
        yes=yes,
        doing="replacing a webhook key that was not sent from here",
        hint=f"`opbx validate{option}` compares both; `opbx webhook-key rotate --yes{option}` "
        "replaces it",
    )


@command()
def reveal_webhook_key(
    app: App,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    to_file: KeyFilePath = None,
) -> None:
    """Print the webhook key, alone: OPBX needs it.

    The one command that prints a key of a profile. On a terminal it asks first; elsewhere it wants
    --yes. With --to-file nothing is printed, and nothing asked.
    """
    file = None if to_file is None else ToFile(app.ui, to_file)
    key = app.settings.require_webhook_key()
    if file is not None:
        file.hand_out(key)
        app.ui.show(KeyFile(str(file.path)))
        return
    if not yes:
        if not app.may_ask:
            raise UsageError(
                "revealing the webhook key needs a yes",
                hint=f"`opbx webhook-key reveal --yes{app.settings.profile_option}`",
                code=ErrorCode.USAGE_WANTS_YES,
            )
        if not app.prompts.confirm("Show the webhook key on this terminal?"):
            raise UsageError("not confirmed: nothing was shown", code=ErrorCode.USAGE_DECLINED)
    command_line = f"opbx webhook-key reveal --to-file webhook.key{app.settings.profile_option}"
    ToStdout(app.ui, "the webhook key", command=command_line).hand_out(key)
    app.ui.say_warnings()


def _require_store(app: App) -> None:
    if app.settings.profile is None:
        raise UsageError(
            "a new webhook key has to be saved, and without a store there is nowhere to",
            hint="name a profile that is stored: `opbx profiles list`",
        )
