"""No command leaks a key: swept over the command tree, so that a new command is covered too.

Every command by text and JSON by plain and `-v` by what Cloudonix may answer; then stdout,
stderr, every file and every command line are searched for the keys in each spelling.
"""

from __future__ import annotations

import base64
import html
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import typer

from opbx_cli.cli.main import root
from opbx_cli.sandbox.server import RunningSandbox
from support import Opbx, Outcome

WEBHOOK_KEY = 'canary+webhook/key"\\<0123456789>'  # what escaping changes is in it
NOBODY = "http://127.0.0.1:9"  # where the callbacks of `sandbox call` are refused at once
# They hand a key out on purpose, after a yes, and have tests of their own; the demo has keys of
# its own that open nothing and starts processes. So has the sandbox, which never ends; it is not in
# the tree, which has what stands at the ends of its branches: `sandbox call` does. The receiver
# does not end either (test_webhook_listen.py looks for keys in what it shows and saves).
ON_PURPOSE = {("webhook-key", "reveal"), ("exec",)}
WITHOUT_STORE = {("demo",), ("webhook", "listen")}

ANSWERS = ["", "any=401", "any=500", "any=echo-key", "any=hang", "any=html"]
OUTPUTS = [[], ["-v"], ["--json"], ["--json", "-v"]]
REPORTS = [["-o", "markdown"], ["-o", "junit"]]
REPORTING: dict[tuple[str, ...], list[str]] = {
    ("validate",): [],
    ("status",): [],
    ("webhook-url",): ["--check"],
}


CommandPath = tuple[str, ...]


def commands(command: object, path: CommandPath = ()) -> Iterator[tuple[CommandPath, object]]:
    children: dict[str, object] = getattr(command, "commands", {})
    if not children:
        yield path, command
    for name, child in children.items():
        yield from commands(child, (*path, name))


TREE = dict(commands(typer.main.get_command(root)))
SWEPT = [path for path in TREE if path not in WITHOUT_STORE]


def arguments(command: object) -> list[str]:
    """Fill in whatever a command requires; say yes where it may be said."""
    words = []
    for param in getattr(command, "params", ()):
        if param.required and param.param_type_name == "argument":
            words.append("default" if param.name in ("name", "old") else "true")
        elif param.required:
            words += [param.opts[0], "keyfile"]
    return words


def run(guarded: Opbx, argv: list[str]) -> Outcome:
    """Run inside this process, but for what becomes another program."""
    return guarded.process(*argv) if argv[0] == "exec" else guarded(*argv)


def spellings(key: str) -> set[bytes]:
    forms = {key, quote(key), quote(key, safe=""), json.dumps(key)[1:-1], html.escape(key)}
    for before in range(3):  # the three places that a key may have in base64
        encoded = base64.b64encode(b"\0" * before + key.encode()).decode()
        forms.add(encoded[(before * 8 + 5) // 6 : (before + len(key)) * 8 // 6])
    return {form.encode() for form in forms}


@pytest.fixture
def guarded(opbx: Opbx, sandbox: RunningSandbox) -> Opbx:
    """A store with the canaries, and a domain that knows them."""
    domain = sandbox.domains[0]
    key = opbx.home.parent / "canary"
    key.write_text(WEBHOOK_KEY)
    saved = opbx(
        *("configure", "--domain-uuid", domain.uuid, "--api-key-stdin"),
        *("--webhook-key-file", str(key), "--webhook-base-url", NOBODY),
        *("--api-base-url", sandbox.url),
        stdin=domain.api_key,
    )
    assert saved.code == 0, saved.stderr
    key.unlink()
    assert opbx("validate").code == 0
    opbx.environ["CLOUDONIX_API_TIMEOUT"] = "0.05"
    return opbx


@pytest.mark.uncounted
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("path", SWEPT, ids=" ".join)
def test_no_output_and_no_file_has_a_key(
    guarded: Opbx, sandbox: RunningSandbox, path: CommandPath, answer: str
) -> None:
    canaries = spellings(sandbox.domains[0].api_key) | spellings(WEBHOOK_KEY)
    command = TREE[path]
    yes = [] if path in ON_PURPOSE else ["--yes"]
    takes_yes = any("--yes" in param.opts for param in getattr(command, "params", ()))
    sandbox.set_faults(*([answer] if answer else []))
    reports = [[*one, *REPORTING[path]] for one in REPORTS if path in REPORTING]
    for output in (*OUTPUTS, *reports):
        argv = [*path, *output, *(yes if takes_yes else []), *arguments(command)]
        outcome = run(guarded, argv)
        assert outcome.code in {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, (argv, outcome)
        said = (outcome.stdout + outcome.stderr).encode(errors="surrogateescape")
        assert [form for form in canaries if form in said] == [], argv
        assert "Traceback" not in outcome.stderr
    for file in guarded.home.parent.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert [form for form in canaries if form in content] == [], file


@pytest.mark.uncounted
@pytest.mark.parametrize("path", SWEPT, ids=" ".join)
def test_a_key_typed_in_a_wrong_place_does_not_come_back(
    guarded: Opbx, sandbox: RunningSandbox, path: CommandPath
) -> None:
    key = "XIcanary" + "0" * 26
    for argv in (
        [*path, key],
        [*path, f"--{key}"],
        [*path, f"-{key}"],
        [*path, "--profile", key],
        [*path, "--output", key],
        [*path, *arguments(TREE[path]), key],
        [*path[:-1], key],
        [key],
    ):
        outcome = run(guarded, argv)
        assert key not in outcome.stdout + outcome.stderr, argv
        assert "Traceback" not in outcome.stderr


def test_command_lines_and_children_have_no_key(guarded: Opbx, sandbox: RunningSandbox) -> None:
    if not Path("/proc").is_dir():
        pytest.skip("this system has no /proc")
    canaries = spellings(sandbox.domains[0].api_key) | spellings(WEBHOOK_KEY)
    sandbox.set_faults("get-domain=hang")
    sandbox.forget_requests()
    with subprocess.Popen(
        [sys.executable, "-m", "opbx_cli", "validate"],
        env=guarded.process_environ(CLOUDONIX_API_TIMEOUT="30"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            while not sandbox.requests and process.poll() is None:
                os.sched_yield()
            seen = Path(f"/proc/{process.pid}/cmdline").read_bytes()
            assert b"validate" in seen
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        finally:
            process.kill()
    assert children == ""
    assert [form for form in canaries if form in seen] == []


def test_the_sweep_knows_every_command() -> None:
    assert ("validate",) in TREE
    assert ("trunks", "list") in TREE
    assert ("sandbox", "call") in SWEPT
    assert len(TREE) >= 14
    assert set(TREE) >= ON_PURPOSE | WITHOUT_STORE
