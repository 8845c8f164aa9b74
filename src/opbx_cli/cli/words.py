"""What results are called on a screen: the same words in a table and in plain lines."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from opbx_cli.cli.results import Demonstration, ListeningAddress, Received
from opbx_cli.models import SETTING_NAMES, ApplicationReference, Secret
from opbx_cli.operations.call import CallResult
from opbx_cli.operations.configure import Saved
from opbx_cli.operations.desired import Change
from opbx_cli.operations.instance import Compared, Linked
from opbx_cli.operations.keys import KeyRotation, KeyRow
from opbx_cli.operations.profiles import ProfileDetail
from opbx_cli.operations.steps import Report, Result, Status, Step, StepId
from opbx_cli.operations.webhook_check import WebhookCheck
from opbx_cli.operations.webhook_key import RotatedKey
from opbx_cli.remote import Delivery, Trunk
from opbx_cli.values import clean, masked_tail

if TYPE_CHECKING:
    from opbx_cli.operations.batch import Tally
    from opbx_cli.receiver.callback import Callback
    from opbx_cli.store.trail import HistoryEntry

TRUNK_COLUMNS = (
    "id",
    "uuid",
    "name",
    "direction",
    "ip",
    "port",
    "transport",
    "prefix",
    "metric",
    "active",
)

# For a terminal too narrow for all of them: where calls go, in one cell.
TRUNK_COLUMNS_NARROW = ("name", "direction", "address", "prefix", "metric", "active")

# What a PBX owner calls the things that `validate` changes, and the unit behind a number.
CHANGE_WORDS = {
    "voice_application.name": ("Voice application", ""),
    "voice_application.type": ("Application type", ""),
    "voice_application.url": ("Calls are sent to", ""),
    "voice_application.method": ("Call method", ""),
    "voice_application.active": ("Application active", ""),
    "domain_profile.call-timeout": ("Ring time", " s"),
    "domain_profile.recording-media-type": ("Recording format", ""),
    "domain_profile.session-update-endpoint": ("Session updates go to", ""),
    "domain_profile.cdr-endpoint": ("Call records go to", ""),
    "domain_profile.authorization-api-key": ("Webhook key", ""),
}
DEFAULT_APPLICATION = "default_application"


def checked_sentence(check: WebhookCheck) -> str:
    """Say that all is well; what is not is for the error behind the checks."""
    if check.failed:
        return ""
    return f"OPBX answers at {check.base_url} and refuses callbacks that are not Cloudonix's."


def change_words(change: Change) -> tuple[str, str]:
    """Return what changes, and how: from what to what, as far as that may be shown."""
    if change.path == DEFAULT_APPLICATION:
        return "Calls will go to", _new_way_of_calls(change)
    known = {**CHANGE_WORDS, **INSTANCE_WORDS}
    label, unit = known.get(change.path.removeprefix("instance."), (change.path, ""))
    label, unit = CHANGE_WORDS.get(change.path, (label, unit))
    if isinstance(change.after, Secret):
        return label, _new_secret(change.before, change.after)
    return label, f"{_value(change.before, unit)} → {_value(change.after, unit)}"


def change_line(change: Change) -> str:
    return " ".join(change_words(change))


def _new_way_of_calls(change: Change) -> str:
    holder = change.before
    now = "to no application" if holder is None else f"application '{clean(str(holder))}'"
    return f"{clean(change.url or str(change.after))} (now: {now})"


def _new_secret(before: object, after: Secret) -> str:
    """Say that a key changes; a mask that Cloudonix shows in its place has no fingerprint."""
    if not isinstance(before, Secret):
        return f"set ({after.fingerprint})"
    shown = before.fingerprint if masked_tail(before) is None else "masked"
    return f"changed ({shown} → {after.fingerprint})"


def closing(report: Report) -> str:
    """Return the one sentence that `validate` ends with."""
    name = clean(report.domain_name or report.domain_uuid)
    if report.result is Result.OK:
        saved = any(step.id is StepId.SETTINGS and step.changes for step in report.steps)
        start = "Done" if report.written or saved else "Nothing to do"
        return f"{start}: calls for {name} go to {report.voice_url}"
    if report.result is Result.DIFFERS:
        count = sum(len(step.changes) for step in report.steps if step.status is Status.DIFFERS)
        things = "1 thing" if count == 1 else f"{count} things"
        is_applied = any(step.id is StepId.SETTINGS for step in report.steps)
        how = "apply FILE" if is_applied else f"validate{report.profile_option}"
        return f"{name} differs from the settings in {things}; `opbx {how}` changes that."
    if report.result is Result.PARTIAL:
        if report.was_interrupted:
            return f"{name} is only partly in line with the settings: this run was asked to end."
        return f"{name} is only partly in line with the settings."
    if report.was_interrupted:
        return f"{name} was not brought in line: this run was asked to end."
    if report.is_doubtful:
        return f"{name} may or may not have been changed by the step that failed."
    return f"{name} was not changed."


def next_after(report: Report) -> tuple[str, ...]:
    """Return what is to be done after a `validate` that changed something; nothing after others.

    Whatever put another webhook key in force says so last: OPBX refuses calls until it has it.
    """
    option = report.profile_option
    key = report.key_in_force
    if key is not None and not report.opbx_has_key:
        steps = [*_handing_over(report), f"opbx webhook-url --check --with-key{option}"]
        return (
            f"A new webhook key ({key.fingerprint}) is in force. OPBX refuses calls until it has "
            "that key too:",
            *(f"{number}. {step}" for number, step in enumerate(steps, start=1)),
        )
    if report.result is not Result.OK or not report.written:
        return ()
    with_key = " --with-key" if report.has_key else ""
    return (f"Prove that calls arrive: opbx webhook-url --check{with_key}{option}",)


def _handing_over(report: Report) -> list[str]:
    """Return how OPBX gets the webhook key."""
    if report.is_linked:
        return [f"opbx instance push{report.profile_option}"]
    if report.profile is None:
        return ["Save the key of OPBX_WEBHOOK_API_KEY in OPBX's settings."]
    return [f"opbx webhook-key reveal{report.profile_option}", "Save that key in OPBX's settings."]


def key_warning(report: Report) -> str | None:
    """Say in one sentence what `next_after` says in steps, for who reads no terminal."""
    key, option = report.key_in_force, report.profile_option
    if key is None or report.opbx_has_key:
        return None
    how = f"give it the one of `opbx webhook-key reveal{option}`"
    if report.is_linked:
        how = f"`opbx instance push{option}` hands it over"
    elif report.profile is None:
        how = "give it the one of OPBX_WEBHOOK_API_KEY"
    return (
        f"a new webhook key ({key.fingerprint}) is in force, and OPBX refuses calls until it has "
        f"that key too: {how}, then prove it with `opbx webhook-url --check --with-key{option}`"
    )


def noteworthy(report: Report) -> tuple[Step, ...]:
    """Return the steps that changed something, would change it, failed or wait for a yes."""
    quiet = (Status.OK, Status.UNCHANGED, Status.SKIPPED)
    return tuple(
        step
        for step in report.steps
        if step.wants is not None
        or (step.status not in quiet and not (step.id is StepId.SAVE and step.error is None))
    )


def tally_sentence(tally: Tally) -> str:
    """Return the one sentence that many validations end with."""
    labels = {
        Result.OK: "in line",
        Result.DIFFERS: "to be changed",
        Result.PARTIAL: "only partly in line",
        Result.FAILED: "failed",
    }
    counts = tally.counts
    found = [f"{counts[result]} {label}" for result, label in labels.items() if counts.get(result)]
    total = len(tally.results)
    return f"{total} profile{'' if total == 1 else 's'}: {', '.join(found)}."


def rotated_key_lines(result: RotatedKey) -> list[str]:
    """Say which key is in force now, and what OPBX still needs."""
    before = result.before.fingerprint if result.before is not None else "none"
    proof = "read back from" if result.is_shown else "sent to (it does not show keys)"
    lines = [f"Webhook key {before} → {result.after.fingerprint}: saved, and {proof} Cloudonix."]
    if result.old_valid_until is not None:
        until = f"{result.old_valid_until.astimezone():%Y-%m-%d %H:%M:%S %Z}"
        lines.append(f"opbx webhook listen takes the old key too, until {until}.")
    if result.instance_url is not None:
        check = f"opbx webhook-url --check --with-key{result.profile_option}"
        return [*lines, f"OPBX at {result.instance_url} has it too. `{check}` proves it."]
    return [
        *lines,
        "OPBX refuses callbacks until it has the new key too. Now, in this order:",
        f"1. opbx webhook-key reveal{result.profile_option}",
        "2. Save that key in OPBX's settings.",
        f"3. opbx webhook-url --check --with-key{result.profile_option}",
    ]


def address_lines(address: ListeningAddress) -> list[str]:
    """Say where callbacks are taken, which key they must carry, and how they get here."""
    if address.profile is None:
        whose, setting = "of the environment", "set OPBX_WEBHOOK_BASE_URL to that one's address"
    else:
        whose = f"of profile '{address.profile}'"
        configure = f"opbx configure --webhook-base-url URL{address.profile_option}"
        setting = f"save that one's address with `{configure}`"
    return [
        f"Listening on {address.url} for callbacks with the webhook key {whose} "
        f"({address.key.fingerprint}), as OPBX of {address.played.state.title()} 2026. "
        "Ctrl-C stops it.",
        f"Base URL: {address.url}. Cloudonix reaches it through a tunnel or an https proxy: "
        f"{setting}, then `opbx validate{address.profile_option}`.",
    ]


def received_sentence(received: Received) -> str:
    callbacks = f"{received.callbacks} callback{'' if received.callbacks == 1 else 's'}"
    turned_away = f"; {received.turned_away} clients turned away" if received.turned_away else ""
    return f"{callbacks}, {received.refused} refused{turned_away}."


def utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def callback_row(callback: Callback) -> tuple[str, ...]:
    call = callback.call
    row = (callback.endpoint, call.id, call.caller, call.callee, call.status, callback.result)
    outcome = (str(callback.http_status), callback.reason, callback.key, callback.saved)
    return (utc(callback.received), *(cell or "" for cell in (*row, *outcome)))


def callback_outcome(callback: Callback) -> str:
    """Return what a person is told of it: why it was refused, else what it says."""
    if callback.reason is not None:
        return f"{callback.http_status} {callback.reason}"
    status = callback.call.status or ""
    return status if callback.key == "current" else f"{status} ({callback.key} key)".lstrip()


def key_row(key: KeyRow, opened_with: str | None = None) -> tuple[str, ...]:
    at_hand = {True: "at hand", False: "not at hand", None: "asked for"}[key.is_at_hand]
    state = "opens it now" if key.id == opened_with else at_hand
    return (key.id, key.kind, state, key.location or "outside of opbx")


def rotation_lines(result: KeyRotation) -> list[str]:
    """Say what opens the store now, and what does not any more."""
    lines = ["The store and its backup are encrypted anew; the old keys open neither."]
    lines += [f"Opens it now: {' '.join(key_row(key))}" for key in result.keys]
    lines += [f"Left out: {slot}" for slot in result.dropped]
    return lines + [f"Removed: {place}" for place in result.removed]


def history_row(entry: HistoryEntry) -> tuple[str, ...]:
    changed = ", ".join(
        f"{name} ({' → '.join(part or 'none' for part in entry.fingerprints[name])})"
        if name in entry.fingerprints
        else name
        for name in entry.changed
    )
    return (entry.time, entry.command, entry.profile or "", entry.result, changed)


def demonstrated(result: Demonstration) -> str:
    return (
        f"That was opbx: {len(result.commands)} commands against the sandbox, in a temporary "
        "home that is gone now. Start with your own domain: opbx configure"
    )


# What a PBX owner calls the settings that OPBX has too.
INSTANCE_WORDS = {
    "domain_uuid": ("Domain UUID", ""),
    "domain_name": ("Domain name", ""),
    "domain_api_key": ("Domain API key", ""),
    "webhook_api_key": ("Webhook key", ""),
    "webhook_base_url": ("Webhook base URL", ""),
    "no_answer_timeout": ("Ring time", " s"),
    "recording_format": ("Recording format", ""),
}


def linked_lines(result: Linked) -> list[str]:
    """Say what is linked, for how long, and what to run next."""
    whose = f", organisation {clean(result.organization)}" if result.organization else ""
    until = ""
    if result.expires is not None:
        moment = datetime.fromtimestamp(result.expires, UTC)
        until = f" The token lasts until {moment:%Y-%m-%d %H:%M} UTC."
    new = "New profile" if result.is_new_profile else "Profile"
    return [
        f"{new} '{result.profile}' is linked to {result.url}{whose}.{until}",
        f"Next: opbx instance pull{result.profile_option}",
    ]


def compared_lines(result: Compared) -> list[str]:
    """Say what differs between OPBX's copy and ours, or what was done about it."""
    changes = [f"  {change_line(change)}" for change in result.changes]
    option = result.profile_option
    if result.result == "unchanged":
        ours = "the environment" if result.profile is None else f"profile '{result.profile}'"
        return [f"OPBX at {result.url} has the same settings as {ours}."]
    if result.result == "updated" and result.direction == "pull":
        saved = f"Saved OPBX's settings in profile '{result.profile}':"
        return [saved, *changes, f"Next: opbx validate{option}"]
    if result.result == "updated":
        written = f"Written to OPBX at {result.url}, and read back:"
        looked = "OPBX wrote to Cloudonix too: looked at again, everything is in line."
        if not result.is_in_line:
            looked = f"OPBX wrote to Cloudonix too. Next: opbx validate{option}"
        return [written, *changes, looked]
    where = "would be saved here" if result.direction == "pull" else "would be written to OPBX"
    how = f"`opbx instance {result.direction}{option}` does that."
    return [f"These {where}:", *changes, *([how] if result.profile else [])]


