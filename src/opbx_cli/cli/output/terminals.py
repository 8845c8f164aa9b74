"""What the streams are connected to: a terminal or not, its width, its colours."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Mapping
from typing import TextIO

FORCE_TTY = "OPBX_FORCE_TTY"  # 1, or how many columns there are
WIDTH_MIN = 20  # columns that are assumed at least: no terminal is narrower


def is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def is_for_people(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    """Tell whether a person reads the stream, or is said to: `OPBX_FORCE_TTY`."""
    return is_terminal(stream) or environ.get(FORCE_TTY, "0") not in ("", "0")


def width(environ: Mapping[str, str]) -> int:
    """Return the columns of the terminal; `COLUMNS` counts where it makes sense."""
    forced = environ.get(FORCE_TTY, "")
    if forced.isascii() and forced.isdigit() and int(forced[:4]) >= WIDTH_MIN:
        return int(forced[:4])
    return max(shutil.get_terminal_size().columns, WIDTH_MIN)


def wants_colour(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    """Follow NO_COLOR, then FORCE_COLOR, then whether a capable terminal is there."""
    if environ.get("NO_COLOR"):
        return False
    forced = environ.get("FORCE_COLOR")
    if forced and forced != "0":
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
