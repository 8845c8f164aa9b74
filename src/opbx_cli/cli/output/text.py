"""Values as people read them, and what a PBX owner calls what changes."""

from __future__ import annotations

from opbx_cli.cli.output.parts import Json
from opbx_cli.models import ApplicationReference, Secret
from opbx_cli.operations.validate.desired import KEY_PATH, Change
from opbx_cli.settings.table import TABLE
from opbx_cli.values import clean, masked_tail

DEFAULT_APPLICATION = "default_application"
APPLICATION_NAME = "voice_application.name"
NOWHERE = "nowhere"
# What a PBX owner calls the settings, and what `validate` changes; the unit behind a number.
LABELS = {
    **{row.name: (row.label, row.unit) for row in TABLE if row.label},
    **{f"domain_profile.{row.in_cloudonix}": (row.label, row.unit) for row in TABLE if row.label},
    APPLICATION_NAME: ("Voice application", ""),
    "voice_application.type": ("Application type", ""),
    "voice_application.url": ("Calls are sent to", ""),
    "voice_application.method": ("Call method", ""),
    "voice_application.active": ("Application active", ""),
    "session_update_endpoint": ("Session updates go to", ""),
    "domain_profile.session-update-endpoint": ("Session updates go to", ""),
    "cdr_endpoint": ("Call records go to", ""),
    "domain_profile.cdr-endpoint": ("Call records go to", ""),
    DEFAULT_APPLICATION: ("Calls go to", ""),
}


def shown(value: object, unit: str = "", *, empty: str = "not set") -> str:
    """Return a value for a screen; a secret as its mask, and its fingerprint where it has one."""
    if value is None:
        return empty
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Secret):
        return clean(value.mask) if value.is_guessable else f"{clean(value.mask)} ({value.label})"
    if isinstance(value, ApplicationReference):
        return f"{clean(value.name)} (id {value.id})"
    return f"{clean(str(value))}{unit}"


def plain(value: object) -> object:
    """Return a value as JSON has it; a secret as what may be known of it."""
    if isinstance(value, Secret):
        # What Cloudonix shows masked has no fingerprint: the mask's own would mislead.
        is_known = masked_tail(value) is None and not value.is_guessable
        fingerprint = value.fingerprint if is_known else None
        return {"set": True, "mask": value.mask, "fingerprint": fingerprint}
    if isinstance(value, ApplicationReference):
        return {"id": value.id, "uuid": value.uuid, "name": value.name}
    return value


def change_object(change: Change) -> Json:
    return {"path": change.path, "from": plain(change.before), "to": plain(change.after)}


def change_for_people(change: Change, *, is_planned: bool = False) -> tuple[str, str]:
    """Return what changes as its owner would say it, with what was there before."""
    if change.path == DEFAULT_APPLICATION:
        before = "now" if is_planned else "before"
        return "Calls go to", f"{_target(change)} ({before}: {_holder(change.before)})"
    label, unit = label_of(change.path)
    if isinstance(change.after, Secret):
        return f"{label}:", _key_for_people(change.before, change.after, path=change.path)
    if change.path == APPLICATION_NAME:
        return label, f"{shown(change.after)} (new)"
    before = f"{'now' if is_planned else 'was'} {shown(change.before, unit)}"
    after = _after(change, label, unit)
    return label.removesuffix(" to") if after == NOWHERE else label, f"{after} ({before})"


def label_of(path: str) -> tuple[str, str]:
    """Return what people call the thing that a change names, and the unit behind a number."""
    name = path.removeprefix("instance.").removeprefix("settings.")
    return LABELS.get(name, (path, ""))


def called(path: str) -> str:
    """Return what people call a setting, or another thing that changes."""
    return label_of(path)[0]


def change_words(change: Change) -> tuple[str, str]:
    """Return what changes, and how: from what to what, as far as that may be shown."""
    if change.path == DEFAULT_APPLICATION:
        return "Calls will go to", _new_way_of_calls(change)
    label, unit = label_of(change.path)
    if isinstance(change.after, Secret):
        return label, _new_secret(change.before, change.after)
    return label, f"{shown(change.before, unit)} → {_after(change, label, unit)}"


def _after(change: Change, label: str, unit: str) -> str:
    """Return what will be there; what is removed goes nowhere, or is not set any more."""
    return shown(change.after, unit, empty=NOWHERE if label.endswith(" to") else "not set")


def change_line(change: Change) -> str:
    return " ".join(change_words(change))


def _new_way_of_calls(change: Change) -> str:
    now = "to no application" if change.before is None else _holder(change.before)
    return f"{_target(change)} (now: {now})"


def _target(change: Change) -> str:
    """Return where calls will go: the URL, or the application where only that is known."""
    return clean(change.url) if change.url is not None else _holder(change.after)


def _holder(application: object) -> str:
    return "no application" if application is None else f"application '{clean(str(application))}'"


def _key_for_people(before: object, after: Secret, *, path: str) -> str:
    was = ""
    if isinstance(before, Secret):
        was = f", was {before.label if masked_tail(before) is None else 'masked'}"
    need = "; OPBX needs it" if path == KEY_PATH else ""
    return f"new ({after.label}{was}){need}"


def _new_secret(before: object, after: Secret) -> str:
    """Say that a key changes; a mask that Cloudonix shows in its place has no fingerprint."""
    if not isinstance(before, Secret):
        return f"set ({after.label})"
    known = before.label if masked_tail(before) is None else "masked"
    return f"changed ({known} → {after.label})"
