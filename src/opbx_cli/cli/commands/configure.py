"""`opbx configure`: save a profile."""

import inspect
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from opbx_cli import settings
from opbx_cli.cli.app import App
from opbx_cli.cli.command import Function, command
from opbx_cli.cli.input.interview import (
    ask_for_domain,
    ask_for_missing,
    ask_for_profile,
    given_by_flags,
)
from opbx_cli.cli.tree import load
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import CredentialsError, NotFoundError, OpbxError, UsageError
from opbx_cli.operations import profiles
from opbx_cli.operations.configure import (
    GivenSettings,
    merge,
    require_complete,
    rival_warnings,
    saved,
)
from opbx_cli.operations.history import Deed
from opbx_cli.settings import ActiveSettings
from opbx_cli.settings.table import OPTIONS, Settings

if TYPE_CHECKING:  # only types: they would load the store before the options are checked
    from opbx_cli.store import StoreContents

EPILOG = "No option takes a key as its value: it would stay in the shell's history."


def _options() -> Iterator[inspect.Parameter]:
    """Yield the options of the table of settings, three for each key."""
    for row in OPTIONS:
        if not row.is_secret:
            metavar = "|".join(row.choices) or row.metavar
            yield _option(row.name, str | None, metavar=metavar, help=row.help)
            continue
        name = row.option.removeprefix("--").replace("-", "_")
        read = f"Read {row.help} from"
        yield _option(f"{name}_stdin", bool, f"{row.option}-stdin", help=f"{read} stdin.")
        yield _option(f"{name}_file", str | None, metavar="PATH", help=f"{read} a file.")
        yield _option(f"{name}_env", str | None, metavar="NAME", help=f"{read} a variable.")
    yield _option(
        "unset", list[str] | None, metavar="NAME", help="Forget an optional setting; repeatable."
    )


def _option(name: str, kind: Any, *flags: str, **words: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=False if kind is bool else None,
        annotation=Annotated[kind, typer.Option(*flags, **words)],
    )


@command(epilog=EPILOG, options=tuple(_options()))
def configure(app: App, *, unset: list[str] | None, **options: Any) -> int | None:
    """Save the settings of a domain.

    They become a profile in the store, the keys encrypted. Changes what is given and keeps
    the rest. On a terminal it asks for what is missing.
    """
    return _save(app, given_by_flags(app, options, unset or []))


def _save(app: App, given: GivenSettings) -> int | None:
    """Ask first, check second, write last and once."""
    contents = app.store.read() if app.store.exists() else None
    name = profiles.name_to_save(contents, app.profile_name)
    before = contents.profiles.get(name) if contents is not None else None
    api_base_url = settings.api_base_url(app.environ)
    is_asked_all = given.is_empty
    if app.may_ask:
        app.store.require_can_save(create=True)
        given = ask_for_domain(app, name, before, given)
        if contents is not None:
            name = ask_for_profile(app, name, contents.profiles, given)
            before = contents.profiles.get(name)
        given = ask_for_missing(app, before, given, api_base_url, everything=is_asked_all)
    after = merge(before, given, api_base_url=api_base_url)
    require_complete(after, before=before)
    if app.may_ask:
        _try_key(app, name, before, after)

    def change(contents: "StoreContents") -> "StoreContents":
        merged = merge(contents.profiles.get(name), given, api_base_url=api_base_url)
        require_complete(merged, before=before)
        return profiles.put(contents, name, merged)

    report = app.store.update(change, create=True) if after != before else None
    app.warn_of_store()
    if report is not None:
        app.record(Deed("configure", name, before, report.contents.profiles[name]))
    _warn(app, given, name, after.api_base_url)
    if report is not None and report.created:
        app.tell_of_new_store(report)
    contents = report.contents if report is not None else contents
    assert contents is not None
    is_interview = app.may_ask and is_asked_all and app.ui.is_rich
    for warning in rival_warnings(contents.profiles, name):
        app.ui.warn(warning)
    app.ui.show(
        saved(
            name,
            before,
            contents.profiles[name],
            is_default=contents.default_profile == name,
            path=str(app.paths.store),
        )
    )
    if is_interview and app.prompts.confirm("Validate the domain now?", default=True):
        app.profile_name = name
        return cast("Function", load("validate:validate").function)(app)
    return None


def _try_key(app: App, name: str, before: Settings | None, after: Settings) -> None:
    """Offer to try a new API key before it takes the place of the stored one."""
    if before is None or before.domain_api_key in (None, after.domain_api_key):
        return
    question = "Try this API key with Cloudonix before it replaces the stored one?"
    if not app.prompts.confirm(question, default=True):
        return
    with closing(app.client_for(ActiveSettings(after, profile=name))) as client:
        try:
            client.get_domain()
        except (CredentialsError, NotFoundError) as error:
            raise error.with_more("; nothing was saved") from error
        except OpbxError as error:
            app.ui.notice(f"It could not be tried: {error.message}.")
            if not app.prompts.confirm("Save it all the same?"):
                raise UsageError(
                    "not confirmed: nothing was saved", code=ErrorCode.USAGE_DECLINED
                ) from error


def _warn(app: App, given: GivenSettings, profile: str, api_base_url: str) -> None:
    """Say what looks odd about the given keys, and which address does not count."""
    redirects = settings.redirect_warnings(api_base_url, profile=profile, environ=app.environ)
    for warning in (*settings.key_warnings(given.settings), *redirects):
        app.ui.warn(warning)
