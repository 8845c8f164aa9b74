"""The validation of one profile: look, plan, bring in line; whoever asked hears each step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError, OpbxError, StoreError
from opbx_cli.operations.history import Deed
from opbx_cli.operations.instance import OpenInstance, compared_step, plan_push
from opbx_cli.operations.interruptions import Interruptions, NoInterruptions, given_up
from opbx_cli.operations.stored_profile import KeyMovedError, StoredProfile
from opbx_cli.operations.validate.apply import Circumstances, Convergence
from opbx_cli.operations.validate.desired import STORED_KEY_PATH, Choices, Desired, KeyPlan
from opbx_cli.operations.validate.inspection import failed_before_plan, inspect, preview
from opbx_cli.operations.validate.key_ownership import (
    KeyAction,
    KeyChoice,
    after_cut_rotation,
    is_cut_rotation,
    shows_key,
)
from opbx_cli.operations.validate.plan import Plan, plan
from opbx_cli.operations.validate.steps import (
    Report,
    Status,
    Step,
    StepId,
    failed_steps,
    last_words,
    skipped_after,
)
from opbx_cli.operations.validate.takeover import CallsChoice, Takeover
from opbx_cli.operations.webhook import WebhookUrl
from opbx_cli.remote import Snapshot
from opbx_cli.settings import ActiveSettings

if TYPE_CHECKING:
    from opbx_cli.cloudonix import Client
    from opbx_cli.models import Secret
    from opbx_cli.operations.provision import Provision
    from opbx_cli.settings.table import Settings

ATTEMPTS = 3  # as often a plan is made anew where somebody saves another webhook key meanwhile


@dataclass(frozen=True, slots=True)
class Task:
    """What to validate, and how.

    `profile`: where its facts are saved, None without a store. `alone`: holds off other runs on
    the same domain. `provision`: what `apply` saves in the profile, once Cloudonix accepts it.
    """

    active: ActiveSettings
    webhook_url: Callable[[Settings], WebhookUrl]  # ConfigurationError where there is none
    profile: StoredProfile | None
    check: bool = False
    choices: Choices = field(default_factory=Choices)
    alone: Callable[[], AbstractContextManager[None]] = nullcontext
    provision: Provision | None = None
    instance: OpenInstance | None = None  # of a linked profile
    push: bool = False  # hand OPBX what differs
    rival_urls: tuple[str, ...] = ()  # webhook base URLs of other profiles for the same domain
    warnings: tuple[str, ...] = ()


class Validation:
    """`look()`, then `settle()`; or `run()`, which is both. `steps` and `warnings` grow.

    Whoever calls them holds `task.alone()` meanwhile.
    """

    def __init__(
        self, client: Client, task: Task, interruptions: Interruptions | None = None
    ) -> None:
        self.client = client
        self.steps: list[Step] = []
        self.warnings: list[str] = [*task.active.warnings, *task.warnings]
        self.was_interrupted = False
        self._task = task
        self._interruptions = interruptions or NoInterruptions()
        self._settings = task.active.settings
        self._domain_name: str | None = None  # as read now: what was stored may be old
        self._url: WebhookUrl | None = None
        self._desired: Desired | None = None
        self._snapshot: Snapshot | None = None
        self._plan: Plan | None = None

    @property
    def takeovers(self) -> tuple[Takeover, ...]:
        """Return what would be taken from somebody, where that is still to be decided."""
        is_open = self._task.choices.calls is CallsChoice.UNDECIDED and not self._task.check
        return self._plan.takeovers if self._plan is not None and is_open else ()

    @property
    def foreign_key(self) -> KeyPlan | None:
        """Return the key of somebody's that is in force, where that is still to be decided."""
        if self._plan is None or self._task.check or self._plan.key.action is not KeyAction.ASK:
            return None
        return self._plan.key

    def look(self) -> tuple[Step, ...]:
        """Read the domain and compare it; nothing is written there. May be called again."""
        self._plan = None
        try:
            self._refresh()
        except OpbxError as error:
            steps: tuple[Step, ...] = tuple(failed_steps(StepId.CONNECT, error))
        else:
            steps = self._looked()
        self.steps += steps
        return steps

    def settle(self, choices: Choices | None = None) -> Iterator[Step]:
        """Carry the plan out, or show it; nothing where there is none."""
        for step in self._settling(choices or self._task.choices):
            self.steps.append(step)
            yield step

    def run(self) -> Iterator[Step]:
        yield from self.look()
        yield from self.settle()

    def fail(self, error: OpbxError) -> None:
        """Take an error that is no step's own for that of the first step not come to."""
        reached = {step.id for step in self.steps} | {StepId.SETTINGS}
        first = next((step_id for step_id in StepId if step_id not in reached), StepId.SAVE)
        self.steps += failed_steps(first, error)

    def report(self) -> Report:
        steps = last_words(self.steps)
        if self.was_interrupted:
            optional = {StepId.SETTINGS, StepId.INSTANCE}
            missing = set(StepId) - {step.id for step in steps} - optional
            cut = [Step(one, Status.SKIPPED, "not tried: asked to end") for one in missing]
            steps = last_words([*steps, *cut])
        return Report(
            profile=self._task.active.profile,
            domain_uuid=self.client.domain_uuid,
            domain_name=self._domain_name,
            steps=steps,
            voice_url=None if self._url is None else self._url.endpoints.voice,
            profile_option=self._task.active.profile_option,
            command=self._task.active.command,
            webhook_key_place=self._task.active.webhook_key_place,
            warnings=tuple(dict.fromkeys(self.warnings)),
            was_interrupted=self.was_interrupted,
            has_key=self._settings.webhook_api_key is not None,
            is_linked=self._task.instance is not None,
        )

    def _refresh(self) -> None:
        """Take the settings as they are stored now: others may have saved since they were read."""
        if self._task.provision is not None:
            self._settings = self._task.provision.settings_now()
        elif self._task.profile is not None:
            self._settings = self._task.profile.now()

    def _looked(self) -> tuple[Step, ...]:
        inspection = inspect(self.client)
        provisioned = self._provisioned(is_accepted=inspection.snapshot is not None)
        steps = (*provisioned, *inspection.steps)
        if inspection.snapshot is None:
            return steps
        self._domain_name = inspection.snapshot.domain.name
        if any(step.status is Status.FAILED for step in provisioned):
            return (*steps, *skipped_after(StepId.DOMAIN))
        try:
            self._compare(inspection.snapshot)
        except (ConfigurationError, StoreError) as error:
            return (*steps, *failed_before_plan(error))
        return steps

    def _provisioned(self, *, is_accepted: bool) -> tuple[Step, ...]:
        """Save what `apply` was given, if Cloudonix accepts it; return that step."""
        provision = self._task.provision
        if provision is None:
            return ()
        if self._task.check:
            return (provision.preview(),)
        if not is_accepted:
            return (provision.not_saved(),)
        step = provision.save()
        self._settings = provision.settings_now()
        return (step,)

    def _compare(self, snapshot: Snapshot) -> None:
        url = self._url = self._task.webhook_url(self._settings)
        self._settle_cut_rotation(snapshot)
        self._snapshot = snapshot
        self._desired = Desired.of(
            self._task.active._replace(settings=self._settings),
            self.client.domain_uuid,
            url.endpoints,
            rival_urls=self._task.rival_urls,
        )
        planned = plan(self._desired, snapshot, self._task.choices)
        profile, is_written = self._task.profile, self._task.push or not planned.is_empty
        if profile is not None and is_written and not self._task.check:
            profile.require_can_save()
        self._plan = planned
        self.warnings += [*url.warnings, *planned.warnings]

    def _settle_cut_rotation(self, snapshot: Snapshot) -> None:
        """End a rotation that was cut off, with the key that it left in force."""
        before = self._settings
        after = after_cut_rotation(before, snapshot.domain, at_opbx=self._key_at_opbx())
        if after == before:
            return
        self._settings = after
        assert after.webhook_api_key is not None
        key = after.webhook_api_key.label
        if self._task.check or self._task.profile is None:
            self.warnings.append(
                f"a rotation of the webhook key was cut off; `opbx validate"
                f"{self._task.active.profile_option}` ends it with the key {key}"
            )
            return
        try:
            self._task.profile.save(
                lambda now: now.with_webhook_keys_of(after), expected_key=before.webhook_api_key
            )
        except KeyMovedError:  # somebody gave another key meanwhile, which ends the rotation too
            self._refresh()
            return
        said = f"the key in force is {key}, here too"
        if not shows_key(snapshot.domain.profile):
            said = f"Cloudonix does not show which key it has, and this run makes it {key}"
        self.warnings.append(f"a rotation of the webhook key was cut off: {said}")

    def _key_at_opbx(self) -> Secret | None:
        """Return the key that a linked OPBX has, where a rotation was cut off."""
        opened = self._task.instance
        if opened is None or not is_cut_rotation(self._settings):
            return None
        try:
            with opened() as side:
                return side.read().webhook_api_key
        except OpbxError:  # said by the step about OPBX
            return None

    def _settling(self, choices: Choices) -> Iterator[Step]:
        for _ in range(ATTEMPTS):
            if self._plan is None:
                return
            if choices != self._task.choices and self._desired is not None and self._snapshot:
                self._plan = plan(self._desired, self._snapshot, choices)
            try:
                yield from self._carrying_out(self._plan, choices)
            except KeyMovedError:
                self._plan = None
                yield from self.look_again()
            else:
                yield from self._settling_instance(choices)
                return
        error = ConfigurationError(
            "the profile's webhook key is changed by somebody else again and again",
            hint="run the same command again when nobody else changes it",
            code=ErrorCode.PROFILE_MOVING,
        )
        yield from failed_steps(StepId.DOMAIN_PROFILE, error)

    def _settling_instance(self, choices: Choices) -> Iterator[Step]:
        """Compare OPBX's own copy, once everything else is in line.

        A write makes OPBX write to Cloudonix too, and perhaps put an application of its own in
        charge: so both are looked at again, and that application is adopted.
        """
        task = self._task
        if task.instance is None or self._url is None:
            return
        before = last_words(self.steps)
        if any(step.wants is not None or step.status is Status.FAILED for step in before):
            self._warn_of_conflict(task.instance, self._url.base_url, choices)
            yield Step(StepId.INSTANCE, Status.SKIPPED, "not compared before the rest is in line")
            return
        try:
            with self._interruptions.held():
                step, warning = compared_step(
                    task.instance,
                    self._settings_for_opbx(choices),
                    base_url=self._url.base_url,
                    push=task.push,
                    check=task.check,
                    option=task.active.profile_option,
                )
        except KeyboardInterrupt:
            yield Step(StepId.INSTANCE, Status.FAILED, given_up().message, error=given_up())
            raise
        self.warnings += [] if warning is None else [warning]
        yield step
        if not step.wrote:
            return
        self._plan = None
        yield from self.look_again()
        if self._plan is not None:
            yield from self._carrying_out(self._plan, choices)

    def _warn_of_conflict(self, instance: OpenInstance, base_url: str, choices: Choices) -> None:
        """Say where OPBX itself is what the rest is not in line with: its base URL differs."""
        try:
            with instance() as side:
                planned = plan_push(
                    self._settings_for_opbx(choices), side.read(), base_url=base_url
                )
        except OpbxError:  # what is not in line has its own error
            return
        self.warnings += [] if planned.conflict is None else [planned.conflict]

    def _settings_for_opbx(self, choices: Choices) -> Settings:
        """Return the settings as this run leaves them: a key that was adopted is another one."""
        settings = self._settings
        if self._task.profile is not None and not self._task.check:
            settings = self._task.profile.now()
        elif choices.key is KeyChoice.KEEP:  # the domain's, which is saved nowhere
            settings = replace(settings, webhook_api_key=None)
        return replace(settings, domain_name=self._domain_name)

    def look_again(self) -> tuple[Step, ...]:
        """Read settings and domain anew, because the settings changed under the run."""
        try:
            self._refresh()
        except OpbxError as error:
            return tuple(failed_steps(StepId.SAVE, error))
        return self._looked()

    def _carrying_out(self, planned: Plan, choices: Choices) -> Iterator[Step]:
        if self._task.check:
            return preview(planned, choices)
        assert self._desired is not None
        assert self._snapshot is not None
        circumstances = Circumstances(
            choices,
            self._task.profile,
            self._interruptions,
        )
        return Convergence(
            self.client, self._desired, self._snapshot, planned, circumstances
        ).steps()


