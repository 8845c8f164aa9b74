"""`opbx status`: each setting here, in Cloudonix and in OPBX, and whether calls arrive."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from opbx_api import EMAIL, PASSWORD, OpbxApi, running_api
from opbx_cli.models import Secret
from opbx_cli.sandbox.server import RunningSandbox
from servers import Served, http
from support import WEBHOOK_BASE_URL, Opbx, Outcome
from terminal import on_terminal

KEY = "the-webhook-key-of-opbx-0123456789ab"
FINGERPRINT = Secret(KEY).fingerprint
STATES = pytest.mark.parametrize("state", ["january", "july"])
SETTINGS = ("GET", "/settings/cloudonix")
NAMES = ["domain_name", "webhook_base_url", "no_answer_timeout", "recording_format"]
NAMES += ["webhook_api_key", "domain_api_key"]
LONG_URL = f"https://{'a-host-with-a-long-name.' * 4}example.com/and/a/path"


@pytest.fixture
def owner(opbx: Opbx, sandbox: RunningSandbox) -> Opbx:
    """An owner whose settings are in force, with the keys of every test's run."""
    domain = sandbox.domains[0]
    path = opbx.home.parent / "webhook.key"
    path.write_text(KEY)
    saved = opbx(
        *("configure", "--domain-uuid", domain.uuid, "--api-key-stdin"),
        *("--webhook-key-file", str(path), "--webhook-base-url", WEBHOOK_BASE_URL),
        *("--api-base-url", sandbox.url, "--no-answer-timeout", "45"),
        *("--recording-format", "wav"),
        stdin=domain.api_key,
    )
    assert saved.code == 0, saved.stderr
    path.unlink()
    assert opbx("validate").code == 0
    sandbox.forget_requests()
    return opbx


@pytest.fixture
def api(sandbox: RunningSandbox) -> OpbxApi:
    """An OPBX with the same settings."""
    domain = sandbox.domains[0]
    return OpbxApi(
        settings={
            "domain_uuid": domain.uuid,
            "domain_name": domain.name,
            "domain_api_key": domain.api_key,
            "domain_requests_api_key": KEY,
            "webhook_base_url": WEBHOOK_BASE_URL,
            "no_answer_timeout": 45,
            "recording_format": "wav",
        },
    )


@pytest.fixture
def served(api: OpbxApi) -> Iterator[Served]:
    with running_api(api) as server:
        yield server


@pytest.fixture
def linked(owner: Opbx, api: OpbxApi, served: Served) -> Opbx:
    argv = ("instance", "connect", served.url, "--email", EMAIL, "--password-stdin")
    assert owner(*argv, stdin=PASSWORD).code == 0
    api.calls.clear()
    return owner


def rows(outcome: Outcome) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in outcome.document["settings"]}


def differing(outcome: Outcome) -> list[str]:
    return [name for name, row in rows(outcome).items() if row["differs"]]


def secret(key: str) -> dict[str, object]:
    return {"set": True, "mask": Secret(key).mask, "fingerprint": Secret(key).fingerprint}


def mask(text: str) -> dict[str, object]:
    return {"set": True, "mask": text, "fingerprint": None}


def screen(opbx: Opbx, *argv: str, columns: int = 80) -> tuple[int, list[str]]:
    """Return the exit code and the lines of stdout on a terminal, without escape sequences."""
    errors = opbx.home.parent / "stderr"
    environ = opbx.process_environ(NO_COLOR="1")
    with on_terminal("status", *argv, environ=environ, columns=columns, stderr=errors) as terminal:
        text = re.sub(r"\x1b\[[0-9;]*m", "", terminal.finish())
        return terminal.exit_code, [line.rstrip() for line in text.splitlines()]


