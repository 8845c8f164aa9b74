"""`opbx instance pull` and `push`: OPBX's copy of the settings taken over, or handed ours."""

from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import replace

from opbx_cli import settings as source
from opbx_cli.cli.app import App
from opbx_cli.cli.output.text import change_line
from opbx_cli.cli.tasks import task_of
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import (
    DIFFERS,
    DONE,
    ConfigurationError,
    OpbxError,
    PartialError,
    UsageError,
)
from opbx_cli.instance import InstanceSettings
from opbx_cli.models import CallsBefore, Secret
from opbx_cli.operations.configure import GivenSettings, merge
from opbx_cli.operations.history import Deed
from opbx_cli.operations.instance import (
    Compared,
    HandoverInDoubtError,
    InstanceSide,
    PullPlan,
    PushPlan,
    calls_before_push,
    hand_over,
    plan_pull,
    plan_push,
    require_link,
    takeovers_by_push,
)
from opbx_cli.operations.profiles import put
from opbx_cli.operations.validate.calls_record import remembering_calls
from opbx_cli.operations.validate.desired import Change, Choices
from opbx_cli.operations.validate.run import Validation, deed_of
from opbx_cli.operations.validate.steps import Report, Result
from opbx_cli.operations.validate.wording import Wording
from opbx_cli.remote import Snapshot
from opbx_cli.settings import ActiveSettings
from opbx_cli.settings.table import KEY_OPTIONS, Settings
from opbx_cli.store import StoreContents
from opbx_cli.values import is_key, parse_key

KEYS = {row.name: row for row in KEY_OPTIONS}


def pull(app: App, *, check: bool, yes: bool) -> int:
    """Show what differs, ask, and save OPBX's values here; return the exit code."""
    active = linked_settings(app, is_saved=not check)
    with app.open_instance(active) as side:
        remote = side.read()
    planned = plan_pull(active.settings, remote, shown_key=_key_of_cloudonix(app, active, remote))
    result = "differs" if planned.changes or planned.missing else "unchanged"
    shown = _compared(active, "pull", result, planned.changes)
    if check or result == "unchanged":
        return _show(app, replace(shown, warnings=_missing(planned.missing, active)))
    app.store.require_can_save()
    if planned.changes:
        _show_changes(app, planned.changes, yes=yes)
        app.confirm(
            "Save these here?",
            yes=yes,
            doing="taking over OPBX's settings",
            hint=f"`opbx instance pull --yes{active.profile_option}`",
        )
    given, missing = _with_typed_keys(app, active, remote, planned)
    if given != GivenSettings():
        _save_pulled(app, active, given)
        result = "updated"
    typed = tuple(
        Change(name, getattr(active.settings, name), given.values[name])
        for name in planned.missing
        if name in given.values
    )
    changes = (*shown.changes, *typed)
    app.ui.show(replace(shown, result=result, changes=changes, warnings=_missing(missing, active)))
    if missing:
        raise _missing_error(missing, active, is_saved=result == "updated")
    return DONE


def push(app: App, *, check: bool, yes: bool, replace_default: bool) -> int:
    """Show what differs, ask, write OPBX, read it back, and look at Cloudonix again.

    Returns the exit code.
    """
    active = linked_settings(app, is_saved=False)
    base_url = _base_url(app, active)
    alone = nullcontext() if check else app.alone_on(active)
    with alone, app.open_instance(active) as side:
        remote = side.read()
        settings = _with_domain_name(app, active.settings)
        planned = plan_push(settings, remote, base_url=base_url)
        shown = _compared(
            active, "push", "differs" if planned.changes else "unchanged", planned.changes
        )
        if planned.conflict is not None:
            app.ui.warn(planned.conflict)
        if check or not planned.changes:
            return _show(app, shown)
        if active.is_stored:
            app.store.require_can_save()
        _show_changes(app, planned.changes, yes=yes)
        snapshot = app.client.snapshot()
        _allow_takeovers(app, active, snapshot, planned.base_url, yes=replace_default)
        app.confirm(
            "Write these to OPBX? It writes to Cloudonix too.",
            yes=yes,
            doing="writing to OPBX",
            hint=f"`opbx instance push --yes{active.profile_option}`",
        )
        with app.signals.held():  # until what was done is recorded and said
            before = calls_before_push(active, snapshot, planned.base_url)
            warning = _handed_over(app, active, side, planned, before)
            report = None
            try:
                report = None if base_url is None else _cloudonix_again(app, active)
            finally:
                is_in_line = report is not None and report.result is Result.OK
                warnings = () if warning is None else (warning,)
                app.ui.show(
                    replace(shown, result="updated", warnings=warnings, is_in_line=is_in_line)
                )
    app.signals.check()
    if report is not None and report.error is not None:
        raise PartialError(
            f"OPBX has the settings, and Cloudonix is not in line: {report.error.message}",
            hint=report.error.hint or f"`opbx validate{active.profile_option}`",
            code=ErrorCode.INSTANCE_PARTIAL,
        )
    return DONE


