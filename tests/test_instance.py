"""`opbx instance`: sign in to OPBX, take its settings over, hand it ours, and leave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from detaching import add_ivr, in_charge, remembered
from opbx_api import APPLICATION, EMAIL, FAULTS, PASSWORD, OpbxApi, running_api
from opbx_cli.models import Secret
from opbx_cli.sandbox.server import RunningSandbox
from servers import HANG, Served, http
from support import WEBHOOK_BASE_URL, Opbx, Outcome
from terminal import on_terminal

OPBX_KEY = "the-webhook-key-of-opbx-0123456789ab"
STATES = pytest.mark.parametrize("state", ["january", "july"])
SETTINGS = ("GET", "/settings/cloudonix")
WRITE = ("PUT", "/settings/cloudonix")


@pytest.fixture
def api(sandbox: RunningSandbox) -> OpbxApi:
    """An OPBX that works on the sandbox's domain, set up on its own page."""
    domain = sandbox.domains[0]
    return OpbxApi(
        cloudonix=sandbox,
        settings={
            "domain_uuid": domain.uuid,
            "domain_name": domain.name,
            "domain_api_key": domain.api_key,
            "domain_requests_api_key": OPBX_KEY,
            "webhook_base_url": WEBHOOK_BASE_URL,
            "no_answer_timeout": 45,
            "recording_format": "wav",
            "embed_allowed_domains": "https://www.example.com",
        },
    )


@pytest.fixture
def served(api: OpbxApi) -> Iterator[Served]:
    with running_api(api) as server:
        yield server


@pytest.fixture
def owner(opbx: Opbx, sandbox: RunningSandbox) -> Opbx:
    """An owner on the first day: nothing but OPBX, e-mail address and password."""
    opbx.environ |= {"CLOUDONIX_API_BASE_URL": sandbox.url, "OPBX_INSTANCE_EMAIL": EMAIL}
    return opbx


def connect(opbx: Opbx, url: str, *options: str, password: str = PASSWORD) -> Outcome:
    return opbx("instance", "connect", url, "--password-stdin", *options, stdin=password)


def stored(opbx: Opbx) -> Any:
    return opbx("profiles", "show", "--json").document


def key(opbx: Opbx) -> str:
    return opbx("webhook-key", "reveal", "--yes").stdout.strip()


def set_up_by_opbx(api: OpbxApi) -> None:
    api._bring_cloudonix_in_line()


@STATES
def test_a_new_user_with_a_running_opbx_has_the_profile_in_two_commands(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox, state: str
) -> None:
    api.state = state
    set_up_by_opbx(api)
    linked = connect(owner, served.url, "--json")
    assert linked.code == 0, linked.stderr
    assert linked.document["organization"] == "Acme PBX"
    if state == "july":  # the API key is nowhere to be read in full
        given = owner(
            "configure",
            "--domain-uuid",
            sandbox.domains[0].uuid,
            "--api-key-stdin",
            stdin=sandbox.domains[0].api_key,
        )
        assert given.code == 0, given.stderr
    pulled = owner("instance", "pull", "--yes", "--json")
    assert pulled.code == 0, pulled.stderr
    assert pulled.document["result"] == "updated"
    found = stored(owner)
    assert (found["no_answer_timeout"], found["recording_format"]) == (45, "wav")
    assert found["domain_uuid"] == sandbox.domains[0].uuid
    assert key(owner) == OPBX_KEY  # in July from Cloudonix, which shows it
    before = sandbox.state.domain()
    validated = owner("validate", "--json")
    assert validated.code == 0, validated.stdout
    assert sandbox.state.domain() == before  # OPBX had done it all
    assert owner("instance", "pull", "--check").code == 0
    assert owner("instance", "push", "--check").code == 0


@STATES
def test_push_hands_opbx_ours_and_its_application_is_adopted(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox, state: str
) -> None:
    api.state = state
    domain = sandbox.domains[0]
    saved = owner(
        "configure",
        "--domain-uuid",
        domain.uuid,
        "--api-key-stdin",
        "--webhook-base-url",
        WEBHOOK_BASE_URL,
        "--no-answer-timeout",
        "33",
        stdin=domain.api_key,
    )
    assert saved.code == 0
    assert owner("validate").code == 0
    assert connect(owner, served.url).code == 0
    checked = owner("instance", "push", "--check", "--json")
    assert checked.code == 8
    paths = [change["path"] for change in checked.document["changes"]]
    assert paths == ["instance.webhook_api_key", "instance.no_answer_timeout"]
    assert WRITE not in api.calls
    done = owner("instance", "push", "--yes", "--json")
    assert done.code == 0, done.stderr
    assert api.settings is not None
    assert api.settings["domain_requests_api_key"] == key(owner)
    assert api.settings["no_answer_timeout"] == 33
    assert api.settings["domain_name"] == domain.name
    assert api.settings["embed_allowed_domains"] == "https://www.example.com"
    assert api.calls.count(WRITE) == 1
    # OPBX made an application of its own the default one: it is as good as ours.
    assert stored(owner)["voice_application"]["name"] == APPLICATION
    (left_over,) = done.document["warnings"]
    assert left_over.startswith("more applications of OPBX's than one; not used")
    adopted = owner("validate", "--json")
    assert adopted.code == 0
    assert APPLICATION in adopted.stdout
    assert owner("validate", "--check").code == 0
    assert owner("instance", "push", "--check").code == 0