def failed_to_start(task: Task, error: OpbxError) -> Report:
    """Report a profile that no client can be made for."""
    settings = task.active.settings
    preface: tuple[Step, ...] = ()
    if task.provision is not None:
        preface = (task.provision.preview() if task.check else task.provision.not_saved(),)
    return Report(
        profile=task.active.profile,
        domain_uuid=settings.domain_uuid or "",
        domain_name=None,
        steps=(
            *preface,
            Step(StepId.CONNECT, Status.FAILED, error.message, error=error),
            *skipped_after(StepId.CONNECT),
        ),
        warnings=(*task.active.warnings, *task.warnings),
    )


def deed_of(
    command: str,
    active: ActiveSettings,
    steps: tuple[Step, ...] | list[Step],
    result: str,
    saved: tuple[Settings | None, Settings] | None = None,
) -> Deed | None:
    """Return what was changed, in Cloudonix and here; without a store nothing is kept anywhere.

    `saved` are the settings before and after, where they were changed too.
    """
    done = (Status.CREATED, Status.UPDATED, Status.ADOPTED, Status.FAILED)
    changes = tuple(
        change
        for step in steps
        for change in step.changes
        if step.id is not StepId.SETTINGS
        and step.status in done
        and (step.wrote or change.path == STORED_KEY_PATH)
    )
    if not active.is_stored or not (changes or saved):
        return None
    before, after = saved or (active.settings, active.settings)
    return Deed(command, active.profile, before, after, changes=changes, result=result)
