"""The steps of `validate`, and what they add up to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar, TypeVar

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import Interrupted, OpbxError, PartialError, RemoteError, UnreachableError
from opbx_cli.models import Secret
from opbx_cli.operations.validate.desired import KEY_PATH, Change

T = TypeVar("T")

NOT_SHOWN = ErrorCode.REMOTE_NOT_SHOWN
UNINTELLIGIBLE = (ErrorCode.REMOTE_UNINTELLIGIBLE, ErrorCode.INSTANCE_UNINTELLIGIBLE)


class StepId(StrEnum):
    SETTINGS = "settings"  # of `apply` alone: what the manifest changes in the profile
    CONNECT = "connect"
    DOMAIN = "domain"
    VOICE_APPLICATION = "voice-application"
    DOMAIN_PROFILE = "domain-profile"
    DEFAULT_APPLICATION = "default-application"
    SAVE = "save"
    INSTANCE = "instance"  # of a linked profile alone: OPBX's own copy


class Status(StrEnum):
    OK = "ok"
    UNCHANGED = "unchanged"
    CREATED = "created"
    UPDATED = "updated"
    ADOPTED = "adopted"
    FAILED = "failed"
    SKIPPED = "skipped"
    DIFFERS = "differs"


class Result(StrEnum):
    OK = "ok"
    DIFFERS = "differs"
    PARTIAL = "partial"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one step.

    `wrote` tells that Cloudonix was changed; `wants` is what to run where something was left
    undone for want of a yes, or could not be done without taking a risk.
    """

    id: StepId
    status: Status
    detail: str
    changes: tuple[Change, ...] = ()
    error: OpbxError | None = None
    wrote: bool = False
    wants: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """The whole of one `validate`, with each step's last word."""

    profile: str | None
    domain_uuid: str
    domain_name: str | None
    steps: tuple[Step, ...]
    voice_url: str | None = None  # where calls are to go; None where that is unknown
    profile_option: str = ""  # what names the profile to another command
    command: str = "validate"  # what brings Cloudonix in line
    webhook_key_place: str = ""  # where the webhook key is given without a store
    warnings: tuple[str, ...] = ()
    was_interrupted: bool = False
    has_key: bool = True  # a webhook key is given, so that it can be proved
    is_linked: bool = False  # to an OPBX, which can be handed the key
    partial: ClassVar[ErrorCode] = ErrorCode.VALIDATE_PARTIAL
    wants_answer: ClassVar[ErrorCode] = ErrorCode.VALIDATE_WANTS_YES

    @property
    def is_unsaved(self) -> bool:
        """Tell whether a manifest's settings were validated, which no other command knows."""
        return self.profile is not None and bool(self.webhook_key_place)

    @property
    def failure(self) -> Step | None:
        return next((step for step in self.steps if step.status is Status.FAILED), None)

    @property
    def written(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.wrote)

    @property
    def key_in_force(self) -> Secret | None:
        """Return the webhook key that this run put in force; None where it left it alone."""
        for step in self.written:
            for change in step.changes:
                if change.path == KEY_PATH and isinstance(change.after, Secret):
                    return change.after if step.status is not Status.FAILED else None
        return None

    @property
    def opbx_has_key(self) -> bool:
        """Tell whether a linked OPBX was seen with the same settings, the key included."""
        return any(
            step.id is StepId.INSTANCE and step.status in (Status.OK, Status.UPDATED)
            for step in self.steps
        )

    @property
    def is_doubtful(self) -> bool:
        """Tell whether the step that failed may have changed Cloudonix all the same."""
        failure = self.failure
        return (
            failure is not None
            and failure.id not in (StepId.CONNECT, StepId.DOMAIN)
            and failure.error is not None
            and is_in_doubt(failure.error)
        )

    @property
    def result(self) -> Result:
        is_open = any(step.wants is not None for step in self.steps)
        if self.failure is not None or self.was_interrupted:
            return Result.PARTIAL if self.written else Result.FAILED
        if is_open:
            return Result.PARTIAL
        differs = any(step.status is Status.DIFFERS for step in self.steps)
        return Result.DIFFERS if differs else Result.OK

    @property
    def error(self) -> OpbxError | None:
        """Return what the command ends with: the failure's cause, or "partial"."""
        failure, result = self.failure, self.result
        if failure is not None and result is Result.FAILED:
            return failure.error
        if result is not Result.PARTIAL:
            return None
        if failure is not None and failure.error is not None:
            done = ", ".join(step.id for step in self.written)
            return PartialError(
                f"done: {done}; failed: {failure.id}: {failure.error.message}",
                hint=failure.error.hint or "run the same command again: it goes on from here",
                code=self.partial,
            )
        left = next(step for step in self.steps if step.wants is not None)
        verb = "was skipped" if left.status is Status.SKIPPED else "is only partly done"
        return PartialError(
            f"{left.id} {verb}: {left.detail}", hint=left.wants, code=self.wants_answer
        )


def last_words(steps: list[Step], order: Sequence[StepId] = tuple(StepId)) -> tuple[Step, ...]:
    """Return one step per id, the last that was said of it, in the order of the steps.

    What a step wrote is not forgotten where a second pass found nothing left to write.
    """
    latest: dict[StepId, Step] = {}
    for step in steps:
        before = latest.get(step.id)
        if before is not None and before.wrote and step.status is Status.UNCHANGED:
            continue
        is_written = before is not None and before.wrote
        latest[step.id] = replace(step, wrote=step.wrote or is_written)
    return tuple(latest[step_id] for step_id in order if step_id in latest)


def skipped_after(failed: StepId, order: Sequence[StepId] = tuple(StepId)) -> list[Step]:
    """Return the steps behind a failed one, as skipped."""
    return [
        Step(step_id, Status.SKIPPED, f"not tried, because {failed} failed")
        for step_id in order[order.index(failed) + 1 :]
        if step_id is not StepId.INSTANCE
    ]


def is_in_doubt(error: OpbxError) -> bool:
    """Tell whether a write that ended in this error may have been carried out."""
    if isinstance(error, UnreachableError):
        return error.doubtful
    if isinstance(error, Interrupted):
        return True
    return error.code in (*UNINTELLIGIBLE, NOT_SHOWN)


def confirmed(write: Callable[[], T], look: Callable[[], T], differs: Callable[[T], bool]) -> T:
    """Write; return what the answer shows, or what a fresh look does where that differs.

    A write in doubt is looked for too, and its error raised only if it is not there.
    """
    doubt: OpbxError | None = None
    try:
        shown = write()
        if not differs(shown):
            return shown
    except OpbxError as error:
        if not is_in_doubt(error):
            raise
        doubt = error
    if doubt is None:
        return look()
    try:
        shown = look()
    except OpbxError:
        raise doubt from None
    if differs(shown):
        raise doubt
    return shown


def failed_steps(
    step_id: StepId, error: OpbxError, order: Sequence[StepId] = tuple(StepId)
) -> list[Step]:
    """Return the step that failed and those behind it, as skipped."""
    failed = Step(step_id, Status.FAILED, error.message, error=error)
    return [failed, *skipped_after(step_id, order)]


def not_applied(what: str) -> RemoteError:
    return RemoteError(
        f"Cloudonix accepted the change but did not make it: {what}",
        hint="run the same command again; if it stays so, make the change in the Cockpit",
        code=ErrorCode.REMOTE_NOT_APPLIED,
    )