@pytest.mark.parametrize("role", ["pbx_admin", "pbx_user", "reporter", "chief"])
def test_a_user_who_is_not_the_owner_is_refused_and_nothing_is_saved(
    owner: Opbx, api: OpbxApi, served: Served, role: str
) -> None:
    api.role = role
    outcome = connect(owner, served.url, "--json")
    assert (outcome.code, outcome.error["code"]) == (4, "instance.not_owner")
    assert "only the organisation's owner may see or change" in outcome.error["message"]
    assert not (owner.home / "store.toml").exists()
    assert api.tokens == []  # the token of somebody who is refused is revoked again


@pytest.mark.parametrize("what", ["who", "store"])
def test_a_sign_in_that_comes_to_nothing_leaves_no_token_behind(
    owner: Opbx, api: OpbxApi, served: Served, what: str
) -> None:
    if what == "who":
        api.instead["GET", "/auth/me"] = http("500 Oops")
    else:
        (owner.home / "store.toml").mkdir(parents=True)
    outcome = connect(owner, served.url, "--json")
    assert outcome.code in (7, 10)
    assert api.tokens == []
    assert "this user is signed out of OPBX" in outcome.error["message"]


def test_a_wrong_password_is_refused_and_never_shown(
    owner: Opbx, api: OpbxApi, served: Served
) -> None:
    outcome = connect(owner, served.url, "--json", password="not the password")
    assert (outcome.code, outcome.error["code"]) == (4, "instance.rejected")
    assert "not the password" not in outcome.stdout + outcome.stderr
    assert not (owner.home / "store.toml").exists()


def test_the_password_is_saved_nowhere_and_the_token_sealed(
    owner: Opbx, api: OpbxApi, served: Served
) -> None:
    outcome = connect(owner, served.url)
    assert outcome.code == 0
    assert "signs this user out of OPBX everywhere else" in outcome.stderr
    said = outcome.stdout + outcome.stderr
    for path in owner.home.rglob("*"):
        if path.is_file():
            said += path.read_text(encoding="utf-8", errors="replace")
    for secret in (PASSWORD, api.tokens[0]):
        assert secret not in said
    assert served.url in said


def test_a_ready_token_works_too(owner: Opbx, api: OpbxApi, served: Served, tmp_path: Path) -> None:
    api.tokens.append("9|a-token-that-was-made-elsewhere")
    path = tmp_path / "token"
    path.touch(mode=0o600)
    path.write_text("9|a-token-that-was-made-elsewhere\n")
    outcome = owner("instance", "connect", served.url, "--token-file", str(path), "--json")
    assert outcome.code == 0, outcome.stderr
    assert ("POST", "/auth/login") not in api.calls
    assert outcome.document["token_expires"] is None


def test_an_expired_token_names_the_command_that_signs_in_again(
    owner: Opbx, api: OpbxApi, served: Served
) -> None:
    assert connect(owner, served.url).code == 0
    api.tokens.clear()
    for argv in (("pull",), ("push",)):
        outcome = owner("instance", *argv, "--json")
        assert (outcome.code, outcome.error["code"]) == (4, "instance.signed_out")
        assert outcome.error["hint"] == f"`opbx instance connect {served.url}` signs in again"


