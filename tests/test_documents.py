"""What the project's documents name exists."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest

import opbx_cli
from pages import PAGES, ROOT, name_of

DOCUMENTS = [*PAGES, ROOT / "SECURITY.md", ROOT / "CHANGELOG.md"]
# For those who carry opbx on: these name modules by their path below the package.
FOR_MAINTAINERS = [ROOT / "CONTRIBUTING.md", ROOT / "docs" / "architecture.md"]


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_file_that_is_named_is_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = re.findall(r"`((?:tests|docs|src)/[\w./-]+)`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("path", FOR_MAINTAINERS, ids=name_of)
def test_every_module_that_is_named_is_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)*\.(?:py|md|toml|json))`", text))
    starts = (ROOT, ROOT / "src" / "opbx_cli")
    assert [name for name in named if not any((start / name).exists() for start in starts)] == []


def test_the_changelog_has_the_version_at_work_below_what_is_to_come() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.+?)\](?: - (.+))?$", text, re.MULTILINE)
    assert headings[0] == ("Unreleased", "")
    assert headings[1][0] == opbx_cli.__version__
    assert all(datetime.date.fromisoformat(day) for _version, day in headings[1:])
