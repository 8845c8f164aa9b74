"""Every command that knows OPBX, against both of its states, with a fault at each of its calls.

Whatever happens: no traceback, a known exit code, no secret on screen, nothing lost; and the next
runs bring store, Cloudonix and OPBX to one truth.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from declared import parsed
from opbx_api import EMAIL, FAULTS, PASSWORD, OpbxApi, running_api
from opbx_cli.models import Secret
from opbx_cli.sandbox.server import RunningSandbox
from servers import Served
from support import WEBHOOK_BASE_URL, Opbx, Outcome

OPBX_KEY = "the-webhook-key-of-opbx-0123456789ab"
KEY = "domain_requests_api_key"
LOOKING = ["lost", "500", "429", "401", "403", "html", "302", "echo"]
WRITING = [*LOOKING, "422", "lost-after", "500-after", "503-after", "html-after"]
COMMANDS: dict[str, tuple[tuple[str, ...], tuple[bool, ...]]] = {
    # What is run, and for each of its calls of OPBX whether it writes there.
    "connect": (("instance", "connect", "URL", "--password-env", "PASSWORD"), (True, False)),
    "pull": (("instance", "pull", "--yes"), (False,)),
    "push": (("instance", "push", "--yes"), (False, True, False)),
    "status": (("status",), (False,)),
    "validate": (("validate",), (False,)),
    "validate-push": (("validate", "--push"), (False, True, False)),
    "rotate": (("webhook-key", "rotate"), (False, False, True, False)),
}
CASES = [
    (command, number, fault)
    for command, (_argv, calls) in COMMANDS.items()
    for number, writes in enumerate(calls, 1)
    for fault in (WRITING if writes else LOOKING)
]
KNOWN_CODES = {0, 2, 3, 4, 6, 7, 8, 9}


@pytest.fixture(params=["january", "july"])
def api(request: pytest.FixtureRequest, sandbox: RunningSandbox) -> OpbxApi:
    """An OPBX that works on the sandbox's domain, set up on its own page."""
    domain = sandbox.domains[0]
    api = OpbxApi(
        state=request.param,
        cloudonix=sandbox,
        settings={
            "domain_uuid": domain.uuid,
            "domain_name": domain.name,
            "domain_api_key": domain.api_key,
            KEY: OPBX_KEY,
            "webhook_base_url": WEBHOOK_BASE_URL,
            "no_answer_timeout": 45,
            "recording_format": "wav",
        },
    )
    api._bring_cloudonix_in_line()
    return api


@pytest.fixture
def served(api: OpbxApi) -> Iterator[Served]:
    with running_api(api) as server:
        yield server


@pytest.fixture
def owner(opbx: Opbx, sandbox: RunningSandbox, served: Served) -> Opbx:
    """A profile that is linked and in line, and one setting that OPBX does not have yet."""
    opbx.environ |= {"CLOUDONIX_API_BASE_URL": sandbox.url, "OPBX_INSTANCE_EMAIL": EMAIL}
    domain = sandbox.domains[0]
    argv = ("--domain-uuid", domain.uuid, "--api-key-stdin", "--webhook-base-url", WEBHOOK_BASE_URL)
    assert opbx("configure", *argv, stdin=domain.api_key).code == 0
    assert opbx("validate").code == 0  # the key in force is adopted
    assert signed_in(opbx, served).code == 0
    assert opbx("configure", "--no-answer-timeout", "33").code == 0
    return opbx


def signed_in(opbx: Opbx, served: Served) -> Outcome:
    return opbx("instance", "connect", served.url, "--password-stdin", stdin=PASSWORD)


def remote_key(sandbox: RunningSandbox) -> Any:
    domain: Any = sandbox.state.domain()
    return domain["profile"].get("authorization-api-key")


def stored_key(opbx: Opbx) -> str:
    return opbx("webhook-key", "reveal", "--yes").stdout.strip()


def stored_url(opbx: Opbx) -> str:
    return str(opbx("status", "--json").document["instance"]["url"])


def key_at_opbx(api: OpbxApi) -> Any:
    assert api.settings is not None
    return api.settings[KEY]


def keys(opbx: Opbx, api: OpbxApi, sandbox: RunningSandbox) -> set[Any]:
    return {stored_key(opbx), remote_key(sandbox), key_at_opbx(api)}


