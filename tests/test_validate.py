"""`opbx validate` against the sandbox: steps, order, read-back, adoption, exit codes."""

from __future__ import annotations

import pytest

from opbx_cli.operations.validate.plan import application_name
from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx
from validation import (
    VOICE,
    StartSandbox,
    configure,
    remote_applications,
    remote_domain,
    statuses,
    step,
    storeless_run,
    writes,
)


def test_first_run_brings_a_fresh_domain_in_line(configured: Opbx, sandbox: RunningSandbox) -> None:
    outcome = configured("validate", "--json")
    assert outcome.code == 0, outcome.stderr
    assert outcome.stderr == ""
    assert outcome.document["result"] == "ok"
    assert statuses(outcome) == {
        "connect": "ok",
        "domain": "ok",
        "voice-application": "created",
        "domain-profile": "updated",
        "default-application": "updated",
        "save": "updated",
    }
    uuid = sandbox.domains[0].uuid
    (application,) = remote_applications(sandbox)
    assert application["name"] == application_name(uuid)
    assert application["url"] == VOICE
    assert application["type"] == "cxml"
    assert application["method"] == "POST"
    assert application["active"] is True
    domain = remote_domain(sandbox)
    assert domain["defaultApplication"] == application["id"]
    profile = domain["profile"]
    assert profile["call-timeout"] == 60
    assert profile["recording-media-type"] == "mp3"
    assert profile["session-update-endpoint"].startswith(WEBHOOK_BASE_URL)
    assert profile["cdr-endpoint"] == f"{WEBHOOK_BASE_URL}/api/webhooks/cloudonix/cdr"
    assert len(profile["authorization-api-key"]) == 43


def test_calls_are_switched_over_last(configured: Opbx, sandbox: RunningSandbox) -> None:
    assert configured("validate").code == 0
    bodies = [request.body for request in sandbox.requests if request.method != "GET"]
    assert [sorted(body) for body in bodies if isinstance(body, dict)] == [
        ["method", "name", "profile", "type", "url"],
        ["profile"],
        ["defaultApplication"],
    ]


def test_second_run_writes_nothing(configured: Opbx, sandbox: RunningSandbox) -> None:
    assert configured("validate").code == 0
    before = (configured.home / "store.toml").read_bytes()
    sandbox.forget_requests()
    outcome = configured("validate", "--json")
    assert outcome.code == 0
    assert writes(sandbox) == []
    assert set(statuses(outcome).values()) == {"ok", "unchanged"}
    assert (configured.home / "store.toml").read_bytes() == before


def test_what_cloudonix_told_is_saved(configured: Opbx, sandbox: RunningSandbox) -> None:
    assert configured("validate").code == 0
    shown = configured("profiles", "show", "--json").document
    assert shown["domain_name"] == sandbox.domains[0].name
    assert shown["cloudonix_package"] == "Sandbox Unlimited"
    assert shown["voice_application"]["id"] == remote_applications(sandbox)[0]["id"]
    assert shown["no_answer_timeout"] is None
    assert shown["recording_format"] is None


