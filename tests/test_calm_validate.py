"""What an owner reads of `validate` on a terminal: what matters, once, and what to run."""

from __future__ import annotations

import shlex
import time

import pytest

from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx
from terminal import on_terminal, shown_on_terminal
from test_terminal_views import plain
from validation import configure

WRONG_KEY = "XI" + "w" * 32


def shown(opbx: Opbx, *argv: str, code: int, columns: int = 200) -> str:
    """Return the lines of stdout and stderr without the wheel."""
    environ = opbx.process_environ(NO_COLOR="1")
    ended, text = shown_on_terminal(*argv, environ=environ, columns=columns)
    assert ended == code, text
    return plain(text)


@pytest.mark.parametrize("columns", [80, 200])
def test_a_rejected_key_is_one_line_and_one_hint(
    configured: Opbx, sandbox: RunningSandbox, columns: int
) -> None:
    sandbox.set_faults("any=401")
    text = shown(configured, "validate", code=4, columns=columns)
    assert "✗ connect  Cloudonix rejects this API key (401)\n" in text
    assert "- 5 steps not tried\n" in text
    assert "hint: `opbx configure --api-key-stdin` saves another key\n" in text
    assert text.count("401") == 1
    assert "GET" not in text
    assert "error:" not in text


def test_verbose_shows_every_step_and_the_request(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.set_faults("any=401")
    text = shown(configured, "validate", "-v", code=4)
    assert "cannot read the domain (GET /customers/self/domains/" in text
    assert text.count("skipped   not tried, because connect failed") == 5
    sandbox.set_faults()
    text = shown(configured, "validate", "-v", code=0)
    assert "✓ connect             ok        Cloudonix accepts the API key" in text


def test_an_error_is_told_where_the_answer_does_not_reach_the_same_screen(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.set_faults("any=401")
    errors = configured.home.parent / "stderr"
    environ = configured.process_environ(NO_COLOR="1")
    with on_terminal("validate", environ=environ, stderr=errors) as terminal:
        terminal.finish()
        assert terminal.exit_code == 4
    assert "error: cannot read the domain (GET /customers" in errors.read_text()
    text = shown(configured, "trunks", "list", code=4)
    assert "error: cannot list the trunks: Cloudonix does not know this API key (401)\n" in text


def test_what_is_as_it_should_be_is_one_line(configured: Opbx, sandbox: RunningSandbox) -> None:
    shown(configured, "validate", code=0)
    text = shown(configured, "validate", code=0)
    assert "✓ 6 steps are as they should be\n" in text
    assert "unchanged" not in text
    assert configured("configure", "--no-answer-timeout", "45").code == 0
    text = shown(configured, "validate", "--check", code=8)
    assert "    Ring time 45 s (now 60 s)\n" in text
    text = shown(configured, "validate", code=0)
    assert "    Ring time 45 s (was 60 s)\n" in text
    assert "✓ 5 steps are as they should be\n" in text


def test_a_retry_of_requests_at_the_same_time_is_said_once(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.set_faults("get-domain=503*1", "list-applications=503*1")
    text = shown(configured, "validate", code=0)
    assert text.count("503 Service Unavailable: trying again in") == 1


def test_the_wheel_names_the_step_and_before_long_what_it_waits_for(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    host = sandbox.url.removeprefix("http://")
    sandbox.set_faults("list-applications=hang*1")
    environ = configured.process_environ(CLOUDONIX_API_TIMEOUT="5")
    with on_terminal("validate", environ=environ) as terminal:
        started = time.monotonic()
        terminal.expect("Reading the domain")
        terminal.expect(f"Reading the domain: 3 s, waiting for Cloudonix ({host})")
        assert time.monotonic() - started > 2.5
        terminal.expect("domain-profile")
        terminal.finish()
        assert terminal.exit_code == 0


def test_many_validations_end_with_what_failed_and_its_command(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    configured.environ["OPBX_PROFILE"] = "bad"
    configure(configured, sandbox)
    saved = configured("configure", "--api-key-stdin", stdin=WRONG_KEY)
    assert saved.code == 0, saved.stderr
    del configured.environ["OPBX_PROFILE"]
    text = shown(configured, "validate", "--all", code=9)
    ending = text.partition("2 profiles: 1 in line, 1 failed.\n")[2]
    assert ending.startswith("✗ bad  connect: Cloudonix rejects this API key (401)\n")
    assert "→ `opbx configure --api-key-stdin --profile bad` saves another key\n" in ending
    piped = configured("validate", "--all")
    assert piped.stdout.splitlines()[-1] == "2 profiles: 1 in line, 1 failed."


def test_apply_ends_with_the_command_that_goes_on(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    folder = configured.home.parent / "with blank"
    folder.mkdir()
    (folder / "key").write_text(sandbox.domains[0].api_key)
    manifest = folder / "domains.toml"
    manifest.write_text(
        f'[profile.acme]\ndomain_uuid = "{sandbox.domains[0].uuid}"\n'
        f'domain_api_key_file = "key"\nwebhook_base_url = "{WEBHOOK_BASE_URL}"\n'
        f'api_base_url = "{sandbox.url}"\n'
    )
    sandbox.set_faults("any=500")
    text = shown(configured, "apply", str(manifest), code=9)
    assert "✗ acme  connect: Cloudonix has trouble of its own (500)" in text
    assert f"`opbx apply {shlex.quote(str(manifest))}`\n" in text


def test_settings_have_one_name_for_people(configured: Opbx) -> None:
    text = shown(configured, "configure", "--no-answer-timeout", "45", code=0)
    assert "  Ring time: 45 s\n" in text
    assert "Ring time          45 s\n" in shown(configured, "profiles", "show", code=0)
    history = shown(configured, "profiles", "history", code=0, columns=80)
    assert "Ring time" in history
    assert "no_answer_timeout\t45" in configured("profiles", "show").stdout


@pytest.mark.parametrize("columns", [80, 60])
def test_the_history_breaks_no_word(
    configured: Opbx, sandbox: RunningSandbox, columns: int
) -> None:
    assert configured("validate").code == 0
    text = shown(configured, "profiles", "history", code=0, columns=columns)
    words = set(text.replace(",", " ").split())
    assert {"updates", "records", "Recording", "application"} <= words
    assert len(text.splitlines()) < 24