@pytest.mark.parametrize(
    ("answer", "code", "name"),
    [
        (http("429 Too Many"), 7, "instance.rate_limited"),
        (http("500 Oops", b'{"message": "Server Error"}'), 7, "instance.trouble"),
        (http("503 Down", b"<html>"), 7, "instance.trouble"),
        (http("200 OK", b"<html>hello</html>"), 6, "instance.unintelligible"),
        (http("200 OK", b"[]"), 6, "instance.unintelligible"),
        (http("302 Found", Location="https://elsewhere.example/"), 6, "instance.refused"),
        (http("404 Not Found", b"<html>"), 6, "instance.refused"),
        (b"", 7, "network.lost"),
    ],
)
def test_every_kind_of_failure_has_its_message_and_code(
    owner: Opbx, api: OpbxApi, served: Served, answer: bytes, code: int, name: str
) -> None:
    assert connect(owner, served.url).code == 0
    api.instead[SETTINGS] = answer
    outcome = owner("instance", "pull", "--json")
    assert (outcome.code, outcome.error["code"]) == (code, name), outcome.stderr
    assert outcome.error["hint"]
    assert api.tokens[0] not in outcome.stderr


def test_a_refused_value_is_said_in_opbxs_own_sentence(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox
) -> None:
    domain = sandbox.domains[0]
    assert connect(owner, served.url).code == 0
    assert owner("instance", "pull", "--yes").code == 0
    assert owner("validate").code == 0
    assert owner("configure", "--no-answer-timeout", "50").code == 0
    errors = b'{"message": "Invalid.", "errors": {"webhook_base_url": ["It must answer."]}}'
    api.instead[WRITE] = http("422 Unprocessable", errors)
    outcome = owner("instance", "push", "--yes", "--json")
    assert (outcome.code, outcome.error["code"]) == (6, "instance.invalid")
    assert outcome.error["message"].endswith(": It must answer.")
    assert domain.api_key not in outcome.stderr


def test_no_part_of_a_key_is_left_where_a_long_sentence_is_cut_off(
    owner: Opbx, api: OpbxApi, served: Served
) -> None:
    assert connect(owner, served.url).code == 0
    sentence = "x" * 290 + api.tokens[0]
    api.instead[SETTINGS] = http(
        "422 Unprocessable", json.dumps({"message": "No.", "errors": {"a": [sentence]}}).encode()
    )
    outcome = owner("instance", "pull", "--json")
    assert outcome.code == 6
    assert api.tokens[0][:6] not in outcome.stderr


LOST = pytest.mark.parametrize(
    "answer", [b"", http("504 Gateway", b"<html>"), http("500 Oops"), http("200 OK", b"<html>")]
)


def with_something_to_push(owner: Opbx, served: Served) -> None:
    assert connect(owner, served.url).code == 0
    assert owner("instance", "pull", "--yes").code == 0
    assert owner("validate").code == 0
    assert owner("configure", "--no-answer-timeout", "50").code == 0


def last_entry(owner: Opbx) -> Any:
    return owner("profiles", "history", "--json").document["entries"][-1]


@LOST
def test_a_write_whose_answer_is_lost_is_looked_for_and_never_repeated(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox, answer: bytes
) -> None:
    with_something_to_push(owner, served)
    api.after[WRITE] = answer
    outcome = owner("instance", "push", "--yes", "--json")
    assert outcome.code == 0, outcome.stderr
    assert outcome.document["result"] == "updated"
    assert api.calls.count(WRITE) == 1
    assert last_entry(owner)["command"] == "instance push"
    assert remote_profile(sandbox)["call-timeout"] == 50
    assert owner("instance", "push", "--check").code == 0


@LOST
def test_a_write_that_did_not_arrive_is_said_to_have_failed(
    owner: Opbx, api: OpbxApi, served: Served, answer: bytes
) -> None:
    with_something_to_push(owner, served)
    api.instead[WRITE] = answer
    outcome = owner("instance", "push", "--yes", "--json")
    assert outcome.code in (6, 7)
    assert api.calls.count(WRITE) == 1
    assert last_entry(owner)["command"] != "instance push"
    assert owner("instance", "push", "--check").code == 8


@pytest.mark.parametrize("command", ["push", "validate"])
def test_a_write_that_cannot_be_read_back_is_in_doubt_and_recorded(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox, command: str
) -> None:
    with_something_to_push(owner, served)
    api.hides_after_write = True
    argv = ("instance", "push", "--yes") if command == "push" else ("validate", "--push")
    outcome = owner(*argv, "--json")
    assert outcome.code == (7 if command == "push" else 9)
    assert "OPBX may have the settings all the same" in outcome.error["message"]
    entry = last_entry(owner)
    assert entry["result"] in ("in doubt", "partial")
    assert "instance.no_answer_timeout" in entry["changed"]
    assert api.calls.count(WRITE) == 1
    api.hides_after_write = False
    # OPBX wrote to Cloudonix: its application is adopted by the next run, if not by this one.
    assert owner("validate", "--json").code == 0
    assert stored(owner)["voice_application"]["name"] == APPLICATION


