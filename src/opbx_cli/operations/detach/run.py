"""The way back of one profile: look, plan, undo; whoever asked hears each step.

Calls leave OPBX first, then its URLs and its key go, then its application: so no call of the
domain reaches an OPBX that would refuse it. Running again goes on from wherever a run stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError, OpbxError, RemoteError
from opbx_cli.models import AUTHORIZATION_API_KEY
from opbx_cli.operations.detach.parts import Own, Part, Wanted
from opbx_cli.operations.detach.plan import Plan, plan
from opbx_cli.operations.interruptions import Interruptions, given_up
from opbx_cli.operations.validate.confirmation import confirmed_domain, put_in_charge
from opbx_cli.operations.validate.desired import KEY_PATH
from opbx_cli.operations.validate.inspection import inspect
from opbx_cli.operations.validate.key_ownership import after_cut_rotation
from opbx_cli.operations.validate.steps import (
    Report,
    Status,
    Step,
    StepId,
    confirmed,
    failed_steps,
    last_words,
    not_applied,
    skipped_after,
)
from opbx_cli.remote import ApplicationSpec, Domain, Snapshot, VoiceApplication
from opbx_cli.webhooks.endpoints import endpoints

if TYPE_CHECKING:
    from opbx_cli.cloudonix import Client
    from opbx_cli.models import CallsBefore
    from opbx_cli.operations.stored_profile import StoredProfile
    from opbx_cli.operations.webhook import WebhookUrl
    from opbx_cli.settings import ActiveSettings
    from opbx_cli.settings.table import Settings

PARTS = (StepId.DEFAULT_APPLICATION, StepId.DOMAIN_PROFILE, StepId.VOICE_APPLICATION)
ORDER = (StepId.CONNECT, StepId.DOMAIN, *PARTS, StepId.SAVE)


@dataclass(frozen=True, slots=True)
class Detached(Report):
    """The whole of one `detach`, with each step's last word."""

    calls_go_to: str | None = None  # as the step about them says
    has_left: bool = False  # something that others changed
    partial: ClassVar[ErrorCode] = ErrorCode.DETACH_PARTIAL
    wants_answer: ClassVar[ErrorCode] = ErrorCode.DETACH_WANTS_CHOICE


@dataclass(frozen=True, slots=True)
class DetachTask:
    """What to detach, and how. `webhook_url` raises `ConfigurationError` where there is none.

    `remembered` is what other profiles of the same domain remember of who had the calls.
    """

    active: ActiveSettings
    profile: StoredProfile
    webhook_url: Callable[[Settings], WebhookUrl]
    wanted: Wanted
    check: bool = False
    remembered: CallsBefore | None = None


