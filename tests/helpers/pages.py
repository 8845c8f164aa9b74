"""The pages that users read, and the code blocks in them.

A block in `sh` is run as it is printed. A comment in the line above it says otherwise, or says what
the block needs:

    <!-- not run: REASON -->
    <!-- run by tests/test_NAME.py -->
    <!-- run with: WORDS -->
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# What is read, and not run. Every other language is one of commands.
DATA = frozenset({"csv", "dockerfile", "ini", "json", "mermaid", "text", "toml", "xml", "yaml"})
# What a shell finds under the name `opbx`.
PROGRAM = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m opbx_cli "$@"\n'
WORDS = frozenset({"ci", "opbx", "profile", "terminal"})

_FENCE = re.compile(r"( *)```([\w-]*)$")
_MARK = re.compile(r" *<!-- (not run: |run by |run with: )(.+) -->$")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and what the comment above it says."""

    page: Path
    line: int
    language: str
    body: str
    mark: str = ""
    told: str = ""

    def __str__(self) -> str:
        return f"{name_of(self.page)}:{self.line}"

    @property
    def has_commands(self) -> bool:
        return self.language not in DATA

    @property
    def is_run(self) -> bool:
        """Tell whether the block runs as printed, in the order of its page."""
        return self.language == "sh" and self.mark in ("", "run with: ")

    @property
    def words(self) -> frozenset[str]:
        """What the block needs, in the words of `run with`."""
        is_told = self.mark == "run with: "
        return frozenset(re.split(r",? ", self.told)) if is_told else frozenset()


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page, in their order."""
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        if fence is None:
            number += 1
            continue
        start, end = number + 1, lines.index(f"{fence[1]}```", number + 1)
        body = "".join(line.removeprefix(fence[1]) + "\n" for line in lines[start:end])
        mark = _MARK.match(lines[number - 1]) if number else None
        yield Block(page, start, fence[2], body, *(mark.groups() if mark else ()))
        number = end + 1


def prose_of(page: Path) -> list[str]:
    """Return the lines of a page, those of its fenced blocks emptied."""
    prose, is_fenced = [], False
    for line in page.read_text(encoding="utf-8").splitlines():
        is_fence = line.lstrip().startswith("```")
        is_fenced ^= is_fence
        prose.append("" if is_fenced or is_fence else line)
    return prose


def anchors_of(page: Path) -> set[str]:
    """Return the names of a page's headings in links, as GitHub makes them."""
    headings = (line.lstrip("#") for line in prose_of(page) if re.match(r"#+ ", line))
    plain = (re.sub(r"[^\w\- ]", "", heading.strip().lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}
