"""`--all` of commands that only look: a line or a block for each profile, failures at the end."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from opbx_cli.sandbox.server import RunningSandbox
from pbx import Pbx, running_pbx
from support import WEBHOOK_BASE_URL, Opbx, Outcome
from terminal import on_terminal, shown_on_terminal

NAMES = ("delta", "alpha", "charlie")
WRONG_KEY = "XI0123456789abcdefghijABCDEFGHIJKL"


@pytest.fixture
def three(start_sandbox: Callable[..., RunningSandbox]) -> RunningSandbox:
    return start_sandbox(domains=3)


@pytest.fixture
def fleet(opbx: Opbx, three: RunningSandbox) -> Opbx:
    """Three profiles, in line."""
    for name, domain in zip(NAMES, three.domains, strict=True):
        argv = ["--domain-uuid", domain.uuid, "--api-key-stdin", "--api-base-url", three.url]
        argv += ["--webhook-base-url", WEBHOOK_BASE_URL]
        assert opbx("configure", "-p", name, *argv, stdin=domain.api_key).code == 0
    assert opbx("validate", "--all").code == 0
    three.forget_requests()
    return opbx


def break_key(opbx: Opbx, name: str) -> None:
    assert opbx("configure", "-p", name, "--api-key-stdin", stdin=WRONG_KEY).code == 0


def documents(outcome: Outcome) -> list[dict[str, Any]]:
    return [json.loads(line) for line in outcome.stdout.splitlines()]


def test_trunks_are_lines_that_begin_with_the_profile(fleet: Opbx) -> None:
    alone = fleet("trunks", "list", "-p", "alpha").stdout.splitlines()
    outcome = fleet("trunks", "list", "--all")
    assert (outcome.code, outcome.stderr) == (0, "")
    lines = outcome.stdout.splitlines()
    assert list(dict.fromkeys(line.split("\t")[0] for line in lines)) == list(NAMES)
    assert [line for line in lines if line.startswith("alpha\t")] == [f"alpha\t{x}" for x in alone]


def test_trunks_as_json_are_one_line_for_each_profile(fleet: Opbx, three: RunningSandbox) -> None:
    alone = fleet("trunks", "list", "-p", "charlie", "--json").document
    outcome = fleet("trunks", "list", "--all", "--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    found = documents(outcome)
    assert [entry["profile"] for entry in found] == list(NAMES)
    assert [entry["domain_uuid"] for entry in found] == [one.uuid for one in three.domains]
    assert found[2] == alone


def test_trunks_as_csv_are_one_table(fleet: Opbx) -> None:
    outcome = fleet("trunks", "list", "--all", "--columns", "name,active", "-o", "csv")
    rows = list(csv.reader(io.StringIO(outcome.stdout)))
    assert rows[0] == ["profile", "name", "active"]
    assert {row[0] for row in rows[1:]} == set(NAMES)


def test_some_profiles_alone_are_asked(fleet: Opbx, three: RunningSandbox) -> None:
    outcome = fleet("trunks", "list", "--all", "--only", "*l*a", "--json")
    assert [entry["profile"] for entry in documents(outcome)] == ["delta", "alpha"]
    assert len(list(three.requests)) == 2
    assert fleet("status", "--all", "--only", "nobody").code == 2
    for argv in (["trunks", "list"], ["status"]):
        assert fleet(*argv, "--only", "alpha").code == 2
        assert fleet(*argv, "--all", "-p", "alpha").code == 2
        assert fleet(*argv, "--all", OPBX_DOMAIN_UUID=three.domains[0].uuid).code == 2


@pytest.mark.parametrize("argv", [("trunks", "list"), ("status",)], ids=" ".join)
def test_a_failure_stops_nobody_and_is_repeated_at_the_end(
    fleet: Opbx, argv: tuple[str, ...]
) -> None:
    break_key(fleet, "alpha")
    outcome = fleet(*argv, "--all")
    assert outcome.code == 9
    assert {line.split("\t")[0] for line in outcome.stdout.splitlines()} == {"delta", "charlie"}
    first, hint, last, _ = outcome.stderr.splitlines()
    assert first.startswith("error: alpha: ")
    assert hint == "hint: `opbx configure --api-key-stdin --profile alpha` saves another key"
    assert last == "error: 1 of 3 profiles failed: alpha"


@pytest.mark.parametrize("argv", [("trunks", "list"), ("status",)], ids=" ".join)
def test_a_failure_is_a_document_too(fleet: Opbx, argv: tuple[str, ...]) -> None:
    schema = fleet(*argv, "-p", "delta", "--json").document["schema"]
    break_key(fleet, "alpha")
    outcome = fleet(*argv, "--all", "--json")
    assert outcome.code == 9
    found = documents(outcome)
    assert [entry["profile"] for entry in found] == list(NAMES)
    assert {entry["schema"] for entry in found} == {schema}
    assert found[1]["error"]["code"] == "auth.rejected"
    assert set(found[1]) == {"schema", "profile", "error", "warnings"}
    assert outcome.error["code"] == "profile.some_failed"
    assert outcome.stderr.count("\n") == outcome.stderr.rstrip().count("\n") + 1


def test_status_ends_with_8_where_any_profile_differs(fleet: Opbx) -> None:
    outcome = fleet("status", "--all")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert "alpha\tdomain_name\t" in outcome.stdout
    assert fleet("configure", "-p", "charlie", "--no-answer-timeout", "44").code == 0
    outcome = fleet("status", "--all", "--json")
    assert (outcome.code, outcome.stderr) == (8, "")
    assert [entry["result"] for entry in documents(outcome)] == ["ok", "ok", "differs"]
    assert all(entry["last_validated"] for entry in documents(outcome))


def test_warnings_are_those_of_their_profile(fleet: Opbx) -> None:
    assert fleet("configure", "-p", "alpha", "--webhook-base-url", "http://pbx.test").code == 0
    outcome = fleet("status", "--all")
    assert [line.split(":")[1] for line in outcome.stderr.splitlines()] == [" alpha"] * 2
    outcome = fleet("status", "--all", "--json")
    assert [len(entry["warnings"]) for entry in documents(outcome)] == [0, 2, 0]


def test_on_a_terminal_what_is_in_line_is_one_line(fleet: Opbx) -> None:
    break_key(fleet, "alpha")
    assert fleet("configure", "-p", "charlie", "--no-answer-timeout", "44").code == 0
    environ = fleet.process_environ(NO_COLOR="1")
    code, shown = shown_on_terminal("status", "--all", "-q", environ=environ)
    assert code == 9
    assert "✓ delta: All settings agree, and calls arrive.\n" in shown
    assert "✗ alpha: cannot read the domain: Cloudonix does not know this API key" in shown
    assert "\ncharlie\n" in shown
    assert "44 s" in shown
    assert shown.rstrip().splitlines()[-2:] == [
        "error: 1 of 3 profiles failed: alpha",
        "hint: the reason is given for each profile",
    ]


def test_status_is_a_report_with_what_fails_first(fleet: Opbx) -> None:
    break_key(fleet, "charlie")
    outcome = fleet("status", "--all", "-o", "markdown")
    assert outcome.code == 9
    heads = [line for line in outcome.stdout.splitlines() if line.startswith("### ")]
    assert heads == ["### charlie", "### delta", "### alpha"]
    outcome = fleet("status", "--all", "-o", "junit")
    assert '<testsuite name="charlie" tests="1" failures="1"' in outcome.stdout


@pytest.mark.usefixtures("no_proxy_of_this_machine")
def test_every_webhook_url_is_checked(fleet: Opbx, pbx: Pbx) -> None:
    with running_pbx(pbx) as server:
        for name in NAMES:
            url = server.url if name != "alpha" else "http://127.0.0.1:9"
            assert fleet("configure", "-p", name, "--webhook-base-url", url).code == 0
        outcome = fleet("webhook-url", "--check", "--all", "--json")
        assert outcome.code == 9
        found = documents(outcome)
        assert [entry["profile"] for entry in found] == list(NAMES)
        assert [entry["result"] for entry in found] == ["ok", "failed", "ok"]
        assert outcome.error["message"] == "1 of 3 profiles failed: alpha"
        outcome = fleet("webhook-url", "--check", "--all")
        assert "error: alpha: http://127.0.0.1:9: " in outcome.stderr
        assert "alpha\ttcp\tfailed\t" in outcome.stdout
        outcome = fleet("webhook-url", "--check", "--all", "--only", "delta", "-o", "markdown")
        assert outcome.code == 0
        assert outcome.stdout.startswith("### delta\n")
    assert fleet("webhook-url", "--all").code == 2
    assert fleet("webhook-url", "--check", "--only", "alpha").code == 2


@pytest.mark.usefixtures("no_proxy_of_this_machine")
def test_each_profiles_own_key_proves_its_webhook(fleet: Opbx, pbx: Pbx) -> None:
    with running_pbx(pbx) as server:
        for name in ("delta", "alpha"):
            assert fleet("configure", "-p", name, "--webhook-base-url", server.url).code == 0
        argv = ("webhook-url", "--check", "--with-key", "--all", "--only", "*l*a")
        outcome = fleet(*argv, "--json")
    keys = {fleet("webhook-key", "reveal", "--yes", "-p", n).stdout.strip() for n in NAMES[:2]}
    assert keys <= {one.token for one in pbx.arrivals}
    assert all(entry["checks"][-1]["id"] == "cloudonix-key" for entry in documents(outcome))


def stored_keys(opbx: Opbx) -> list[str]:
    return [opbx("webhook-key", "reveal", "--yes", "-p", n).stdout.strip() for n in NAMES]


def keys_in_force(three: RunningSandbox) -> list[Any]:
    domains: list[Any] = [three.state.domain(one.uuid) for one in three.domains]
    return [domain["profile"]["authorization-api-key"] for domain in domains]


def test_every_webhook_key_is_rotated(fleet: Opbx, three: RunningSandbox) -> None:
    before = stored_keys(fleet)
    outcome = fleet("webhook-key", "rotate", "--all", "--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert [entry["profile"] for entry in documents(outcome)] == list(NAMES)
    after = stored_keys(fleet)
    assert keys_in_force(three) == after
    assert not set(before) & set(after)
    assert fleet("validate", "--all", "--check").code == 0
    history = fleet("profiles", "history", "--json").document["entries"]
    assert [one["profile"] for one in history if one["command"] == "webhook-key rotate"] in (
        list(NAMES),
        list(reversed(NAMES)),
    )
    outcome = fleet("webhook-key", "rotate", "--all", "--only", "delta")
    assert outcome.code == 0
    assert {line.split("\t")[0] for line in outcome.stdout.splitlines()} == {"delta"}
    assert stored_keys(fleet)[1:] == after[1:]


def test_somebodys_key_is_rotated_with_a_yes_alone(fleet: Opbx, three: RunningSandbox) -> None:
    somebodys = "a-key-of-somebody-else-0123456789"
    uuid = three.domains[1].uuid
    three.state.set_profile_keys({"authorization-api-key": somebodys}, domain=uuid)
    outcome = fleet("webhook-key", "rotate", "--all", "--json")
    assert outcome.code == 9
    assert [entry.get("error", {}).get("code") for entry in documents(outcome)] == [
        *(None, "usage.wants_yes", None)
    ]
    assert keys_in_force(three)[1] == somebodys
    assert fleet("webhook-key", "rotate", "--all", "--only", "alpha", "--yes").code == 0
    assert keys_in_force(three) == stored_keys(fleet)


def test_a_rotation_that_is_cut_off_says_what_is_left(fleet: Opbx, three: RunningSandbox) -> None:
    three.set_options(latency=0.5)
    with subprocess.Popen(
        [sys.executable, "-m", "opbx_cli", "webhook-key", "rotate", "--all"],
        env=fleet.process_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("delta\t")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 130
    three.set_options(latency=0)
    assert "done before: delta\n" in said
    hint = said.splitlines()[-1]
    assert hint == (
        "hint: `opbx webhook-key rotate --all --only alpha --only charlie` goes on from here"
    )
    assert keys_in_force(three) == stored_keys(fleet)


def test_a_terminal_is_asked_before_opbx_needs_many_keys_by_hand(
    fleet: Opbx, three: RunningSandbox
) -> None:
    before = keys_in_force(three)
    environ = fleet.process_environ()
    with on_terminal("webhook-key", "rotate", "--all", environ=environ) as terminal:
        asked = " ".join(terminal.expect("[y/N] ").split())
        assert "until you give it the new key: delta, alpha, charlie" in asked, asked
        terminal.send("")
        terminal.finish()
        assert terminal.exit_code == 2
    assert keys_in_force(three) == before == stored_keys(fleet)


def test_a_passphrase_opens_the_store_for_a_rotation_of_all(fleet: Opbx) -> None:
    environ = fleet.process_environ()
    phrase = "correct horse battery"
    with on_terminal("key", "add", "--kind", "passphrase", environ=environ) as terminal:
        for question in ("New passphrase", "The same again"):
            terminal.expect(f"{question} (typing stays hidden): ")
            terminal.send(phrase)
        terminal.finish()
    for key in fleet.home.rglob("*.key"):
        key.unlink()
    with on_terminal("webhook-key", "rotate", "--all", environ=environ) as terminal:
        terminal.expect("Passphrase of the store (typing stays hidden): ")
        terminal.send(phrase)
        terminal.expect("[y/N] ")
        terminal.send("y")
        shown = terminal.finish()
        assert terminal.exit_code == 0, shown
    assert shown.count("saved, and read back from Cloudonix") == 3


def test_ctrl_c_ends_it_while_an_answer_is_out(fleet: Opbx, three: RunningSandbox) -> None:
    three.set_options(latency=20)
    with subprocess.Popen(
        [sys.executable, "-m", "opbx_cli", "trunks", "list", "--all"],
        env=fleet.process_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while not list(three.requests) and process.poll() is None:
            pass
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
