"""Results on a terminal: its width, its colours, and marks that do not need colours.

The one module that loads rich. Colours are the terminal's own sixteen, so that they fit
a dark and a light background; remote text is never markup.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import singledispatch
from typing import TYPE_CHECKING

import typer
from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from opbx_cli.cli import words
from opbx_cli.cli.results import Demonstration, KeyFile, SandboxAddress
from opbx_cli.cli.status_text import screen
from opbx_cli.cli.ui import wants_colour
from opbx_cli.operations.call import CallResult
from opbx_cli.operations.configure import Saved
from opbx_cli.operations.desired import Change
from opbx_cli.operations.history import HistoryList
from opbx_cli.operations.instance import Compared, Linked
from opbx_cli.operations.keys import KeyOverview, KeyRotation
from opbx_cli.operations.profiles import ProfileChange, ProfileDetail, ProfileList
from opbx_cli.operations.status import Status as SettingsStatus
from opbx_cli.operations.steps import Report, Result, Status, Step
from opbx_cli.operations.trunks import TrunkDetail, TrunkList
from opbx_cli.operations.verdicts import Result as CheckResult
from opbx_cli.operations.webhook import WebhookUrl
from opbx_cli.operations.webhook_check import WebhookCheck
from opbx_cli.operations.webhook_key import RotatedKey
from opbx_cli.remote import Delivery
from opbx_cli.values import clean

if TYPE_CHECKING:
    from opbx_cli.receiver.callback import Callback

WIDE = 140  # columns from which a trunk's whole row finds room

MARKS = {
    Status.OK: ("✓", "green"),
    Status.UNCHANGED: ("✓", "green"),
    Status.CREATED: ("+", "green"),
    Status.UPDATED: ("~", "green"),
    Status.ADOPTED: ("~", "green"),
    Status.FAILED: ("✗", "red"),
    Status.SKIPPED: ("-", "yellow"),
    Status.DIFFERS: ("≠", "yellow"),
}

CALLBACK_MARKS = {"accepted": ("✓", "green"), "refused": ("✗", "red")}
CALLBACK_WIDTH = 80  # columns in which all that matters of a callback finds room

RESULT_MARKS = {
    Result.OK: ("✓", "green"),
    Result.DIFFERS: ("≠", "yellow"),
    Result.PARTIAL: ("✗", "red"),
    Result.FAILED: ("✗", "red"),
}

CHECK_MARKS = {
    CheckResult.OK: ("✓", "green"),
    CheckResult.WARNING: ("!", "yellow"),
    CheckResult.FAILED: ("✗", "red"),
    CheckResult.SKIPPED: ("-", "yellow"),
}


def render(result: object, environ: Mapping[str, str]) -> str:
    return _printed(view(result), environ)


def render_one_of_many(report: Report, environ: Mapping[str, str]) -> str:
    mark, colour = RESULT_MARKS[report.result]
    head = Text(f"{mark} ", style=colour, overflow="fold")
    head.append(f"{report.profile}: {words.closing(report)}")
    steps = [Padding(_step(step), (0, 0, 0, 2)) for step in words.noteworthy(report)]
    return _printed(Group(head, *steps), environ)


def render_step(step: Step, environ: Mapping[str, str]) -> str:
    return _printed(_step(step), environ)


def _step(step: Step) -> RenderableType:
    mark, colour = MARKS[step.status]
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1)
    grid.add_column(width=len("default-application"))
    grid.add_column(width=len("unchanged"))
    grid.add_column(overflow="fold")
    grid.add_row(
        Text(mark, style=colour),
        Text(step.id.value),
        Text(step.status.value, style=colour),
        Text(clean(step.detail)),
    )
    changes = [Padding(_change(change), (0, 0, 0, 4)) for change in step.changes]
    return Group(grid, *changes)


def _change(change: Change) -> Text:
    label, difference = words.change_words(change)
    line = Text(f"{label}: ", style="bold", overflow="fold")
    line.append(difference, style="not bold")
    return line


def callback_line(callback: Callback, environ: Mapping[str, str]) -> str:
    """Return one line that no terminal breaks.

    Laid out by hand: a table of rich's takes longer than a callback may.
    """
    width = shutil.get_terminal_size().columns
    call, caller, callee = (
        callback.call.id or "-",
        callback.call.caller or "-",
        callback.call.callee or "-",
    )
    spare = max(0, width - CALLBACK_WIDTH)
    cells = (
        f"{callback.received.astimezone():%H:%M:%S}",
        _fitted(callback.endpoint or "-", len("session-update")),
        _fitted(call, 8 + min(spare // 4, 32)),
        _fitted(f"{caller} → {callee}", 27 + spare // 4),
        words.callback_outcome(callback),
    )
    mark, colour = CALLBACK_MARKS[callback.result]
    line = _fitted(" ".join(cells), max(width - 2, 1)).rstrip()
    if wants_colour(sys.stdout, environ):
        mark = typer.style(mark, fg=colour)
    return f"{mark} {line}"


def _fitted(text: str, width: int) -> str:
    """Fill or cut a text to columns; some letters take two."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + "…"


