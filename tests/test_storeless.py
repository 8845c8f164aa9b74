"""Without a store, as in CI: the environment alone, and what it may and may not do."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opbx_cli.cli.main import run
from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx

UUID = "6b1f0c2e-0000-4000-8000-000000000001"
KEY = "XI0123456789abcdefghijABCDEFGHIJKL"
WEBHOOK_KEY = "webhook-key-of-the-ci-0123456789"
PAIR = {"OPBX_DOMAIN_UUID": UUID, "OPBX_DOMAIN_API_KEY": KEY}
OPTIONAL = {
    "OPBX_WEBHOOK_API_KEY": WEBHOOK_KEY,
    "OPBX_WEBHOOK_BASE_URL": WEBHOOK_BASE_URL,
    "OPBX_NO_ANSWER_TIMEOUT": "45",
    "OPBX_RECORDING_FORMAT": "wav",
}
READING = [
    ("validate", "--check"),
    ("validate",),
    ("trunks", "list"),
    ("trunks", "show", "carrier-main"),
    ("webhook-url",),
    ("profiles", "list"),
    ("profiles", "show"),
    ("profiles", "show", "--origin"),
]
ONLY = pytest.mark.parametrize("argv", [("trunks", "list"), ("webhook-url",), ("profiles", "show")])


@pytest.fixture
def stored(opbx: Opbx) -> Opbx:
    outcome = opbx("configure", "--domain-uuid", UUID, "--api-key-stdin", stdin=KEY)
    assert outcome.code == 0, outcome.stderr
    return opbx


@pytest.mark.parametrize("argv", READING)
def test_every_reading_command_works_and_creates_nothing(
    storeless: Opbx, argv: tuple[str, ...], tmp_path: Path
) -> None:
    outcome = storeless(*argv)
    assert outcome.code == (8 if "--check" in argv else 0), outcome.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("argv", READING)
@pytest.mark.parametrize("home", ["/dev/null/opbx", "/proc/opbx", "file/opbx", "\0"])
def test_a_home_that_cannot_be_is_not_needed(
    storeless: Opbx, argv: tuple[str, ...], home: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    home = str(tmp_path / home) if home.startswith("file") else home
    outcome = storeless(*argv, "--json", OPBX_HOME=home, OPBX_STORE_KEY="", OPBX_STORE_KEY_FILE="")
    assert outcome.code == (8 if "--check" in argv else 0), outcome.stderr


def test_a_process_without_a_home_works_too(storeless: Opbx, tmp_path: Path) -> None:
    """The folders of the user lie below a file, where nothing can be read or made."""
    (tmp_path / "file").write_text("")
    nowhere = str(tmp_path / "file" / "home")
    del storeless.environ["OPBX_HOME"]
    variables = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), nowhere)
    outcome = storeless.process("validate", "--json", **variables)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.document["profile"] is None
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_no_file_of_opbx_is_opened_or_looked_for(storeless: Opbx, tmp_path: Path) -> None:
    """Python reports every file that it opens, creates or lists: none is below the home."""
    seen = tmp_path / "seen"
    program = f"""
import os, sys
seen = os.open({str(seen)!r}, os.O_WRONLY | os.O_CREAT)
sys.addaudithook(lambda event, args: os.write(seen, f"{{event}} {{args!r}}\\n".encode())
    if event in ("open", "os.mkdir", "os.listdir", "os.scandir", "os.rename") else None)
from opbx_cli.cli.main import run
sys.exit(run(["validate"], os.environ))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=storeless.process_environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr.startswith("warning: a new webhook key")
    events = seen.read_text()
    assert "open " in events
    assert str(storeless.home) not in events
    assert "store.toml" not in events


def test_a_store_that_does_not_open_does_not_matter(storeless: Opbx) -> None:
    storeless.home.mkdir(mode=stat.S_IRWXU | stat.S_IWOTH)
    (storeless.home / "store.toml").write_text("nonsense")
    assert storeless("validate").code == 0
    assert [path.name for path in storeless.home.iterdir()] == ["store.toml"]


