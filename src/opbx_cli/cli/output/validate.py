"""A validation: its steps as they end, how it ended, and many of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from opbx_cli.cli.output.parts import (
    ADDED,
    CHANGED,
    DIFFERENT,
    DONE,
    FAILED,
    LEFT_OUT,
    STILL_OPEN,
    Audience,
    Item,
    Items,
    Json,
    Sentences,
    View,
)
from opbx_cli.cli.output.text import (
    APPLICATION_NAME,
    change_for_people,
    change_line,
    change_object,
    change_words,
)
from opbx_cli.operations.validate.steps import Report, Result, Status, Step, StepId
from opbx_cli.values import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opbx_cli.operations.batch import Tally

MARKS = {
    Status.OK: DONE,
    Status.UNCHANGED: DONE,
    Status.CREATED: ADDED,
    Status.UPDATED: CHANGED,
    Status.ADOPTED: CHANGED,
    Status.FAILED: FAILED,
    Status.SKIPPED: LEFT_OUT,
    Status.DIFFERS: DIFFERENT,
}
RESULT_MARKS = {
    Result.OK: DONE,
    Result.DIFFERS: DIFFERENT,
    Result.PARTIAL: FAILED,
    Result.FAILED: FAILED,
}
MADE = (Status.CREATED, Status.UPDATED, Status.ADOPTED)
IN_LINE = (Status.OK, Status.UNCHANGED)
STEP_WIDTHS = (len("default-application"), len("unchanged"))


def report_view(result: Report) -> View:
    sentences = Sentences((closing(result),), RESULT_MARKS[result.result].tone)
    return View(
        document(result),
        (
            Sentences(("",), audience=Audience.PEOPLE),
            sentences,
            Sentences(next_after(result), audience=Audience.PEOPLE),
            Items(_reported(result), STEP_WIDTHS, audience=Audience.REPORTS),
        ),
        title=result.profile or result.domain_name or result.domain_uuid,
    )


def step_view(step: Step, *, is_brief: bool) -> View:
    """Return one step; `is_brief` leaves out what an owner has no use for."""
    return View(_step_object(step), (_items(step, is_brief=is_brief),))


def is_quiet(step: Step) -> bool:
    """Tell whether a step says nothing to an owner: it found nothing to do, or was not tried."""
    if step.id is StepId.SAVE:
        return step.error is None
    is_idle = step.status is Status.SKIPPED and step.wants is None and not step.changes
    return is_idle or step.status in IN_LINE


def quiet_steps_view(report: Report) -> View:
    """Count the steps that were passed over, in one line."""
    good = sum(step.status in IN_LINE for step in report.steps)
    idle = sum(step.status is Status.SKIPPED and is_quiet(step) for step in report.steps)
    has_ended = report.failure is not None or report.was_interrupted
    count, mark = (idle, LEFT_OUT) if has_ended else (good, DONE)
    ending = "is as it should be" if count == 1 else "are as they should be"
    ending = "not tried" if has_ended else ending
    items = (Item(mark, (f"{_counted(count)} {ending}",), ()),) if count else ()
    return View({}, (Items(items, audience=Audience.PEOPLE),))


def one_of_many_view(result: Report, *, is_brief: bool) -> View:
    """Return one of many reports: what was done or is to be done, and how it ended."""
    name, ending = result.profile or "", closing(result)
    steps = [
        replace(_items(step, name, is_brief=is_brief), indent=2) for step in noteworthy(result)
    ]
    head = Item(RESULT_MARKS[result.result], (f"{name}: {ending}",), (), coloured=0)
    last = "\t".join(clean(cell) for cell in (name, "result", result.result.value, ending))
    return View(
        document(result),
        (
            Items((head,), audience=Audience.PEOPLE),
            *steps,
            Sentences((last,), audience=Audience.PROGRAMS),
        ),
    )


def closing(report: Report) -> str:
    """Return the one sentence that `validate` ends with."""
    name = clean(report.domain_name or report.domain_uuid)
    if report.result is Result.OK:
        saved = any(step.id is StepId.SETTINGS and step.changes for step in report.steps)
        start = "Done" if report.written or saved else "Nothing to do"
        return f"{start}: calls for {name} go to {report.voice_url}"
    if report.result is Result.DIFFERS:
        count = sum(len(step.changes) for step in report.steps if step.status is Status.DIFFERS)
        things = "1 thing" if count == 1 else f"{count} things"
        is_applied = any(step.id is StepId.SETTINGS for step in report.steps)
        how = f"`opbx {report.command}{report.profile_option}`"
        if is_applied:  # by a command that is longer than this line
            how = "`apply` without `--check`"
        return f"{name} differs from the settings in {things}; {how} changes that."
    if report.result is Result.PARTIAL:
        if report.was_interrupted:
            return f"{name} is only partly in line with the settings: this run was asked to end."
        return f"{name} is only partly in line with the settings."
    if report.was_interrupted:
        return f"{name} was not brought in line: this run was asked to end."
    if report.is_doubtful:
        return f"{name} may or may not have been changed by the step that failed."
    return f"{name} was not changed."


def next_after(report: Report) -> tuple[str, ...]:
    """Return what is to be done after a `validate` that changed something; nothing after others.

    Whatever put another webhook key in force says so last: OPBX refuses calls until it has it.
    """
    option = report.profile_option
    key = report.key_in_force
    if key is not None and not report.opbx_has_key:
        steps = [*_handing_over(report), f"opbx webhook-url --check --with-key{option}"]
        return (
            f"A new webhook key ({key.label}) is in force. OPBX refuses calls until it has "
            "that key too:",
            *(f"{number}. {step}" for number, step in enumerate(steps, start=1)),
        )
    if report.result is not Result.OK or not report.written:
        return ()
    with_key = " --with-key" if report.has_key else ""
    return (f"Prove that calls arrive: opbx webhook-url --check{with_key}{option}",)


def key_warning(report: Report) -> str | None:
    """Say in one sentence what `next_after` says in steps, for who reads no terminal."""
    key, option = report.key_in_force, report.profile_option
    if key is None or report.opbx_has_key:
        return None
    how = f"give it the one of `opbx webhook-key reveal{option}`"
    if report.is_linked:
        how = f"`opbx instance push{option}` hands it over"
    elif report.webhook_key_place:
        how = f"give it the one of {report.webhook_key_place}"
    proof = f", then prove it with `opbx webhook-url --check --with-key{option}`"
    return (
        f"a new webhook key ({key.label}) is in force, and OPBX refuses calls until it has "
        f"that key too: {how}{'' if report.is_unsaved else proof}"
    )


def noteworthy(report: Report) -> tuple[Step, ...]:
    """Return the steps that changed something, would change it, failed or wait for a yes."""
    quiet = (Status.OK, Status.UNCHANGED, Status.SKIPPED)
    return tuple(
        step
        for step in report.steps
        if step.wants is not None
        or (step.status not in quiet and not (step.id is StepId.SAVE and step.error is None))
    )


def failures_view(failures: Sequence[Report], again: str | None) -> View:
    """Repeat what was left undone in each profile, with its hint and the command to run then.

    `again` is that command where one does for all of them.
    """
    items = tuple(
        Item(
            RESULT_MARKS[report.result],
            (f"{clean(report.profile or '')} ", _why(report)),
            (),
            note=_remedy(report, again),
        )
        for report in failures
    )
    return View({}, (Items(items, audience=Audience.PEOPLE),))


def _why(report: Report) -> str:
    step = report.failure or next((one for one in report.steps if one.wants is not None), None)
    return closing(report) if step is None else f"{step.id}: {_reason(step)}"


def _remedy(report: Report, again: str | None) -> str:
    hint = report.error.hint if report.error is not None else None
    command = f"`{again or f'opbx validate{report.profile_option}'}`"
    if hint is None:
        return f"{command} goes on from here"
    return hint if "`" in hint else f"{hint}: {command}"


def tally_sentence(tally: Tally) -> str:
    """Return the one sentence that many validations end with."""
    labels = {
        Result.OK: "in line",
        Result.DIFFERS: "to be changed",
        Result.PARTIAL: "only partly in line",
        Result.FAILED: "failed",
    }
    counts = tally.counts
    found = [f"{counts[result]} {label}" for result, label in labels.items() if counts.get(result)]
    total = len(tally.results)
    return f"{total} profile{'' if total == 1 else 's'}: {', '.join(found)}."


def _items(step: Step, profile: str | None = None, *, is_brief: bool) -> Items:
    """Return one step for people: in brief, a mark alone says that it failed or was skipped."""
    is_planned = step.status not in MADE
    item = replace(
        _item(step, profile),
        details=tuple(
            change_for_people(change, is_planned=is_planned)
            for change in step.changes
            if step.status is not Status.CREATED or change.path != APPLICATION_NAME
        ),
    )
    if is_brief and step.status in (Status.FAILED, Status.SKIPPED):
        details = item.details if step.status is Status.FAILED else ()
        cells = (f"{step.id} ", _reason(step))
        return Items((replace(item, cells=cells, details=details, coloured=None),))
    if is_brief and step.id is StepId.DEFAULT_APPLICATION and item.details and not is_planned:
        item = replace(item, cells=(*item.cells[:2], " ".join(item.details[0])), details=())
    return Items((item,), STEP_WIDTHS)


def _item(step: Step, profile: str | None = None) -> Item:
    """Return one step: a line, and what it changes."""
    changes = "; ".join(map(change_line, step.changes))
    detail = f"{step.detail}: {changes}" if changes else step.detail
    row = (step.id.value, step.status.value, detail)
    return Item(
        MARKS[step.status],
        (*row[:2], step.detail),
        row if profile is None else (profile, *row),
        details=tuple(map(change_words, step.changes)),
        coloured=1,
    )


def _reported(report: Report) -> tuple[Item, ...]:
    """Return the steps with what to do about them, which elsewhere the error behind them says.

    What waits for a yes, and what a run that was asked to end left out, is not in order.
    """
    items = []
    for step in report.steps:
        hint = step.error.hint if step.error is not None else step.wants
        item = replace(_item(step), note=hint)
        is_open = step.wants is not None or report.was_interrupted
        if step.status is Status.SKIPPED and is_open:
            item = replace(item, mark=STILL_OPEN)
        items.append(item)
    return tuple(items)


def _reason(step: Step) -> str:
    """Return why a step failed, without the request that was refused."""
    if step.error is None:
        return step.detail
    return step.detail.replace(step.error.message, step.error.reason)


def _counted(count: int) -> str:
    return "1 step" if count == 1 else f"{count} steps"


def _handing_over(report: Report) -> list[str]:
    """Return how OPBX gets the webhook key."""
    if report.is_linked:
        return [f"opbx instance push{report.profile_option}"]
    if report.webhook_key_place:
        return [f"Save the key of {report.webhook_key_place} in OPBX's settings."]
    return [f"opbx webhook-key reveal{report.profile_option}", "Save that key in OPBX's settings."]


def document(result: Report, schema: str = "opbx.validate/1") -> Json:
    return {
        "schema": schema,
        "profile": result.profile,
        "domain": {"uuid": result.domain_uuid, "name": result.domain_name},
        "result": result.result.value,
        "steps": [_step_object(step) for step in result.steps],
    }


def _step_object(step: Step) -> Json:
    content: Json = {
        "id": step.id.value,
        "status": step.status.value,
        "detail": step.detail,
        "changes": [change_object(change) for change in step.changes],
    }
    if step.error is not None:
        content["error"] = step.error.as_object()
    return content