@contextmanager
def wheel(what: str, environ: Mapping[str, str]) -> Iterator[None]:
    console = Console(stderr=True, no_color=bool(environ.get("NO_COLOR")))
    with console.status(Text(what)):
        yield


@contextmanager
def bar(what: str, total: int, environ: Mapping[str, str]) -> Iterator[Callable[[], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True, no_color=bool(environ.get("NO_COLOR")))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    # stdout is the answer's: rich would send it to stderr, where the bar is.
    with Progress(*columns, console=console, transient=True, redirect_stdout=False) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)


@singledispatch
def view(result: object) -> RenderableType:
    """Return what a terminal shows for a result."""
    raise TypeError(f"{type(result).__name__} has no view")


@view.register
def _(result: WebhookCheck) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1)
    grid.add_column(width=len("session-update-wrong-token"))
    grid.add_column(overflow="fold")
    for check in result.checks:
        mark, colour = CHECK_MARKS[check.result]
        seen = Text(clean(check.seen))
        if check.advice is not None:
            seen.append(f"\n→ {check.advice}", style=colour)
        grid.add_row(Text(mark, style=colour), Text(check.id), seen)
    sentence = words.checked_sentence(result)
    return Group(grid, Text(), Text(sentence, style="green")) if sentence else grid


@view.register
def _(result: WebhookUrl) -> RenderableType:
    return _pairs(
        [
            ("base URL", result.base_url),
            ("source", result.source),
            ("voice", result.endpoints.voice),
            ("session update", result.endpoints.session_update),
            ("call records", result.endpoints.cdr),
        ]
    )


@view.register
def _(result: TrunkList) -> RenderableType:
    if not result.trunks:
        kind = "" if result.direction.value == "all" else f"{result.direction.value} "
        return Text(f"No {kind}trunks.")
    return _TrunkTable(result)


class _TrunkTable:
    """Shows every column where there is room, else what support asks for first."""

    def __init__(self, result: TrunkList) -> None:
        self._trunks = result.trunks

    def __rich_console__(self, console: Console, options: object) -> Iterator[RenderableType]:
        is_wide = console.width >= WIDE
        columns = words.TRUNK_COLUMNS if is_wide else words.TRUNK_COLUMNS_NARROW
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in columns:
            table.add_column(
                name.upper(),
                justify="right" if name in ("id", "port", "metric") else "left",
                overflow="fold",
                no_wrap=name in ("id", "uuid", "direction", "port", "prefix", "metric", "active"),
            )
        for trunk in self._trunks:
            row = words.trunk_row(trunk) if is_wide else words.trunk_row_narrow(trunk)
            style = "dim" if trunk.active is False else None
            table.add_row(*(Text(clean(cell)) for cell in row), style=style)
        yield table


@view.register
def _(result: TrunkDetail) -> RenderableType:
    return _pairs(words.trunk_rows(result.trunk))


@view.register
def _(result: ProfileDetail) -> RenderableType:
    return _pairs(words.profile_rows(result))


@view.register
def _(result: Saved) -> RenderableType:
    return Text("\n".join(words.saved_lines(result)))


@view.register
def _(result: ProfileList) -> RenderableType:
    if not result.profiles:
        return Text("No profiles.")
    columns = ("PROFILE", "", "DOMAIN UUID", "DOMAIN NAME")
    return _listing(columns, map(words.profile_row, result.profiles))


@view.register
def _(result: ProfileChange) -> RenderableType:
    return Text(result.sentence)


@view.register
def _(result: SandboxAddress) -> RenderableType:
    return Text("\n".join(result.export_lines))


