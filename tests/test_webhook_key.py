"""`opbx webhook-key`: a new key in force on both sides, or the old one on both."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opbx_cli.cloudonix import Access, Client
from opbx_cli.errors import PartialError, StoreError
from opbx_cli.models import Secret
from opbx_cli.operations.configure import GivenSettings, merge
from opbx_cli.operations.interruptions import NoInterruptions
from opbx_cli.operations.stored_profile import StoredProfile
from opbx_cli.operations.webhook_key import KeyRotation
from opbx_cli.sandbox.server import RunningSandbox
from opbx_cli.settings.table import Settings
from opbx_cli.store import StoreContents
from pbx import VOICE
from receiving import as_json, asked, listener
from support import WEBHOOK_BASE_URL, Opbx
from terminal import on_terminal


def remote_key(sandbox: RunningSandbox) -> Any:
    domain: Any = sandbox.state.domain()
    return domain["profile"].get("authorization-api-key")


def stored_key(opbx: Opbx) -> str:
    outcome = opbx("webhook-key", "reveal", "--yes")
    assert outcome.code == 0, outcome.stderr
    return outcome.stdout.removesuffix("\n")


def test_rotation_puts_a_new_key_in_force_on_both_sides(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    assert configured("validate").code == 0
    old = stored_key(configured)
    assert remote_key(sandbox) == old
    outcome = configured("webhook-key", "rotate")
    assert outcome.code == 0, outcome.stderr
    new = stored_key(configured)
    assert new != old
    assert remote_key(sandbox) == new
    assert new not in outcome.stdout + outcome.stderr
    assert "read back from Cloudonix" in outcome.stdout
    assert outcome.stdout.splitlines()[-3:] == [
        "1. opbx webhook-key reveal",
        "2. Save that key in OPBX's settings.",
        "3. opbx webhook-url --check --with-key",
    ]
    assert configured("validate", "--check").code == 0


def test_the_document_has_fingerprints_and_no_key(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    assert configured("validate").code == 0
    old = stored_key(configured)
    document = configured("webhook-key", "rotate", "--json").document
    assert document["schema"] == "opbx.webhook-key/1"
    assert document["before"]["mask"].endswith(old[-4:])
    assert document["after"]["set"] is True
    assert document["after"]["fingerprint"] != document["before"]["fingerprint"]
    assert document["read_back"] is True


def test_with_a_grace_the_old_key_is_kept_for_the_listener_and_for_nobody_else(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    assert configured("validate").code == 0
    old = stored_key(configured)
    before = datetime.now(UTC).replace(microsecond=0)
    outcome = configured("webhook-key", "rotate", "--grace", "2h", "--json")
    assert outcome.code == 0, outcome.stderr
    until = datetime.fromisoformat(outcome.document["before_valid_until"])
    assert timedelta(hours=2) <= until - before < timedelta(hours=3)
    assert remote_key(sandbox) == stored_key(configured) != old
    shown = configured("profiles", "show", "--json").stdout + configured("profiles", "show").stdout
    assert old not in shown
    assert "previous" not in shown
    assert configured("validate", "--check").code == 0


def test_the_text_names_the_grace_and_the_order(configured: Opbx) -> None:
    outcome = configured("webhook-key", "rotate", "--grace", "15m")
    assert "opbx webhook listen takes the old key too, until 20" in outcome.stdout
    assert "Now, in this order:" in outcome.stdout
    assert configured("webhook-key", "rotate", "--json").document["before_valid_until"] is None


def test_the_old_key_is_taken_for_its_grace_by_a_listener_that_runs(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    assert configured("validate").code == 0
    old = configured("webhook-key", "reveal", "--yes").stdout.strip()
    name = sandbox.domains[0].name
    call = as_json({"To": "+15557654321", "From": "+15551234567", "Domain": name})
    with listener(configured, "--json") as running:
        port = running.port
        assert configured("webhook-key", "rotate", "--grace", "1h").code == 0
        new = configured("webhook-key", "reveal", "--yes").stdout.strip()
        for key in (old, new):
            assert asked(port, VOICE, call, Authorization=f"Bearer {key}").status == 200
        assert configured("webhook-key", "rotate").code == 0
        for key in (old, new):
            assert asked(port, VOICE, call, Authorization=f"Bearer {key}").status == 401
        _code, stdout, _stderr = running.stopped(15)
    assert [
        ('"key": "previous"' in line, '"key": "current"' in line) for line in stdout.splitlines()
    ] == [
        (True, False),
        (False, True),
        (False, False),
        (False, False),
    ]


@pytest.mark.parametrize("text", ["", "0s", "15", "-1m", "8d", "1w", "1h30m", "9999999d", "१m"])
def test_a_grace_that_is_no_time_changes_nothing(
    configured: Opbx, sandbox: RunningSandbox, text: str
) -> None:
    old = stored_key(configured)
    outcome = configured("webhook-key", "rotate", "--grace", text)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert "error: --grace: expected" in outcome.stderr
    assert stored_key(configured) == old
    assert sandbox.requests == ()


@pytest.mark.parametrize(
    ("fault", "code"), [("400", 6), ("401", 4), ("503", 7), ("close-before", 7), ("html", 6)]
)
def test_a_failed_write_leaves_the_old_key_on_both_sides(
    configured: Opbx, sandbox: RunningSandbox, fault: str, code: int
) -> None:
    assert configured("validate").code == 0
    old = stored_key(configured)
    sandbox.set_faults(f"update-domain={fault}")
    outcome = configured("webhook-key", "rotate", "--json")
    assert outcome.code == code
    assert outcome.error["message"].endswith("; opbx keeps the old webhook key")
    assert stored_key(configured) == old
    assert remote_key(sandbox) == old
    assert outcome.stdout == ""


LOST = ["close-after", "truncated-after"]


@pytest.mark.parametrize("fault", LOST)
def test_a_write_whose_answer_is_lost_is_looked_for(
    configured: Opbx, sandbox: RunningSandbox, fault: str
) -> None:
    assert configured("validate").code == 0
    old = stored_key(configured)
    sandbox.set_faults(f"update-domain={fault}")
    outcome = configured("webhook-key", "rotate")
    assert outcome.code == 0, outcome.stderr
    assert remote_key(sandbox) == stored_key(configured) != old
    sandbox.set_faults()
    assert configured("validate", "--check").code == 0


@pytest.mark.parametrize("shown", ["echoed", "masked", "absent"])
@pytest.mark.parametrize("fault", LOST)
def test_where_no_look_is_possible_both_keys_are_named_and_the_next_validate_ends_it(
    start_sandbox: Callable[..., RunningSandbox], opbx: Opbx, shown: str, fault: str
) -> None:
    sandbox = start_sandbox(variants=[f"webhook-key={shown}"])
    domain = sandbox.domains[0]
    argv = ("--api-base-url", sandbox.url, "--webhook-base-url", WEBHOOK_BASE_URL)
    given = opbx(
        "configure", "--domain-uuid", domain.uuid, "--api-key-stdin", *argv, stdin=domain.api_key
    )
    assert given.code == 0
    assert opbx("validate").code == 0
    old = remote_key(sandbox)
    sandbox.set_faults(f"update-domain={fault}", "get-domain=401@2")
    outcome = opbx("webhook-key", "rotate", "--json")
    assert outcome.code in (6, 7)
    new = remote_key(sandbox)
    assert new != old
    for key in (old, new):  # which side has which key is said by fingerprint
        assert Secret(key).fingerprint in outcome.error["message"]
    assert "`opbx validate`" in outcome.error["hint"]
    entry = opbx("profiles", "history", "--json").document["entries"][-1]
    assert (entry["command"], entry["result"]) == ("webhook-key rotate", "in doubt")
    sandbox.set_faults()
    ended = opbx("validate", "--json")
    assert ended.code == 0, ended.stderr
    # Where Cloudonix tells nothing, the old key is put in force again: OPBX has that one.
    assert stored_key(opbx) == remote_key(sandbox) == (old if shown == "absent" else new)
    assert any("a rotation of the webhook key was cut off" in w for w in ended.document["warnings"])
    assert opbx("validate", "--check").code == 0
    assert opbx("webhook-key", "rotate").code == 0


@contextmanager
def rotating_until_the_key_is_sent(
    configured: Opbx, sandbox: RunningSandbox
) -> Iterator[subprocess.Popen[str]]:
    """Start a rotation that waits for Cloudonix, with its new key saved and not answered for."""
    assert configured("validate").code == 0
    sandbox.set_faults("update-domain=hang")
    with subprocess.Popen(
        [sys.executable, "-m", "opbx_cli", "webhook-key", "rotate", "--grace", "1h"],
        env=configured.process_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while process.poll() is None and not any(
            request.call == "update-domain" and request.ended is None
            for request in sandbox.requests
        ):
            os.sched_yield()
        yield process
        sandbox.set_faults()


def test_an_interrupt_leaves_the_old_key_and_what_others_saved_meanwhile(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    old = stored_key(configured)
    with rotating_until_the_key_is_sent(configured, sandbox) as process:
        new = stored_key(configured)
        assert new != old
        assert configured("configure", "--no-answer-timeout", "33").code == 0
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout) == (130, "")
    assert stderr == (
        "error: interrupted; it is not known whether Cloudonix has the new webhook key "
        f"({Secret(new).fingerprint}) or the one from before ({Secret(old).fingerprint}): both are "
        "kept here\n"
        "hint: `opbx validate` finds out, and ends the rotation with the one in force\n"
    )
    assert configured("profiles", "show", "--json").document["no_answer_timeout"] == 33
    assert configured("validate").code == 0
    assert stored_key(configured) == remote_key(sandbox) == old


def test_a_profile_that_is_removed_meanwhile_stays_removed(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    with rotating_until_the_key_is_sent(configured, sandbox) as process:
        assert configured("profiles", "remove", "default", "--yes").code == 0
        process.send_signal(signal.SIGINT)
        _stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "both are kept here" not in stderr or "interrupted" in stderr
    assert configured("profiles", "list", "--json").document["profiles"] == []


def test_the_next_steps_name_the_profile_unless_it_is_the_default_one(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    domain = sandbox.domains[0]
    argv = ["--domain-uuid", domain.uuid, "--api-key-stdin", "--api-base-url", sandbox.url]
    assert configured("configure", "-p", "acme", *argv, stdin=domain.api_key).code == 0
    assert configured("profiles", "use", "acme").code == 0
    steps = configured("webhook-key", "rotate").stdout.splitlines()
    assert steps[-1] == "3. opbx webhook-url --check --with-key"
    refused = configured("webhook-key", "rotate", "-p", "default")
    assert refused.code == 2  # the key in force is the other profile's
    assert "`opbx webhook-key rotate --yes --profile default`" in refused.stderr
    steps = configured("webhook-key", "rotate", "--yes", "-p", "default").stdout.splitlines()
    assert steps[-1] == "3. opbx webhook-url --check --with-key --profile default"
    refused = configured("webhook-key", "reveal", "-p", "default")
    assert refused.stderr.endswith("hint: `opbx webhook-key reveal --yes --profile default`\n")


def test_only_another_key_ends_the_grace_of_the_old_one() -> None:
    key, old = Secret("current-key"), Secret("previous-key")
    settings = Settings(
        webhook_api_key=key, webhook_api_key_previous=old, webhook_api_key_previous_until=1
    )
    for given, previous in ((key, old), (Secret("another-key"), None), (old, None)):
        after = merge(settings, GivenSettings({"webhook_api_key": given}), api_base_url="")
        assert (after.webhook_api_key, after.webhook_api_key_previous) == (given, previous)


def test_a_domain_that_hides_its_key_is_believed_and_remembered(
    start_sandbox: Callable[..., RunningSandbox], opbx: Opbx
) -> None:
    sandbox = start_sandbox(variants=["webhook-key=absent"])
    domain = sandbox.domains[0]
    assert (
        opbx(
            *("configure", "--domain-uuid", domain.uuid, "--api-key-stdin"),
            *("--api-base-url", sandbox.url, "--webhook-base-url", WEBHOOK_BASE_URL),
            stdin=domain.api_key,
        ).code
        == 0
    )
    assert opbx("validate").code == 0
    outcome = opbx("webhook-key", "rotate", "--json")
    assert outcome.document["read_back"] is False
    assert remote_key(sandbox) == stored_key(opbx)
    assert opbx("validate", "--check").code == 0


def test_a_sent_key_that_cannot_be_noted_is_said_to_be_in_force(
    start_sandbox: Callable[..., RunningSandbox],
) -> None:
    sandbox = start_sandbox(variants=["webhook-key=absent"])
    domain = sandbox.domains[0]
    settings = Settings(domain_uuid=domain.uuid, webhook_api_key=Secret("old-webhook-key"))
    saved = [StoreContents({"acme": settings})]

    def update(change: Callable[[StoreContents], StoreContents]) -> None:
        if len(saved) > 1:
            raise StoreError("the disk is full")
        saved.append(change(saved[-1]))

    profile = StoredProfile("acme", domain.uuid, read=lambda: saved[-1], update=update)
    access = Access(sandbox.url, domain.uuid, Secret(domain.api_key), timeout=30)
    with closing(Client(access)) as client:
        rotation = KeyRotation(client, profile, NoInterruptions(), profile_option=" --profile acme")
        rotation.look()
        with pytest.raises(PartialError) as caught:
            rotation.run()
    assert caught.value.message.endswith("that could not be noted: the disk is full")
    assert caught.value.hint == "`opbx validate --profile acme` notes it"
    assert saved[-1].profiles["acme"].webhook_api_key == Secret(remote_key(sandbox))


def test_other_keys_of_the_domains_profile_survive(
    start_sandbox: Callable[..., RunningSandbox], opbx: Opbx
) -> None:
    sandbox = start_sandbox(variants=["profile=replace"])
    sandbox.state.set_profile_keys({"customer": {"deep": [1]}})
    domain = sandbox.domains[0]
    assert (
        opbx(
            *("configure", "--domain-uuid", domain.uuid, "--api-key-stdin"),
            *("--api-base-url", sandbox.url),
            stdin=domain.api_key,
        ).code
        == 0
    )
    assert opbx("webhook-key", "rotate").code == 0
    remote: Any = sandbox.state.domain()
    assert remote["profile"]["customer"] == {"deep": [1]}


def test_without_a_store_there_is_nothing_to_rotate(storeless: Opbx) -> None:
    outcome = storeless("webhook-key", "rotate")
    assert outcome.code == 2
    assert "saved" in outcome.stderr


def test_reveal_wants_a_yes(configured: Opbx) -> None:
    outcome = configured("webhook-key", "reveal", "--no-input")
    assert outcome.code == 2
    assert outcome.stdout == ""
    assert "`opbx webhook-key reveal --yes`" in outcome.stderr


def test_reveal_prints_the_key_and_nothing_else(configured: Opbx, sandbox: RunningSandbox) -> None:
    outcome = configured("webhook-key", "reveal", "--yes")
    assert outcome.stderr == ""
    assert len(outcome.stdout) == 44
    assert configured("webhook-key", "reveal", "--yes", "--json") == outcome
    assert sandbox.requests == ()


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 2), ("", 2)])
def test_reveal_asks_on_a_terminal(configured: Opbx, answer: str, code: int) -> None:
    key = stored_key(configured)
    environ = configured.process_environ()
    with on_terminal("webhook-key", "reveal", environ=environ) as terminal:
        terminal.expect("Show the webhook key on this terminal? [y/N] ")
        terminal.send(answer)
        shown = terminal.finish()
        assert terminal.exit_code == code
    assert (key in shown) == (code == 0)


def test_the_domain_api_key_has_no_reveal(configured: Opbx, sandbox: RunningSandbox) -> None:
    assert sandbox.domains[0].api_key not in configured("webhook-key", "reveal", "--yes").stdout
    assert configured("key", "reveal").code == 2
