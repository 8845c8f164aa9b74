"""`opbx validate`: check the domain and bring it in line."""

from typing import TYPE_CHECKING, Annotated

import typer

from opbx_cli.cli.app import App
from opbx_cli.cli.options import EnvFilePath, command
from opbx_cli.errors import DIFFERS, Interrupted, UsageError

if TYPE_CHECKING:
    from opbx_cli.operations.steps import Step
    from opbx_cli.operations.validation import Task, Validation

EPILOG = (
    "Running it again is always safe: a second run changes nothing. With --all the exit code is "
    "0 when all are in line, 8 when --check found differences and nothing failed, and 9 when "
    "any profile failed or waits for a yes, whatever the reason: each says its own."
)

Yes = Annotated[
    bool,
    typer.Option(
        "--yes",
        "-y",
        help="Do not ask: say yes to what would be asked, which is --replace-default.",
    ),
]
ReplaceDefault = Annotated[
    bool,
    typer.Option(
        "--replace-default", help="Take calls over from an application that is not OPBX's."
    ),
]
Check = Annotated[
    bool, typer.Option("--check", help="Change nothing; exit 8 if something differs.")
]


def register(root: typer.Typer) -> None:
    command(root, "validate", epilog=EPILOG)(validate)


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
    replace_default: ReplaceDefault = False,
    yes: Yes = False,
    env_file: EnvFilePath = None,
) -> None:
    """Bring the Cloudonix domain in line.

    Checks the credentials, then creates or updates the Voice Application, the domain's
    profile and its default application, in this order, and reads everything back.
    """
    app.use_env_file(env_file)
    if all_profiles:
        _validate_all(app, check=check, replace_default=replace_default or yes)
        return
    from opbx_cli.operations.steps import Result
    from opbx_cli.operations.validation import Validation

    validation = Validation(app.client, _task(app, check=check))
    try:
        _carry_out(app, validation, replace_default=replace_default, yes=yes)
    except KeyboardInterrupt:
        _record(app, validation.steps, "interrupted")
        raise _interrupted(validation.steps, app.settings.profile_option) from None
    report = validation.report()
    _record(app, report.steps, report.result)
    app.ui.show(report)
    if report.error is not None:
        raise report.error
    app.exit_code = DIFFERS if report.result is Result.DIFFERS else 0


def _validate_all(app: App, *, check: bool, replace_default: bool) -> None:
    from opbx_cli.cli.batch import tasks_of, validate_batch
    from opbx_cli.operations.ledger import Ledger

    app.refuse_profile("--all is about every stored profile")
    if app.is_storeless:
        raise UsageError(
            "--all is about the stored profiles, and the environment gives one of its own",
            hint="unset OPBX_DOMAIN_UUID and OPBX_DOMAIN_API_KEY",
        )
    contents = app.store.read()
    app.warn_of_store()
    contents.require_some()
    ledger = Ledger(app.store, contents)
    validate_batch(
        app,
        tasks_of(app, contents, contents.profiles, ledger, check=check),
        ledger,
        command="validate",
        replace_default=replace_default,
        hint="`opbx validate --all` goes on from here",
    )


def _task(app: App, *, check: bool) -> "Task":
    from opbx_cli.operations import profiles
    from opbx_cli.operations.converge import Facts
    from opbx_cli.operations.validation import Task

    active, name = app.settings, app.settings.profile

    def record(facts: Facts) -> bool:
        assert name is not None
        return profiles.record(app.store, name, app.client.domain_uuid, facts)

    return Task(
        active,
        webhook_url=lambda: app.webhook_url_of(active),
        record=None if name is None else record,
        check=check,
    )


def _carry_out(app: App, validation: "Validation", *, replace_default: bool, yes: bool) -> None:
    """Show each step as it ends, and ask in between."""
    with app.ui.working("Reading the domain"):
        looked = validation.look()
    for step in looked:
        app.ui.step(step)
    for warning in validation.warnings:
        app.ui.warn(warning)
    may_replace = replace_default or yes or _confirms(app, validation)
    steps = validation.settle(replace_default=may_replace)
    while True:
        with app.ui.working("Bringing the domain in line"):
            following = next(steps, None)
        if following is None:
            return
        app.ui.step(following)


def _confirms(app: App, validation: "Validation") -> bool:
    """Ask for the yes that taking over somebody's calls needs."""
    holder = validation.foreign_default
    if holder is None:
        return False
    from opbx_cli.values import clean

    name = clean(str(holder.name or holder.id))
    return app.prompts.confirm(f"Calls go to application '{name}' now. Send them to OPBX instead?")


def _record(app: App, steps: "tuple[Step, ...] | list[Step]", result: str) -> None:
    from opbx_cli.operations.validation import deed_of

    app.record(deed_of("validate", app.settings, steps, result))


def _interrupted(steps: "list[Step]", profile_option: str) -> Interrupted:
    written = ", ".join(step.id for step in steps if step.wrote)
    done = f"done before that: {written}" if written else "no step had changed anything"
    return Interrupted(
        f"interrupted; {done}; the step under way may have been carried out",
        hint=f"`opbx validate{profile_option}` goes on from here",
    )
