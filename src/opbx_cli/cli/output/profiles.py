"""Stored profiles: a list, one in full, what was saved; and the audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opbx_cli.cli.output.parts import Column, Fields, Json, Row, Sentences, Table, View
from opbx_cli.cli.output.text import plain, shown
from opbx_cli.operations.configure import Saved
from opbx_cli.operations.history import HistoryList
from opbx_cli.operations.manifest_export import ProfileExport
from opbx_cli.operations.profiles import ProfileChange, ProfileDetail, ProfileList
from opbx_cli.settings.table import SETTING_NAMES

if TYPE_CHECKING:
    from opbx_cli.store.audit_log import AuditEvent

COLUMNS = (
    Column("profile"),
    Column("default", " ", may_wrap=False),
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
    return View(_document(result), (Fields(_fields(result)),))


def saved_view(result: Saved) -> View:
    return View(_document(result.detail), (Sentences(_saved_lines(result)),))


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
    rows = tuple(map(_history_row, result.entries))
    table = Table(HISTORY_COLUMNS, rows, empty="Nothing was changed yet.")
    entries = [entry.as_object() for entry in result.entries]
    return View({"schema": "opbx.history/1", "entries": entries}, (table,))


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


def _fields(result: ProfileDetail) -> tuple[Row, ...]:
    """Return name, value, and the origin if that was asked for."""
    rows: list[Row] = [("profile", result.profile or "")]
    rows += [(name, shown(getattr(result.settings, name), empty="")) for name in SETTING_NAMES]
    if result.origins is None:
        return tuple(rows)
    return tuple((*row, result.origins.get(row[0], "")) for row in rows)


def _row(entry: ProfileDetail) -> Row:
    return (
        entry.profile or "",
        "default" if entry.is_default else "",
        entry.settings.domain_uuid or "",
        entry.settings.domain_name or "",
    )


def _saved_lines(result: Saved) -> tuple[str, ...]:
    """Say what was saved, where, and what to run next."""
    settings, name = result.detail.settings, result.detail.profile
    option = "" if result.detail.is_default else f" --profile {name}"
    following = f"Next: opbx validate{option}"
    if not result.changed:
        return (f"Profile '{name}' in {result.path} is as it was: nothing to save.", following)
    return (
        f"Saved {'new ' if result.is_new else ''}profile '{name}':",
        *(f"  {setting}: {shown(getattr(settings, setting))}" for setting in result.changed),
        f"Store: {result.path}",
        following,
    )


def _history_row(entry: AuditEvent) -> Row:
    changed = ", ".join(
        f"{name} ({' → '.join(part or 'none' for part in entry.fingerprints[name])})"
        if name in entry.fingerprints
        else name
        for name in entry.changed
    )
    return (entry.time, entry.command, entry.profile or "", entry.result, changed)
