"""`opbx instance`: the OPBX that uses a profile's domain."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Annotated

import typer

from opbx_cli import settings
from opbx_cli.cli.app import App
from opbx_cli.cli.clients import SIGNS_OUT_ELSEWHERE
from opbx_cli.cli.command import command
from opbx_cli.cli.commands import instance_settings
from opbx_cli.cli.commands.instance_settings import linked_settings, save_profile
from opbx_cli.cli.input.interview import KeyFlags
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import OpbxError, UsageError
from opbx_cli.instance import InstanceAccess, InstanceClient, InstanceUser, SignedIn
from opbx_cli.instance.failures import not_owner
from opbx_cli.operations import profiles
from opbx_cli.operations.history import Deed
from opbx_cli.operations.instance import Linked, link, require_link
from opbx_cli.operations.profiles import ProfileChange, listed
from opbx_cli.settings import INSTANCE_EMAIL
from opbx_cli.settings.table import Settings
from opbx_cli.values import parse_email, parse_https_url, parse_password

TOKEN_SECONDS_MAX = 366 * 86_400  # OPBX says 86,400
CONNECT_EPILOG = (
    "The password is never saved; the token that OPBX gives for it is, encrypted, and lasts a day."
)

Check = Annotated[
    bool, typer.Option("--check", help="Change nothing; exit 8 if something differs.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@command(epilog=CONNECT_EPILOG)
def connect(
    app: App,
    url: Annotated[str, typer.Argument(metavar="URL", help="OPBX's own address.")],
    *,
    email: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help=f"The owner's e-mail address. [env: {INSTANCE_EMAIL}]"
        ),
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
    address = settings.checked(parse_https_url, url, "URL")
    tokens = KeyFlags("--token", token_stdin, token_file, token_env)
    passwords = KeyFlags("--password", password_stdin, password_file, password_env, parse_password)
    app.store.require_can_save(create=True)
    token = tokens.read(app.environ, app.prompts)
    renewal = "give another token, or an e-mail address and a password"
    access = InstanceAccess(address, token, settings.api_timeout(app.environ), renewal)
    with closing(InstanceClient(access, app.pace)) as client:
        if token is None:
            signed_in = _signed_in(app, client, email, passwords)
            with _signed_out_on_failure(client):
                linked = _save_link(app, address, client.who_am_i(), signed_in)
        else:
            linked = _save_link(app, address, client.who_am_i(), SignedIn(token, None))
    app.ui.show(linked)
    if app.may_ask and app.prompts.confirm("Take over OPBX's settings now?", default=True):
        instance_settings.pull(app, check=False, yes=False)


@command()
def pull(app: App, *, check: Check = False, yes: Yes = False) -> int:
    """Take over the settings that OPBX has.

    Shows what differs and asks. A key that OPBX shows masked comes from Cloudonix, or is asked
    for.
    """
    return instance_settings.pull(app, check=check, yes=yes)


@command()
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
) -> int:
    """Hand this profile's settings to OPBX.

    Shows what differs and asks; writes, and reads it back. OPBX writes to Cloudonix in the same
    moment, so that is looked at again, and the application that OPBX puts in charge is adopted.
    """
    return instance_settings.push(app, check=check, yes=yes, replace_default=replace_default)


@command()
def disconnect(app: App) -> None:
    """Sign out of OPBX, and forget the link."""
    active = linked_settings(app, is_saved=True)
    address = require_link(active)
    app.store.require_can_save()
    try:
        with app.open_instance(active) as client:
            client.sign_out()
    except OpbxError as error:
        app.ui.warn(f"OPBX may still accept the token for a day at most: {error.message}")
    contents = save_profile(app, active.profile or "", lambda now: now.with_instance_of(Settings()))
    sentence = f"Profile '{active.profile}' is not linked to {address} any more."
    app.ui.show(ProfileChange(sentence, listed(contents)))


def _signed_in(
    app: App, client: InstanceClient, email: str | None, passwords: "KeyFlags"
) -> SignedIn:
    address = _email(app, email)
    password = passwords.read(app.environ, app.prompts)
    app.ui.notice(SIGNS_OUT_ELSEWHERE)
    if password is None and app.may_ask:
        password = app.prompts.ask_secret("Password", parse_password)
    if password is None:
        raise UsageError(
            "the password is missing",
            hint="give it with `--password-stdin`, `--password-file` or `--password-env`",
            code=ErrorCode.USAGE_MISSING,
        )
    return client.sign_in(address, password)


@contextmanager
def _signed_out_on_failure(client: InstanceClient) -> Iterator[None]:
    """Leave no token behind that nobody has: give it back where what follows fails."""
    try:
        yield
    except BaseException as error:
        with suppress(OpbxError):
            client.sign_out()
        if isinstance(error, OpbxError):
            raise error.with_more("; nothing was saved, and this user is signed out of OPBX") from (
                error.__cause__
            )
        raise


def _email(app: App, given: str | None) -> str:
    if given is not None:
        return settings.checked(parse_email, given, "--email")
    found = settings.from_variable(app.environ, INSTANCE_EMAIL, parse_email)
    if found is None and app.may_ask:
        found = app.prompts.ask("E-mail address of the owner", parse_email)
    if found is None:
        raise UsageError(
            "the owner's e-mail address is missing",
            hint=f"give it with `--email ADDRESS` or {INSTANCE_EMAIL}",
            code=ErrorCode.USAGE_MISSING,
        )
    return found


def _save_link(app: App, url: str, user: InstanceUser, signed_in: SignedIn) -> Linked:
    """Save the link in the profile, which is made if there is none."""
    if not user.is_owner:
        raise not_owner(user.role)
    expires = None
    if signed_in.expires_in is not None:
        expires = int(time.time()) + max(0, min(signed_in.expires_in, TOKEN_SECONDS_MAX))
    contents = app.store.read() if app.store.exists() else None
    name = profiles.name_to_save(contents, app.profile_name)
    before = contents.profiles.get(name) if contents is not None else None
    base = Settings(api_base_url=settings.api_base_url(app.environ))
    token = signed_in.token
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
        app.tell_of_new_store(report)
    option = "" if report.contents.default_profile == name else f" --profile {name}"
    return Linked(name, url, user.organization, expires, before is None, option)