def check_one_truth(opbx: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox) -> None:
    """All three sides have the same, at the latest after what the program itself says to run."""
    if not api.tokens:
        assert signed_in(opbx, served).code == 0
    differed = len(keys(opbx, api, sandbox)) > 1
    mended = opbx("validate", "--json")
    said = mended.stdout + mended.stderr
    assert mended.code in (0, 9), said
    if mended.code == 9:
        assert "`opbx validate --push`" in mended.error["hint"]
        mended = opbx("validate", "--push", "--json")
        assert mended.code == 0, mended.stdout + mended.stderr
        said += mended.stdout
    if differed:
        assert Secret(stored_key(opbx)).fingerprint in said
    assert len(keys(opbx, api, sandbox)) == 1
    sandbox.forget_requests()
    api.forget()
    assert opbx("validate", "--check").code == 0
    assert (
        {one.method for one in sandbox.requests} == {method for method, _ in api.calls} == {"GET"}
    )


@pytest.mark.uncounted
@pytest.mark.parametrize(("command", "number", "fault"), CASES)
def test_a_fault_at_any_call_of_opbx(  # noqa: PLR0917  # three are the case's
    owner: Opbx,
    api: OpbxApi,
    served: Served,
    sandbox: RunningSandbox,
    command: str,
    number: int,
    fault: str,
) -> None:
    argv = tuple(served.url if word == "URL" else word for word in COMMANDS[command][0])
    secrets = [PASSWORD, OPBX_KEY, *api.tokens, sandbox.domains[0].api_key]
    api.forget()
    api.fault = (number, fault)
    outcome = owner(*argv, "--json", PASSWORD=PASSWORD)
    assert len(api.calls) >= number  # so there was a fault
    api.fault = None
    assert outcome.code in KNOWN_CODES, outcome.stderr
    assert "Traceback" not in outcome.stderr
    said = outcome.stdout + outcome.stderr
    assert not [one for one in (*secrets, *api.tokens) if one in said]
    if outcome.code not in (0, 8):
        assert outcome.error["hint"]
    if outcome.code == 0 and command in ("push", "validate-push", "rotate"):
        # It said "done", so it is.
        assert len(keys(owner, api, sandbox)) == 1
        if command != "rotate":  # which hands over the key alone
            assert owner("validate", "--check").code == 0
    check_one_truth(owner, api, served, sandbox)


