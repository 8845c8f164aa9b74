"""SECURITY.md's table: each promise names tests that exist and assert something."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SECURITY = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (?!promise|---)(.+?) \| (.+?) \|$", SECURITY, re.MULTILINE)


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
