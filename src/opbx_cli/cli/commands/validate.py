"""`opbx validate`: check the domain and bring it in line."""

from dataclasses import replace
from typing import Annotated

import typer

from opbx_cli.cli.app import App
from opbx_cli.cli.batch import tasks_of, validate_batch
from opbx_cli.cli.command import command
from opbx_cli.cli.input import questions
from opbx_cli.cli.input.choices import (
    Check,
    KeepWebhookKey,
    ReplaceDefault,
    ReplaceWebhookKey,
    Yes,
    choices_of,
)
from opbx_cli.cli.input.options import REPORTS, EnvFilePath
from opbx_cli.cli.input.selection import Only, only_words, refuse_only, stored_profiles
from opbx_cli.cli.reports import interrupted, show_report, show_step
from opbx_cli.cli.tasks import task_of
from opbx_cli.errors import DIFFERS, OpbxError
from opbx_cli.operations.group_save import GroupSave
from opbx_cli.operations.validate.desired import Choices
from opbx_cli.operations.validate.run import Validation, deed_of
from opbx_cli.operations.validate.steps import Report, Result, StepId

EPILOG = (
    "Running it again is always safe: a second run changes nothing. With --all the exit code is "
    "0 when all are in line, 8 when --check found differences and nothing failed, and 9 when "
    "any profile failed or waits for a yes, whatever the reason: each says its own."
)

Push = Annotated[
    bool,
    typer.Option("--push", help="Hand a linked OPBX the settings in which its copy differs."),
]


@command(formats=REPORTS, epilog=EPILOG)
def validate(
    app: App,
    *,
    check: Check = False,
    all_profiles: Annotated[
        bool,
        typer.Option(
            "--all", help="Validate every stored profile, many at a time, without asking."
        ),
    ] = False,
    only: Only = None,
    replace_default: ReplaceDefault = False,
    keep_webhook_key: KeepWebhookKey = False,
    replace_webhook_key: ReplaceWebhookKey = False,
    yes: Yes = False,
    push: Push = False,
    env_file: EnvFilePath = None,
) -> int:
    """Bring the Cloudonix domain in line.

    Checks the credentials, then creates or updates the Voice Application, the domain's
    profile and its default application, in this order, and reads everything back.
    """
    choices = choices_of(
        replace_default=replace_default or yes,
        keep_key=keep_webhook_key,
        replace_key=replace_webhook_key,
        yes=yes,
    )
    app.use_env_file(env_file)
    if all_profiles:
        return _validate_all(app, choices, only, check=check, push=push)
    refuse_only(only)
    return _validate_one(app, choices, check=check, push=push)


def _validate_one(app: App, choices: Choices, *, check: bool, push: bool) -> int:
    active = app.settings
    app.tell_context(active)
    task = task_of(app, active, choices, check=check, instance=app.instance_of(active), push=push)
    validation = Validation(app.client, task, app.signals)
    untold: OpbxError | None = None
    try:
        with task.alone():
            _carry_out(app, validation, choices)
    except KeyboardInterrupt:
        validation.was_interrupted = True
    except OpbxError as error:  # of no step: the store is locked, or an answer never came
        untold = error
        validation.fail(error)
    with app.signals.held():
        report = validation.report()
        _record(app, report)
        show_report(app.ui, report)
    if validation.was_interrupted:
        raise interrupted(report, "validate")
    if report.error is not None:
        raise report.error if untold is not None else app.ui.told(report.error)
    return DIFFERS if report.result is Result.DIFFERS else 0


def _validate_all(
    app: App, choices: Choices, only: list[str] | None, *, check: bool, push: bool
) -> int:
    contents, chosen = stored_profiles(app, only)
    saving = GroupSave(app.store)
    return validate_batch(
        app,
        tasks_of(app, chosen, contents, saving.update, choices, check=check, push=push),
        saving,
        command="validate",
        again=f"opbx validate --all{only_words(only)}",
        alone=True,
    )


def _carry_out(app: App, validation: Validation, choices: Choices) -> None:
    """Show each step as it ends, and ask in between."""
    with app.ui.working("Reading the domain"):
        looked = validation.look()
    for step in looked:
        show_step(app.ui, step)
    for warning in validation.warnings:
        app.ui.warn(warning)
    steps = validation.settle(_decided(app, validation, choices))
    while True:
        with app.ui.working(_following(validation)):
            following = next(steps, None)
        if following is None:
            break
        show_step(app.ui, following)
    for warning in validation.warnings:
        app.ui.warn(warning)


def _following(validation: Validation) -> str:
    """Return the step that is under way: the one behind the last that ended."""
    last = validation.steps[-1].id if validation.steps else StepId.CONNECT
    if last in (StepId.SAVE, StepId.INSTANCE):
        return last
    order = list(StepId)
    return order[order.index(last) + 1]


def _decided(app: App, validation: Validation, choices: Choices) -> Choices:
    """Ask; look again afterwards, and ask again where it is another question by then."""
    while True:
        question = (validation.takeovers, validation.foreign_key)
        answer = _ask(app, validation, choices)
        if answer == choices or _writes_nothing(answer):
            return answer
        with app.ui.working("Reading the domain"):
            looked = validation.look()
        if (validation.takeovers, validation.foreign_key) == question:
            return answer
        for step in looked:
            show_step(app.ui, step)


def _writes_nothing(choices: Choices) -> bool:
    return "nothing" in (choices.calls, choices.key)


def _ask(app: App, validation: Validation, choices: Choices) -> Choices:
    """Ask for what would be taken from somebody, and about a key of somebody's."""
    if validation.takeovers and app.may_ask:
        calls = questions.about_takeovers(app.prompts, validation.takeovers, detach=_way_back(app))
        choices = replace(choices, calls=calls)
        if calls is calls.NOTHING:
            return choices
    if validation.foreign_key is not None and app.may_ask:
        choices = replace(choices, key=questions.about_key(app.prompts, validation.foreign_key))
    return choices


def _way_back(app: App) -> str | None:
    """Return the command that gives back the calls which a yes takes; none is without a store."""
    active = app.settings
    if not active.is_stored:
        return None
    return f"opbx detach{active.profile_option}"


def _record(app: App, report: Report) -> None:
    result = "interrupted" if report.was_interrupted else report.result
    app.record(deed_of("validate", app.settings, report.steps, result))