class Detachment:
    """`look()`, then `settle()`. `steps` and `warnings` grow.

    Whoever calls them holds off other runs on the domain.
    """

    def __init__(self, client: Client, task: DetachTask, interruptions: Interruptions) -> None:
        self.client = client
        self.steps: list[Step] = []
        self.warnings: list[str] = [*task.active.warnings]
        self.was_interrupted = False
        self.plan: Plan | None = None
        self._task = task
        self._wanted = task.wanted
        self._interruptions = interruptions
        self._settings = task.active.settings
        self._own: Own
        self._snapshot: Snapshot
        self._domain_name: str | None = None
        self._wrote = False

    def look(self) -> tuple[Step, ...]:
        """Read the domain and compare it; nothing is written. May be called again.

        Raises `StoreError` where there is something to do that could not be saved.
        """
        self.plan = None
        self._settings = self._task.profile.now()
        inspection = inspect(self.client, wants_active=False, order=ORDER)
        self.steps += inspection.steps
        if inspection.snapshot is None:
            return inspection.steps
        self._snapshot = inspection.snapshot
        self._domain_name = inspection.snapshot.domain.name
        self._own = self._remembered()
        planned = plan(self._own, inspection.snapshot, self._wanted)
        if planned.changes and not self._task.check:
            self._task.profile.require_can_save()
        self.plan = planned
        self.warnings += [*planned.left, *planned.warnings, *self._warning_of_link()]
        return inspection.steps

    def choose_none(self) -> None:
        """Let no application have the calls, as it is not known which one had them."""
        self._wanted = replace(self._wanted, to_none=True)

    def settle(self) -> Iterator[Step]:
        """Carry the plan out, or show it; nothing where there is none."""
        if self.plan is None:
            return
        for step in self._previewed() if self._task.check else self._carried_out(self.plan):
            self.steps.append(step)
            yield step

    def fail(self, error: OpbxError) -> None:
        """Take an error that is no step's own for that of the first step not come to."""
        reached = {step.id for step in self.steps}
        first = next((step_id for step_id in ORDER if step_id not in reached), StepId.SAVE)
        self.steps += failed_steps(first, error, ORDER)

    def report(self) -> Detached:
        steps = last_words(self.steps, ORDER)
        if self.was_interrupted:
            missing = set(ORDER) - {step.id for step in steps}
            cut = [Step(one, Status.SKIPPED, "not tried: asked to end") for one in missing]
            steps = last_words([*steps, *cut], ORDER)
        active, planned = self._task.active, self.plan
        return Detached(
            profile=active.profile,
            domain_uuid=self.client.domain_uuid,
            domain_name=self._domain_name,
            steps=steps,
            profile_option=active.profile_option,
            warnings=tuple(dict.fromkeys(self.warnings)),
            was_interrupted=self.was_interrupted,
            calls_go_to=None if planned is None else planned.calls.done or planned.calls.words,
            has_left=planned is not None and bool(planned.left),
        )

    def _remembered(self) -> Own:
        """Return what the store knows of its doings. Raises `ConfigurationError` for no URL."""
        found, sent = [], self._settings.webhook_base_url_sent
        if sent is not None:
            found.append(endpoints(sent))
        try:
            found.append(self._task.webhook_url(self._settings).endpoints)
        except ConfigurationError:
            if not found:
                raise
        before = self._settings.calls_before or self._task.remembered
        return Own(self._settings, tuple(found), before)

    def _warning_of_link(self) -> tuple[str, ...]:
        url = self._settings.instance_url
        if url is None:
            return ()
        return (
            f"OPBX ({url}) still has this domain configured: when its settings are saved there, "
            "it takes the calls again",
        )

    def _previewed(self) -> Iterator[Step]:
        assert self.plan is not None
        for step_id, part in zip(PARTS, self.plan.parts, strict=True):
            if part.changes or part.wants is not None:
                yield Step(step_id, Status.DIFFERS, _with_left(part.planned, part), part.changes)
            else:
                yield _idle(step_id, part)
        yield Step(StepId.SAVE, Status.SKIPPED, "nothing is written by --check")

    def _carried_out(self, planned: Plan) -> Iterator[Step]:
        acts = (self._give_calls_back, self._clear_profile, self._retire_application)
        is_open = False
        for step_id, part, act in zip(PARTS, planned.parts, acts, strict=True):
            if part.wants is not None:
                is_open = True
                yield Step(step_id, Status.SKIPPED, part.words, part.changes, wants=part.wants)
                if step_id is StepId.DEFAULT_APPLICATION:
                    yield from self._not_tried()
                    return
                continue
            if not part.changes:
                yield _idle(step_id, part)
                continue
            try:
                with self._interruptions.held():
                    act(planned)
            except OpbxError as error:
                yield from failed_steps(step_id, error, ORDER)
                return
            except KeyboardInterrupt:
                yield from failed_steps(step_id, given_up(), ORDER)
                raise
            self._wrote = True
            detail = _with_left(part.done, part)
            yield Step(step_id, Status.UPDATED, detail, part.changes, wrote=True)
            self._interruptions.check()
        yield from self._finished(planned, is_open=is_open)

    def _not_tried(self) -> Iterator[Step]:
        for step_id in (*PARTS[1:], StepId.SAVE):
            yield Step(step_id, Status.SKIPPED, "not tried: calls still go to OPBX")

    def _finished(self, planned: Plan, *, is_open: bool) -> Iterator[Step]:
        """Read everything again: what was confirmed must also have been kept. Then save."""
        contradictions: list[Step] = []
        try:
            contradictions = self._contradictions(planned) if self._wrote else []
        except OpbxError as error:
            detail = f"done and confirmed, but the last look failed: {error.message}"
            contradictions = [
                Step(StepId.VOICE_APPLICATION, Status.FAILED, detail, error=error, wrote=True)
            ]
        if contradictions:
            yield from contradictions
            yield from skipped_after(StepId.VOICE_APPLICATION, ORDER)
        elif is_open or (planned.has_calls and not planned.calls.changes):
            yield Step(StepId.SAVE, Status.SKIPPED, "nothing is forgotten before all is done")
        else:
            yield self._forget(planned)

    def _contradictions(self, planned: Plan) -> list[Step]:
        problem = not_applied("it was done and confirmed, but a fresh look differs")
        own = self._own.without_key() if KEY_PATH in _paths(planned.profile) else self._own
        snapshot, wanted = self.client.snapshot(), replace(self._wanted, to=None)
        after = plan(own, snapshot, wanted)
        retired = planned.application
        if retired is not None and _is_another(after.application, retired):
            self.warnings += _warnings_of_another(after, self._wanted)
            first = plan(own, snapshot, wanted, application_id=retired.id)
            after = replace(after, own_application=first.own_application)
        return [
            Step(step_id, Status.FAILED, problem.message, fresh.changes, problem, wrote=True)
            for step_id, part, fresh in zip(PARTS, planned.parts, after.parts, strict=True)
            if part.changes and fresh.changes
        ]

    def _forget(self, planned: Plan) -> Step:
        """Save that nothing of OPBX's is there any more; the profile itself stays, keys and all."""
        is_key_removed = KEY_PATH in _paths(planned.profile)
        is_deleted = "voice_application" in _paths(planned.own_application)
        before = self._settings.webhook_key_memory

        def forgotten(now: Settings) -> Settings:
            if is_key_removed and now.webhook_key_memory == before:
                now = replace(
                    after_cut_rotation(now, self._snapshot.domain), webhook_key_memory=None
                )
            return replace(
                now,
                calls_before=None,
                webhook_base_url_sent=None,
                voice_application=None if is_deleted else now.voice_application,
            )

        try:
            with self._interruptions.held():
                changed = self._task.profile.edit(forgotten)
        except OpbxError as error:
            return Step(StepId.SAVE, Status.FAILED, error.message, error=error)
        if changed:
            return Step(StepId.SAVE, Status.UPDATED, "saved that the domain is detached")
        return Step(StepId.SAVE, Status.UNCHANGED, "nothing new to save")

    def _give_calls_back(self, planned: Plan) -> None:
        put_in_charge(self.client, planned.calls.target)

    def _clear_profile(self, planned: Plan) -> None:
        """Remove our keys from the domain's profile as it is now.

        How that is done is not documented: null is tried first, then to leave them out.
        """
        names = planned.removed

        def differs(domain: Domain) -> list[str]:
            return [name for name in names if domain.profile.raw.get(name)]

        for nulls in (dict.fromkeys(names), {}):
            raw = self.client.get_domain().profile.raw
            rest = {name: value for name, value in raw.items() if name not in names}
            kept = {} if planned.kept_key is None else {AUTHORIZATION_API_KEY: planned.kept_key}
            write = partial(self.client.update_profile, rest, {**nulls, **kept})
            try:
                domain = confirmed_domain(self.client, write, differs)
            except RemoteError:
                if not nulls:
                    raise
            else:
                if not differs(domain):
                    return
        raise not_applied(f"the domain's profile still has {', '.join(differs(domain))}")

    def _retire_application(self, planned: Plan) -> None:
        application = planned.application
        assert application is not None
        if "voice_application" in _paths(planned.own_application):
            self._delete(application)
            return
        spec = ApplicationSpec(
            application.name, application.url or self._own.endpoints[0].voice, active=False
        )
        spec = replace(
            spec,
            type=application.type or spec.type,
            method=application.method or spec.method,
        )
        shown = confirmed(
            lambda: self.client.update_application(application, spec),
            lambda: self._listed(application),
            lambda one: one is None or one.active is True,
        )
        if shown is None or shown.active is True:
            raise not_applied(f"the application {application.name} is still active")

    def _delete(self, application: VoiceApplication) -> None:
        def deleted() -> VoiceApplication | None:
            self.client.delete_application(application)
            return application  # until a look shows that it is gone

        if confirmed(deleted, lambda: self._listed(application), bool) is not None:
            raise not_applied(f"the application {application.name} is still there")

    def _listed(self, application: VoiceApplication) -> VoiceApplication | None:
        listed = self.client.list_applications()
        return next((one for one in listed if one.id == application.id), None)


def _is_another(now: VoiceApplication | None, before: VoiceApplication) -> bool:
    return now is not None and now.id != before.id


def _warnings_of_another(after: Plan, wanted: Wanted) -> tuple[str, ...]:
    """Name OPBX's second application, which a run after this one retires."""
    if after.application is None or not after.own_application.changes:
        return ()
    option = " --delete-application" if wanted.delete_application else ""
    what = "delete" if wanted.delete_application else "set inactive"
    return (
        f"OPBX has another application there: {after.application.name} (id {after.application.id});"
        f" `opbx detach{option}{wanted.profile_option}` would {what} it",
    )


def _idle(step_id: StepId, part: Part) -> Step:
    """Return a step that has nothing to do, or leaves what others changed."""
    return Step(step_id, Status.SKIPPED if part.left else Status.UNCHANGED, part.words)


def _with_left(detail: str, part: Part) -> str:
    return "; ".join((detail, *part.left))


def _paths(part: Part) -> set[str]:
    return {change.path for change in part.changes}
