"""Before anything is written: what Cloudonix has, and what would be done about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opbx_cli.errors import ConfigurationError, NotFoundError, OpbxError, RemoteError
from opbx_cli.operations.plan import Plan
from opbx_cli.operations.steps import Status, Step, StepId, failed_steps
from opbx_cli.remote import Snapshot

if TYPE_CHECKING:
    from opbx_cli.cloudonix import Client


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
        return Inspection((connected, *failed_steps(StepId.DOMAIN, error)), None)
    except OpbxError as error:
        return Inspection(tuple(failed_steps(StepId.CONNECT, error)), None)
    domain = snapshot.domain
    name = domain.name or domain.uuid
    if domain.active is False:
        inactive = RemoteError(
            f"the domain {name} is not active in Cloudonix: it takes no calls",
            hint="activate the domain in the Cloudonix Cockpit, then run the same command again",
            code="domain.inactive",
        )
        return Inspection((connected, *failed_steps(StepId.DOMAIN, inactive)), None)
    package = f", package {domain.package}" if domain.package else ""
    found = Step(StepId.DOMAIN, Status.OK, f"{name} exists, is accessible and active{package}")
    return Inspection((connected, found), snapshot)


def preview(plan: Plan) -> Iterator[Step]:
    """Say what `converge` would do, as steps that differ or are unchanged."""
    default = "would be changed"
    if plan.foreign_default is not None:
        default = f"{foreign_words(plan)}; replacing it needs a yes"
    application = "would be created" if plan.application is None else "would be changed"
    for step_id, changes, differing, settled in (
        (
            StepId.VOICE_APPLICATION,
            plan.application_changes,
            with_drift(application, plan.application_drift),
            _application_detail(plan),
        ),
        (
            StepId.DOMAIN_PROFILE,
            plan.profile_changes,
            with_drift("would be changed", plan.profile_drift),
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
    yield from failed_steps(StepId.VOICE_APPLICATION, error)


def with_drift(detail: str, drift: str | None) -> str:
    return f"{detail}; {drift}" if drift else detail


def _application_detail(plan: Plan) -> str:
    if plan.application is None:
        return plan.spec.name
    known = "" if plan.is_stored else " would be used"
    return f"{plan.application.name} (id {plan.application.id}){known}"


def foreign_words(plan: Plan) -> str:
    holder = plan.foreign_default
    assert holder is not None
    where = f" ({holder.url})" if holder.url else ""
    return f"calls still go to application '{holder.name or holder.id}'{where}, not OPBX's"
