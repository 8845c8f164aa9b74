"""OPBX's copy of the settings: compared with ours, taken over here, or handed ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError, OpbxError, RemoteError
from opbx_cli.models import CallsBefore, Secret
from opbx_cli.operations.configure import GivenSettings
from opbx_cli.operations.validate.desired import Change, Desired
from opbx_cli.operations.validate.plan import Plan, plan
from opbx_cli.operations.validate.steps import Status, Step, StepId, is_in_doubt
from opbx_cli.settings import INSTANCE_TOKEN, INSTANCE_URL, ActiveSettings
from opbx_cli.settings.table import IN_OPBX, Settings, plain
from opbx_cli.values import InvalidValue, fits_mask, is_key, masked_tail
from opbx_cli.webhooks.endpoints import endpoints

if TYPE_CHECKING:
    from opbx_cli.instance import InstanceSettings, InstanceUser, Written
    from opbx_cli.operations.validate.takeover import Takeover
    from opbx_cli.remote import Snapshot

INSTANCE_PATH = "instance."
# Taken by OPBX's PUT as well; what was read is sent back.
ALSO_SENT = ("embed_allowed_domains",)


@dataclass(frozen=True, slots=True)
class Linked:
    """What `instance connect` did."""

    profile: str
    url: str
    organization: str | None
    expires: int | None  # epoch seconds
    is_new_profile: bool
    profile_option: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """OPBX's copy beside ours, and what a command made of that."""

    profile: str | None
    url: str
    direction: str  # `pull` or `push`
    result: str  # `unchanged`, `differs`, `updated`
    changes: tuple[Change, ...]
    organization: str | None = None
    expires: int | None = None  # epoch seconds, of OPBX's token
    warnings: tuple[str, ...] = ()
    profile_option: str = ""
    is_in_line: bool = False  # Cloudonix, looked at again after a push


@dataclass(frozen=True, slots=True)
class PullPlan:
    """What a pull would save here. `missing` are keys that OPBX shows masked, and that differ."""

    changes: tuple[Change, ...]
    given: GivenSettings
    missing: tuple[str, ...]


class InstanceSide(Protocol):
    """The OPBX of a profile, as a run reads and writes it.

    Both raise an `OpbxError` where OPBX cannot be asked, or the user is not the owner.
    """

    def read(self) -> InstanceSettings:
        """Return the organisation's settings."""

    def write(self, settings: Mapping[str, str | int | Secret | None], /) -> Written:
        """Write settings, by OPBX's names; OPBX writes to Cloudonix in the same request."""


OpenInstance = Callable[[], AbstractContextManager[InstanceSide]]


@dataclass(frozen=True, slots=True)
class PushPlan:
    """What a push would change in OPBX, and all that is to be sent.

    `base_url` is the one that OPBX puts in force then, as far as it can be told. `conflict` says
    that it is another one than this profile's, so that each would overwrite the other's.
    """

    changes: tuple[Change, ...]
    sent: Mapping[str, str | int | Secret | None]
    base_url: str | None = None
    conflict: str | None = None


class HandoverInDoubtError(Exception):
    """OPBX may have been written to, and to Cloudonix by it: the error that leaves it open."""

    def __init__(self, error: OpbxError) -> None:
        super().__init__(error.message)
        self.error = error


def compared_step(
    opened: OpenInstance,
    settings: Settings,
    *,
    base_url: str | None,
    push: bool,
    check: bool,
    option: str,
) -> tuple[Step, str | None]:
    """Compare OPBX's copy, and with `push` bring it in line; return the step, and a warning.

    An OPBX that cannot be asked fails nothing: its token lasts a day, and calls go on.
    """
    is_asked_to_write = push and not check
    try:
        with opened() as side:
            planned = plan_push(settings, side.read(), base_url=base_url)
            if planned.conflict is not None:
                return _conflicting(planned, check=check, option=option), None
            if not planned.changes:
                return Step(StepId.INSTANCE, Status.OK, "OPBX has the same settings"), None
            if not is_asked_to_write:
                return _differing(planned.changes, check=check, option=option), None
            warning = hand_over(side, settings, planned.sent)
    except HandoverInDoubtError as doubt:
        error = doubt.error
        failed = Step(StepId.INSTANCE, Status.FAILED, error.message, planned.changes, error)
        return replace(failed, wrote=True), None
    except OpbxError as error:
        if is_asked_to_write:
            return Step(StepId.INSTANCE, Status.FAILED, error.message, error=error), None
        hint = f" ({error.hint})" if error.hint else ""
        why = f"OPBX's copy was not compared: {error.message}{hint}"
        return Step(StepId.INSTANCE, Status.SKIPPED, "OPBX could not be asked"), why
    count = len(planned.changes)
    detail = f"{count} setting{'s' if count > 1 else ''} written to OPBX and read back"
    return Step(StepId.INSTANCE, Status.UPDATED, detail, planned.changes, wrote=True), warning


