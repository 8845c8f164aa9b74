"""`opbx detach` where things go wrong: refused, cut off, changed by others meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from detaching import CDR, KEY, SESSION_UPDATE, add_ivr, callback_keys, in_charge, ours, remembered
from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx, Outcome
from terminal import on_terminal
from validation import StartSandbox, configure, ended_during, remote_domain, statuses, step, writes

OTHER = "https://other-pbx.example.org"
STEPS = ("default-application", "domain-profile", "voice-application")


@pytest.mark.parametrize(
    ("fault", "failed", "code", "exit_code"),
    [
        ("update-domain=400*9", "default-application", "remote.refused", 6),
        ("update-domain=403*9", "default-application", "auth.forbidden", 4),
        ("update-domain=503*9", "default-application", "remote.overloaded", 7),
        ("update-domain=400*9@2", "domain-profile", "detach.partial", 9),
        ("update-domain=503*9@2", "domain-profile", "detach.partial", 9),
        ("update-application=400*9", "voice-application", "detach.partial", 9),
        ("update-application=empty*9", "voice-application", "detach.partial", 9),
    ],
)
def test_a_refused_write_is_told_and_the_next_run_goes_on(
    attached: Opbx, sandbox: RunningSandbox, fault: str, failed: str, code: str, exit_code: int
) -> None:
    sandbox.set_faults(fault)
    outcome = attached("detach", "--yes", "--json")
    assert (outcome.code, outcome.error["code"]) == (exit_code, code), outcome.stderr
    place = STEPS.index(failed)
    expected = ["updated"] * place + ["failed"] + ["skipped"] * (2 - place)
    assert [statuses(outcome)[name] for name in STEPS] == expected
    assert statuses(outcome)["save"] == "skipped"
    assert step(outcome, failed)["error"]["exit_code"] in (4, 6, 7)
    assert outcome.document["result"] == ("partial" if place else "failed")
    assert remembered(attached)["name"] == "ivr-2019"
    entries = attached("profiles", "history", "--json").document["entries"]
    assert (entries[-1]["command"] == "detach") == bool(place)
    sandbox.set_faults()
    again = attached("detach", "--yes", "--json")
    assert again.code == 0, again.stderr
    assert (in_charge(sandbox), callback_keys(sandbox)) == ("ivr-2019", {})
    assert ours(sandbox)["active"] is False
    assert remembered(attached) is None


@pytest.mark.parametrize(
    "fault",
    [
        "update-domain=close-after@1",
        "update-domain=truncated-after@2",
        "update-application=close-after",
        "update-domain=503*1",
        "update-domain=429*1",
    ],
)
def test_a_write_whose_answer_is_lost_is_looked_for(
    attached: Opbx, sandbox: RunningSandbox, fault: str
) -> None:
    sandbox.set_faults(fault)
    outcome = attached("detach", "--yes", "--json")
    assert outcome.code == 0, outcome.stderr
    assert (in_charge(sandbox), callback_keys(sandbox)) == ("ivr-2019", {})


@pytest.mark.parametrize(("fault", "is_gone"), [("400*9", False), ("close-after", True)])
def test_a_deletion_is_looked_for_too(
    attached: Opbx, sandbox: RunningSandbox, fault: str, *, is_gone: bool
) -> None:
    sandbox.set_faults(f"delete-application={fault}")
    outcome = attached("detach", "--yes", "--delete-application", "--json")
    assert outcome.code == (0 if is_gone else 9), outcome.stderr
    assert (ours(sandbox) is None) == is_gone
    assert writes(sandbox).count("delete-application") == 1


@pytest.mark.parametrize(
    ("call", "first", "done"),
    [
        ("get-domain", 1, "no step had changed anything"),
        ("update-domain", 1, "no step had changed anything"),
        ("update-domain", 2, "done before that: default-application"),
        ("update-application", 1, "done before that: default-application, domain-profile"),
    ],
)
def test_a_run_that_is_asked_to_end_says_what_it_had_done(
    attached: Opbx, sandbox: RunningSandbox, call: str, first: int, done: str
) -> None:
    sandbox.set_faults(f"{call}=hang@{first}")
    outcome = ended_during(attached, sandbox, "detach", "--yes", call=call, by=signal.SIGTERM)
    assert outcome.code == 143
    assert done in outcome.stderr
    assert "`opbx detach` goes on from here" in outcome.stderr
    assert "this run was asked to end." in outcome.stdout or "may or may not" in outcome.stdout
    sandbox.set_faults()
    assert attached("detach", "--yes").code == 0
    assert (in_charge(sandbox), callback_keys(sandbox)) == ("ivr-2019", {})


@pytest.mark.parametrize(("call", "first"), [("update-domain", 2), ("update-application", 1)])
def test_a_run_that_is_killed_goes_on(
    attached: Opbx, sandbox: RunningSandbox, call: str, first: int
) -> None:
    sandbox.set_faults(f"{call}=hang@{first}")
    ended_during(attached, sandbox, "detach", "--yes", call=call, by=signal.SIGKILL)
    sandbox.set_faults()
    assert attached("detach", "--yes").code == 0
    assert (in_charge(sandbox), callback_keys(sandbox)) == ("ivr-2019", {})
    assert remembered(attached) is None


def test_a_takeover_that_was_killed_is_remembered(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    """Killed between the switch and its save: what had the calls was saved before."""
    add_ivr(sandbox)
    sandbox.set_faults("update-domain=hang-after@2")
    with subprocess.Popen(
        [sys.executable, "-m", "opbx_cli", "validate", "--replace-default"],
        env=configured.process_environ(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while process.poll() is None and in_charge(sandbox) == "ivr-2019":
            os.sched_yield()
        process.kill()
    sandbox.set_faults()
    assert configured("validate").code == 0
    assert remembered(configured)["name"] == "ivr-2019"
    assert configured("detach", "--yes").code == 0
    assert in_charge(sandbox) == "ivr-2019"


@pytest.mark.parametrize(
    "variants",
    [
        ["profile=replace"],
        ["webhook-key=absent"],
        ["webhook-key=masked"],
        ["webhook-key=absent", "profile=replace"],
        ["default-application=patch"],
        ["default-application=put"],
        ["ids=string", "numbers=string"],
        ["application-path=id"],
        ["nulls=on"],
    ],
    ids=",".join,
)
def test_every_cloudonix_is_left_clean(
    opbx: Opbx, start_sandbox: StartSandbox, variants: list[str]
) -> None:
    sandbox = start_sandbox(variants=variants)
    configure(opbx, sandbox)
    add_ivr(sandbox)
    sandbox.state.set_profile_keys({"crm": "kept"})
    attached = opbx("validate", "--replace-default", "--json")
    assert attached.code == 0, attached.stderr
    outcome = opbx("detach", "--yes", "--json")
    assert outcome.code == 0, outcome.stderr
    assert (in_charge(sandbox), callback_keys(sandbox)) == ("ivr-2019", {})
    assert remote_domain(sandbox)["profile"]["crm"] == "kept"
    assert opbx("detach", "--check").code == 0
    assert opbx("validate", "--replace-default").code == 0
    assert opbx("detach", "--yes").code == 0
    assert (in_charge(sandbox), callback_keys(sandbox)) == ("ivr-2019", {})


def test_a_cloudonix_that_takes_no_null_is_sent_the_rest(
    opbx: Opbx, start_sandbox: StartSandbox
) -> None:
    sandbox = start_sandbox(variants=["profile=replace"])
    configure(opbx, sandbox)
    sandbox.state.set_profile_keys({"crm": "kept"})
    assert opbx("validate").code == 0
    sandbox.set_faults("update-domain=400*1@2")
    assert opbx("detach", "--yes").code == 0
    assert callback_keys(sandbox) == {}
    assert remote_domain(sandbox)["profile"]["crm"] == "kept"


def test_an_application_whose_url_was_changed_is_left(
    attached: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.state.edit_application(ours(sandbox)["id"], url=f"{OTHER}/api/voice/route")
    outcome = attached("detach", "--yes", "--json")
    assert outcome.code == 0
    (calls,) = [one for one in outcome.document["steps"] if one["id"] == "default-application"]
    assert calls["status"] == "skipped"
    assert f"sends calls to {OTHER}/api/voice/route: somebody changed that" in calls["detail"]
    assert statuses(outcome)["voice-application"] == "skipped"
    assert in_charge(sandbox) == ours(sandbox)["name"]
    assert ours(sandbox)["active"] is True
    # Those who have the calls now may check them with that key.
    assert callback_keys(sandbox).keys() == {KEY}
    assert any(one.startswith("the webhook key stays") for one in outcome.document["warnings"])
    assert remembered(attached)["name"] == "ivr-2019"
    again = attached("detach", "--json")
    assert again.code == 0
    assert set(statuses(again).values()) == {"ok", "skipped"}
    assert "is not this profile's, and stays" in attached("detach").stdout


def test_calls_and_urls_that_others_moved_stay_where_they_are(
    attached: Opbx, sandbox: RunningSandbox
) -> None:
    """The customer moved to another OPBX, which has the same key."""
    sandbox.state.add_application("opbx-routing-application-abcdefgh", url=f"{OTHER}/route")
    sandbox.state.set_default_application("opbx-routing-application-abcdefgh")
    sandbox.state.set_profile_keys({CDR: f"{OTHER}/cdr", SESSION_UPDATE: f"{OTHER}/update"})
    outcome = attached("detach", "--yes", "--json")
    assert outcome.code == 0
    assert in_charge(sandbox) == "opbx-routing-application-abcdefgh"
    assert callback_keys(sandbox).keys() == {CDR, SESSION_UPDATE, KEY}
    assert writes(sandbox) == ["update-application"]
    left = " ".join(outcome.document["warnings"])
    assert "calls go to application 'opbx-routing-application-abcdefgh'" in left
    assert f"session updates go to {OTHER}/update" in left
    assert f"call records go to {OTHER}/cdr" in left
    assert "the webhook key stays" in left


def test_a_key_that_others_replaced_stays(attached: Opbx, sandbox: RunningSandbox) -> None:
    key = "the-key-of-somebody-else-0123456789"
    sandbox.state.set_profile_keys({KEY: key})
    outcome = attached("detach", "--yes", "--json")
    assert outcome.code == 0
    assert callback_keys(sandbox) == {KEY: key}
    assert "was not sent by this profile" in " ".join(outcome.document["warnings"])
    assert key not in outcome.stdout + outcome.stderr


def test_calls_that_others_gave_back_by_hand_need_only_the_rest(
    attached: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.state.set_default_application("ivr-2019")
    assert attached("detach", "--yes").code == 0
    assert callback_keys(sandbox) == {}
    assert ours(sandbox)["active"] is False


def test_a_store_from_before_wants_a_choice(attached: Opbx, sandbox: RunningSandbox) -> None:
    """It remembers nothing: the calls were taken over by an older opbx, or elsewhere."""
    domain = sandbox.domains[0]
    other = ("configure", "-p", "fresh", "--domain-uuid", domain.uuid, "--api-key-stdin")
    url = ("--api-base-url", sandbox.url, "--webhook-base-url", WEBHOOK_BASE_URL)
    assert attached(*other, *url, stdin=domain.api_key).code == 0
    assert attached("profiles", "remove", "default", "--yes").code == 0
    outcome = attached("detach", "-p", "fresh", "--yes", "--json")
    assert (outcome.code, outcome.error["code"]) == (9, "detach.wants_choice")
    assert "it is not known which application had the calls" in outcome.error["message"]
    assert "`opbx detach --to-none --profile fresh`" in outcome.error["hint"]
    done = attached("detach", "-p", "fresh", "--yes", "--to", "ivr-2019", "--json")
    assert done.code == 0
    assert in_charge(sandbox) == "ivr-2019"


def test_two_profiles_of_one_domain_know_the_same_way_back(
    attached: Opbx, sandbox: RunningSandbox
) -> None:
    domain = sandbox.domains[0]
    other = ("configure", "-p", "second", "--domain-uuid", domain.uuid, "--api-key-stdin")
    url = ("--api-base-url", sandbox.url, "--webhook-base-url", OTHER)
    assert attached(*other, *url, stdin=domain.api_key).code == 0
    assert attached("validate", "-p", "second", "--yes").code == 0
    first = attached("detach", "--yes", "--json")  # everything is the second one's by now
    assert first.code == 0
    assert in_charge(sandbox) == ours(sandbox)["name"]
    assert callback_keys(sandbox).keys() == {CDR, SESSION_UPDATE, KEY}
    assert attached("detach", "-p", "second", "--yes").code == 0
    assert (in_charge(sandbox), callback_keys(sandbox)) == ("ivr-2019", {})


def test_profiles_of_two_domains_are_detached_each_by_itself(
    opbx: Opbx, start_sandbox: StartSandbox
) -> None:
    sandbox = start_sandbox(domains=2)
    first, second = sandbox.domains
    for name, domain in (("first", first), ("second", second)):
        argv = ("configure", "-p", name, "--domain-uuid", domain.uuid, "--api-key-stdin")
        url = ("--api-base-url", sandbox.url, "--webhook-base-url", WEBHOOK_BASE_URL)
        assert opbx(*argv, *url, stdin=domain.api_key).code == 0
    assert opbx("validate", "--all").code == 0
    assert remembered(opbx, "first")["name"] == remembered(opbx, "second")["name"]
    before = sandbox.state.domain(first.uuid)
    assert opbx("detach", "-p", "second", "--yes").code == 0
    assert sandbox.state.domain(first.uuid) == before
    assert remembered(opbx, "first") is not None
    assert remembered(opbx, "second") is None
    assert opbx("detach", "-p", "second", "--check").code == 0
    assert opbx("detach", "-p", "first", "--check").code == 8


def test_an_inactive_domain_can_be_detached(attached: Opbx, sandbox: RunningSandbox) -> None:
    sandbox.state.set_active(active=False)
    outcome = attached("detach", "--yes", "--json")
    assert outcome.code == 0
    assert "not active" in step(outcome, "domain")["detail"]
    assert in_charge(sandbox) == "ivr-2019"


def test_another_opbx_at_work_on_the_domain_is_waited_for(
    attached: Opbx, sandbox: RunningSandbox
) -> None:
    """Both want the domain's lock, so that neither works on what the other is changing."""
    sandbox.set_faults("update-domain=hang")
    with subprocess.Popen(
        [sys.executable, "-m", "opbx_cli", "detach", "--yes"],
        env=attached.process_environ(CLOUDONIX_API_TIMEOUT="1"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while process.poll() is None and not any(
            request.call == "update-domain" for request in sandbox.requests
        ):
            os.sched_yield()
        waited = attached("validate")
        process.wait(timeout=30)
    assert "Another opbx is at work on this domain" in waited.stderr


def test_the_terminal_asks_and_looks_again(attached: Opbx, sandbox: RunningSandbox) -> None:
    environ = attached.process_environ(NO_COLOR="1")
    with on_terminal("detach", environ=environ) as terminal:
        asked = " ".join(terminal.expect("Detach the domain from OPBX? [y/N] ").split())
        assert "Calls go to application 'ivr-2019' (now" in asked
        assert "Call records go nowhere (now " in asked
        sandbox.state.set_profile_keys({CDR: "https://crm.example.net/calls"})
        terminal.send("y")
        asked = terminal.expect("Detach the domain from OPBX? [y/N] ")
        assert "Call records go" not in asked
        terminal.send("n")
        terminal.finish()
        assert terminal.exit_code == 2
    assert writes(sandbox) == []
    with on_terminal("detach", environ=environ) as terminal:
        terminal.expect("Detach the domain from OPBX? [y/N] ")
        terminal.send("y")
        shown = terminal.finish()
        assert terminal.exit_code == 0
    assert "calls go to application 'ivr-2019'" in shown
    assert "opbx profiles remove default forgets it." in " ".join(shown.split())
    # Who receives the records may check them with the key.
    assert callback_keys(sandbox).keys() == {CDR, KEY}


def test_the_terminal_offers_none_where_the_application_is_gone(
    attached: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.state.delete_application("ivr-2019")
    with on_terminal("detach", environ=attached.process_environ(NO_COLOR="1")) as terminal:
        asked = " ".join(terminal.expect("Detach the domain from OPBX? [y/N] ").split())
        assert "which had the calls before, is gone" in asked
        assert "Calls go to no application (now" in asked
        terminal.send("y")
        terminal.finish()
        assert terminal.exit_code == 0
    assert remote_domain(sandbox)["defaultApplication"] is None


@pytest.mark.parametrize("is_given", [True, False])
@pytest.mark.parametrize("variant", ["echoed", "masked"])
def test_a_key_that_was_there_before_stays(
    opbx: Opbx, start_sandbox: StartSandbox, variant: str, *, is_given: bool
) -> None:
    """The application that gets the calls back may check callbacks with it."""
    sandbox = start_sandbox(variants=[f"webhook-key={variant}"])
    key = "the-key-of-the-ivr-from-2019-0123456789"
    add_ivr(sandbox)
    sandbox.state.set_profile_keys({KEY: key})
    configure(opbx, sandbox)
    if is_given or variant == "masked":
        assert opbx("configure", "--webhook-key-stdin", stdin=key).code == 0
    for _ in range(2):
        assert opbx("validate", "--replace-default").code == 0
    outcome = opbx("detach", "--yes", "--json")
    assert outcome.code == 0, outcome.stderr
    assert (in_charge(sandbox), callback_keys(sandbox)) == ("ivr-2019", {KEY: key})
    assert "it was there before this profile had it" in " ".join(outcome.document["warnings"])
    assert opbx("detach", "--check").code == 0
    assert opbx("validate", "--replace-default").code == 0
    assert opbx("webhook-key", "rotate", "--yes").code == 0  # from now on it is ours
    assert opbx("detach", "--yes").code == 0
    assert callback_keys(sandbox) == {}


def test_a_masked_key_that_stays_does_not_become_its_mask(
    opbx: Opbx, start_sandbox: StartSandbox
) -> None:
    sandbox = start_sandbox(variants=["webhook-key=masked"])
    configure(opbx, sandbox)
    assert opbx("validate").code == 0
    key = callback_keys(sandbox)[KEY]
    sandbox.state.set_profile_keys({CDR: f"{OTHER}/cdr"})
    assert opbx("detach", "--yes").code == 0
    assert callback_keys(sandbox) == {CDR: f"{OTHER}/cdr", KEY: key}


def test_a_key_of_somebodys_that_is_not_shown_is_not_lost(
    opbx: Opbx, start_sandbox: StartSandbox
) -> None:
    sandbox = start_sandbox(variants=["webhook-key=masked"])
    configure(opbx, sandbox)
    assert opbx("validate").code == 0
    key = "the-key-of-somebody-else-0123456789"
    sandbox.state.set_profile_keys({KEY: key})
    outcome = opbx("detach", "--yes", "--json")
    assert (outcome.code, outcome.error["code"]) == (9, "detach.wants_choice")
    assert "masked" in step(outcome, "domain-profile")["detail"]
    assert "in the Cockpit" in outcome.error["hint"]
    assert callback_keys(sandbox)[KEY] == key
    assert ours(sandbox)["active"] is False


def test_a_rotation_that_was_cut_off_is_ended_by_it(
    attached: Opbx, sandbox: RunningSandbox
) -> None:
    before = attached("webhook-key", "reveal", "--yes").stdout
    sandbox.set_faults("update-domain=hang*9", "get-domain=hang*9@2")
    cut = attached("webhook-key", "rotate", CLOUDONIX_API_TIMEOUT="0.2")
    assert cut.code != 0
    sandbox.set_faults()
    assert attached("detach", "--yes").code == 0
    assert (in_charge(sandbox), callback_keys(sandbox)) == ("ivr-2019", {})
    assert attached("webhook-key", "reveal", "--yes").stdout == before  # OPBX has that one
    assert attached("validate", "--replace-default").code == 0


def test_a_rejected_key_changes_nothing(attached: Opbx, sandbox: RunningSandbox) -> None:
    sandbox.set_faults("get-domain=401")
    outcome = attached("detach", "--yes", "--json")
    assert (outcome.code, outcome.error["code"]) == (4, "auth.rejected")
    assert list(statuses(outcome)) == ["connect", "domain", *STEPS, "save"]
    assert outcome.document["result"] == "failed"
    assert writes(sandbox) == []


def test_without_a_webhook_url_nothing_can_be_told_apart(
    opbx: Opbx, sandbox: RunningSandbox
) -> None:
    domain = sandbox.domains[0]
    argv = ("configure", "--domain-uuid", domain.uuid, "--api-key-stdin")
    assert opbx(*argv, "--api-base-url", sandbox.url, stdin=domain.api_key).code == 0
    outcome = opbx("detach", "--yes", "--json")
    assert (outcome.code, outcome.error["code"]) == (3, "configuration.webhook_url")
    assert writes(sandbox) == []


def test_what_was_sent_is_known_where_the_url_is_another_by_now(
    attached: Opbx, sandbox: RunningSandbox
) -> None:
    assert attached("configure", "--webhook-base-url", OTHER).code == 0
    assert attached("detach", "--yes").code == 0
    assert (in_charge(sandbox), callback_keys(sandbox)) == ("ivr-2019", {})
    assert attached("detach", "--check").code == 0


def test_one_of_two_applications_that_somebody_activates_again_is_no_success(
    attached: Opbx, sandbox: RunningSandbox
) -> None:
    """The last look is at the application that was retired, also where it finds another first."""
    second = "opbx-routing-application-0"
    sandbox.state.add_application(second, url=f"{WEBHOOK_BASE_URL}/api/voice/route")
    sandbox.state.set_default_application(second)
    sandbox.forget_requests()
    sandbox.set_faults("list-applications=hang*1@2")

    def is_at_the_last_look() -> bool:
        calls = [str(request.call) for request in sandbox.requests]
        return calls.count("list-applications") == 2

    with subprocess.Popen(
        [sys.executable, "-m", "opbx_cli", "detach", "--yes", "--json"],
        env=attached.process_environ(CLOUDONIX_API_TIMEOUT="3"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while process.poll() is None and not is_at_the_last_look():
            os.sched_yield()
        sandbox.state.edit_application(second, active=True)
        stdout, stderr = process.communicate(timeout=60)
    outcome = Outcome(process.returncode, stdout, stderr)
    assert (outcome.code, outcome.error["code"]) == (9, "detach.partial")
    assert step(outcome, "voice-application")["status"] == "failed"
