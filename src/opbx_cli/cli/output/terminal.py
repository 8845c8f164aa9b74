"""A view on a terminal: its width, its colours, and marks that do not need colours.

Texts are broken here, because rich's tables break or cut a URL that is too long. So rich's own
console is wider than anything.

The one module that loads rich. Colours are the terminal's own sixteen, so that they fit
a dark and a light background; remote text is never markup.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

import typer
from rich.cells import cell_len, chop_cells, set_cell_size
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from opbx_cli.cli.output import terminals
from opbx_cli.cli.output.callbacks import MARKS, outcome_of
from opbx_cli.cli.output.parts import (
    DIFFERENT,
    DONE,
    Audience,
    Fields,
    Item,
    Items,
    Part,
    Row,
    Screen,
    Sentences,
    Table,
    Tone,
    View,
)
from opbx_cli.values import clean

if TYPE_CHECKING:
    from opbx_cli.webhooks.receiver.callback import Callback

COLOURS = {Tone.PLAIN: "", Tone.GOOD: "green", Tone.CAREFUL: "yellow", Tone.BAD: "red"}
SCREEN_STYLES = {DONE.text: "green", DIFFERENT.text: "yellow", "": "bold"}
UNBOUNDED = 100_000  # columns of rich's console, which breaks nothing then
NARROW = 40  # columns below which a table becomes one record after the other
WRAPPED_MIN = 18  # columns that a text which may be wrapped keeps: an IPv4 address and its port
GAP = 2  # columns between two cells
LETTER_MAX = 2  # columns that one letter takes at most
DROPPED_FIRST = 9  # the priority of columns that a terminal without room for all goes without
CALLBACK_WIDTH = 80  # columns in which all that matters of a callback finds room


def render(view: View, environ: Mapping[str, str]) -> str:
    """Return a view as the terminal shows it that stdout is."""
    console = Console(
        highlight=False,
        markup=False,
        emoji=False,
        no_color=bool(environ.get("NO_COLOR")),
        width=UNBOUNDED,
        height=25,  # rich takes a width alone for none on a dumb terminal
    )
    width = terminals.width(environ)
    parts = [_part(one, width) for one in view.parts_for(Audience.PEOPLE)]
    with console.capture() as capture:
        for part in parts:
            if part is not None:
                console.print(part)
    # A cell is filled up to the widest of its column, which may be beyond the terminal's edge.
    return re.sub(r" +$", "", capture.get(), flags=re.MULTILINE)


def callback_line(callback: Callback, environ: Mapping[str, str]) -> str:
    """Return one line that no terminal breaks.

    Laid out by hand: a table of rich's takes longer than a callback may.
    """
    width = terminals.width(environ)
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
        outcome_of(callback),
    )
    mark = MARKS[callback.result]
    line = _fitted(" ".join(cells), max(width - 2, 1)).rstrip()
    sign = mark.text
    if terminals.wants_colour(sys.stdout, environ):
        sign = typer.style(sign, fg=COLOURS[mark.tone])
    return f"{sign} {line}"


def _part(part: Part, width: int) -> RenderableType | None:
    if isinstance(part, Sentences):
        text = Text("\n".join(part.texts), style=COLOURS[part.tone])
        return _broken(text, width) if part.texts else None
    if isinstance(part, Fields):
        return _fields(part.rows, width)
    if isinstance(part, Table):
        return _table(part, width)
    if isinstance(part, Items):
        return _items(part, width) if part.items else None
    return _screen(part, width)


def _broken(text: Text, width: int) -> Text:
    """Break a text into lines. A URL without room stays whole, for the terminal to break."""
    lines: list[Text] = []
    for line in text.split("\n", allow_blank=True):
        lines += line.divide(_breaks(line.plain, max(width, LETTER_MAX)))
    for line in lines:
        line.rstrip()
    return Text("\n").join(lines)


def _breaks(line: str, width: int) -> Iterator[int]:
    """Yield where lines begin: at words, and within those that are too long."""
    column = 0
    for found in re.finditer(r"\s*\S+\s*", line):
        word, start = found[0].rstrip(), found.start()
        if column and column + cell_len(word) > width:
            yield start
            column = 0
        if "://" not in word:
            while cell_len(word) > width:
                piece = chop_cells(word, width)[0]
                start += len(piece)
                yield start
                word = word[len(piece) :]
        column += cell_len(word) + len(found[0]) - len(found[0].rstrip())


def _natural(rows: Iterable[Sequence[str]]) -> tuple[int, ...]:
    """Return how many columns the widest cell of each column takes."""
    return tuple(max(map(cell_len, column)) for column in zip_longest(*rows, fillvalue=""))


def _fields(rows: Iterable[Row], width: int) -> RenderableType:
    """Show names and values; what is said of a value stands below it where it has no room."""
    rows = [(name, *map(clean, values)) for name, *values in rows]
    widths = _natural(rows)
    if sum(widths) + GAP * (len(widths) - 1) > width:
        rows = [(name, "\n".join(filter(None, values))) for name, *values in rows]
        widths = widths[:1]
    room = width - sum(widths[:-1] or widths) - GAP * max(len(widths) - 1, 1)
    grid = RichTable.grid(padding=(0, GAP))
    for name, *values, last in rows:
        grid.add_row(Text(name, style="bold"), *map(Text, values), _broken(Text(last), room))
    return grid


def _table(part: Table, width: int) -> RenderableType:
    if not part.rows:
        return Text(part.empty)
    kept = _kept(part, width)
    if width < NARROW:
        return _records(part, kept, width)
    table = RichTable(box=None, pad_edge=False, header_style="bold")
    for number, columns in _widths(part, kept, width).items():
        table.add_column(
            part.columns[number].shown,
            justify="right" if part.columns[number].is_number else "left",
            overflow="fold",
            width=columns,
        )
    for row_number, row in enumerate(part.rows):
        style = "dim" if row_number in part.faint else None
        table.add_row(*(Text(clean(row[number])) for number in kept), style=style)
    return table


def _kept(part: Table, width: int) -> list[int]:
    """Return the numbers of the columns that are shown: all, or those that find room."""
    numbers = range(len(part.columns))
    every = [number for number in numbers if not part.columns[number].narrow_only]
    if _needed(part, every, wrapped=None) <= width:
        return every
    kept = [number for number in numbers if part.columns[number].priority < DROPPED_FIRST]
    if width < NARROW:
        return kept
    while _needed(part, kept, wrapped=WRAPPED_MIN) > width:
        least = max(kept, key=lambda number: part.columns[number].priority)
        if part.columns[least].priority == 0:
            break
        kept.remove(least)
    return kept


def _widths(part: Table, kept: list[int], width: int) -> dict[int, int]:
    """Share the terminal's columns: each gets what it needs, and what is left who may use it."""
    widths = {number: _needs(part, number, wrapped=WRAPPED_MIN) for number in kept}
    natural = {number: _needs(part, number, wrapped=None) for number in kept}
    spare = width - GAP * (len(kept) - 1) - sum(widths.values())
    while spare > 0 and (short := [n for n in kept if widths[n] < natural[n]]):
        for number in short[:spare]:
            widths[number] += 1
        spare -= len(short)
    return widths


