"""The table of error codes: complete and true."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from opbx_cli import errors
from opbx_cli.cli import child
from opbx_cli.error_codes import ErrorCode

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "opbx_cli"
CLASSES = {
    name: kind
    for module in (errors, child)
    for name, kind in inspect.getmembers(module, inspect.isclass)
    if issubclass(kind, errors.OpbxError)
}


def mentions() -> dict[str, list[str]]:
    """Return where each code is named in the source, beside the table."""
    found: dict[str, list[str]] = {code.name: [] for code in ErrorCode}
    for path in SOURCE.rglob("*.py"):
        if path.name == "error_codes.py":
            continue
        for name in re.findall(r"\bErrorCode\.([A-Z_]+)", path.read_text(encoding="utf-8")):
            found[name].append(path.name)
    return found


def test_each_code_is_raised_somewhere() -> None:
    assert [name for name, places in mentions().items() if not places] == []


def test_no_code_is_written_out_beside_the_table() -> None:
    values = {code.value for code in ErrorCode if "." in code.value}
    for path in SOURCE.rglob("*.py"):
        if path.name == "error_codes.py" or "sandbox" in path.parts:
            continue
        texts = {
            node.value
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert texts & values == set(), path


def raised() -> list[tuple[str, str]]:
    """Return the class and the code of each error that is made with both in one place."""
    pairs = []
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            for keyword in node.keywords:
                code = ast.unparse(keyword.value)
                if keyword.arg == "code" and re.fullmatch(r"ErrorCode\.[A-Z_]+", code):
                    pairs.append((node.func.id, code.removeprefix("ErrorCode.")))
    return sorted(set(pairs))


@pytest.mark.parametrize(("kind", "code"), [one for one in raised() if one[0] in CLASSES])
def test_the_exit_code_is_the_one_of_the_class_that_is_raised(kind: str, code: str) -> None:
    assert CLASSES[kind].exit_code in ErrorCode[code].exit_codes


@pytest.mark.parametrize("kind", CLASSES.values(), ids=lambda kind: kind.__name__)
def test_each_class_has_its_own_code_with_its_exit_code(kind: type[errors.OpbxError]) -> None:
    assert kind.exit_code in kind.default_code.exit_codes


@pytest.mark.parametrize("code", ErrorCode, ids=lambda code: code.value)
def test_each_code_says_what_it_means_and_what_cures_it(code: ErrorCode) -> None:
    for sentence in (code.meaning, code.cure):
        assert sentence
        assert not sentence.endswith(".")
        assert "|" not in sentence
