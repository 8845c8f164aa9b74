"""The tables of promises name tests that assert something, and every test stands in one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import opbx_cli

ROOT = Path(__file__).parent.parent


def rows(page: str, head: str) -> list[tuple[str, str]]:
    """Return the rows of the one table of a page whose first column has this head."""
    text = (ROOT / page).read_text(encoding="utf-8")
    table = re.search(rf"^\| {head} \| .+\n\| --- \| --- \|\n((?:\|.+\n)+)", text, re.MULTILINE)
    assert table, page
    return re.findall(r"^\| (.+?) \| (.+?) \|$", table[1], re.MULTILINE)


def named(proof: str) -> list[str]:
    return re.findall(r"`(tests/[a-z_/]+\.py)`", proof)


PAGES = ("SECURITY.md", "docs/testing.md")
ROWS = [row for page in PAGES for row in rows(page, "promise")]


@pytest.mark.parametrize("page", PAGES)
def test_the_table_has_its_rows(page: str) -> None:
    found = rows(page, "promise")
    assert len(found) > 20
    assert len({promise for promise, _proof in found}) == len(found)


@pytest.mark.parametrize(("promise", "proof"), ROWS, ids=[promise[:40] for promise, _ in ROWS])
def test_each_promise_has_tests(promise: str, proof: str) -> None:
    files = named(proof)
    assert files, promise
    for name in files:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert re.search(r"^(?:def test_|Test)", text, re.MULTILINE), name
        assert "assert " in text, name


def test_every_file_of_tests_stands_behind_a_promise() -> None:
    files = {str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py")}
    proving = {name for _promise, proof in ROWS for name in named(proof)}
    assert files - proving == set(), "each wants a row of SECURITY.md or docs/testing.md"


def test_the_version_at_work_is_a_supported_one() -> None:
    newest, older = rows("SECURITY.md", "version")
    assert newest[0] == opbx_cli.__version__.rpartition(".")[0]
    assert newest[1].startswith("yes")
    assert older[0] == "older"
