"""Results as plain lines: tab-separated, unwrapped, uncut, without a header; and CSV."""

from __future__ import annotations

import csv
import io
from functools import singledispatch
from typing import TYPE_CHECKING

from opbx_cli.cli import words
from opbx_cli.cli.results import Demonstration, KeyFile, SandboxAddress
from opbx_cli.cli.status_text import status_cells
from opbx_cli.operations.call import CallResult
from opbx_cli.operations.configure import Saved
from opbx_cli.operations.history import HistoryList
from opbx_cli.operations.instance import Compared, Linked
from opbx_cli.operations.keys import KeyOverview, KeyRotation
from opbx_cli.operations.profiles import ProfileChange, ProfileDetail, ProfileList
from opbx_cli.operations.status import Status
from opbx_cli.operations.steps import Report, Step
from opbx_cli.operations.trunks import TrunkDetail, TrunkList
from opbx_cli.operations.webhook import WebhookUrl
from opbx_cli.operations.webhook_check import WebhookCheck
from opbx_cli.operations.webhook_key import RotatedKey
from opbx_cli.values import clean

if TYPE_CHECKING:
    from opbx_cli.receiver.callback import Callback


@singledispatch
def lines(result: object) -> list[str]:
    """Return a result's lines for a pipe or a file."""
    raise TypeError(f"{type(result).__name__} has no lines")


@lines.register
def _(result: WebhookUrl) -> list[str]:
    return [result.base_url]


@lines.register
def _(result: WebhookCheck) -> list[str]:
    return [
        _tabbed((check.id, check.result.value, check.seen, check.advice or ""))
        for check in result.checks
    ]


@lines.register
def _(result: TrunkList) -> list[str]:
    return [_tabbed(words.trunk_row(trunk)) for trunk in result.trunks]


@lines.register
def _(result: TrunkDetail) -> list[str]:
    return [_tabbed(row) for row in words.trunk_rows(result.trunk)]


@lines.register
def _(result: ProfileDetail) -> list[str]:
    return [_tabbed(row) for row in words.profile_rows(result)]


@lines.register
def _(result: Saved) -> list[str]:
    return words.saved_lines(result)


@lines.register
def _(result: ProfileList) -> list[str]:
    return [_tabbed(words.profile_row(entry)) for entry in result.profiles]


@lines.register
def _(result: ProfileChange) -> list[str]:
    return [result.sentence]


@lines.register
def _(result: SandboxAddress) -> list[str]:
    return result.export_lines


@lines.register
def _(result: CallResult) -> list[str]:
    return [_tabbed(words.delivery_row(one)) for one in result.placed.callbacks]


@lines.register
def _(result: Demonstration) -> list[str]:
    return [words.demonstrated(result)]


@lines.register
def _(result: RotatedKey) -> list[str]:
    return words.rotated_key_lines(result)


@lines.register
def _(result: KeyFile) -> list[str]:
    return [result.path]


@lines.register
def _(result: Linked) -> list[str]:
    return words.linked_lines(result)


@lines.register
def _(result: Compared) -> list[str]:
    return words.compared_lines(result)


@lines.register
def _(result: Status) -> list[str]:
    return [_tabbed(row) for row in status_cells(result)]


@lines.register
def _(result: KeyOverview) -> list[str]:
    return [_tabbed(words.key_row(key, result.opened_with)) for key in result.keys]


@lines.register
def _(result: KeyRotation) -> list[str]:
    return words.rotation_lines(result)


@lines.register
def _(result: HistoryList) -> list[str]:
    return [_tabbed(words.history_row(entry)) for entry in result.entries]


@lines.register
def _(result: Report) -> list[str]:
    return [words.closing(result)]


def report_lines(report: Report) -> list[str]:
    """Return one of many reports: what was done or is to be done, then how it ended."""
    name = report.profile or ""
    steps = [f"{name}\t{step_line(step)}" for step in words.noteworthy(report)]
    return [*steps, _tabbed((name, "result", report.result.value, words.closing(report)))]


def step_line(step: Step) -> str:
    changes = "; ".join(words.change_line(change) for change in step.changes)
    detail = f"{step.detail}: {changes}" if changes else step.detail
    return _tabbed((step.id.value, step.status.value, detail))


def callback_line(callback: Callback) -> str:
    return _tabbed(words.callback_row(callback))


def csv_text(result: object) -> str:
    """Return a list of trunks as CSV (RFC 4180) with a header."""
    assert isinstance(result, TrunkList)
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(words.TRUNK_COLUMNS)
    writer.writerows(map(words.trunk_row, result.trunks))
    return target.getvalue()


def _tabbed(cells: tuple[str, ...]) -> str:
    return "\t".join(clean(cell) for cell in cells)
