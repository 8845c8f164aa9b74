"""`opbx trunks`: the domain's voice trunks."""

from typing import Annotated

import typer

from opbx_cli.cli.app import App
from opbx_cli.cli.options import TEXT_AND_JSON, command
from opbx_cli.errors import UsageError

DIRECTIONS = ("outbound", "inbound", "all")


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
) -> None:
    """List the trunks, in routing order. `--output csv` is for spreadsheets."""
    from opbx_cli.operations.trunks import Direction, TrunkList, select

    if direction not in DIRECTIONS:
        raise UsageError(f"--direction: expected one of {', '.join(DIRECTIONS)}")
    chosen = Direction(direction)
    client = app.client
    app.tell_context(app.settings)
    with app.ui.working("Reading trunks"):
        trunks = client.list_trunks()
    app.ui.show(TrunkList(app.settings.profile, client.domain_uuid, select(trunks, chosen), chosen))


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
