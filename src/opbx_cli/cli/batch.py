"""Many profiles at once, as `validate --all` and `apply` show them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from opbx_cli import settings
from opbx_cli.cli.app import App
from opbx_cli.cli.input.selection import active_settings
from opbx_cli.cli.reports import show_one_of_many, show_tally
from opbx_cli.cli.tasks import stored_profile
from opbx_cli.operations.batch import (
    UNFINISHED,
    Batch,
    Tally,
    rival_urls,
    shared_domains,
    workers_for,
)
from opbx_cli.operations.group_save import GroupSave
from opbx_cli.operations.history import Deed
from opbx_cli.operations.validate.desired import Choices
from opbx_cli.operations.validate.run import Task, Validation, deed_of
from opbx_cli.operations.validate.steps import Report, Result, Status
from opbx_cli.operations.webhook import WebhookUrl
from opbx_cli.settings import ActiveSettings
from opbx_cli.settings.table import Settings

if TYPE_CHECKING:  # only types: they would load the store, which the storeless mode does without
    from opbx_cli.store import StoreContents

    Update = Callable[[Callable[[StoreContents], StoreContents]], None]

RECORDED_TOGETHER = 500  # profiles, in the audit trail


def tasks_of(
    app: App,
    chosen: Mapping[str, Settings],
    contents: StoreContents,
    update: Update,
    choices: Choices,
    *,
    check: bool,
    push: bool = False,
) -> dict[str, Task]:
    """Return what there is to do for these profiles, whose facts are saved by `update`."""
    rivals = rival_urls({**contents.profiles, **chosen})
    tasks = {}
    for name, active in active_settings(app, contents, chosen).items():
        uuid = active.settings.domain_uuid or ""
        tasks[name] = Task(
            active,
            webhook_url=partial(_webhook_url, app, active),
            profile=stored_profile(app, name, uuid, update),
            check=check,
            choices=choices,
            alone=nullcontext if check else partial(app.alone_on, active),
            instance=app.instance_of(active),
            push=push,
            rival_urls=rivals[name],
        )
    for name, others in shared_domains(chosen).items():
        warning = f"the same domain is in profile {', '.join(others)} too: the last one wins"
        tasks[name] = replace(tasks[name], warnings=(warning,))
    return tasks


def _webhook_url(app: App, active: ActiveSettings, now: Settings) -> WebhookUrl:
    return app.webhook_url_of(active._replace(settings=now))


def validate_batch(
    app: App,
    tasks: Mapping[str, Task],
    saving: GroupSave | None,
    *,
    command: str,
    again: str,
    alone: bool = False,
) -> int:
    """Validate the profiles and show each; return the exit code.

    `saving` is None where nothing is saved. `again` is the command line that does the same.
    `alone`: one of the profiles can be validated by itself just as well.
    """
    settings.api_timeout(app.environ)  # a bad one is everybody's: refuse it once, before all
    batch = Batch(
        tasks,
        lambda task: Validation(app.client_for(task.active), task),
        workers=workers_for(len(tasks)),
    )
    if saving is not None:
        saving.at_work = lambda: len(batch.under_way)
    seen = _Seen(app, command, tasks)
    cut_off: tuple[Report, ...] = ()
    is_interrupted = False
    try:
        with (
            app.signals.passed_to(batch.interrupt),
            app.ui.counting("Validating", len(tasks)) as advance,
        ):
            for report in batch.reports(advance):
                seen.add(report)
                show_one_of_many(app.ui, report)
    except KeyboardInterrupt:
        is_interrupted = True
        finished, cut_off = batch.stop(), batch.cut_off()  # before one ends while these are shown
        for report in finished:
            seen.add(report)
        for report in (*finished, *cut_off):
            show_one_of_many(app.ui, report)
    finally:
        with app.signals.held():
            if saving is not None:
                saving.close()
            seen.record(cut_off)
    tally = Tally(len(tasks), tuple(seen.results))
    if is_interrupted:
        if app.ui.is_report:
            show_tally(app.ui, tally, [*seen.kept, *cut_off], again)
        raise tally.interrupted(cut_off, f"`{again}` goes on from here")
    show_tally(app.ui, tally, seen.kept, None if alone else again)
    if tally.error is not None:
        raise app.ui.told(tally.error)
    return tally.exit_code


class _Seen:
    """What is kept of reports that were shown; thousands of them whole would fill memory."""

    def __init__(self, app: App, command: str, tasks: Mapping[str, Task]) -> None:
        self.results: list[tuple[str, Result]] = []
        self.kept: list[Report] = []  # of all, or of what was left undone, to be shown again
        self._app = app
        self._command = command
        self._tasks = tasks
        self._deeds: list[Deed | None] = []  # that are not in the audit trail yet

    def add(self, report: Report) -> None:
        self.results.append((report.profile or "", report.result))
        self._deeds.append(_deed(self._command, self._tasks, report))
        if self._app.ui.is_report or report.result in UNFINISHED:
            self.kept.append(report)
        if len(self._deeds) == RECORDED_TOGETHER:
            self.record()

    def record(self, cut_off: Iterable[Report] = ()) -> None:
        """Add what was done to the audit trail, also by those that were cut off."""
        deeds, self._deeds = self._deeds, []
        self._app.record(*deeds, *(_deed(self._command, self._tasks, one) for one in cut_off))


def _deed(command: str, tasks: Mapping[str, Task], report: Report) -> Deed | None:
    """Return what was changed, here and in Cloudonix, also where the batch was interrupted."""
    task = tasks[report.profile or ""]
    provision = task.provision
    is_saved = any(
        step.id == "settings" and step.status in (Status.CREATED, Status.UPDATED)
        for step in report.steps
    )
    saved = None
    if provision is not None and is_saved:
        saved = (provision.before, provision.candidate)
    result = "interrupted" if report.was_interrupted else report.result
    return deed_of(command, task.active, report.steps, result, saved)
