"""Converge: carry out a plan, one step at a time, reading back each write.

The order is the safety: calls are switched over last, when the application, the webhook
key and the endpoints are known to be in place. A step that fails leaves everything
behind it untouched, and running again goes on from wherever this run stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from opbx_cli.errors import ConfigurationError, NotFoundError, OpbxError, RemoteError
from opbx_cli.models import ApplicationReference, Secret
from opbx_cli.operations.applications import Applications
from opbx_cli.operations.inspection import foreign_words, with_drift
from opbx_cli.operations.plan import (
    PROFILE_PATH,
    Change,
    Desired,
    Plan,
    application_changes,
    known_applications,
    memory_of,
    plan,
    shows_key,
)
from opbx_cli.operations.steps import (
    Status,
    Step,
    StepId,
    confirmed,
    failed_steps,
    not_applied,
    skipped_after,
)
from opbx_cli.remote import Domain, Snapshot, VoiceApplication

if TYPE_CHECKING:
    from opbx_cli.cloudonix import Client


@dataclass(frozen=True, slots=True)
class Facts:
    """What the settings should remember of Cloudonix after a good run."""

    domain_name: str | None
    cloudonix_package: str | None
    voice_application: ApplicationReference | None
    webhook_api_key_sent: Secret | None


class Convergence:
    """One run: iterate over `steps()` to carry out the plan."""

    def __init__(
        self,
        client: Client,
        desired: Desired,
        snapshot: Snapshot,
        *,
        replace_default: bool,
        record: Callable[[Facts], bool] | None,
    ) -> None:
        """`record` saves facts and tells whether that changed anything; None: no store."""
        self._client = client
        self._desired = desired
        self._snapshot = snapshot
        self._domain = snapshot.domain
        self._plan = plan(desired, snapshot)
        self._application = self._plan.application
        self._replace_default = replace_default
        self._record = record
        self._wrote = False
        self._kept_default = False
        self._in_line: set[StepId] = set()

    def steps(self) -> Iterator[Step]:
        """Yield each step as it ends; a step that proves wrong later is yielded again."""
        for step_id, act in (
            (StepId.VOICE_APPLICATION, self._bring_application),
            (StepId.DOMAIN_PROFILE, self._bring_profile),
            (StepId.DEFAULT_APPLICATION, self._bring_default),
        ):
            wrote_before = self._wrote
            try:
                step = act()
            except OpbxError as error:
                failed, *skipped = failed_steps(step_id, error)
                yield replace(failed, wrote=self._wrote and not wrote_before)
                yield from skipped[:-1]
                yield from self._save_after_failure(skipped[-1:])
                return
            self._in_line.add(step_id)
            yield step
        yield from self._finish() if self._wrote else (self._save(),)

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
        return same and (self._kept_default or not after.default_changes)

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
        if not self._kept_default:
            yield replace(self._bring_default(), wrote=True)

    def _save_after_failure(self, skipped: list[Step]) -> Iterator[Step]:
        """Remember the application all the same, if this run wrote and it is in line."""
        if self._wrote and StepId.VOICE_APPLICATION in self._in_line:
            yield self._save()
        else:
            yield from skipped

    def _bring_application(self) -> Step:
        planned = self._plan
        applications = Applications(self._client, planned.spec)
        drift = planned.application_drift
        if self._application is None:
            known = self._desired.application
            self._application, status = applications.provide(known)
            if status is Status.CREATED:
                self._wrote = True
            if known is not None and self._application.id == known.id:
                drift = None  # it was only listed late
        else:
            is_new_here = self._record is not None and not planned.is_stored
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
            with_drift(f"{self._application.name} (id {self._application.id})", drift),
            () if is_as_found else planned.application_changes or changes,
            wrote=bool(changes) or status is Status.CREATED,
        )

    def _bring_profile(self) -> Step:
        planned = self._plan
        if not planned.profile_changes:
            return Step(StepId.DOMAIN_PROFILE, Status.UNCHANGED, "as the settings want it")
        if planned.profile_problem is not None:
            raise ConfigurationError(
                f"the domain's profile cannot be changed: {planned.profile_problem}",
                hint="set OPBX_WEBHOOK_API_KEY to the key that OPBX checks callbacks with",
                code="configuration.webhook_key",
            )
        self._domain = self._confirmed(
            lambda: self._client.update_profile(planned.profile, planned.profile_writes),
            self._profile_differs,
        )
        differing = self._profile_differs(self._domain)
        if differing:
            names = ", ".join(change.path.removeprefix(PROFILE_PATH) for change in differing)
            raise not_applied(f"the domain's profile still differs in {names}")
        self._wrote = True
        is_hidden = self._desired.webhook_key is not None and not shows_key(self._domain.profile)
        hidden = "; the webhook key was sent, but Cloudonix does not show it" if is_hidden else ""
        count = len(planned.profile_changes)
        return Step(
            StepId.DOMAIN_PROFILE,
            Status.UPDATED,
            with_drift(
                f"{count} setting{'s' if count > 1 else ''} written and read back{hidden}",
                planned.profile_drift,
            ),
            planned.profile_changes,
            wrote=True,
        )

    def _profile_differs(self, domain: Domain) -> tuple[Change, ...]:
        """Compare the profile; a key that was just sent and is not shown counts as taken."""
        return plan(self._as_sent(), replace(self._snapshot, domain=domain)).profile_changes

    def _as_sent(self) -> Desired:
        key = self._desired.webhook_key
        sent = Secret(key.fingerprint) if key is not None else None
        return replace(self._desired, webhook_key_sent=sent)

    def _confirmed(
        self, write: Callable[[], Domain | None], differs: Callable[[Domain], object]
    ) -> Domain:
        """Write; return the domain as the answer shows it, or as a fresh look does."""
        shown = confirmed(
            write, self._client.get_domain, lambda domain: domain is None or bool(differs(domain))
        )
        assert shown is not None
        return shown

    def _bring_default(self) -> Step:
        application = self._application
        assert application is not None
        if self._domain.default_application == application.id:
            return Step(StepId.DEFAULT_APPLICATION, Status.UNCHANGED, "calls go to OPBX")
        if self._plan.foreign_default is not None and not self._replace_default:
            self._kept_default = True
            return Step(
                StepId.DEFAULT_APPLICATION,
                Status.SKIPPED,
                foreign_words(self._plan),
                self._plan.default_changes,
                wants_yes=True,
            )
        for method in ("PUT", "PATCH"):
            if self._default_taken_by(method, application):
                self._wrote = True
                return Step(
                    StepId.DEFAULT_APPLICATION,
                    Status.UPDATED,
                    f"calls go to {self._plan.spec.url}",
                    self._plan.default_changes,
                    wrote=True,
                )
        raise not_applied("the default application is still another one")

    def _default_taken_by(self, method: str, application: VoiceApplication) -> bool:
        """Set the default application one way; the sources disagree which one is right."""

        def differs(domain: Domain) -> bool:
            return domain.default_application != application.id

        try:
            self._domain = self._confirmed(
                lambda: self._client.set_default_application(application.id, method=method),
                differs,
            )
        except (RemoteError, NotFoundError):
            if method == "PATCH":
                raise
            return False
        return not differs(self._domain)

    def _look_once_more(self) -> Plan:
        """Return what a fresh look would have us do."""
        assert self._application is not None
        application = self._application
        fresh = self._client.snapshot()
        if all(entry.id != application.id for entry in known_applications(fresh)):
            # Not listed yet; the answer that showed it still counts.
            fresh = Snapshot(fresh.domain, (*fresh.applications, application))
        self._domain = fresh.domain
        return plan(replace(self._as_sent(), application=application.reference), fresh)

    def _contradictions(self, after: Plan) -> list[Step]:
        problem = not_applied("it was written and confirmed, but a fresh look differs")
        return [
            Step(step_id, Status.FAILED, problem.message, changes, problem, wrote=True)
            for step_id, changes in (
                (StepId.VOICE_APPLICATION, after.application_changes),
                (StepId.DOMAIN_PROFILE, after.profile_changes),
                (StepId.DEFAULT_APPLICATION, () if self._kept_default else after.default_changes),
            )
            if changes
        ]

    def _save(self) -> Step:
        if self._record is None:
            return Step(StepId.SAVE, Status.SKIPPED, "without a store there is nothing to save")
        facts = Facts(
            domain_name=self._domain.name,
            cloudonix_package=self._domain.package,
            voice_application=self._application.reference if self._application else None,
            webhook_api_key_sent=self._memory_of_key(),
        )
        try:
            changed = self._record(facts)
        except OpbxError as error:
            return next(iter(failed_steps(StepId.SAVE, error)))
        if changed:
            return Step(StepId.SAVE, Status.UPDATED, "saved what Cloudonix told about the domain")
        return Step(StepId.SAVE, Status.UNCHANGED, "nothing new to save")

    def _memory_of_key(self) -> Secret | None:
        """A key that did not arrive must not be remembered as the one in force."""
        key = self._desired.webhook_key
        if StepId.DOMAIN_PROFILE not in self._in_line or key is None:
            return self._desired.webhook_key_sent
        return memory_of(key, is_shown=shows_key(self._domain.profile))