def test_everything_comes_from_the_environment(opbx: Opbx) -> None:
    given = {**PAIR, **OPTIONAL, "CLOUDONIX_API_BASE_URL": "https://api.staging.cloudonix.io/"}
    outcome = opbx("profiles", "show", "--origin", "--json", **given)
    assert (outcome.code, outcome.stderr) == (0, "")
    document = outcome.document
    assert (document["profile"], document["is_default"]) == (None, False)
    assert document["domain_uuid"] == UUID
    assert document["domain_api_key"]["fingerprint"] == "fp:c4586595"
    assert document["webhook_api_key"]["mask"] == "************6789"
    assert document["webhook_base_url"] == WEBHOOK_BASE_URL
    assert (document["no_answer_timeout"], document["recording_format"]) == (45, "wav")
    assert document["api_base_url"] == "https://api.staging.cloudonix.io"
    assert document["origins"] == {
        "domain_uuid": "OPBX_DOMAIN_UUID",
        "domain_name": None,
        "domain_api_key": "OPBX_DOMAIN_API_KEY",
        "webhook_api_key": "OPBX_WEBHOOK_API_KEY",
        "webhook_base_url": "OPBX_WEBHOOK_BASE_URL",
        "no_answer_timeout": "OPBX_NO_ANSWER_TIMEOUT",
        "recording_format": "OPBX_RECORDING_FORMAT",
        "api_base_url": "CLOUDONIX_API_BASE_URL",
        "voice_application": None,
        "cloudonix_package": None,
    }


def test_the_optional_variables_are_optional_and_empty_ones_are_unset(opbx: Opbx) -> None:
    empty = dict.fromkeys([*OPTIONAL, "CLOUDONIX_API_BASE_URL", "CLOUDONIX_API_TIMEOUT"], "")
    del empty["OPBX_WEBHOOK_API_KEY"]
    for variables in ({}, empty):
        document = opbx("profiles", "show", "--json", "--origin", **PAIR, **variables).document
        assert document["no_answer_timeout"] is None
        assert document["webhook_base_url"] is None
        assert document["webhook_api_key"] is None
        assert document["api_base_url"] == "https://api.cloudonix.io"
        assert document["origins"]["api_base_url"] == "default"


def test_keys_leave_the_environment(opbx: Opbx, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {**opbx.environ, **PAIR, **OPTIONAL}
    assert run(["profiles", "show"], environ) == 0
    assert environ.keys() & {"OPBX_DOMAIN_API_KEY", "OPBX_WEBHOOK_API_KEY"} == set()
    assert KEY not in str(capsys.readouterr())


@ONLY
@pytest.mark.parametrize("given", [*PAIR, None])
@pytest.mark.parametrize("how", ["flag", "variable"])
def test_a_profile_and_the_environment_never_mix(
    stored: Opbx, argv: tuple[str, ...], given: str | None, how: str
) -> None:
    pair = PAIR if given is None else {given: PAIR[given]}
    words = ("-p", "default") if how == "flag" else ()
    variables = {} if how == "flag" else {"OPBX_PROFILE": "default"}
    outcome = stored(*argv, *words, **pair, **variables)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith("error: a profile is named, and OPBX_DOMAIN_UUID or ")
    assert "hint: `unset OPBX_DOMAIN_UUID OPBX_DOMAIN_API_KEY`" in outcome.stderr


def test_a_profile_named_by_argument_does_not_mix_either(stored: Opbx) -> None:
    outcome = stored("profiles", "show", "default", **PAIR)
    assert (outcome.code, outcome.stdout) == (2, "")


@ONLY
@pytest.mark.parametrize("given", PAIR)
def test_half_a_pair_is_a_usage_error(stored: Opbx, argv: tuple[str, ...], given: str) -> None:
    (missing,) = PAIR.keys() - {given}
    for variables in ({given: PAIR[given]}, {given: PAIR[given], "OPBX_PROFILE": ""}):
        outcome = stored(*argv, **variables)
        assert (outcome.code, outcome.stdout) == (2, "")
        assert outcome.stderr.startswith(f"error: {missing} is not set: ")
    if missing == "OPBX_DOMAIN_UUID":
        assert stored(*argv, **PAIR | {missing: ""}).code == 2


@ONLY
@pytest.mark.parametrize("name", ["OPBX_DOMAIN_API_KEY", "OPBX_WEBHOOK_API_KEY"])
@pytest.mark.parametrize("text", ["", "\n"])
def test_an_empty_key_is_an_error_that_names_the_cause(
    stored: Opbx, argv: tuple[str, ...], name: str, text: str
) -> None:
    outcome = stored(*argv, **{**PAIR, name: text})
    assert (outcome.code, outcome.stdout) == (3, "")
    assert outcome.stderr == (
        f"error: {name}: the key is empty (a missing secret in CI expands to nothing)\n"
    )


def test_an_empty_key_alone_does_not_fall_back_to_the_store(stored: Opbx) -> None:
    outcome = stored("trunks", "list", OPBX_DOMAIN_API_KEY="")
    assert (outcome.code, outcome.stdout) == (3, "")
    assert "OPBX_DOMAIN_API_KEY: the key is empty" in outcome.stderr


def test_an_empty_uuid_alone_is_unset(stored: Opbx) -> None:
    outcome = stored("profiles", "show", OPBX_DOMAIN_UUID="")
    assert (outcome.code, outcome.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("OPBX_DOMAIN_UUID", "sK7q-not-a-uuid"),
        ("OPBX_DOMAIN_API_KEY", "sK7q"),
        ("OPBX_DOMAIN_API_KEY", "************sK7q"),
        ("OPBX_WEBHOOK_API_KEY", "sK7q with spaces"),
        ("OPBX_WEBHOOK_BASE_URL", "sK7q.example.com"),
        ("OPBX_NO_ANSWER_TIMEOUT", "sK7q"),
        ("OPBX_NO_ANSWER_TIMEOUT", "4"),
        ("OPBX_RECORDING_FORMAT", "sK7q"),
        ("CLOUDONIX_API_BASE_URL", "http://sK7q.example.com"),
    ],
)
def test_a_bad_value_is_a_configuration_error(opbx: Opbx, name: str, text: str) -> None:
    outcome = opbx("profiles", "show", **{**PAIR, name: text})
    assert (outcome.code, outcome.stdout) == (3, "")
    assert outcome.stderr.startswith(f"error: {name}: ")
    assert "sK7q" not in outcome.stderr


