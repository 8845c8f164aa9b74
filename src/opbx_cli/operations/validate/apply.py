"""Converge: carry out a plan, one step at a time, reading back each write.

The order is the safety: calls are switched over last, when the application, the webhook
key and the endpoints are known to be in place. A step that fails leaves everything
behind it untouched, and running again goes on from wherever this run stopped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from opbx_cli.errors import OpbxError
from opbx_cli.models import AUTHORIZATION_API_KEY
from opbx_cli.operations.interruptions import Interruptions, given_up
from opbx_cli.operations.stored_profile import Facts, StoredProfile
from opbx_cli.operations.validate import wording
from opbx_cli.operations.validate.applications import Applications
from opbx_cli.operations.validate.calls_record import remembering_calls
from opbx_cli.operations.validate.confirmation import confirmed_domain, put_in_charge
from opbx_cli.operations.validate.desired import (
    KEY_PATH,
    PROFILE_PATH,
    Change,
    Choices,
    Desired,
)
from opbx_cli.operations.validate.key_ownership import (
    KeyAction,
    KeyChoice,
    KeyOwner,
    shows_key,
)
from opbx_cli.operations.validate.key_record import KeyRecord
from opbx_cli.operations.validate.plan import Plan, application_changes, known_applications, plan
from opbx_cli.operations.validate.steps import (
    Status,
    Step,
    StepId,
    failed_steps,
    is_in_doubt,
    not_applied,
    skipped_after,
)
from opbx_cli.operations.validate.takeover import CallsChoice, Taken
from opbx_cli.remote import Domain, Snapshot

if TYPE_CHECKING:
    from opbx_cli.cloudonix import Client


BROUGHT = (StepId.VOICE_APPLICATION, StepId.DOMAIN_PROFILE, StepId.DEFAULT_APPLICATION)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a run works with besides the plan.

    `profile`: where facts are saved, None without a store.
    """

    choices: Choices
    profile: StoredProfile | None
    interruptions: Interruptions


