"""OPBX's copy of the settings: compared with ours, taken over here, or handed ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from opbx_cli.callbacks import endpoints
from opbx_cli.errors import ConfigurationError, OpbxError, RemoteError
from opbx_cli.models import (
    DEFAULT_NO_ANSWER_TIMEOUT,
    DEFAULT_RECORDING_FORMAT,
    RecordingFormat,
    Secret,
    Settings,
)
from opbx_cli.operations.configure import GivenSettings
from opbx_cli.operations.desired import Change, Desired
from opbx_cli.operations.plan import plan
from opbx_cli.operations.steps import Status, Step, StepId
from opbx_cli.values import (
    NO_ANSWER_TIMEOUT,
    InvalidValue,
    fits_mask,
    is_key,
    masked_tail,
    parse_domain_uuid,
    parse_webhook_base_url,
)

if TYPE_CHECKING:
    from opbx_cli.instance import InstanceSettings, InstanceUser, Written
    from opbx_cli.operations.takeover import Takeover
    from opbx_cli.remote import Snapshot

INSTANCE_PATH = "instance."
KEYS = ("domain_api_key", "webhook_api_key")
# What OPBX's page has, by our names, and what its API calls it.
NAMES_IN_OPBX: Mapping[str, str] = {
    "domain_uuid": "domain_uuid",
    "domain_name": "domain_name",
    "domain_api_key": "domain_api_key",
    "webhook_api_key": "domain_requests_api_key",
    "webhook_base_url": "webhook_base_url",
    "no_answer_timeout": "no_answer_timeout",
    "recording_format": "recording_format",
}
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

    profile: str
    url: str
    direction: str  # `pull` or `push`
    result: str  # `unchanged`, `differs`, `updated`
    changes: tuple[Change, ...]
    warnings: tuple[str, ...] = ()
    profile_option: str = ""


@dataclass(frozen=True, slots=True)
class PullPlan:
    """What a pull would save here. `missing` are keys that OPBX shows masked, and that differ."""

    changes: tuple[Change, ...]
    given: GivenSettings
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InstanceSide:
    """The OPBX of a linked profile, as a run reads and writes it.

    Both raise an `OpbxError` where OPBX cannot be asked, or the user is not the owner.
    """

    read: Callable[[], InstanceSettings]
    write: Callable[[Mapping[str, str | int | Secret | None]], Written]
    connect: str  # the command that signs in again


def compared_step(
    side: InstanceSide, settings: Settings, *, push: bool, check: bool, option: str
) -> tuple[Step, str | None]:
    """Compare OPBX's copy, and with `push` bring it in line; return the step, and a warning.

    An OPBX that cannot be asked fails nothing: its token lasts a day, and calls go on.
    """
    try:
        changes, sent = plan_push(settings, side.read())
        if not changes:
            return Step(StepId.INSTANCE, Status.OK, "OPBX has the same settings"), None
        if check or not push:
            return _differing(changes, check=check, option=option), None
        written = side.write(sent)
        check_pushed(settings, side.read())
    except OpbxError as error:
        if push and not check:
            return Step(StepId.INSTANCE, Status.FAILED, error.message, error=error), None
        hint = f" ({error.hint})" if error.hint else ""
        why = f"OPBX's copy was not compared: {error.message}{hint}"
        return Step(StepId.INSTANCE, Status.SKIPPED, "OPBX could not be asked"), why
    warning = None if written.warning is None else f"OPBX says: {written.warning}"
    count = len(changes)
    detail = f"{count} setting{'s' if count > 1 else ''} written to OPBX and read back"
    return Step(StepId.INSTANCE, Status.UPDATED, detail, changes, wrote=True), warning


def _differing(changes: tuple[Change, ...], *, check: bool, option: str) -> Step:
    detail = "OPBX's own copy differs"
    if any(change.path == f"{INSTANCE_PATH}webhook_api_key" for change in changes):
        detail += ": it checks calls with another webhook key"
    wants = None if check else f"`opbx validate --push{option}` hands OPBX these settings"
    return Step(StepId.INSTANCE, Status.DIFFERS, detail, changes, wants=wants)


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


def require_link(settings: Settings, option: str) -> tuple[str, Secret]:
    """Return where OPBX is, and the token. Raises `ConfigurationError` without a link."""
    if settings.instance_url is None or settings.instance_token is None:
        raise ConfigurationError(
            "this profile is not linked to an OPBX",
            hint=f"`opbx instance connect URL{option}` links it",
            code="instance.not_linked",
        )
    return settings.instance_url, settings.instance_token


def plan_pull(
    settings: Settings | None, remote: InstanceSettings, *, shown_key: Secret | None
) -> PullPlan:
    """Compare; say what to save here. `shown_key` is the webhook key as Cloudonix shows it."""
    here = settings or Settings()
    found = _with_key_of_cloudonix(remote, shown_key)
    changes, missing = [], []
    for name in NAMES_IN_OPBX:
        theirs, ours = getattr(found, name), getattr(here, name)
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
    settings: Settings, remote: InstanceSettings
) -> tuple[tuple[Change, ...], Mapping[str, str | int | Secret | None]]:
    """Compare; return what OPBX's copy would become, and all that is to be sent.

    Raises `ConfigurationError` where the domain's name is not known: OPBX finds the domain of
    a call by it, so a write without it makes OPBX refuse every call.
    """
    if settings.domain_name is None:
        raise ConfigurationError(
            "the domain's name is not known yet, and OPBX finds the domain of a call by it",
            hint="`opbx validate` reads it from Cloudonix",
            code="instance.no_domain_name",
        )
    sent: dict[str, str | int | Secret | None] = {
        name: value
        for name in (*NAMES_IN_OPBX.values(), *ALSO_SENT)
        if (value := _sendable(remote.raw.get(name))) is not None
    }
    changes = []
    for name, their_name in NAMES_IN_OPBX.items():
        ours, theirs = getattr(settings, name), getattr(remote, name)
        if ours is None:
            continue
        sent[their_name] = ours.value if isinstance(ours, RecordingFormat) else ours
        if not is_same_value(ours, theirs):
            changes.append(Change(INSTANCE_PATH + name, theirs, sent[their_name]))
    sent.setdefault("no_answer_timeout", DEFAULT_NO_ANSWER_TIMEOUT)
    sent.setdefault("recording_format", DEFAULT_RECORDING_FORMAT.value)
    return tuple(changes), sent


def takeovers_by_push(
    settings: Settings, snapshot: Snapshot, sent: Mapping[str, object]
) -> tuple[Takeover, ...]:
    """Return what OPBX would take from somebody: a write makes its application the default one."""
    base_url = sent.get("webhook_base_url")
    if not isinstance(base_url, str):
        return ()  # OPBX's own APP_URL, which nobody here knows
    desired = Desired.of(settings, snapshot.domain.uuid, endpoints(base_url))
    return plan(desired, snapshot).takeovers


def check_pushed(settings: Settings, after: InstanceSettings) -> None:
    """Raise `RemoteError` where OPBX's copy, read back, is not what was sent."""
    differing = [
        name
        for name in NAMES_IN_OPBX
        if (ours := getattr(settings, name)) is not None
        and not is_same_value(ours, getattr(after, name))
    ]
    if differing:
        raise RemoteError(
            f"OPBX took the settings but kept others: {', '.join(differing)}",
            hint="look at the settings page of OPBX",
            code="instance.not_applied",
        )


