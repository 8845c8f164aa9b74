"""One of many profiles: what is said of it among the others."""

from __future__ import annotations

from dataclasses import replace

from opbx_cli.cli.output.parts import (
    DONE,
    FAILED,
    Audience,
    Column,
    Fields,
    Item,
    Items,
    Part,
    Sentences,
    Table,
    View,
)
from opbx_cli.errors import OpbxError

PROFILE = Column("profile")


def profile_view(view: View, name: str) -> View:
    """Return a profile's view among others: under its name, or with that in front of each line."""
    if view.summary:
        item = Item(DONE, (f"{name}: {view.summary}",), ())
        people: tuple[Part, ...] = (Items((item,)),)
    else:
        people = (Sentences((name,)), *view.parts_for(Audience.PEOPLE), Sentences(("",)))
    return View(
        view.document,
        (
            *(replace(part, audience=Audience.PEOPLE) for part in people),
            *(
                replace(_named(part, name), audience=Audience.PROGRAMS)
                for part in view.parts_for(Audience.PROGRAMS)
            ),
        ),
    )


def failure_view(name: str, error: OpbxError, schema: str) -> View:
    """Return what is said of a profile that could not be asked; programs read it on stderr."""
    told = Item(FAILED, (f"{name}: {error.message_for_people}",), (), note=error.hint)
    reported = Item(FAILED, (name, error.message), (), note=error.hint)
    return View(
        {"schema": schema, "profile": name, "error": error.as_object()},
        (
            Items((told,), audience=Audience.PEOPLE),
            Items((reported,), audience=Audience.REPORTS),
        ),
        title=name,
    )


def _named(part: Part, name: str) -> Part:
    """Return a part with a profile's name in front of each of its lines."""
    if isinstance(part, Table):
        rows = tuple((name, *row) for row in part.rows)
        return replace(part, columns=(PROFILE, *part.columns), rows=rows)
    if isinstance(part, Fields):
        return replace(part, rows=tuple((name, *row) for row in part.rows))
    if isinstance(part, Items):
        items = (replace(item, for_programs=(name, *item.for_programs)) for item in part.items)
        return replace(part, items=tuple(items))
    if isinstance(part, Sentences):
        return replace(part, texts=tuple(f"{name}\t{text}" for text in part.texts))
    return part