class Convergence:
    """One run: iterate over `steps()` to carry out the plan.

    Raises `KeyMovedError` where the profile's webhook key changes under the run.
    """

    def __init__(
        self,
        client: Client,
        desired: Desired,
        snapshot: Snapshot,
        planned: Plan,
        circumstances: Circumstances,
    ) -> None:
        self._client = client
        self._snapshot = snapshot
        self._domain = snapshot.domain
        self._plan = planned
        self._application = planned.application
        self._choices = circumstances.choices
        self._profile = circumstances.profile
        self._interruptions = circumstances.interruptions
        self._wording = wording.Wording.of(desired)
        self._key = KeyRecord(desired, planned.key, circumstances.profile)
        self._wrote = False
        self._left_open: set[StepId] = set()  # not done, for want of a yes
        self._in_line: set[StepId] = set()

    @property
    def _may_take(self) -> bool:
        return self._choices.calls is CallsChoice.SWITCH

    def steps(self) -> Iterator[Step]:
        """Yield each step as it ends; a step that proves wrong later is yielded again."""
        if CallsChoice.NOTHING is self._choices.calls or KeyChoice.NOTHING is self._choices.key:
            yield from self._nothing()
            return
        for step_id, act in (
            (StepId.VOICE_APPLICATION, self._bring_application),
            (StepId.DOMAIN_PROFILE, self._bring_profile),
            (StepId.DEFAULT_APPLICATION, self._bring_default),
        ):
            wrote_before = self._wrote
            try:
                with self._interruptions.held():
                    step = act()
            except OpbxError as error:
                failed, *skipped = failed_steps(step_id, error)
                yield replace(failed, wrote=self._wrote and not wrote_before)
                yield from skipped[:-1]
                yield from self._save_after_failure(skipped[-1:])
                return
            except KeyboardInterrupt:
                yield from failed_steps(step_id, given_up())
                raise
            if step.wants is not None or step.status is Status.SKIPPED:
                self._left_open.add(step_id)
            else:
                self._in_line.add(step_id)
            yield step
            self._interruptions.check()
        yield from self._finish() if self._wrote else (self._save(),)

    def _nothing(self) -> Iterator[Step]:
        """Say that nothing was written, because that was the answer."""
        first, why = StepId.VOICE_APPLICATION, self._wording.taken(self._plan.takeovers)
        wants = self._wording.hint_to_switch
        if self._choices.key is KeyChoice.NOTHING:
            first, why = StepId.DOMAIN_PROFILE, self._wording.foreign_key(self._plan.key)
            wants = self._wording.hint_about_key(self._plan.key)
        for step_id in (*BROUGHT, StepId.SAVE):
            is_first = step_id is first
            detail = f"nothing was written: {why}" if is_first else "nothing was written"
            yield Step(step_id, Status.SKIPPED, detail, wants=wants if is_first else None)

    def _finish(self) -> Iterator[Step]:
        """Read everything again: what was confirmed must also have been kept. Then save."""
        try:
            after = self._look_once_more()
            if after.doubles and not self._agrees_with(after):
                yield from self._settle(after)
                after = self._look_once_more()
            contradictions = self._contradictions(after)
        except OpbxError as error:
            detail = f"written and confirmed, but the last look failed: {error.message}"
            contradictions = [
                Step(StepId.DEFAULT_APPLICATION, Status.FAILED, detail, error=error, wrote=True)
            ]
        self._in_line -= {step.id for step in contradictions}
        yield from contradictions
        if contradictions:
            yield from self._save_after_failure(skipped_after(StepId.DEFAULT_APPLICATION))
        else:
            yield self._save()

    def _agrees_with(self, after: Plan) -> bool:
        assert after.application is not None
        assert self._application is not None
        same = after.application.id == self._application.id
        return same and (self._keeps_default or not after.default_changes)

    @property
    def _keeps_default(self) -> bool:
        return StepId.DEFAULT_APPLICATION in self._left_open

    def _settle(self, after: Plan) -> Iterator[Step]:
        """Agree with a run at the same time, which made the same application once more.

        Nothing is deleted: the other run may be about to use it. Both go for the oldest.
        """
        own = self._application
        self._plan, self._application = after, after.application
        assert own is not None
        assert after.application is not None
        if after.application.id != own.id:
            step = self._bring_application()
            another = f"another run made it at the same time; id {own.id} is left over, and unused"
            yield replace(
                step, status=Status.ADOPTED, detail=f"{step.detail}; {another}", wrote=True
            )
        if not self._keeps_default:
            yield replace(self._bring_default(), wrote=True)

    def _save_after_failure(self, skipped: list[Step]) -> Iterator[Step]:
        """Remember the application all the same, if this run wrote and it is in line."""
        if self._wrote and StepId.VOICE_APPLICATION in self._in_line:
            yield self._save()
        else:
            yield from skipped

    def _bring_application(self) -> Step:
        planned = self._plan
        if Taken.APPLICATION_URL in planned.taken and not self._may_take:
            return Step(
                StepId.VOICE_APPLICATION,
                Status.SKIPPED,
                wording.with_drift(
                    self._wording.taken(planned.takeovers, Taken.APPLICATION_URL),
                    planned.application_drift,
                ),
                planned.application_changes,
                wants=self._wording.hint_to_switch,
            )
        applications = Applications(self._client, planned.spec)
        drift = planned.application_drift
        if self._application is None:
            known = self._key.desired.application
            self._application, status = applications.provide(known)
            if status is Status.CREATED:
                self._wrote = True
            if known is not None and self._application.id == known.id:
                drift = None  # it was only listed late
        else:
            is_new_here = self._profile is not None and not planned.is_stored
            status = Status.ADOPTED if is_new_here else Status.UPDATED
        changes = application_changes(self._application, planned.spec)
        if changes:
            self._application = applications.update(self._application)
            self._wrote = True
        elif status is Status.UPDATED:
            status = Status.UNCHANGED
        is_as_found = status is Status.UNCHANGED and planned.application is None
        return Step(
            StepId.VOICE_APPLICATION,
            status,
            wording.with_drift(f"{self._application.name} (id {self._application.id})", drift),
            () if is_as_found else planned.application_changes or changes,
            wrote=bool(changes) or status is Status.CREATED,
        )

    def _bring_profile(self) -> Step:
        planned, key = self._plan, self._plan.key
        if key.action is KeyAction.ASK:
            return Step(
                StepId.DOMAIN_PROFILE,
                Status.SKIPPED,
                wording.with_drift(self._wording.foreign_key(key), key.drift),
                planned.kept_changes,
                wants=self._wording.hint_about_key(key),
            )
        adopted = self._key.adopt() if key.action is KeyAction.ADOPT else ()
        if planned.profile_changes and planned.profile_problem is not None:
            return Step(
                StepId.DOMAIN_PROFILE,
                Status.SKIPPED,
                planned.profile_problem,
                planned.profile_changes,
                wants=self._wording.hint_to_bring_key(self._key.desired.given_key),
            )
        if planned.profile_changes:
            self._write_profile()
        return self._profile_step(adopted)

    def _profile_step(self, adopted: tuple[Change, ...]) -> Step:
        planned = self._plan
        details, status, wants = [], Status.UNCHANGED, None
        if adopted:
            details.append(self._wording.adopted_key(planned.key))
            status = Status.ADOPTED
        if planned.profile_changes:
            count = len(planned.profile_changes)
            details.append(f"{count} setting{'s' if count > 1 else ''} written and read back")
            status = Status.UPDATED
            if planned.key.wanted is not None and not shows_key(self._domain.profile):
                details.append("the webhook key was sent, but Cloudonix does not show it")
        if planned.kept_changes:
            details.append(self._wording.taken(planned.takeovers, *wording.ENDPOINTS))
            status = status if planned.profile_changes or adopted else Status.SKIPPED
            wants = self._wording.hint_to_switch
        return Step(
            StepId.DOMAIN_PROFILE,
            status,
            wording.with_drift("; ".join(details) or "as the settings want it", planned.key.drift),
            (*adopted, *planned.profile_changes) or planned.kept_changes,
            wrote=bool(planned.profile_changes),
            wants=wants,
        )

    def _write_profile(self) -> None:
        """Write our keys of the profile, with the webhook key of this moment.

        Raises `RemoteError` where Cloudonix did not do what it accepted.
        """
        self._key.note_sending()
        try:
            self._domain = confirmed_domain(self._client, self._send_profile, self._profile_differs)
            differing = self._profile_differs(self._domain)
            if differing:
                names = ", ".join(change.path.removeprefix(PROFILE_PATH) for change in differing)
                raise not_applied(f"the domain's profile still differs in {names}")
        except OpbxError as error:
            if not is_in_doubt(error):
                self._key.note_not_sent()
            raise
        self._wrote = True

    def _send_profile(self) -> Domain | None:
        """Send the profile that was read, with our keys in it.

        A key that is left alone is sent as Cloudonix shows it now, not as it did before.
        """
        raw = self._plan.profile
        if AUTHORIZATION_API_KEY not in self._plan.profile_writes and AUTHORIZATION_API_KEY in raw:
            raw = self._client.get_domain().profile.raw
        return self._client.update_profile(raw, self._plan.profile_writes)

    def _profile_differs(self, domain: Domain) -> tuple[Change, ...]:
        """Compare the profile; a key that was just sent and is not shown counts as taken."""
        after = plan(self._key.as_sent(), replace(self._snapshot, domain=domain), self._choices)
        written = {change.path for change in self._plan.profile_changes}
        differing = (*after.profile_changes, *after.kept_changes)
        if after.key.owner in (KeyOwner.FOREIGN, KeyOwner.OURS) and KEY_PATH in written:
            differing = (*differing, Change(KEY_PATH, after.key.shown, self._plan.key.wanted))
        return tuple({one.path: one for one in differing if one.path in written}.values())

    def _bring_default(self) -> Step:
        application = self._application
        if application is None:
            return Step(
                StepId.DEFAULT_APPLICATION, Status.SKIPPED, "there is no application to switch to"
            )
        if self._domain.default_application == application.id:
            return Step(StepId.DEFAULT_APPLICATION, Status.UNCHANGED, "calls go to OPBX")
        if Taken.DEFAULT_APPLICATION in self._plan.taken and not self._may_take:
            return Step(
                StepId.DEFAULT_APPLICATION,
                Status.SKIPPED,
                self._wording.taken(self._plan.takeovers, Taken.DEFAULT_APPLICATION),
                self._plan.default_changes,
                wants=self._wording.hint_to_switch,
            )
        if self._left_open:
            first = min(self._left_open, key=list(StepId).index)
            return Step(
                StepId.DEFAULT_APPLICATION,
                Status.SKIPPED,
                f"calls are switched last, and {first} is not in place",
                self._plan.default_changes,
            )
        with remembering_calls(self._profile, self._plan.calls_before):
            self._domain = put_in_charge(self._client, application.id)
        self._wrote = True
        return Step(
            StepId.DEFAULT_APPLICATION,
            Status.UPDATED,
            f"calls go to {self._plan.spec.url}",
            self._plan.default_changes,
            wrote=True,
        )

    def _look_once_more(self) -> Plan:
        """Return what a fresh look would have us do."""
        assert self._application is not None
        application = self._application
        fresh = self._client.snapshot()
        if all(entry.id != application.id for entry in known_applications(fresh)):
            # Not listed yet; the answer that showed it still counts.
            fresh = Snapshot(fresh.domain, (*fresh.applications, application))
        self._domain = fresh.domain
        desired = replace(self._key.as_sent(), application=application.reference)
        return plan(desired, fresh, self._choices)

    def _contradictions(self, after: Plan) -> list[Step]:
        problem = not_applied("it was written and confirmed, but a fresh look differs")
        found = [
            Step(step_id, Status.FAILED, problem.message, changes, problem, wrote=True)
            for step_id, changes in (
                (StepId.VOICE_APPLICATION, after.application_changes),
                (StepId.DOMAIN_PROFILE, after.profile_changes),
                (StepId.DEFAULT_APPLICATION, () if self._keeps_default else after.default_changes),
            )
            if changes and step_id not in self._left_open
        ]
        is_settled = self._plan.key.action not in (KeyAction.LEAVE, KeyAction.ASK)
        if is_settled and after.key.owner is KeyOwner.FOREIGN:
            key = Change(KEY_PATH, after.key.shown, self._key.desired.webhook_key)
            lost = self._wording.key_lost(after.key)
            self._key.note_replaced()
            found.append(
                Step(StepId.DOMAIN_PROFILE, Status.FAILED, lost.message, (key,), lost, wrote=True)
            )
        return found

    def _save(self) -> Step:
        if self._profile is None:
            return Step(StepId.SAVE, Status.SKIPPED, "without a store there is nothing to save")
        facts = Facts(
            domain_name=self._domain.name,
            cloudonix_package=self._domain.package,
            voice_application=self._application.reference
            if self._application and StepId.VOICE_APPLICATION not in self._left_open
            else self._key.desired.application,
            webhook_key_memory=self._key.memory_after(
                self._domain.profile,
                is_in_place=StepId.DOMAIN_PROFILE in self._in_line | self._left_open,
            ),
            webhook_base_url_sent=self._base_url_in_force(),
        )
        try:
            with self._interruptions.held():
                changed = self._profile.remember(facts, expected_key=self._key.desired.webhook_key)
        except OpbxError as error:
            return next(iter(failed_steps(StepId.SAVE, error)))
        if changed:
            return Step(StepId.SAVE, Status.UPDATED, "saved what Cloudonix told about the domain")
        return Step(StepId.SAVE, Status.UNCHANGED, "nothing new to save")

    def _base_url_in_force(self) -> str | None:
        """Return where calls and callbacks go for our doing; in part, it is the one from before."""
        if {StepId.VOICE_APPLICATION, StepId.DOMAIN_PROFILE} <= self._in_line:
            return self._key.desired.endpoints.base_url
        return self._key.desired.sent_base_url
