"""Checks, as people and programs read them."""

from __future__ import annotations

from collections.abc import Sequence

from opbx_cli.cli.output.parts import DONE, FAILED, LEFT_OUT, WARNING, Item, Items, Json
from opbx_cli.operations.verdicts import Check, Result

MARKS = {
    Result.OK: DONE,
    Result.WARNING: WARNING,
    Result.FAILED: FAILED,
    Result.SKIPPED: LEFT_OUT,
}


def items_of(checks: Sequence[Check], *, width: int) -> Items:
    """Return one entry for each check; `width` is that of the longest id."""
    items = tuple(
        Item(
            MARKS[check.result],
            (check.id, check.seen),
            (check.id, check.result.value, check.seen, check.advice or ""),
            note=check.advice,
        )
        for check in checks
    )
    return Items(items, widths=(width,))


def objects_of(checks: Sequence[Check]) -> list[Json]:
    return [
        {
            "id": check.id,
            "result": check.result.value,
            "seen": check.seen,
            "advice": check.advice,
        }
        for check in checks
    ]
