"""SECURITY.md's tables: promises name tests that assert something, versions are ours."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import opbx_cli

ROOT = Path(__file__).parent.parent
SECURITY = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
PROMISES, VERSIONS = (
    re.search(rf"^\| {head} \| .+\n\| --- \| --- \|\n((?:\|.+\n)+)", SECURITY, re.MULTILINE)
    for head in ("promise", "version")
)


def rows(table: re.Match[str] | None) -> list[tuple[str, str]]:
    assert table
    return re.findall(r"^\| (.+?) \| (.+?) \|$", table[1], re.MULTILINE)


ROWS = rows(PROMISES)


def test_the_table_has_its_rows() -> None:
    assert len(ROWS) > 20
    assert len({promise for promise, _proof in ROWS}) == len(ROWS)


@pytest.mark.parametrize(("promise", "proof"), ROWS, ids=[promise[:40] for promise, _ in ROWS])
def test_each_promise_has_tests(promise: str, proof: str) -> None:
    files = re.findall(r"`(tests/[a-z_/]+\.py)`", proof)
    assert files, promise
    for name in files:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert re.search(r"^def test_", text, re.MULTILINE), name
        assert "assert " in text, name


def test_the_version_at_work_is_a_supported_one() -> None:
    newest, older = rows(VERSIONS)
    assert newest[0] == opbx_cli.__version__.rpartition(".")[0]
    assert newest[1].startswith("yes")
    assert older[0] == "older"