def test_a_warning_of_opbx_is_passed_on(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox
) -> None:
    assert connect(owner, served.url).code == 0
    assert owner("instance", "pull", "--yes").code == 0
    assert owner("validate").code == 0
    assert owner("configure", "--no-answer-timeout", "50").code == 0
    api.refuses_cloudonix = True
    outcome = owner("instance", "push", "--yes", "--json")
    assert outcome.code == 0
    assert outcome.document["warnings"] == ["OPBX says: Saved, but Cloudonix refused the API key."]


def test_without_a_link_and_without_a_store_it_says_what_to_do(
    configured: Opbx, storeless: Opbx
) -> None:
    for argv in ("pull", "disconnect"):
        assert storeless("instance", argv).code == 2
    outcome = storeless("instance", "push", "--json")
    assert (outcome.code, outcome.error["code"]) == (3, "instance.not_linked")
    assert outcome.error["hint"] == "set OPBX_INSTANCE_URL and OPBX_INSTANCE_TOKEN"
    environ = dict.fromkeys(("OPBX_DOMAIN_UUID",), "")
    del configured.environ["OPBX_DOMAIN_API_KEY"]
    outcome = configured("instance", "pull", "--json", **environ)
    assert (outcome.code, outcome.error["code"]) == (3, "instance.not_linked")
    assert outcome.error["hint"].startswith("`opbx instance connect https://pbx.example.com")


@pytest.mark.parametrize("url", ["http://pbx.example.com", "ftp://x", "https://u:p@x.example", ""])
def test_the_token_goes_over_https_or_on_this_computer_alone(owner: Opbx, url: str) -> None:
    outcome = connect(owner, url)
    assert outcome.code == 2
    assert outcome.stderr.startswith("error: URL: ")


def test_disconnect_revokes_the_token_and_forgets_the_link(
    owner: Opbx, api: OpbxApi, served: Served
) -> None:
    assert connect(owner, served.url).code == 0
    outcome = owner("instance", "disconnect")
    assert outcome.code == 0, outcome.stderr
    assert api.tokens == []
    assert owner("instance", "pull").code == 3
    assert connect(owner, served.url).code == 0
    api.instead["POST", "/auth/logout"] = http("500 Oops")
    outcome = owner("instance", "disconnect")
    assert outcome.code == 0
    assert "may still accept the token" in outcome.stderr
    assert owner("instance", "pull").code == 3


def test_a_mask_of_opbx_is_never_saved_as_a_key(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox
) -> None:
    api.state = "july"
    assert connect(owner, served.url).code == 0
    outcome = owner("instance", "pull", "--yes", "--json")
    # What OPBX shows is saved; the key that it does not show is what is left to give.
    assert (outcome.code, outcome.error["code"]) == (9, "instance.missing_keys")
    assert outcome.error["hint"] == "`opbx configure --api-key-stdin` saves it"
    assert stored(owner)["domain_uuid"] == sandbox.domains[0].uuid
    assert stored(owner)["domain_api_key"] is None
    masked = owner("configure", "--api-key-stdin", stdin="XIf2***e617")
    assert masked.code == 2
    assert "this is a mask" in masked.stderr


def test_a_key_that_opbx_masks_and_that_is_another_one_is_named_as_missing(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox
) -> None:
    """Neither OPBX nor Cloudonix shows it: what was pulled is saved, and what was not is said."""
    api.state = "july"
    linked(owner, served, sandbox)  # with a webhook key of its own
    outcome = owner("instance", "pull", "--yes", "--json")
    assert (outcome.code, outcome.error["code"]) == (9, "instance.missing_keys")
    assert "`opbx configure --webhook-key-stdin`" in outcome.error["hint"]
    assert stored(owner)["no_answer_timeout"] == 45
    again = owner("instance", "pull", "--yes", "--json")
    assert (again.code, again.error["code"]) == (3, "instance.missing_keys")
    assert again.document["result"] == "differs"
    with on_terminal("instance", "pull", environ=owner.process_environ(NO_COLOR="1")) as terminal:
        shown = terminal.expect("Webhook key (typing stays hidden): ")
        assert "Save these here?" not in shown
        terminal.send(OPBX_KEY)
        terminal.finish()
        assert terminal.exit_code == 0
    assert key(owner) == OPBX_KEY


