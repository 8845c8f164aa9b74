"""`opbx validate` against the sandbox: steps, order, read-back, adoption, exit codes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest

from opbx_cli.operations.plan import application_name
from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx, Outcome

VOICE = f"{WEBHOOK_BASE_URL}/api/voice/route"
StartSandbox = Callable[..., RunningSandbox]


def statuses(outcome: Outcome) -> dict[str, str]:
    return {step["id"]: step["status"] for step in outcome.document["steps"]}


def step(outcome: Outcome, name: str) -> dict[str, Any]:
    found = [step for step in outcome.document["steps"] if step["id"] == name]
    assert len(found) == 1
    step = found[0]
    assert isinstance(step, dict)
    return step


def remote_domain(sandbox: RunningSandbox) -> Any:
    return sandbox.state.domain()


def remote_applications(sandbox: RunningSandbox) -> Any:
    return sandbox.state.applications()


def writes(sandbox: RunningSandbox) -> list[str]:
    return [request.call for request in sandbox.requests if request.method != "GET"]


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


def storeless_run(
    opbx: Opbx, sandbox: RunningSandbox, *argv: str, webhook_key: str | None = "w" * 32
) -> Outcome:
    domain = sandbox.domains[0]
    variables = {
        "CLOUDONIX_API_BASE_URL": sandbox.url,
        "OPBX_DOMAIN_UUID": domain.uuid,
        "OPBX_DOMAIN_API_KEY": domain.api_key,
        "APP_URL": WEBHOOK_BASE_URL,
    }
    if webhook_key is not None:
        variables["OPBX_WEBHOOK_API_KEY"] = webhook_key
    return opbx("validate", "--json", *argv, **variables)


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
    assert statuses(outcome)["domain-profile"] == "failed"
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


def configure(opbx: Opbx, sandbox: RunningSandbox, *more: str) -> None:
    domain = sandbox.domains[0]
    outcome = opbx(
        "configure",
        *("--domain-uuid", domain.uuid, "--api-key-stdin", "--api-base-url", sandbox.url),
        *("--webhook-base-url", WEBHOOK_BASE_URL, *more),
        stdin=domain.api_key,
    )
    assert outcome.code == 0, outcome.stderr


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
    (warning,) = outcome.document["warnings"]
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
    outcome = configured("validate", "--json")
    assert outcome.code == 0
    assert "opbx-routing-application-default0" in step(outcome, "voice-application")["detail"]
    assert statuses(outcome)["default-application"] == "unchanged"
    urls = {entry["name"]: entry["url"] for entry in remote_applications(sandbox)}
    assert urls["opbx-routing-application-default0"] == VOICE


def test_drift_made_by_others_is_repaired(configured: Opbx, sandbox: RunningSandbox) -> None:
    assert configured("validate").code == 0
    (application,) = remote_applications(sandbox)
    sandbox.state.edit_application(application["id"], url="https://x.example", active=False)
    sandbox.state.set_profile_keys({"authorization-api-key": "replaced-in-the-cockpit-000000"})
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


def test_an_inactive_domain_is_refused(start_sandbox: StartSandbox, opbx: Opbx) -> None:
    sandbox = start_sandbox(variants=["domain=inactive"])
    configure(opbx, sandbox)
    outcome = opbx("validate", "--json")
    assert outcome.code == 6
    assert outcome.error["code"] == "domain.inactive"
    assert statuses(outcome)["domain"] == "failed"
    assert statuses(outcome)["voice-application"] == "skipped"
    assert writes(sandbox) == []


@pytest.mark.parametrize(
    ("fault", "code", "error_code", "failed"),
    [
        ("401", 4, "auth.rejected", "connect"),
        ("403", 4, "auth.forbidden", "connect"),
        ("404", 5, "domain.not_found", "domain"),
        ("422", 6, "remote.refused", "connect"),
        ("503", 7, "remote.overloaded", "connect"),
        ("html", 6, "remote.unintelligible", "connect"),
    ],
)
def test_the_result_document_is_printed_when_reading_fails(
    configured: Opbx,
    sandbox: RunningSandbox,
    fault: str,
    code: int,
    error_code: str,
    failed: str,
) -> None:
    sandbox.set_faults(f"get-domain={fault}")
    store = (configured.home / "store.toml").read_bytes()
    outcome = configured("validate", "--json")
    assert outcome.code == code
    assert outcome.document["result"] == "failed"
    assert outcome.error["code"] == error_code
    assert step(outcome, failed)["error"] == outcome.error
    after = outcome.document["steps"][[s["id"] for s in outcome.document["steps"]].index(failed) :]
    assert {s["status"] for s in after[1:]} == {"skipped"}
    assert (configured.home / "store.toml").read_bytes() == store


def test_without_a_webhook_url_the_credentials_are_still_checked(
    opbx: Opbx, sandbox: RunningSandbox
) -> None:
    domain = sandbox.domains[0]
    opbx.environ |= {"CLOUDONIX_API_BASE_URL": sandbox.url, "OPBX_DOMAIN_UUID": domain.uuid}
    outcome = opbx("validate", "--json", OPBX_DOMAIN_API_KEY=domain.api_key)
    assert outcome.code == 3
    assert statuses(outcome)["domain"] == "ok"
    assert statuses(outcome)["voice-application"] == "failed"
    assert "OPBX_WEBHOOK_BASE_URL" in outcome.error["hint"]
    assert writes(sandbox) == []
    rejected = opbx("validate", "--json", OPBX_DOMAIN_API_KEY="XI" + "0" * 32)
    assert rejected.code == 4


def test_the_hint_for_a_missing_webhook_url_names_the_profile(
    opbx: Opbx, sandbox: RunningSandbox
) -> None:
    domain = sandbox.domains[0]
    for name in ("first", "acme"):
        argv = ["-p", name, "--domain-uuid", domain.uuid, "--api-key-stdin"]
        configure = opbx("configure", *argv, "--api-base-url", sandbox.url, stdin=domain.api_key)
        assert configure.code == 0
    outcome = opbx("validate", "-p", "acme", "--json")
    assert outcome.code == 3
    assert "--profile acme" in outcome.error["hint"]


def test_a_later_failure_after_a_write_is_partial(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.set_faults("update-domain=400")
    outcome = configured("validate", "--json")
    assert outcome.code == 9
    assert outcome.document["result"] == "partial"
    assert statuses(outcome) == {
        "connect": "ok",
        "domain": "ok",
        "voice-application": "created",
        "domain-profile": "failed",
        "default-application": "skipped",
        "save": "updated",
    }
    assert outcome.error["code"] == "validate.partial"
    assert step(outcome, "domain-profile")["error"]["http_status"] == 400
    sandbox.set_faults()
    assert configured("validate").code == 0
    assert len(remote_applications(sandbox)) == 1


def test_a_first_write_that_fails_has_the_code_of_its_cause(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.set_faults("create-application=422")
    outcome = configured("validate", "--json")
    assert outcome.code == 6
    assert outcome.document["result"] == "failed"
    assert statuses(outcome)["save"] == "skipped"


def test_a_lost_answer_to_the_post_makes_no_second_application(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.set_faults("create-application=close-after*1")
    outcome = configured("validate", "--json")
    assert outcome.code == 0, outcome.stderr
    assert statuses(outcome)["voice-application"] == "created"
    assert writes(sandbox).count("create-application") == 1
    assert len(remote_applications(sandbox)) == 1


def test_a_post_in_doubt_is_not_repeated(configured: Opbx, sandbox: RunningSandbox) -> None:
    sandbox.set_faults("create-application=close-before*1")
    outcome = configured("validate", "--json")
    assert outcome.code == 7
    assert outcome.error["retryable"] is True
    assert writes(sandbox).count("create-application") == 1
    assert configured("validate").code == 0
    assert len(remote_applications(sandbox)) == 1


@pytest.mark.parametrize("names", ["unique-409", "unique-500"])
def test_a_refused_duplicate_is_looked_up(
    start_sandbox: StartSandbox, opbx: Opbx, names: str
) -> None:
    sandbox = start_sandbox(variants=[f"names={names}", "application-lag=3600"])
    configure(opbx, sandbox)
    assert opbx("validate").code == 0
    sandbox.state.set_default_application(None)
    shutil.rmtree(opbx.home)
    configure(opbx, sandbox)
    outcome = opbx("validate", "--json")
    assert outcome.code in (6, 7)  # refused, and not listed yet: nothing can be decided
    assert len(opbx.waits) >= 3
    sandbox.advance(3600)
    assert opbx("validate").code == 0
    assert len(remote_applications(sandbox)) == 1


def test_a_write_that_is_accepted_but_ignored_is_a_failure(
    start_sandbox: StartSandbox, opbx: Opbx
) -> None:
    sandbox = start_sandbox(variants=["default-application=ignored"])
    configure(opbx, sandbox)
    outcome = opbx("validate", "--json")
    assert outcome.code == 9
    assert step(outcome, "default-application")["error"]["code"] == "remote.not_applied"
    again = opbx("validate", "--json")
    assert again.code == 6
    assert again.document["result"] == "failed"


def test_a_store_that_cannot_be_written_after_all_else_is_partial(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    lock = configured.home / "store.toml.lock"
    lock.unlink(missing_ok=True)
    lock.mkdir()
    outcome = configured("validate", "--json")
    assert outcome.code == 9
    assert statuses(outcome)["default-application"] == "updated"
    assert statuses(outcome)["save"] == "failed"
    lock.rmdir()
    again = configured("validate", "--json")
    assert again.code == 0
    assert statuses(again)["voice-application"] == "adopted"
    assert len(remote_applications(sandbox)) == 1


def test_in_production_mode_an_unreachable_webhook_url_is_refused(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    assert configured("configure", "--webhook-base-url", "http://192.168.1.5").code == 0
    warned = configured("validate", "--check", "--json")
    assert warned.code == 8
    assert len(warned.document["warnings"]) == 2
    refused = configured("validate", "--json", OPBX_APPLICATION_MODE="production")
    assert refused.code == 3
    assert writes(sandbox) == []


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


def test_text_of_a_partial_run_names_what_is_done_and_what_failed(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.set_faults("update-domain=400")
    outcome = configured("validate")
    assert outcome.code == 9
    assert outcome.stderr.startswith("error: done: voice-application; failed: domain-profile: ")
    assert "hint: " in outcome.stderr
    assert outcome.stdout.splitlines()[-1].endswith("only partly in line with the settings.")
