"""`opbx instance`: the OPBX that uses a profile's domain."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from opbx_cli.cli.app import App
from opbx_cli.cli.options import command
from opbx_cli.errors import DIFFERS, ConfigurationError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opbx_cli.cli.interview import KeyFlags
    from opbx_cli.instance import InstanceClient, InstanceSettings, InstanceUser
    from opbx_cli.models import Secret, Settings
    from opbx_cli.operations.desired import Change
    from opbx_cli.operations.instance import PullPlan
    from opbx_cli.settings import ActiveSettings
    from opbx_cli.store import StoreContents

EMAIL = "OPBX_INSTANCE_EMAIL"
TOKEN_SECONDS_MAX = 366 * 86_400  # OPBX says 86,400
CONNECT_EPILOG = (
    "Example: opbx instance connect https://pbx.example.com --email owner@example.com. The "
    "password is never saved; the token that OPBX gives for it is, encrypted, and lasts a day."
)

Check = Annotated[
    bool, typer.Option("--check", help="Change nothing; exit 8 if something differs.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def register(root: typer.Typer) -> None:
    group = typer.Typer(
        help="Link a profile to its OPBX, and bring both in line.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    root.add_typer(group, name="instance")
    command(group, "connect", epilog=CONNECT_EPILOG)(connect)
    command(group, "pull")(pull)
    command(group, "push")(push)
    command(group, "disconnect")(disconnect)


def connect(
    app: App,
    url: Annotated[str, typer.Argument(metavar="URL", help="OPBX's own address.")],
    *,
    email: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help=f"The owner's e-mail address. [env: {EMAIL}]"),
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from stdin.")
    ] = False,
    password_file: Annotated[
        str | None, typer.Option(metavar="PATH", help="Read the password from a file.")
    ] = None,
    password_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Read the password from a variable.")
    ] = None,
    token_stdin: Annotated[
        bool, typer.Option("--token-stdin", help="Read a ready token from stdin.")
    ] = False,
    token_file: Annotated[
        str | None, typer.Option(metavar="PATH", help="Read a ready token from a file.")
    ] = None,
    token_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Read a ready token from a variable.")
    ] = None,
) -> None:
    """Sign in to OPBX, and link a profile to it.

    Only the organisation's owner may see or change these settings. Signing in signs this user
    out everywhere else: OPBX keeps one token for each user. Nothing is saved if it fails.
    """
    from contextlib import closing

    from opbx_cli import settings
    from opbx_cli.cli.instance_side import client_of
    from opbx_cli.cli.interview import KeyFlags
    from opbx_cli.values import parse_instance_url, parse_password

    address = settings.checked(parse_instance_url, url, "URL")
    tokens = KeyFlags("--token", token_stdin, token_file, token_env)
    passwords = KeyFlags("--password", password_stdin, password_file, password_env, parse_password)
    app.protect_memory()
    token = tokens.read(app.environ, app.prompts)
    with closing(client_of(app, address, token)) as client:
        if token is None:
            user, token, expires = _signed_in(app, client, email, passwords)
        else:
            user, expires = client.who_am_i(), None
        _save_link(app, address, user, token, expires)


def pull(app: App, *, check: Check = False, yes: Yes = False) -> None:
    """Take over the settings that OPBX has.

    Shows what differs and asks. A key that OPBX shows masked comes from Cloudonix, or is asked
    for.
    """
    from contextlib import closing

    from opbx_cli.cli.instance_side import client_of
    from opbx_cli.operations.instance import Compared, plan_pull, require_link

    active = _linked(app)
    address, token = require_link(active.settings, active.profile_option)
    with closing(client_of(app, address, token, active.profile_option)) as client:
        _require_owner(client)
        remote = client.read()
    planned = plan_pull(active.settings, remote, shown_key=_key_of_cloudonix(app, active, remote))
    result = "differs" if planned.changes or planned.missing else "unchanged"
    shown = Compared(
        active.profile or "",
        address,
        "pull",
        result,
        planned.changes,
        _missing(planned),
        active.profile_option,
    )
    if check or result == "unchanged":
        app.ui.show(shown)
        app.exit_code = DIFFERS if result == "differs" else 0
        return
    _show_changes(app, shown.changes)
    app.confirm(
        "Save these here?",
        yes=yes,
        doing="taking over OPBX's settings",
        hint=f"`opbx instance pull --yes{active.profile_option}`",
    )
    _save_pulled(app, active, planned)
    from dataclasses import replace

    app.ui.show(replace(shown, result="updated"))


def push(
    app: App,
    *,
    check: Check = False,
    yes: Yes = False,
    replace_default: Annotated[
        bool,
        typer.Option(
            "--replace-default",
            help="Let OPBX take over calls that somebody else's application receives now.",
        ),
    ] = False,
) -> None:
    """Hand this profile's settings to OPBX.

    Shows what differs and asks; writes, and reads it back. OPBX writes to Cloudonix in the same
    moment, so `opbx validate` looks at both afterwards.
    """
    from contextlib import closing
    from dataclasses import replace

    from opbx_cli.cli.instance_side import client_of
    from opbx_cli.operations.history import Deed
    from opbx_cli.operations.instance import Compared, check_pushed, plan_push, require_link

    active = _linked(app)
    settings = active.settings
    address, token = require_link(settings, active.profile_option)
    with closing(client_of(app, address, token, active.profile_option)) as client:
        _require_owner(client)
        changes, sent = plan_push(settings, client.read())
        result = "differs" if changes else "unchanged"
        shown = Compared(
            active.profile or "",
            address,
            "push",
            result,
            changes,
            profile_option=active.profile_option,
        )
        if check or not changes:
            app.ui.show(shown)
            app.exit_code = DIFFERS if changes else 0
            return
        _show_changes(app, changes)
        _allow_takeovers(app, active, sent, yes=replace_default)
        app.confirm(
            "Write these to OPBX? It writes to Cloudonix too.",
            yes=yes,
            doing="writing to OPBX",
            hint=f"`opbx instance push --yes{active.profile_option}`",
        )
        with app.signals.held():
            written = client.write(sent)
            check_pushed(settings, client.read())
    app.record(Deed("instance push", active.profile, settings, settings, changes=changes))
    warnings = () if written.warning is None else (f"OPBX says: {written.warning}",)
    app.ui.show(replace(shown, result="updated", warnings=warnings))
    app.signals.check()


def _allow_takeovers(
    app: App, active: "ActiveSettings", sent: "Mapping[str, object]", *, yes: bool
) -> None:
    """Want a yes for calls that OPBX would take from somebody by being written to."""
    from opbx_cli.operations.instance import takeovers_by_push
    from opbx_cli.operations.wording import Wording

    takeovers = takeovers_by_push(active.settings, app.client.snapshot(), sent)
    if not takeovers:
        return
    now = Wording().taken(takeovers)
    app.confirm(
        f"OPBX would take these over: {now}. Let it?",
        yes=yes,
        doing=f"having OPBX take over what goes elsewhere ({now})",
        hint=f"`opbx instance push --replace-default{active.profile_option}` lets it",
    )


def disconnect(app: App) -> None:
    """Sign out of OPBX, and forget the link."""
    from contextlib import closing

    from opbx_cli.cli.instance_side import client_of
    from opbx_cli.errors import OpbxError
    from opbx_cli.operations.instance import require_link
    from opbx_cli.operations.profiles import ProfileChange, listed

    active = _linked(app)
    address, token = require_link(active.settings, active.profile_option)
    try:
        with closing(client_of(app, address, token, active.profile_option)) as client:
            client.sign_out()
    except OpbxError as error:
        app.ui.warn(f"OPBX may still accept the token for a day at most: {error.message}")
    contents = _changed(app, active.profile or "", lambda now: now.without_instance())
    sentence = f"Profile '{active.profile}' is not linked to {address} any more."
    app.ui.show(ProfileChange(sentence, listed(contents)))


def _signed_in(
    app: App, client: "InstanceClient", email: str | None, passwords: "KeyFlags"
) -> "tuple[InstanceUser, Secret, int | None]":
    from contextlib import suppress

    from opbx_cli.errors import OpbxError
    from opbx_cli.instance.failures import not_owner
    from opbx_cli.values import parse_password

    address = _email(app, email)
    password = passwords.read(app.environ, app.prompts)
    app.ui.notice("Signing in signs this user out of OPBX everywhere else.")
    if password is None and app.may_ask:
        password = app.prompts.ask_secret("Password", parse_password)
    if password is None:
        raise UsageError(
            "the password is missing",
            hint="give it with `--password-stdin`, `--password-file PATH` or `--password-env NAME`",
            code="usage.missing",
        )
    signed_in = client.sign_in(address, password)
    expires = None
    if signed_in.expires_in is not None:
        expires = int(time.time()) + max(0, min(signed_in.expires_in, TOKEN_SECONDS_MAX))
    user = client.who_am_i()
    if not user.is_owner:
        with suppress(OpbxError):  # no token of somebody who is refused stays behind
            client.sign_out()
        raise not_owner(user.role)
    return user, signed_in.token, expires


def _email(app: App, given: str | None) -> str:
    from opbx_cli import settings
    from opbx_cli.values import parse_email

    if given is not None:
        return settings.checked(parse_email, given, "--email")
    found = settings.from_variable(app.environ, EMAIL, parse_email)
    if found is None and app.may_ask:
        found = app.prompts.ask("E-mail address of the owner", parse_email)
    if found is None:
        raise UsageError(
            "the owner's e-mail address is missing",
            hint=f"give it with `--email ADDRESS` or {EMAIL}",
            code="usage.missing",
        )
    return found


def _save_link(
    app: App, url: str, user: "InstanceUser", token: "Secret", expires: int | None
) -> None:
    """Save the link in the profile, which is made if there is none."""
    from opbx_cli import settings as source
    from opbx_cli.instance.failures import not_owner
    from opbx_cli.models import Settings
    from opbx_cli.operations import profiles
    from opbx_cli.operations.history import Deed
    from opbx_cli.operations.instance import Linked, link

    if not user.is_owner:
        raise not_owner(user.role)
    contents = app.store.read() if app.store.exists() else None
    name = profiles.name_to_save(contents, app.profile_name)
    before = contents.profiles.get(name) if contents is not None else None
    base = Settings(api_base_url=source.api_base_url(app.environ))
    report = app.store.update(
        lambda now: profiles.put(
            now,
            name,
            link(now.profiles.get(name, base), url=url, token=token, user=user, expires=expires),
        ),
        create=True,
    )
    app.warn_of_store()
    app.record(Deed("instance connect", name, others=(f"linked to {url}",)))
    if report.created:
        from opbx_cli.cli.configure import tell_of_new_store

        tell_of_new_store(app, report)
    option = "" if report.contents.default_profile == name else f" --profile {name}"
    app.ui.show(Linked(name, url, user.organization, expires, before is None, option))
    if app.may_ask and app.prompts.confirm("Take over OPBX's settings now?", default=True):
        pull(app)


def _linked(app: App) -> "ActiveSettings":
    active = app.settings
    if active.profile is None:
        raise UsageError(
            "a link to OPBX belongs to a stored profile, and the environment gives the settings",
            hint="unset OPBX_DOMAIN_UUID and OPBX_DOMAIN_API_KEY, or name a profile",
        )
    app.tell_context(active)
    return active


def _require_owner(client: "InstanceClient") -> None:
    from opbx_cli.instance.failures import not_owner

    user = client.who_am_i()
    if not user.is_owner:
        raise not_owner(user.role)


def _key_of_cloudonix(
    app: App, active: "ActiveSettings", remote: "InstanceSettings"
) -> "Secret | None":
    """Return the webhook key as Cloudonix shows it, where OPBX shows only a mask of it."""
    from contextlib import closing
    from dataclasses import replace

    from opbx_cli.errors import OpbxError
    from opbx_cli.values import is_key

    if remote.webhook_api_key is None or is_key(remote.webhook_api_key):
        return None
    theirs = remote.domain_api_key
    key = theirs if theirs is not None and is_key(theirs) else active.settings.domain_api_key
    uuid = remote.domain_uuid or active.settings.domain_uuid
    if key is None or uuid is None:
        return None
    settings = replace(active.settings, domain_uuid=uuid, domain_api_key=key)
    try:
        with closing(app.client_for(replace(active, settings=settings))) as client:
            return client.get_domain().profile.authorization_api_key
    except OpbxError as error:
        app.ui.warn(f"the webhook key could not be read from Cloudonix: {error.message}")
        return None


def _missing(planned: "PullPlan") -> tuple[str, ...]:
    flags = {"domain_api_key": "--api-key-stdin", "webhook_api_key": "--webhook-key-stdin"}
    return tuple(
        f"OPBX shows the {name.replace('_', ' ')} masked, and it is not the one that is stored "
        f"here: `opbx configure {flags[name]}` saves it"
        for name in planned.missing
    )


def _show_changes(app: App, changes: "tuple[Change, ...]") -> None:
    from opbx_cli.cli.words import change_line

    for change in changes:
        app.ui.notice(f"  {change_line(change)}")


def _save_pulled(app: App, active: "ActiveSettings", planned: "PullPlan") -> None:
    """Save OPBX's values, and the missing keys where somebody types them."""
    from dataclasses import replace

    from opbx_cli import settings
    from opbx_cli.operations.configure import merge
    from opbx_cli.operations.history import Deed
    from opbx_cli.values import parse_key

    given = planned.given
    for missing in planned.missing:
        question = "Domain API key" if missing == "domain_api_key" else "Webhook API key"
        key = app.prompts.ask_secret(question, parse_key)
        if key is not None and missing == "domain_api_key":
            given = replace(given, domain_api_key=key)
        elif key is not None:
            given = replace(given, webhook_api_key=key)
    base = settings.api_base_url(app.environ)
    before, name = active.settings, active.profile or ""

    def merged(now: "Settings") -> "Settings":
        after = merge(now, given, api_base_url=base)
        # The link is what the settings came by: another domain of the same OPBX keeps it.
        return replace(
            after,
            instance_url=now.instance_url,
            instance_organization=now.instance_organization,
            instance_token=now.instance_token,
            instance_token_expires=now.instance_token_expires,
        )

    if merged(before).domain_api_key is None:
        raise ConfigurationError(
            "the domain API key is missing: OPBX does not show it in full",
            hint=f"`opbx instance pull{active.profile_option}` asks for it on a terminal",
            code="configuration.incomplete",
        )
    contents = _changed(app, name, merged)
    app.record(Deed("instance pull", name, before, contents.profiles[name]))


def _changed(app: App, name: str, change: "Callable[[Settings], Settings]") -> "StoreContents":
    from opbx_cli.operations.profiles import put

    report = app.store.update(lambda now: put(now, name, change(now.find(name)[1])))
    return report.contents