@pytest.mark.uncounted
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    ("command", "number"),
    [
        (command, number)
        for command in ("push", "validate-push", "rotate")
        for number in range(1, len(COMMANDS[command][1]) + 1)
    ],
)
def test_killed_at_any_call_of_opbx(  # noqa: PLR0917  # three are the case's
    owner: Opbx,
    api: OpbxApi,
    served: Served,
    sandbox: RunningSandbox,
    command: str,
    number: int,
    moment: str,
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    begun = threading.Event()

    def watch(at: int, when: str) -> None:
        begun.wait()
        if (at, when) == (number, moment):
            started[0].kill()
            started[0].wait()

    api.forget()
    api.watch = watch
    with subprocess.Popen(
        [sys.executable, "-m", "opbx_cli", *COMMANDS[command][0], "--json"],
        env=owner.process_environ(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        started.append(process)
        begun.set()
        assert process.wait(timeout=60) == -signal.SIGKILL
    api.watch = OpbxApi.watch
    check_one_truth(owner, api, served, sandbox)


@pytest.mark.uncounted
@pytest.mark.parametrize("command", ["push", "rotate"])
@pytest.mark.parametrize("number", range(1, 6))
def test_killed_at_any_request_to_cloudonix(
    owner: Opbx,
    api: OpbxApi,
    served: Served,
    sandbox: RunningSandbox,
    command: str,
    number: int,
) -> None:
    sandbox.forget_requests()
    with subprocess.Popen(
        [sys.executable, "-m", "opbx_cli", *COMMANDS[command][0], "--json"],
        env=owner.process_environ(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while process.poll() is None and len(sandbox.requests) < number:
            os.sched_yield()
        process.kill()
        process.wait(timeout=60)
    check_one_truth(owner, api, served, sandbox)


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("command", ["push", "validate-push", "rotate"])
def test_asked_to_end_while_opbx_writes(
    owner: Opbx,
    api: OpbxApi,
    served: Served,
    sandbox: RunningSandbox,
    command: str,
    by: signal.Signals,
) -> None:
    """The write is finished, read back, said and recorded; then it ends."""
    started: list[subprocess.Popen[str]] = []
    begun = threading.Event()

    def watch(_number: int, when: str) -> None:
        begun.wait()
        if api.calls[-1][0] == "PUT" and when == "after":
            started[0].send_signal(by)
            time.sleep(0.3)  # so that it has the signal before the answer

    api.watch = watch
    with subprocess.Popen(
        [sys.executable, "-m", "opbx_cli", *COMMANDS[command][0], "--json"],
        env=owner.process_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        started.append(process)
        begun.set()
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[by], stderr
    assert "Traceback" not in stderr
    assert parsed(stdout)["schema"].startswith("opbx."), stderr
    entry = owner("profiles", "history", "--json").document["entries"][-1]
    named = {"push": "instance push", "validate-push": "validate", "rotate": "webhook-key rotate"}
    assert entry["command"] == named[command]
    assert len(keys(owner, api, sandbox)) == 1
    api.watch = OpbxApi.watch
    check_one_truth(owner, api, served, sandbox)


def test_calls_are_refused_within_one_request_at_most_while_a_key_rotates(
    owner: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox
) -> None:
    """Callbacks come in all the time, with Cloudonix's key, and are checked by OPBX's."""
    assert owner("validate", "--push").code == 0
    judged: list[tuple[bool, bool]] = []
    is_over = threading.Event()

    def call() -> None:
        while not is_over.is_set():
            writes, was_busy = api.writes, api.is_busy
            sent, expected = remote_key(sandbox), key_at_opbx(api)
            # A whole write may fall between the two looks, where the machine is busy.
            judged.append((sent == expected, was_busy or api.writes != writes))

    callbacks = threading.Thread(target=call)
    callbacks.start()
    before = stored_key(owner)
    api.forget()
    outcome = owner("webhook-key", "rotate")
    is_over.set()
    callbacks.join()
    assert outcome.code == 0
    assert stored_key(owner) != before
    assert [method for method, _ in api.calls].count("PUT") == 1
    assert len(judged) > 100
    assert [one for one in judged if one == (False, False)] == []


@pytest.fixture
def second(owner: Opbx, sandbox: RunningSandbox, served: Served, tmp_path: Path) -> Opbx:
    """Another computer of the same owner, linked too: signing in signed the first one out."""
    other = Opbx(tmp_path / "second", {**owner.environ, "OPBX_HOME": str(tmp_path / "second")})
    domain = sandbox.domains[0]
    argv = ("--domain-uuid", domain.uuid, "--api-key-stdin", "--webhook-base-url", WEBHOOK_BASE_URL)
    assert other("configure", *argv, stdin=domain.api_key).code == 0
    assert other("validate").code == 0
    assert signed_in(other, served).code == 0
    return other


def test_a_sign_in_on_another_computer_stops_nothing_and_is_said(
    owner: Opbx, second: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox
) -> None:
    before = remote_key(sandbox)
    validated = owner("validate", "--json")
    assert validated.code == 0, validated.stdout
    assert f"`opbx instance connect {served.url}`" in validated.document["warnings"][0]
    for argv in (("webhook-key", "rotate"), ("instance", "push", "--yes"), ("instance", "pull")):
        outcome = owner(*argv, "--json")
        assert (outcome.code, outcome.error["code"]) == (4, "instance.signed_out")
    assert keys(owner, api, sandbox) == {before}
    assert signed_in(owner, served).code == 0
    assert owner("validate", "--push").code == 0
    assert owner("validate", "--check").code == 0


def test_a_key_that_another_computer_rotated_is_taken_over(
    owner: Opbx, second: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox
) -> None:
    assert second("webhook-key", "rotate").code == 0
    new = stored_key(second)
    assert stored_key(owner) != new
    assert owner("validate", "--json").code == 9  # a key of somebody's is in force
    assert keys(second, api, sandbox) == {new}
    assert signed_in(owner, served).code == 0
    if api.state == "january":  # shows its keys in full
        assert owner("instance", "pull", "--yes").code == 0
    else:
        assert owner("validate", "--keep-webhook-key").code in (0, 9)
    assert owner("validate", "--push").code == 0
    assert keys(owner, api, sandbox) == {new}
    assert owner("validate", "--check").code == 0


@pytest.mark.parametrize("options", [(), ("--push",)], ids=["compare", "push"])
def test_a_key_that_is_kept_is_the_one_that_opbx_is_compared_with(
    owner: Opbx, second: Opbx, api: OpbxApi, sandbox: RunningSandbox, options: tuple[str, ...]
) -> None:
    """The run that saves the domain's key here knows that it did: no old key goes to OPBX."""
    api.tokens.append("9|a-second-token-0123456789")
    url = stored_url(second)
    given = ("instance", "connect", url, "--token-stdin")
    assert owner(*given, stdin="9|a-second-token-0123456789").code == 0
    assert owner("validate", "--push").code == 0
    assert second("webhook-key", "rotate").code == 0
    outcome = owner("validate", "--keep-webhook-key", *options, "--json")
    assert outcome.code == 0, outcome.stdout
    assert keys(owner, api, sandbox) == {stored_key(second)}


def test_two_computers_rotate_at_the_same_time(
    owner: Opbx, second: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox
) -> None:
    """With a token each, as long-lived ones will be: in the end there is one key."""
    api.tokens.append("9|a-second-token-0123456789")
    given = ("instance", "connect", served.url, "--token-stdin")
    assert owner(*given, stdin="9|a-second-token-0123456789").code == 0
    assert owner("validate", "--push").code == 0
    lines = [sys.executable, "-m", "opbx_cli", "webhook-key", "rotate", "--json"]
    running = [
        subprocess.Popen(
            lines, env=one.process_environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for one in (owner, second)
    ]
    ends = [(*one.communicate(timeout=60), one.returncode) for one in running]
    assert 0 in [code for *_said, code in ends], ends
    winner = remote_key(sandbox)
    assert winner == key_at_opbx(api)
    for one in (owner, second):
        outcome = one("validate", "--json")
        if outcome.code == 9:
            assert Secret(winner).fingerprint in outcome.stdout + outcome.stderr
            assert one("validate", "--keep-webhook-key").code == 0
        else:
            assert outcome.code == 0, outcome.stdout
        assert stored_key(one) == remote_key(sandbox) == key_at_opbx(api) == winner
        assert one("validate", "--check").code == 0


@pytest.mark.parametrize(
    ("place", "what"),
    [
        *((place, "token") for place in ("role", "organization", "domain_name")),
        *((place, "password") for place in ("role", "organization")),
        *((place, "domain_api_key") for place in ("domain_name", "recording_format")),
        ("webhook_base_url", "domain_requests_api_key"),
    ],
)
def test_a_secret_in_another_field_of_opbxs_is_neither_shown_nor_saved(
    owner: Opbx, api: OpbxApi, served: Served, place: str, what: str
) -> None:
    """Typed into the wrong field of its page, or repeated by a server that is not OPBX."""
    api.echoes = (place, what)
    assert api.settings is not None
    secrets = [PASSWORD, api.settings["domain_api_key"], OPBX_KEY]
    commands: list[tuple[str, ...]] = [
        ("instance", "connect", served.url, "--password-env", "PASSWORD")
    ]
    if what != "password":  # which nobody knows any more afterwards
        commands += [
            ("instance", "pull", "--check"),
            ("status",),
            ("validate", "--check"),
            ("instance", "push", "--check"),
            ("instance", "pull", "--yes"),
        ]
    said = ""
    for argv in commands:
        for output in ((), ("--json",), ("-v",)):
            outcome = owner(*argv, *output, PASSWORD=PASSWORD)
            assert outcome.code in KNOWN_CODES, outcome.stderr
            said += outcome.stdout + outcome.stderr
    for path in owner.home.rglob("*"):
        if path.is_file():
            said += path.read_text(encoding="utf-8", errors="replace")
    assert not [one for one in (*secrets, *api.seen_tokens) if one in said]


def test_the_faults_of_the_matrix_exist() -> None:
    used = {fault.removesuffix("-after") for _command, _number, fault in CASES}
    assert used - {"echo", "401"} <= set(FAULTS)
