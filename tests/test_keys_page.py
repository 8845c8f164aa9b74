"""The recipes of docs/keys.md, as they stand there, with stand-ins for the programs that they name.

Each stand-in keeps what it is given as the real one does, and knows the words of these recipes
alone: what is proved is how opbx takes the words, the shell's quotes and the answer.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from opbx_cli.operations.manifest import parse
from pages import ROOT, blocks_of
from support import Opbx

PAGE = ROOT / "docs/keys.md"
THIS_TEST = "tests/test_keys_page.py"
API_KEY = "XI0123456789abcdefghijABCDEFGHIJKL"
UUID = "6b1f0c2e-0000-4000-8000-000000000001"
VAULT = """
[ "$1 $2 $3" = "kv put -mount=secret" ] && exec cp "${5#*=@}" "$SAFE/$4-${5%%=*}"
[ "$1 $2 $3" = "kv get -mount=secret" ] && exec cat "$SAFE/$5-${4#-field=}"
"""
PROGRAMS = {
    "op": '[ "$*" = "read op://ops/opbx/password" ] && exec cat "$SAFE/../store.key"',
    "pass": """
[ "$1 $2" = "insert --multiline" ] && exec sh -c 'cat > "$0"' "$SAFE/$(echo "$3" | tr / -)"
[ "$1" = show ] && exec cat "$SAFE/$(echo "$2" | tr / -)"
""",
    "vault": VAULT,
    "bao": VAULT,
    "aws": """
[ "$1 $2 $3 $4 $5" = "kms encrypt --key-id alias/opbx --plaintext" ] &&
    { tr a-z n-za-m < "${6#fileb://}" | base64 -w0; exit; }
[ "$1 $2 $3" = "kms decrypt --ciphertext-blob" ] &&
    { tr n-za-m a-z < "${4#fileb://}" | base64 -w0; exit; }
""",
    "systemd-creds": """
[ "$1 $2" = "encrypt --name=opbx-store-key" ] && exec cp "$3" "$4"
[ "$1 $2 $4" = "decrypt --name=opbx-store-key -" ] && exec cat "$3"
""",
}


def recipes() -> dict[str, str]:
    """Return the lines of each recipe, by the name of the program that it begins with."""
    found = [block.body.strip() for block in blocks_of(PAGE) if block.told == THIS_TEST]
    named = {re.findall(r"COMMAND=\W?(?:sh -c ')?([a-z-]+)", one)[0]: one for one in found[1:]}
    assert found[0] == "opbx key add --kind external --to-file store.key"
    return named


def test_the_page_has_a_recipe_for_each_program() -> None:
    assert set(recipes()) == set(PROGRAMS)


@pytest.fixture
def team(opbx: Opbx, tmp_path: Path) -> Opbx:
    """A store with a key in `store.key` that nothing else opens, and the stand-ins in PATH."""
    programs, home = tmp_path / "bin", tmp_path / "a home"
    for folder in (programs, home, tmp_path / "safe"):
        folder.mkdir(mode=0o700)
    for name, lines in PROGRAMS.items():
        (programs / name).write_text(f'#!/bin/sh\n{lines}\necho "$0: what is $*?" >&2\nexit 64\n')
        (programs / name).chmod(0o700)
    saved = opbx("configure", "--domain-uuid", UUID, "--api-key-stdin", stdin=API_KEY)
    assert saved.code == 0, saved.stderr
    added = opbx("key", "add", "--kind", "external", "--to-file", str(tmp_path / "store.key"))
    assert added.code == 0, added.stderr
    for own in (opbx.home / "keys").iterdir():
        own.unlink()
    opbx.environ |= {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(home),
        "SAFE": str(tmp_path / "safe"),
    }
    return opbx


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_recipe_opens_the_store(team: Opbx, tmp_path: Path, name: str) -> None:
    assert team.process("profiles", "list").code == 10
    done = subprocess.run(
        ["sh", "-ec", f"{recipes()[name]}\nexec printenv OPBX_STORE_KEY_COMMAND"],
        cwd=tmp_path,
        env=team.process_environ(),
        capture_output=True,
        text=True,
        check=True,
    )
    command = done.stdout.removesuffix("\n")
    outcome = team.process("profiles", "list", OPBX_STORE_KEY_COMMAND=command)
    assert (outcome.code, outcome.stderr) == (0, "")


def test_a_program_that_fails_says_so_itself(team: Opbx) -> None:
    outcome = team.process("profiles", "list", OPBX_STORE_KEY_COMMAND="op read op://else/where")
    assert outcome.code == 10
    assert "what is read op://else/where?" in outcome.stderr
    assert "ended with exit code 64" in outcome.stderr


def test_the_manifest_of_the_page_is_one() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (entry,) = parse(block.encode(), "m.toml")
    assert entry.api_key.command == ("op", "read", "op://ops/acme/credential")