def _needed(part: Table, numbers: list[int], *, wrapped: int | None) -> int:
    """Return the columns that these take together, with what is between them."""
    wide = sum(_needs(part, number, wrapped=wrapped) for number in numbers)
    return wide + GAP * (len(numbers) - 1)


def _needs(part: Table, number: int, *, wrapped: int | None) -> int:
    """Return what a column takes; one that may be wrapped needs no more than `wrapped`."""
    column = part.columns[number]
    natural = max(map(cell_len, [column.shown, *(clean(row[number]) for row in part.rows)]))
    return natural if wrapped is None or not column.may_wrap else min(natural, wrapped)


def _records(part: Table, kept: list[int], width: int) -> RenderableType:
    records: list[RenderableType] = []
    for row in part.rows:
        rows = [(part.columns[number].shown.strip(), row[number]) for number in kept]
        records += [Text(), _fields([(name, value) for name, value in rows if value], width)]
    return Group(*records[1:])


def _items(part: Items, width: int) -> RenderableType:
    room = width - part.indent
    shown: RenderableType = _grid(part.items, part.widths, room)
    if any(item.details for item in part.items):
        blocks: list[RenderableType] = []
        for item in part.items:
            blocks.append(_grid((item,), part.widths, room))
            blocks += [_indented(_detail(*one, room - 4), 4) for one in item.details]
        shown = Group(*blocks)
    return _indented(shown, part.indent) if part.indent else shown


def _indented(shown: RenderableType, columns: int) -> RenderableType:
    return Padding(shown, (0, 0, 0, columns), expand=False)


def _grid(items: Sequence[Item], widths: tuple[int, ...], width: int) -> RichTable:
    grid = RichTable.grid(padding=(0, 1))
    grid.add_column(width=1)
    for columns in widths:
        grid.add_column(width=columns)
    before = widths or _natural(item.cells[:-1] for item in items)
    room = width - 2 - sum(before) - len(before)  # behind the mark, and a blank after each
    for item in items:
        colour = COLOURS[item.mark.tone]
        cells = [
            Text(clean(cell), style=colour if number == item.coloured else "")
            for number, cell in enumerate(item.cells)
        ]
        if item.note is not None:
            cells[-1].append(f"\n→ {item.note}", style=colour)
        grid.add_row(Text(item.mark.text, style=colour), *cells[:-1], _broken(cells[-1], room))
    return grid


def _detail(label: str, text: str, width: int) -> Text:
    line = Text(f"{label} ", style="bold")
    line.append(text, style="not bold")
    return _broken(line, width)


def _screen(part: Screen, width: int) -> RenderableType:
    """Show laid-out lines; what is too long for one is left whole for the terminal to break."""
    lines = []
    for mark, rest in part.laid_out(width):
        line = Text(mark, style="", no_wrap=True, overflow="ignore")
        line.stylize(SCREEN_STYLES.get(mark, ""))
        line.append(f" {rest}" if mark else rest)
        lines.append(line)
    return Group(*lines)


def _fitted(text: str, width: int) -> str:
    """Fill or cut a text to columns; some letters take two."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + "…"