@pytest.mark.parametrize("text", ["0", "301", "soon", "-1", "1e2", "inf"])
def test_a_bad_time_out_is_a_configuration_error(storeless: Opbx, text: str) -> None:
    outcome = storeless("trunks", "list", CLOUDONIX_API_TIMEOUT=text)
    assert (outcome.code, outcome.stdout) == (3, "")
    assert outcome.stderr.startswith("error: CLOUDONIX_API_TIMEOUT: expected ")


def test_odd_keys_are_a_warning_that_quiet_keeps(opbx: Opbx) -> None:
    odd = {"OPBX_DOMAIN_API_KEY": "not-cloudonix", "OPBX_WEBHOOK_API_KEY": "sym(bols)!"}
    outcome = opbx("profiles", "show", "-q", **{**PAIR, **odd})
    assert outcome.code == 0
    assert [line.split(":")[0] for line in outcome.stderr.splitlines()] == ["warning", "warning"]
    document = opbx("profiles", "show", "--json", **{**PAIR, **odd}).document
    assert len(document["warnings"]) == 2


@pytest.mark.parametrize("name", OPTIONAL)
def test_the_optional_variables_beside_a_stored_profile_are_ignored_with_a_warning(
    stored: Opbx, name: str
) -> None:
    before = stored("profiles", "show", "--json").document
    for text in (OPTIONAL[name], "nonsense"):
        outcome = stored("profiles", "show", "--json", **{name: text})
        sentence = f"{name} is ignored: profile 'default' comes from the store"
        assert (outcome.code, outcome.stderr) == (0, "")
        assert outcome.document == {**before, "warnings": [sentence]}
        outcome = stored("profiles", "show", "-q", **{name: text})
        assert outcome.stderr == f"warning: {sentence}\n"


def test_an_empty_webhook_key_beside_a_stored_profile_is_not_passed_over_in_silence(
    stored: Opbx,
) -> None:
    outcome = stored("profiles", "show", OPBX_WEBHOOK_API_KEY="", OPBX_RECORDING_FORMAT="")
    assert outcome.code == 0
    assert outcome.stderr == (
        "warning: OPBX_WEBHOOK_API_KEY is ignored: profile 'default' comes from the store\n"
    )


def test_a_stored_key_is_never_sent_elsewhere(
    configured: Opbx, start_sandbox: Callable[..., RunningSandbox], sandbox: RunningSandbox
) -> None:
    elsewhere = start_sandbox()
    sandbox.forget_requests()
    outcome = configured("trunks", "list", CLOUDONIX_API_BASE_URL=elsewhere.url)
    assert outcome.code == 0
    assert outcome.stderr == (
        "warning: CLOUDONIX_API_BASE_URL is ignored: profile 'default' belongs to "
        f"{sandbox.url}, and its key goes nowhere else\n"
    )
    assert elsewhere.requests == ()
    assert len(sandbox.requests) >= 1
    assert configured("trunks", "list", CLOUDONIX_API_BASE_URL=f"{sandbox.url}/").stderr == ""


def test_without_a_profile_the_default_address_is_cloudonix_itself(opbx: Opbx) -> None:
    """Shown, not tried: a test calls nobody's API."""
    outcome = opbx("profiles", "show", **PAIR)
    assert "api_base_url\thttps://api.cloudonix.io\n" in outcome.stdout


