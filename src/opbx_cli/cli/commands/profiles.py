"""`opbx profiles`: what is stored, and its names."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from opbx_cli import settings, values
from opbx_cli.cli.app import App
from opbx_cli.cli.command import command
from opbx_cli.cli.output.delivery import ToFile
from opbx_cli.operations import profiles
from opbx_cli.operations.history import Deed, HistoryList
from opbx_cli.operations.manifest_export import export
from opbx_cli.operations.profiles import (
    ProfileChange,
    ProfileDetail,
    ProfileList,
    differences,
    keys_brought_back,
    listed,
)

if TYPE_CHECKING:  # only a type: it would load the store, which the storeless mode does without
    from opbx_cli.store import StoreContents

NAMES_SHOWN = 6

Name = Annotated[str, typer.Argument(metavar="NAME", help="The profile.")]


@command()
def list_profiles(app: App) -> None:
    """List the profiles."""
    if app.is_storeless:
        only = ProfileDetail(profile=None, is_default=False, settings=app.settings.settings)
        app.ui.show(ProfileList(default=None, profiles=(only,)))
        return
    contents = app.store.read()
    app.warn_of_store()
    app.ui.show(listed(contents))


@command()
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


@command()
def use_profile(app: App, name: Name) -> None:
    """Make a profile the default one."""
    checked = app.name_profile(name)
    _change(
        app,
        lambda contents: profiles.use(contents, checked),
        sentence=f"'{checked}' is the default now.",
        command_name="profiles use",
    )


@command()
def rename_profile(
    app: App,
    old: Annotated[str, typer.Argument(metavar="OLD", help="Its name now.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its name from now on.")],
) -> None:
    """Give a profile another name."""
    before = app.name_profile(old)
    after = settings.checked(values.parse_profile_name, new, "the profile's new name")
    _change(
        app,
        lambda contents: profiles.rename(contents, before, after),
        sentence=f"'{before}' is called '{after}' now.",
        command_name="profiles rename",
    )


@command()
def remove_profile(
    app: App,
    name: Name,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove a profile and its keys from the store. Cloudonix is not changed."""
    checked = app.name_profile(name)
    app.store.read().find(checked)
    app.confirm(
        f"Remove profile '{checked}' and its keys from this computer?",
        yes=yes,
        doing="removing a profile",
        hint=f"`opbx profiles remove {checked} --yes`",
    )
    after = _change(
        app,
        lambda contents: profiles.remove(contents, checked),
        sentence=f"Profile '{checked}' was removed; Cloudonix was not changed.",
        command_name="profiles remove",
    )
    if after.default is None and after.profiles:
        first = min(one.profile or "" for one in after.profiles)
        app.ui.notice(
            f"There is no default profile now; choose one, as in `opbx profiles use {first}`."
        )


@command()
def restore_profiles(
    app: App,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Bring back what was stored before the last save.

    Shows what differs first: names and settings, never values. What is stored now becomes
    the backup, so that running it again undoes it.
    """
    now, then = app.store.read(), app.store.previous()
    lines = differences(now, then)
    app.warn_of_store()
    if not lines:
        app.ui.show(ProfileChange("Both saves hold the same.", listed(app.store.read())))
        return
    for line in lines:
        app.ui.notice(line)
    for warning in keys_brought_back(now, then):
        app.ui.warn(warning)
    app.confirm(
        "Bring the previous save back?",
        yes=yes,
        doing="bringing the previous save back",
        hint="`opbx profiles restore --yes`",
    )
    after = listed(app.store.restore().contents)
    app.record(Deed("profiles restore", others=lines))
    app.ui.show(ProfileChange("The previous save is back.", after))


@command()
def export_profiles(
    app: App,
    *,
    to_file: Annotated[
        str | None,
        typer.Option("--to-file", metavar="PATH", help="Write it to a new file."),
    ] = None,
) -> None:
    """Print a manifest of the profiles, without their keys.

    opbx apply takes it. In place of each key a variable is named, which has to hold it then. With
    --profile it has that one alone. The default profile comes first, and is the default one
    again where the manifest makes a store.
    """
    file = None if to_file is None else ToFile(app.ui, to_file)
    contents = app.store.read()
    app.warn_of_store()
    name = app.profile_name
    chosen = contents.profiles if name is None else dict([contents.find(name)])
    result = export(chosen, first=contents.default_profile)
    if file is not None:
        file.write(result.manifest)
        result = replace(result, file=str(file.path))
    app.ui.show(result)
    names = values.listed((one.name for one in result.variables), NAMES_SHOWN)
    app.ui.notice(f"Variables for the keys: {names}.")


@command()
def show_history(app: App) -> None:
    """Show what was changed on this computer, and when. No value is kept.

    With --profile, what was changed in that profile.
    """
    name = app.profile_name
    trail = app.history.read()
    for problem in trail.problems:
        app.ui.warn(problem)
    entries = tuple(entry for entry in trail.entries if name is None or entry.profile == name)
    app.ui.show(HistoryList(entries))


def _change(
    app: App,
    change: "Callable[[StoreContents], StoreContents]",
    *,
    sentence: str,
    command_name: str,
) -> ProfileList:
    seen: list[StoreContents] = []

    def remember_and_change(contents: "StoreContents") -> "StoreContents":
        seen[:] = [contents]
        return change(contents)

    contents = app.store.update(remember_and_change).contents
    after = listed(contents)
    app.warn_of_store()
    others = differences(seen[0], contents)
    app.record(Deed(command_name, app.profile_name, others=others))
    app.ui.show(ProfileChange(sentence, after))
    return after
