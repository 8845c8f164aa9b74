"""What moves on a terminal while something takes its time: a wheel, or a bar for many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text


@contextmanager
def progress(
    what: str, total: int | None, environ: Mapping[str, str]
) -> Iterator[Callable[[], None]]:
    """Show a bar of `total` steps, of which each call is one; without a total, a wheel."""
    console = Console(stderr=True, no_color=bool(environ.get("NO_COLOR")))
    if total is None:
        with console.status(Text(what)):
            yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    # stdout is the answer's: rich would send it to stderr, where the bar is.
    with Progress(*columns, console=console, transient=True, redirect_stdout=False) as moving:
        task = moving.add_task(what, total=total)
        yield lambda: moving.advance(task)
