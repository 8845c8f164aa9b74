"""`--only NAME`: some of many profiles, by name or glob, and nothing else touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx, Outcome

NAMES = ("shop-north", "shop-south", "office")
KEY = "XI0123456789abcdefghijABCDEFGHIJKL"


@pytest.fixture
def three(start_sandbox: Callable[..., RunningSandbox]) -> RunningSandbox:
    return start_sandbox(domains=3)


@pytest.fixture
def manifest(opbx: Opbx, three: RunningSandbox, tmp_path: Path) -> str:
    tables = [
        f'[profile.{name}]\ndomain_uuid = "{domain.uuid}"\ndomain_api_key_env = "KEY_{number}"\n'
        for number, (name, domain) in enumerate(zip(NAMES, three.domains, strict=True))
    ]
    path = tmp_path / "fleet.toml"
    path.write_text("".join(tables))
    opbx.environ |= {"CLOUDONIX_API_BASE_URL": three.url, "APP_URL": WEBHOOK_BASE_URL}
    opbx.environ |= {f"KEY_{number}": one.api_key for number, one in enumerate(three.domains)}
    return str(path)


@pytest.fixture
def stored(opbx: Opbx, manifest: str) -> Opbx:
    assert opbx("apply", manifest).code == 0
    return opbx


def profiles(outcome: Outcome) -> list[str]:
    assert outcome.stderr == ""
    return [json.loads(line)["profile"] for line in outcome.stdout.splitlines()]


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (["office"], ["office"]),
        (["office", "shop-north"], ["shop-north", "office"]),
        (["shop-*"], ["shop-north", "shop-south"]),
        (["*-north", "shop-n*"], ["shop-north"]),
        (["*"], list(NAMES)),
    ],
)
def test_names_and_globs_choose(
    stored: Opbx, manifest: str, only: list[str], expected: list[str]
) -> None:
    options = [word for pattern in only for word in ("--only", pattern)]
    for argv in (["validate", "--all"], ["apply", manifest], ["apply", manifest, "--no-store"]):
        outcome = stored(*argv, *options, "--json")
        assert outcome.code == 0
        assert profiles(outcome) == expected


def test_nothing_is_done_about_the_others(opbx: Opbx, three: RunningSandbox, manifest: str) -> None:
    del opbx.environ["KEY_0"]
    assert opbx("apply", manifest, "--only", "office").code == 0
    assert {three.domains[2].uuid in request.path for request in three.requests} == {True}
    assert opbx("profiles", "list").stdout.split("\t")[0] == "office"


@pytest.mark.parametrize("pattern", ["offices", "north", "", "shop", "?ffice-*", KEY])
def test_a_name_that_fits_nothing_is_an_error(
    stored: Opbx, three: RunningSandbox, manifest: str, pattern: str
) -> None:
    three.forget_requests()
    for argv in (["validate", "--all"], ["apply", manifest]):
        outcome = stored(*argv, "--only", "office", "--only", pattern)
        assert (outcome.code, outcome.stdout) == (2, "")
        assert outcome.stderr.startswith("error: --only number 2: no profile has that name")
        assert "hint: the profiles are shop-north, shop-south, office" in outcome.stderr
        assert KEY not in outcome.stderr
    assert list(three.requests) == []


def test_what_was_nearly_named_is_proposed(stored: Opbx) -> None:
    outcome = stored("validate", "--all", "--only", "offices")
    assert "--only: no profile has that name; did you mean 'office'?" in outcome.stderr


def test_it_belongs_to_many(stored: Opbx) -> None:
    outcome = stored("validate", "--only", "office")
    assert outcome.code == 2
    assert outcome.stderr == ("error: --only belongs to --all; --profile NAME names one profile\n")


def test_a_profile_named_twice_is_an_error_and_not_the_last_one(stored: Opbx) -> None:
    for argv in (["validate"], ["trunks", "list"], ["profiles", "show"]):
        outcome = stored(*argv, "-p", "office", "--profile", "shop-north")
        assert (outcome.code, outcome.stdout) == (2, "")
        assert outcome.stderr.startswith("error: --profile: given twice")
