"""Stored profiles: a list, one in full, what was saved; and the audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opbx_cli.cli.output.parts import (
    Audience,
    Column,
    Fields,
    Json,
    Row,
    Sentences,
    Table,
    View,
)
from opbx_cli.cli.output.text import called, label_of, plain, shown
from opbx_cli.operations.configure import Saved
from opbx_cli.operations.history import HistoryList
from opbx_cli.operations.manifest_export import ProfileExport
from opbx_cli.operations.profiles import ProfileChange, ProfileDetail, ProfileList
from opbx_cli.settings.table import SETTING_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from opbx_cli.settings.table import Settings
    from opbx_cli.store.audit_log import AuditEvent

COLUMNS = (
    Column("profile"),
    Column("default", may_wrap=False),
    Column("domain_uuid", "DOMAIN UUID", priority=1, may_wrap=False),
    Column("domain_name"),
)
HISTORY_COLUMNS = (
    Column("time", "TIME (UTC)", may_wrap=False),
    Column("command", may_wrap=False),
    Column("profile", priority=1),
    Column("result", priority=2, may_wrap=False),
    Column("changed"),
)


def detail_view(result: ProfileDetail) -> View:
    parts = (
        Fields(_fields(result, for_people=one is Audience.PEOPLE), one)
        for one in (Audience.PROGRAMS, Audience.PEOPLE)
    )
    return View(_document(result), tuple(parts))


def saved_view(result: Saved) -> View:
    parts = (
        Sentences(_saved_lines(result, for_people=one is Audience.PEOPLE), audience=one)
        for one in (Audience.PROGRAMS, Audience.PEOPLE)
    )
    return View(_document(result.detail), tuple(parts))


def list_view(result: ProfileList) -> View:
    table = Table(COLUMNS, tuple(map(_row, result.profiles)), empty="No profiles.")
    return View(_list_document(result), (table,))


def change_view(result: ProfileChange) -> View:
    return View(_list_document(result.after), (Sentences((result.sentence,)),))


def export_view(result: ProfileExport) -> View:
    texts = result.manifest.splitlines() if result.file is None else [result.file]
    variables = [
        {"name": one.name, "profile": one.profile, "setting": one.setting}
        for one in result.variables
    ]
    document: Json = {
        "schema": "opbx.manifest/1",
        "manifest": result.manifest,
        "variables": variables,
        "file": result.file,
    }
    return View(document, (Sentences(tuple(texts)),))


def history_view(result: HistoryList) -> View:
    tables = (
        Table(
            HISTORY_COLUMNS, tuple(map(_history_row, result.entries)), audience=Audience.PROGRAMS
        ),
        Table(
            HISTORY_COLUMNS,
            tuple(map(_history_row_for_people, result.entries)),
            empty="Nothing was changed yet.",
            audience=Audience.PEOPLE,
        ),
    )
    entries = [entry.as_object() for entry in result.entries]
    return View({"schema": "opbx.history/1", "entries": entries}, tables)


def _document(result: ProfileDetail) -> Json:
    content: Json = {
        "schema": "opbx.profile/1",
        "profile": result.profile,
        "is_default": result.is_default,
        **{name: plain(getattr(result.settings, name)) for name in SETTING_NAMES},
    }
    if result.origins is not None:
        content["origins"] = {name: result.origins.get(name) for name in SETTING_NAMES}
    return content


def _list_document(result: ProfileList) -> Json:
    return {
        "schema": "opbx.profiles/1",
        "default": result.default,
        "profiles": [
            {
                "profile": entry.profile,
                "is_default": entry.is_default,
                "domain_uuid": entry.settings.domain_uuid,
                "domain_name": entry.settings.domain_name,
            }
            for entry in result.profiles
        ],
    }


def _fields(result: ProfileDetail, *, for_people: bool) -> tuple[Row, ...]:
    """Return name, value, and the origin if that was asked for."""
    rows: list[Row] = [("Profile" if for_people else "profile", result.profile or "")]
    rows += [
        _setting(result.settings, name, for_people=for_people, empty="") for name in SETTING_NAMES
    ]
    if result.origins is None:
        return tuple(rows)
    names = ("profile", *SETTING_NAMES)
    return tuple(
        (*row, result.origins.get(name, "")) for name, row in zip(names, rows, strict=True)
    )


def _setting(
    settings: Settings, name: str, *, for_people: bool, empty: str = "not set"
) -> tuple[str, str]:
    """Return what a setting is called, and its value."""
    label, unit = label_of(name) if for_people else (name, "")
    return label, shown(getattr(settings, name), unit, empty=empty)


def _row(entry: ProfileDetail) -> Row:
    return (
        entry.profile or "",
        "default" if entry.is_default else "",
        entry.settings.domain_uuid or "",
        entry.settings.domain_name or "",
    )


def _saved_lines(result: Saved, *, for_people: bool) -> tuple[str, ...]:
    """Say what was saved, where, and what to run next."""
    settings, name = result.detail.settings, result.detail.profile
    option = "" if result.detail.is_default else f" --profile {name}"
    following = f"Next: opbx validate{option}"
    if not result.changed:
        return (f"Profile '{name}' in {result.path} is as it was: nothing to save.", following)
    return (
        f"Saved {'new ' if result.is_new else ''}profile '{name}':",
        *(
            f"  {': '.join(_setting(settings, setting, for_people=for_people))}"
            for setting in result.changed
        ),
        f"Store: {result.path}",
        following,
    )


def _history_row_for_people(entry: AuditEvent) -> Row:
    time = entry.time.replace("T", " ").removesuffix("Z")
    return (time, *_history_row(entry, called)[1:])


def _history_row(entry: AuditEvent, name_of: Callable[[str], str] = str) -> Row:
    changed = ", ".join(
        f"{name_of(name)} ({' → '.join(part or 'none' for part in entry.fingerprints[name])})"
        if name in entry.fingerprints
        else name_of(name)
        for name in entry.changed
    )
    return (entry.time, entry.command, entry.profile or "", entry.result, changed)
