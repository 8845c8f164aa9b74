"""Before anything is written: what Cloudonix has, and what would be done about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import NotFoundError, OpbxError, RemoteError
from opbx_cli.operations.validate.desired import STORED_KEY_PATH, Change, Choices
from opbx_cli.operations.validate.key_ownership import KeyAction
from opbx_cli.operations.validate.plan import Plan
from opbx_cli.operations.validate.steps import Status, Step, StepId, failed_steps
from opbx_cli.operations.validate.takeover import CallsChoice, Taken
from opbx_cli.operations.validate.wording import ENDPOINTS, Wording, named, with_drift
from opbx_cli.remote import Snapshot

if TYPE_CHECKING:
    from opbx_cli.cloudonix import Client


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was read before anything is written; no snapshot where reading failed."""

    steps: tuple[Step, ...]
    snapshot: Snapshot | None


def inspect(
    client: Client, *, wants_active: bool = True, order: Sequence[StepId] = tuple(StepId)
) -> Inspection:
    """Read the domain and its applications, and judge whether work can go on."""
    connected = Step(StepId.CONNECT, Status.OK, "Cloudonix accepts the API key")
    try:
        snapshot = client.snapshot()
    except NotFoundError as error:
        return Inspection((connected, *failed_steps(StepId.DOMAIN, error, order)), None)
    except OpbxError as error:
        return Inspection(tuple(failed_steps(StepId.CONNECT, error, order)), None)
    domain = snapshot.domain
    name = domain.name or domain.uuid
    if domain.active is False and wants_active:
        inactive = RemoteError(
            f"the domain {name} is not active in Cloudonix: it takes no calls",
            hint="activate the domain in the Cloudonix Cockpit, then run the same command again",
            code=ErrorCode.DOMAIN_INACTIVE,
        )
        return Inspection((connected, *failed_steps(StepId.DOMAIN, inactive)), None)
    package = f", package {domain.package}" if domain.package else ""
    state = "accessible and active" if domain.active is not False else "accessible, and not active"
    found = Step(StepId.DOMAIN, Status.OK, f"{name} exists, is {state}{package}")
    return Inspection((connected, found), snapshot)


def preview(plan: Plan, choices: Choices) -> Iterator[Step]:
    """Say what `converge` would do, as steps that differ or are unchanged."""
    words = Wording()
    needs_yes = choices.calls is not CallsChoice.SWITCH
    application = "would be created" if plan.application is None else "would be changed"
    if needs_yes and Taken.APPLICATION_URL in plan.taken:
        application = f"{words.taken(plan.takeovers, Taken.APPLICATION_URL)}; that needs a yes"
    default = "would be changed"
    if needs_yes and Taken.DEFAULT_APPLICATION in plan.taken:
        default = (
            f"{words.taken(plan.takeovers, Taken.DEFAULT_APPLICATION)}; replacing it needs a yes"
        )
    for step_id, changes, differing, settled in (
        (
            StepId.VOICE_APPLICATION,
            plan.application_changes,
            with_drift(application, plan.application_drift),
            _application_detail(plan),
        ),
        (
            StepId.DOMAIN_PROFILE,
            _profile_preview(plan),
            _profile_difference(plan, words),
            "as the settings want it",
        ),
        (StepId.DEFAULT_APPLICATION, plan.default_changes, default, "calls go to OPBX"),
    ):
        if changes:
            yield Step(step_id, Status.DIFFERS, differing, changes)
        else:
            yield Step(step_id, Status.UNCHANGED, settled)
    yield Step(StepId.SAVE, Status.SKIPPED, "nothing is written by --check")


def _profile_preview(plan: Plan) -> tuple[Change, ...]:
    key = plan.key
    adopted = key.action is KeyAction.ADOPT and key.wanted is not None
    own = (Change(STORED_KEY_PATH, key.own, key.wanted),) if adopted else ()
    return (*own, *plan.profile_changes, *plan.kept_changes)


def _profile_difference(plan: Plan, words: Wording) -> str:
    parts = []
    if plan.key.action is KeyAction.ADOPT:
        parts.append(
            f"the webhook key that is in force ({named(plan.key.shown)}) would be saved here"
        )
    if plan.key.action is KeyAction.ASK:
        parts.append(words.foreign_key(plan.key))
    elif plan.profile_problem is not None:
        parts.append(plan.profile_problem)
    elif plan.profile_changes:
        parts.append("would be changed")
    if plan.kept_changes and plan.key.action is not KeyAction.ASK:
        parts.append(f"{words.taken(plan.takeovers, *ENDPOINTS)}; that needs a yes")
    return with_drift("; ".join(parts), plan.key.drift)


def failed_before_plan(error: OpbxError) -> Iterator[Step]:
    """Say that no plan can be made, for want of a webhook URL or of a store that can be saved."""
    yield from failed_steps(StepId.VOICE_APPLICATION, error)


def _application_detail(plan: Plan) -> str:
    if plan.application is None:
        return plan.spec.name
    known = "" if plan.is_stored else " would be used"
    return f"{plan.application.name} (id {plan.application.id}){known}"
