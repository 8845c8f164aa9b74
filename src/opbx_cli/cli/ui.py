"""Everything that reaches a screen or a pipe goes through here.

stdout carries the answer and nothing else; stderr carries prompts, progress, warnings
and errors. What a result looks like is decided in `documents` (JSON), `text` (lines and
CSV, off a terminal) and `tables` (a terminal's width and colours).
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

from opbx_cli.errors import OpbxError

if TYPE_CHECKING:
    from opbx_cli.cli.results import ListeningAddress, Received
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
        return _is_terminal(sys.stdin) and _is_terminal(sys.stderr)

    @property
    def is_rich(self) -> bool:
        """Tell whether the answer goes to a person: text on a terminal."""
        return self.output == "text" and _is_terminal(sys.stdout)

    def show(self, result: object) -> None:
        """Show a command's result in the chosen form."""
        for warning in getattr(result, "warnings", ()):
            self.warn(warning)
        if self.output == "json":
            import json

            from opbx_cli.cli.documents import document

            content = {**document(result), "warnings": self.warnings}
            self._write("stdout", json.dumps(content, indent=2, allow_nan=False) + "\n")
        elif self.output == "csv":
            from opbx_cli.cli.text import csv_text

            self._write("stdout", csv_text(result))
        elif self.is_rich:
            from opbx_cli.cli.tables import render

            self._write("stdout", render(result, self._environ))
        else:
            from opbx_cli.cli.text import lines

            self._write("stdout", "".join(f"{line}\n" for line in lines(result)))

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
        if self.output == "json":
            return
        if self.is_rich:
            from opbx_cli.cli.tables import render_step

            self._write("stdout", render_step(step, self._environ))
        else:
            from opbx_cli.cli.text import step_line

            self._write("stdout", step_line(step) + "\n")

    def show_report(self, report: Report) -> None:
        """Show how a validation ended; that another webhook key is in force comes last."""
        from opbx_cli.cli.words import key_warning

        warning = key_warning(report)
        if warning is not None and self.output == "json":
            self.warn(warning)
        self.show(report)
        if warning is not None and self.output != "json" and not self.is_rich:
            self.warn(warning)

    def show_one_of_many(self, report: Report) -> None:
        """Show one profile's validation: a line of JSON, or a block of text; warnings with it."""
        from opbx_cli.cli.words import key_warning

        last = key_warning(report)
        if self.output == "json":
            import json

            from opbx_cli.cli.documents import document

            found = [*self.warnings, *report.warnings, *([last] if last else [])]
            content = {**document(report), "warnings": found}
            self._write("stdout", json.dumps(content, allow_nan=False) + "\n")
            return
        for warning in report.warnings:
            self._say("warning", f"{report.profile}: {warning}", typer.colors.YELLOW)
        if self.is_rich:
            from opbx_cli.cli.tables import render_one_of_many

            self._write("stdout", render_one_of_many(report, self._environ))
        else:
            from opbx_cli.cli.text import report_lines

            self._write("stdout", "".join(f"{line}\n" for line in report_lines(report)))
        if last is not None:
            self._say("warning", f"{report.profile}: {last}", typer.colors.YELLOW)

    def show_callback(self, callback: Callback) -> bool:
        """Show one callback as one line; False when nobody sees it: stdout is gone."""
        if self.output == "json":
            import json

            from opbx_cli.cli.documents import callback_document

            # It has no end to tell them at: each goes with the callback that it came before.
            content = {**callback_document(callback), "warnings": [*self.warnings]}
            self.warnings.clear()
            self._write("stdout", json.dumps(content, allow_nan=False) + "\n")
        elif self.is_rich:
            from opbx_cli.cli.tables import callback_line

            self._write("stdout", callback_line(callback, self._environ) + "\n")
        else:
            from opbx_cli.cli.text import callback_line as plain_line

            self._write("stdout", plain_line(callback) + "\n")
        return "stdout" not in self._muted and sys.stdout is not None

    def show_address(self, address: ListeningAddress) -> None:
        """Say where callbacks are taken: a notice, for stdout has callbacks and nothing else."""
        for warning in address.warnings:
            self.warn(warning)
        if self.output == "json":
            self._note_document(address)
            return
        from opbx_cli.cli.words import address_lines

        for line in address_lines(address):
            self.notice(line)

    def show_received(self, received: Received) -> None:
        """End with one sentence, also on stderr."""
        if self.output == "json":
            self._note_document(received)
            return
        from opbx_cli.cli.words import received_sentence

        self.notice(received_sentence(received))

    def _note_document(self, result: object) -> None:
        if not self._quiet:
            import json

            from opbx_cli.cli.documents import document

            content = {**document(result), "warnings": [*self.warnings]}
            self.warnings.clear()
            self._write("stderr", json.dumps(content) + "\n")

    def show_tally(self, tally: Tally) -> None:
        """End the text with one sentence; lines of JSON have nothing behind them."""
        if self.output != "json":
            from opbx_cli.cli.words import tally_sentence

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
        if self._quiet or self._verbose or not self.is_rich or not _is_terminal(sys.stderr):
            yield
            return
        from opbx_cli.cli.tables import wheel

        with wheel(what, self._environ):
            yield

    @contextmanager
    def counting(self, what: str, total: int) -> Iterator[Callable[[], None]]:
        """Show a bar on a terminal; what is called moves it on by one.

        Where the answer goes to a terminal too, it is held back until the bar is gone.
        """
        if self._quiet or self._verbose or self.output == "json" or not _is_terminal(sys.stderr):
            yield lambda: None
            return
        from opbx_cli.cli.tables import bar

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
            import json

            content: dict[str, object] = {"error": error.as_object()}
            if self.warnings:
                content["warnings"] = self.warnings
            self._write("stderr", json.dumps(content) + "\n")
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


def fitted(sentence: str, *, indent: str = "") -> str:
    """Break between words on a terminal; elsewhere a sentence stays one line.

    `indent` is what the lines behind the first begin with.
    """
    if not _is_terminal(sys.stderr):
        return sentence
    import textwrap

    # Of the terminal that stderr is: stdout may be a pipe or another one.
    width = os.get_terminal_size(sys.stderr.fileno()).columns or 80
    return textwrap.fill(
        sentence, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def wants_colour(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    """Follow NO_COLOR, then FORCE_COLOR, then whether a capable terminal is there."""
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return _is_terminal(stream) and environ.get("TERM") != "dumb"


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


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


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
