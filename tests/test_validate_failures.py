"""`opbx validate` when something is wrong: which step says so, the code, and what is left."""

from __future__ import annotations

import shutil

import pytest

from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx
from validation import (
    StartSandbox,
    configure,
    remote_applications,
    statuses,
    step,
    writes,
)


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
    assert statuses(outcome)["domain-profile"] == "failed"  # before the key was sent
    assert statuses(outcome)["default-application"] == "skipped"
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


def test_text_of_a_partial_run_names_what_is_done_and_what_failed(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.set_faults("update-domain=400")
    outcome = configured("validate")
    assert outcome.code == 9
    assert outcome.stderr.startswith("error: done: voice-application; failed: domain-profile: ")
    assert "hint: " in outcome.stderr
    assert outcome.stdout.splitlines()[-1].endswith("only partly in line with the settings.")


def test_a_name_that_was_not_read_now_is_not_shown(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    assert configured("validate", "--json").document["domain"]["name"] is not None
    sandbox.set_faults("get-domain=503")
    outcome = configured("validate", "--json")
    assert outcome.document["domain"] == {"uuid": sandbox.domains[0].uuid, "name": None}


def test_hints_name_the_profile_that_failed(configured: Opbx, sandbox: RunningSandbox) -> None:
    domain = sandbox.domains[0]
    argv = ("configure", "-p", "second", "--domain-uuid", domain.uuid, "--api-key-stdin")
    address = ("--api-base-url", sandbox.url, "--webhook-base-url", WEBHOOK_BASE_URL)
    assert configured(*argv, *address, stdin=domain.api_key).code == 0
    sandbox.set_faults("any=html")
    hint = configured("trunks", "list", "-p", "second", "--json").error["hint"]
    assert "`opbx profiles show --origin --profile second`" in hint
    sandbox.set_faults("any=redirect")
    assert "--profile second`" in configured("validate", "-p", "second", "--json").error["hint"]
    sandbox.set_faults()
    sandbox.state.set_default_application(
        str(sandbox.state.add_application("ivr", url="https://ivr.example.com/")["name"])
    )
    error = configured("validate", "-p", "second", "--json").error
    assert error["hint"].startswith("`opbx validate --replace-default --profile second` sends")
    planned = configured("validate", "-p", "second", "--check").stdout
    assert planned.endswith("; `opbx validate --profile second` changes that.\n")


@pytest.mark.parametrize("name", ["domain_uuid", "domain_api_key"])
def test_a_store_that_somebody_altered_reaches_no_server(
    configured: Opbx, sandbox: RunningSandbox, name: str
) -> None:
    """One character of a plain value or of an encrypted one: nothing is sent, not even the name."""
    sandbox.forget_requests()
    store = configured.home / "store.toml"
    text = store.read_text()
    place = text.index('"\n', text.index(f"\n{name} = ")) - 1
    other = "0" if text[place] != "0" else "1"
    store.write_text(text[:place] + other + text[place + 1 :])
    outcome = configured("validate", "--json")
    assert (outcome.code, outcome.stdout) == (10, "")
    assert outcome.error["code"] == "store.altered"
    assert sandbox.requests == ()
