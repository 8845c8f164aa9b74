"""`opbx validate`: check the domain and bring it in line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from opbx_cli.cli.app import App
from opbx_cli.cli.options import command
from opbx_cli.errors import DIFFERS, ConfigurationError, Interrupted

if TYPE_CHECKING:
    from opbx_cli.operations.converge import Facts
    from opbx_cli.operations.plan import Desired, Plan
    from opbx_cli.operations.steps import Step
    from opbx_cli.operations.webhook import WebhookUrl
    from opbx_cli.remote import Snapshot

EPILOG = "Running it again is always safe: a second run changes nothing."


def register(root: typer.Typer) -> None:
    command(root, "validate", epilog=EPILOG)(validate)


def validate(
    app: App,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit 8 if something differs.")
    ] = False,
    replace_default: Annotated[
        bool,
        typer.Option(
            "--replace-default", help="Take calls over from an application that is not OPBX's."
        ),
    ] = False,
) -> None:
    """Bring the Cloudonix domain in line.

    Checks the credentials, then creates or updates the Voice Application, the domain's
    profile and its default application, in this order, and reads everything back.
    """
    from opbx_cli.operations.steps import Report, Result, last_words

    run = _Run(app, check=check, replace_default=replace_default)
    steps: list[Step] = []
    try:
        for step in run.steps():
            steps.append(step)
            app.ui.step(step)
    except KeyboardInterrupt:
        _record(app, steps, "interrupted")
        raise _interrupted(steps) from None
    report = Report(
        profile=app.settings.profile,
        domain_uuid=app.client.domain_uuid,
        domain_name=run.domain_name,
        steps=last_words(steps),
        voice_url=run.voice_url,
    )
    _record(app, steps, report.result)
    app.ui.show(report)
    if report.error is not None:
        raise report.error
    app.exit_code = DIFFERS if report.result is Result.DIFFERS else 0


class _Run:
    """One validation: read, plan, ask, converge."""

    def __init__(self, app: App, *, check: bool, replace_default: bool) -> None:
        self._app = app
        self._check = check
        self._replace_default = replace_default
        self.domain_name = app.settings.settings.domain_name
        self.voice_url: str | None = None

    def steps(self) -> Iterator[Step]:
        from opbx_cli.operations.converge import failed_before_plan, inspect, preview
        from opbx_cli.operations.plan import Desired, plan

        client = self._app.client
        with self._app.ui.working("Reading the domain"):
            inspection = inspect(client)
        yield from inspection.steps
        snapshot = inspection.snapshot
        if snapshot is None:
            return
        self.domain_name = snapshot.domain.name
        try:
            url = self._webhook_url()
        except ConfigurationError as error:
            yield from failed_before_plan(error)
            return
        self.voice_url = url.endpoints.voice
        desired = Desired.of(self._app.settings.settings, client.domain_uuid, url.endpoints)
        planned = plan(desired, snapshot)
        for warning in (*url.warnings, *planned.warnings):
            self._app.ui.warn(warning)
        if self._check:
            yield from preview(planned)
        else:
            yield from self._converge(desired, snapshot, planned)

    def _converge(self, desired: Desired, snapshot: Snapshot, planned: Plan) -> Iterator[Step]:
        from opbx_cli.operations.converge import Convergence

        convergence = Convergence(
            self._app.client,
            desired,
            snapshot,
            replace_default=self._replace_default or self._confirms(planned),
            record=self._record if self._app.settings.profile is not None else None,
        )
        steps = convergence.steps()
        while True:
            with self._app.ui.working("Bringing the domain in line"):
                step = next(steps, None)
            if step is None:
                return
            yield step

    def _confirms(self, planned: Plan) -> bool:
        """Ask for the yes that taking over somebody's calls needs."""
        holder = planned.foreign_default
        if holder is None:
            return False
        from opbx_cli.values import clean

        name = clean(str(holder.name or holder.id))
        return self._app.prompts.confirm(
            f"Calls go to application '{name}' now. Send them to OPBX instead?"
        )

    def _webhook_url(self) -> WebhookUrl:
        from opbx_cli import settings
        from opbx_cli.operations.webhook import resolve_webhook_url

        return resolve_webhook_url(
            settings.webhook_base_url(self._app.settings, self._app.environ),
            production=settings.is_production(self._app.environ),
            active=self._app.settings,
        )

    def _record(self, facts: Facts) -> bool:
        from opbx_cli.operations.profiles import record

        name = self._app.settings.profile
        assert name is not None
        return record(self._app.store, name, self._app.client.domain_uuid, facts)


def _record(app: App, steps: list[Step], result: str) -> None:
    """Keep what was changed in Cloudonix; without a store nothing is kept anywhere."""
    from opbx_cli.operations.history import Deed

    active = app.settings
    changes = tuple(change for step in steps if step.wrote for change in step.changes)
    if active.profile is not None and changes:
        settings = active.settings
        app.record(
            Deed("validate", active.profile, settings, settings, changes=changes, result=result)
        )


def _interrupted(steps: list[Step]) -> Interrupted:
    written = ", ".join(step.id for step in steps if step.wrote)
    done = f"done before that: {written}" if written else "no step had changed anything"
    return Interrupted(
        f"interrupted; {done}; the step under way may have been carried out",
        hint="`opbx validate` goes on from here",
    )
