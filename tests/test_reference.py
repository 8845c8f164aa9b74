"""The reference is made from the program, says what is so, and `man` reads it."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import declared
from opbx_cli.cli.topics import ENVIRONMENT, EXIT_CODES
from opbx_cli.error_codes import ErrorCode
from opbx_cli.settings.table import TABLE
from reference.documents import ABOUT, FIELDS, schemas
from reference.published import DOCS, FOLDERS, MANUAL, PAGES, files
from reference.tree import OTHER_CODES, root
from support import Opbx

SOURCE = DOCS.parent / "src" / "opbx_cli"
TESTS = Path(__file__).parent
MADE = files()
COMMANDS = [one for one in root().walk() if one.is_runnable]
MARKDOWN = sorted(PAGES.glob("*.md"))


def test_what_is_published_is_what_would_be_made_now() -> None:
    there = {path for folder in FOLDERS for path in folder.iterdir()}
    assert there <= {*MADE}, "these belong to nothing: `make reference` removes them"
    old = [
        path.name
        for path, text in MADE.items()
        if not path.exists() or path.read_bytes() != text.encode()
    ]
    assert old == [], "these are old: `make reference` renews them"


def test_neither_terminal_nor_language_has_a_part_in_it(tmp_path: Path, opbx: Opbx) -> None:
    machine = {"COLUMNS": "40", "LC_ALL": "C", "FORCE_COLOR": "1", "OPBX_FORCE_TTY": "1"}
    made = subprocess.run(
        [sys.executable, "-c", "from reference.published import files; print(ascii(files()))"],
        env={**opbx.process_environ(**machine), "PYTHONPATH": f"{TESTS}:{TESTS / 'helpers'}"},
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert made.stdout == f"{MADE!a}\n"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_names_exit_codes_and_documents_that_there_are(command: Any) -> None:
    assert command.formats
    assert all(command.endings.values()), command.endings
    assert {*command.documents} <= {*FIELDS}
    assert {*command.variables} <= {*ENVIRONMENT}


def test_each_document_and_each_exit_code_is_of_some_command() -> None:
    assert {*FIELDS} == {*ABOUT} == {name for one in COMMANDS for name in one.documents}
    codes = {code for one in COMMANDS for code in one.endings}
    assert codes == {*EXIT_CODES, *map(str, OTHER_CODES)}
    named = {code for one in ErrorCode for code in one.exit_codes}
    assert {str(code) for code in named} - {"143", "129"} <= codes


def test_the_list_of_variables_has_each_one_that_the_program_knows() -> None:
    named = {
        node.value
        for path in SOURCE.rglob("*.py")
        if "sandbox" not in path.relative_to(SOURCE).parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"(OPBX|CLOUDONIX)_[A-Z_]+[A-Z]|APP_URL", node.value)
    }
    assert named - {*ENVIRONMENT} == set()
    assert {row.variable for row in TABLE if row.variable} <= {*ENVIRONMENT}


@pytest.mark.parametrize(("name", "schema"), schemas().items(), ids=str)
def test_a_schema_is_one(name: str, schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(
    "document",
    [
        {"schema": "opbx.key-file/1", "file": "/x", "warnings": [], "more": 1},
        {"schema": "opbx.key-file/1", "file": None, "warnings": []},
        {"schema": "opbx.key-file/1", "file": "/x"},
        {"schema": "opbx.trunks/1", "profile": "a", "warnings": []},
        {"error": {"code": "usage", "message": "", "hint": None, "exit_code": 2}},
    ],
)
def test_a_document_of_another_shape_fails_the_test_that_sees_it(document: Any) -> None:
    with pytest.raises(AssertionError, match="is not as docs/schemas has it"):
        declared.check_document(document)


def test_an_exit_code_that_is_not_declared_fails_the_test_that_sees_it() -> None:
    with pytest.raises(AssertionError, match="no exit code 8"):
        declared.check(["-q", "profiles", "list"], 8)
    declared.check(["validate"], 8)


def test_the_documents_of_a_stream_are_found() -> None:
    one = '{"schema": "opbx.received/1"}'
    stream = f'notice\n{one}\n{{"other": 1}}\n{{\n  "schema": "opbx.x/1"\n}}\n{{"schema": "opbx.cu'
    assert [found["schema"] for found in declared.documents(stream)] == [
        "opbx.received/1",
        "opbx.x/1",
    ]


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: page.name)
def test_each_row_has_the_cells_of_its_table(page: Path) -> None:
    for table in re.findall(r"(?:^\|.*\n)+", page.read_text(encoding="utf-8"), re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1, table


def test_man_reads_every_page_without_a_warning() -> None:
    if shutil.which("man") is None or shutil.which("groff") is None:
        pytest.skip("man and groff are not installed (Debian: man-db, groff)")
    pages = sorted(MANUAL.glob("*.1"))
    assert len(pages) == len([*root().walk()])
    done = _run("groff", "-man", "-ww", "-Tutf8", "-z", *map(str, pages))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    shown = _run("man", "--warnings=w", "-l", str(MANUAL / "opbx-trunks-list.1"))
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "opbx-trunks-list - list the trunks, in routing order" in shown.stdout
    assert "opbx trunks list --direction all --output csv" in shown.stdout


def _run(*argv: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MANPAGER": "cat"}
    return subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
