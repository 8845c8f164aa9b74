"""Views as JUnit's XML, for CI's list of tests: a suite for each view, a case for each entry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from opbx_cli.cli.output.parts import LEFT_OUT, Audience, Item, Items, Table, Tone, View
from opbx_cli.values import clean

DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class _Case:
    name: str
    seen: str
    verdict: str = ""  # `failure`, `skipped`, or nothing: it is as it should be


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
                is_other = DIFFERS in row
                pairs = zip(names[1:], row[1:], strict=True)
                seen = "; ".join(f"{name}: {cell}" for name, cell in pairs if cell)
                yield _Case(row[0], seen, "failure" if is_other else "")


def _case(item: Item) -> _Case:
    details = [f"{label}: {text}" for label, text in item.details]
    seen = "; ".join([*item.cells[1:], *details, *([item.note] if item.note else [])])
    if item.mark == LEFT_OUT:
        return _Case(item.cells[0], seen, "skipped")
    is_wrong = item.mark.tone is Tone.BAD or item.is_different
    return _Case(item.cells[0], seen, "failure" if is_wrong else "")


def _element(suite: str, case: _Case) -> str:
    start = f"    <testcase classname={_quoted(suite or 'opbx')} name={_quoted(case.name)}"
    if not case.verdict:
        return f"{start}/>\n"
    return f"{start}>\n      <{case.verdict} message={_quoted(case.seen)}/>\n    </testcase>\n"


def _quoted(text: str) -> str:
    return quoteattr(clean(text))
