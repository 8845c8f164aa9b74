"""`opbx trunks`: the domain's voice trunks."""

from typing import Annotated

import typer

from opbx_cli.cli.app import App
from opbx_cli.cli.options import TEXT_AND_JSON, command
from opbx_cli.errors import UsageError

DIRECTIONS = ("outbound", "inbound", "all")
ORDERS = ("metric", "name", "address", "prefix")


def register(root: typer.Typer) -> None:
    group = typer.Typer(
        help="Show the domain's voice trunks.", no_args_is_help=True, rich_markup_mode=None
    )
    root.add_typer(group, name="trunks")
    command(group, "list", formats=(*TEXT_AND_JSON, "csv"))(list_trunks)
    command(group, "show")(show_trunk)


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
    from opbx_cli.operations.trunks import Direction, Order, TrunkList, TrunkQuestion, select

    if direction not in DIRECTIONS:
        raise UsageError(f"--direction: expected one of {', '.join(DIRECTIONS)}")
    if sort not in ORDERS:
        raise UsageError(f"--sort: expected one of {', '.join(ORDERS)}")
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
    from opbx_cli.cli.output.trunks import COLUMNS

    if text is None:
        return ()
    known = [column.name for column in COLUMNS]
    chosen = tuple(name.strip().lower() for name in text.split(","))
    if not set(chosen) <= set(known):
        raise UsageError(f"--columns: expected some of {', '.join(known)}, with commas between")
    return chosen


def show_trunk(
    app: App,
    trunk: Annotated[str, typer.Argument(metavar="NAME|ID|UUID", help="Which trunk.")],
) -> None:
    """Show one trunk in full, its password masked."""
    from opbx_cli.operations.trunks import TrunkDetail, find

    client = app.client
    app.tell_context(app.settings)
    with app.ui.working("Reading trunks"):
        trunks = client.list_trunks()
    app.ui.show(TrunkDetail(app.settings.profile, client.domain_uuid, find(trunks, trunk)))
