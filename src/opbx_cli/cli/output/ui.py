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
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, TextIO

import typer

from opbx_cli.cli.output import REPORTS, report_of, runners, view_of
from opbx_cli.cli.output.terminals import fitted, is_for_people, is_terminal, wants_colour
from opbx_cli.errors import OpbxError
from opbx_cli.values import clean

if TYPE_CHECKING:  # only types, and every command loads this module
    from opbx_cli.cli.output.parts import Json, View


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
        self.environ = environ
        self.is_quiet = quiet
        self.is_verbose = verbose
        self.waits_for = ""  # who is asked, for a wheel that turns for long
        self._told: OpbxError | None = None
        self._muted: set[str] = set()
        self._held: list[str] | None = None

    @property
    def can_prompt(self) -> bool:
        return is_terminal(sys.stdin) and is_terminal(sys.stderr)

    @property
    def has_lost_stdout(self) -> bool:
        """Tell whether nobody sees what is shown from now on."""
        return "stdout" in self._muted or sys.stdout is None

    @property
    def is_rich(self) -> bool:
        """Tell whether the answer goes to a person: text on a terminal."""
        return self.output == "text" and is_for_people(sys.stdout, self.environ)

    def show(self, result: object) -> None:
        """Show a command's result in the chosen form."""
        for warning in getattr(result, "warnings", ()):
            self.warn(warning)
        view = view_of(result)
        if self.output == "json":
            self.write(self.document(view.document, self.warnings, indent=2))
        else:
            self.write(self.reports([view]) if self.is_report else self.text(view))

    @property
    def is_report(self) -> bool:
        """Tell whether the answer is one report at the end, for a CI job."""
        return self.output in REPORTS

    def reports(self, views: Sequence[View]) -> str:
        """Return views as the report that was asked for."""
        return report_of(views, self.output)

    def text(self, view: View, *, follows: bool = False) -> str:
        """Return a view for whoever reads text: a terminal, CSV, or lines.

        `follows`: another one of its kind was shown before.
        """
        if self.is_rich:
            # 45 ms: rich, for a terminal alone.
            from opbx_cli.cli.output import terminal  # noqa: PLC0415

            return terminal.render(view, self.environ)
        # 3 ms that a bare line and an error do without.
        from opbx_cli.cli.output import lines  # noqa: PLC0415

        if self.output == "csv":
            return lines.csv_of(view, follows=follows)
        return "".join(f"{line}\n" for line in lines.lines_of(view))

    @staticmethod
    def document(content: Json, warnings: Sequence[str], *, indent: int | None = None) -> str:
        """Return a JSON document with its warnings, on one line unless `indent` says otherwise."""
        return _json({**content, "warnings": [*warnings]}, indent=indent)

    def print_text(self, text: str) -> None:
        """Show a text that is the answer as it stands."""
        self._write("stdout", text)

    def show_line(self, line: str) -> None:
        """Show a bare line, on a terminal or not, and whatever format errors shall have."""
        self.say_warnings()
        self.write(f"{line}\n")

    def say_warnings(self) -> None:
        """Say the warnings of a bare line, which has no document to carry them."""
        if self.output == "json":
            for warning in self.warnings:
                self.say_warning(warning)

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

    def warn(self, sentence: str) -> None:
        """Warn once, whatever `-q` says; in JSON it becomes part of the document."""
        if sentence in self.warnings:
            return
        self.warnings.append(sentence)
        if self.output != "json":
            self.say_warning(sentence)

    def take_warnings(self) -> tuple[str, ...]:
        """Return the warnings so far; the next document is without them."""
        taken = tuple(self.warnings)
        self.warnings = []
        return taken

    def say_warning(self, sentence: str) -> None:
        """Say a warning now, be it for the first time or not."""
        self._annotate("warning", sentence)
        self._say("warning", sentence, typer.colors.YELLOW)

    def notice(self, sentence: str) -> None:
        if not self.is_quiet and self.output != "json":
            self._write("stderr", f"{fitted(sentence)}\n")

    def note(self, document: str) -> None:
        """Show a notice that JSON has as a document."""
        self._write("stderr", document)

    def pass_on(self, line: str) -> None:
        """Show what another opbx said on its stderr, be it a notice or a warning."""
        self._write("stderr", f"{fitted(line)}\n")

    def trace(self, line: str) -> None:
        if self.is_verbose:
            self._write("stderr", f"{line}\n")

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Turn a wheel on a terminal while something takes its time."""
        if self.is_quiet or self.is_verbose or not self.is_rich or not is_terminal(sys.stderr):
            yield
            return
        with self._progress(what, None):
            yield

    @contextmanager
    def counting(self, what: str, total: int) -> Iterator[Callable[[], None]]:
        """Show a bar on a terminal; what is called moves it on by one.

        Where the answer goes to a terminal too, it is held back until the bar is gone.
        """
        if self.is_quiet or self.is_verbose or self.output == "json" or not is_terminal(sys.stderr):
            yield lambda: None
            return
        held: list[str] = []
        self._held = held if self.is_rich else None
        try:
            with self._progress(what, total) as advance:
                yield advance
        finally:
            self._held = None
            self.write("".join(held))

    def _progress(self, what: str, total: int | None) -> AbstractContextManager[Callable[[], None]]:
        # 45 ms: rich, for a terminal alone.
        from opbx_cli.cli.output.progress import progress  # noqa: PLC0415

        return progress(what, total, self.environ, lambda: self.waits_for)

    def told(self, error: OpbxError) -> OpbxError:
        """Return an error whose sentence the answer had: a terminal needs its hint alone."""
        if self.is_rich and not self.has_lost_stdout and is_terminal(sys.stderr):
            self._told = error
        return error

    def fail(self, error: OpbxError) -> None:
        """Show an error: one document in JSON, else what failed and what to do."""
        if self.environ.get("OPBX_DEBUG") == "1":
            self._write("stderr", stack(error))
        self._annotate("error", f"{error.message} ({error.hint})" if error.hint else error.message)
        if self.output == "json":
            content: Json = {"error": error.as_object()}
            if self.warnings:
                content["warnings"] = self.warnings
            self._write("stderr", _json(content))
            return
        if error is not self._told:
            is_brief = is_terminal(sys.stderr) and not self.is_verbose
            message = error.message_for_people if is_brief else error.message
            self._say("error", message, typer.colors.RED)
        if error.hint:
            self._say("hint", error.hint, typer.colors.CYAN)

    def write(self, text: str) -> None:
        """Write a part of the answer to stdout."""
        self._write("stdout", text)

    def flush(self) -> None:
        self._write("stdout", "")
        self._write("stderr", "")

    def _annotate(self, kind: str, sentence: str) -> None:
        """Have GitHub Actions show it with the job, too (workflow commands, on stderr).

        Not with JSON: stderr is one document then.
        """
        if self.output != "json" and runners.reads_commands(self.environ):
            self._put("stderr", runners.annotation(kind, sentence))

    def _say(self, label: str, sentence: str, colour: str) -> None:
        styled = label
        if wants_colour(sys.stderr, self.environ):
            styled = typer.style(label, fg=colour, bold=True)
        rest = fitted(f"{label}: {clean(sentence)}").removeprefix(label)
        self._write("stderr", f"{styled}{rest}\n")

    def _write(self, name: str, text: str) -> None:
        """Write text that may be a server's: where a runner takes commands, it is none."""
        if runners.reads_commands(self.environ):
            text = runners.without_commands(text, self.output)
        self._put(name, text)

    def _put(self, name: str, text: str) -> None:
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
    lines = []
    cause: BaseException | None = error
    while cause is not None:
        lines += traceback.format_tb(cause.__traceback__)
        lines.append(f"{type(cause).__module__}.{type(cause).__qualname__}\n")
        cause = cause.__cause__ or cause.__context__
    return "".join(lines)


def _json(content: Json, *, indent: int | None = None) -> str:
    # 2 ms that text does without.
    from opbx_cli.cli.output.documents import json_of  # noqa: PLC0415

    return json_of(content, indent=indent)


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