def hand_over(
    side: InstanceSide, settings: Settings, sent: Mapping[str, str | int | Secret | None]
) -> str | None:
    """Write OPBX's copy, and read it back; return what OPBX warns of.

    A write whose answer was lost is looked for. Raises an `OpbxError` where OPBX was not written
    to, `HandoverInDoubtError` where it was, or may have been, and the settings are not as sent.
    """
    warning, doubt = None, None
    try:
        warning = side.write(sent).warning
    except OpbxError as error:
        if not is_in_doubt(error):
            raise
        doubt = error
    try:
        after = side.read()
    except OpbxError as error:
        said = "; OPBX may have the settings all the same"
        raise HandoverInDoubtError((doubt or error).with_more(said)) from error
    differing = _names_that_differ(settings, after)
    if differing and doubt is not None:
        raise doubt
    if differing:
        raise HandoverInDoubtError(
            RemoteError(
                f"OPBX took the settings but kept others: {', '.join(differing)}",
                hint="look at the settings page of OPBX",
                code=ErrorCode.INSTANCE_NOT_APPLIED,
            )
        )
    return None if warning is None else f"OPBX says: {warning}"


def _differing(changes: tuple[Change, ...], *, check: bool, option: str) -> Step:
    detail = "OPBX's own copy differs"
    if any(change.path == f"{INSTANCE_PATH}webhook_api_key" for change in changes):
        detail += ": it checks calls with another webhook key"
    wants = None if check else f"`opbx validate --push{option}` hands OPBX these settings"
    return Step(StepId.INSTANCE, Status.DIFFERS, detail, changes, wants=wants)


def _conflicting(planned: PushPlan, *, check: bool, option: str) -> Step:
    assert planned.conflict is not None
    follow = f"`opbx configure --webhook-base-url {planned.base_url}{option}` takes OPBX's URL"
    wants = None if check else follow
    return Step(StepId.INSTANCE, Status.DIFFERS, planned.conflict, planned.changes, wants=wants)


def link(
    settings: Settings, *, url: str, token: Secret, user: InstanceUser, expires: int | None
) -> Settings:
    """Return the settings with the way to their OPBX."""
    return replace(
        settings,
        instance_url=url,
        instance_organization=user.organization,
        instance_token=token,
        instance_token_expires=expires,
    )


def require_link(active: ActiveSettings) -> str:
    """Return where OPBX is. Raises `ConfigurationError` without a link."""
    url = active.settings.instance_url
    if url is None and active.profile is None:
        raise ConfigurationError(
            "the environment names no OPBX",
            hint=f"set {INSTANCE_URL} and {INSTANCE_TOKEN}",
            code=ErrorCode.INSTANCE_NOT_LINKED,
        )
    if url is None:
        base = active.settings.webhook_base_url or "https://pbx.example.com"
        raise ConfigurationError(
            "this profile is not linked to an OPBX",
            hint=f"`opbx instance connect {base}{active.profile_option}` links it",
            code=ErrorCode.INSTANCE_NOT_LINKED,
        )
    return url


def plan_pull(
    settings: Settings | None, remote: InstanceSettings, *, shown_key: Secret | None
) -> PullPlan:
    """Compare; say what to save here. `shown_key` is the webhook key as Cloudonix shows it."""
    here = settings or Settings()
    found = _with_key_of_cloudonix(_as_followed(remote), shown_key)
    changes, missing = [], []
    for name in (row.name for row in IN_OPBX.values()):
        theirs, ours = found.values.get(name), getattr(here, name)
        if name == "domain_name" or theirs is None or is_same_value(ours, theirs):
            continue
        if isinstance(theirs, Secret) and not is_key(theirs):
            missing.append(name)
            continue
        changes.append(Change(name, ours, theirs))
    return PullPlan(
        tuple(changes), _given({one.path: one.after for one in changes}), tuple(missing)
    )