def test_with_the_api_key_typed_the_webhook_key_comes_from_cloudonix(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox
) -> None:
    """The first day with OPBX of July: the one key that nobody shows is the one that is typed."""
    api.state = "july"
    set_up_by_opbx(api)
    assert connect(owner, served.url).code == 0
    environ = owner.process_environ(NO_COLOR="1")
    with on_terminal("instance", "pull", environ=environ) as terminal:
        terminal.expect("Save these here? [y/N] ")
        terminal.send("y")
        terminal.expect("Domain API key (typing stays hidden): ")
        terminal.send(sandbox.domains[0].api_key)
        shown = terminal.finish()
        assert terminal.exit_code == 0, shown
    assert "Webhook key (typing" not in shown
    assert key(owner) == OPBX_KEY
    assert owner("validate").code == 0
    assert owner("validate", "--check").code == 0


def test_on_a_terminal_it_asks_for_address_and_password(
    owner: Opbx, api: OpbxApi, served: Served
) -> None:
    environ = owner.process_environ(NO_COLOR="1")
    del environ["OPBX_INSTANCE_EMAIL"]
    with on_terminal("instance", "connect", served.url, environ=environ) as terminal:
        terminal.expect("E-mail address of the owner: ")
        terminal.send(EMAIL)
        terminal.expect("Password (typing stays hidden): ")
        terminal.send(PASSWORD)
        shown = terminal.expect("Take over OPBX's settings now? [Y/n] ")
        terminal.send("")
        shown += terminal.expect("Save these here? [y/N] ")
        terminal.send("n")
        shown += terminal.finish()
        assert terminal.exit_code == 2
    assert "is linked to" in shown
    assert PASSWORD not in shown
    with on_terminal("instance", "pull", environ=environ) as terminal:
        asked = terminal.expect("Save these here? [y/N] ")
        assert "Ring time not set → 45 s" in asked
        assert Secret(OPBX_KEY).fingerprint in asked
        terminal.send("n")
        terminal.finish()
        assert terminal.exit_code == 2
    assert stored(owner)["no_answer_timeout"] is None


def test_an_answer_that_hangs_ends_in_time(owner: Opbx, api: OpbxApi, served: Served) -> None:
    assert connect(owner, served.url).code == 0
    api.instead[SETTINGS] = HANG
    outcome = owner("instance", "pull", "--json", CLOUDONIX_API_TIMEOUT="0.3")
    assert (outcome.code, outcome.error["code"]) == (7, "network.timeout")


def linked(owner: Opbx, served: Served, sandbox: RunningSandbox) -> None:
    """A profile of ours in force on Cloudonix, linked to an OPBX with its own ideas."""
    domain = sandbox.domains[0]
    argv = ("--domain-uuid", domain.uuid, "--api-key-stdin", "--webhook-base-url", WEBHOOK_BASE_URL)
    timeout = ("--no-answer-timeout", "33")
    assert owner("configure", *argv, *timeout, stdin=domain.api_key).code == 0
    assert owner("validate").code == 0
    assert connect(owner, served.url).code == 0


def instance_step(outcome: Outcome) -> Any:
    (found,) = [one for one in outcome.document["steps"] if one["id"] == "instance"]
    return found


@STATES
def test_validate_compares_both_sides_and_pushes_on_request_alone(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox, state: str
) -> None:
    api.state = state
    linked(owner, served, sandbox)
    checked = owner("validate", "--check", "--json")
    assert (checked.code, instance_step(checked)["status"]) == (8, "differs")
    outcome = owner("validate", "--json")
    assert outcome.code == 9
    assert "another webhook key" in instance_step(outcome)["detail"]
    assert outcome.error["hint"].startswith("`opbx validate --push`")
    assert WRITE not in api.calls
    pushed = owner("validate", "--push", "--json")
    assert pushed.code == 0, pushed.stdout + pushed.stderr
    assert instance_step(pushed)["status"] == "updated"
    assert api.settings is not None
    assert api.settings["domain_requests_api_key"] == key(owner)
    # OPBX put an application of its own in charge meanwhile: the same run adopts it.
    assert stored(owner)["voice_application"]["name"] == APPLICATION
    for _ in range(2):
        again = owner("validate", "--json")
        assert (again.code, instance_step(again)["status"]) == (0, "ok")
    assert api.calls.count(WRITE) == 1


@pytest.mark.parametrize("what", ["expired", "down", "html"])
def test_an_opbx_that_cannot_be_asked_fails_no_validate(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox, what: str
) -> None:
    linked(owner, served, sandbox)
    if what == "expired":
        api.tokens.clear()
    else:
        api.instead[SETTINGS] = b"" if what == "down" else http("200 OK", b"<html>")
    outcome = owner("validate", "--json")
    assert outcome.code == 0, outcome.stdout
    assert instance_step(outcome)["status"] == "skipped"
    (warning,) = outcome.document["warnings"]
    assert warning.startswith("OPBX's copy was not compared: ")
    refused = owner("validate", "--push", "--json")
    assert refused.code in (4, 6, 7)
    assert instance_step(refused)["status"] == "failed"