def test_check_shows_the_same_plan_and_writes_nothing(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    store = (configured.home / "store.toml").read_bytes()
    checked = configured("validate", "--check", "--json")
    assert checked.code == 8
    assert checked.stderr == ""
    assert checked.document["result"] == "differs"
    assert writes(sandbox) == []
    assert (configured.home / "store.toml").read_bytes() == store
    done = configured("validate", "--json")
    for name in ("voice-application", "domain-profile", "default-application"):
        assert step(checked, name)["status"] == "differs"
        assert step(checked, name)["changes"] == step(done, name)["changes"] != []
    again = configured("validate", "--check", "--json")
    assert again.code == 0
    assert again.document["result"] == "ok"


def test_secrets_in_changes_are_masked(configured: Opbx, sandbox: RunningSandbox) -> None:
    outcome = configured("validate", "--json")
    changes = step(outcome, "domain-profile")["changes"]
    (key,) = [c for c in changes if c["path"] == "domain_profile.authorization-api-key"]
    assert key["from"] is None
    assert key["to"]["set"] is True
    assert key["to"]["fingerprint"].startswith("fp:")
    sent = remote_domain(sandbox)["profile"]["authorization-api-key"]
    assert sent not in outcome.stdout
    assert key["to"]["mask"] == "*" * 12 + sent[-4:]


def test_foreign_profile_keys_survive_whatever_put_does(
    start_sandbox: StartSandbox, opbx: Opbx
) -> None:
    for variant in ("profile=merge", "profile=replace"):
        sandbox = start_sandbox(variants=[variant])
        sandbox.state.set_profile_keys({"customer": {"nested": [1, None, "ü"]}, "rate": 0.25})
        outcome = storeless_run(opbx, sandbox)
        assert outcome.code == 0, outcome.stderr
        profile = remote_domain(sandbox)["profile"]
        assert profile["customer"] == {"nested": [1, None, "ü"]}
        assert profile["rate"] == 0.25


def test_without_a_store_the_second_run_writes_nothing_too(
    opbx: Opbx, sandbox: RunningSandbox
) -> None:
    first = storeless_run(opbx, sandbox)
    assert first.code == 0
    assert statuses(first)["save"] == "skipped"
    sandbox.forget_requests()
    second = storeless_run(opbx, sandbox)
    assert second.code == 0
    assert statuses(second)["voice-application"] == "unchanged"
    assert writes(sandbox) == []
    assert not opbx.home.exists()


def test_without_a_webhook_key_the_remote_one_is_left_alone(
    opbx: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.state.set_profile_keys({"authorization-api-key": "somebody-elses-key"})
    outcome = storeless_run(opbx, sandbox, webhook_key=None)
    assert outcome.code == 0
    assert outcome.document["warnings"] == []
    assert remote_domain(sandbox)["profile"]["authorization-api-key"] == "somebody-elses-key"


def test_without_any_webhook_key_there_is_a_warning(opbx: Opbx, sandbox: RunningSandbox) -> None:
    outcome = storeless_run(opbx, sandbox, webhook_key=None)
    assert outcome.code == 0
    assert any("OPBX_WEBHOOK_API_KEY" in warning for warning in outcome.document["warnings"])


def test_a_mask_is_never_sent_back_as_the_key(opbx: Opbx, start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(variants=["webhook-key=masked"])
    sandbox.state.set_profile_keys({"authorization-api-key": "somebody-elses-key"})
    outcome = storeless_run(opbx, sandbox, webhook_key=None)
    assert outcome.code == 9  # the application was created; the profile must not be written
    assert statuses(outcome)["domain-profile"] == "skipped"
    assert statuses(outcome)["default-application"] == "skipped"
    assert "OPBX_WEBHOOK_API_KEY" in outcome.error["hint"]
    assert remote_domain(sandbox)["profile"]["authorization-api-key"] == "somebody-elses-key"


@pytest.mark.parametrize("shown", ["masked", "absent"])
def test_a_key_that_is_not_shown_is_sent_once_and_remembered(
    start_sandbox: StartSandbox, opbx: Opbx, shown: str
) -> None:
    sandbox = start_sandbox(variants=[f"webhook-key={shown}"])
    configure(opbx, sandbox)
    first = opbx("validate", "--json")
    assert first.code == 0, first.stderr
    assert "does not show it" in step(first, "domain-profile")["detail"]
    sandbox.forget_requests()
    second = opbx("validate", "--json")
    assert second.code == 0
    assert writes(sandbox) == []
    changed = opbx("configure", "--webhook-key-stdin", stdin="another-webhook-key-0123456789")
    assert changed.code == 0
    assert opbx("validate", "--check").code == 8
    assert opbx("validate").code == 0
    assert (
        remote_domain(sandbox)["profile"]["authorization-api-key"]
        == "another-webhook-key-0123456789"
    )


@pytest.mark.parametrize(
    ("remote", "expected"), [("45", "45"), (45, 45), (300, 60), (4, 60), ("fast", 60), (None, 60)]
)
def test_an_unset_timeout_follows_the_domain_within_opbx_limits(
    configured: Opbx, sandbox: RunningSandbox, remote: object, expected: object
) -> None:
    sandbox.state.set_profile_keys({"call-timeout": remote})
    assert configured("validate").code == 0
    assert remote_domain(sandbox)["profile"]["call-timeout"] == expected
    assert configured("profiles", "show", "--json").document["no_answer_timeout"] is None


@pytest.mark.parametrize(("remote", "expected"), [("WAV", "WAV"), ("wav", "wav"), ("ogg", "mp3")])
def test_an_unset_recording_format_follows_the_domain(
    configured: Opbx, sandbox: RunningSandbox, remote: str, expected: str
) -> None:
    sandbox.state.set_profile_keys({"recording-media-type": remote})
    assert configured("validate").code == 0
    assert remote_domain(sandbox)["profile"]["recording-media-type"] == expected


def test_a_set_timeout_and_format_are_brought_to_the_domain(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.state.set_profile_keys({"call-timeout": 60, "recording-media-type": "mp3"})
    assert (
        configured("configure", "--no-answer-timeout", "45", "--recording-format", "wav").code == 0
    )
    outcome = configured("validate")
    assert outcome.code == 0
    assert "Ring time 60 s → 45 s" in outcome.stdout
    profile = remote_domain(sandbox)["profile"]
    assert (profile["call-timeout"], profile["recording-media-type"]) == (45, "wav")


def test_an_existing_application_of_opbx_is_adopted(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.state.add_application("opbx-routing-application-older000", url="https://old.example")
    sandbox.state.add_application("opbx-routing-application-matches0", url=VOICE)
    sandbox.state.add_application("opbx-routing-application-newest00", url="https://new.example")
    outcome = configured("validate", "--json")
    assert outcome.code == 0
    assert statuses(outcome)["voice-application"] == "adopted"
    assert "opbx-routing-application-matches0" in step(outcome, "voice-application")["detail"]
    warning = outcome.document["warnings"][0]
    assert "opbx-routing-application-older000" in warning
    assert "opbx-routing-application-newest00" in warning
    assert "create-application" not in writes(sandbox)
    assert statuses(configured("validate", "--json"))["voice-application"] == "unchanged"


def test_the_default_application_is_preferred_for_adoption(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.state.add_application("opbx-routing-application-matches0", url=VOICE)
    sandbox.state.add_application("opbx-routing-application-default0", url="https://old.example")
    sandbox.state.set_default_application("opbx-routing-application-default0")
    assert configured("validate", "--json").code == 9  # another OPBX has the calls
    assert remote_applications(sandbox)[-1]["url"] == "https://old.example"
    outcome = configured("validate", "--yes", "--json")
    assert outcome.code == 0
    assert "opbx-routing-application-default0" in step(outcome, "voice-application")["detail"]
    assert statuses(outcome)["default-application"] == "unchanged"
    urls = {entry["name"]: entry["url"] for entry in remote_applications(sandbox)}
    assert urls["opbx-routing-application-default0"] == VOICE


def test_drift_made_by_others_is_repaired(configured: Opbx, sandbox: RunningSandbox) -> None:
    assert configured("validate").code == 0
    (application,) = remote_applications(sandbox)
    sandbox.state.edit_application(application["id"], url="https://x.example", active=False)
    outcome = configured("validate")
    assert outcome.code == 0
    assert "Application active no → yes" in outcome.stdout
    assert "Calls are sent to https://x.example → " in outcome.stdout
    (application,) = remote_applications(sandbox)
    assert (application["url"], application["active"]) == (VOICE, True)


def test_a_deleted_application_is_made_again(configured: Opbx, sandbox: RunningSandbox) -> None:
    assert configured("validate").code == 0
    (application,) = remote_applications(sandbox)
    sandbox.state.set_default_application(None)
    sandbox.state.delete_application(application["id"])
    outcome = configured("validate", "--json")
    assert outcome.code == 0
    assert statuses(outcome)["voice-application"] == "created"
    assert len(remote_applications(sandbox)) == 1


def test_somebody_elses_default_application_needs_a_yes(
    start_sandbox: StartSandbox, opbx: Opbx
) -> None:
    sandbox = start_sandbox(variants=["fresh=other"])
    configure(opbx, sandbox)
    before = remote_domain(sandbox)["defaultApplication"]
    checked = opbx("validate", "--check", "--json")
    assert checked.code == 8
    assert "ivr-2019" in step(checked, "default-application")["detail"]
    outcome = opbx("validate", "--json")
    assert outcome.code == 9
    assert outcome.document["result"] == "partial"
    assert statuses(outcome)["default-application"] == "skipped"
    assert outcome.error["code"] == "validate.wants_yes"
    assert "--replace-default" in outcome.error["hint"]
    assert remote_domain(sandbox)["defaultApplication"] == before
    again = opbx("validate", "--json")
    assert again.code == 9
    assert [s for s in again.document["steps"] if s["status"] == "updated"] == []
    done = opbx("validate", "--replace-default", "--json")
    assert done.code == 0
    assert remote_domain(sandbox)["defaultApplication"] != before


@pytest.mark.parametrize("variant", ["fresh=none", "fresh=cloudonix"])
def test_an_empty_or_builtin_default_needs_no_yes(
    start_sandbox: StartSandbox, opbx: Opbx, variant: str
) -> None:
    sandbox = start_sandbox(variants=[variant])
    configure(opbx, sandbox)
    assert opbx("validate").code == 0
    assert remote_domain(sandbox)["defaultApplication"] == remote_applications(sandbox)[0]["id"]


def test_at_most_five_round_trips_and_one_when_nothing_changes(
    start_sandbox: StartSandbox, opbx: Opbx
) -> None:
    sandbox = start_sandbox(latency=0.05)
    configure(opbx, sandbox)

    def round_trips() -> int:
        sandbox.forget_requests()
        assert opbx("validate").code == 0
        count, end = 0, 0.0
        for request in sorted(sandbox.requests, key=lambda entry: entry.started):
            if request.started >= end:
                count, end = count + 1, request.ended or request.started
        return count

    assert round_trips() <= 5
    assert round_trips() == 1
    assert len({request.client_port for request in sandbox.requests}) == 2


def test_text_says_each_step_and_ends_with_one_sentence(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    outcome = configured("validate")
    lines = outcome.stdout.splitlines()
    assert [line.split("\t")[0] for line in lines[:-1]] == [
        "connect",
        "domain",
        "voice-application",
        "domain-profile",
        "default-application",
        "save",
    ]
    assert lines[-1] == f"Done: calls for {sandbox.domains[0].name} go to {VOICE}"
    assert (
        configured("validate")
        .stdout.splitlines()[-1]
        .startswith("Nothing to do: calls for sandbox.cloudonix.net go to ")
    )