def delivery_row(one: Delivery) -> tuple[str, ...]:
    status = "" if one.http_status is None else str(one.http_status)
    numbers = (status, str(one.attempts), str(one.milliseconds))
    return (one.endpoint, one.event or "", one.result.value, *numbers, one.url, one.detail)


def call_sentence(result: CallResult) -> str:
    """Say how the call ended, and what its callbacks came to."""
    placed = result.placed
    if placed.call is None:
        return "No call was made."
    total = len(placed.callbacks)
    well = total - len(result.failures)
    counted = f"all {total}" if well == total else f"{well} of {total}"
    how = "refused, as they should be" if result.wrong_key else "taken"
    left_out = f" Not carried out: {', '.join(placed.not_followed)}." * bool(placed.not_followed)
    return f"The call ended with {placed.disposition}; {counted} callbacks were {how}.{left_out}"


def trunk_row(trunk: Trunk) -> tuple[str, ...]:
    return tuple(_value(getattr(trunk, column), empty="") for column in TRUNK_COLUMNS)


def trunk_row_narrow(trunk: Trunk) -> tuple[str, ...]:
    port = f":{trunk.port}" if trunk.port is not None else ""
    address = f"{trunk.ip}{port}" if trunk.ip else ""
    row = dict(zip(TRUNK_COLUMNS, trunk_row(trunk), strict=True)) | {"address": address}
    return tuple(row[column] for column in TRUNK_COLUMNS_NARROW)


