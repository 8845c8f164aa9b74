"""What the streams are connected to: a terminal or not, its width, its colours."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Mapping
from typing import TextIO

WIDTH_MIN = 20  # columns that are assumed at least: no terminal is narrower


def is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def width() -> int:
    """Return the columns of the terminal; `COLUMNS` counts where it makes sense."""
    return max(shutil.get_terminal_size().columns, WIDTH_MIN)


def wants_colour(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    """Follow NO_COLOR, then FORCE_COLOR, then whether a capable terminal is there."""
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return is_terminal(stream) and environ.get("TERM") != "dumb"


def fitted(sentence: str, *, indent: str = "") -> str:
    """Break between words on a terminal; elsewhere a sentence stays one line.

    `indent` is what the lines behind the first begin with.
    """
    if not is_terminal(sys.stderr):
        return sentence
    # Of the terminal that stderr is: stdout may be a pipe or another one.
    width = os.get_terminal_size(sys.stderr.fileno()).columns or 80
    return textwrap.fill(
        sentence, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
