"""`opbx key generate`: the key of a store that is still to be made, and of one in a repository."""

from __future__ import annotations

import re
import stat
import subprocess
from pathlib import Path

import pytest

from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx

KEY = re.compile(r"opbxk1_[A-Za-z0-9_-]{48}")


def configure(opbx: Opbx, sandbox: RunningSandbox, **variables: str) -> None:
    domain = sandbox.domains[0]
    argv = ["--domain-uuid", domain.uuid, "--api-key-stdin", "--api-base-url", sandbox.url]
    argv += ["--webhook-base-url", WEBHOOK_BASE_URL]
    outcome = opbx("configure", *argv, stdin=domain.api_key, **variables)
    assert outcome.code == 0, outcome.stderr


def test_the_key_is_printed_alone_and_kept_nowhere(opbx: Opbx, sandbox: RunningSandbox) -> None:
    first, second = opbx("key", "generate"), opbx("key", "generate")
    assert (first.code, first.stderr) == (0, "")
    key = first.stdout.rstrip("\n")
    assert KEY.fullmatch(key)
    assert first.stdout != second.stdout
    assert not opbx.home.exists()
    configure(opbx, sandbox, OPBX_STORE_KEY=key)
    assert opbx("profiles", "list", OPBX_STORE_KEY=key).code == 0
    assert opbx("profiles", "list", OPBX_STORE_KEY=second.stdout.strip()).code == 10
    slots = opbx("key", "status", "--json", OPBX_STORE_KEY=key).document["keys"]
    assert [slot["kind"] for slot in slots] == ["external"]


def test_the_key_may_go_to_a_file_for_its_owner(
    opbx: Opbx, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    file = tmp_path / "store.key"
    outcome = opbx("key", "generate", "--to-file", str(file))
    assert (outcome.code, outcome.stdout) == (0, f"{file}\n")
    assert f"`export OPBX_STORE_KEY_FILE={file}`" in outcome.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert KEY.fullmatch(file.read_text().strip())
    again = opbx("key", "generate", "--to-file", str(file))
    assert (again.code, again.stdout) == (2, "")
    configure(opbx, sandbox, OPBX_STORE_KEY_FILE=str(file))
    document = opbx("key", "generate", "--json", "--to-file", str(tmp_path / "other.key")).document
    assert document["schema"] == "opbx.key-file/1"


@pytest.mark.parametrize("word", ["secretsecret", "XI0123456789abcdefghijABCDEFGHIJKL"])
def test_a_word_that_may_be_a_key_becomes_no_file(opbx: Opbx, word: str) -> None:
    outcome = opbx("key", "generate", "--to-file", word)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert word not in outcome.stderr


def test_a_store_in_a_repository_opens_in_the_job_with_its_key_alone(
    opbx: Opbx, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    """What git checks out is open to others: that is said, with the command that closes it."""
    key = opbx("key", "generate").stdout.strip()
    configure(opbx, sandbox, OPBX_STORE_KEY=key)
    assert opbx("validate", OPBX_STORE_KEY=key).code == 0
    work = tmp_path / "work"

    def git(*words: str, folder: Path = opbx.home) -> None:
        config = ["-c", "user.name=CI", "-c", "user.email=ci@example.com"]
        subprocess.run(["git", *config, *words], cwd=folder, check=True, capture_output=True)

    git("init")
    git("add", "store.toml")
    git("commit", "-m", "Add the store")
    subprocess.run(
        ["sh", "-c", 'umask 022; exec git clone "$1" "$2"', "sh", str(opbx.home), str(work)],
        check=True,
        capture_output=True,
    )
    store = work / "store.toml"
    assert stat.S_IMODE(store.stat().st_mode) == 0o644
    variables = {"OPBX_HOME": str(work), "OPBX_STORE_KEY": key}
    refused = opbx("validate", "--all", "--check", **variables)
    assert refused.code == 10
    assert refused.stderr == (
        f"error: {store} is open to other users (mode 0644)\n"
        f"hint: close it with `chmod 600 '{store}'`, as after every checkout: git does not keep "
        "this\n"
    )
    store.chmod(0o600)
    outcome = opbx("validate", "--all", "--check", **variables)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert sorted(file.name for file in work.iterdir()) == [".git", "store.toml"]
