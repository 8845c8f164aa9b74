"""`opbx apply --allow-commands`: programs that a manifest names print the keys."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from opbx_cli.sandbox.server import RunningSandbox
from opbx_cli.store import crypto
from support import WEBHOOK_BASE_URL, Opbx

STORE_KEY = crypto.raw_key_to_text(bytes(range(32)))
UUID_LATER = "6b1f0c2e-0000-4000-8000-000000000009"
OWN_WEBHOOK_KEY = "webhook-key-of-bravo-0123456789"


@pytest.fixture
def printed(opbx: Opbx, sandbox: RunningSandbox, tmp_path: Path) -> Path:
    """The folder of the keys that the manifest's commands print."""
    (tmp_path / "an api key").write_text(sandbox.domains[0].api_key + "\n")
    (tmp_path / "webhook").write_text(OWN_WEBHOOK_KEY)
    opbx.environ |= {
        "PATH": os.environ["PATH"],
        "CLOUDONIX_API_BASE_URL": sandbox.url,
        "APP_URL": WEBHOOK_BASE_URL,
    }
    return tmp_path


def manifest(folder: Path, uuid: str, *, api: list[str], webhook: list[str]) -> str:
    path = folder / "domains.toml"
    path.write_text(
        f'[profile."bravo"]\ndomain_uuid = "{uuid}"\n'
        f"domain_api_key_command = {json.dumps(api)}\n"
        f"webhook_api_key_command = {json.dumps(webhook)}\n"
    )
    return str(path)


def test_the_commands_print_the_keys(opbx: Opbx, sandbox: RunningSandbox, printed: Path) -> None:
    uuid = sandbox.domains[0].uuid
    ran = printed / "ran; touch it"  # no shell reads the words
    file = manifest(
        printed,
        uuid,
        api=["sh", "-c", 'echo ran >> "$0"; cat "$1"', str(ran), f"{printed}/an api key"],
        webhook=["cat", f"{printed}/webhook"],
    )
    refused = opbx("apply", file, "--json")
    assert (refused.code, refused.stdout) == (3, "")
    assert refused.error["message"] == (
        f'{file}: profile."bravo".domain_api_key_command: '
        "a command is not run without --allow-commands"
    )
    assert "`--allow-commands`" in refused.error["hint"]
    assert not ran.exists()
    assert not opbx.home.exists()
    outcome = opbx("apply", file, "--allow-commands", "--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert ran.read_text() == "ran\n"
    profile: Any = sandbox.state.domain(uuid)["profile"]
    assert profile["authorization-api-key"] == OWN_WEBHOOK_KEY


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("exit 7", "the command ended with exit code 7"),
        ("true", "the command printed nothing"),
        ("echo short", "8 to 255 characters"),
        ("echo 'sK7q abcdefgh'", "printable ASCII without spaces"),
    ],
)
def test_a_failure_changes_nothing(
    opbx: Opbx, sandbox: RunningSandbox, printed: Path, script: str, why: str
) -> None:
    sandbox.forget_requests()
    api = ["cat", f"{printed}/an api key"]
    file = manifest(printed, sandbox.domains[0].uuid, api=api, webhook=["sh", "-c", script])
    outcome = opbx("apply", file, "--allow-commands")
    assert (outcome.code, outcome.stdout) == (3, "")
    assert 'profile."bravo".webhook_api_key_command: ' in outcome.stderr
    assert why in outcome.stderr
    assert "sK7q" not in outcome.stderr
    assert not sandbox.requests
    assert not opbx.home.exists()


def test_a_command_gets_no_variable_that_holds_a_key(
    opbx: Opbx, sandbox: RunningSandbox, printed: Path
) -> None:
    """Neither opbx's own, nor those that the manifest names further down."""
    uuid, key = sandbox.domains[0].uuid, sandbox.domains[0].api_key
    script = 'env > "$0"; cat "$1"'
    words = ["sh", "-c", script, f"{printed}/env", f"{printed}/webhook"]
    path = Path(manifest(printed, uuid, api=words, webhook=["x"]))
    text = path.read_text().replace('webhook_api_key_command = ["x"]', "")
    path.write_text(
        f'{text}\n[profile."later"]\ndomain_uuid = "{UUID_LATER}"\n'
        'domain_api_key_env = "KEY_OF_LATER"\n'
    )
    opbx.environ |= {"KEY_OF_LATER": key, "OPBX_STORE_KEY": STORE_KEY}
    opbx("apply", str(path), "--allow-commands", "--check")
    environ = (printed / "env").read_text()
    assert "PATH=" in environ
    assert key not in environ
    assert "OPBX_STORE_KEY" not in environ
