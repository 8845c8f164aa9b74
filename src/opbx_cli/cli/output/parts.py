"""What a view is made of: parts that say what is there, and not how it looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

Json = dict[str, object]
Row = tuple[str, ...]


class Audience(Enum):
    """Who reads a part: whoever reads text, or only one of these."""

    ALL = "all"
    PEOPLE = "people"  # at a terminal
    PROGRAMS = "programs"  # behind a pipe, line by line
    REPORTS = "reports"  # of a CI job: Markdown and JUnit


class Tone(Enum):
    """How a text sounds; colours are made from it."""

    PLAIN = "plain"
    GOOD = "good"
    CAREFUL = "careful"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Mark:
    """A sign in front of a line, which says the same without colours."""

    text: str
    tone: Tone


DONE = Mark("✓", Tone.GOOD)
ADDED = Mark("+", Tone.GOOD)
CHANGED = Mark("~", Tone.GOOD)
WARNING = Mark("!", Tone.CAREFUL)
LEFT_OUT = Mark("-", Tone.CAREFUL)
STILL_OPEN = Mark("-", Tone.BAD)  # left out, and not in order without it
DIFFERENT = Mark("≠", Tone.CAREFUL)
FAILED = Mark("✗", Tone.BAD)


@dataclass(frozen=True, slots=True)
class Sentences:
    """Lines of text, one after the other."""

    texts: tuple[str, ...]
    tone: Tone = Tone.PLAIN
    audience: Audience = Audience.ALL


@dataclass(frozen=True, slots=True)
class Fields:
    """Names with their values, and perhaps more about each value."""

    rows: tuple[Row, ...]
    audience: Audience = Audience.ALL


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `heading` is for people, `name` for programs.

    Where a terminal has no room for all, the columns with the highest `priority` go first; those
    with 0 stay. One that is `narrow_only` takes the place of others then.
    """

    name: str
    heading: str = ""
    priority: int = 0
    is_number: bool = False
    may_wrap: bool = True
    narrow_only: bool = False

    @property
    def shown(self) -> str:
        return self.heading or self.name.upper().replace("_", " ")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with a cell for each column; `faint` are the numbers of rows that count for less."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    empty: str = ""  # what people are told where there are no rows
    faint: frozenset[int] = frozenset()
    audience: Audience = Audience.ALL


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a list: what people see in cells, and what programs do.

    `note` is what to do about it, `details` are labelled texts below it.
    """

    mark: Mark
    cells: Row
    for_programs: Row
    note: str | None = None
    details: tuple[tuple[str, str], ...] = ()
    coloured: int | None = None  # the number of the cell that has the mark's colour

    @property
    def is_different(self) -> bool:
        return self.mark == DIFFERENT


@dataclass(frozen=True, slots=True)
class Items:
    """Entries below each other; `widths` are the least of each cell but the last."""

    items: tuple[Item, ...]
    widths: tuple[int, ...] = ()
    indent: int = 0
    audience: Audience = Audience.ALL


@dataclass(frozen=True, slots=True)
class Screen:
    """Lines that are laid out for a width in columns, each behind a mark or a heading's blank."""

    laid_out: Callable[[int], list[tuple[str, str]]]
    audience: Audience = Audience.PEOPLE


Part = Sentences | Fields | Table | Items | Screen


@dataclass(frozen=True, slots=True)
class View:
    """One result: its JSON document, and the parts that everything else is made from.

    `title` is what a report calls it: a profile, or a domain. `summary` is all that people are
    told of it where it is one of many; empty where that is everything.
    """

    document: Json
    parts: tuple[Part, ...] = field(default=())
    title: str = ""
    summary: str = ""

    def parts_for(self, audience: Audience) -> tuple[Part, ...]:
        """Return the parts of a reader. A report has its own, else those of lines."""
        wanted = audience
        if audience is Audience.REPORTS and not any(one.audience is audience for one in self.parts):
            wanted = Audience.PROGRAMS
        return tuple(one for one in self.parts if one.audience in (Audience.ALL, wanted))
