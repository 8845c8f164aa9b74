"""The keys that open the store."""

from __future__ import annotations

from opbx_cli.cli.output.parts import Audience, Column, Fields, Json, Row, Sentences, Table, View
from opbx_cli.operations.keys import KeyOverview, KeyRotation, KeyRow

COLUMNS = (Column("id"), Column("kind"), Column("state"), Column("location", "WHERE ITS KEY IS"))
NOTHING = Sentences(("",), audience=Audience.PEOPLE)


def overview_view(result: KeyOverview) -> View:
    head = [
        ("store", result.store),
        ("backup", result.backup),
        ("generation", str(result.generation)),
        *([("problem", result.problem)] if result.problem else []),
    ]
    kinds = {key.kind: key.protects for key in result.keys}
    advice = tuple(f"{kind}: {protects}" for kind, protects in kinds.items())
    return View(
        {
            "schema": "opbx.keys/1",
            "store": result.store,
            "backup": result.backup,
            "generation": result.generation,
            "opened_with": result.opened_with,
            "problem": result.problem,
            "keys": [_object(key) for key in result.keys],
        },
        (
            Fields(tuple(head), audience=Audience.PEOPLE),
            NOTHING,
            Table(COLUMNS, tuple(_row(key, result.opened_with) for key in result.keys)),
            NOTHING,
            Sentences(advice, audience=Audience.PEOPLE),
        ),
    )


def rotation_view(result: KeyRotation) -> View:
    """Say which keys open the store now, and which no longer do."""
    lines = ["The store and its backup are encrypted anew; the old keys open neither."]
    lines += [f"Opens it now: {' '.join(_row(key))}" for key in result.keys]
    lines += [f"Left out: {slot}" for slot in result.dropped]
    lines += [f"Removed: {place}" for place in result.removed]
    return View(
        {
            "schema": "opbx.key-rotation/1",
            "keys": [_object(key) for key in result.keys],
            "dropped": list(result.dropped),
            "removed": list(result.removed),
        },
        (Sentences(tuple(lines)),),
    )


def _row(key: KeyRow, opened_with: str | None = None) -> Row:
    at_hand = {True: "at hand", False: "not at hand", None: "asked for"}[key.is_at_hand]
    state = "opens it now" if key.id == opened_with else at_hand
    return (key.id, key.kind, state, key.location or "outside of opbx")


def _object(key: KeyRow) -> Json:
    return {
        "id": key.id,
        "kind": key.kind,
        "location": key.location,
        "is_at_hand": key.is_at_hand,
        "protects": key.protects,
    }
