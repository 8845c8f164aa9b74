"""GitHub's runner takes commands from a job's output; what a server says is none of them."""

from __future__ import annotations

import csv
import io
import re

import pytest

from opbx_cli.sandbox.server import RunningSandbox
from support import Opbx

NAMES = [
    "::error file=a::lost",
    "\u3000 ::add-mask::e",
    "carrier ##[add-mask]e",
    "##[set-output name=a]b, c",
    "::stop-commands::x ##[debug]y",
]
KNOWN = {"add-mask", "debug", "error", "set-output", "stop-commands", "warning"}


def command_of(line: str) -> str | None:
    """Return the command that the runner takes from a line, as `ActionCommand.cs` reads it."""
    for pattern in (r"\s*::(.*?)::", r".*?##\[(.*?)\]"):
        match = re.match(pattern, line)
        name = match[1].partition(" ")[0].lower() if match else ""
        if name in KNOWN:
            return name
    return None


@pytest.fixture
def on_github(storeless: Opbx, sandbox: RunningSandbox) -> Opbx:
    trunks = [
        {"id": number, "name": name, "direction": "outbound"}
        for number, name in enumerate(NAMES, start=1)
    ]
    sandbox.state.replace_trunks(trunks)
    storeless.environ["GITHUB_ACTIONS"] = "true"
    return storeless


@pytest.mark.parametrize("output", ["text", "csv", "json"])
@pytest.mark.parametrize("columns", ["name", "id,name", "name,id"])
def test_a_trunks_name_is_no_command(on_github: Opbx, output: str, columns: str) -> None:
    done = on_github("trunks", "list", "--columns", columns, "-o", output)
    assert done.code == 0, done.stderr
    assert len(done.stdout.splitlines()) >= len(NAMES)
    assert [command_of(line) for line in done.stdout.splitlines()] == [None] * len(
        done.stdout.splitlines()
    )


def test_json_and_csv_still_say_the_same(on_github: Opbx) -> None:
    found = on_github("trunks", "list", "--json").document["trunks"]
    assert [trunk["name"] for trunk in found] == NAMES
    printed = on_github("trunks", "list", "--columns", "name,id", "-o", "csv").stdout
    rows = list(csv.reader(io.StringIO(printed)))
    assert [row[0] for row in rows[1:]] == [name.replace("##[", "## [") for name in NAMES]
    assert [row[1] for row in rows[1:]] == ["1", "2", "3", "4", "5"]


def test_elsewhere_the_names_are_as_they_are(on_github: Opbx) -> None:
    printed = on_github("trunks", "list", "--columns", "name", GITHUB_ACTIONS="").stdout
    assert printed.splitlines() == NAMES
    assert [command_of(line) for line in printed.splitlines()] != [None] * len(NAMES)


def test_an_error_is_an_annotation_and_no_other_command(on_github: Opbx) -> None:
    done = on_github("trunks", "show", "carrier")
    assert done.code == 0
    assert [command_of(line) for line in done.stdout.splitlines()].count(None) == len(
        done.stdout.splitlines()
    )
    done = on_github("trunks", "show", "lost")
    assert done.code == 5
    commands = [command_of(line) for line in done.stderr.splitlines()]
    assert commands[0] == "error"
    assert set(commands[1:]) == {None}
