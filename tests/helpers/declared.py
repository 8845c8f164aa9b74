"""What every test of a command checks besides: what it prints is as the reference declares it."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from typing import Any

from jsonschema import Draft202012Validator

from opbx_cli.cli.command_line import asking_for_help, with_options_behind
from opbx_cli.cli.commands import COMMANDS
from opbx_cli.cli.tree import Entry
from reference.documents import ERROR, schemas
from reference.tree import EVERYDAY
from reference.vocabulary import strict

SIGNALS = (129, 143)
PASSING_ON = ("execute:execute", "sandbox_exec:execute_in_sandbox")  # another program's exit code
STARTS = ('{"schema": "opbx.', '{\n  "schema": "opbx.', '{"error": {"code": ')


def check(argv: Sequence[str], code: int, *streams: str) -> None:
    """Fail where a command ends, or prints a document, as the reference does not say."""
    for stream in streams:
        for document in documents(stream):
            check_document(document)
    entry = _entry(argv)
    if entry is not None and entry.place not in PASSING_ON:
        known = {*EVERYDAY, *SIGNALS, *entry.exit_codes}
        assert code in known, f"{argv}: the row of the command in COMMANDS has no exit code {code}"


def parsed(text: str | bytes) -> Any:
    """One document of opbx, which is as its schema says."""
    document = json.loads(text)
    check_document(document)
    return document


def check_document(document: Any) -> None:
    name = document.get("schema", ERROR)
    faults = [
        f"{fault.json_path}: {fault.message}" for fault in _validator(name).iter_errors(document)
    ]
    assert not faults, f"{name} is not as docs/schemas has it: {faults}"


def documents(stream: str) -> Iterator[Any]:
    """Every whole document of opbx that begins a line."""
    decoder, place = json.JSONDecoder(), 0
    while place < len(stream):
        if stream.startswith(STARTS, place):
            try:
                document, place = decoder.raw_decode(stream, place)
            except ValueError:  # cut off: its test says whether it may be
                return
            yield document
        place = stream.find("\n", place) + 1 or len(stream)


def _entry(argv: Sequence[str]) -> Entry | None:
    """The row of the command that a command line names; None where it names none."""
    words = with_options_behind(asking_for_help(list(argv)), COMMANDS)
    entry, entries = None, COMMANDS
    for word in words:
        if word not in entries:
            break
        entry, entries = entries[word], {**entries[word].commands}
    return entry


@functools.cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(strict(_schemas()[name]))


@functools.cache
def _schemas() -> dict[str, Any]:
    return schemas()
