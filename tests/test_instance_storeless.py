"""OPBX from variables alone, as a CI job has it: nothing is saved, and no token is left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opbx_api import EMAIL, PASSWORD, OpbxApi, running_api
from opbx_cli.sandbox.server import RunningSandbox
from servers import Served
from support import WEBHOOK_BASE_URL, Opbx

TOKEN = "9|a-ready-token-0123456789"
WRITE = ("PUT", "/settings/cloudonix")
CREDENTIALS = pytest.mark.parametrize("with_token", [True, False], ids=["token", "password"])


@pytest.fixture
def api(sandbox: RunningSandbox) -> OpbxApi:
    domain = sandbox.domains[0]
    settings = {
        "domain_uuid": domain.uuid,
        "domain_name": domain.name,
        "domain_api_key": domain.api_key,
        "domain_requests_api_key": "the-webhook-key-of-opbx-0123456789ab",
        "webhook_base_url": WEBHOOK_BASE_URL,
        "no_answer_timeout": 45,
        "recording_format": "wav",
    }
    return OpbxApi(cloudonix=sandbox, settings=settings, tokens=[TOKEN])


@pytest.fixture
def served(api: OpbxApi) -> Iterator[Served]:
    with running_api(api) as server:
        yield server


def variables(served: Served, *, with_token: bool) -> dict[str, str]:
    if with_token:
        return {"OPBX_INSTANCE_URL": served.url, "OPBX_INSTANCE_TOKEN": TOKEN}
    return {
        "OPBX_INSTANCE_URL": served.url,
        "OPBX_INSTANCE_EMAIL": EMAIL,
        "OPBX_INSTANCE_PASSWORD": PASSWORD,
    }


@CREDENTIALS
def test_status_validate_and_push_know_opbx_and_create_nothing(
    storeless: Opbx, api: OpbxApi, served: Served, tmp_path: Path, with_token: bool
) -> None:
    environ = variables(served, with_token=with_token)
    status = storeless("status", "--json", **environ)
    assert status.code == 8, status.stderr
    assert status.document["instance"]["url"] == served.url
    assert storeless("validate", **environ).code == 9  # OPBX's copy differs
    checked = storeless("instance", "push", "--check", "--json", **environ)
    assert checked.code == 8, checked.stderr
    assert checked.document["profile"] is None
    pushed = storeless("instance", "push", "--yes", "--json", **environ)
    assert pushed.code == 0, pushed.stderr
    assert api.settings is not None
    assert api.settings["domain_requests_api_key"] == storeless.environ["OPBX_WEBHOOK_API_KEY"]
    assert storeless("validate", "--check", **environ).code == 0
    assert storeless("status", **environ).code == 0
    # What is unset here and set there would be saved, if there were somewhere to.
    assert storeless("instance", "pull", "--check", **environ).code == 8
    assert storeless("instance", "push", **environ).code == 0
    assert api.calls.count(WRITE) == 1
    assert list(tmp_path.iterdir()) == []
    # A token that was made for a run ends with it; a given one is left as it is.
    assert api.tokens == ([TOKEN] if with_token else [])


def test_validate_pushes_without_a_store(
    storeless: Opbx, api: OpbxApi, served: Served, tmp_path: Path
) -> None:
    environ = variables(served, with_token=False)
    pushed = storeless("validate", "--push", "--json", **environ)
    assert pushed.code == 0, pushed.stdout
    assert api.calls.count(WRITE) == 1
    assert storeless("validate", "--check", **environ).code == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"OPBX_INSTANCE_URL": "https://pbx.example.com"}, "give either OPBX_INSTANCE_TOKEN"),
        ({"OPBX_INSTANCE_TOKEN": TOKEN}, "OPBX_INSTANCE_URL is not"),
        ({"OPBX_INSTANCE_PASSWORD": PASSWORD}, "OPBX_INSTANCE_URL is not"),
        (
            {
                "OPBX_INSTANCE_URL": "https://pbx.example.com",
                "OPBX_INSTANCE_TOKEN": TOKEN,
                "OPBX_INSTANCE_PASSWORD": PASSWORD,
            },
            "give either OPBX_INSTANCE_TOKEN",
        ),
        (
            {
                "OPBX_INSTANCE_URL": "https://pbx.example.com",
                "OPBX_INSTANCE_PASSWORD": PASSWORD,
                "OPBX_INSTANCE_EMAIL": "",
            },
            "OPBX_INSTANCE_EMAIL is not",
        ),
    ],
)
def test_half_of_what_belongs_together_is_a_usage_error(
    storeless: Opbx, environ: dict[str, str], words: str
) -> None:
    outcome = storeless("status", "--json", **environ)
    assert outcome.code == 2
    assert words in outcome.error["message"]
    assert PASSWORD not in outcome.stderr
    assert TOKEN not in outcome.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPBX_INSTANCE_URL", "http://pbx.example.com"),
        ("OPBX_INSTANCE_TOKEN", ""),
        ("OPBX_INSTANCE_PASSWORD", ""),
    ],
)
def test_a_bad_or_empty_variable_is_named(storeless: Opbx, name: str, value: str) -> None:
    outcome = storeless("status", "--json", **{name: value})
    assert outcome.code == 3
    assert outcome.error["message"].startswith(f"{name}: ")


@pytest.mark.parametrize("argv", [("pull",), ("disconnect",)])
def test_what_would_be_saved_needs_a_store(
    storeless: Opbx, api: OpbxApi, served: Served, argv: tuple[str, ...]
) -> None:
    outcome = storeless("instance", *argv, "--json", **variables(served, with_token=True))
    assert outcome.code == 2
    assert "profile of the store" in outcome.error["message"]
    assert api.calls == []


def test_a_wrong_password_and_an_expired_token_say_which_variable(
    storeless: Opbx, api: OpbxApi, served: Served
) -> None:
    wrong = variables(served, with_token=False) | {"OPBX_INSTANCE_PASSWORD": "another one"}
    outcome = storeless("instance", "push", "--check", "--json", **wrong)
    assert (outcome.code, outcome.error["code"]) == (4, "instance.rejected")
    status = storeless("status", **wrong)
    assert "OPBX is left out" in status.stderr
    api.tokens.clear()
    outcome = storeless(
        "instance", "push", "--check", "--json", **variables(served, with_token=True)
    )
    assert (outcome.code, outcome.error["code"]) == (4, "instance.signed_out")
    assert outcome.error["hint"] == "give another OPBX_INSTANCE_TOKEN"


def test_beside_a_stored_profile_they_are_ignored_with_a_warning(configured: Opbx) -> None:
    for name in ("OPBX_DOMAIN_UUID", "OPBX_DOMAIN_API_KEY"):
        configured.environ.pop(name, None)
    outcome = configured(
        "profiles", "show", OPBX_INSTANCE_URL="https://pbx.example.com", OPBX_INSTANCE_TOKEN=TOKEN
    )
    assert outcome.code == 0
    assert "OPBX_INSTANCE_URL is ignored" in outcome.stderr
    assert "OPBX_INSTANCE_TOKEN is ignored" in outcome.stderr
    assert TOKEN not in outcome.stdout + outcome.stderr
