"""`configure` without a terminal: flags, sources of keys, what is saved and what is refused."""

from __future__ import annotations

import os
import re
import stat
from typing import Any

import pytest

from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx

UUID = "6b1f0c2e-0000-4000-8000-000000000001"
OTHER_UUID = "6b1f0c2e-0000-4000-8000-000000000002"
KEY = "XI0123456789abcdefghijABCDEFGHIJKL"
OTHER_KEY = "XIzyxwvutsrqponmlkjihgfedcba987654"
WEBHOOK_KEY = "a-webhook-key.of_our~own+/0123456789=="
NEW = ("configure", "--domain-uuid", UUID, "--api-key-stdin")

# A key in JSON, by its last four characters and its fingerprint.
SHOWN_KEY = {"set": True, "mask": "************IJKL", "fingerprint": "fp:c4586595"}


@pytest.fixture
def saved(opbx: Opbx) -> Opbx:
    """The command with one profile, `default`, that never met Cloudonix."""
    outcome = opbx(*NEW, stdin=KEY)
    assert outcome.code == 0, outcome.stderr
    return opbx


def shown(opbx: Opbx, *argv: str) -> dict[str, Any]:
    outcome = opbx("profiles", "show", "--json", *argv)
    assert outcome.code == 0, outcome.stderr
    return outcome.document


def generation(opbx: Opbx) -> str:
    content = (opbx.home / "store.toml").read_text()
    found = re.search(r"^generation = (\d+)$", content, re.MULTILINE)
    assert found is not None
    return found[1]


def test_a_first_profile_says_what_was_saved_where_and_what_is_next(opbx: Opbx) -> None:
    outcome = opbx(*NEW, stdin=KEY)
    assert outcome.code == 0
    lines = outcome.stdout.splitlines()
    assert lines[0] == "Saved new profile 'default':"
    assert f"  domain_uuid: {UUID}" in lines
    assert f"Store: {opbx.home / 'store.toml'}" in lines
    assert lines[-1] == "Next: opbx validate"
    key_file = next((opbx.home / "keys").iterdir())
    assert f"A new store was made: {opbx.home / 'store.toml'}\n" in outcome.stderr
    assert f"Its key: {key_file}\n" in outcome.stderr
    assert "reads no key" in outcome.stderr
    assert KEY not in outcome.stdout + outcome.stderr


def test_what_it_says_to_run_next_works(opbx: Opbx, sandbox: RunningSandbox) -> None:
    domain = sandbox.domains[0]
    argv = ("--domain-uuid", domain.uuid, "--api-key-stdin", "--api-base-url", sandbox.url)
    opbx(*NEW, stdin=KEY)
    outcome = opbx("configure", "-p", "acme.example.com", *argv, stdin=domain.api_key)
    following = outcome.stdout.splitlines()[-1].removeprefix("Next: opbx ")
    assert following == "validate --profile acme.example.com"
    assert opbx(*following.split(), APP_URL=WEBHOOK_BASE_URL).code == 0


def test_the_document_has_every_setting(opbx: Opbx) -> None:
    outcome = opbx(*NEW, "--json", stdin=KEY)
    assert (outcome.code, outcome.stderr) == (0, "")
    webhook_key = outcome.document["webhook_api_key"]
    assert webhook_key["set"] is True
    assert outcome.document == {
        "schema": "opbx.profile/1",
        "profile": "default",
        "is_default": True,
        "domain_uuid": UUID,
        "domain_name": None,
        "domain_api_key": SHOWN_KEY,
        "webhook_api_key": webhook_key,
        "webhook_base_url": None,
        "no_answer_timeout": None,
        "recording_format": None,
        "api_base_url": "https://api.cloudonix.io",
        "voice_application": None,
        "cloudonix_package": None,
        "warnings": [],
    }


def test_all_plain_settings_are_saved(opbx: Opbx) -> None:
    settings = {
        "webhook_base_url": "https://PBX.example.com/",
        "no_answer_timeout": "45",
        "recording_format": "WAV",
        "api_base_url": "https://api.staging.cloudonix.io/",
    }
    argv = [
        word for name, text in settings.items() for word in (f"--{name.replace('_', '-')}", text)
    ]
    assert opbx(*NEW, *argv, stdin=KEY).code == 0
    document = shown(opbx)
    assert document["webhook_base_url"] == "https://pbx.example.com"
    assert document["no_answer_timeout"] == 45
    assert document["recording_format"] == "wav"
    assert document["api_base_url"] == "https://api.staging.cloudonix.io"


