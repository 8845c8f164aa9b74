"""The audit trail: one line per command that changed something, and no value in it."""

from __future__ import annotations

import datetime
import json
import os
import stat
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opbx_cli.models import Secret
from opbx_cli.operations.profiles import put
from opbx_cli.sandbox.server import RunningSandbox
from opbx_cli.store import Store, store_paths
from opbx_cli.store.history import SIZE_MAX
from support import WEBHOOK_BASE_URL, Opbx


def entries(opbx: Opbx, *argv: str) -> list[dict[str, Any]]:
    outcome = opbx("profiles", "history", "--json", *argv)
    assert outcome.code == 0, outcome.stderr
    assert outcome.document["schema"] == "opbx.history/1"
    found: list[dict[str, Any]] = outcome.document["entries"]
    return found


def trail(opbx: Opbx) -> Path:
    return opbx.home / "history.jsonl"


def test_a_new_profile_is_an_entry(configured: Opbx, sandbox: RunningSandbox) -> None:
    (entry,) = entries(configured)
    assert entry["command"] == "configure"
    assert entry["profile"] == "default"
    assert entry["domain_uuid"] == sandbox.domains[0].uuid
    assert entry["result"] == "ok"
    assert set(entry["changed"]) == {
        "domain_uuid",
        "domain_api_key",
        "webhook_api_key",
        "webhook_base_url",
        "api_base_url",
    }
    assert set(entry["fingerprints"]) == {"domain_api_key", "webhook_api_key"}
    assert entry["fingerprints"]["domain_api_key"]["from"] is None
    assert entry["fingerprints"]["domain_api_key"]["to"].startswith("fp:")
    moment = datetime.datetime.fromisoformat(entry["time"])
    assert moment.utcoffset() == datetime.timedelta(0)


def test_a_command_that_changes_nothing_is_none(configured: Opbx) -> None:
    before = trail(configured).read_bytes()
    for argv in (
        ["configure", "--webhook-base-url", "https://pbx.example.com"],
        ["validate", "--check"],
        ["trunks", "list"],
        ["profiles", "show"],
        ["webhook-url"],
    ):
        assert configured(*argv).code in (0, 8)
    assert trail(configured).read_bytes() == before


def test_validate_is_an_entry_when_it_wrote(configured: Opbx, sandbox: RunningSandbox) -> None:
    assert configured("validate").code == 0
    assert configured("validate").code == 0
    first, second = entries(configured)
    assert second["command"] == "validate"
    assert second["result"] == "ok"
    key = "domain_profile.authorization-api-key"
    assert {"voice_application.url", key, "default_application"} <= set(second["changed"])
    assert second["fingerprints"] == {
        key: {"from": None, "to": first["fingerprints"]["webhook_api_key"]["to"]}
    }


def test_a_partial_run_says_so(configured: Opbx, sandbox: RunningSandbox) -> None:
    sandbox.set_faults("update-domain=400")
    assert configured("validate").code == 9
    assert entries(configured)[-1]["result"] == "partial"


def test_the_store_commands_are_entries(configured: Opbx, sandbox: RunningSandbox) -> None:
    domain = sandbox.domains[0]
    argv = ["configure", "-p", "second", "--domain-uuid", domain.uuid, "--api-key-stdin"]
    assert configured(*argv, stdin=domain.api_key).code == 0
    assert configured("profiles", "use", "second").code == 0
    assert configured("profiles", "rename", "second", "other").code == 0
    assert configured("webhook-key", "rotate").code == 7  # not at the sandbox
    assert configured("profiles", "remove", "other", "--yes").code == 0
    found = [(entry["command"], entry["changed"]) for entry in entries(configured)[2:]]
    assert found == [
        ("profiles use", ["the default profile is second"]),
        (
            "profiles rename",
            ["profile second is gone", "profile other is new", "the default profile is other"],
        ),
        ("profiles remove", ["profile other is gone", "the default profile is none"]),
    ]
    assert [entry["command"] for entry in entries(configured, "--profile", "second")] == [
        "configure",
        "profiles use",
        "profiles rename",
    ]