def test_without_a_link_it_compares_two_sides(owner: Opbx, sandbox: RunningSandbox) -> None:
    outcome = owner("status", "--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    domain, document = sandbox.domains[0], outcome.document
    (application,) = [one for one in sandbox.state.applications() if one["name"].startswith("opbx")]  # type: ignore[attr-defined]
    timeout = {"name": "no_answer_timeout", "here": 45, "cloudonix": 45}
    assert document["settings"][2] == {**timeout, "opbx": None, "differs": False}
    assert list(rows(outcome)) == NAMES
    assert rows(outcome)["webhook_api_key"]["cloudonix"] == secret(KEY)
    assert rows(outcome)["domain_api_key"]["cloudonix"] is None
    del document["settings"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", document.pop("last_validated"))
    voice = f"{WEBHOOK_BASE_URL}/api/voice/route"
    assert document == {
        "schema": "opbx.status/1",
        "profile": "default",
        "domain": {"uuid": domain.uuid, "name": domain.name},
        "result": "ok",
        "calls": {
            "application": {"id": application["id"], "name": application["name"], "url": voice},
            "url": voice,
            "arrive": True,
        },
        "instance": None,
        "warnings": [],
    }


@STATES
def test_it_costs_one_round_trip_to_each_side(
    linked: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox, state: str
) -> None:
    api.state = state
    outcome = linked("status", "--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    calls = sorted(request.call for request in sandbox.requests)
    assert calls == ["get-domain", "list-applications"]
    assert api.calls == [SETTINGS]
    instance = outcome.document["instance"]
    assert (instance["url"], instance["organization"]) == (served.url, "Acme PBX")
    assert instance["token_expires"].startswith("20")
    keys = rows(outcome)["webhook_api_key"], rows(outcome)["domain_api_key"]
    api_key = sandbox.domains[0].api_key
    if state == "january":
        expected = [secret(KEY), secret(api_key)]
    else:
        expected = [mask("the-***89ab"), mask(f"{api_key[:4]}***{api_key[-4:]}")]
    assert [row["opbx"] for row in keys] == expected


def test_both_sides_are_asked_at_the_same_time(
    linked: Opbx, api: OpbxApi, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.set_options(latency=0.3)
    seen: list[tuple[float, float]] = []
    answer = api._answer

    def slow(*arguments: Any) -> bytes:
        started = time.monotonic()
        time.sleep(0.3)
        seen.append((started, time.monotonic()))
        return answer(*arguments)

    monkeypatch.setattr(api, "_answer", slow)
    assert linked("status").code == 0
    ((started, ended),) = seen
    for request in sandbox.requests:
        assert request.started < ended
        assert request.ended is None or started < request.ended


@STATES
def test_each_difference_of_opbx_is_marked(
    linked: Opbx, api: OpbxApi, sandbox: RunningSandbox, state: str
) -> None:
    api.state = state
    assert api.settings is not None
    api.settings |= {
        "domain_name": "other.cloudonix.net",
        "webhook_base_url": "https://elsewhere.example.com",
        "no_answer_timeout": 60,
        "recording_format": "mp3",
        "domain_requests_api_key": "another-webhook-key-of-opbx-012345",
        "domain_api_key": "XIanother0123456789abcdefghijklmno",
    }
    outcome = linked("status", "--json")
    assert (outcome.code, outcome.document["result"]) == (8, "differs")
    assert differing(outcome) == NAMES
    assert rows(outcome)["no_answer_timeout"]["opbx"] == 60
    assert outcome.document["calls"]["arrive"] is True
    api.settings["domain_uuid"] = "00000000-0000-4000-8000-000000000000"
    assert differing(linked("status", "--json")) == ["domain_uuid", *NAMES]
    api.settings = None  # the page of OPBX was never saved
    names = differing(linked("status", "--json"))
    assert names == ["domain_uuid", *(name for name in NAMES if name != "webhook_base_url")]


def test_each_difference_of_cloudonix_is_marked(owner: Opbx, sandbox: RunningSandbox) -> None:
    sandbox.state.set_profile_keys(
        {
            "call-timeout": 20,
            "recording-media-type": "mp3",
            "cdr-endpoint": "https://billing.example.com/cdr",
            "authorization-api-key": "a-key-of-somebody-else-0123456789",
        }
    )
    outcome = owner("status", "--json")
    assert (outcome.code, outcome.document["result"]) == (8, "differs")
    names = ["cdr_endpoint", "no_answer_timeout", "recording_format", "webhook_api_key"]
    assert differing(outcome) == names
    assert rows(outcome)["cdr_endpoint"] == {
        "name": "cdr_endpoint",
        "here": f"{WEBHOOK_BASE_URL}/api/webhooks/cloudonix/cdr",
        "cloudonix": "https://billing.example.com/cdr",
        "opbx": None,
        "differs": True,
    }


def test_a_base_url_of_an_older_day_is_one_difference_not_three(owner: Opbx) -> None:
    moved = owner("configure", "--webhook-base-url", "https://new.example.com")
    assert moved.code == 0, moved.stderr
    outcome = owner("status", "--json")
    assert (outcome.code, differing(outcome)) == (8, ["webhook_base_url"])
    assert rows(outcome)["webhook_base_url"]["cloudonix"] == WEBHOOK_BASE_URL
    assert outcome.document["calls"]["arrive"] is False


def test_calls_that_go_elsewhere_do_not_arrive(owner: Opbx, sandbox: RunningSandbox) -> None:
    sandbox.state.add_application("ivr-2019", url="https://ivr.example.com/start")
    sandbox.state.set_default_application("ivr-2019")
    outcome = owner("status", "--json")
    calls = outcome.document["calls"]
    assert (outcome.code, calls["arrive"], calls["application"]["name"]) == (8, False, "ivr-2019")
    assert calls["application"]["url"] == "https://ivr.example.com/start"
    assert calls["url"] == f"{WEBHOOK_BASE_URL}/api/voice/route"
    assert differing(outcome) == ["webhook_base_url"]
    assert rows(outcome)["webhook_base_url"]["cloudonix"] is None
    code, lines = screen(owner)
    assert code == 8
    assert "≠ Calls do not arrive  https://ivr.example.com/start" in lines
    assert "  Should go to         https://pbx.example.com/api/voice/route" in lines
    assert "1 setting differs; calls do not arrive." in lines
    assert "`opbx validate` brings Cloudonix in line." in lines


@pytest.mark.parametrize("what", ["application", "domain", "deleted"])
def test_an_inactive_domain_or_application_takes_no_calls(
    owner: Opbx, sandbox: RunningSandbox, what: str
) -> None:
    (application,) = [one for one in sandbox.state.applications() if one["name"].startswith("opbx")]  # type: ignore[attr-defined]
    number: Any = application["id"]
    if what == "application":
        sandbox.state.edit_application(number, active=False)
    elif what == "domain":
        sandbox.state.set_active(active=False)
    else:
        sandbox.state.delete_application(number)
    outcome = owner("status", "--json")
    assert (outcome.code, outcome.document["result"]) == (8, "differs")
    assert outcome.document["calls"]["arrive"] is False
    warnings = ["the domain is not active in Cloudonix: calls do not arrive"]
    assert outcome.document["warnings"] == (warnings if what == "domain" else [])


def test_what_is_unset_here_follows_the_domain(
    linked: Opbx, api: OpbxApi, sandbox: RunningSandbox
) -> None:
    assert linked("configure", "--unset", "no-answer-timeout").code == 0
    assert linked("configure", "--unset", "recording-format").code == 0
    sandbox.state.set_profile_keys({"call-timeout": "33", "recording-media-type": "MP3"})
    outcome = linked("status", "--json")
    # OPBX's copy is compared with what is in force.
    assert (outcome.code, differing(outcome)) == (8, ["no_answer_timeout", "recording_format"])
    assert rows(outcome)["no_answer_timeout"]["here"] is None
    assert api.settings is not None
    api.settings |= {"no_answer_timeout": 33, "recording_format": "mp3", "webhook_base_url": None}
    assert linked("status").code == 0


@pytest.mark.parametrize("shown", ["masked", "absent"])
def test_a_key_that_cloudonix_does_not_show_is_no_difference(
    opbx: Opbx, start_sandbox: Any, shown: str
) -> None:
    sandbox = start_sandbox(variants=[f"webhook-key={shown}"])
    domain = sandbox.domains[0]
    opbx.environ |= {
        "CLOUDONIX_API_BASE_URL": sandbox.url,
        "OPBX_DOMAIN_UUID": domain.uuid,
        "OPBX_WEBHOOK_BASE_URL": WEBHOOK_BASE_URL,
    }
    keys = {"OPBX_DOMAIN_API_KEY": domain.api_key, "OPBX_WEBHOOK_API_KEY": KEY}
    assert opbx("validate", **keys).code == 0
    outcome = opbx("status", "--json", **keys)
    assert (outcome.code, differing(outcome)) == (0, [])
    seen = rows(outcome)["webhook_api_key"]["cloudonix"]
    assert seen is None if shown == "absent" else seen["mask"] == "***89ab"
    text = opbx("status", **keys).stdout
    cell = next(line for line in text.splitlines() if line.startswith("webhook_api_key"))
    cells = cell.split("\t")
    assert cells[1:2] + cells[3:] == [FINGERPRINT, "", "ok"]
    assert cells[2] == ("not shown" if shown == "absent" else seen["mask"])


def test_a_key_that_cloudonix_has_lost_or_never_got_is_a_difference(
    owner: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.state.remove_profile_keys("authorization-api-key")
    outcome = owner("status", "--json")  # it was shown before, and `validate --check` agrees
    assert (outcome.code, differing(outcome)) == (8, ["webhook_api_key"])
    assert owner("validate", "--check").code == 8


def test_a_masked_key_with_another_end_is_a_difference(
    owner: Opbx, sandbox: RunningSandbox
) -> None:
    for shown, code in (("the-***89ab", 0), ("************89ab", 0), ("the-***ffff", 8)):
        sandbox.state.set_profile_keys({"authorization-api-key": shown})
        assert owner("status").code == code, shown


def test_two_masks_prove_nothing_and_a_short_key_is_not_shown_through_one(
    linked: Opbx, api: OpbxApi, sandbox: RunningSandbox
) -> None:
    api.state = "july"
    short = "short-one"
    assert linked("configure", "--webhook-key-stdin", stdin=short).code == 0
    assert api.settings is not None
    api.settings["domain_requests_api_key"] = short
    sandbox.state.set_profile_keys({"authorization-api-key": short})
    text = linked("status").stdout
    cell = next(line for line in text.splitlines() if line.startswith("webhook_api_key"))
    assert cell.split("\t")[1:] == [*["*" * 12] * 3, "ok"]
    without = linked.environ | {
        "OPBX_DOMAIN_UUID": sandbox.domains[0].uuid,
        "OPBX_DOMAIN_API_KEY": sandbox.domains[0].api_key,
        "CLOUDONIX_API_BASE_URL": sandbox.url,
        "OPBX_WEBHOOK_BASE_URL": WEBHOOK_BASE_URL,
    }
    sandbox.state.set_profile_keys({"authorization-api-key": "************"})
    outcome = linked("status", "--json", **without)  # no key here at all
    assert rows(outcome)["webhook_api_key"]["differs"] is False


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "the OPBX token has expired or was revoked (401)"),
        (http("503 Down", b"<html>"), "OPBX has trouble of its own (503)"),
        (http("403 Forbidden", b"{}"), "only the organisation's owner"),
        (http("200 OK", b"<html>"), "the answer is not OPBX's"),
    ],
)
def test_an_opbx_that_cannot_be_asked_is_a_warning_and_an_empty_column(
    linked: Opbx, api: OpbxApi, served: Served, answer: bytes | None, said: str
) -> None:
    if answer is None:
        api.tokens.clear()
    else:
        api.instead[SETTINGS] = answer
    outcome = linked("status", "--json")
    assert (outcome.code, outcome.stderr, outcome.document["result"]) == (0, "", "ok")
    (warning,) = outcome.document["warnings"]
    assert warning.startswith("OPBX is left out: ")
    assert said in warning
    if answer is None:
        assert f"`opbx instance connect {served.url}` signs in again" in warning
    assert {row["opbx"] for row in rows(outcome).values()} == {None}
    assert outcome.document["instance"]["url"] == served.url
    text = linked("status", "-q")
    assert (text.code, text.stderr.splitlines()[-1]) == (0, f"warning: {warning}")
    cells = [line.split("\t") for line in text.stdout.splitlines()[: len(NAMES)]]
    assert {row[3] for row in cells} == {""}


def test_an_opbx_that_is_gone_is_a_warning(owner: Opbx, api: OpbxApi) -> None:
    with running_api(api) as server:
        argv = ("instance", "connect", server.url, "--email", EMAIL, "--password-stdin")
        assert owner(*argv, stdin=PASSWORD).code == 0
    outcome = owner("status", "--json")
    assert (outcome.code, outcome.document["result"]) == (0, "ok")
    assert "no connection to OPBX: the connection was refused (" in outcome.document["warnings"][0]


@pytest.mark.parametrize(
    ("fault", "code"), [("any=401", 4), ("any=404", 5), ("any=html", 6), ("any=503", 7)]
)
def test_a_cloudonix_that_does_not_answer_is_the_commands_error(
    linked: Opbx, sandbox: RunningSandbox, fault: str, code: int
) -> None:
    sandbox.set_faults(fault)
    outcome = linked("status", "--json")
    assert (outcome.code, outcome.stdout, outcome.error["exit_code"]) == (code, "", code)
    assert linked("trunks", "list", "--json").code == code


def test_a_cloudonix_that_is_gone_is_the_commands_error(
    opbx: Opbx, start_sandbox: Any, tmp_path: Any
) -> None:
    environ = {
        "CLOUDONIX_API_BASE_URL": "http://127.0.0.1:9",
        "OPBX_DOMAIN_UUID": "00000000-0000-4000-8000-000000000000",
        "OPBX_DOMAIN_API_KEY": "XI0123456789abcdefghijABCDEFGHIJKL",
    }
    outcome = opbx("status", "--json", **environ)
    assert (outcome.code, outcome.error["code"]) == (7, "network.refused")


def test_without_a_store_it_shows_the_environment_and_reads_no_file(
    storeless: Opbx, sandbox: RunningSandbox
) -> None:
    key = {"OPBX_DOMAIN_API_KEY": sandbox.domains[0].api_key, "OPBX_WEBHOOK_API_KEY": KEY}
    assert storeless("validate", **key).code == 0
    outcome = storeless("status", "--json", **key)
    assert (outcome.code, outcome.document["profile"]) == (0, None)
    assert (outcome.document["last_validated"], outcome.document["instance"]) == (None, None)
    assert not storeless.home.exists()
    text = storeless("status", **key).stdout
    assert "\nlast_validated\tnot on this computer\t\t\t\n" in text


def test_no_webhook_url_is_a_warning_here(storeless: Opbx) -> None:
    del storeless.environ["OPBX_WEBHOOK_BASE_URL"]
    outcome = storeless("status", "--json")
    assert outcome.code == 8
    assert outcome.document["calls"] | {"application": None} == {
        "application": None,
        "url": None,
        "arrive": False,
    }
    (warning,) = outcome.document["warnings"]
    assert warning.startswith("no webhook base URL")


def test_the_url_comes_from_where_validate_takes_it(storeless: Opbx) -> None:
    del storeless.environ["OPBX_WEBHOOK_BASE_URL"]
    path = storeless.home.parent / "opbx.env"
    path.write_text("APP_URL=http://pbx.test\n")
    outcome = storeless("status", "--json", "--env-file", str(path))
    assert rows(outcome)["webhook_base_url"]["here"] == "http://pbx.test"
    assert "has a host that the internet cannot reach" in " ".join(outcome.document["warnings"])
    refused = storeless("status", "--json", APP_URL="not a URL")
    assert (refused.code, refused.error["exit_code"]) == (3, 3)


def test_it_was_validated_when_this_profile_was(owner: Opbx, sandbox: RunningSandbox) -> None:
    other = ("configure", "--profile", "other", "--domain-uuid", sandbox.domains[0].uuid)
    argv = (*other, "--api-key-stdin", "--api-base-url", sandbox.url)
    assert owner(*argv, stdin=sandbox.domains[0].api_key).code == 0
    outcome = owner("status", "--json", "--profile", "other")
    assert outcome.document["last_validated"] is None
    trail = owner.home / "history.jsonl"
    lines = trail.read_text().splitlines(keepends=True)
    last = next(line for line in lines if '"validate"' in line)
    later = last.replace('"time": "20', '"time": "21').replace('"result": "ok"', '"result": "x"')
    trail.write_text("".join([*lines, later]))
    outcome = owner("status", "--json")
    assert outcome.document["last_validated"].startswith("20")
    trail.chmod(0o644)
    outcome = owner("status", "--json")
    assert (outcome.code, outcome.document["last_validated"]) == (0, None)
    assert "the audit trail could not be read" in outcome.document["warnings"][0]


def test_off_a_terminal_it_is_lines_with_tabs(
    linked: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox
) -> None:
    api.state = "july"
    assert api.settings is not None
    api.settings["no_answer_timeout"] = 60
    outcome = linked("status")
    assert (outcome.code, outcome.stderr) == (8, "")
    domain = sandbox.domains[0]
    voice = f"{WEBHOOK_BASE_URL}/api/voice/route"
    api_key = Secret(domain.api_key).fingerprint
    api_mask = f"{domain.api_key[:4]}***{domain.api_key[-4:]}"
    lines = outcome.stdout.splitlines()
    assert lines[:7] == [
        "\t".join(("domain_name", *[domain.name] * 3, "ok")),
        "\t".join(("webhook_base_url", *[WEBHOOK_BASE_URL] * 3, "ok")),
        "no_answer_timeout\t45\t45\t60\tdiffers",
        "recording_format\twav\twav\twav\tok",
        f"webhook_api_key\t{FINGERPRINT}\t{FINGERPRINT}\tthe-***89ab\tok",
        f"domain_api_key\t{api_key}\taccepted\t{api_mask}\tok",
        f"calls\t{voice}\t{voice}\t\tok",
    ]
    names = ["default_application", "last_validated", "instance", "token_expires"]
    assert [line.split("\t")[0] for line in lines[7:]] == names
    assert all(line.count("\t") == 4 for line in lines)


def masked(lines: list[str], served: Served) -> str:
    """Leave out what is another one on every run."""
    text = "\n".join(lines)
    text = re.sub(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC", "<time>", text)
    return text.replace(served.url, "<opbx>")


FACTS = """\
✓ Calls arrive         https://pbx.example.com/api/voice/route
  Default application  opbx-routing-application-3162265b (id 1001001)
  Last change here     <time>
  OPBX                 <opbx>
  Organisation         Acme PBX
  OPBX token until     <time>

1 setting differs. Calls arrive.
"""

NARROW = """\
✓ Domain name          everywhere       sandbox.cloudonix.net
✓ Webhook base URL     everywhere       https://pbx.example.com
≠ Ring time            here, Cloudonix  45 s
                       OPBX             60 s
✓ Recording format     everywhere       wav
✓ Webhook key          here, Cloudonix  {key}
                       OPBX             the-***89ab
✓ Domain API key       here             {api}
                       Cloudonix        accepted
                       OPBX             {mask}

"""

WIDE = """\
  SETTING           HERE                     CLOUDONIX                OPBX
✓ Domain name       sandbox.cloudonix.net    sandbox.cloudonix.net    sandbox.cloudonix.net
✓ Webhook base URL  https://pbx.example.com  https://pbx.example.com  https://pbx.example.com
≠ Ring time         45 s                     45 s                     60 s
✓ Recording format  wav                      wav                      wav
✓ Webhook key       {key}              {key}              the-***89ab
✓ Domain API key    {api}              accepted                 {mask}

"""

CLOSING = {
    80: "`opbx instance push` hands OPBX the settings of this profile; `opbx instance\n"
    "pull` takes OPBX's.",
    200: "`opbx instance push` hands OPBX the settings of this profile; "
    "`opbx instance pull` takes OPBX's.",
}


@pytest.mark.parametrize(("columns", "rows"), [(80, NARROW), (200, WIDE)])
def test_the_screen_is_as_agreed(
    linked: Opbx, api: OpbxApi, served: Served, sandbox: RunningSandbox, columns: int, rows: str
) -> None:
    api.state = "july"
    assert api.settings is not None
    api.settings["no_answer_timeout"] = 60
    code, lines = screen(linked, columns=columns)
    assert code == 8
    api_key = sandbox.domains[0].api_key
    keys = {"key": FINGERPRINT, "api": Secret(api_key).fingerprint}
    expected = rows.format(**keys, mask=f"{api_key[:4]}***{api_key[-4:]}")
    assert masked(lines, served) == expected + FACTS + CLOSING[columns]
    assert max(map(len, lines)) <= columns
    assert len(lines) < 24 or columns == 200
    said = (linked.home.parent / "stderr").read_text()
    assert "Domain sandbox.cloudonix.net, profile 'default' from the store." in said


def test_two_sides_are_a_table_at_80_columns(owner: Opbx) -> None:
    code, lines = screen(owner)
    assert code == 0
    assert lines[0].split() == ["SETTING", "HERE", "CLOUDONIX"]
    assert lines[-1] == "All settings agree, and calls arrive."
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_a_url_is_never_broken_nor_cut(owner: Opbx, columns: int) -> None:
    assert owner("configure", "--webhook-base-url", LONG_URL).code == 0
    assert owner("validate").code == 0
    code, lines = screen(owner, columns=columns)
    assert code == 0
    for url in (LONG_URL, f"{LONG_URL}/api/voice/route"):
        assert any(line.endswith(url) for line in lines), lines
    too_long = [line for line in lines if len(line) > columns and "https://" not in line]
    assert too_long == [] or columns < 80


def test_colours_mark_and_nothing_else_does(owner: Opbx) -> None:
    errors = owner.home.parent / "stderr"
    environ = owner.process_environ()
    with on_terminal("status", environ=environ, stderr=errors) as terminal:
        shown = terminal.finish()
    assert "\x1b[32m✓" in shown
    assert "\x1b[38;" not in shown


def test_no_key_is_in_what_it_shows(linked: Opbx, api: OpbxApi, sandbox: RunningSandbox) -> None:
    api_key = sandbox.domains[0].api_key
    for argv in ([], ["--json"], ["-v"], ["--json", "-v"]):
        outcome = linked("status", *argv)
        for key in (KEY, api_key, api.tokens[0], PASSWORD):
            assert key not in outcome.stdout + outcome.stderr
