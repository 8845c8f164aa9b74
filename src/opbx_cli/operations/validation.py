"""The validation of one profile: look, plan, bring in line; whoever asked hears each step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opbx_cli.errors import ConfigurationError, OpbxError
from opbx_cli.operations.converge import Convergence, Facts
from opbx_cli.operations.history import Deed
from opbx_cli.operations.inspection import failed_before_plan, inspect, preview
from opbx_cli.operations.plan import Desired, ForeignDefault, Plan, plan
from opbx_cli.operations.steps import (
    Report,
    Status,
    Step,
    StepId,
    last_words,
    skipped_after,
)
from opbx_cli.operations.webhook import WebhookUrl
from opbx_cli.remote import Snapshot
from opbx_cli.settings import ActiveSettings

if TYPE_CHECKING:
    from opbx_cli.cloudonix import Client


@dataclass(frozen=True, slots=True)
class Task:
    """What to validate. `preface` are steps that were done before."""

    active: ActiveSettings
    webhook_url: Callable[[], WebhookUrl]  # raises ConfigurationError where there is none
    record: Callable[[Facts], bool] | None  # None: there is no store
    check: bool = False
    preface: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = ()


class Validation:
    """`look()`, then `settle()`; or `run()`, which is both. `steps` and `warnings` grow."""

    def __init__(self, client: Client, task: Task) -> None:
        self.client = client
        self.steps: list[Step] = list(task.preface)
        self.warnings: list[str] = [*task.active.warnings, *task.warnings]
        self._task = task
        self._domain_name: str | None = None  # as read now: what was stored may be old
        self._voice_url: str | None = None
        self._desired: Desired | None = None
        self._snapshot: Snapshot | None = None
        self._plan: Plan | None = None

    @property
    def foreign_default(self) -> ForeignDefault | None:
        """Return the application that would lose its calls, where something may be written."""
        return None if self._plan is None or self._task.check else self._plan.foreign_default

    def look(self) -> tuple[Step, ...]:
        """Read the domain and compare it; nothing is written."""
        inspection = inspect(self.client)
        steps = inspection.steps
        if inspection.snapshot is not None:
            self._domain_name = inspection.snapshot.domain.name
            try:
                self._compare(inspection.snapshot)
            except ConfigurationError as error:
                steps = (*steps, *failed_before_plan(error))
        self.steps += steps
        return steps

    def settle(self, *, replace_default: bool) -> Iterator[Step]:
        """Carry the plan out, or show it; nothing where there is none."""
        if self._plan is None:
            return
        for step in self._settling(self._plan, replace_default=replace_default):
            self.steps.append(step)
            yield step

    def run(self, *, replace_default: bool) -> Iterator[Step]:
        yield from self.look()
        yield from self.settle(replace_default=replace_default)

    def report(self) -> Report:
        return Report(
            profile=self._task.active.profile,
            domain_uuid=self.client.domain_uuid,
            domain_name=self._domain_name,
            steps=last_words(self.steps),
            voice_url=self._voice_url,
            profile_option=self._task.active.profile_option,
            warnings=tuple(self.warnings),
        )

    def _compare(self, snapshot: Snapshot) -> None:
        url = self._task.webhook_url()
        self._voice_url = url.endpoints.voice
        settings = self._task.active.settings
        self._snapshot = snapshot
        self._desired = Desired.of(settings, self.client.domain_uuid, url.endpoints)
        self._plan = plan(self._desired, snapshot)
        self.warnings += [*url.warnings, *self._plan.warnings]

    def _settling(self, planned: Plan, *, replace_default: bool) -> Iterator[Step]:
        if self._task.check:
            return preview(planned)
        assert self._desired is not None
        assert self._snapshot is not None
        return Convergence(
            self.client,
            self._desired,
            self._snapshot,
            replace_default=replace_default,
            record=self._task.record,
        ).steps()


def failed_to_start(task: Task, error: OpbxError) -> Report:
    """Report a profile that no client can be made for."""
    settings = task.active.settings
    return Report(
        profile=task.active.profile,
        domain_uuid=settings.domain_uuid or "",
        domain_name=None,
        steps=(
            *task.preface,
            Step(StepId.CONNECT, Status.FAILED, error.message, error=error),
            *skipped_after(StepId.CONNECT),
        ),
        warnings=(*task.active.warnings, *task.warnings),
    )


def deed_of(
    command: str, active: ActiveSettings, steps: tuple[Step, ...] | list[Step], result: str
) -> Deed | None:
    """Return what was changed in Cloudonix; without a store nothing is kept anywhere."""
    changes = tuple(change for step in steps if step.wrote for change in step.changes)
    if active.profile is None or not changes:
        return None
    settings = active.settings
    return Deed(command, active.profile, settings, settings, changes=changes, result=result)
