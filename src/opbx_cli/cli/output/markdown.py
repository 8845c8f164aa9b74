"""Views as Markdown, for the summary of a CI job."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from opbx_cli.cli.output.parts import (
    Audience,
    Fields,
    Item,
    Items,
    Part,
    Row,
    Sentences,
    Table,
    View,
)
from opbx_cli.values import clean

SIZE_MAX = 1000 * 1000  # bytes; GitHub takes 1 MiB for a step's summary
# What Markdown would make something of, anywhere or at the start of a line; HTML has its own way,
# and `@name` would call somebody on GitHub.
_SPECIAL = re.compile(r"([\\`*_\[\]#!|~$]|^[+-])")


def markdown_of(views: Sequence[View]) -> str:
    """Return one section for each view; what is too much is left out, and said to be."""
    sections: list[str] = []
    size = 0
    for view in views:
        section = _section(view)
        size += len(section.encode())
        if size > SIZE_MAX:
            left_out = len(views) - len(sections)
            end = f"{left_out} more of {len(views)} are left out: the summary would be too large.\n"
            return "".join((*sections, end))
        sections.append(section)
    return "".join(sections)


def _section(view: View) -> str:
    blocks = [f"### {_escaped(view.title)}\n"] if view.title else []
    blocks += filter(None, map(_block, view.parts_for(Audience.REPORTS)))
    return "\n".join(blocks) + "\n"


def _block(part: Part) -> str:
    if isinstance(part, Items):
        return _items(part.items)
    if isinstance(part, Table):
        return _rows((column.shown for column in part.columns), part.rows) or f"{part.empty}\n"
    if isinstance(part, Fields):
        return _rows(("", ""), part.rows)
    if isinstance(part, Sentences):
        return "".join(f"{_escaped(text)}\n\n" for text in part.texts if text)
    return ""


def _items(items: Sequence[Item]) -> str:
    rows = [(item.mark.text, *item.cells) for item in items]
    notes = [f"- {_escaped(item.cells[0])}: {_escaped(item.note)}\n" for item in items if item.note]
    details = [
        f"- {_escaped(label)}: {_escaped(text)}\n" for item in items for label, text in item.details
    ]
    more = "".join((*notes, *details))
    return _rows(("",) * max(map(len, rows), default=0), rows) + (f"\n{more}" if more else "")


def _rows(head: Iterable[str], rows: Iterable[Row]) -> str:
    lines = [_line(row) for row in rows]
    if not lines:
        return ""
    names = [*head]
    return "".join((_line(names), "|" + " --- |" * len(names) + "\n", *lines))


def _line(cells: Iterable[str]) -> str:
    return "|" + "|".join(f" {_escaped(cell)} " for cell in cells) + "|\n"


def _escaped(text: str) -> str:
    plain = html.escape(clean(" ".join(text.split())), quote=False)
    return _SPECIAL.sub(r"\\\1", plain).replace("@", "@\u200b")