def test_store_and_key_are_private_whatever_the_umask(opbx: Opbx) -> None:
    before = os.umask(0)
    try:
        assert opbx(*NEW, stdin=KEY).code == 0
        assert opbx("configure", "--no-answer-timeout", "30").code == 0
    finally:
        os.umask(before)
    paths = [opbx.home, *opbx.home.rglob("*")]
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in paths}
    folders = {path.name for path in paths if path.is_dir()}
    assert folders == {"home", "keys"}
    assert {"store.toml", "store.toml.bak", "store.toml.lock"} < modes.keys()
    assert all(mode == (0o700 if name in folders else 0o600) for name, mode in modes.items())


def test_the_store_shows_no_key(opbx: Opbx) -> None:
    opbx(*NEW, "--webhook-key-env", "MINE", stdin=KEY, MINE=WEBHOOK_KEY)
    for path in opbx.home.glob("store.toml*"):
        assert KEY not in path.read_text()
        assert WEBHOOK_KEY not in path.read_text()


def test_a_webhook_key_is_generated_once(opbx: Opbx, sandbox: RunningSandbox) -> None:
    """43 characters that RFC 6750 allows: as Cloudonix gets it, for we never show it."""
    domain = sandbox.domains[0]
    argv = ("--domain-uuid", domain.uuid, "--api-key-stdin", "--api-base-url", sandbox.url)
    opbx("configure", *argv, "--webhook-base-url", WEBHOOK_BASE_URL, stdin=domain.api_key)
    before = shown(opbx)["webhook_api_key"]
    assert opbx("configure", "--no-answer-timeout", "30").code == 0
    assert shown(opbx)["webhook_api_key"] == before
    assert opbx("validate").code == 0
    profile: Any = sandbox.state.domain()["profile"]
    sent = profile["authorization-api-key"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", sent)
    assert sent.endswith(before["mask"][-4:])


def test_only_what_is_given_changes(saved: Opbx) -> None:
    before = shown(saved)
    outcome = saved("configure", "--no-answer-timeout", "45", "--json")
    assert outcome.code == 0
    assert outcome.document == {**before, "no_answer_timeout": 45}
    outcome = saved("configure", "--api-key-stdin", stdin=OTHER_KEY)
    assert outcome.code == 0
    assert [line.split(":")[0].strip() for line in outcome.stdout.splitlines()[1:-2]] == [
        "domain_api_key"
    ]
    after = shown(saved)
    assert after["domain_api_key"]["mask"] == "************7654"
    assert {**after, "domain_api_key": SHOWN_KEY} == {**before, "no_answer_timeout": 45}


def test_the_same_values_again_save_nothing(saved: Opbx) -> None:
    before = generation(saved)
    for argv, key in (
        (NEW, KEY),
        (("configure",), ""),
        (("configure", "--unset", "recording-format"), ""),
    ):
        outcome = saved(*argv, stdin=key)
        assert (outcome.code, outcome.stderr) == (0, "")
        assert "nothing to save" in outcome.stdout
        assert outcome.stdout.endswith("Next: opbx validate\n")
    assert generation(saved) == before


@pytest.mark.parametrize("name", ["webhook-base-url", "webhook_base_url", " Webhook_Base-URL "])
def test_unset_takes_a_name_in_either_spelling(saved: Opbx, name: str) -> None:
    assert saved("configure", "--webhook-base-url", WEBHOOK_BASE_URL).code == 0
    outcome = saved("configure", "--unset", name)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert shown(saved)["webhook_base_url"] is None


def test_unset_is_repeatable(saved: Opbx) -> None:
    saved("configure", "--no-answer-timeout", "30", "--recording-format", "wav")
    outcome = saved("configure", "--unset", "no-answer-timeout", "--unset", "recording_format")
    assert outcome.code == 0
    assert (shown(saved)["no_answer_timeout"], shown(saved)["recording_format"]) == (None, None)


@pytest.mark.parametrize("name", ["domain-uuid", "webhook-api-key", "domain_name", "", KEY])
def test_unset_refuses_what_is_not_optional(saved: Opbx, name: str) -> None:
    outcome = saved("configure", "--unset", name)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith("error: --unset: expected one of webhook-base-url, ")
    assert KEY not in outcome.stderr


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("webhook-base-url", WEBHOOK_BASE_URL),
        ("no-answer-timeout", "30"),
        ("recording-format", "wav"),
        ("api-base-url", "https://api.cloudonix.io"),
    ],
)
def test_giving_and_unsetting_one_setting_is_refused(saved: Opbx, option: str, value: str) -> None:
    outcome = saved("configure", f"--{option}", value, "--unset", option.replace("-", "_"))
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr == f"error: {option} is both given and unset: leave one out\n"