def test_nothing_is_pushed_while_somebody_elses_application_has_the_calls(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox
) -> None:
    linked(owner, served, sandbox)
    sandbox.state.add_application("ivr-2019", url="https://ivr.example.com")
    sandbox.state.set_default_application("ivr-2019")
    outcome = owner("validate", "--push", "--json")
    assert outcome.code == 9
    assert instance_step(outcome)["status"] == "skipped"
    assert WRITE not in api.calls


def test_a_push_does_not_let_opbx_take_somebody_elses_calls_without_a_yes(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox
) -> None:
    linked(owner, served, sandbox)
    sandbox.state.add_application("ivr-2019", url="https://ivr.example.com")
    sandbox.state.set_default_application("ivr-2019")
    refused = owner("instance", "push", "--yes", "--json")
    assert (refused.code, refused.error["code"]) == (2, "usage.wants_yes")
    assert "https://ivr.example.com" in refused.error["message"]
    assert "`opbx instance push --replace-default`" in refused.error["hint"]
    assert WRITE not in api.calls
    assert owner("instance", "push", "--yes", "--replace-default").code == 0
    assert api.calls.count(WRITE) == 1


@STATES
def test_a_push_remembers_who_had_the_calls_and_detach_gives_them_back(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox, state: str
) -> None:
    """OPBX itself took them over, by the push; it is told apart from the link, which stays."""
    api.state = state
    domain = sandbox.domains[0]
    argv = ("--domain-uuid", domain.uuid, "--api-key-stdin", "--webhook-base-url", WEBHOOK_BASE_URL)
    assert owner("configure", *argv, stdin=domain.api_key).code == 0
    assert connect(owner, served.url).code == 0
    add_ivr(sandbox)
    assert owner("instance", "push", "--yes", "--replace-default").code == 0
    assert in_charge(sandbox) == APPLICATION
    assert remembered(owner)["name"] == "ivr-2019"
    calls = list(api.calls)
    outcome = owner("detach", "--yes", "--json")
    assert outcome.code == 0, outcome.stderr
    assert in_charge(sandbox) == "ivr-2019"
    assert api.calls == calls  # nothing is written there
    (warning,) = outcome.document["warnings"]
    assert f"OPBX ({served.url}) still has this domain configured" in warning


def test_a_push_that_opbx_refuses_is_not_remembered(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox
) -> None:
    linked(owner, served, sandbox)
    assert owner("detach", "--yes").code == 0
    add_ivr(sandbox)
    api.instead[WRITE] = FAULTS["422"]
    assert owner("instance", "push", "--yes", "--replace-default").code != 0
    assert remembered(owner) is None


def test_a_rotation_does_not_let_opbx_take_somebody_elses_calls(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox
) -> None:
    linked(owner, served, sandbox)
    sandbox.state.add_application("ivr-2019", url="https://ivr.example.com")
    sandbox.state.set_default_application("ivr-2019")
    before = key(owner)
    outcome = owner("webhook-key", "rotate", "--json")
    assert (outcome.code, outcome.error["code"]) == (3, "webhook_key.takeover")
    assert key(owner) == before == remote_key(sandbox)
    assert WRITE not in api.calls


def linked_before_anything_was_sent(owner: Opbx, served: Served, sandbox: RunningSandbox) -> None:
    domain = sandbox.domains[0]
    argv = ("--domain-uuid", domain.uuid, "--api-key-stdin", "--webhook-base-url", WEBHOOK_BASE_URL)
    assert owner("configure", *argv, stdin=domain.api_key).code == 0
    assert connect(owner, served.url).code == 0
    assert remembered(owner) is None


@STATES
@pytest.mark.parametrize("somebody", ["nobody", "cloudonix"])
def test_a_rotation_remembers_who_had_the_calls_and_detach_gives_them_back(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox, state: str, somebody: str
) -> None:
    """Handed the key, OPBX makes an application where it has none, and that the default one."""
    api.state = state
    linked_before_anything_was_sent(owner, served, sandbox)
    if somebody == "nobody":
        sandbox.state.set_default_application(None)
    before = in_charge(sandbox)
    rotated = owner("webhook-key", "rotate", "--yes")
    assert rotated.code == 0, rotated.stderr
    assert in_charge(sandbox) == APPLICATION
    assert remembered(owner) is not None
    outcome = owner("detach", "--yes")
    assert outcome.code == 0, outcome.stderr
    assert in_charge(sandbox) == before


