"""`opbx trunks`: the domain's voice trunks."""

from typing import Annotated

import typer

from opbx_cli.cli.app import App
from opbx_cli.cli.command import command
from opbx_cli.cli.input.options import TEXT_AND_JSON
from opbx_cli.cli.output.trunks import COLUMNS
from opbx_cli.errors import UsageError
from opbx_cli.operations.trunks import (
    Direction,
    Order,
    TrunkDetail,
    TrunkList,
    TrunkQuestion,
    find,
    select,
)


@command(formats=(*TEXT_AND_JSON, "csv"))
def list_trunks(
    app: App,
    *,
    direction: Annotated[
        str, typer.Option(metavar="WHICH", help="outbound, inbound or all.")
    ] = "outbound",
    search: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Only those with this in name, address or prefix."),
    ] = None,
    active: Annotated[
        bool | None, typer.Option("--active/--inactive", help="Only those that are, or are not.")
    ] = None,
    sort: Annotated[
        str, typer.Option(metavar="COLUMN", help="metric (routing order), name, address or prefix.")
    ] = "metric",
    columns: Annotated[
        str | None, typer.Option(metavar="A,B", help="Which columns, and in which order.")
    ] = None,
) -> None:
    """List the trunks, in routing order. `--output csv` is for spreadsheets."""
    if direction not in [*Direction]:
        raise UsageError(f"--direction: expected one of {', '.join(Direction)}")
    if sort not in [*Order]:
        raise UsageError(f"--sort: expected one of {', '.join(Order)}")
    question = TrunkQuestion(Direction(direction), search or None, active, Order(sort))
    chosen = _columns(columns)
    client = app.client
    app.tell_context(app.settings)
    with app.ui.working("Reading trunks"):
        trunks = client.list_trunks()
    found, others = select(trunks, question)
    app.ui.show(
        TrunkList(app.settings.profile, client.domain_uuid, found, question, others, chosen)
    )


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
    app.ui.show(TrunkDetail(app.settings.profile, client.domain_uuid, find(trunks, trunk)))