def test_a_list_in_json_names_no_profile(opbx: Opbx) -> None:
    document = opbx("profiles", "list", "--json", **PAIR).document
    assert document["default"] is None
    assert document["profiles"] == [
        {"profile": None, "is_default": False, "domain_uuid": UUID, "domain_name": None}
    ]


@pytest.fixture
def mounted(storeless: Opbx, tmp_path: Path) -> Opbx:
    """Keys in files, as containers mount secrets: readable by everybody."""
    folder = tmp_path / "run" / "secrets"
    folder.mkdir(parents=True)
    for name, key in (
        ("OPBX_DOMAIN_API_KEY", storeless.environ.pop("OPBX_DOMAIN_API_KEY")),
        ("OPBX_WEBHOOK_API_KEY", storeless.environ.pop("OPBX_WEBHOOK_API_KEY")),
    ):
        file = folder / name.lower()
        file.write_text(key + "\n")
        file.chmod(0o444)
        storeless.environ[f"{name}_FILE"] = str(file)
    return storeless


def test_a_variable_may_name_the_file_of_a_key(mounted: Opbx, sandbox: RunningSandbox) -> None:
    outcome = mounted("validate")
    assert outcome.code == 0, outcome.stderr
    profile: Any = sandbox.state.domain(sandbox.domains[0].uuid)["profile"]
    key = Path(mounted.environ["OPBX_WEBHOOK_API_KEY_FILE"]).read_text().strip()
    assert profile["authorization-api-key"] == key
    assert "give it the one of OPBX_WEBHOOK_API_KEY_FILE" in outcome.stderr
    shown = mounted("profiles", "show", "--origin", "--json").document
    assert shown["origins"]["domain_api_key"] == "OPBX_DOMAIN_API_KEY_FILE"
    assert shown["origins"]["domain_uuid"] == "OPBX_DOMAIN_UUID"
    assert not mounted.home.exists()


@pytest.mark.parametrize("name", ["OPBX_DOMAIN_API_KEY", "OPBX_WEBHOOK_API_KEY"])
@pytest.mark.parametrize("value", [KEY, ""])
def test_a_key_and_a_file_of_it_are_one_too_many(mounted: Opbx, name: str, value: str) -> None:
    outcome = mounted("trunks", "list", **{name: value})
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr == (
        f"error: {name} and {name}_FILE are both set\nhint: keep one of them: `unset {name}_FILE`\n"
    )


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "it is empty: the name of a file is expected"),
        ("/no/such/file", "the file cannot be read: No such file or directory"),
        (KEY, "the file cannot be read: No such file or directory"),
        ("/", "the file cannot be read: Is a directory"),
        ("/dev/null", "the key is empty"),
    ],
)
@pytest.mark.parametrize("name", ["OPBX_DOMAIN_API_KEY_FILE", "OPBX_WEBHOOK_API_KEY_FILE"])
def test_a_file_without_a_key_is_named_by_its_variable(
    mounted: Opbx, name: str, path: str, reason: str
) -> None:
    outcome = mounted("trunks", "list", **{name: path})
    assert (outcome.code, outcome.stdout) == (3, "")
    assert outcome.stderr.startswith(f"error: {name}: {reason}")
    assert KEY not in outcome.stderr


def test_a_rejected_key_is_looked_for_in_its_file(mounted: Opbx, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.key"
    wrong.write_text(KEY)
    wrong.chmod(0o600)
    outcome = mounted("trunks", "list", OPBX_DOMAIN_API_KEY_FILE=str(wrong))
    assert outcome.code == 4
    assert "hint: check OPBX_DOMAIN_API_KEY_FILE: it must be a key of this domain" in outcome.stderr


def test_a_file_alone_is_half_a_pair(opbx: Opbx, stored: Opbx) -> None:
    variables = {"OPBX_DOMAIN_API_KEY_FILE": "/run/secrets/api.key"}
    assert opbx("trunks", "list", **variables).code in (2, 3)
    assert opbx("trunks", "list", "-p", "default", **variables).code == 2
    assert stored("validate", "--all", **variables).code == 2


def test_the_file_of_a_webhook_key_beside_a_profile_is_ignored_and_said(stored: Opbx) -> None:
    outcome = stored("profiles", "show", OPBX_WEBHOOK_API_KEY_FILE="/no/such/file")
    assert outcome.code == 0
    assert "OPBX_WEBHOOK_API_KEY_FILE is ignored: profile 'default' comes from the store" in (
        outcome.stderr
    )
