"""`opbx apply`: the profiles of a manifest saved and validated, and nothing else touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx, Outcome

StartSandbox = Callable[..., RunningSandbox]
OWN_WEBHOOK_KEY = "webhook-key-of-bravo-0123456789"


@pytest.fixture
def pair(start_sandbox: StartSandbox) -> RunningSandbox:
    return start_sandbox(domains=3)


@pytest.fixture
def manifest(opbx: Opbx, pair: RunningSandbox) -> Path:
    """Two profiles: one with its key in a variable, the other with two in files."""
    folder = opbx.home.parent / "ci"
    (folder / "keys").mkdir(parents=True)
    (folder / "keys" / "bravo").write_text(pair.domains[1].api_key + "\n")
    (folder / "webhook").write_text(OWN_WEBHOOK_KEY)
    for key in (folder / "keys" / "bravo", folder / "webhook"):
        key.chmod(0o600)
    opbx.environ |= {
        "KEY_OF_ALPHA": pair.domains[0].api_key,
        "CLOUDONIX_API_BASE_URL": pair.url,
        "APP_URL": WEBHOOK_BASE_URL,
    }
    path = folder / "domains.toml"
    path.write_text(
        f"""
[profile."alpha"]
domain_uuid = "{pair.domains[0].uuid}"
domain_api_key_env = "KEY_OF_ALPHA"
no_answer_timeout = 45

