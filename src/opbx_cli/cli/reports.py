"""Showing validations: one, or many at once."""

from __future__ import annotations

from collections.abc import Sequence

from opbx_cli.cli.output.ui import Ui
from opbx_cli.cli.output.validate import (
    failures_view,
    is_quiet,
    key_warning,
    one_of_many_view,
    quiet_steps_view,
    report_view,
    step_view,
    tally_sentence,
)
from opbx_cli.errors import Interrupted
from opbx_cli.operations.batch import UNFINISHED, Tally
from opbx_cli.operations.validate.steps import Report, Result, Step


def show_step(ui: Ui, step: Step) -> None:
    """Show one step as it ends; an owner is not told of those that say nothing."""
    is_brief = ui.is_rich and not ui.is_verbose
    if ui.output == "text" and not (is_brief and is_quiet(step)):
        ui.write(ui.text(step_view(step, is_brief=is_brief)))


def show_report(ui: Ui, report: Report) -> None:
    """Show how a validation ended; that another webhook key is in force comes last."""
    warning = key_warning(report)
    if warning is not None and ui.output == "json":
        ui.warn(warning)
    if ui.is_rich and not ui.is_verbose:
        ui.write(ui.text(quiet_steps_view(report)))
    ui.show(report)
    if warning is not None and ui.output != "json" and not ui.is_rich:
        ui.warn(warning)


def show_one_of_many(ui: Ui, report: Report) -> None:
    """Show one profile's validation: a line of JSON, or a block of text; warnings with it."""
    view, last = one_of_many_view(report, is_brief=not ui.is_verbose), key_warning(report)
    if ui.is_report:  # at the end, all in one
        for warning in (*report.warnings, *([last] if last else [])):
            ui.say_warning(f"{report.profile}: {warning}")
        return
    if ui.output == "json":
        found = [*ui.warnings, *report.warnings, *([last] if last else [])]
        ui.write(ui.document(view.document, found))
        return
    for warning in report.warnings:
        ui.say_warning(f"{report.profile}: {warning}")
    ui.write(ui.text(view))
    if last is not None:
        ui.say_warning(f"{report.profile}: {last}")


def show_tally(ui: Ui, tally: Tally, reports: Sequence[Report], again: str | None) -> None:
    """End the text with one sentence, for people with what failed.

    JSON lines end without one, and a report is shown now. What needs somebody comes first: it is
    not what a report that grows too large leaves out.
    """
    if ui.is_report:
        ordered = sorted(reports, key=lambda one: one.result is Result.OK)
        ui.write(ui.reports([report_view(one) for one in ordered]))
    elif ui.output != "json":
        ui.write(f"{tally_sentence(tally)}\n")
    unfinished = [one for one in reports if one.result in UNFINISHED]
    if ui.is_rich and unfinished:
        ui.write(ui.text(failures_view(unfinished, again)))


def interrupted(report: Report, command: str) -> Interrupted:
    """Return the error of a run that was asked to end: what it had done by then."""
    written = ", ".join(step.id for step in report.written)
    done = f"done before that: {written}" if written else "no step had changed anything"
    failure = report.failure
    doubt = f"; {failure.id} may have been carried out" if report.is_doubtful and failure else ""
    return Interrupted(
        f"interrupted; {done}{doubt}",
        hint=f"`opbx {command}{report.profile_option}` goes on from here",
    )