@pytest.fixture
def validated(configured: Opbx) -> Opbx:
    """A profile that knows what Cloudonix told about its domain."""
    assert configured("validate").code == 0
    document = shown(configured)
    assert document["domain_name"]
    assert document["voice_application"]
    assert document["cloudonix_package"]
    return configured


def remote_facts(opbx: Opbx) -> list[object]:
    document = shown(opbx)
    return [document[name] for name in ("domain_name", "voice_application", "cloudonix_package")]


def test_another_domain_forgets_what_came_from_the_old_one(validated: Opbx) -> None:
    before = shown(validated)
    refused = validated("configure", "--domain-uuid", OTHER_UUID)
    assert (refused.code, refused.stdout) == (2, "")
    assert "another domain needs its own API key" in refused.stderr
    assert shown(validated) == before
    outcome = validated("configure", "--domain-uuid", OTHER_UUID, "--api-key-stdin", stdin=KEY)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert remote_facts(validated) == [None, None, None]
    after = shown(validated)
    for name in ("webhook_base_url", "api_base_url"):
        assert after[name] == before[name]
    # The webhook key that is in force on the old domain is no business of the new one.
    assert after["webhook_api_key"] != before["webhook_api_key"]


def test_the_same_domain_in_capitals_is_the_same_domain(validated: Opbx) -> None:
    before = shown(validated)
    outcome = validated("configure", "--domain-uuid", before["domain_uuid"].upper())
    assert "nothing to save" in outcome.stdout
    assert shown(validated) == before


@pytest.mark.parametrize(
    "argv", [("--api-base-url", "https://api.example.com"), ("--unset", "api-base-url")]
)
def test_another_origin_wants_another_api_key(validated: Opbx, argv: tuple[str, str]) -> None:
    before = shown(validated)
    outcome = validated("configure", *argv)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr == (
        "error: another API address needs its own API key: the stored one is not sent there\n"
        "hint: give it with `--api-key-stdin`, `--api-key-file` or `--api-key-env`\n"
    )
    assert shown(validated) == before
    assert validated("configure", *argv, "--api-key-stdin", stdin=KEY).code == 0
    assert remote_facts(validated) == [None, None, None]
    assert shown(validated)["webhook_api_key"] == before["webhook_api_key"]


def test_another_path_or_case_of_the_origin_keeps_the_key(
    validated: Opbx, sandbox: RunningSandbox
) -> None:
    before = remote_facts(validated)
    outcome = validated("configure", "--api-base-url", f"{sandbox.url.upper()}/v2")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert shown(validated)["api_base_url"] == f"{sandbox.url}/v2"
    assert remote_facts(validated) == before


def test_the_variables_of_the_storeless_mode_are_ignored(opbx: Opbx) -> None:
    variables = {
        "OPBX_DOMAIN_UUID": OTHER_UUID,
        "OPBX_DOMAIN_API_KEY": OTHER_KEY,
        "OPBX_WEBHOOK_BASE_URL": WEBHOOK_BASE_URL,
        "OPBX_NO_ANSWER_TIMEOUT": "nonsense",
    }
    assert opbx("configure", **variables).code == 2
    assert opbx(*NEW, "-p", "acme", stdin=KEY, **variables).code == 0
    document = shown(opbx)
    assert (document["domain_uuid"], document["domain_api_key"]) == (UUID, SHOWN_KEY)
    assert (document["webhook_base_url"], document["no_answer_timeout"]) == (None, None)


