"""Store, Cloudonix and OPBX brought together with the real commands, against `sandbox --opbx`."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from opbx_cli.sandbox import OPBX_CREDENTIALS as OWNER
from opbx_cli.sandbox.server import RunningSandbox
from support import MEASURED, Opbx, Outcome

StartSandbox = Callable[..., RunningSandbox]
PASSWORD = {"OPBX_INSTANCE_PASSWORD": OWNER.password}
STATES = pytest.mark.parametrize("state", ["january", "july"])


def configure(opbx: Opbx, sandbox: RunningSandbox) -> None:
    domain = sandbox.domains[0]
    opbx.environ["CLOUDONIX_API_BASE_URL"] = sandbox.url
    saved = opbx("configure", "--domain-uuid", domain.uuid, "--api-key-stdin", stdin=domain.api_key)
    assert saved.code == 0, saved.stderr


def connect(opbx: Opbx, sandbox: RunningSandbox) -> Outcome:
    opbx.environ |= {"CLOUDONIX_API_BASE_URL": sandbox.url, "OPBX_INSTANCE_EMAIL": OWNER.email}
    argv = ("instance", "connect", sandbox.url, "--password-stdin", "--json")
    return opbx(*argv, stdin=OWNER.password)


def linked(opbx: Opbx, sandbox: RunningSandbox) -> Opbx:
    configure(opbx, sandbox)
    outcome = connect(opbx, sandbox)
    assert outcome.code == 0, outcome.stderr
    pulled = opbx("instance", "pull", "--yes")
    assert pulled.code == 0, pulled.stderr
    assert opbx("validate").code == 0
    return opbx


def key_of_cloudonix(sandbox: RunningSandbox) -> str:
    domain: Any = sandbox.state.domain()
    return str(domain["profile"]["authorization-api-key"])


@pytest.fixture(params=["january", "july"])
def triangle(request: pytest.FixtureRequest, start_sandbox: StartSandbox) -> RunningSandbox:
    """OPBX in each state, on the domain that its owner has saved; the secret of signatures off."""
    variants = [f"opbx={request.param}", "opbx-signature=off"]
    return start_sandbox(opbx=True, variants=variants)


def test_the_way_of_a_new_owner(opbx: Opbx, triangle: RunningSandbox) -> None:
    configure(opbx, triangle)
    assert connect(opbx, triangle).document["organization"] == "Sandbox PBX"
    pulled = opbx("instance", "pull", "--yes", "--json")
    assert pulled.code == 0, pulled.stderr
    paths = {change["path"] for change in pulled.document["changes"]}
    assert paths == {
        "webhook_api_key",
        "webhook_base_url",
        "no_answer_timeout",
        "recording_format",
    }
    before = triangle.state.domain()
    validated = opbx("validate", "--json")
    assert validated.code == 0, validated.stderr
    statuses = {step["id"]: step["status"] for step in validated.document["steps"]}
    assert statuses["voice-application"] == "adopted"
    assert statuses["instance"] == "ok"
    assert triangle.state.domain() == before
    assert opbx("instance", "pull", "--check").code == 0
    assert opbx("instance", "push", "--check").code == 0
    assert opbx("status").code == 0


def test_in_january_connect_and_pull_are_all_that_a_new_owner_needs(
    opbx: Opbx, start_sandbox: StartSandbox
) -> None:
    sandbox = start_sandbox(opbx=True, variants=["opbx=january"])
    assert connect(opbx, sandbox).code == 0
    assert opbx("instance", "pull", "--yes").code == 0
    assert opbx("validate").code == 0
    assert opbx("status").code == 0


def test_rotation_keeps_both_sides_together(opbx: Opbx, triangle: RunningSandbox) -> None:
    linked(opbx, triangle)
    before = key_of_cloudonix(triangle)
    rotated = opbx("webhook-key", "rotate", "--json")
    assert rotated.code == 0, rotated.stderr
    after = key_of_cloudonix(triangle)
    assert after != before
    assert triangle.opbx.settings.get("domain_requests_api_key") == after
    assert opbx("webhook-key", "reveal", "--yes").stdout.strip() == after
    assert opbx("status").code == 0
    assert opbx("validate", "--check").code == 0


def test_push_changes_opbx_and_cloudonix_at_once(opbx: Opbx, triangle: RunningSandbox) -> None:
    linked(opbx, triangle)
    assert opbx("configure", "--no-answer-timeout", "33").code == 0
    assert opbx("status").code == 8
    assert opbx("instance", "push", "--check").code == 8
    pushed = opbx("instance", "push", "--yes", "--json")
    assert pushed.code == 0, pushed.stderr
    assert "brought in line" not in " ".join(pushed.document["warnings"])
    values: Any = triangle.opbx.settings.values
    assert values["no_answer_timeout"] == 33
    domain: Any = triangle.state.domain()
    assert domain["profile"]["call-timeout"] == 33
    assert opbx("validate", "--check").code == 0
    assert opbx("status").code == 0


def test_validate_hands_opbx_what_differs(opbx: Opbx, triangle: RunningSandbox) -> None:
    linked(opbx, triangle)
    assert opbx("configure", "--recording-format", "mp3").code == 0
    handed = opbx("validate", "--push", "--json")
    assert handed.code == 0, handed.stderr
    values: Any = triangle.opbx.settings.values
    assert values["recording_format"] == "mp3"
    assert opbx("validate", "--check").code == 0


def test_a_call_arrives_before_and_after_a_rotation(
    opbx: Opbx, start_sandbox: StartSandbox
) -> None:
    sandbox = start_sandbox(opbx=True)
    linked(opbx, sandbox)
    called = opbx("sandbox", "call", "--json")
    assert called.code == 0, called.stderr
    assert [one["http_status"] for one in called.document["callbacks"]] == [200] * 6
    assert opbx("webhook-key", "rotate").code == 0
    assert opbx("sandbox", "call").code == 0
    wrong = opbx("sandbox", "call", "--wrong-key", "--json")
    assert wrong.code == 0, wrong.stderr
    assert {one["http_status"] for one in wrong.document["callbacks"]} == {401}
    checked = opbx("webhook-url", "--check", "--with-key")
    assert checked.code == 0, checked.stdout


def test_in_january_calls_arrive_and_unsigned_session_updates_do_not(
    opbx: Opbx, start_sandbox: StartSandbox
) -> None:
    sandbox = start_sandbox(opbx=True, variants=["opbx=january"])
    linked(opbx, sandbox)
    called = opbx("sandbox", "call", "--json")
    assert called.code == 1
    statuses = [one["http_status"] for one in called.document["callbacks"]]
    assert (statuses[0], set(statuses[1:-1]), statuses[-1]) == (200, {401}, 200)
    checked = opbx("webhook-url", "--check", "--with-key")
    assert checked.code == 0, checked.stdout
    assert "signature" in checked.stdout
    secret = {"CLOUDONIX_WEBHOOK_SECRET": OWNER.signature_secret}
    signed = opbx("sandbox", "call", "--sign-with-env", "CLOUDONIX_WEBHOOK_SECRET", **secret)
    assert signed.code == 0, signed.stderr


@STATES
def test_a_fresh_organisation_is_handed_everything(
    opbx: Opbx, start_sandbox: StartSandbox, state: str
) -> None:
    sandbox = start_sandbox(opbx=True, variants=[f"opbx={state}", "opbx-settings=none"])
    opbx.environ["APP_URL"] = sandbox.url
    configure(opbx, sandbox)
    assert opbx("configure", "--webhook-base-url", sandbox.url).code == 0
    assert opbx("validate").code == 0
    assert connect(opbx, sandbox).code == 0
    pushed = opbx("instance", "push", "--yes", "--json")
    assert pushed.code == 0, pushed.stderr
    assert sandbox.opbx.settings.is_configured
    assert opbx("validate").code == 0  # OPBX made an application of its own
    assert opbx("status").code == 0
    assert opbx("validate", "--check").code == 0


@STATES
def test_a_user_who_is_not_the_owner_is_refused(
    opbx: Opbx, start_sandbox: StartSandbox, state: str
) -> None:
    sandbox = start_sandbox(opbx=True, variants=[f"opbx={state}", "opbx-role=pbx_admin"])
    refused = connect(opbx, sandbox)
    assert (refused.code, refused.error["code"]) == (4, "instance.not_owner")
    sandbox.set_variants("opbx-role=owner", "opbx-user=inactive")
    inactive = connect(opbx, sandbox)
    assert (inactive.code, inactive.error["code"]) == (4, "instance.inactive")


def test_an_expired_token_changes_nothing(opbx: Opbx, triangle: RunningSandbox) -> None:
    linked(opbx, triangle)
    triangle.advance(86_400)
    key = key_of_cloudonix(triangle)
    for argv in (["instance", "pull"], ["instance", "push"], ["webhook-key", "rotate"]):
        outcome = opbx(*argv, "--json")
        assert (outcome.code, outcome.error["code"]) == (4, "instance.signed_out")
    assert key_of_cloudonix(triangle) == key
    checked = opbx("validate", "--json")
    assert checked.code == 0
    assert "OPBX's copy was not compared" in " ".join(checked.document["warnings"])
    assert connect(opbx, triangle).code == 0
    assert opbx("instance", "push", "--check").code == 0


def test_what_cloudonix_refuses_opbx_is_said(opbx: Opbx, triangle: RunningSandbox) -> None:
    linked(opbx, triangle)
    triangle.set_variants("opbx-cloudonix=refused")
    assert opbx("configure", "--no-answer-timeout", "33").code == 0
    pushed = opbx("instance", "push", "--yes", "--json")
    assert pushed.code == 0
    assert "Cloudonix was not brought in line" in " ".join(pushed.document["warnings"])
    domain: Any = triangle.state.domain()
    assert domain["profile"]["call-timeout"] == 33  # opbx wrote it itself
    assert opbx("validate", "--check").code == 0


@pytest.mark.parametrize(
    "kind", ["500", "503", "429:60", "html", "empty", "truncated", "redirect", "close-before"]
)
@pytest.mark.parametrize("call", ["opbx-sign-in", "opbx-who-am-i"])
def test_nothing_is_saved_when_connecting_fails(
    opbx: Opbx, start_sandbox: StartSandbox, call: str, kind: str
) -> None:
    sandbox = start_sandbox(opbx=True, faults=[f"{call}={kind}"])
    outcome = connect(opbx, sandbox)
    assert outcome.code in (6, 7)
    assert not (opbx.home / "store.toml").exists()


@pytest.mark.parametrize("kind", ["close-after", "truncated-after"])
def test_a_write_whose_answer_is_lost_is_found_by_the_next_run(
    opbx: Opbx, triangle: RunningSandbox, kind: str
) -> None:
    linked(opbx, triangle)
    triangle.set_faults(f"opbx-write-settings={kind}*1")
    rotated = opbx("webhook-key", "rotate")
    after = opbx("validate")
    assert after.code == 0, (rotated, after)
    key = key_of_cloudonix(triangle)
    assert triangle.opbx.settings.get("domain_requests_api_key") == key
    assert opbx("webhook-key", "reveal", "--yes").stdout.strip() == key


def test_no_secret_of_opbx_is_shown_where_it_is_repeated(
    opbx: Opbx, start_sandbox: StartSandbox
) -> None:
    sandbox = start_sandbox(opbx=True, faults=["opbx-any=echo-key"])
    assert OWNER.password not in str(connect(opbx, sandbox))
    sandbox.set_faults()
    linked(opbx, sandbox)
    sandbox.set_faults("opbx-any=echo-key")
    token = next(iter(sandbox.opbx.tokens.valid))
    for argv in (["instance", "pull"], ["instance", "push"], ["status"], ["webhook-key", "rotate"]):
        for output in ([], ["--json"], ["-v"]):
            assert token not in str(opbx(*argv, *output))


def start(opbx: Opbx, *argv: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "opbx_cli", "sandbox", "--port", "0", "--opbx", *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=opbx.process_environ(**MEASURED),
    )


def test_the_command_prints_what_is_needed_to_sign_in(opbx: Opbx) -> None:
    with start(opbx, "--variant", "opbx=january") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(8)]
        variables = dict(line.removeprefix("export ").rstrip().split("=", 1) for line in lines)
        assert list(variables)[3:] == [
            "OPBX_WEBHOOK_BASE_URL",
            "OPBX_INSTANCE_URL",
            "OPBX_INSTANCE_EMAIL",
            "OPBX_INSTANCE_PASSWORD",
            "CLOUDONIX_WEBHOOK_SECRET",
        ]
        assert variables["CLOUDONIX_WEBHOOK_SECRET"] == OWNER.signature_secret
        url = variables["OPBX_INSTANCE_URL"]
        assert {variables["OPBX_WEBHOOK_BASE_URL"], url} == {variables["CLOUDONIX_API_BASE_URL"]}
        without_store = opbx("validate", "--check", "--json", **variables)
        assert without_store.code == 0, without_store.stderr
        assert without_store.document["steps"][-1]["id"] == "instance"
        assert not opbx.home.exists()
        opbx.environ["CLOUDONIX_API_BASE_URL"] = url
        argv = ("instance", "connect", url, "--password-env", "OPBX_INSTANCE_PASSWORD")
        outcome = opbx(*argv, "--email", variables["OPBX_INSTANCE_EMAIL"], **PASSWORD)
        assert outcome.code == 0, outcome.stderr
        assert opbx("instance", "pull", "--yes").code == 0
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
