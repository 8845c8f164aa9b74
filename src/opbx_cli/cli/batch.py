"""Many profiles at once, as `validate --all` and `apply` show them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from opbx_cli.cli.app import App

if TYPE_CHECKING:
    from opbx_cli.operations.batch import Batch
    from opbx_cli.operations.history import Deed
    from opbx_cli.operations.ledger import Ledger
    from opbx_cli.operations.steps import Report
    from opbx_cli.operations.validation import Task
    from opbx_cli.store import StoreContents


def tasks_of(
    app: App, contents: StoreContents, names: Iterable[str], ledger: Ledger, *, check: bool
) -> dict[str, Task]:
    """Return what there is to do for these profiles, whose facts go into the ledger."""
    from opbx_cli import settings
    from opbx_cli.operations.batch import shared_domains
    from opbx_cli.operations.validation import Task

    tasks = {}
    for name in names:
        active = settings.stored_settings(
            contents.profiles[name],
            profile=name,
            is_default=name == contents.default_profile,
            environ=app.environ,
        )
        uuid = active.settings.domain_uuid or ""
        tasks[name] = Task(
            active,
            webhook_url=partial(app.webhook_url_of, active),
            record=partial(ledger.record, name, uuid),
            check=check,
        )
    for name, others in shared_domains(tasks).items():
        warning = f"the same domain is in profile {', '.join(others)} too: the last one wins"
        tasks[name] = replace(tasks[name], warnings=(warning,))
    return tasks


def validate_batch(
    app: App,
    tasks: Mapping[str, Task],
    ledger: Ledger,
    *,
    command: str,
    replace_default: bool,
    hint: str,
) -> None:
    """Validate the profiles and show each; `hint` is for whoever presses Ctrl-C."""
    from opbx_cli import settings
    from opbx_cli.operations.batch import WORKERS, Batch, Tally
    from opbx_cli.operations.validation import Validation

    settings.api_timeout(app.environ)  # a bad one is everybody's: refuse it once, before all
    assert app.limiters  # made here, because the threads would make one each
    batch = Batch(
        tasks,
        lambda task: Validation(app.client_for(task.active), task),
        replace_default=replace_default,
        workers=WORKERS,
    )
    seen: list[Report] = []
    try:
        with interrupting(batch), app.ui.counting("Validating", len(tasks)) as advance:
            for report in batch.reports(advance):
                seen.append(report)
                app.ui.show_one_of_many(report)
    except KeyboardInterrupt:
        for report in batch.stop():
            seen.append(report)
            app.ui.show_one_of_many(report)
        tally = Tally(len(tasks), tuple((r.profile or "", r.result) for r in seen))
        raise tally.interrupted(batch.under_way, hint) from None
    finally:
        ledger.close()
        app.record(*_deeds(command, tasks, seen, batch))
    tally = Tally(len(tasks), tuple((r.profile or "", r.result) for r in seen))
    app.ui.show_tally(tally)
    if tally.error is not None:
        raise tally.error
    app.exit_code = tally.exit_code


@contextmanager
def interrupting(batch: Batch) -> Iterator[None]:
    """Let the first Ctrl-C wait until the report at hand is shown; the second does not wait."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def hear(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        batch.interrupt()

    before = signal.signal(signal.SIGINT, hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _deeds(
    command: str, tasks: Mapping[str, Task], seen: list[Report], batch: Batch
) -> list[Deed | None]:
    """Return what was changed in Cloudonix, also where the batch was interrupted."""
    from opbx_cli.operations.validation import deed_of

    done = [
        deed_of(command, tasks[report.profile or ""].active, report.steps, report.result)
        for report in seen
    ]
    return done + [
        deed_of(command, tasks[name].active, list(validation.steps), "interrupted")
        for name, validation in dict(batch.under_way).items()
    ]