[profile."bravo"]
domain_uuid = "{pair.domains[1].uuid}"
domain_api_key_file = "keys/bravo"
webhook_api_key_file = "webhook"
webhook_base_url = "https://bravo.example.com"
recording_format = "wav"
"""
    )
    return path


def documents(outcome: Outcome) -> dict[str, dict[str, Any]]:
    found = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert {entry["schema"] for entry in found} == {"opbx.validate/1"}
    return {entry["profile"]: entry for entry in found}


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {step["id"]: step["status"] for step in document["steps"]}


def writes(sandbox: RunningSandbox) -> list[str]:
    return [request.call for request in sandbox.requests if request.method != "GET"]


def remote_profile(sandbox: RunningSandbox, number: int) -> Any:
    return sandbox.state.domain(sandbox.domains[number].uuid)["profile"]


def files(opbx: Opbx) -> dict[Path, bytes]:
    """All but the locks, which are empty and made when they are needed."""
    found = [file for file in opbx.home.rglob("*") if file.is_file() and file.suffix != ".lock"]
    return {file: file.read_bytes() for file in found}


def test_the_profiles_are_saved_and_validated(
    opbx: Opbx, pair: RunningSandbox, manifest: Path
) -> None:
    outcome = opbx("apply", str(manifest), "--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    found = documents(outcome)
    assert list(found) == ["alpha", "bravo"]
    assert [len(entry["warnings"]) for entry in found.values()] == [1, 1]  # OPBX needs the key
    assert statuses(found["alpha"]) == {
        "settings": "created",
        "connect": "ok",
        "domain": "ok",
        "voice-application": "created",
        "domain-profile": "updated",
        "default-application": "updated",
        "save": "updated",
    }
    shown = opbx("profiles", "show", "alpha", "--json").document
    assert (shown["is_default"], shown["no_answer_timeout"]) == (True, 45)
    assert shown["api_base_url"] == pair.url
    profile = remote_profile(pair, 1)
    assert profile["authorization-api-key"] == OWN_WEBHOOK_KEY
    assert profile["cdr-endpoint"].startswith("https://bravo.example.com/")
    assert profile["recording-media-type"] == "wav"


def test_the_second_run_writes_nothing(opbx: Opbx, pair: RunningSandbox, manifest: Path) -> None:
    assert opbx("apply", str(manifest)).code == 0
    before = files(opbx)
    pair.forget_requests()
    outcome = opbx("apply", str(manifest), "--json")
    assert outcome.code == 0
    for document in documents(outcome).values():
        assert set(statuses(document).values()) == {"ok", "unchanged"}
    assert writes(pair) == []
    assert files(opbx) == before


def test_check_shows_the_whole_plan_and_writes_nothing(
    opbx: Opbx, pair: RunningSandbox, manifest: Path
) -> None:
    outcome = opbx("apply", str(manifest), "--check", "--json")
    assert (outcome.code, outcome.stderr) == (8, "")
    found = documents(outcome)
    (settings, *_) = found["bravo"]["steps"]
    assert (settings["id"], settings["status"]) == ("settings", "differs")
    paths = [change["path"] for change in settings["changes"]]
    assert paths == [
        f"settings.{name}"
        for name in (
            *("domain_uuid", "domain_api_key", "webhook_api_key", "webhook_base_url"),
            *("recording_format", "api_base_url"),
        )
    ]
    assert settings["changes"][1]["to"]["set"] is True
    assert statuses(found["alpha"])["voice-application"] == "differs"
    assert found["bravo"]["warnings"] == []
    (warning,) = found["alpha"]["warnings"]
    assert "made when the profile is saved" in warning
    assert writes(pair) == []
    assert not opbx.home.exists()
    assert opbx("apply", str(manifest)).code == 0
    assert opbx("apply", str(manifest), "--check").code == 0


def test_text_names_the_settings(opbx: Opbx, manifest: Path) -> None:
    checked = opbx("apply", str(manifest), "--check")
    assert checked.code == 8
    first = checked.stdout.splitlines()[0]
    assert first.startswith(
        "alpha\tsettings\tdiffers\twould be saved as a new profile: Domain UUID"
    )
    assert "Ring time not set → 45 s" in first
    assert "`apply` without `--check` changes that." in checked.stdout
    assert checked.stdout.splitlines()[-1] == "2 profiles: 2 to be changed."
    done = opbx("apply", str(manifest))
    assert "A new store was made" in done.stderr
    assert done.stdout.splitlines()[-1] == "2 profiles: 2 in line."


def test_only_what_is_given_changes(opbx: Opbx, pair: RunningSandbox, manifest: Path) -> None:
    domain = pair.domains[2]
    argv = ["--domain-uuid", domain.uuid, "--api-key-stdin", "--no-answer-timeout", "30"]
    assert opbx("configure", "-p", "other", *argv, stdin=domain.api_key).code == 0
    assert opbx("apply", str(manifest)).code == 0
    assert opbx("configure", "-p", "bravo", "--no-answer-timeout", "20").code == 0
    other = opbx("profiles", "show", "other", "--json").document
    manifest.write_text(manifest.read_text().replace("timeout = 45", "timeout = 50"))
    outcome = opbx("apply", str(manifest), "--json")
    assert outcome.code == 0
    (settings, *_) = documents(outcome)["alpha"]["steps"]
    assert settings["status"] == "updated"
    assert settings["changes"] == [{"path": "settings.no_answer_timeout", "from": 45, "to": 50}]
    assert remote_profile(pair, 0)["call-timeout"] == 50
    assert opbx("profiles", "show", "bravo", "--json").document["no_answer_timeout"] == 20
    assert opbx("profiles", "show", "other", "--json").document == other
    assert other["is_default"] is True
    assert domain.uuid not in "".join(request.path for request in pair.requests)


def test_what_was_done_is_in_the_audit_trail(opbx: Opbx, manifest: Path) -> None:
    assert opbx("apply", str(manifest)).code == 0
    entries = opbx("profiles", "history", "--json").document["entries"]
    assert {entry["command"] for entry in entries} == {"apply"}
    assert [entry["profile"] for entry in entries] == ["alpha", "bravo"]
    for entry in entries:
        assert "domain_api_key" in entry["fingerprints"]
        assert "default_application" in entry["changed"]


def test_a_failing_domain_does_not_stop_the_others(
    opbx: Opbx, pair: RunningSandbox, manifest: Path
) -> None:
    outcome = opbx("apply", str(manifest), "--json", KEY_OF_ALPHA="XI" + "0" * 32)
    assert outcome.code == 9
    found = documents(outcome)
    assert (found["alpha"]["result"], found["bravo"]["result"]) == ("failed", "ok")
    assert outcome.error["message"].endswith("could not be brought in line: alpha")
    assert opbx("apply", str(manifest)).code == 0


def test_a_bad_manifest_does_nothing_at_all(
    opbx: Opbx, pair: RunningSandbox, manifest: Path
) -> None:
    key = pair.domains[0].api_key
    good = manifest.read_text()
    for old, new in (
        ('"KEY_OF_ALPHA"', f'"{key}"'),
        ('domain_api_key_env = "KEY_OF_ALPHA"', f'domain_api_key = "{key}"'),
        ('"KEY_OF_ALPHA"', '"NOT_SET"'),
        ('"keys/bravo"', '"keys/none"'),
        ("= 45", f'= "{key}"'),
        ("no_answer_timeout = 45", f"no_answer_timeout = 45 {key}"),
    ):
        manifest.write_text(good.replace(old, new))
        outcome = opbx("apply", str(manifest), "--json")
        assert (outcome.code, outcome.stdout) == (3, ""), new
        assert key not in outcome.stderr
        assert outcome.error["message"].startswith(f"{manifest}: ")
    manifest.write_text(good)
    assert opbx("apply", str(manifest), KEY_OF_ALPHA="").code == 3
    assert list(pair.requests) == []
    assert not opbx.home.exists()


def test_all_missing_variables_are_named_at_once(
    opbx: Opbx, pair: RunningSandbox, manifest: Path
) -> None:
    more = f"""
