"""What `opbx status` says: as lines for a pipe, and laid out for the width of a terminal."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime

from opbx_cli.cli.output.parts import DIFFERENT, DONE, Audience, Json, Row, Screen, Table, View
from opbx_cli.cli.output.parts import Column as TableColumn
from opbx_cli.cli.output.text import LABELS, plain
from opbx_cli.models import MASK, Secret
from opbx_cli.operations.status import (
    Cell,
    DefaultApplication,
    Note,
    RemoteMask,
    Status,
    StatusRow,
)
from opbx_cli.values import clean

NEVER_VALIDATED = "not on this computer"
SAME, DIFFERS, NO_MARK = DONE.text, DIFFERENT.text, " "
GAP = "  "

# A line of the screen, and what stands in front of it; a heading has no such place.
MarkedLine = tuple[str, str]


COLUMNS = tuple(map(TableColumn, ("setting", "here", "cloudonix", "opbx", "result")))


def status_view(result: Status) -> View:
    return View(
        _document(result),
        (
            Screen(lambda width: screen(result, width)),
            Table(COLUMNS, tuple(_rows(result)), audience=Audience.PROGRAMS),
        ),
        title=result.profile or result.domain_name or result.domain_uuid,
        summary="" if result.differs else " ".join(_closing(result)),
    )


def _document(result: Status) -> Json:
    calls, link = result.calls, result.link
    holder = calls.application
    return {
        "schema": "opbx.status/1",
        "profile": result.profile,
        "domain": {"uuid": result.domain_uuid, "name": result.domain_name},
        "result": "differs" if result.differs else "ok",
        "settings": [
            {
                "name": row.name,
                "here": _object(row.here),
                "cloudonix": _object(row.cloudonix),
                "opbx": _object(row.opbx),
                "differs": row.differs,
            }
            for row in result.rows
        ],
        "calls": {
            "application": holder and {"id": holder.id, "name": holder.name, "url": holder.url},
            "url": calls.url,
            "arrive": calls.arrive,
        },
        "last_validated": result.last_validated,
        "instance": link
        and {
            "url": link.url,
            "organization": link.organization,
            "token_expires": _moment(link.token_expires),
        },
    }


def _object(value: Cell) -> object:
    """Return a value of one place; null where it is not set, not shown or not kept."""
    if isinstance(value, RemoteMask):
        return {"set": True, "mask": value.text, "fingerprint": None}
    return None if isinstance(value, Note) else plain(value)


def _rows(result: Status) -> list[Row]:
    """Return rows of name, here, Cloudonix, OPBX and whether they differ."""
    rows: list[Row] = [
        (
            row.name,
            *(_text(value, empty="") for value in (row.here, row.cloudonix, row.opbx)),
            "differs" if row.differs else "ok",
        )
        for row in result.rows
    ]
    calls, link = result.calls, result.link
    holder = calls.application
    goes_to = "" if holder is None else holder.url or ""
    rows.append(("calls", calls.url or "", goes_to, "", "ok" if calls.arrive else "differs"))
    rows.append(("default_application", "", _application(holder), "", ""))
    rows.append(("last_validated", result.last_validated or NEVER_VALIDATED, "", "", ""))
    if link is not None:
        rows.append(("instance", "", "", link.url, ""))
        rows.append(("token_expires", "", "", _moment(link.token_expires) or "", ""))
    return rows


def _moment(moment: int | None) -> str | None:
    """Return epoch seconds as RFC 3339 has them."""
    return None if moment is None else f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"


def screen(result: Status, width: int) -> list[MarkedLine]:
    """Lay it out: a table where every value finds room, else one record for each setting."""
    table = _table(result)
    if max(len(line) + 2 for _, line in table) > width:
        table = [line for row in result.rows for line in _record(row, result, width)]
    facts = [_fact(*fact, width) for fact in _facts(result)]
    closing = [line for text in _closing(result) for line in _wrapped(text, width)]
    blank = (NO_MARK, "")
    return [*table, blank, *(line for lines in facts for line in lines), blank, *closing]


def _table(result: Status) -> list[MarkedLine]:
    head = ["SETTING", "HERE", "CLOUDONIX"] + (["OPBX"] if result.link is not None else [])
    rows = [[LABELS[row.name][0], *_values(row)][: len(head)] for row in result.rows]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [
        GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]
    lines[0] = f"  {lines[0]}"  # no mark stands in front of it
    return list(zip(["", *map(_mark, result.rows)], lines, strict=True))


def _record(row: StatusRow, result: Status, width: int) -> list[MarkedLine]:
    """Return one setting, a line for each value that it has anywhere."""
    label, groups = LABELS[row.name][0], _groups(row, result)
    indent, sides_width = _label_width(result), max(len(sides) for sides, _value in groups)
    lines = [
        f"{label if number == 0 else '':{indent}}{GAP}{sides:{len('here, Cloudonix')}}{GAP}{value}"
        for number, (sides, value) in enumerate(groups)
    ]
    if max(map(len, lines)) + 2 > width:
        lines = [label, *(f"  {sides:{sides_width}}{GAP}{value}" for sides, value in groups)]
    if max(map(len, lines)) + 2 > width:
        lines = [label, *(line for sides, value in groups for line in (f"  {sides}", f"  {value}"))]
    return [(_mark(row) if number == 0 else NO_MARK, line) for number, line in enumerate(lines)]


def _groups(row: StatusRow, result: Status) -> list[tuple[str, str]]:
    """Return each value with the places that have it."""
    places = ["here", "Cloudonix"]
    if result.link is not None and result.link.answered:
        places.append("OPBX")
    having: dict[str, list[str]] = {}
    for place, value in zip(places, _values(row), strict=False):
        if value:
            having.setdefault(value, []).append(place)
    everywhere = ["here", "Cloudonix", "OPBX"]
    return [
        ("everywhere" if names == everywhere else ", ".join(names), value)
        for value, names in having.items()
    ]


def _facts(result: Status) -> list[tuple[str, str, str]]:
    """Return mark, label and value of all that is no setting."""
    calls, link = result.calls, result.link
    holder = calls.application
    goes_to = clean(holder.url or "an address that is not shown") if holder else "nowhere"
    label = "Calls arrive" if calls.arrive else "Calls do not arrive"
    facts = [(SAME if calls.arrive else DIFFERS, label, goes_to)]
    if not calls.arrive and calls.url is not None and calls.url != goes_to:
        facts.append((NO_MARK, "Should go to", calls.url))
    facts.append((NO_MARK, "Default application", _application(holder) or "none"))
    validated = "none yet"
    if result.last_validated is not None:
        validated = clean(result.last_validated.replace("T", " ").replace("Z", " UTC"))
    facts.append((NO_MARK, "Last change here", validated))
    if link is not None:
        facts.append((NO_MARK, "OPBX", link.url))
        if link.organization:
            facts.append((NO_MARK, "Organisation", clean(link.organization)))
        expires = (_moment(link.token_expires) or "not known").replace("T", " ")
        facts.append((NO_MARK, "OPBX token until", expires.replace("Z", " UTC")))
    return facts


def _fact(mark: str, label: str, value: str, width: int) -> list[MarkedLine]:
    line = f"{label:19}{GAP}{value}"
    if len(line) + 2 <= width:
        return [(mark, line)]
    return [(mark, label), (NO_MARK, f"  {value}")]


def _closing(result: Status) -> list[str]:
    """Say whether something differs, and what to do about it."""
    option = result.profile_option
    if not result.differs:
        return ["All settings agree, and calls arrive."]
    count = sum(row.differs for row in result.rows)
    differing = f"{count or 'No'} setting{'s differ' if count != 1 else ' differs'}"
    arriving = ". Calls arrive." if result.calls.arrive else "; calls do not arrive."
    sentences = [differing + arriving]
    if result.cloudonix_differs:
        sentences.append(f"`opbx validate{option}` brings Cloudonix in line.")
    if result.opbx_differs:
        sentences.append(
            f"`opbx instance push{option}` hands OPBX the settings of this profile; "
            f"`opbx instance pull{option}` takes OPBX's."
        )
    return sentences


def _wrapped(text: str, width: int) -> list[MarkedLine]:
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return [("", line) for line in lines]


def _label_width(result: Status) -> int:
    return max(19, *(len(LABELS[row.name][0]) for row in result.rows))


def _mark(row: StatusRow) -> str:
    return DIFFERS if row.differs else SAME


def _values(row: StatusRow) -> tuple[str, str, str]:
    unit = LABELS[row.name][1]
    return _text(row.here, unit), _text(row.cloudonix, unit), _text(row.opbx, unit)


def _text(value: Cell, unit: str = "", *, empty: str = "not set") -> str:
    if value is None:
        return empty
    if isinstance(value, RemoteMask):
        return clean(value.text)
    if isinstance(value, Secret):  # of a short key a fingerprint would confirm a guess
        return MASK if value.mask == MASK else value.label
    return f"{clean(str(value))}{unit}" if isinstance(value, int) else clean(value)


def _application(holder: DefaultApplication | None) -> str:
    if holder is None:
        return ""
    return f"id {holder.id}" if holder.name is None else f"{clean(holder.name)} (id {holder.id})"
