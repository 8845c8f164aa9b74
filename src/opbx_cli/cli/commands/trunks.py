"""`opbx trunks`: the domain's voice trunks."""

from collections.abc import Iterable
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from opbx_cli.cli.app import App
from opbx_cli.cli.command import command
from opbx_cli.cli.fleet import Warn, look_at_all
from opbx_cli.cli.input.options import TEXT_AND_JSON
from opbx_cli.cli.input.selection import AllProfiles, Only, refuse_only
from opbx_cli.cli.output.trunks import COLUMNS
from opbx_cli.completion.names import TrunkNames
from opbx_cli.errors import ConfigurationError, StoreError, UsageError
from opbx_cli.operations.trunks import (
    Direction,
    Order,
    TrunkDetail,
    TrunkList,
    TrunkQuestion,
    find,
    select,
)
from opbx_cli.remote import Trunk
from opbx_cli.settings import ActiveSettings

if TYPE_CHECKING:
    from opbx_cli.cloudonix import Client


@command(formats=(*TEXT_AND_JSON, "csv"))
def list_trunks(
    app: App,
    *,
    all_profiles: AllProfiles = False,
    only: Only = None,
    direction: Annotated[
        str, typer.Option(metavar="|".join(Direction), help="Which ones.")
    ] = "outbound",
    search: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Only those with this in name, address or prefix."),
    ] = None,
    active: Annotated[
        bool | None, typer.Option("--active/--inactive", help="Only those that are, or are not.")
    ] = None,
    sort: Annotated[
        str, typer.Option(metavar="|".join(Order), help="By what; metric is the routing order.")
    ] = "metric",
    columns: Annotated[
        str | None, typer.Option(metavar="A,B", help="Which columns, and in which order.")
    ] = None,
) -> int:
    """List the trunks, in routing order.

    `--output csv` is for spreadsheets. With --all each line begins with its profile.
    """
    if direction not in [*Direction]:
        raise UsageError(f"--direction: expected one of {', '.join(Direction)}")
    if sort not in [*Order]:
        raise UsageError(f"--sort: expected one of {', '.join(Order)}")
    question = TrunkQuestion(Direction(direction), search or None, active, Order(sort))
    chosen = _columns(columns)

    def look(active: ActiveSettings, client: "Client") -> TrunkList:
        trunks = client.list_trunks()
        _remember(app, active, trunks)
        found, others = select(trunks, question)
        return TrunkList(active.profile, client.domain_uuid, found, question, others, chosen)

    if all_profiles:

        def look_at_one(active: ActiveSettings, _warn: Warn) -> TrunkList:
            with closing(app.client_for(active)) as client:
                return look(active, client)

        return look_at_all(app, only, look_at_one, schema="opbx.trunks/1")
    refuse_only(only)
    client = app.client
    app.tell_context(app.settings)
    with app.ui.working("Reading trunks"):
        result = look(app.settings, client)
    app.ui.show(result)
    return 0


def _columns(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    known = [column.name for column in COLUMNS]
    chosen = tuple(name.strip().lower() for name in text.split(","))
    if not set(chosen) <= set(known):
        raise UsageError(f"--columns: expected some of {', '.join(known)}, with commas between")
    return chosen


@command()
def show_trunk(
    app: App,
    trunk: Annotated[str, typer.Argument(metavar="NAME|ID|UUID", help="Which trunk.")],
) -> None:
    """Show one trunk in full, its password masked."""
    client = app.client
    app.tell_context(app.settings)
    with app.ui.working("Reading trunks"):
        trunks = client.list_trunks()
    _remember(app, app.settings, trunks)
    app.ui.show(TrunkDetail(app.settings.profile, client.domain_uuid, find(trunks, trunk)))


def _remember(app: App, active: ActiveSettings, trunks: Iterable[Trunk]) -> None:
    """Keep a stored profile's trunks by name, for shells to offer. Any thread may call this.

    What hinders that is no error of the command.
    """
    if active.is_stored and active.profile is not None:
        with suppress(StoreError, ConfigurationError):
            stored = app.read_store().profiles
            names = (trunk.name for trunk in trunks)
            TrunkNames(app.trunk_names_folder).remember(active.profile, names, profiles=stored)
