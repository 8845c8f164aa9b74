"""`opbx detach`: the way back."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Annotated

import typer

from opbx_cli.cli.app import App
from opbx_cli.cli.command import command
from opbx_cli.cli.input.choices import Check
from opbx_cli.cli.input.options import EnvFilePath
from opbx_cli.cli.output.text import change_for_people
from opbx_cli.cli.reports import interrupted, show_report, show_step
from opbx_cli.cli.tasks import remembered_calls, task_of
from opbx_cli.errors import DIFFERS, OpbxError, UsageError
from opbx_cli.operations.detach.parts import Wanted
from opbx_cli.operations.detach.run import Detachment, DetachTask
from opbx_cli.operations.validate.desired import Choices
from opbx_cli.operations.validate.run import deed_of
from opbx_cli.operations.validate.steps import Result, Step

EPILOG = (
    "Calls leave OPBX first; then OPBX's URLs and its webhook key are removed from the domain, and "
    "its application is set inactive. What others changed since is left, and named. The ring time "
    "and the recording format stay as they are. The profile stays, keys and all: "
    "validate attaches the domain again."
)


@command(epilog=EPILOG)
def detach(
    app: App,
    *,
    check: Check = False,
    to: Annotated[
        str | None,
        typer.Option(metavar="APPLICATION", help="Give the calls to this one: name, id or UUID."),
    ] = None,
    to_none: Annotated[
        bool, typer.Option("--to-none", help="Let no application have the calls.")
    ] = False,
    delete_application: Annotated[
        bool,
        typer.Option("--delete-application", help="Delete OPBX's application in Cloudonix."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    env_file: EnvFilePath = None,
) -> int:
    """Give the calls back, and take OPBX out of the domain.

    Calls go where they went before validate took them over: to that application, or to none.
    """
    if to is not None and to_none:
        raise UsageError("--to and --to-none: leave one out")
    app.use_env_file(env_file)
    active = app.settings
    if active.profile is None:
        raise UsageError(
            "without a store nothing is remembered of who had the calls before, or what was sent",
            hint="name a profile that is stored: `opbx profiles list`",
        )
    app.tell_context(active)
    wanted = Wanted(to, to_none, delete_application, active.profile_option)
    validation = task_of(app, active, Choices(), check=check)
    assert validation.profile is not None
    detachment = Detachment(
        app.client,
        DetachTask(
            active,
            validation.profile,
            validation.webhook_url,
            wanted,
            check=check,
            remembered=remembered_calls(app, active),
        ),
        app.signals,
    )
    return _detached(app, detachment, validation.alone, yes=yes or check)


def _detached(
    app: App,
    detachment: Detachment,
    alone: Callable[[], AbstractContextManager[None]],
    *,
    yes: bool,
) -> int:
    """Carry it out, and show it; return the exit code."""
    untold: OpbxError | None = None
    try:
        with alone():
            _carry_out(app, detachment, yes=yes)
    except UsageError:  # nothing was begun
        raise
    except KeyboardInterrupt:
        detachment.was_interrupted = True
    except OpbxError as error:  # of no step: the store is locked, or an answer never came
        untold = error
        detachment.fail(error)
    with app.signals.held():
        report = detachment.report()
        result = "interrupted" if report.was_interrupted else report.result
        app.record(deed_of("detach", app.settings, report.steps, result))
        show_report(app.ui, report)
    if report.was_interrupted:
        raise interrupted(report, "detach")
    if report.error is not None:
        raise report.error if untold is not None else app.ui.told(report.error)
    return DIFFERS if report.result is Result.DIFFERS else 0


def _carry_out(app: App, detachment: Detachment, *, yes: bool) -> None:
    """Show each step as it ends, and ask before the first that writes."""
    for step in _looked(app, detachment):
        show_step(app.ui, step)
    if not yes:
        _want_yes(app, detachment)
    steps = detachment.settle()
    while True:
        with app.ui.working("Detaching"):
            following = next(steps, None)
        if following is None:
            break
        show_step(app.ui, following)


def _looked(app: App, detachment: Detachment) -> tuple[Step, ...]:
    with app.ui.working("Reading the domain"):
        looked = detachment.look()
    for warning in detachment.warnings:
        app.ui.warn(warning)
    return looked


def _want_yes(app: App, detachment: Detachment) -> None:
    """Show the plan and ask; look again afterwards, and ask again where it is another by then."""
    planned = detachment.plan
    if planned is not None and planned.calls.wants is not None and app.may_ask:
        app.ui.notice(f"{planned.calls.planned}. {planned.calls.wants}.")
        detachment.choose_none()
        _looked(app, detachment)
    while (planned := detachment.plan) is not None and planned.changes:
        for change in planned.changes:
            app.ui.notice(f"  {' '.join(change_for_people(change, is_planned=True))}")
        app.confirm(
            "Detach the domain from OPBX?",
            yes=False,
            doing="detaching a domain",
            hint=f"`opbx detach --yes{app.settings.profile_option}`",
        )
        _looked(app, detachment)
        if detachment.plan is not None and detachment.plan.changes == planned.changes:
            return
