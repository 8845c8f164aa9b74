"""The pages for whoever carries on name modules and files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = ("CONTRIBUTING.md", "docs/architecture.md")
NAMED = [
    (page, name)
    for page in PAGES
    for name in sorted(
        set(re.findall(r"`([a-z_]+(?:/[a-z_]+)*\.(?:py|md|toml|json))`", (ROOT / page).read_text()))
    )
]


@pytest.mark.parametrize(("page", "name"), NAMED, ids=str)
def test_a_named_file_exists(page: str, name: str) -> None:
    assert any((ROOT / start / name).exists() for start in ("", "src/opbx_cli")), page


@pytest.mark.parametrize("page", [*PAGES, "README.md", "SECURITY.md", "docs/keys.md"])
def test_a_link_to_a_file_leads_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text(encoding="utf-8"))
    for link in links:
        assert link.startswith("https://") or ((ROOT / page).parent / link).exists(), link
