"""Views as JUnit's XML, for CI's list of tests: a suite for each view, a case for each entry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from opbx_cli.cli.output.parts import LEFT_OUT, WARNING, Audience, Item, Items, Table, Tone, View
from opbx_cli.values import clean

RESULT, DIFFERS = "result", "differs"  # the column that judges a row, not what others hold


@dataclass(frozen=True, slots=True)
class _Case:
    name: str
    seen: str
    verdict: str = ""  # `failure`, `skipped`, `system-out`: passed and told, or nothing: passed


def junit_of(views: Sequence[View]) -> str:
    """Return one document; no times are given, for none were taken."""
    suites = "".join(map(_suite, views))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n{suites}</testsuites>\n'


def _suite(view: View) -> str:
    cases = list(_cases(view))
    counts = {kind: sum(case.verdict == kind for case in cases) for kind in ("failure", "skipped")}
    head = (
        f"  <testsuite name={_quoted(view.title or 'opbx')} tests={_quoted(str(len(cases)))} "
        f"failures={_quoted(str(counts['failure']))} skipped={_quoted(str(counts['skipped']))}>\n"
    )
    return head + "".join(_element(view.title, case) for case in cases) + "  </testsuite>\n"


def _cases(view: View) -> Iterator[_Case]:
    for part in view.parts_for(Audience.REPORTS):
        if isinstance(part, Items):
            yield from map(_case, part.items)
        elif isinstance(part, Table):
            names = [column.name for column in part.columns]
            for row in part.rows:
                cells = dict(zip(names[1:], row[1:], strict=True))
                seen = "; ".join(f"{name}: {cell}" for name, cell in cells.items() if cell)
                yield _Case(row[0], seen, "failure" if cells.get(RESULT) == DIFFERS else "")


def _case(item: Item) -> _Case:
    details = [f"{label}: {text}" for label, text in item.details]
    seen = "; ".join([*item.cells[1:], *details, *([item.note] if item.note else [])])
    if item.mark == LEFT_OUT:
        return _Case(item.cells[0], seen, "skipped")
    if item.mark == WARNING:
        return _Case(item.cells[0], seen, "system-out")
    is_wrong = item.mark.tone is Tone.BAD or item.is_different
    return _Case(item.cells[0], seen, "failure" if is_wrong else "")


def _element(suite: str, case: _Case) -> str:
    start = f"    <testcase classname={_quoted(suite or 'opbx')} name={_quoted(case.name)}"
    if not case.verdict:
        return f"{start}/>\n"
    told = f"<{case.verdict} message={_quoted(case.seen)}/>"
    if case.verdict == "system-out":  # has no message
        told = f"<system-out>{escape(clean(case.seen))}</system-out>"
    return f"{start}>\n      {told}\n    </testcase>\n"


def _quoted(text: str) -> str:
    return quoteattr(clean(text))
