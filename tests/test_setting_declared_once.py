"""A setting is declared once: a made-up one, in a copy of opbx, is found in every place.

The copy differs from the installed opbx by one field of the table of settings.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

import opbx_cli
from opbx_api import EMAIL, PASSWORD, OpbxApi, running_api
from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx
from terminal import on_terminal

HELPERS = Path(__file__).parent / "helpers"
BEHIND = "    api_base_url: Annotated["
FIELD = """\
    ring_tone: Annotated[
        int | None,
        Setting(
            label="Ring tone",
            unit=" Hz",
            help="The pitch of the ring tone.",
            parse=int,
            option="--ring-tone",
            metavar="HERTZ",
            if_unset="as the domain has it",
            variable="OPBX_RING_TONE",
            can_be_unset=True,
            schema={"minimum": 20},
            in_cloudonix="ring-tone",
            in_opbx="ring_tone",
            fallback=440,
        ),
    ] = None
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an opbx that has one setting more."""
    folder = tmp_path_factory.mktemp("copy")
    package = Path(opbx_cli.__file__).parent
    shutil.copytree(package, folder / "opbx_cli", ignore=shutil.ignore_patterns("__pycache__"))
    table = folder / "opbx_cli/settings/table.py"
    before, field, after = table.read_text().partition(BEHIND)
    table.write_text(before + FIELD + field + after)
    return folder


@pytest.fixture
def other(opbx: Opbx, copy: Path, sandbox: RunningSandbox) -> Opbx:
    """That opbx, with a profile that has the setting."""
    opbx.environ["PYTHONPATH"] = str(copy)
    opbx.is_ours = False  # its documents have a setting more than the schemas
    domain = sandbox.domains[0]
    saved = opbx.process(
        *("configure", "--domain-uuid", domain.uuid, "--api-key-stdin", "--ring-tone", "550"),
        *("--webhook-base-url", WEBHOOK_BASE_URL, "--api-base-url", sandbox.url),
        stdin=domain.api_key,
    )
    assert saved.code == 0, saved.stderr
    assert "  ring_tone: 550\n" in saved.stdout
    return opbx


def ok(opbx: Opbx, *argv: str, **variables: str) -> str:
    outcome = opbx.process(*argv, **variables)
    assert outcome.code == 0, outcome.stderr
    return outcome.stdout


def document(opbx: Opbx, *argv: str) -> Any:
    return json.loads(ok(opbx, *argv, "--json"))


def remote_profile(sandbox: RunningSandbox) -> Any:
    return sandbox.state.domain(sandbox.domains[0].uuid)["profile"]


def test_it_is_saved_shown_recorded_and_unset(other: Opbx) -> None:
    assert "\nring_tone = 550\n" in (other.home / "store.toml").read_text()
    assert document(other, "profiles", "show")["ring_tone"] == 550
    assert "ring_tone" in document(other, "profiles", "history")["entries"][0]["changed"]
    assert document(other, "configure", "--unset", "ring-tone")["ring_tone"] is None
    refused = other.process("configure", "--unset", "x")
    assert "recording-format, ring-tone, api-base-url" in refused.stderr


def test_it_is_asked_for(other: Opbx) -> None:
    with on_terminal("configure", environ=other.process_environ()) as terminal:
        terminal.expect("Domain UUID")
        for question in ("Domain API key", "Webhook base URL", "Ring time", "Recording format"):
            terminal.send("")
            terminal.expect(question)
        terminal.send("")
        terminal.expect("Ring tone, hertz [550; - for as the domain has it]: ")


def test_the_helps_name_it(other: Opbx) -> None:
    shown = " ".join(ok(other, "configure", "--help").split())
    assert "--ring-tone HERTZ The pitch of the ring tone." in shown
    listed = " ".join(ok(other, "apply", "--help").split())
    assert "recording_format, ring_tone, api_base_url" in listed


def test_it_is_brought_to_cloudonix_and_compared(other: Opbx, sandbox: RunningSandbox) -> None:
    assert "Ring tone not set → 550 Hz" in ok(other, "validate")
    assert remote_profile(sandbox)["ring-tone"] == 550
    ok(other, "configure", "--ring-tone", "660")
    outcome = other.process("status", "--json")
    assert outcome.code == 8
    (row,) = [row for row in outcome.document["settings"] if row["name"] == "ring_tone"]
    assert (row["here"], row["cloudonix"], row["differs"]) == (660, 550, True)


def test_one_that_is_set_nowhere_gets_its_default(other: Opbx, sandbox: RunningSandbox) -> None:
    ok(other, "configure", "--unset", "ring-tone")
    ok(other, "validate")
    assert remote_profile(sandbox)["ring-tone"] == 440


def test_it_has_a_variable(other: Opbx, sandbox: RunningSandbox) -> None:
    child = [sys.executable, "-c", "import os; print(os.environ['OPBX_RING_TONE'])"]
    assert ok(other, "exec", "--", *child) == "550\n"
    domain = sandbox.domains[0]
    other.environ |= {"OPBX_DOMAIN_UUID": domain.uuid, "CLOUDONIX_API_BASE_URL": sandbox.url}
    variables = {"OPBX_DOMAIN_API_KEY": domain.api_key, "OPBX_RING_TONE": "330"}
    shown = ok(other, "profiles", "show", "--origin", "--json", **variables)
    assert json.loads(shown)["origins"]["ring_tone"] == "OPBX_RING_TONE"


def test_a_manifest_has_it(other: Opbx, copy: Path, sandbox: RunningSandbox) -> None:
    domain = sandbox.domains[0]
    manifest = other.home.parent / "manifest.toml"
    manifest.write_text(
        f'[profile."default"]\ndomain_uuid = "{domain.uuid}"\ndomain_api_key_env = "KEY"\n'
        "ring_tone = 880\n"
    )
    ok(other, "apply", str(manifest), KEY=domain.api_key)
    assert document(other, "profiles", "show")["ring_tone"] == 880
    schema = json.loads(ok(other, "help", "manifest"))
    assert schema["$defs"]["settings"]["properties"]["ring_tone"] == {
        "description": "The pitch of the ring tone.",
        "type": "integer",
        "minimum": 20,
    }


def test_the_settings_of_opbx_have_it(other: Opbx, sandbox: RunningSandbox) -> None:
    domain = sandbox.domains[0]
    api = OpbxApi(settings={"domain_uuid": domain.uuid, "domain_name": domain.name})
    api.settings = {**(api.settings or {}), "no_answer_timeout": 45, "recording_format": "wav"}
    api.settings["ring_tone"] = 700
    with running_api(api) as server:
        argv = ("instance", "connect", server.url, "--email", EMAIL, "--password-stdin")
        assert other.process(*argv, stdin=PASSWORD).code == 0
        outcome = other.process("instance", "pull", "--check", "--json")
        changes = {one["path"]: (one["from"], one["to"]) for one in outcome.document["changes"]}
        assert changes["ring_tone"] == (550, 700)
        ok(other, "instance", "pull", "--yes")
        assert document(other, "profiles", "show")["ring_tone"] == 700
