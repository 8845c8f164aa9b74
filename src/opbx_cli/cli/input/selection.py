"""`--all` and `--only`: which of many profiles a command is about."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated

import typer

from opbx_cli import settings
from opbx_cli.cli.app import App
from opbx_cli.errors import UsageError
from opbx_cli.settings import ActiveSettings
from opbx_cli.values import listed

if TYPE_CHECKING:
    from opbx_cli.settings.table import Settings
    from opbx_cli.store import StoreContents

Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only", metavar="NAME", help="Only this profile of many; * is any text; repeatable."
    ),
]

AllProfiles = Annotated[bool, typer.Option("--all", help="For every stored profile.")]


def selected(names: Iterable[str], only: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names that fit, in their order. Raises `UsageError` where nothing fits a NAME."""
    known = tuple(names)
    for number, pattern in enumerate(only or (), start=1):
        if not any(fnmatchcase(name, pattern) for name in known):
            near = get_close_matches(pattern, known, n=1)
            # What is nearly a profile's name is no key, so it may be shown; nothing else is.
            meant = f"; did you mean '{near[0]}'?" if near else ""
            which = "" if len(only or ()) == 1 else f" number {number}"
            raise UsageError(
                f"--only{which}: no profile has that name{meant}",
                hint=f"the profiles are {listed(known)}",
            )
    return tuple(n for n in known if not only or any(fnmatchcase(n, one) for one in only))


def only_words(only: Sequence[str] | None) -> str:
    """Return the options again, for a command line that does the same."""
    return "".join(f" --only {shlex.quote(pattern)}" for pattern in only or ())


def refuse_only(only: Sequence[str] | None) -> None:
    """Refuse it for a command that is about one profile."""
    if only:
        raise UsageError("--only belongs to --all; --profile NAME names one profile")


def stored_profiles(
    app: App, only: Sequence[str] | None
) -> tuple[StoreContents, Mapping[str, Settings]]:
    """Return what the store holds, and the profiles of it that `--all` is about."""
    app.refuse_profile("--all is about every stored profile")
    if app.is_storeless:
        raise UsageError(
            "--all is about the stored profiles, and the environment gives one of its own",
            hint="unset OPBX_DOMAIN_UUID and OPBX_DOMAIN_API_KEY",
        )
    contents = app.read_store()
    app.warn_of_store()
    contents.require_some()
    names = selected(contents.profiles, only)
    return contents, {name: contents.profiles[name] for name in names}


def active_settings(
    app: App, contents: StoreContents, chosen: Mapping[str, Settings]
) -> Mapping[str, ActiveSettings]:
    """Return the settings of stored profiles as a command works with them."""
    return {
        name: settings.stored_settings(
            found,
            profile=name,
            is_default=name == contents.default_profile,
            environ=app.environ,
        )
        for name, found in chosen.items()
    }
