"""What a person sees, kept as files: `UPDATE_GOLDEN=1 pytest tests/test_terminal_views.py` renews.

Narrow is 80 columns, wide is 200; without colours, so that the files can be read.
"""

from __future__ import annotations

import os
import re
from importlib import import_module
from pathlib import Path

import pytest

from opbx_cli.cli.output import VIEWS
from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx
from terminal import on_terminal, shown_on_terminal

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def owner(opbx: Opbx, sandbox: RunningSandbox) -> Opbx:
    """An owner whose keys are the same on every run."""
    domain = sandbox.domains[0]
    key = opbx.home.parent / "webhook.key"
    key.write_text("golden-webhook-key-0123456789ab\n")
    outcome = opbx(
        "configure",
        *("--domain-uuid", domain.uuid, "--api-key-stdin", "--webhook-key-file", str(key)),
        *("--api-base-url", sandbox.url, "--webhook-base-url", WEBHOOK_BASE_URL),
        stdin=domain.api_key,
    )
    assert outcome.code == 0, outcome.stderr
    return opbx


def plain(shown: str) -> str:
    """Leave out the escape sequences (bold remains without colours) and what pads a line."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def compare(name: str, shown: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(shown)
    assert shown == path.read_text()


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize(
    "argv",
    [
        ["validate", "--check"],
        ["validate"],
        ["trunks", "list", "--direction", "all"],
        ["trunks", "show", "carrier-main"],
        ["webhook-url"],
        ["profiles", "list"],
    ],
    ids=" ".join,
)
def test_the_screen_is_as_agreed(owner: Opbx, argv: list[str], columns: int) -> None:
    environ = owner.process_environ(NO_COLOR="1")
    errors = owner.home.parent / "stderr"  # apart, because a wheel turns there
    with on_terminal(*argv, environ=environ, columns=columns, stderr=errors) as terminal:
        shown, code = plain(terminal.finish()), terminal.exit_code
    assert code == (8 if "--check" in argv else 0)
    # What goes beyond the width is broken by the terminal, not by a table of ours.
    assert all(len(line) <= columns for line in shown.splitlines())
    compare(f"{'-'.join(word.strip('-') for word in argv)}-{columns}", shown)


def test_colours_are_the_terminals_own_sixteen(owner: Opbx) -> None:
    code, shown = shown_on_terminal("validate", environ=owner.process_environ())
    assert code == 0
    assert "\x1b[32m✓" in shown
    assert "\x1b[38;" not in shown
    assert "\x1b[48;" not in shown


def test_a_yes_on_the_terminal_replaces_somebody_elses_default(
    owner: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.state.add_application("ivr-2019", url="https://ivr.example")
    sandbox.state.set_default_application("ivr-2019")
    before = sandbox.state.domain()
    for answer, code in (("n", 9), ("", 9), ("maybe", 9), ("p", 9), ("y", 0)):
        with on_terminal("validate", environ=owner.process_environ(NO_COLOR="1")) as terminal:
            asked = terminal.expect("[y/p/N] ")
            assert "Calls go to application 'ivr-2019' (https://ivr.example) now.\n" in asked
            assert (
                "Send them to https://pbx.example.com instead?\n(Way back: `opbx detach`" in asked
            )
            for _ in range(2 if answer == "maybe" else 0):
                terminal.send(answer)
                terminal.expect("Please answer y, p or n.\n[y/p/N] ")
            is_as_before = answer not in ("p", "y")
            terminal.send(answer)
            terminal.finish()
            assert terminal.exit_code == code
        if is_as_before:  # to the letter: no application, no ring time, no key
            assert sandbox.state.domain() == before
            assert [entry["name"] for entry in sandbox.state.applications()] == ["ivr-2019"]
        if answer == "p":
            now = sandbox.state.domain()
            assert now["profile"] != before["profile"]
            assert now["defaultApplication"] == before["defaultApplication"]


def test_the_end_of_input_at_that_question_changes_nothing(
    owner: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.state.add_application("ivr-2019", url="https://ivr.example")
    sandbox.state.set_default_application("ivr-2019")
    with on_terminal("validate", environ=owner.process_environ(NO_COLOR="1")) as terminal:
        terminal.expect("[y/p/N] ")
        terminal.send("", end="\x04")
        terminal.finish()
        assert terminal.exit_code == 2
    assert [request for request in sandbox.requests if request.method != "GET"] == []


@pytest.mark.parametrize("columns", [20, 30, 39, 40, 42, 48, 54, 60])
def test_a_narrow_terminal_keeps_names_and_addresses(
    owner: Opbx, sandbox: RunningSandbox, columns: int
) -> None:
    environ = owner.process_environ(NO_COLOR="1")
    errors = owner.home.parent / "stderr"
    argv = ("trunks", "list")
    with on_terminal(*argv, environ=environ, columns=columns, stderr=errors) as terminal:
        text = plain(terminal.finish())
    assert terminal.exit_code == 0
    joined = "".join(text.split())
    for name in ("carrier-main", "198.51.100.10:5060", "NAME", "ADDRESS"):
        assert name in (joined if columns < 30 else text)
    assert max(map(len, text.splitlines())) <= columns
    # No heading is read from top to bottom.
    assert not re.search(r"^ *[A-Z]\n *[A-Z]$", text, re.MULTILINE)
    assert ("METRIC" in text) == (columns < 40)


@pytest.mark.parametrize("columns", [30, 42, 60, 80])
def test_no_url_is_broken_by_opbx(owner: Opbx, sandbox: RunningSandbox, columns: int) -> None:
    """On the terminal a line that is too long still is one line to copy."""
    sandbox.state.add_application("ivr-2019", url="https://ivr.example.com/2019/the/menu/of/all")
    sandbox.state.set_default_application("ivr-2019")
    environ = owner.process_environ(NO_COLOR="1")
    errors = owner.home.parent / "stderr"
    urls = {
        f"{WEBHOOK_BASE_URL}/api/voice/route",
        f"{WEBHOOK_BASE_URL}/api/webhooks/cloudonix/session-update",
        f"{WEBHOOK_BASE_URL}/api/webhooks/cloudonix/cdr",
    }
    for argv, code in ((("validate", "--no-input"), 9), (("webhook-url",), 0), (("status",), 8)):
        with on_terminal(*argv, environ=environ, columns=columns, stderr=errors) as terminal:
            shown = plain(terminal.finish())
        assert terminal.exit_code == code
        whole = set(re.findall(r"https?://[^\s()']+", shown))
        assert whole - urls <= {
            *(WEBHOOK_BASE_URL, "https://ivr.example.com/2019/the/menu/of/all"),
        }
        assert whole & urls


@pytest.mark.parametrize("columns", [1, 2, 3, 11])
def test_a_terminal_of_hardly_any_width_still_shows_all(
    owner: Opbx, sandbox: RunningSandbox, columns: int
) -> None:
    """Some letters take two columns, and none can be broken."""
    sandbox.state.replace_trunks([{**sandbox.state.trunks()[0], "name": "字" * 20 + "x"}])
    environ = owner.process_environ(NO_COLOR="1")
    for argv in (("trunks", "list"), ("profiles", "show", "--origin"), ("webhook-url",)):
        errors = owner.home.parent / "stderr"
        with on_terminal(*argv, environ=environ, columns=columns, stderr=errors) as terminal:
            shown = terminal.finish()
        assert terminal.exit_code == 0
        assert argv[0] != "trunks" or "".join(plain(shown).split()).count("字") == 20


@pytest.mark.parametrize("columns", ["0", "x", "-5"])
def test_a_width_that_makes_no_sense_is_no_width(owner: Opbx, columns: str) -> None:
    environ = owner.process_environ(NO_COLOR="1", COLUMNS=columns)
    for argv, seen in ((("trunks", "list"), "carrier-main"), (("validate",), "Done: calls for")):
        code, shown = shown_on_terminal(*argv, environ=environ)
        assert code == 0
        assert seen in shown


def test_every_result_has_a_view() -> None:
    for place in VIEWS.values():
        module, _, name = place.partition(".")
        view = getattr(import_module(f"opbx_cli.cli.output.{module}"), name)
        assert view.__annotations__["return"] == "View"
