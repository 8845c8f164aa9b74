"""Two computers, one domain: they agree on the webhook key that is in force, and stay there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opbx_cli.models import Secret
from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx
from validation import computer

StartSandbox = Callable[..., RunningSandbox]
KEY = "authorization-api-key"


def remote_key(sandbox: RunningSandbox) -> Any:
    domain: Any = sandbox.state.domain()
    return domain["profile"].get(KEY)


def stored_key(opbx: Opbx) -> str:
    return opbx("webhook-key", "reveal", "--yes").stdout.strip()


def check_settled(sandbox: RunningSandbox, *computers: Opbx) -> None:
    """Nobody writes any more, in whatever order they run."""
    sandbox.forget_requests()
    for one in (*computers, *reversed(computers)):
        assert one("validate", "--check").code == 0
        assert one("validate").code == 0
    assert [request for request in sandbox.requests if request.method != "GET"] == []


def test_the_second_computer_takes_over_the_key_in_force(
    opbx: Opbx, sandbox: RunningSandbox
) -> None:
    first, second = (computer(opbx, sandbox, name) for name in ("first", "second"))
    assert first("validate").code == 0
    key = remote_key(sandbox)
    outcome = second("validate", "--json")
    assert outcome.code == 0, outcome.stderr
    assert remote_key(sandbox) == key == stored_key(first) == stored_key(second)
    check_settled(sandbox, first, second)


@pytest.mark.parametrize("shown", ["masked", "absent"])
def test_where_keys_are_not_shown_the_second_computer_leaves_it_alone(
    start_sandbox: StartSandbox, opbx: Opbx, shown: str
) -> None:
    sandbox = start_sandbox(variants=[f"webhook-key={shown}"])
    first, second = (computer(opbx, sandbox, name) for name in ("first", "second"))
    assert first("validate").code == 0
    key = remote_key(sandbox)
    outcome = second("validate", "--json")
    assert outcome.code == 0, outcome.stderr
    assert remote_key(sandbox) == key
    (warning,) = outcome.document["warnings"]
    assert "`opbx configure --webhook-key-stdin`" in warning
    copied = second("configure", "--webhook-key-stdin", stdin=stored_key(first))
    assert copied.code == 0
    assert second("validate").code == 0
    assert remote_key(sandbox) == key == stored_key(second)


def test_a_manifest_on_a_fresh_runner_leaves_the_key_in_force(
    opbx: Opbx, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    first = computer(opbx, sandbox, "first")
    assert first("validate").code == 0
    key = remote_key(sandbox)
    domain = sandbox.domains[0]
    manifest = tmp_path / "domains.toml"
    manifest.write_text(
        f'[profile.acme]\ndomain_uuid = "{domain.uuid}"\ndomain_api_key_env = "KEY"\n'
        f'webhook_base_url = "{WEBHOOK_BASE_URL}"\nno_answer_timeout = 33\n'
    )
    variables = {"KEY": domain.api_key, "CLOUDONIX_API_BASE_URL": sandbox.url}
    for name in ("runner-1", "runner-2"):  # each is thrown away afterwards
        runner = Opbx(tmp_path / name, {"OPBX_HOME": str(tmp_path / name)})
        outcome = runner("apply", str(manifest), "--json", **variables)
        assert outcome.code == 0, outcome.stdout + outcome.stderr
        assert remote_key(sandbox) == key
        assert runner("apply", str(manifest), "--check", **variables).code == 0
    manifest.write_text(manifest.read_text() + 'webhook_api_key_env = "OTHER"\n')
    variables["OTHER"] = "another-webhook-key-0123456789"
    runner = Opbx(tmp_path / "runner-3", {"OPBX_HOME": str(tmp_path / "runner-3")})
    assert runner("apply", str(manifest), **variables).code == 9
    assert remote_key(sandbox) == key
    assert runner("apply", str(manifest), "--keep-webhook-key", **variables).code == 0
    assert remote_key(sandbox) == key
    assert runner("apply", str(manifest), "--replace-webhook-key", **variables).code == 0
    assert remote_key(sandbox) == variables["OTHER"]


def test_a_rotation_on_one_computer_is_not_undone_by_the_copy_on_another(
    opbx: Opbx, sandbox: RunningSandbox
) -> None:
    first = computer(opbx, sandbox, "first")
    assert first("validate").code == 0
    home = opbx.home.parent / "copy"
    shutil.copytree(first.home, home)
    copy = Opbx(home, {"OPBX_HOME": str(home)})
    assert first("webhook-key", "rotate").code == 0
    key = remote_key(sandbox)
    outcome = copy("validate", "--json")
    assert outcome.code == 9
    assert "somebody replaced the webhook key since the last run" in outcome.stdout
    assert remote_key(sandbox) == key
    refused = copy("webhook-key", "rotate", "--json")
    assert (refused.code, refused.error["code"]) == (2, "usage.wants_yes")
    assert remote_key(sandbox) == key
    assert copy("validate", "--keep-webhook-key").code == 0
    assert stored_key(copy) == key == remote_key(sandbox)
    check_settled(sandbox, first, copy)


def test_a_save_that_is_brought_back_does_not_bring_its_webhook_key_in_force(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    assert configured("validate").code == 0
    old = stored_key(configured)
    assert configured("webhook-key", "rotate").code == 0
    new = remote_key(sandbox)
    while stored_key(configured) != old:
        back = configured("profiles", "restore", "--yes")
        assert back.code == 0
        if stored_key(configured) == new:  # restoring swaps: the one before is out of reach
            break
    outcome = configured("validate", "--json")
    assert remote_key(sandbox) == new
    assert outcome.code in (0, 9)


@pytest.mark.parametrize("profile", [(), ("-p", "second")], ids=["default", "named"])
def test_bringing_a_save_back_names_the_webhook_key_that_comes_and_the_one_in_force(
    configured: Opbx, sandbox: RunningSandbox, profile: tuple[str, ...]
) -> None:
    if profile:
        domain = sandbox.domains[0]
        argv = ("--domain-uuid", domain.uuid, "--api-key-stdin", "--api-base-url", sandbox.url)
        url = ("--webhook-base-url", WEBHOOK_BASE_URL)
        assert configured("configure", *profile, *argv, *url, stdin=domain.api_key).code == 0
    assert configured("validate", *profile).code == 0
    key = remote_key(sandbox)
    given = ("configure", *profile, "--webhook-key-stdin")
    assert configured(*given, stdin="a-new-webhook-key-0123456789").code == 0
    name = profile[-1] if profile else "default"
    asked = configured("profiles", "restore", "--json")
    assert (asked.code, asked.error["code"]) == (2, "usage.wants_yes")
    for outcome in (
        configured("profiles", "restore", "--yes", "--json"),
        configured("profiles", "restore", "--yes", "--json"),
    ):
        assert outcome.code == 0
        (warning,) = outcome.document["warnings"]
        assert f"as far as this store knows, {Secret(key).fingerprint} is in force" in warning
        assert f"`opbx validate --profile {name}`" in warning
    assert Secret("a-new-webhook-key-0123456789").fingerprint in warning
    assert remote_key(sandbox) == key


@pytest.mark.parametrize("shown", ["masked", "absent"])
def test_the_command_that_brings_the_key_here_names_its_profile(
    start_sandbox: StartSandbox, opbx: Opbx, shown: str
) -> None:
    sandbox = start_sandbox(variants=[f"webhook-key={shown}"])
    first, second = (computer(opbx, sandbox, name) for name in ("first", "second"))
    assert first("validate").code == 0
    assert second("profiles", "rename", "default", "other").code == 0
    domain = sandbox.domains[0]
    argv = ("configure", "-p", "second", "--domain-uuid", domain.uuid, "--api-key-stdin")
    url = ("--api-base-url", sandbox.url, "--webhook-base-url", WEBHOOK_BASE_URL)
    assert second(*argv, *url, stdin=domain.api_key).code == 0
    (warning,) = second("validate", "-p", "second", "--json").document["warnings"]
    assert "`opbx configure --webhook-key-stdin --profile second`" in warning


@pytest.mark.parametrize("shown", ["masked", "absent"])
def test_the_commands_that_bring_a_hidden_key_here_do_what_they_say(
    start_sandbox: StartSandbox, opbx: Opbx, shown: str
) -> None:
    sandbox = start_sandbox(variants=[f"webhook-key={shown}"])
    first, second = (computer(opbx, sandbox, name) for name in ("first", "second"))
    assert first("validate").code == 0
    key = remote_key(sandbox)
    assert second("configure", "--no-answer-timeout", "33").code == 0
    refused = second("validate", "--json")
    assert refused.code == 9
    assert "`opbx configure --webhook-key-stdin`" in refused.error["hint"]
    assert second("configure", "--webhook-key-stdin", stdin=key).code == 0
    outcome = second("validate", "--json")
    if shown == "absent":  # nothing tells that it is the same one
        assert outcome.code == 9
        assert "`opbx validate --replace-webhook-key`" in outcome.error["hint"]
        assert "configure" not in outcome.stdout
        outcome = second("validate", "--replace-webhook-key")
    assert outcome.code == 0
    assert (remote_key(sandbox), stored_key(second)) == (key, key)
    assert second("configure", "--no-answer-timeout", "34").code == 0
    assert second("validate").code == 0


def test_without_a_store_a_hidden_key_is_not_asked_for_again_where_one_is_given(
    start_sandbox: StartSandbox, opbx: Opbx
) -> None:
    sandbox = start_sandbox(variants=["webhook-key=absent"])
    first = computer(opbx, sandbox, "first")
    assert first("validate").code == 0
    domain, key = sandbox.domains[0], remote_key(sandbox)
    variables = {
        "CLOUDONIX_API_BASE_URL": sandbox.url,
        "OPBX_DOMAIN_UUID": domain.uuid,
        "OPBX_DOMAIN_API_KEY": domain.api_key,
        "OPBX_WEBHOOK_API_KEY": key,
        "OPBX_WEBHOOK_BASE_URL": WEBHOOK_BASE_URL,
        "OPBX_NO_ANSWER_TIMEOUT": "33",
    }
    runner = Opbx(opbx.home.parent / "runner")
    refused = runner("validate", "--json", **variables)
    assert refused.code == 9
    assert "OPBX_WEBHOOK_API_KEY" not in refused.stdout + refused.stderr
    assert "`opbx validate --replace-webhook-key`" in refused.error["hint"]
    assert runner("validate", "--replace-webhook-key", **variables).code == 0
    assert remote_key(sandbox) == key
