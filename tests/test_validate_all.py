"""`opbx validate --all`: every profile, many at a time, one answer each, and one store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from declared import parsed
from opbx_cli.errors import ConfigurationError
from opbx_cli.operations.batch import Batch
from opbx_cli.operations.group_save import GroupSave
from opbx_cli.operations.profiles import put
from opbx_cli.operations.stored_profile import Facts, StoredProfile
from opbx_cli.operations.validate.run import Task, Validation
from opbx_cli.sandbox.server import RunningSandbox
from opbx_cli.settings import ActiveSettings
from opbx_cli.settings.table import Settings
from opbx_cli.store import KeySource, Store, StoreContents, store_paths
from support import WEBHOOK_BASE_URL, Opbx, Outcome
from terminal import shown_on_terminal

StartSandbox = Callable[..., RunningSandbox]
NAMES = ["delta", "alpha", "charlie", "bravo"]  # the order of the store, not of the alphabet


def save(opbx: Opbx, sandbox: RunningSandbox, name: str, number: int, key: str = "") -> None:
    domain = sandbox.domains[number]
    argv = ["--domain-uuid", domain.uuid, "--api-key-stdin", "--api-base-url", sandbox.url]
    argv += ["--webhook-base-url", WEBHOOK_BASE_URL]
    outcome = opbx("configure", "-p", name, *argv, stdin=key or domain.api_key)
    assert outcome.code == 0, outcome.stderr


@pytest.fixture
def four(start_sandbox: StartSandbox) -> RunningSandbox:
    return start_sandbox(domains=len(NAMES))


@pytest.fixture
def many(opbx: Opbx, four: RunningSandbox) -> Opbx:
    """Four profiles for four fresh domains."""
    for number, name in enumerate(NAMES):
        save(opbx, four, name, number)
    return opbx


def documents(outcome: Outcome) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert {entry["schema"] for entry in found} == {"opbx.validate/1"}
    return found


def results(outcome: Outcome) -> dict[str, str]:
    return {entry["profile"]: entry["result"] for entry in documents(outcome)}


def writes(sandbox: RunningSandbox) -> list[str]:
    return [request.call for request in sandbox.requests if request.method != "GET"]


def test_every_profile_is_brought_in_line(many: Opbx, four: RunningSandbox) -> None:
    outcome = many("validate", "--all", "--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert list(results(outcome).items()) == [(name, "ok") for name in NAMES]
    for domain in four.domains:
        (application,) = four.state.applications(domain.uuid)
        assert four.state.domain(domain.uuid)["defaultApplication"] == application["id"]
    assert many("profiles", "show", "bravo", "--json").document["voice_application"] is not None


def test_a_second_run_writes_nothing(many: Opbx, four: RunningSandbox) -> None:
    assert many("validate", "--all").code == 0
    before = {file: file.read_bytes() for file in many.home.rglob("*") if file.is_file()}
    four.forget_requests()
    outcome = many("validate", "--all", "--json")
    assert outcome.code == 0
    statuses = {step["status"] for entry in documents(outcome) for step in entry["steps"]}
    assert statuses == {"ok", "unchanged"}
    assert writes(four) == []
    assert {file: file.read_bytes() for file in many.home.rglob("*") if file.is_file()} == before


def test_check_writes_nothing_and_exits_with_8(many: Opbx, four: RunningSandbox) -> None:
    store = (many.home / "store.toml").read_bytes()
    outcome = many("validate", "--all", "--check", "--json")
    assert (outcome.code, outcome.stderr) == (8, "")
    assert set(results(outcome).values()) == {"differs"}
    assert writes(four) == []
    assert (many.home / "store.toml").read_bytes() == store
    assert many("validate", "--all").code == 0
    assert many("validate", "--all", "--check").code == 0


def test_text_has_a_block_for_each_and_one_sentence(many: Opbx, four: RunningSandbox) -> None:
    outcome = many("validate", "--all")
    assert outcome.code == 0
    assert outcome.stderr.count("a new webhook key (fp:") == 4
    *lines, summary = outcome.stdout.splitlines()
    assert summary == "4 profiles: 4 in line."
    assert {line.split("\t")[0] for line in lines} == set(NAMES)
    ends = [line.split("\t")[1:] for line in lines if line.split("\t")[1] == "result"]
    assert [end[1] for end in ends] == ["ok"] * 4
    assert ends[0][2].startswith(f"Done: calls for {four.domains[0].name} go to https://")
    again = many("validate", "--all").stdout.splitlines()
    assert len(again) == 5
    assert "Nothing to do" in again[0]


def test_a_failing_domain_does_not_stop_the_others(
    many: Opbx, four: RunningSandbox, opbx: Opbx
) -> None:
    save(opbx, four, "alpha", 1, key="XI" + "0" * 32)
    outcome = many("validate", "--all", "--json")
    assert outcome.code == 9
    assert results(outcome) == {"delta": "ok", "alpha": "failed", "charlie": "ok", "bravo": "ok"}
    assert outcome.error["code"] == "validate.some_failed"
    message = "1 of 4 profiles could not be brought in line: alpha"
    assert outcome.error["message"] == message
    failed = documents(outcome)[1]["steps"][0]
    assert (failed["status"], failed["error"]["exit_code"]) == ("failed", 4)
    shown = many("validate", "--all")
    assert shown.stdout.splitlines()[-1] == "4 profiles: 3 in line, 1 failed."
    assert shown.stderr.startswith(f"error: {message}\n")


def test_all_failing_alike_is_9_too(many: Opbx, four: RunningSandbox) -> None:
    four.set_faults("any=401")
    outcome = many("validate", "--all", "--check", "--json")
    assert outcome.code == 9
    assert set(results(outcome).values()) == {"failed"}


def test_a_failure_beats_a_difference(many: Opbx, four: RunningSandbox) -> None:
    save(many, four, "alpha", 1, key="XI" + "0" * 32)
    assert many("validate", "--all", "--check").code == 9


def test_warnings_belong_to_their_document(many: Opbx, four: RunningSandbox) -> None:
    for name in ("opbx-routing-application-1", "opbx-routing-application-2"):
        four.state.add_application(name, url="https://old.example.com", domain=four.domains[2].uuid)
    found = {
        entry["profile"]: entry["warnings"]
        for entry in documents(many("validate", "--all", "--check", "--json"))
    }
    assert [name for name, warnings in found.items() if warnings] == ["charlie"]
    assert "more applications of OPBX's than one" in found["charlie"][0]
    shown = many("validate", "--all", "--check").stderr
    assert shown.startswith("warning: charlie: more applications")


def test_it_stands_alone(many: Opbx, storeless: Opbx) -> None:
    variables = dict(storeless.environ)
    for name in variables:
        if name != "OPBX_HOME":
            many.environ.pop(name)
    assert many("validate", "--all", "-p", "alpha").code == 2
    assert many("validate", "--all", OPBX_PROFILE="alpha").code == 0
    outcome = many("validate", "--all", **variables)
    assert (outcome.code, outcome.stdout) == (2, "")


def test_without_a_profile_there_is_nothing_to_validate(opbx: Opbx, many: Opbx) -> None:
    for name in NAMES:
        assert many("profiles", "remove", name, "--yes").code == 0
    outcome = many("validate", "--all", "--json")
    assert (outcome.code, outcome.stdout) == (3, "")
    assert outcome.error["code"] == "profile.none"


@pytest.mark.parametrize("scope", [[], ["--all"]])
def test_calls_of_somebody_else_need_a_yes(
    start_sandbox: StartSandbox, opbx: Opbx, scope: list[str]
) -> None:
    sandbox = start_sandbox(variants=["fresh=other"])
    save(opbx, sandbox, "default", 0)
    before = sandbox.state.domain()["defaultApplication"]
    outcome = opbx("validate", *scope, "--json")
    assert outcome.code == 9
    assert sandbox.state.domain()["defaultApplication"] == before
    outcome = opbx("validate", *scope, "--yes", "--json")
    assert outcome.code == 0
    (change,) = json.loads(outcome.stdout)["steps"][4]["changes"]
    assert (change["path"], change["from"]) == ("default_application", "ivr-2019")


def test_one_domain_in_two_profiles_gets_one_application(
    start_sandbox: StartSandbox, opbx: Opbx
) -> None:
    sandbox = start_sandbox(domains=2, rate_limit=True, variants=["names=duplicate"])
    opbx.sleep = sandbox.advance
    for name in ("one", "two", "three"):
        save(opbx, sandbox, name, 0)
    save(opbx, sandbox, "other", 1)
    outcome = opbx("validate", "--all", "--json")
    assert outcome.code == 0, outcome.stderr
    assert len(sandbox.state.applications()) == 1
    assert 429 not in {request.status for request in sandbox.requests}
    assert opbx.waits
    warned = {entry["profile"]: entry["warnings"] for entry in documents(outcome)}
    assert warned["two"] == ["the same domain is in profile one, three too: the last one wins"]
    assert [" is in force, and OPBX refuses" in warning for warning in warned["other"]] == [True]
    keys = {opbx("webhook-key", "reveal", "--yes", "-p", name).stdout for name in ("one", "two")}
    assert len(keys) == 1  # the second and the third profile took over the key of the first


def test_what_was_changed_is_in_the_audit_trail(many: Opbx, four: RunningSandbox) -> None:
    assert many("validate", "--all").code == 0
    entries = many("profiles", "history", "--json").document["entries"]
    validated = [entry for entry in entries if entry["command"] == "validate"]
    assert [entry["profile"] for entry in validated] == NAMES
    assert all("default_application" in entry["changed"] for entry in validated)


def test_saves_are_few_and_lose_nothing(many: Opbx) -> None:
    store = Store(store_paths(str(many.home)), KeySource.from_environment({}))
    before = store.read()
    for number in range(40):
        settings = replace(before.profiles["alpha"], domain_name=None)
        store.update(lambda c, n=number, s=settings: put(c, f"p{n}", s))  # type: ignore[misc]
    contents = store.read()
    uuid = contents.profiles["alpha"].domain_uuid or ""
    saving = GroupSave(store)

    def remember(number: int) -> None:
        profile = StoredProfile(f"p{number}", uuid, read=store.read, update=saving.update)
        key = contents.profiles["alpha"].webhook_api_key
        assert profile.remember(_facts(number), expected_key=key)

    threads = [threading.Thread(target=remember, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = store.read()
    assert {after.profiles[f"p{n}"].domain_name for n in range(40)} == {
        f"name-{n}" for n in range(40)
    }
    assert after.generation - contents.generation < 40


def test_those_who_wait_while_a_save_is_under_way_are_saved_together(
    many: Opbx, four: RunningSandbox
) -> None:
    store = Store(store_paths(str(many.home)), KeySource.from_environment({}))
    contents = store.read()
    saving = GroupSave(store)
    saving.at_work = lambda: 39
    first_begins, ready = threading.Event(), threading.Semaphore(0)

    def first(now: StoreContents) -> StoreContents:
        first_begins.set()
        for _ in range(39):
            assert ready.acquire(timeout=60)
        return put(now, "p0", now.profiles["alpha"])

    def save_one(number: int) -> None:
        assert first_begins.wait(60)
        ready.release()
        saving.update(lambda now: put(now, f"p{number}", now.profiles["alpha"]))

    threads = [threading.Thread(target=saving.update, args=(first,))]
    threads += [threading.Thread(target=save_one, args=(number,)) for number in range(1, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    saving.close()
    after = store.read()
    assert {f"p{number}" for number in range(40)} < set(after.profiles)
    assert after.generation - contents.generation <= 5


def test_a_profile_that_became_another_costs_only_itself(many: Opbx, four: RunningSandbox) -> None:
    store = Store(store_paths(str(many.home)), KeySource.from_environment({}))
    contents = store.read()
    saving = GroupSave(store)
    moved = replace(contents.profiles["alpha"], domain_uuid=four.domains[3].uuid)
    store.update(lambda now: put(now, "alpha", moved))
    uuids = {name: contents.profiles[name].domain_uuid or "" for name in NAMES}

    def remember(name: str, number: int) -> bool:
        profile = StoredProfile(name, uuids[name], read=store.read, update=saving.update)
        key = contents.profiles[name].webhook_api_key
        return profile.remember(_facts(number), expected_key=key)

    with pytest.raises(ConfigurationError, match="changed by somebody else"):
        remember("alpha", 1)
    assert remember("bravo", 2)
    now = store.read()
    assert now.profiles["alpha"] == moved
    assert now.profiles["bravo"].domain_name == "name-2"


def _facts(number: int) -> Facts:
    return Facts(f"name-{number}", None, None, None, None)


def test_a_store_that_cannot_be_saved_fails_each_save(many: Opbx, four: RunningSandbox) -> None:
    (many.home / "store.toml.lock").unlink(missing_ok=True)
    (many.home / "store.toml.lock").mkdir()
    outcome = many("validate", "--all", "--json")
    assert outcome.code == 9
    for entry in documents(outcome):
        assert entry["result"] == "partial"
        assert entry["steps"][-1]["error"]["exit_code"] == 10


def test_a_bar_shows_on_a_terminal_and_the_answer_after_it(
    many: Opbx, four: RunningSandbox
) -> None:
    environ = many.process_environ(NO_COLOR="1")
    code, shown = shown_on_terminal("validate", "--all", environ=environ, columns=120)
    assert code == 0
    assert "Validating" in shown
    assert "0/4" in shown
    assert "✓ delta: Done: calls for sandbox.cloudonix.net go to" in shown
    assert shown.rstrip().endswith("4 profiles: 4 in line.")
    code, shown = shown_on_terminal("validate", "--all", "--quiet", environ=environ)
    assert "Validating" not in shown


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_ctrl_c_at_any_moment_loses_no_report_and_shows_none_twice(after: int) -> None:
    names = ["a", "b", "c"]
    late = threading.Event()

    def start(task: Task) -> Validation:
        if task.active.profile == "c":
            late.wait(30)
        raise ConfigurationError("no key")

    def task(name: str) -> Task:
        active = ActiveSettings(Settings(domain_uuid=name), profile=name)
        return Task(active, webhook_url=lambda _now: pytest.fail("not asked for"), profile=None)

    batch = Batch({name: task(name) for name in names}, start, workers=3)
    seen = []

    def show_all() -> None:
        if after == 0:
            batch.interrupt()
        for report in batch.reports():
            seen.append(report.profile)
            if len(seen) == after:
                batch.interrupt()

    with pytest.raises(KeyboardInterrupt):
        show_all()
    late.set()
    seen += [report.profile for report in batch.stop()]
    assert seen == names


def test_ctrl_c_says_what_was_done_and_the_next_run_goes_on(
    many: Opbx, four: RunningSandbox
) -> None:
    four.set_faults("create-application=hang*2")
    with subprocess.Popen(
        [sys.executable, "-m", "opbx_cli", "validate", "--all", "--json"],
        env=many.process_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        # A profile that is done has read everything again after its last write.
        while process.poll() is None and _finished(four) < 2:
            os.sched_yield()
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    error = parsed(stderr.splitlines()[-1])["error"]
    assert error["message"].startswith("interrupted; finished before that: 2 of 4 profiles; ")
    assert "was under way (no step done)" in error["message"]
    assert error["hint"] == "`opbx validate --all` goes on from here"
    told = [parsed(line) for line in stdout.splitlines()]
    assert sorted(entry["result"] for entry in told) == ["failed", "failed", "ok", "ok"]
    for entry in told:
        if entry["result"] == "failed":
            continue
        shown = many("profiles", "show", entry["profile"], "--json").document
        assert shown["voice_application"] is not None
    assert [file.name for file in many.home.iterdir() if ".tmp" in file.name] == []
    four.set_faults()
    assert many("validate", "--all").code == 0
    assert [len(four.state.applications(domain.uuid)) for domain in four.domains] == [1] * 4


def _finished(sandbox: RunningSandbox) -> int:
    reads: dict[str, int] = {}
    for request in sandbox.requests:
        if request.call == "get-domain" and request.ended is not None:
            reads[request.path] = reads.get(request.path, 0) + 1
    return sum(count >= 2 for count in reads.values())
