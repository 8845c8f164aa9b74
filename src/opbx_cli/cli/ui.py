"""Everything that reaches a screen or a pipe goes through here.

stdout carries the answer and nothing else; stderr carries prompts, progress, warnings
and errors. What a result says is decided in its view (`output`), and how that looks by the
renderers: `output.lines` off a terminal, `output.terminal` on one.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import typer

from opbx_cli.cli.output import view_of
from opbx_cli.cli.terminals import fitted, is_terminal, wants_colour
from opbx_cli.errors import OpbxError

if TYPE_CHECKING:
    from opbx_cli.cli.output.parts import View
    from opbx_cli.operations.batch import Tally
    from opbx_cli.operations.steps import Report, Step
    from opbx_cli.receiver.callback import Callback


class Ui:
    """One command's output."""

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        output: str = "text",
        quiet: bool = False,
        verbose: bool = False,
    ) -> None:
        self.output = output
        self.warnings: list[str] = []
        self.output_problem: OSError | None = None
        self._environ = environ
        self._quiet = quiet
        self._verbose = verbose
        self._muted: set[str] = set()
        self._held: list[str] | None = None

    @property
    def can_prompt(self) -> bool:
        return is_terminal(sys.stdin) and is_terminal(sys.stderr)

    @property
    def is_rich(self) -> bool:
        """Tell whether the answer goes to a person: text on a terminal."""
        return self.output == "text" and is_terminal(sys.stdout)

    def show(self, result: object) -> None:
        """Show a command's result in the chosen form."""
        for warning in getattr(result, "warnings", ()):
            self.warn(warning)
        self._show_view(view_of(result), indent=2)

    def _show_view(self, view: View, *, indent: int | None = None) -> None:
        if self.output == "json":
            self._write("stdout", self._document(view, self.warnings, indent=indent))
        else:
            self._write("stdout", self._text(view))

    def _text(self, view: View) -> str:
        """Return a view for whoever reads text: CSV, a terminal, or lines."""
        if self.output == "csv":
            from opbx_cli.cli.output.lines import csv_of

            return csv_of(view)
        if self.is_rich:
            from opbx_cli.cli.output.terminal import render

            return render(view, self._environ)
        from opbx_cli.cli.output.lines import lines_of

        return "".join(f"{line}\n" for line in lines_of(view))

    @staticmethod
    def _document(view: View, warnings: list[str], *, indent: int | None = None) -> str:
        from opbx_cli.cli.output.documents import json_of

        return json_of({**view.document, "warnings": warnings}, indent=indent)

    def show_line(self, line: str) -> None:
        """Show a bare line, on a terminal or not, and whatever format errors shall have."""
        self.say_warnings()
        self._write("stdout", f"{line}\n")

    def say_warnings(self) -> None:
        """Say the warnings of a bare line, which has no document to carry them."""
        if self.output == "json":
            for warning in self.warnings:
                self._say("warning", warning, typer.colors.YELLOW)

    def hand_out(self, line: str) -> None:
        """Write a bare line that must not be lost, at once and down to a file's disk.

        OSError where it did not arrive. The warnings are for `say_warnings`, afterwards.
        """
        stream = sys.stdout
        if stream is None or "stdout" in self._muted:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        status = _file_status(stream)
        if status is not None and status.st_mode & (stat.S_IRGRP | stat.S_IROTH):
            self.warn(
                "others can read the file that stdout goes to "
                f"(mode {stat.S_IMODE(status.st_mode):04o}), and so the key: "
                "--to-file PATH makes a file for you alone"
            )
        try:
            _write_whole(stream, f"{line}\n")
            if status is not None:
                os.fsync(stream.fileno())
        except OSError:
            self._muted.add("stdout")
            _discard(stream)
            raise

    def step(self, step: Step) -> None:
        """Show one step of `validate` as it ends; JSON waits for the whole report."""
        if self.output != "json":
            self._write("stdout", self._text(view_of(step)))

    def show_report(self, report: Report) -> None:
        """Show how a validation ended; that another webhook key is in force comes last."""
        from opbx_cli.cli.output.validate import key_warning

        warning = key_warning(report)
        if warning is not None and self.output == "json":
            self.warn(warning)
        self.show(report)
        if warning is not None and self.output != "json" and not self.is_rich:
            self.warn(warning)

    def show_one_of_many(self, report: Report) -> None:
        """Show one profile's validation: a line of JSON, or a block of text; warnings with it."""
        from opbx_cli.cli.output.validate import key_warning, one_of_many_view

        view, last = one_of_many_view(report), key_warning(report)
        if self.output == "json":
            found = [*self.warnings, *report.warnings, *([last] if last else [])]
            self._write("stdout", self._document(view, found))
            return
        for warning in report.warnings:
            self._say("warning", f"{report.profile}: {warning}", typer.colors.YELLOW)
        self._write("stdout", self._text(view))
        if last is not None:
            self._say("warning", f"{report.profile}: {last}", typer.colors.YELLOW)

    def show_callback(self, callback: Callback) -> bool:
        """Show one callback as one line; False when nobody sees it: stdout is gone."""
        if self.output == "json":
            from opbx_cli.cli.output.callbacks import callback_document
            from opbx_cli.cli.output.documents import json_of

            # It has no end to tell them at: each goes with the callback that it came before.
            content = {**callback_document(callback), "warnings": [*self.warnings]}
            self.warnings.clear()
            self._write("stdout", json_of(content))
        elif self.is_rich:
            from opbx_cli.cli.output.terminal import callback_line

            self._write("stdout", callback_line(callback, self._environ) + "\n")
        else:
            from opbx_cli.cli.output.callbacks import callback_row
            from opbx_cli.cli.output.lines import tabbed

            self._write("stdout", tabbed(callback_row(callback)) + "\n")
        return "stdout" not in self._muted and sys.stdout is not None

    def show_beside(self, result: object) -> None:
        """Show a result on stderr, as a notice: stdout has callbacks and nothing else."""
        for warning in getattr(result, "warnings", ()):
            self.warn(warning)
        view = view_of(result)
        if self.output != "json":
            from opbx_cli.cli.output.lines import lines_of

            for line in lines_of(view):
                self.notice(line)
        elif not self._quiet:
            self._write("stderr", self._document(view, [*self.warnings]))
            self.warnings.clear()

    def show_tally(self, tally: Tally) -> None:
        """End the text with one sentence; lines of JSON have nothing behind them."""
        if self.output != "json":
            from opbx_cli.cli.output.validate import tally_sentence

            self._write("stdout", f"{tally_sentence(tally)}\n")

    def warn(self, sentence: str) -> None:
        """Warn once, whatever `-q` says; in JSON it becomes part of the document."""
        if sentence in self.warnings:
            return
        self.warnings.append(sentence)
        if self.output != "json":
            self._say("warning", sentence, typer.colors.YELLOW)

    def notice(self, sentence: str) -> None:
        if not self._quiet and self.output != "json":
            self._write("stderr", f"{fitted(sentence)}\n")

    def pass_on(self, line: str) -> None:
        """Show what another opbx said on its stderr, be it a notice or a warning."""
        self._write("stderr", f"{fitted(line)}\n")

    def trace(self, line: str) -> None:
        if self._verbose:
            self._write("stderr", f"{line}\n")

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Turn a wheel on a terminal while something takes its time."""
        if self._quiet or self._verbose or not self.is_rich or not is_terminal(sys.stderr):
            yield
            return
        from opbx_cli.cli.output.terminal import wheel

        with wheel(what, self._environ):
            yield

    @contextmanager
    def counting(self, what: str, total: int) -> Iterator[Callable[[], None]]:
        """Show a bar on a terminal; what is called moves it on by one.

        Where the answer goes to a terminal too, it is held back until the bar is gone.
        """
        if self._quiet or self._verbose or self.output == "json" or not is_terminal(sys.stderr):
            yield lambda: None
            return
        from opbx_cli.cli.output.terminal import bar

        held: list[str] = []
        self._held = held if self.is_rich else None
        try:
            with bar(what, total, self._environ) as advance:
                yield advance
        finally:
            self._held = None
            self._write("stdout", "".join(held))

    def fail(self, error: OpbxError) -> None:
        """Show an error: one document in JSON, else what failed and what to do."""
        if self._environ.get("OPBX_DEBUG") == "1":
            self._write("stderr", stack(error))
        if self.output == "json":
            from opbx_cli.cli.output.documents import json_of

            content: dict[str, object] = {"error": error.as_object()}
            if self.warnings:
                content["warnings"] = self.warnings
            self._write("stderr", json_of(content))
            return
        self._say("error", error.message, typer.colors.RED)
        if error.hint:
            self._say("hint", error.hint, typer.colors.CYAN)

    def flush(self) -> None:
        self._write("stdout", "")
        self._write("stderr", "")

    def _say(self, label: str, sentence: str, colour: str) -> None:
        from opbx_cli.values import clean

        styled = label
        if wants_colour(sys.stderr, self._environ):
            styled = typer.style(label, fg=colour, bold=True)
        rest = fitted(f"{label}: {clean(sentence)}").removeprefix(label)
        self._write("stderr", f"{styled}{rest}\n")

    def _write(self, name: str, text: str) -> None:
        """Write now; a reader who went away (`| head`) does not stop the work.

        Any other failure (a full disk) is kept for the end, so that work half done is
        finished and then reported.
        """
        stream: TextIO | None = getattr(sys, name)
        if name in self._muted:
            return
        if name == "stdout" and self._held is not None:
            self._held.append(text)
            return
        if stream is None:  # closed before we started, as in `opbx … >&-`
            if text and name == "stdout":
                self.lose(name, OSError(errno.EBADF, os.strerror(errno.EBADF)))
            return
        try:
            stream.write(text)
            stream.flush()
        except OSError as error:
            self.lose(name, error)

    def lose(self, name: str, error: OSError) -> None:
        """Write no more to a stream that failed."""
        self._muted.add(name)
        if not isinstance(error, BrokenPipeError):
            self.output_problem = error
        _discard(getattr(sys, name))


def stack(error: BaseException) -> str:
    """Return where an error came from: places and types, no values and no messages.

    The message of a foreign exception may quote a value that nobody expected there.
    """
    import traceback

    lines = []
    cause: BaseException | None = error
    while cause is not None:
        lines += traceback.format_tb(cause.__traceback__)
        lines.append(f"{type(cause).__module__}.{type(cause).__qualname__}\n")
        cause = cause.__cause__ or cause.__context__
    return "".join(lines)


def _file_status(stream: TextIO) -> os.stat_result | None:
    """Return the status of the regular file that a stream goes to, None for anything else."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # not a file of the system's
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _write_whole(stream: TextIO, text: str) -> None:
    """Write all of it: without a buffer (PYTHONUNBUFFERED) Python leaves out what did not fit."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # not a file of the system's
        stream.write(text)
        return
    stream.flush()
    rest = text.encode()
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _discard(stream: TextIO | None) -> None:
    """Point the stream at nothing, so that the interpreter's last flush cannot fail."""
    if stream is None:
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return
