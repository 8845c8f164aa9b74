"""What moves on a terminal while something takes its time: a wheel, or a bar for many."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

PATIENCE = 3.0  # seconds before a wheel says how long it turns


@contextmanager
def progress(
    what: str, total: int | None, environ: Mapping[str, str], waits_for: Callable[[], str]
) -> Iterator[Callable[[], None]]:
    """Show a bar of `total` steps, of which each call is one; without a total, a wheel.

    The wheel says before long how many seconds it turns, and for whom.
    """
    console = Console(stderr=True, no_color=bool(environ.get("NO_COLOR")))
    if total is None:
        with console.status(_Waiting(what, waits_for, time.monotonic())):
            yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    # stdout is the answer's: rich would send it to stderr, where the bar is.
    with Progress(*columns, console=console, transient=True, redirect_stdout=False) as moving:
        task = moving.add_task(what, total=total)
        yield lambda: moving.advance(task)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """What stands beside a wheel: rich asks for it anew each time that the wheel turns."""

    what: str
    waits_for: Callable[[], str]
    started: float

    def __rich__(self) -> Text:
        seconds = time.monotonic() - self.started
        if seconds < PATIENCE:
            return Text(self.what)
        name = self.waits_for()
        return Text(f"{self.what}: {seconds:.0f} s{f', waiting for {name}' if name else ''}")