def test_the_variable_for_the_api_address_is_the_default_of_a_new_profile(opbx: Opbx) -> None:
    staging = "https://api.staging.cloudonix.io"
    outcome = opbx(*NEW, "--quiet", stdin=KEY, CLOUDONIX_API_BASE_URL=staging)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert shown(opbx)["api_base_url"] == staging
    elsewhere = "https://api.cloudonix.io"
    outcome = opbx("configure", "--no-answer-timeout", "30", CLOUDONIX_API_BASE_URL=elsewhere)
    assert outcome.code == 0
    assert outcome.stderr == (
        "warning: CLOUDONIX_API_BASE_URL is ignored: profile 'default' belongs to "
        f"{staging}, and its key goes nowhere else\n"
    )
    assert shown(opbx)["api_base_url"] == staging


def test_the_first_profile_is_the_default_and_the_second_is_not(opbx: Opbx) -> None:
    assert opbx(*NEW, "-p", "acme", "--json", stdin=KEY).document["is_default"] is True
    second = opbx(*NEW, "--json", stdin=KEY, OPBX_PROFILE="b.example.com")
    assert (second.document["profile"], second.document["is_default"]) == ("b.example.com", False)
    assert opbx("configure", "--no-answer-timeout", "30", "--json").document["profile"] == "acme"


@pytest.mark.parametrize(
    ("argv", "stdin", "missing"),
    [
        (("configure",), "", "the domain UUID is missing"),
        (("configure", "--api-key-stdin"), KEY, "the domain UUID is missing"),
        (("configure", "--domain-uuid", UUID), KEY, "the domain API key is missing"),
    ],
)
def test_without_a_terminal_it_names_every_way_and_never_asks(
    opbx: Opbx, argv: tuple[str, ...], stdin: str, missing: str
) -> None:
    for outcome in (opbx(*argv, stdin=stdin), opbx.process(*argv, stdin=stdin)):
        assert (outcome.code, outcome.stdout) == (2, "")
        error, hint = outcome.stderr.splitlines()
        assert error == f"error: {missing}"
        ways = ["--domain-uuid"] if "UUID" in missing else ["stdin", "-file", "-env"]
        assert all(way in hint for way in ways)
    assert not opbx.home.exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--domain-uuid", "6b1f0c2e"),
        ("--webhook-base-url", "pbx.example.com"),
        ("--webhook-base-url", ""),
        ("--no-answer-timeout", "4"),
        ("--no-answer-timeout", "121"),
        ("--recording-format", "ogg"),
        ("--api-base-url", "http://api.cloudonix.io"),
    ],
)
def test_a_bad_value_is_refused_before_a_key_is_read(saved: Opbx, option: str, value: str) -> None:
    before = generation(saved)
    outcome = saved("configure", option, value, "--api-key-file", "/nonexistent")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith(f"error: {option}: ")
    assert generation(saved) == before


def test_keys_of_unusual_shapes_are_saved_with_a_warning(opbx: Opbx) -> None:
    outcome = opbx(*NEW, "--webhook-key-env", "MINE", "-q", stdin="just-a-key", MINE="sym(bols)!")
    assert outcome.code == 0
    api, webhook = outcome.stderr.splitlines()
    assert api.startswith("warning: the domain API key does not look like one of Cloudonix's")
    assert webhook.startswith("warning: the webhook API key has characters that RFC 6750")
    outcome = opbx("configure", "--webhook-key-stdin", "--json", stdin="more(symbols)")
    assert len(outcome.document["warnings"]) == 1
    assert opbx("configure", "--webhook-key-stdin", stdin=WEBHOOK_KEY).stderr == ""


def test_an_unreadable_store_is_never_replaced(saved: Opbx) -> None:
    (saved.home / "store.toml").write_text("nonsense")
    outcome = saved(*NEW, stdin=KEY)
    assert (outcome.code, outcome.stdout) == (10, "")
    assert (saved.home / "store.toml").read_text() == "nonsense"
