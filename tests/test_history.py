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
from hypothesis import given
from hypothesis import strategies as st

from opbx_cli.models import Secret
from opbx_cli.operations.profiles import put
from opbx_cli.sandbox.server import RunningSandbox
from opbx_cli.store import Store, store_paths
from opbx_cli.store.audit_log import SIZE_MAX, AuditEvent, check, extend
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
    line = forged([trail(configured).read_bytes()]).replace(b"configure", b"older")
    note(configured).unlink()
    trail(configured).write_bytes(line * (SIZE_MAX // len(line) + 1))
    assert configured("configure", "--no-answer-timeout", "30").code == 0
    assert trail(configured).stat().st_size < SIZE_MAX * 0.6
    assert entries(configured)[-1]["changed"] == ["no_answer_timeout"]
    assert len(entries(configured)) > 100
    assert warnings(configured) == []


OTHERS = {
    "not JSON": b"not json\n",
    "half a line": b'{"time": "2026-01-01T00:00:00Z", "comm',
    "no object": b"[]\n",
    "too little": b'{"time": 1}\n',
    "no text": b"\xff\xfe\n",
    "a deep nest": b"[" * 9000,
}


def damaged(line: bytes, **changes: object) -> bytes:
    return json.dumps({**json.loads(line), **changes}).encode() + b"\n"


def warnings(opbx: Opbx) -> list[str]:
    outcome = opbx("profiles", "history", "--json")
    assert outcome.code == 0, outcome.stderr
    found: list[str] = outcome.document["warnings"]
    text = opbx("profiles", "history").stderr
    assert text == "".join(f"warning: {one}\n" for one in found)
    return found


def change(opbx: Opbx, *seconds: int) -> None:
    """Make one more entry for each."""
    for one in seconds:
        assert opbx("configure", "--no-answer-timeout", str(one)).code == 0


@pytest.mark.parametrize("junk", OTHERS.values(), ids=OTHERS.keys())
def test_a_line_that_is_none_of_ours_is_left_out_with_a_warning(
    configured: Opbx, junk: bytes
) -> None:
    with trail(configured).open("ab") as file:
        file.write(junk)
    assert len(entries(configured)) == 1
    (warning,) = warnings(configured)
    assert f"the audit trail {trail(configured)} has 1 line that this opbx does not" in warning
    assert "the first at line 2" in warning
    change(configured, 30)
    assert [entry["changed"] for entry in entries(configured)][1:] == [["no_answer_timeout"]]
    assert warnings(configured) == [warning]


@pytest.mark.parametrize(
    "changes",
    [
        {"profile": 5},
        {"time": None},
        {"command": ["x"]},
        {"result": {}},
        {"domain_uuid": 7},
        {"changed": "abc"},
        {"changed": [1]},
        {"fingerprints": []},
        {"fingerprints": {"a": "b"}},
        {"fingerprints": {"a": {"from": 1, "to": None}}},
        {"version": 3},
        {"version": "2"},
        {"version": 1},
        {"chain": None},
        {"chain": {"number": 0, "oldest": 1, "before": ""}},
        {"chain": {"number": True, "oldest": 1, "before": ""}},
        {"chain": {"number": 10**30, "oldest": 1, "before": ""}},
    ],
    ids=str,
)
def test_a_line_that_is_not_as_expected_is_left_out_with_a_warning(
    configured: Opbx, changes: dict[str, object]
) -> None:
    line = trail(configured).read_bytes()
    broken = damaged(line, **changes)
    if changes == {"version": 1}:
        broken = broken.replace(b'"chain"', b'"other"')
    trail(configured).write_bytes(line + broken * 3)
    assert len(entries(configured)) == 1
    (warning,) = warnings(configured)
    assert "has 3 lines that this opbx does not understand, the first at line 2" in warning
    outcome = configured("profiles", "history")
    assert (outcome.code, len(outcome.stdout.splitlines())) == (0, 1)


def test_blank_lines_are_nothing(configured: Opbx) -> None:
    with trail(configured).open("ab") as file:
        file.write(b"\n\n")
    assert warnings(configured) == []


def test_a_whole_trail_is_read_without_a_warning(configured: Opbx) -> None:
    change(configured, 30, 31, 32)
    assert len(entries(configured)) == 4
    assert warnings(configured) == []


def test_a_trail_of_an_older_opbx_is_read_and_gone_on_with_without_a_warning(
    configured: Opbx,
) -> None:
    data = json.loads(trail(configured).read_bytes())
    del data["version"], data["chain"]
    trail(configured).write_bytes(b"".join(damaged(json.dumps(data).encode()) for _ in range(3)))
    note(configured).unlink()
    assert (len(entries(configured)), warnings(configured)) == (3, [])
    change(configured, 30, 31)
    assert (len(entries(configured)), warnings(configured)) == (5, [])
    lines = trail(configured).read_bytes().splitlines(keepends=True)
    trail(configured).write_bytes(b"".join(lines[1:]))
    (warning,) = warnings(configured)
    assert "starts with entry 2, and had older ones from 1 on" in warning


def note(opbx: Opbx) -> Path:
    return opbx.home / "history.jsonl.last"


def forged(lines: list[bytes]) -> bytes:
    """A line of the old format, which needs no chain."""
    data = json.loads(lines[0])
    del data["version"], data["chain"]
    return json.dumps(data).encode() + b"\n"


ATTACKS: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "emptied": (lambda lines: [], "is empty, and had 5 entries"),
    "cut off": (lambda lines: lines[:3], "ends with entry 3, and had 5"),
    "beheaded": (lambda lines: lines[2:], "starts with entry 3, and had older ones from 1 on"),
    "one removed": (lambda lines: lines[:2] + lines[3:], "line 3 does not follow"),
    "one altered": (
        lambda lines: [*lines[:2], damaged(lines[2], command="other"), *lines[3:]],
        "line 4 does not follow",
    ),
    "the last one altered": (
        lambda lines: [*lines[:4], damaged(lines[4], command="other")],
        "has another entry 5 than opbx wrote",
    ),
    "one added": (lambda lines: [*lines[:2], lines[1], *lines[2:]], "line 3 does not follow"),
    "one added at the start": (lambda lines: [forged(lines), *lines], "line 2 does not follow"),
    "one added at the end": (lambda lines: [*lines, forged(lines)], "line 6 does not follow"),
    "two exchanged": (lambda lines: [*lines[:2], lines[3], lines[2], lines[4]], "line 3 does not"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_trail_that_somebody_changed_is_told_also_after_it_went_on(
    configured: Opbx, attack: str
) -> None:
    change(configured, 30, 31, 32, 33)
    work, said = ATTACKS[attack]
    lines = trail(configured).read_bytes().splitlines(keepends=True)
    trail(configured).write_bytes(b"".join(work(lines)))
    found = warnings(configured)
    assert any(said in one for one in found), found
    change(configured, 34, 35)
    assert entries(configured)[-1]["changed"] == ["no_answer_timeout"]
    assert warnings(configured)


def test_a_trail_that_was_deleted_is_told(configured: Opbx) -> None:
    trail(configured).unlink()
    (warning,) = warnings(configured)
    assert "is empty, and had 1 entries: somebody removed them" in warning


@pytest.mark.parametrize("content", [None, b"", b"junk", b"-1 x", "٣ x".encode()])
def test_a_note_that_is_gone_is_told_until_the_next_entry(
    configured: Opbx, content: bytes | None
) -> None:
    if content is None:
        note(configured).unlink()
    else:
        note(configured).write_bytes(content)
    (warning,) = warnings(configured)
    assert "lacks its note of the last entry" in warning
    change(configured, 30)
    assert warnings(configured) == []


def test_a_kill_between_trail_and_note_is_no_attack(configured: Opbx) -> None:
    before = note(configured).read_bytes()
    change(configured, 30)
    note(configured).write_bytes(before)
    assert warnings(configured) == []
    change(configured, 31)
    assert (len(entries(configured)), warnings(configured)) == (3, [])


def test_the_note_is_private_too(configured: Opbx) -> None:
    assert stat.S_IMODE(note(configured).stat().st_mode) == 0o600
    note(configured).chmod(0o644)
    assert configured("profiles", "history").code == 10


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=25), st.integers(2000, 6000), st.booleans()
)
def test_a_trail_is_whole_however_it_was_bounded(
    counts: list[int], size_max: int, is_old: bool
) -> None:
    entry = AuditEvent("2026-01-01T00:00:00Z", "configure", "p", None, ("a",), "ok")
    content, last = b"", None
    if is_old:
        content = (json.dumps(entry.as_object()).encode() + b"\n") * 7
    for count in counts:
        content, last = extend(content, last, [entry] * count, size_max=size_max)
        found = check(content, last)
        assert found.problems == ()
        assert len(found.entries) >= count


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
