"""The plan in the words of somebody who owns a PBX, and what others did to the domain meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from opbx_cli.models import Secret
from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx, Outcome

StartSandbox = Callable[..., RunningSandbox]
VOICE = f"{WEBHOOK_BASE_URL}/api/voice/route"
KEY = "authorization-api-key"
REPLACED = "replaced-in-the-cockpit-000000"
SINCE = "since the last run"


def detail(outcome: Outcome, name: str) -> str:
    (found,) = [step for step in outcome.document["steps"] if step["id"] == name]
    return str(found["detail"])


@pytest.fixture
def settled(configured: Opbx, sandbox: RunningSandbox) -> Opbx:
    """The command behind a run that brought the domain in line."""
    assert configured("validate").code == 0
    return configured


def test_check_and_run_show_the_same_plan_in_the_owners_words(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.state.add_application("ivr-2019", url="https://ivr.example.com")
    sandbox.state.set_default_application("ivr-2019")
    sandbox.state.set_profile_keys({"call-timeout": 60, KEY: REPLACED})
    assert configured("configure", "--no-answer-timeout", "45").code == 0
    checked = configured("validate", "--check", "--yes").stdout
    done = configured("validate", "--yes").stdout
    new = Secret(str(sandbox.state.domain()["profile"][KEY]))  # type: ignore[index]
    for shown in (checked, done):
        assert "Ring time 60 s → 45 s" in shown
        assert f"Calls will go to {VOICE} (now: application 'ivr-2019')" in shown
        assert f"Webhook key changed ({Secret(REPLACED).fingerprint} → {new.fingerprint})" in shown
        assert REPLACED not in shown
        assert new.reveal() not in shown


def test_a_first_key_and_a_masked_one(start_sandbox: StartSandbox, opbx: Opbx) -> None:
    sandbox = start_sandbox(variants=["webhook-key=masked", "fresh=none"])
    domain = sandbox.domains[0]
    environ = {
        "CLOUDONIX_API_BASE_URL": sandbox.url,
        "OPBX_DOMAIN_UUID": domain.uuid,
        "OPBX_DOMAIN_API_KEY": domain.api_key,
        "OPBX_WEBHOOK_API_KEY": "webhook-key-0123456789",
        "APP_URL": WEBHOOK_BASE_URL,
    }
    first = opbx("validate", "--check", **environ).stdout
    assert f"Webhook key set ({Secret('webhook-key-0123456789').label})" in first
    assert f"Calls will go to {VOICE} (now: to no application)" in first
    sandbox.state.set_profile_keys({KEY: REPLACED})
    masked = opbx("validate", "--check", **environ).stdout
    assert "Webhook key changed (masked → a short key)" in masked


def test_what_others_did_to_the_application_is_said(settled: Opbx, sandbox: RunningSandbox) -> None:
    (application,) = sandbox.state.applications()
    number: Any = application["id"]
    sandbox.state.edit_application(number, url="https://x.example", method="GET", active=False)
    said = f"somebody changed its URL, changed its method and deactivated it {SINCE}"
    checked = settled("validate", "--check", "--json")
    assert said in detail(checked, "voice-application")
    done = settled("validate", "--json")
    assert said in detail(done, "voice-application")
    assert SINCE not in settled("validate", "--json").stdout


def test_an_application_that_was_deleted_is_named(settled: Opbx, sandbox: RunningSandbox) -> None:
    (application,) = sandbox.state.applications()
    number: Any = application["id"]
    sandbox.state.delete_application(number)
    said = f"{application['name']} (id {number}) is gone: somebody deleted it {SINCE}"
    assert said in detail(settled("validate", "--check", "--json"), "voice-application")
    done = settled("validate", "--json")
    assert (done.code, len(sandbox.state.applications())) == (0, 1)
    assert said in detail(done, "voice-application")


@pytest.mark.parametrize("shown", ["echoed", "masked"])
def test_a_key_that_others_replaced_is_said(
    settled: Opbx, sandbox: RunningSandbox, shown: str
) -> None:
    sandbox.set_variants(f"webhook-key={shown}")
    sandbox.state.set_profile_keys({KEY: REPLACED})
    said = f"somebody replaced the webhook key {SINCE}"
    assert said in detail(settled("validate", "--check", "--json"), "domain-profile")
    assert said in detail(settled("validate", "--json"), "domain-profile")


def test_a_key_that_was_shown_and_is_not_any_more_is_sent_again(
    settled: Opbx, sandbox: RunningSandbox
) -> None:
    key = sandbox.state.domain()["profile"][KEY]  # type: ignore[index]
    sandbox.state.remove_profile_keys(KEY)
    assert settled("validate").code == 0
    assert sandbox.state.domain()["profile"][KEY] == key  # type: ignore[index]


def test_what_follows_from_our_own_settings_is_nobodys_doing(
    settled: Opbx, sandbox: RunningSandbox
) -> None:
    argv = ["configure", "--webhook-base-url", "https://other.example.com", "--webhook-key-stdin"]
    assert settled(*argv, stdin="a-new-webhook-key-0123456789").code == 0
    outcome = settled("validate", "--json")
    assert outcome.code == 0
    assert SINCE not in outcome.stdout


def test_a_first_run_blames_nobody(configured: Opbx, sandbox: RunningSandbox) -> None:
    sandbox.state.set_profile_keys({KEY: REPLACED})
    sandbox.state.add_application("opbx-routing-application-0ld0ne00", url="https://x.example")
    assert SINCE not in configured("validate", "--json").stdout


def test_a_key_that_did_not_arrive_is_not_remembered_as_sent(
    start_sandbox: StartSandbox, settled: Opbx, sandbox: RunningSandbox
) -> None:
    """The application is written, the key is not: the next run must send it."""
    sandbox.set_variants("webhook-key=absent")
    new = "a-new-webhook-key-0123456789"
    assert settled("configure", "--webhook-key-stdin", stdin=new).code == 0
    number: Any = sandbox.state.applications()[0]["id"]
    sandbox.state.edit_application(number, active=False)
    sandbox.set_faults("update-domain=400")
    assert settled("validate").code == 9
    sandbox.set_faults()
    assert settled("validate").code == 0
    assert sandbox.state.domain()["profile"][KEY] == new  # type: ignore[index]


def test_a_rotation_in_doubt_leaves_the_next_run_to_make_sure(
    settled: Opbx, sandbox: RunningSandbox
) -> None:
    """Cloudonix took the new key, its answers were lost, and it shows no key."""
    sandbox.set_variants("webhook-key=absent")
    before = sandbox.state.domain()["profile"][KEY]  # type: ignore[index]
    sandbox.set_faults("update-domain=close-after")
    assert settled("webhook-key", "rotate").code == 7
    assert sandbox.state.domain()["profile"][KEY] != before  # type: ignore[index]
    sandbox.set_faults()
    assert settled("validate").code == 0
    assert sandbox.state.domain()["profile"][KEY] == before  # type: ignore[index]
