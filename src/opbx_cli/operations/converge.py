"""Converge: carry out a plan, one step at a time, reading back each write.

The order is the safety: calls are switched over last, when the application, the webhook
key and the endpoints are known to be in place. A step that fails leaves everything
behind it untouched, and running again goes on from wherever this run stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from opbx_cli.errors import (
    ConfigurationError,
    CredentialsError,
    NotFoundError,
    OpbxError,
    RemoteError,
    UnreachableError,
)
from opbx_cli.models import ApplicationReference, Secret
from opbx_cli.operations.plan import (
    PROFILE_PATH,
    Change,
    Desired,
    Plan,
    application_changes,
    known_applications,
    plan,
    shows_key,
)
from opbx_cli.operations.steps import Status, Step, StepId, skipped_after
from opbx_cli.remote import Domain, Snapshot, VoiceApplication

if TYPE_CHECKING:
    from opbx_cli.cloudonix import Client

# Seconds before each further look for an application that was created but is not listed
# yet: two and a half in all, which is longer than any list was seen to lag.
LOOKS = (0.0, 0.5, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the settings should remember of Cloudonix after a good run."""

    domain_name: str | None
    cloudonix_package: str | None
    voice_application: ApplicationReference | None
    webhook_api_key_sent: Secret | None


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was read before anything is written; no snapshot where reading failed."""

    steps: tuple[Step, ...]
    snapshot: Snapshot | None


def inspect(client: Client) -> Inspection:
    """Read the domain and its applications, and judge whether work can go on."""
    connected = Step(StepId.CONNECT, Status.OK, "Cloudonix accepts the API key")
    try:
        snapshot = client.snapshot()
    except NotFoundError as error:
        return Inspection((connected, *_failed(StepId.DOMAIN, error)), None)
    except OpbxError as error:
        return Inspection(tuple(_failed(StepId.CONNECT, error)), None)
    domain = snapshot.domain
    name = domain.name or domain.uuid
    if domain.active is False:
        inactive = RemoteError(
            f"the domain {name} is not active in Cloudonix: it takes no calls",
            hint="activate the domain in the Cloudonix Cockpit, then run the same command again",
            code="domain.inactive",
        )
        return Inspection((connected, *_failed(StepId.DOMAIN, inactive)), None)
    package = f", package {domain.package}" if domain.package else ""
    found = Step(StepId.DOMAIN, Status.OK, f"{name} exists, is accessible and active{package}")
    return Inspection((connected, found), snapshot)


def preview(plan: Plan) -> Iterator[Step]:
    """Say what `converge` would do, as steps that differ or are unchanged."""
    default = "would be changed"
    if plan.foreign_default is not None:
        default = f"{_foreign(plan)}; replacing it needs a yes"
    for step_id, changes, differing, settled in (
        (
            StepId.VOICE_APPLICATION,
            plan.application_changes,
            "would be created" if plan.application is None else "would be changed",
            _application_detail(plan),
        ),
        (
            StepId.DOMAIN_PROFILE,
            plan.profile_changes,
            "would be changed",
            "as the settings want it",
        ),
        (StepId.DEFAULT_APPLICATION, plan.default_changes, default, "calls go to OPBX"),
    ):
        if changes:
            yield Step(step_id, Status.DIFFERS, differing, changes)
        else:
            yield Step(step_id, Status.UNCHANGED, settled)
    yield Step(StepId.SAVE, Status.SKIPPED, "nothing is written by --check")


def failed_before_plan(error: ConfigurationError) -> Iterator[Step]:
    """Say that no plan can be made, for want of a webhook URL."""
    yield from _failed(StepId.VOICE_APPLICATION, error)


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
                failed, *skipped = _failed(step_id, error)
                yield replace(failed, wrote=self._wrote and not wrote_before)
                yield from skipped[:-1]
                yield from self._save_after_failure(skipped[-1:])
                return
            yield step
        if self._wrote:
            contradictions = self._look_once_more()
            if contradictions:
                yield from contradictions
                yield from self._save_after_failure(skipped_after(StepId.DEFAULT_APPLICATION))
                return
        yield self._save()

    def _save_after_failure(self, skipped: list[Step]) -> Iterator[Step]:
        """Remember the application all the same, if this run made or changed anything."""
        if self._wrote and self._application is not None:
            yield self._save()
        else:
            yield from skipped

    def _bring_application(self) -> Step:
        if self._application is None:
            self._application, status = self._create_application()
        else:
            is_new_here = self._record is not None and not self._plan.is_stored
            status = Status.ADOPTED if is_new_here else Status.UPDATED
        changes = application_changes(self._application, self._plan.spec)
        if changes:
            self._application = self._update_application(self._application)
        elif status is Status.UPDATED:
            status = Status.UNCHANGED
        return Step(
            StepId.VOICE_APPLICATION,
            status,
            f"{self._application.name} (id {self._application.id})",
            self._plan.application_changes or changes,
            wrote=bool(changes) or status is Status.CREATED,
        )

    def _create_application(self) -> tuple[VoiceApplication, Status]:
        """Create it; where that is refused or in doubt, look before deciding."""
        spec = self._plan.spec
        try:
            created = self._client.create_application(spec)
        except CredentialsError:
            raise
        except OpbxError as error:
            if isinstance(error, UnreachableError) and not error.doubtful:
                raise
            found = self._look_for(spec.name)
            if found is None:
                raise
            self._wrote = self._wrote or isinstance(error, UnreachableError)
            return found, Status.CREATED if isinstance(error, UnreachableError) else Status.ADOPTED
        self._wrote = True
        created = created or self._look_for(spec.name)
        if created is None:
            raise _not_applied("the new voice application does not show up in the list")
        return created, Status.CREATED

    def _look_for(self, name: str) -> VoiceApplication | None:
        for wait in LOOKS:
            if wait:
                self._client.pause(wait)
            for application in self._client.list_applications():
                if application.name == name:
                    return application
        return None

    def _update_application(self, application: VoiceApplication) -> VoiceApplication:
        spec = self._plan.spec
        shown = self._client.update_application(application, spec)
        if shown is None or application_changes(shown, spec):
            shown = self._look_for(application.name)
        if shown is None or application_changes(shown, spec):
            raise _not_applied(f"the application {application.name} is still as it was")
        self._wrote = True
        return shown

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
        shown = self._client.update_profile(planned.profile, planned.profile_writes)
        self._domain = self._confirmed(shown, self._profile_differs)
        differing = self._profile_differs(self._domain)
        if differing:
            names = ", ".join(change.path.removeprefix(PROFILE_PATH) for change in differing)
            raise _not_applied(f"the domain's profile still differs in {names}")
        self._wrote = True
        is_hidden = self._desired.webhook_key is not None and not shows_key(self._domain.profile)
        hidden = "; the webhook key was sent, but Cloudonix does not show it" if is_hidden else ""
        count = len(planned.profile_changes)
        return Step(
            StepId.DOMAIN_PROFILE,
            Status.UPDATED,
            f"{count} setting{'s' if count > 1 else ''} written and read back{hidden}",
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

    def _confirmed(self, shown: Domain | None, differs: Callable[[Domain], object]) -> Domain:
        """Return the domain as the answer shows it, or as a fresh look does."""
        if shown is None or differs(shown):
            return self._client.get_domain()
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
                _foreign(self._plan),
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
        raise _not_applied("the default application is still another one")

    def _default_taken_by(self, method: str, application: VoiceApplication) -> bool:
        """Set the default application one way; the sources disagree which one is right."""

        def differs(domain: Domain) -> bool:
            return domain.default_application != application.id

        try:
            shown = self._client.set_default_application(application.id, method=method)
        except (RemoteError, NotFoundError):
            if method == "PATCH":
                raise
            return False
        self._domain = self._confirmed(shown, differs)
        return not differs(self._domain)

    def _look_once_more(self) -> list[Step]:
        """Read everything again at the end: what was confirmed must also have been kept."""
        assert self._application is not None
        application = self._application
        try:
            fresh = self._client.snapshot()
        except OpbxError as error:
            detail = f"written and confirmed, but the last look failed: {error.message}"
            return [
                Step(StepId.DEFAULT_APPLICATION, Status.FAILED, detail, error=error, wrote=True)
            ]
        if all(entry.id != application.id for entry in known_applications(fresh)):
            # Not listed yet; the answer that showed it still counts.
            fresh = Snapshot(fresh.domain, (*fresh.applications, application))
        self._domain = fresh.domain
        after = plan(replace(self._as_sent(), application=application.reference), fresh)
        problem = _not_applied("it was written and confirmed, but a fresh look differs")
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
        key = self._desired.webhook_key
        hidden = key is not None and not shows_key(self._domain.profile)
        facts = Facts(
            domain_name=self._domain.name,
            cloudonix_package=self._domain.package,
            voice_application=self._application.reference if self._application else None,
            webhook_api_key_sent=Secret(key.fingerprint) if hidden and key is not None else None,
        )
        try:
            changed = self._record(facts)
        except OpbxError as error:
            return next(iter(_failed(StepId.SAVE, error)))
        if changed:
            return Step(StepId.SAVE, Status.UPDATED, "saved what Cloudonix told about the domain")
        return Step(StepId.SAVE, Status.UNCHANGED, "nothing new to save")


def _failed(step_id: StepId, error: OpbxError) -> list[Step]:
    return [
        Step(step_id, Status.FAILED, error.message, error=error),
        *skipped_after(step_id),
    ]


def _not_applied(what: str) -> RemoteError:
    return RemoteError(
        f"Cloudonix accepted the change but did not make it: {what}",
        hint="run the same command again; if it stays so, make the change in the Cockpit",
        code="remote.not_applied",
    )


def _application_detail(plan: Plan) -> str:
    if plan.application is None:
        return plan.spec.name
    known = "" if plan.is_stored else " would be used"
    return f"{plan.application.name} (id {plan.application.id}){known}"


def _foreign(plan: Plan) -> str:
    holder = plan.foreign_default
    assert holder is not None
    where = f" ({holder.url})" if holder.url else ""
    return f"calls still go to application '{holder.name or holder.id}'{where}, not OPBX's"