def test_a_rotation_that_opbx_refuses_remembers_nobodys_calls(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox
) -> None:
    linked_before_anything_was_sent(owner, served, sandbox)
    before = in_charge(sandbox)
    api.instead[WRITE] = FAULTS["422"]
    assert owner("webhook-key", "rotate", "--yes").code != 0
    assert (in_charge(sandbox), remembered(owner)) == (before, None)


def test_a_new_key_of_a_linked_profile_is_handed_over_by_a_push(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox
) -> None:
    linked(owner, served, sandbox)
    given = "another-webhook-key-0123456789abcdef"
    assert owner("configure", "--webhook-key-stdin", stdin=given).code == 0
    outcome = owner("validate", "--json")
    assert outcome.code == 9  # OPBX's copy differs
    assert "`opbx instance push` hands it over" in outcome.document["warnings"][-1]
    given = "one-more-webhook-key-0123456789abcdef"
    assert owner("configure", "--webhook-key-stdin", stdin=given).code == 0
    pushed = owner("validate", "--push", "--json")
    assert pushed.code == 0, pushed.stdout
    assert not any("refuses calls" in warning for warning in pushed.document["warnings"])


def test_a_profile_without_a_link_has_no_such_step(configured: Opbx) -> None:
    outcome = configured("validate", "--json")
    assert "instance" not in [one["id"] for one in outcome.document["steps"]]


@STATES
def test_a_rotation_hands_opbx_the_new_key_in_the_same_run(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox, state: str
) -> None:
    api.state = state
    linked(owner, served, sandbox)
    assert owner("validate", "--push").code == 0
    old = key(owner)
    sandbox.forget_requests()
    done = owner("webhook-key", "rotate")
    assert done.code == 0, done.stderr
    new = key(owner)
    assert new != old
    assert api.settings is not None
    assert remote_key(sandbox) == api.settings["domain_requests_api_key"] == new
    # OPBX wrote it to Cloudonix itself: the two sides never differed for a request of ours.
    assert [one for one in sandbox.requests if one.method != "GET"] == []
    assert "has it too" in done.stdout
    assert "webhook-key reveal" not in done.stdout
    assert owner("validate", "--check").code == 0


@STATES
def test_a_rotation_hands_opbx_the_key_and_nothing_else_of_ours(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox, state: str
) -> None:
    api.state = state
    linked(owner, served, sandbox)
    assert owner("validate", "--push").code == 0
    assert api.settings is not None
    api.settings["no_answer_timeout"] = 99  # somebody's, on OPBX's page
    before = dict(api.settings)
    assert owner("webhook-key", "rotate").code == 0
    assert api.settings == before | {"domain_requests_api_key": key(owner)}
    sent = api.last_body(WRITE)
    assert "domain_api_key" not in sent  # a mask of it is no key


def test_a_rotation_gives_no_key_to_an_opbx_of_another_domain(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox
) -> None:
    linked(owner, served, sandbox)
    assert owner("validate", "--push").code == 0
    assert api.settings is not None
    api.settings["domain_uuid"] = "0b0f1c3e-0000-4000-8000-000000000000"
    writes, before = api.calls.count(WRITE), key(owner)
    outcome = owner("webhook-key", "rotate", "--json")
    assert (outcome.code, outcome.error["code"]) == (3, "webhook_key.other_domain")
    assert key(owner) == before == remote_key(sandbox)
    assert api.calls.count(WRITE) == writes


OTHER_URL = "https://other.example.com"


def test_a_pull_takes_the_url_that_opbx_follows_over_the_one_it_has_saved(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox
) -> None:
    api.base_url_variable = OTHER_URL
    set_up_by_opbx(api)
    assert connect(owner, served.url).code == 0
    pulled = owner("instance", "pull", "--yes")
    assert pulled.code == 0, pulled.stderr
    assert pulled.stderr == ""  # with a yes given, the answer alone says what was saved
    assert stored(owner)["webhook_base_url"] == OTHER_URL
    assert owner("validate").code == 0
    assert owner("validate", "--check").code == 0


def test_a_profile_with_another_url_than_opbx_follows_names_both(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox
) -> None:
    api.base_url_variable = OTHER_URL
    set_up_by_opbx(api)
    assert connect(owner, served.url).code == 0
    assert owner("instance", "pull", "--yes").code == 0
    assert owner("configure", "--webhook-base-url", WEBHOOK_BASE_URL).code == 0
    outcome = owner("validate", "--json")
    assert outcome.code == 9
    assert any(OTHER_URL in one and WEBHOOK_BASE_URL in one for one in outcome.document["warnings"])


