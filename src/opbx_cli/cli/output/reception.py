"""Showing what `webhook listen` takes in: callbacks on stdout, all else on stderr."""

from __future__ import annotations

from opbx_cli.cli.output import view_of
from opbx_cli.cli.output.callbacks import callback_document, callback_row
from opbx_cli.cli.output.lines import lines_of, tabbed
from opbx_cli.cli.output.ui import Ui
from opbx_cli.webhooks.receiver.callback import Callback


def show_callback(ui: Ui, callback: Callback) -> bool:
    """Show one callback as one line; False when nobody sees it: stdout is gone."""
    if ui.output == "json":
        # It has no end to tell them at: each goes with the callback that it came before.
        ui.write(ui.document(callback_document(callback), ui.take_warnings()))
    elif ui.is_rich:
        # 45 ms: rich, for a terminal alone.
        from opbx_cli.cli.output.terminal import callback_line  # noqa: PLC0415

        ui.write(callback_line(callback, ui.environ) + "\n")
    else:
        ui.write(tabbed(callback_row(callback)) + "\n")
    return not ui.has_lost_stdout


def show_beside(ui: Ui, result: object) -> None:
    """Show a result on stderr, as a notice: stdout has callbacks and nothing else."""
    for warning in getattr(result, "warnings", ()):
        ui.warn(warning)
    view = view_of(result)
    if ui.output != "json":
        for line in lines_of(view):
            ui.notice(line)
    elif not ui.is_quiet:
        ui.note(ui.document(view.document, ui.take_warnings()))
