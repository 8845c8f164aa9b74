"""The table of error codes: complete, true, and what the page about troubleshooting is made from.

`UPDATE_REFERENCE=1 pytest tests/test_error_codes.py` renews the page.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
from pathlib import Path

import pytest

from opbx_cli import errors
from opbx_cli.cli import child
from opbx_cli.error_codes import ErrorCode

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "opbx_cli"
PAGE = ROOT / "docs" / "troubleshooting.md"
CLASSES = {
    name: kind
    for module in (errors, child)
    for name, kind in inspect.getmembers(module, inspect.isclass)
    if issubclass(kind, errors.OpbxError)
}
HEAD = """# Troubleshooting

Every error has a code, which `--json` shows (`error.code`); scripts may be written against it. The
message says on which thing something failed, the hint is the next step. `opbx COMMAND -v` shows the
requests on stderr, keys masked, and `OPBX_DEBUG=1` where in the program an error came from.

## When you do not know what is wrong

<!-- run with: profile -->
```sh
opbx doctor
opbx doctor --bundle for-support.json
```

`opbx doctor` looks at the versions, the store and who can read it, which key opens it, the
profile, the audit trail, the way to the API (proxy, DNS, connection, certificate, this computer's
clock by the server's), and at what Cloudonix and a linked OPBX answer. Each check says what it saw
and what to do; the exit code is 1 if a check failed. `doctor` changes nothing and asks nothing, and
skips what only a passphrase opens.

`--bundle FILE` writes the same to a new file for whoever helps you. Names, paths and URLs are in
it; keys, masks and fingerprints are not. `opbx doctor --read FILE` shows such a file.

## Every error code

"""


def page() -> str:
    """Return what `docs/troubleshooting.md` has to be."""
    rows = ["| code | exit | what it means | what cures it |", "| --- | --- | --- | --- |"]
    for code in ErrorCode:
        exits = ", ".join(map(str, code.exit_codes))
        rows.append(f"| `{code.value}` | {exits} | {code.meaning} | {code.cure} |")
    return HEAD + "\n".join(rows) + "\n"


def test_the_page_is_made_from_the_table() -> None:
    if os.environ.get("UPDATE_REFERENCE"):
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page()


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