[profile."charlie"]
domain_uuid = "{pair.domains[2].uuid}"
domain_api_key_env = "KEY_OF_CHARLIE"
webhook_api_key_env = "KEY_OF_OPBX"
"""
    manifest.write_text(manifest.read_text() + more)
    del opbx.environ["KEY_OF_ALPHA"]
    outcome = opbx("apply", str(manifest), KEY_OF_CHARLIE="")
    assert (outcome.code, outcome.stdout) == (3, "")
    assert outcome.stderr == (
        f"error: {manifest}: these variables for keys are not set: "
        "KEY_OF_ALPHA, KEY_OF_CHARLIE (empty), KEY_OF_OPBX\n"
        "hint: nothing was changed; a CI system expands a missing secret to an empty text\n"
    )
    assert list(pair.requests) == []


def test_the_manifest_may_come_from_stdin(opbx: Opbx, pair: RunningSandbox, manifest: Path) -> None:
    text = manifest.read_text().replace("keys/bravo", str(manifest.parent / "keys/bravo"))
    text = text.replace('"webhook"', f'"{manifest.parent / "webhook"}"')
    outcome = opbx("apply", "-", "--json", stdin=text)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert list(documents(outcome)) == ["alpha", "bravo"]
    assert opbx.process("apply", "-", "--check", stdin=text).code == 0
    outcome = opbx("apply", "-", stdin=text.replace("= 45", "= 4"))
    assert outcome.stderr.startswith('error: stdin: profile."alpha".no_answer_timeout: ')
    outcome = opbx("apply", "-", stdin="")
    assert outcome.stderr.startswith("error: stdin: profile: expected one or more ")


def test_the_argument_is_one_readable_file(opbx: Opbx, manifest: Path) -> None:
    assert opbx("apply").code == 2
    assert opbx("apply", str(manifest), "-p", "alpha").code == 2
    outcome = opbx("apply", "XI0123456789abcdefghijABCDEFGHIJKL")
    assert outcome.code == 3
    assert outcome.stderr == "error: FILE: the manifest cannot be read: No such file or directory\n"
    assert opbx("apply", str(manifest.parent)).code == 3
    assert opbx("apply", str(manifest), "--prune").code == 2


def test_variables_of_the_storeless_mode_may_hold_the_keys(
    opbx: Opbx, pair: RunningSandbox, manifest: Path
) -> None:
    manifest.write_text(manifest.read_text().replace("KEY_OF_ALPHA", "OPBX_DOMAIN_API_KEY"))
    variables = {"OPBX_DOMAIN_API_KEY": pair.domains[0].api_key, "OPBX_PROFILE": "other"}
    outcome = opbx("apply", str(manifest), **variables)
    assert outcome.code == 0, outcome.stderr


def test_calls_of_somebody_else_need_a_yes(
    start_sandbox: StartSandbox, opbx: Opbx, manifest: Path
) -> None:
    sandbox = start_sandbox(domains=2, variants=["fresh=other"])
    opbx.environ["CLOUDONIX_API_BASE_URL"] = sandbox.url
    outcome = opbx("apply", str(manifest), "--json")
    assert outcome.code == 9
    assert {entry["result"] for entry in documents(outcome).values()} == {"partial"}
    assert opbx("apply", str(manifest), "--yes").code == 0


def test_with_the_rate_limit_on_there_is_no_429(
    start_sandbox: StartSandbox, opbx: Opbx, manifest: Path
) -> None:
    sandbox = start_sandbox(domains=2, rate_limit=True)
    opbx.environ["CLOUDONIX_API_BASE_URL"] = sandbox.url
    opbx.sleep = sandbox.advance
    for argv in (["--check"], [], ["--check"]):
        assert opbx("apply", str(manifest), *argv).code in (0, 8)
        sandbox.advance(3)
    assert 429 not in {request.status for request in sandbox.requests}


def test_ctrl_c_saves_nothing_that_was_not_accepted(
    opbx: Opbx, pair: RunningSandbox, manifest: Path
) -> None:
    pair.set_faults("get-domain=hang")
    with subprocess.Popen(
        [sys.executable, "-m", "opbx_cli", "apply", str(manifest)],
        env=opbx.process_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while process.poll() is None and len(pair.requests) < 4:
            os.sched_yield()
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stdout.count("was not brought in line: this run was asked to end.") in (1, 2)
    # Either profile, or both, may have been the one under way.
    assert "finished before that: 0 of 2 profiles; " in stderr
    assert "under way (no step done)" in stderr
    pair.set_faults()
    outcome = opbx("apply", str(manifest), "--json")
    assert outcome.code == 0
    assert statuses(documents(outcome)["alpha"])["settings"] == "created"


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_key_file_that_others_can_write_is_warned_of(
    opbx: Opbx, manifest: Path, mode: int
) -> None:
    """Whoever writes it chooses which domain's key is sent, and what OPBX trusts."""
    (manifest.parent / "webhook").chmod(mode)
    warning = (
        f'{manifest}: profile."bravo".webhook_api_key_file: others can write this file '
        f"(mode {mode:04o}), and so choose the key: `chmod go-w {manifest.parent}/webhook`"
    )
    outcome = opbx("apply", str(manifest), "--check")
    assert outcome.code == 8
    assert f"warning: {warning}\n" in outcome.stderr
    found = documents(opbx("apply", str(manifest), "--check", "--json"))
    assert all(warning in document["warnings"] for document in found.values())


def test_key_files_that_others_can_only_read_are_not_warned_of(opbx: Opbx, manifest: Path) -> None:
    for mode in (0o600, 0o644, 0o444):
        (manifest.parent / "webhook").chmod(mode)
        assert "others can write" not in opbx("apply", str(manifest), "--check").stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_file_of_another_user_is_warned_of(opbx: Opbx, manifest: Path) -> None:
    (manifest.parent / "webhook").chmod(0o600)
    os.chown(manifest.parent / "webhook", 12345, 12345)
    stderr = opbx("apply", str(manifest), "--check").stderr
    assert "webhook_api_key_file: this file belongs to another user (uid 12345), who can" in stderr
