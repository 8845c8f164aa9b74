"""A view as plain lines: tab-separated, unwrapped, uncut, without a header; and as CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

from opbx_cli.cli.output.parts import Audience, Fields, Items, Part, Sentences, Table, View
from opbx_cli.values import clean

# What makes spreadsheets calculate, however much white space is before it; a number does not.
FORMULA = re.compile(r"\s*(?:[=@]|[+-](?![\d\s.]*$))|[\t\r]")


def lines_of(view: View) -> list[str]:
    """Return a view's lines for a pipe or a file."""
    return [line for part in view.parts_for(Audience.PROGRAMS) for line in _lines(part)]


def tabbed(cells: Iterable[str]) -> str:
    return "\t".join(clean(cell) for cell in cells)


def csv_of(view: View, *, follows: bool = False) -> str:
    """Return the table of a view as CSV (RFC 4180) with a header, unless it `follows` another.

    A cell that a spreadsheet would take for a formula has an apostrophe in front of it.
    """
    (table,) = (part for part in view.parts_for(Audience.PROGRAMS) if isinstance(part, Table))
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    kept = _for_programs(table)
    if not follows:
        writer.writerow([table.columns[number].name for number in kept])
    writer.writerows([[_harmless(row[number]) for number in kept] for row in table.rows])
    return target.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if FORMULA.match(cell) else cell


def _lines(part: Part) -> list[str]:
    if isinstance(part, Sentences):
        return list(part.texts)
    if isinstance(part, Fields):
        return [tabbed(row) for row in part.rows]
    if isinstance(part, Items):
        return [tabbed(item.for_programs) for item in part.items]
    if isinstance(part, Table):
        kept = _for_programs(part)
        return [tabbed(row[number] for number in kept) for row in part.rows]
    return []


def _for_programs(table: Table) -> list[int]:
    return [number for number, column in enumerate(table.columns) if not column.narrow_only]