def is_same_value(ours: object, theirs: object) -> bool:
    """Compare; a key that OPBX shows masked is the same if the mask can be that of ours."""
    if isinstance(ours, Secret) and isinstance(theirs, Secret):
        return fits_mask(ours, theirs)
    if isinstance(ours, str) and isinstance(theirs, str):
        return ours.rstrip("/").lower() == theirs.rstrip("/").lower()
    return ours == theirs


def _with_key_of_cloudonix(remote: InstanceSettings, shown: Secret | None) -> InstanceSettings:
    """Put the webhook key that Cloudonix shows in place of OPBX's mask of it."""
    masked = remote.webhook_api_key
    if masked is None or shown is None or masked_tail(masked) is None:
        return remote
    is_whole = masked_tail(shown) is None
    return (
        replace(remote, webhook_api_key=shown) if is_whole and fits_mask(shown, masked) else remote
    )


def _given(values: Mapping[str, object]) -> GivenSettings:
    """Return OPBX's values as settings; what opbx would not take from anybody is left out."""
    uuid, url = values.get("domain_uuid"), values.get("webhook_base_url")
    timeout, recording = values.get("no_answer_timeout"), values.get("recording_format")
    api_key, webhook_key = values.get("domain_api_key"), values.get("webhook_api_key")
    try:
        return GivenSettings(
            domain_uuid=parse_domain_uuid(uuid) if isinstance(uuid, str) else None,
            domain_api_key=api_key if isinstance(api_key, Secret) else None,
            webhook_api_key=webhook_key if isinstance(webhook_key, Secret) else None,
            webhook_base_url=parse_webhook_base_url(url) if isinstance(url, str) else None,
            no_answer_timeout=timeout
            if isinstance(timeout, int) and timeout in NO_ANSWER_TIMEOUT
            else None,
            recording_format=RecordingFormat(recording) if isinstance(recording, str) else None,
        )
    except (InvalidValue, ValueError) as error:
        raise RemoteError(
            f"OPBX has a value that cannot be saved here: {error}",
            hint="correct it on the settings page of OPBX",
            code="instance.unfit",
        ) from None


def _sendable(value: object) -> str | int | None:
    return value if isinstance(value, str | int) and not isinstance(value, bool) else None