def trunk_rows(trunk: Trunk) -> list[tuple[str, str]]:
    """Return one trunk in full, name and value."""
    names = (*TRUNK_COLUMNS, "allow_global", "global_prefix", "created_at", "modified_at")
    rows = [(name, _value(getattr(trunk, name), empty="")) for name in names]
    known = trunk.authentication
    if known is not None:
        rows += [
            ("authentication.username", _value(known.username, empty="")),
            ("authentication.password", _value(known.password, empty="")),
            ("authentication.overwrite_from", _value(known.overwrite_from, empty="")),
        ]
    return [*rows, ("profile_keys", ", ".join(trunk.profile_keys))]


def saved_lines(result: Saved) -> list[str]:
    """Say what was saved, where, and what to run next."""
    settings, name = result.detail.settings, result.detail.profile
    option = "" if result.detail.is_default else f" --profile {name}"
    following = f"Next: opbx validate{option}"
    if not result.changed:
        return [f"Profile '{name}' in {result.path} is as it was: nothing to save.", following]
    return [
        f"Saved {'new ' if result.is_new else ''}profile '{name}':",
        *(f"  {setting}: {_value(getattr(settings, setting))}" for setting in result.changed),
        f"Store: {result.path}",
        following,
    ]


def profile_row(entry: ProfileDetail) -> tuple[str, str, str, str]:
    return (
        entry.profile or "",
        "default" if entry.is_default else "",
        entry.settings.domain_uuid or "",
        entry.settings.domain_name or "",
    )


def profile_rows(result: ProfileDetail) -> list[tuple[str, ...]]:
    """Return one profile in full: name, value, and the origin if that was asked for."""
    rows: list[tuple[str, ...]] = [("profile", result.profile or "")]
    rows += [(name, _value(getattr(result.settings, name), empty="")) for name in SETTING_NAMES]
    if result.origins is None:
        return rows
    return [(*row, result.origins.get(row[0], "")) for row in rows]


def _value(value: object, unit: str = "", *, empty: str = "not set") -> str:
    if value is None:
        return empty
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Secret):
        return f"{clean(value.mask)} ({value.fingerprint})"
    if isinstance(value, ApplicationReference):
        return f"{clean(value.name)} (id {value.id})"
    return f"{clean(str(value))}{unit}"