def test_where_opbxs_own_variable_names_another_url_nothing_is_written_without_a_yes(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox
) -> None:
    api.state = "july"
    linked(owner, served, sandbox)
    assert owner("validate", "--push").code == 0
    api.base_url_variable = OTHER_URL
    before, writes = sandbox.state.domain(), api.calls.count(WRITE)
    for argv in (("validate", "--push"), ("validate",), ("webhook-key", "rotate")):
        outcome = owner(*argv, "--json")
        assert outcome.code in (3, 9)
        said = outcome.error["message"]
        assert OTHER_URL in said, said
        assert WEBHOOK_BASE_URL in said
    assert owner("validate", "--check").code == 8
    refused = owner("instance", "push", "--json")
    assert refused.code in (0, 2)
    assert (sandbox.state.domain(), api.calls.count(WRITE)) == (before, writes)
    # Each way out that is named works: OPBX's URL here, too.
    hint = owner("validate", "--json").error["hint"]
    command = hint.split("`")[1].removeprefix("opbx ")
    assert owner(*command.split()).code == 0
    assert owner("instance", "push", "--yes", "--replace-default").code == 0
    assert owner("validate", "--replace-default").code == 0
    assert owner("validate", "--check").code == 0


@pytest.mark.parametrize("what", ["expired", "not-owner", "down"])
def test_a_rotation_that_cannot_reach_opbx_changes_nothing(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox, what: str
) -> None:
    linked(owner, served, sandbox)
    assert owner("validate", "--push").code == 0
    old = key(owner)
    if what == "expired":
        api.tokens.clear()
    elif what == "not-owner":
        api.role = "pbx_admin"
    else:
        api.instead[SETTINGS] = b""
    outcome = owner("webhook-key", "rotate", "--json")
    assert outcome.code in (4, 7)
    assert key(owner) == remote_key(sandbox) == old


@pytest.mark.parametrize("answer", [b"", http("504 Gateway"), http("500 Oops")])
@pytest.mark.parametrize("is_done", [True, False])
def test_a_lost_answer_of_opbx_is_looked_for(
    owner: Opbx,
    api: OpbxApi,
    served: Served,
    sandbox: RunningSandbox,
    is_done: bool,
    answer: bytes,
) -> None:
    linked(owner, served, sandbox)
    assert owner("validate", "--push").code == 0
    old = key(owner)
    (api.after if is_done else api.instead)[WRITE] = answer
    outcome = owner("webhook-key", "rotate", "--json")
    api.after.clear()
    api.instead.clear()
    assert api.settings is not None
    if is_done:
        assert outcome.code == 0, outcome.stderr
        assert key(owner) == api.settings["domain_requests_api_key"] == remote_key(sandbox) != old
    else:
        assert outcome.code == 7
        assert Secret(old).fingerprint in outcome.error["message"]
    mended = owner("validate", "--json")
    assert mended.code == 0, mended.stdout
    assert key(owner) == api.settings["domain_requests_api_key"] == remote_key(sandbox)
    assert owner("validate", "--check").code == 0


def test_where_opbx_could_not_write_to_cloudonix_opbx_does(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox
) -> None:
    linked(owner, served, sandbox)
    assert owner("validate", "--push").code == 0
    old = key(owner)
    api.refuses_cloudonix = True
    assert owner("webhook-key", "rotate").code == 0
    assert api.settings is not None
    assert remote_key(sandbox) == api.settings["domain_requests_api_key"] == key(owner) != old


@pytest.mark.parametrize("fault", ["401", "503", "close-after"])
def test_one_side_alone_with_the_new_key_is_said_and_mended(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox, fault: str
) -> None:
    linked(owner, served, sandbox)
    assert owner("validate", "--push").code == 0
    old = key(owner)
    api.refuses_cloudonix = True
    sandbox.set_faults(f"update-domain={fault}", "get-domain=503@3")
    outcome = owner("webhook-key", "rotate", "--json")
    assert outcome.code in (4, 7)
    assert api.settings is not None
    new = api.settings["domain_requests_api_key"]
    assert new != old
    assert f"while OPBX has {Secret(new).fingerprint}" in outcome.error["message"]
    sandbox.set_faults()
    mended = owner("validate", "--json")
    assert mended.code == 0, mended.stdout
    # Calls are checked by OPBX: whichever key it has is right.
    assert key(owner) == remote_key(sandbox) == new
    assert owner("validate", "--check").code == 0


def remote_profile(sandbox: RunningSandbox) -> Any:
    domain: Any = sandbox.state.domain()
    return domain["profile"]


def remote_key(sandbox: RunningSandbox) -> Any:
    return remote_profile(sandbox).get("authorization-api-key")
