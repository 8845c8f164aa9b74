"""How a `detach` ended; its steps are shown as those of `validate` are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opbx_cli.cli.output.parts import Audience, Sentences, View
from opbx_cli.cli.output.validate import RESULT_MARKS, document
from opbx_cli.operations.validate.steps import Result, Status
from opbx_cli.values import clean

if TYPE_CHECKING:
    from opbx_cli.operations.detach.run import Detached


def detached_view(result: Detached) -> View:
    return View(
        document(result, "opbx.detach/1"),
        (
            Sentences(("",), audience=Audience.PEOPLE),
            Sentences((_closing(result),), RESULT_MARKS[result.result].tone),
            Sentences(_next_after(result), audience=Audience.PEOPLE),
        ),
        title=result.profile or "",
    )


def _closing(report: Detached) -> str:
    """Return the one sentence that `detach` ends with."""
    name = clean(report.domain_name or report.domain_uuid)
    if report.result is Result.OK:
        return _good(report, name)
    if report.result is Result.DIFFERS:
        count = sum(len(step.changes) for step in report.steps if step.status is Status.DIFFERS)
        changes = "1 change" if count == 1 else f"{count} changes"
        return f"{changes} would detach {name}; run `opbx detach{report.profile_option}`."
    ending = ": this run was asked to end." if report.was_interrupted else "."
    if report.result is Result.PARTIAL:
        return f"{name} is only partly detached from OPBX{ending}"
    if report.is_doubtful:
        return f"{name} may or may not have been changed by the step that failed."
    return f"{name} was not changed{ending}"


def _good(report: Detached, name: str) -> str:
    if report.written:
        return f"Done: OPBX is out of {name}; {clean(report.calls_go_to or '')}."
    if report.has_left:
        return f"Nothing to do: what is left in {name} is not this profile's, and stays."
    return f"Nothing to do: OPBX is not in {name}."


def _next_after(report: Detached) -> tuple[str, ...]:
    """Say what would undo it: a `validate --all` that runs by itself would, too."""
    if report.result is not Result.OK or not report.written:
        return ()
    return (
        f"The profile stays: opbx validate{report.profile_option} attaches the domain again, "
        f"opbx profiles remove {report.profile} forgets it.",
    )