def test_a_rotation_has_both_fingerprints(configured: Opbx) -> None:
    assert configured("webhook-key", "rotate").code == 0
    entry = entries(configured)[-1]
    assert entry["changed"] == ["webhook_api_key"]
    pair = entry["fingerprints"]["webhook_api_key"]
    assert pair["from"] != pair["to"]
    text = configured("profiles", "history").stdout.splitlines()[-1]
    assert f"webhook_api_key ({pair['from']} → {pair['to']})" in text


def test_a_rotation_that_is_only_partly_done_is_in_the_trail_too(
    start_sandbox: Callable[..., RunningSandbox], opbx: Opbx
) -> None:
    sandbox = start_sandbox(variants=["webhook-key=absent"], latency=0.2)
    domain = sandbox.domains[0]
    argv = ("configure", "--domain-uuid", domain.uuid, "--api-key-stdin")
    address = ("--api-base-url", sandbox.url, "--webhook-base-url", WEBHOOK_BASE_URL)
    assert opbx(*argv, *address, stdin=domain.api_key).code == 0

    def interfere() -> None:
        """Give the profile another key while the new one is on its way to Cloudonix."""
        while all(request.call != "update-domain" for request in sandbox.requests):
            os.sched_yield()
        store = Store(store_paths(str(opbx.home)))
        settings = store.read().find(None)[1]
        other = replace(settings, webhook_api_key=Secret("somebody-elses-webhook-key"))
        store.update(lambda contents: put(contents, "default", other))

    somebody = threading.Thread(target=interfere)
    somebody.start()
    outcome = opbx("webhook-key", "rotate", "--json")
    somebody.join()
    assert (outcome.code, outcome.error["code"]) == (9, "webhook_key.partial")
    entry = entries(opbx)[-1]
    assert (entry["command"], entry["result"]) == ("webhook-key rotate", "partial")
    profile: Any = sandbox.state.domain()["profile"]
    in_force = Secret(profile["authorization-api-key"])
    assert entry["fingerprints"]["webhook_api_key"]["to"] == in_force.fingerprint


def test_a_rotation_that_was_taken_back_is_not_in_the_trail(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.set_faults("update-domain=400")
    before = entries(configured)
    assert configured("webhook-key", "rotate").code == 6
    assert entries(configured) == before


def test_the_file_is_private_and_has_no_value(configured: Opbx, sandbox: RunningSandbox) -> None:
    assert configured("validate").code == 0
    assert stat.S_IMODE(trail(configured).stat().st_mode) == 0o600
    content = trail(configured).read_text()
    assert sandbox.domains[0].api_key not in content
    assert "pbx.example.com" not in content
    assert sandbox.url not in content
    for line in content.splitlines():
        json.loads(line)


def test_it_is_bounded_and_the_older_half_goes(configured: Opbx) -> None:
    line = trail(configured).read_bytes().replace(b"configure", b"older")
    trail(configured).write_bytes(line * (SIZE_MAX // len(line) + 1))
    assert configured("configure", "--no-answer-timeout", "30").code == 0
    assert trail(configured).stat().st_size < SIZE_MAX * 0.6
    assert entries(configured)[-1]["changed"] == ["no_answer_timeout"]
    assert len(entries(configured)) > 100


@pytest.mark.parametrize(
    "junk", [b"", b"\n\n", b"not json\n", b"[]\n", b'{"time": 1}\n', b"\xff\xfe\n", b"[" * 9000]
)
def test_lines_that_are_none_of_ours_are_left_out(configured: Opbx, junk: bytes) -> None:
    with trail(configured).open("ab") as file:
        file.write(junk)
    assert len(entries(configured)) == 1


def test_a_trail_that_cannot_be_written_is_a_warning(configured: Opbx) -> None:
    trail(configured).chmod(0o644)
    outcome = configured("configure", "--no-answer-timeout", "30")
    assert outcome.code == 0
    assert "warning: this change is not in the audit trail: " in outcome.stderr
    assert configured("profiles", "history").code == 10


def test_without_a_store_nothing_is_kept(storeless: Opbx) -> None:
    assert storeless("validate").code == 0
    assert not storeless.home.exists()
    outcome = storeless("profiles", "history")
    assert (outcome.code, outcome.stdout) == (0, "")
