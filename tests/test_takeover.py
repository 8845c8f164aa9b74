"""Calls and callbacks that somebody's server receives stay there without a yes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx, Outcome
from terminal import on_terminal
from validation import computer

StartSandbox = Callable[..., RunningSandbox]
OTHER = "https://other-pbx.example.org"
VOICE = "/api/voice/route"
CDR = "cdr-endpoint"
SESSION_UPDATE = "session-update-endpoint"


def domain(sandbox: RunningSandbox) -> Any:
    return sandbox.state.domain()


def in_charge(sandbox: RunningSandbox) -> Any:
    found = [
        one
        for one in sandbox.state.applications()
        if one["id"] == domain(sandbox)["defaultApplication"]
    ]
    return found[0] if found else None


def step(outcome: Outcome, name: str) -> dict[str, Any]:
    (found,) = [one for one in outcome.document["steps"] if one["id"] == name]
    assert isinstance(found, dict)
    return found


def another_opbx(sandbox: RunningSandbox) -> None:
    """An OPBX of somebody's that works: application, endpoints, key."""
    name = "opbx-routing-application-abcdefgh"
    sandbox.state.add_application(name, url=OTHER + VOICE)
    sandbox.state.set_default_application(name)
    paths = {SESSION_UPDATE: "session-update", CDR: "cdr"}
    sandbox.state.set_profile_keys(
        {key: f"{OTHER}/api/webhooks/cloudonix/{path}" for key, path in paths.items()}
    )