def plan_push(
    settings: Settings, remote: InstanceSettings, *, base_url: str | None = None
) -> PushPlan:
    """Compare; `base_url` is where this profile says that OPBX is reached.

    Keys are sent only if they are ours: what OPBX shows of its own may be a mask, and what is
    absent stays as it is. Raises `ConfigurationError` where the domain's name is not known: OPBX
    finds the domain of a call by it, so a write without it makes OPBX refuse every call.
    """
    if settings.domain_name is None:
        raise ConfigurationError(
            "the domain's name is not known yet, and OPBX finds the domain of a call by it",
            hint="`opbx validate` reads it from Cloudonix",
            code=ErrorCode.INSTANCE_NO_DOMAIN_NAME,
        )
    sent: dict[str, str | int | Secret | None] = {
        name: value
        for name in (*(name for name, row in IN_OPBX.items() if not row.is_secret), *ALSO_SENT)
        if (value := _sendable(remote.raw.get(name))) is not None
    }
    changes, followed = [], _as_followed(remote)
    for their_name, row in IN_OPBX.items():
        ours, theirs = getattr(settings, row.name), followed.values.get(row.name)
        if ours is None:
            if row.fallback is not None:
                sent.setdefault(their_name, row.fallback)
            continue
        sent[their_name] = plain(ours)
        if not is_same_value(ours, theirs):
            changes.append(Change(INSTANCE_PATH + row.name, theirs, sent[their_name]))
    theirs = _base_url_after(remote, sent)
    conflict = None
    if base_url is not None and theirs is not None and not is_same_value(base_url, theirs):
        conflict = (
            f"OPBX's own configuration says that it is reached at {theirs}, and this profile says "
            f"{base_url}: each would overwrite the other's URLs in Cloudonix"
        )
    return PushPlan(tuple(changes), sent, theirs, conflict)


def _base_url_after(remote: InstanceSettings, sent: Mapping[str, object]) -> str | None:
    """Return the base URL that OPBX uses after a write, as far as its answers tell.

    Where it uses another one than it has saved, a variable of its own comes first (July 2026).
    """
    saved, used, ours = (
        remote.webhook_base_url,
        remote.base_url_in_use,
        sent.get("webhook_base_url"),
    )
    is_overridden = saved is not None and used is not None and not is_same_value(saved, used)
    if is_overridden or not isinstance(ours, str):
        return used
    return ours


def takeovers_by_push(
    active: ActiveSettings, snapshot: Snapshot, base_url: str | None
) -> tuple[Takeover, ...]:
    """Return what OPBX would take from somebody: a write makes its application the default one.

    `base_url` is the one that OPBX puts in force; None where that is not known.
    """
    return () if base_url is None else _plan_of_push(active, snapshot, base_url).takeovers


def calls_before_push(
    active: ActiveSettings, snapshot: Snapshot, base_url: str | None
) -> CallsBefore | None:
    """Return who has the calls that OPBX's application gets by a push."""
    return None if base_url is None else _plan_of_push(active, snapshot, base_url).calls_before


def _plan_of_push(active: ActiveSettings, snapshot: Snapshot, base_url: str) -> Plan:
    return plan(Desired.of(active, snapshot.domain.uuid, endpoints(base_url)), snapshot)


def _names_that_differ(settings: Settings, after: InstanceSettings) -> list[str]:
    """Return the settings of which OPBX's copy, read back, is not as sent."""
    return [
        row.name
        for row in IN_OPBX.values()
        if (ours := getattr(settings, row.name)) is not None
        and not is_same_value(ours, after.values.get(row.name))
    ]


def is_same_value(ours: object, theirs: object) -> bool:
    """Compare; a key that OPBX shows masked is the same if the mask can be that of ours."""
    if isinstance(ours, Secret) and isinstance(theirs, Secret):
        return fits_mask(ours, theirs)
    if isinstance(ours, str) and isinstance(theirs, str):
        return ours.rstrip("/").lower() == theirs.rstrip("/").lower()
    return ours == theirs


def _as_followed(remote: InstanceSettings) -> InstanceSettings:
    """Return the settings with the base URL that OPBX follows, where that is not the saved one."""
    if remote.webhook_base_url is None or remote.base_url_in_use is None:
        return remote
    return replace(remote, values={**remote.values, "webhook_base_url": remote.base_url_in_use})


def _with_key_of_cloudonix(remote: InstanceSettings, shown: Secret | None) -> InstanceSettings:
    """Put the webhook key that Cloudonix shows in place of OPBX's mask of it."""
    masked = remote.webhook_api_key
    if masked is None or shown is None or masked_tail(masked) is None:
        return remote
    if masked_tail(shown) is not None or not fits_mask(shown, masked):
        return remote
    return replace(remote, values={**remote.values, "webhook_api_key": shown})


def _given(values: Mapping[str, object]) -> GivenSettings:
    """Return OPBX's values as settings; what opbx would not take from anybody is left out."""
    rows = [(row, values[row.name]) for row in IN_OPBX.values() if row.name in values]
    try:
        given = {
            row.name: row.parse(value) if isinstance(value, str) else row.accepted(value)
            for row, value in rows
        }
    except InvalidValue as error:
        raise RemoteError(
            f"OPBX has a value that cannot be saved here: {error}",
            hint="correct it on the settings page of OPBX",
            code=ErrorCode.INSTANCE_UNFIT,
        ) from None
    return GivenSettings().plus(**given)


def _sendable(value: object) -> str | int | None:
    return value if isinstance(value, str | int) and not isinstance(value, bool) else None
