"""GitHub's runner takes commands from what a job prints: a server's text must not be one.

It takes a line that begins with `::`, white space in front of it aside, and `##[` anywhere in a
line (`ActionCommand.cs` in actions/runner). In one that may be remote, neither is left.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from opbx_cli.values import clean

_IN_FRONT = re.compile(r"^(\s*)::", re.MULTILINE)
_FIRST_CELL = re.compile(r"^\s*::[^,\r\n]*", re.MULTILINE)  # of CSV, where it has no quotes


def reads_commands(environ: Mapping[str, str]) -> bool:
    return environ.get("GITHUB_ACTIONS") == "true"


def annotation(kind: str, sentence: str) -> str:
    """Return the command that has GitHub show a sentence with the job."""
    return f"::{kind}::{clean(sentence).replace('%', '%25')}\n"


def without_commands(text: str, output: str) -> str:
    """Return an output's text without commands: JSON and CSV say the same, but for `##[` in CSV."""
    if output == "json":  # outside of its strings there is no such character
        return text.replace("##[", "##\\u005b")
    if output == "csv":
        text = _FIRST_CELL.sub(r'"\g<0>"', text)
    return _IN_FRONT.sub(r"\1:: ", text).replace("##[", "## [")