def test_another_opbx_keeps_its_calls_without_a_yes(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    another_opbx(sandbox)
    sandbox.state.set_profile_keys({"authorization-api-key": "the-key-of-the-other-opbx-0123"})
    checked = configured("validate", "--check", "--json")
    assert checked.code == 8
    assert OTHER in step(checked, "voice-application")["detail"]
    assert "needs a yes" in step(checked, "voice-application")["detail"]
    outcome = configured("validate", "--json")
    assert (outcome.code, outcome.error["code"]) == (9, "validate.wants_yes")
    assert "--replace-default" in outcome.error["hint"]
    assert in_charge(sandbox)["url"] == OTHER + VOICE
    assert domain(sandbox)["profile"][CDR].startswith(OTHER)
    assert domain(sandbox)["profile"][SESSION_UPDATE].startswith(OTHER)
    assert configured("validate", "--yes").code == 0
    assert in_charge(sandbox)["url"] == WEBHOOK_BASE_URL + VOICE
    assert domain(sandbox)["profile"][CDR].startswith(WEBHOOK_BASE_URL)


@pytest.mark.parametrize("key", [CDR, SESSION_UPDATE])
def test_call_data_that_another_system_receives_is_not_taken_from_it(
    configured: Opbx, sandbox: RunningSandbox, key: str
) -> None:
    sandbox.state.set_profile_keys({key: "https://crm.example.net/calls"})
    outcome = configured("validate", "--json")
    assert outcome.code == 9
    profile = step(outcome, "domain-profile")
    assert profile["status"] == "updated"  # all but that
    assert "https://crm.example.net/calls" in profile["detail"]
    assert f"domain_profile.{key}" not in [change["path"] for change in profile["changes"]]
    assert domain(sandbox)["profile"][key] == "https://crm.example.net/calls"
    # Calls are switched last, and the profile is not in place.
    assert step(outcome, "default-application")["status"] == "skipped"
    assert configured("validate", "--replace-default").code == 0
    assert domain(sandbox)["profile"][key].startswith(WEBHOOK_BASE_URL)
    assert configured("validate", "--check").code == 0


def test_the_question_names_the_whole_way_back_in_lines_that_fit(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.state.add_application("ivr-2019", url="https://ivr.example.com/route")
    sandbox.state.set_default_application("ivr-2019")
    sandbox.state.set_profile_keys({CDR: "https://crm.example.net/calls"})
    with on_terminal("validate", environ=configured.process_environ(NO_COLOR="1")) as terminal:
        asked = terminal.expect("[y/p/N] ")
        terminal.send("n")
        terminal.finish()
    back = "`opbx detach`; enter the old URL in the Cockpit again"
    assert f"(Way back: {back}.)" in " ".join(asked.split())
    assert max(map(len, asked.splitlines())) <= 80


def test_the_way_back_by_hand_is_named_where_detach_would_not_know_it(
    storeless: Opbx, sandbox: RunningSandbox
) -> None:
    """Without a store nothing is remembered."""
    assert storeless("validate").code == 0
    sandbox.state.add_application("ivr-2019", url="https://ivr.example.com/route")
    sandbox.state.set_default_application("ivr-2019")
    sandbox.state.set_profile_keys({CDR: "https://crm.example.net/calls"})
    with on_terminal("validate", environ=storeless.process_environ(NO_COLOR="1")) as terminal:
        asked = terminal.expect("[y/p/N] ")
        terminal.send("n")
        terminal.finish()
    back = "make 'ivr-2019' the default application and enter the old URL in the Cockpit again"
    assert f"(Way back: {back}.)" in " ".join(asked.split())


@pytest.mark.parametrize("columns", [40, 80])
def test_no_question_is_broken_within_a_word(
    configured: Opbx, sandbox: RunningSandbox, columns: int
) -> None:
    assert configured("validate").code == 0
    sandbox.state.set_profile_keys({"authorization-api-key": "the-key-of-the-other-opbx-0123"})
    environ = configured.process_environ(NO_COLOR="1")
    for argv, end in (
        (("validate",), "[k/r/N] "),
        (("webhook-key", "rotate"), "[y/N] "),
        (("configure", "--domain-uuid", "6b1f0c2e-0000-4000-8000-00000000000b"), "[default]: "),
    ):
        with on_terminal(*argv, environ=environ, columns=columns) as terminal:
            asked = terminal.expect(end)
        words = [line.rstrip() for line in asked.splitlines() if "\x1b" not in line]
        assert max(map(len, words)) <= columns, asked


def test_a_stored_profile_moves_its_own_calls_where_its_own_url_says(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    assert configured("validate").code == 0
    assert configured("configure", "--webhook-base-url", OTHER).code == 0
    assert configured("validate").code == 0
    assert in_charge(sandbox)["url"] == OTHER + VOICE


def test_calls_that_somebody_moved_since_the_last_run_stay_where_they_went(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    """The customer moved to another OPBX, which has the same key; a forgotten cron job runs on."""
    assert configured("validate").code == 0
    another_opbx(sandbox)
    outcome = configured("validate", "--json")
    assert (outcome.code, outcome.error["code"]) == (9, "validate.wants_yes")
    assert in_charge(sandbox)["url"] == OTHER + VOICE
    assert domain(sandbox)["profile"][CDR].startswith(OTHER)
    assert domain(sandbox)["profile"][SESSION_UPDATE].startswith(OTHER)
    assert configured("validate", "--replace-default").code == 0
    assert in_charge(sandbox)["url"] == WEBHOOK_BASE_URL + VOICE
    assert configured("validate", "--check").code == 0


def test_a_url_that_somebody_changed_since_the_last_run_is_named_and_kept(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    assert configured("validate").code == 0
    sandbox.state.edit_application(in_charge(sandbox)["id"], url=OTHER + VOICE)
    sandbox.state.set_profile_keys({CDR: "https://crm.example.net/calls"})
    assert configured("validate", "--check").code == 8
    outcome = configured("validate", "--json")
    assert outcome.code == 9
    assert in_charge(sandbox)["url"] == OTHER + VOICE
    assert domain(sandbox)["profile"][CDR] == "https://crm.example.net/calls"
    again = configured("validate", "--json")
    assert (again.code, in_charge(sandbox)["url"]) == (9, OTHER + VOICE)


def test_two_computers_do_not_take_calls_from_each_other(
    opbx: Opbx, sandbox: RunningSandbox
) -> None:
    first, second = (computer(opbx, sandbox, name) for name in ("first", "second"))
    assert first("validate").code == 0
    assert second("configure", "--webhook-base-url", OTHER).code == 0
    assert second("validate").code == 9
    assert second("validate", "--replace-default").code == 0
    assert first("validate").code == 9
    assert in_charge(sandbox)["url"] == OTHER + VOICE
    assert second("validate", "--check").code == 0


def test_a_move_that_was_cut_off_goes_on_without_a_yes(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    """The application has moved, the profile has not: both are this store's doing."""
    assert configured("validate").code == 0
    assert configured("configure", "--webhook-base-url", OTHER).code == 0
    sandbox.set_faults("update-domain=400*9")
    assert configured("validate").code == 9
    assert in_charge(sandbox)["url"] == OTHER + VOICE
    sandbox.set_faults()
    assert configured("validate").code == 0
    assert domain(sandbox)["profile"][CDR].startswith(OTHER)


def test_a_variable_that_happens_to_be_set_moves_no_calls(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    assert configured("configure", "--unset", "webhook-base-url").code == 0
    assert configured("validate", APP_URL=WEBHOOK_BASE_URL).code == 0
    moved = configured("validate", "--json", APP_URL=OTHER)
    assert moved.code == 9
    assert in_charge(sandbox)["url"] == WEBHOOK_BASE_URL + VOICE
    assert configured("validate", "--replace-default", APP_URL=OTHER).code == 0
    assert in_charge(sandbox)["url"] == OTHER + VOICE


@pytest.mark.parametrize("url", ["http://192.168.1.5", "https://pbx.internal"])
def test_calls_of_a_live_domain_do_not_move_where_the_internet_does_not_reach(
    configured: Opbx, sandbox: RunningSandbox, url: str
) -> None:
    assert configured("validate").code == 0
    assert configured("configure", "--webhook-base-url", url).code == 0
    before = domain(sandbox)
    outcome = configured("validate", "--json")
    assert outcome.code == 9
    assert domain(sandbox)["profile"] == before["profile"]
    assert in_charge(sandbox)["url"] == WEBHOOK_BASE_URL + VOICE
    with on_terminal("validate", environ=configured.process_environ(NO_COLOR="1")) as terminal:
        asked = " ".join(terminal.expect("[y/p/N] ").split())
        assert f"({WEBHOOK_BASE_URL}{VOICE}) now." in asked
        assert "The internet cannot reach that address: calls would not arrive." in asked
        terminal.send("n")
        terminal.finish()
        assert terminal.exit_code == 9
    assert domain(sandbox)["profile"] == before["profile"]
    assert configured("validate", "--replace-default").code == 0
    assert in_charge(sandbox)["url"] == url + VOICE


def test_a_fresh_domain_may_be_tried_on_this_computer(opbx: Opbx, sandbox: RunningSandbox) -> None:
    first = sandbox.domains[0]
    argv = ("--domain-uuid", first.uuid, "--api-key-stdin", "--api-base-url", sandbox.url)
    url = ("--webhook-base-url", "http://127.0.0.1:8080")
    assert opbx("configure", *argv, *url, stdin=first.api_key).code == 0
    assert opbx("validate").code == 0


def test_two_profiles_do_not_take_one_domain_from_each_other(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    assert configured("validate").code == 0
    first = sandbox.domains[0]
    argv = ("--domain-uuid", first.uuid, "--api-key-stdin", "--api-base-url", sandbox.url)
    second = ("configure", "-p", "second", *argv, "--webhook-base-url", OTHER)
    saved = configured(*second, "--json", stdin=first.api_key)
    assert saved.code == 0
    (warning,) = saved.document["warnings"]
    assert "profile 'default' is about the same domain" in warning
    assert f"another webhook base URL ({WEBHOOK_BASE_URL})" in warning
    refused = configured("validate", "-p", "second", "--json")
    assert refused.code == 9
    assert in_charge(sandbox)["url"] == WEBHOOK_BASE_URL + VOICE
    assert configured("validate", "-p", "second", "--replace-default").code == 0
    assert in_charge(sandbox)["url"] == OTHER + VOICE
    both = configured("validate", "--all")
    assert both.code == 9  # the first one wants its calls back, and that needs a yes
    assert in_charge(sandbox)["url"] == OTHER + VOICE


def test_what_opbx_itself_made_and_put_in_charge_is_adopted(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    """OPBX makes an application of its own whenever its settings are saved."""
    assert configured("validate").code == 0
    name = "opbx-routing-application-made4opbx"
    sandbox.state.add_application(name, url=WEBHOOK_BASE_URL + VOICE)
    sandbox.state.set_default_application(name)
    sandbox.forget_requests()
    outcome = configured("validate", "--json")
    assert outcome.code == 0
    assert step(outcome, "voice-application")["status"] == "adopted"
    assert name in step(outcome, "voice-application")["detail"]
    assert [request for request in sandbox.requests if request.method != "GET"] == []
    assert configured("validate", "--check").code == 0


def test_apply_keeps_a_working_api_key_and_names_the_manifests_own_place(
    configured: Opbx, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    assert configured("validate").code == 0
    first = sandbox.domains[0]
    before = configured("profiles", "show", "--json").document
    wrong = tmp_path / "wrong.key"
    wrong.write_text("XI" + "0" * 32 + "\n")
    manifest = tmp_path / "domains.toml"
    manifest.write_text(
        f'[profile."default"]\ndomain_uuid = "{first.uuid}"\ndomain_api_key_file = "wrong.key"\n'
        "no_answer_timeout = 33\n"
    )
    outcome = configured("apply", str(manifest), "--json")
    assert outcome.code == 9
    (told,) = [outcome.document]
    assert told["steps"][0]["id"] == "settings"
    assert told["steps"][0]["status"] == "skipped"
    assert "the profile keeps what it had" in told["steps"][0]["detail"]
    failed = told["steps"][1]["error"]
    assert failed["code"] == "auth.rejected"
    assert 'profile."default".domain_api_key_file' in failed["hint"]
    assert configured("profiles", "show", "--json").document == before
    assert configured("validate").code == 0
    assert configured("profiles", "history", "--json").document["entries"][-1]["command"] != "apply"


def test_another_customer_does_not_overwrite_the_first(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    assert configured("validate").code == 0
    before = configured("profiles", "show", "--json").document
    other = "6b1f0c2e-0000-4000-8000-00000000000b"
    with on_terminal("configure", environ=configured.process_environ(NO_COLOR="1")) as terminal:
        terminal.expect("Domain UUID")
        terminal.expect(": ")
        terminal.send(other)
        asked = " ".join(terminal.expect("[default]: ").split())
        assert "Profile 'default' is about the domain sandbox.cloudonix.net" in asked
        terminal.send("second")
        terminal.expect("(typing stays hidden): ")
        terminal.send("XI0123456789abcdefghijABCDEFGHIJKL")
        for _ in range(3):
            terminal.expect("): ")
            terminal.send("")
        terminal.expect("Validate the domain now? [Y/n] ")
        terminal.send("n")
        terminal.finish()
        assert terminal.exit_code == 0
    assert configured("profiles", "show", "default", "--json").document == before
    assert configured("profiles", "show", "second", "--json").document["domain_uuid"] == other


def test_another_customer_does_not_overwrite_a_third_either(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    uuid = "6b1f0c2e-0000-4000-8000-00000000000{}"
    argv = ("configure", "-p", "second", "--domain-uuid", uuid.format("b"), "--api-key-stdin")
    assert configured(*argv, stdin="XI0123456789abcdefghijABCDEFGHIJKL").code == 0
    before = configured("profiles", "show", "second", "--json").document
    words = ("configure", "--domain-uuid", uuid.format("c"))
    with on_terminal(*words, environ=configured.process_environ(NO_COLOR="1")) as terminal:
        for _ in range(3):
            terminal.expect("Profile [default]: ")
            terminal.send("second")
        shown = terminal.finish()
        assert terminal.exit_code == 2
    assert "that one is about another domain, too" in shown
    assert configured("profiles", "show", "second", "--json").document == before


def test_what_changes_while_a_question_is_open_is_not_written_over(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    """Another computer rotates the key, and somebody edits the profile, while nobody answers."""
    assert configured("validate").code == 0
    another_opbx(sandbox)
    key = "rotated-on-another-computer-0123456789"
    with on_terminal("validate", environ=configured.process_environ(NO_COLOR="1")) as terminal:
        terminal.expect("[y/p/N] ")
        sandbox.state.set_profile_keys({"authorization-api-key": key, "crm": "edited meanwhile"})
        terminal.send("y")
        terminal.expect("[y/p/N] ")
        terminal.send("y")
        terminal.expect("[k/r/N] ")
        terminal.send("k")
        terminal.finish()
        assert terminal.exit_code == 0
    profile = domain(sandbox)["profile"]
    assert (profile["authorization-api-key"], profile["crm"]) == (key, "edited meanwhile")
    assert configured("validate", "--check").code == 0


def test_a_rotation_writes_nothing_over_that_changed_while_it_asked(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    assert configured("validate").code == 0
    sandbox.state.set_profile_keys({"authorization-api-key": "the-key-of-the-other-opbx-0123"})
    environ = configured.process_environ(NO_COLOR="1")
    with on_terminal("webhook-key", "rotate", environ=environ) as terminal:
        terminal.expect("[y/N] ")
        sandbox.state.set_profile_keys({"crm": "edited meanwhile"})
        terminal.send("y")
        terminal.finish()
        assert terminal.exit_code == 0
    assert domain(sandbox)["profile"]["crm"] == "edited meanwhile"
