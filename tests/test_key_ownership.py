"""Whose webhook key stays in force: every case, through the command, on a real socket."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from opbx_cli.models import Secret
from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx, Outcome
from terminal import on_terminal

StartSandbox = Callable[..., RunningSandbox]

KEY = "authorization-api-key"
THEIRS = "somebody-elses-webhook-key-0123456789"
GIVEN = "given-on-purpose-webhook-key-012345678"
OURS = "sent-by-this-store-before-0123456789abc"

ON_DOMAIN = ("none", "ours", "theirs")
SHOWN = ("echoed", "masked", "absent")
ORIGINS = ("generated", "given", "sent")
WRITES = ("merge", "replace")
FLAGS: tuple[tuple[str, ...], ...] = (
    (),
    ("--keep-webhook-key",),
    ("--replace-webhook-key",),
    ("--yes",),
)


def remote_key(sandbox: RunningSandbox) -> Any:
    domain: Any = sandbox.state.domain()
    return domain["profile"].get(KEY)


def stored_key(opbx: Opbx) -> str:
    return opbx("webhook-key", "reveal", "--yes").stdout.strip()


def prepared(opbx: Opbx, sandbox: RunningSandbox, origin: str, on_domain: str) -> None:
    """Bring store and domain into the state that a case begins with."""
    domain = sandbox.domains[0]
    argv = ["configure", "--domain-uuid", domain.uuid, "--api-key-stdin"]
    argv += ["--api-base-url", sandbox.url, "--webhook-base-url", WEBHOOK_BASE_URL]
    first = OURS if origin == "sent" else GIVEN
    opbx.environ["FIRST"] = first
    if origin != "generated":
        argv += ["--webhook-key-env", "FIRST"]
    assert opbx(*argv, stdin=domain.api_key).code == 0
    if origin == "sent":
        assert opbx("validate").code == 0
    else:  # an OPBX is at work there, whatever key it has
        name = "opbx-routing-application-12345678"
        url = f"{WEBHOOK_BASE_URL}/api/voice/route"
        sandbox.state.add_application(name, url=url)
        sandbox.state.set_default_application(name)
    if on_domain == "theirs":
        sandbox.state.set_profile_keys({KEY: THEIRS})
    elif on_domain == "none":
        sandbox.state.remove_profile_keys(KEY)
    else:
        sandbox.state.set_profile_keys({KEY: stored_key(opbx)})
    # Something else has to be written too, so that a write could lose the key.
    assert opbx("configure", "--no-answer-timeout", "33").code == 0


def expected(on_domain: str, shown: str, origin: str, flags: tuple[str, ...]) -> tuple[str, int]:
    """Return whose key is in force afterwards, and the exit code, as the contract says it."""
    replaces = flags in (("--replace-webhook-key",), ("--yes",))
    keeps = flags == ("--keep-webhook-key",)
    if on_domain == "theirs":
        if shown == "absent":
            # Nothing tells it from the key that was sent; without that memory it is left alone.
            return ("ours", 0) if origin == "sent" or replaces else ("theirs", 9)
        if replaces:
            return "ours", 0
        if shown == "masked":
            return "theirs", 9
        return ("theirs", 0) if origin == "generated" or keeps else ("theirs", 9)
    if on_domain == "ours":
        if shown == "absent" and origin != "sent" and not replaces:
            return "ours", 9  # it cannot be told: left alone
        return "ours", 0
    # None on the domain: where it shows keys that is not seen apart from one that it hides.
    if origin == "sent" or replaces:
        return "ours", 0
    return "none", 9


CASES = list(itertools.product(ON_DOMAIN, SHOWN, ORIGINS, FLAGS))


@pytest.mark.uncounted
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join((*case[:3], *case[3])))
def test_the_key_in_force_afterwards(
    start_sandbox: StartSandbox,
    opbx: Opbx,
    write: str,
    case: tuple[str, str, str, tuple[str, ...]],
) -> None:
    on_domain, shown, origin, flags = case
    sandbox = start_sandbox(variants=[f"webhook-key={shown}", f"profile={write}"])
    prepared(opbx, sandbox, origin, on_domain)
    before, own = remote_key(sandbox), stored_key(opbx)
    checked = opbx("validate", "--check", *flags, "--json")
    assert checked.code == 8, checked.stderr
    assert remote_key(sandbox) == before
    outcome = opbx("validate", *flags, "--json")
    whose, code = expected(on_domain, shown, origin, flags)
    assert outcome.code == code, outcome.stdout + outcome.stderr
    assert remote_key(sandbox) == {"none": None, "ours": own, "theirs": THEIRS}[whose]
    said = outcome.stdout + outcome.stderr
    for key in (THEIRS, own):
        assert key not in said
    # A key that was sent before to a domain that never shows any counts as in force.
    is_blind = shown == "absent" and origin == "sent"
    if remote_key(sandbox) not in (None, before) and not is_blind:
        assert "OPBX refuses calls until it has that key too" in outcome.document["warnings"][-1]
    if code == 9:
        assert outcome.error["code"] == "validate.wants_yes"
        assert "webhook-key" in outcome.error["hint"]
        return
    # In line: the store has the key in force, and a second run writes nothing.
    assert stored_key(opbx) == remote_key(sandbox)
    sandbox.forget_requests()
    again = opbx("validate", "--json")
    assert again.code == 0, again.stdout
    assert [request for request in sandbox.requests if request.method != "GET"] == []


@pytest.mark.parametrize("shown", SHOWN)
@pytest.mark.parametrize("on_domain", ["none", "same", "theirs"])
@pytest.mark.parametrize("flags", FLAGS, ids=lambda flags: "-".join(flags) or "no-flag")
def test_without_a_store(
    start_sandbox: StartSandbox, opbx: Opbx, shown: str, on_domain: str, flags: tuple[str, ...]
) -> None:
    sandbox = start_sandbox(variants=[f"webhook-key={shown}"])
    domain = sandbox.domains[0]
    if on_domain != "none":
        key = THEIRS if on_domain == "theirs" else GIVEN
        endpoint = f"{WEBHOOK_BASE_URL}/api/webhooks/cloudonix/cdr"
        sandbox.state.set_profile_keys({KEY: key, "cdr-endpoint": endpoint})
    before = remote_key(sandbox)
    environ = {
        "CLOUDONIX_API_BASE_URL": sandbox.url,
        "OPBX_DOMAIN_UUID": domain.uuid,
        "OPBX_DOMAIN_API_KEY": domain.api_key,
        "OPBX_WEBHOOK_API_KEY": GIVEN,
        "OPBX_WEBHOOK_BASE_URL": WEBHOOK_BASE_URL,
    }
    outcome = opbx("validate", "--json", *flags, **environ)
    replaces = flags in (("--replace-webhook-key",), ("--yes",))
    if on_domain == "none" or replaces or (on_domain == "same" and shown != "absent"):
        assert (outcome.code, remote_key(sandbox)) == (0, GIVEN)
    elif on_domain == "theirs" and shown == "echoed" and flags == ("--keep-webhook-key",):
        assert (outcome.code, remote_key(sandbox)) == (0, THEIRS)
    else:
        assert (outcome.code, remote_key(sandbox)) == (9, before)
    assert GIVEN not in outcome.stdout + outcome.stderr
    assert THEIRS not in outcome.stdout + outcome.stderr


@pytest.mark.parametrize(
    ("answer", "code", "whose"), [("k", 0, "theirs"), ("r", 0, "ours"), ("n", 9, "theirs")]
)
def test_the_question_on_a_terminal(
    configured: Opbx, sandbox: RunningSandbox, answer: str, code: int, whose: str
) -> None:
    assert configured("validate").code == 0
    own = stored_key(configured)
    sandbox.state.set_profile_keys({KEY: THEIRS})
    with on_terminal("validate", environ=configured.process_environ(NO_COLOR="1")) as terminal:
        asked = terminal.expect("[k/r/N] ")
        flat = " ".join(asked.split())
        assert Secret(THEIRS).fingerprint in flat
        assert Secret(own).fingerprint in flat
        assert "somebody replaced the webhook key since the last run" in flat
        terminal.send(answer)
        shown = terminal.finish()
        assert terminal.exit_code == code
    assert remote_key(sandbox) == (own if whose == "ours" else THEIRS)
    if answer == "r":
        assert "opbx webhook-url --check --with-key" in shown
    if answer == "k":
        assert stored_key(configured) == THEIRS


def test_the_answer_to_change_nothing_changes_nothing(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    assert configured("validate").code == 0
    moved = "https://pbx.example.com:8443"
    assert configured("configure", "--webhook-base-url", moved).code == 0
    sandbox.state.set_profile_keys({KEY: THEIRS})
    sandbox.forget_requests()
    with on_terminal("validate", environ=configured.process_environ(NO_COLOR="1")) as terminal:
        terminal.expect("n  no, change nothing")
        terminal.expect("[k/r/N] ")
        terminal.send("n")
        shown = terminal.finish()
        assert terminal.exit_code == 9
    assert [request for request in sandbox.requests if request.method != "GET"] == []
    assert "nothing was written" in shown
    assert "`opbx validate --keep-webhook-key`" in " ".join(shown.split())


def test_a_masked_key_of_somebodys_cannot_be_kept_and_the_question_does_not_offer_it(
    start_sandbox: StartSandbox, opbx: Opbx
) -> None:
    sandbox = start_sandbox(variants=["webhook-key=masked"])
    prepared(opbx, sandbox, "sent", "theirs")
    with on_terminal("validate", environ=opbx.process_environ(NO_COLOR="1")) as terminal:
        terminal.expect("[r/N] ")
        terminal.send("k")
        terminal.expect("Please answer r or n.\n[r/N] ")
        terminal.send("")
        terminal.finish()
        assert terminal.exit_code == 9
    assert remote_key(sandbox) == THEIRS


def test_both_flags_contradict_each_other(configured: Opbx, sandbox: RunningSandbox) -> None:
    outcome = configured("validate", "--keep-webhook-key", "--replace-webhook-key")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert sandbox.requests == ()


def test_a_key_that_no_store_takes_is_not_adopted(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.state.set_profile_keys({KEY: "short"})
    own = stored_key(configured)
    outcome = configured("validate", "--json")
    assert outcome.code == 9
    assert (remote_key(sandbox), stored_key(configured)) == ("short", own)
    assert configured("validate", "--replace-webhook-key").code == 0
    assert remote_key(sandbox) == own


def rows(outcome: Outcome) -> list[str]:
    return [line.split("\t")[1] for line in outcome.stdout.splitlines()]


@pytest.mark.parametrize(("shown", "key"), [("masked", THEIRS), ("echoed", "short")])
def test_a_key_that_cannot_be_kept_is_said_where_nothing_else_is_to_do(
    configured: Opbx, sandbox: RunningSandbox, shown: str, key: str
) -> None:
    assert configured("validate").code == 0
    sandbox.set_variants(f"webhook-key={shown}")
    sandbox.state.set_profile_keys({KEY: key})
    outcome = configured("validate", "--keep-webhook-key", "--json")
    (warning,) = outcome.document["warnings"]
    assert "the domain's webhook key cannot be saved here" in warning
    assert "`opbx configure --webhook-key-stdin`" in warning
    assert remote_key(sandbox) == key


def test_adopting_is_recorded_and_shown_as_fingerprints(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    own = Secret(stored_key(configured)).fingerprint
    sandbox.state.set_profile_keys({KEY: THEIRS})
    outcome = configured("validate", "--json")
    (adopted,) = [step for step in outcome.document["steps"] if step["id"] == "domain-profile"]
    change = adopted["changes"][0]
    assert change["path"] == "settings.webhook_api_key"
    assert change["from"]["fingerprint"] == own
    assert change["to"]["fingerprint"] == Secret(THEIRS).fingerprint
    entry = configured("profiles", "history", "--json").document["entries"][-1]
    assert entry["fingerprints"]["settings.webhook_api_key"] == {
        "from": own,
        "to": Secret(THEIRS).fingerprint,
    }