def linked_settings(app: App, *, is_saved: bool) -> ActiveSettings:
    """Return the settings that are worked with; what `is_saved` needs a profile in the store."""
    active = app.settings
    if active.profile is None and is_saved:
        raise UsageError(
            "this is saved in a profile of the store, and the environment gives the settings",
            hint="unset OPBX_DOMAIN_UUID and OPBX_DOMAIN_API_KEY, or name a profile",
        )
    app.tell_context(active)
    require_link(active)
    return active


def save_profile(app: App, name: str, change: Callable[[Settings], Settings]) -> StoreContents:
    """Save what `change` makes of a profile's settings; return what the store holds then."""
    report = app.store.update(lambda now: put(now, name, change(now.find(name)[1])))
    return report.contents


def _compared(
    active: ActiveSettings, direction: str, result: str, changes: tuple[Change, ...]
) -> Compared:
    return Compared(
        active.profile,
        active.settings.instance_url or "",
        direction,
        result,
        changes,
        organization=active.settings.instance_organization,
        expires=active.settings.instance_token_expires,
        profile_option=active.profile_option,
    )


def _show(app: App, result: Compared) -> int:
    app.ui.show(result)
    return DIFFERS if result.result == "differs" else DONE


def _show_changes(app: App, changes: tuple[Change, ...], *, yes: bool) -> None:
    """Show what a question is about; with a yes given, the result says it."""
    for change in () if yes else changes:
        app.ui.notice(f"  {change_line(change)}")


def _base_url(app: App, active: ActiveSettings) -> str | None:
    """Return where this profile says that OPBX is reached; None where nothing says so."""
    try:
        return app.webhook_url_of(active).base_url
    except ConfigurationError as error:
        if error.code != ErrorCode.CONFIGURATION_WEBHOOK_URL:
            raise
        return None


def _with_domain_name(app: App, settings: Settings) -> Settings:
    """Return the settings with the domain's name, which OPBX needs, from Cloudonix if need be."""
    if settings.domain_name is not None:
        return settings
    return replace(settings, domain_name=app.client.get_domain().name)


def _allow_takeovers(
    app: App, active: ActiveSettings, snapshot: Snapshot, base_url: str | None, *, yes: bool
) -> None:
    """Want a yes for calls that OPBX would take from somebody by being written to."""
    takeovers = takeovers_by_push(active, snapshot, base_url)
    if not takeovers:
        return
    now = Wording().taken(takeovers)
    app.confirm(
        f"OPBX would take these over: {now}. Let it?",
        yes=yes,
        doing=f"having OPBX take over what goes elsewhere ({now})",
        hint=f"`opbx instance push --replace-default{active.profile_option}` lets it",
    )


def _handed_over(
    app: App,
    active: ActiveSettings,
    side: InstanceSide,
    planned: PushPlan,
    before: CallsBefore | None,
) -> str | None:
    """Write and read back; record what was, or may have been, written, and who had the calls."""
    result: str | None = "ok"
    try:
        with remembering_calls(task_of(app, active, Choices()).profile, before):
            return hand_over(side, active.settings, planned.sent)
    except HandoverInDoubtError as doubt:
        result = "in doubt"
        raise doubt.error from None
    except OpbxError:
        result = None
        raise
    except KeyboardInterrupt:
        result = "interrupted"
        raise
    finally:
        if result is not None and active.profile is not None:
            settings = active.settings
            app.record(
                Deed(
                    "instance push",
                    active.profile,
                    settings,
                    settings,
                    changes=planned.changes,
                    result=result,
                )
            )


