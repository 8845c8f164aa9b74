"""`opbx profiles`: what is stored, and its names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from opbx_cli.cli.app import App
from opbx_cli.cli.options import command
from opbx_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from opbx_cli.operations.profiles import ProfileList
    from opbx_cli.store import StoreContents

Name = Annotated[str, typer.Argument(metavar="NAME", help="The profile.")]


def register(root: typer.Typer) -> None:
    group = typer.Typer(
        help="Show and manage stored profiles.", no_args_is_help=True, rich_markup_mode=None
    )
    root.add_typer(group, name="profiles")
    command(group, "list")(list_profiles)
    command(group, "show")(show_profile)
    command(group, "use")(use_profile)
    command(group, "rename")(rename_profile)
    command(group, "remove")(remove_profile)


def list_profiles(app: App) -> None:
    """List the profiles."""
    from opbx_cli.operations.profiles import ProfileDetail, ProfileList, listed

    if app.is_storeless:
        only = ProfileDetail(profile=None, is_default=False, settings=app.settings.settings)
        app.ui.show(ProfileList(default=None, profiles=(only,)))
        return
    contents = app.store.read()
    app.warn_of_store()
    app.ui.show(listed(contents))


def show_profile(
    app: App,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The profile; else the default one.")
    ] = None,
    *,
    origin: Annotated[
        bool, typer.Option("--origin", help="Show where each value comes from.")
    ] = False,
) -> None:
    """Show one profile, its keys masked."""
    from opbx_cli.operations.profiles import ProfileDetail

    if name is not None:
        app.name_profile(name)
    active = app.settings
    app.ui.show(
        ProfileDetail(
            profile=active.profile,
            is_default=active.is_default,
            settings=active.settings,
            origins=active.origins if origin else None,
        )
    )


def use_profile(app: App, name: Name) -> None:
    """Make a profile the default one."""
    from opbx_cli.operations import profiles

    checked = app.name_profile(name)
    _change(app, lambda contents: profiles.use(contents, checked), f"'{name}' is the default now.")


def rename_profile(
    app: App,
    old: Annotated[str, typer.Argument(metavar="OLD", help="Its name now.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its name from now on.")],
) -> None:
    """Give a profile another name."""
    from opbx_cli import settings, values
    from opbx_cli.operations import profiles

    before = app.name_profile(old)
    after = settings.checked(values.parse_profile_name, new, "the profile's new name")
    _change(
        app,
        lambda contents: profiles.rename(contents, before, after),
        f"'{old}' is called '{new}' now.",
    )


def remove_profile(
    app: App,
    name: Name,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove a profile and its keys from the store. Cloudonix is not changed."""
    from opbx_cli.operations import profiles

    checked = app.name_profile(name)
    profiles.find(app.store.read(), checked)
    if not yes:
        if not app.may_ask:
            raise UsageError(
                "removing a profile needs a yes",
                hint=f"`opbx profiles remove {name} --yes`",
                code="usage.wants_yes",
            )
        if not app.prompts.confirm(f"Remove profile '{name}' and its keys from this computer?"):
            raise UsageError("not confirmed: nothing was removed", code="usage.declined")
    after = _change(
        app,
        lambda contents: profiles.remove(contents, checked),
        f"Profile '{name}' was removed; Cloudonix was not changed.",
    )
    if after.default is None and after.profiles:
        app.ui.notice("There is no default profile now: `opbx profiles use NAME` chooses one.")


def _change(
    app: App, change: Callable[[StoreContents], StoreContents], sentence: str
) -> ProfileList:
    from opbx_cli.operations.profiles import ProfileChange, listed

    after = listed(app.store.update(change).contents)
    app.warn_of_store()
    app.ui.show(ProfileChange(sentence, after))
    return after