@view.register
def _(result: CallResult) -> RenderableType:
    sentence = Text(words.call_sentence(result), style="green" if result.went_well else "red")
    if not result.placed.callbacks:
        return sentence
    grid = Table.grid(padding=(0, 1))
    for one in result.placed.callbacks:
        grid.add_row(*_delivery(one, is_well=result.is_well(one)))
    grid.columns[-1].overflow = "fold"
    return Group(grid, Text(), sentence)


def _delivery(one: Delivery, *, is_well: bool) -> tuple[Text, ...]:
    mark, colour = ("✓", "green") if is_well else ("✗", "red")
    outcome = f"{one.detail} ({one.milliseconds} ms)"
    if one.attempts > 1:
        outcome = f"{one.detail} ({one.attempts} attempts, {one.milliseconds} ms)"
    return (
        Text(mark, style=colour),
        Text(one.endpoint, no_wrap=True),
        Text(one.event or "", no_wrap=True),
        Text(one.result.value, style=colour, no_wrap=True),
        Text(outcome),
    )


@view.register
def _(result: Demonstration) -> RenderableType:
    return Text(words.demonstrated(result))


@view.register
def _(result: RotatedKey) -> RenderableType:
    return Text("\n".join(words.rotated_key_lines(result)))


@view.register
def _(result: KeyFile) -> RenderableType:
    return Text(f"The key is in {result.path}, for you alone to read.")


@view.register
def _(result: Linked) -> RenderableType:
    return Text("\n".join(words.linked_lines(result)))


@view.register
def _(result: Compared) -> RenderableType:
    return Text("\n".join(words.compared_lines(result)))


@view.register
def _(result: SettingsStatus) -> RenderableType:
    return _StatusScreen(result)


class _StatusScreen:
    """Laid out by hand: what is too long for a line is left whole for the terminal to break."""

    def __init__(self, result: SettingsStatus) -> None:
        self._result = result

    def __rich_console__(self, console: Console, options: object) -> Iterator[RenderableType]:
        colours = {"✓": "green", "≠": "yellow", "": "bold"}
        for mark, rest in screen(self._result, console.width):
            line = Text(mark, style="", no_wrap=True, overflow="ignore")
            line.stylize(colours.get(mark, ""))
            line.append(f" {rest}" if mark else rest)
            yield line


@view.register
def _(result: KeyOverview) -> RenderableType:
    head = _pairs(
        [
            ("store", result.store),
            ("backup", result.backup),
            ("generation", str(result.generation)),
            *([("problem", result.problem)] if result.problem else []),
        ]
    )
    table = _listing(
        ("ID", "KIND", "STATE", "WHERE ITS KEY IS"),
        (words.key_row(key, result.opened_with) for key in result.keys),
    )
    kinds = {key.kind: key.protects for key in result.keys}
    advice = [Text(f"{kind}: {protects}") for kind, protects in kinds.items()]
    return Group(head, Text(), table, Text(), *advice)


@view.register
def _(result: KeyRotation) -> RenderableType:
    return Text("\n".join(words.rotation_lines(result)))


@view.register
def _(result: HistoryList) -> RenderableType:
    if not result.entries:
        return Text("Nothing was changed yet.")
    columns = ("TIME (UTC)", "COMMAND", "PROFILE", "RESULT", "CHANGED")
    return _listing(columns, map(words.history_row, result.entries))


@view.register
def _(result: Report) -> RenderableType:
    colours = {Result.OK: "green", Result.DIFFERS: "yellow"}
    closing = Text(words.closing(result), style=colours.get(result.result, "red"))
    following = words.next_after(result)
    return Group(Text(), closing, *map(Text, following))


def _listing(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(clean(cell)) for cell in row))
    return table


def _pairs(rows: list[tuple[str, str]] | list[tuple[str, ...]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for name, *values in rows:
        grid.add_row(Text(name, style="bold"), *(Text(clean(value)) for value in values))
    for column in grid.columns:
        column.overflow = "fold"
    return grid


def _printed(renderable: RenderableType, environ: Mapping[str, str]) -> str:
    """Render for the terminal that stdout is."""
    console = Console(
        highlight=False,
        markup=False,
        emoji=False,
        no_color=bool(environ.get("NO_COLOR")),
        soft_wrap=False,
    )
    with console.capture() as capture:
        console.print(renderable, crop=False)  # a URL is never cut
    return capture.get()