def _cloudonix_again(app: App, active: ActiveSettings) -> Report:
    """Look at the domain, which OPBX has written to; adopt its application, and mend the rest."""
    validation = Validation(app.client, task_of(app, active, Choices()))
    with app.ui.working("Looking at Cloudonix again"):
        for _step in validation.run():
            pass
    report = validation.report()
    app.record(deed_of("instance push", active, report.steps, report.result))
    for warning in report.warnings:
        app.ui.warn(warning)
    return report


def _key_of_cloudonix(app: App, active: ActiveSettings, remote: InstanceSettings) -> Secret | None:
    """Return the webhook key as Cloudonix shows it, where OPBX shows only a mask of it."""
    if remote.webhook_api_key is None or is_key(remote.webhook_api_key):
        return None
    theirs = remote.domain_api_key
    key = theirs if theirs is not None and is_key(theirs) else active.settings.domain_api_key
    uuid = remote.domain_uuid or active.settings.domain_uuid
    if key is None or uuid is None:
        return None
    settings = replace(active.settings, domain_uuid=uuid, domain_api_key=key)
    try:
        with closing(app.client_for(active._replace(settings=settings))) as client:
            return client.get_domain().profile.authorization_api_key
    except OpbxError as error:
        app.ui.warn(f"the webhook key could not be read from Cloudonix: {error.message}")
        return None


def _with_typed_keys(
    app: App, active: ActiveSettings, remote: InstanceSettings, planned: PullPlan
) -> tuple[GivenSettings, tuple[str, ...]]:
    """Ask for the keys that OPBX masks; return what is known then, and what still is not.

    With the API key Cloudonix may show the webhook key, so that is looked for before it is asked.
    """
    given, left = planned.given, []
    for name in planned.missing:  # the API key comes first
        found = given.values.get(name) or app.prompts.ask_secret(
            KEYS[name].label, parse_key, is_key=True
        )
        if found is None:
            left.append(name)
        given = given.plus(**{name: found})
        if name == "domain_api_key" and found is not None:
            settings = replace(active.settings, domain_api_key=found)
            shown = _key_of_cloudonix(app, active._replace(settings=settings), remote)
            key = plan_pull(settings, remote, shown_key=shown).given.settings.webhook_api_key
            given = given.plus(webhook_api_key=key)
    return given, tuple(left)


def _missing(names: tuple[str, ...], active: ActiveSettings) -> tuple[str, ...]:
    return tuple(
        f"OPBX shows the {name.replace('_', ' ')} masked, and it is not the one that is stored "
        f"here: `opbx configure {_flag(name)}{active.profile_option}` saves it"
        for name in names
    )


def _flag(name: str) -> str:
    return f"{KEYS[name].option}-stdin"


def _missing_error(names: tuple[str, ...], active: ActiveSettings, *, is_saved: bool) -> OpbxError:
    keys = " and the ".join(name.replace("_", " ") for name in names)
    said = "the rest is saved, but " if is_saved else ""
    error = PartialError if is_saved else ConfigurationError
    return error(
        f"{said}the {keys} of OPBX could not be taken over: OPBX does not show it in full",
        hint=f"`opbx configure {_flag(names[0])}{active.profile_option}` saves it",
        code=ErrorCode.INSTANCE_MISSING_KEYS,
    )


def _save_pulled(app: App, active: ActiveSettings, given: GivenSettings) -> None:
    base = source.api_base_url(app.environ)
    before, name = active.settings, active.profile or ""

    def merged(now: Settings) -> Settings:
        after = merge(now, given, api_base_url=base)
        # The link is what the settings came by: another domain of the same OPBX keeps it.
        return after.with_instance_of(now)

    contents = save_profile(app, name, merged)
    app.record(Deed("instance pull", name, before, contents.profiles[name]))
