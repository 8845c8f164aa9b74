"""`opbx apply --no-store`: a fleet from its manifest alone, on a computer that keeps nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx, Outcome

StartSandbox = Callable[..., RunningSandbox]
KEYS_OF_OPBX = ("webhook-key-of-alpha-0123456789", "webhook-key-of-bravo-0123456789")


@pytest.fixture
def fleet(start_sandbox: StartSandbox) -> RunningSandbox:
    return start_sandbox(domains=2)


@pytest.fixture
def manifest(opbx: Opbx, fleet: RunningSandbox, tmp_path: Path) -> Path:
    """Two domains, with all keys in variables."""
    path = tmp_path / "fleet.toml"
    path.write_text(manifest_of(fleet))
    opbx.environ |= {"CLOUDONIX_API_BASE_URL": fleet.url, "APP_URL": WEBHOOK_BASE_URL}
    for name, domain, key in zip(("ALPHA", "BRAVO"), fleet.domains, KEYS_OF_OPBX, strict=True):
        opbx.environ |= {f"API_{name}": domain.api_key, f"WEBHOOK_{name}": key}
    return path


def manifest_of(fleet: RunningSandbox, *, webhook_keys: bool = True) -> str:
    tables = []
    for name, domain in zip(("alpha", "bravo"), fleet.domains, strict=False):
        tables += [
            f"[profile.{name}]",
            f'domain_uuid = "{domain.uuid}"',
            f'domain_api_key_env = "API_{name.upper()}"',
            f'webhook_api_key_env = "WEBHOOK_{name.upper()}"' if webhook_keys else "",
        ]
    return "\n".join(tables)


def steps(outcome: Outcome, profile: str) -> dict[str, dict[str, Any]]:
    found = {line["profile"]: line for line in map(json.loads, outcome.stdout.splitlines())}
    return {step["id"]: step for step in found[profile]["steps"]}


def key_in_force(fleet: RunningSandbox) -> Any:
    """The webhook key that the first domain has."""
    profile: Any = fleet.state.domain(fleet.domains[0].uuid)["profile"]
    return profile.get("authorization-api-key")


def leaves_nothing(opbx: Opbx, manifest: Path) -> bool:
    return list(opbx.home.parent.iterdir()) == [manifest]


def test_a_fleet_in_line_ends_with_0_on_a_fresh_home(
    opbx: Opbx, fleet: RunningSandbox, manifest: Path
) -> None:
    differs = opbx("apply", str(manifest), "--no-store", "--check", "--json")
    assert (differs.code, differs.stderr) == (8, "")
    done = opbx("apply", str(manifest), "--no-store", "--json")
    assert (done.code, done.stderr) == (0, "")
    assert list(steps(done, "bravo")) == [
        *("connect", "domain", "voice-application", "domain-profile", "default-application"),
        "save",
    ]
    assert steps(done, "bravo")["save"]["status"] == "skipped"
    fleet.forget_requests()
    again = opbx("apply", str(manifest), "--no-store", "--check")
    assert (again.code, again.stderr) == (0, "")
    assert again.stdout.splitlines()[-1] == "2 profiles: 2 in line."
    assert {request.method for request in fleet.requests} == {"GET"}
    assert leaves_nothing(opbx, manifest)


@pytest.mark.parametrize("home", ["/dev/null/opbx", "/proc/opbx"])
def test_no_home_and_no_key_of_a_store_is_looked_at(opbx: Opbx, manifest: Path, home: str) -> None:
    variables = {"OPBX_HOME": home, "OPBX_STORE_KEY": "x", "OPBX_STORE_KEY_FILE": "y"}
    outcome = opbx("apply", str(manifest), "--no-store", **variables)
    assert outcome.code == 0, outcome.stderr


def test_a_store_beside_it_is_neither_read_nor_changed(opbx: Opbx, manifest: Path) -> None:
    assert opbx("apply", str(manifest)).code == 0
    store = opbx.home / "store.toml"
    store.write_text("no store any more")
    before = {file: file.read_bytes() for file in opbx.home.rglob("*") if file.is_file()}
    assert opbx("apply", str(manifest), "--no-store", "--check").code == 0
    assert {file: file.read_bytes() for file in opbx.home.rglob("*") if file.is_file()} == before


def test_somebodys_webhook_key_needs_a_yes(
    opbx: Opbx, fleet: RunningSandbox, manifest: Path
) -> None:
    """Nothing remembers which key was sent: another one than the manifest's is somebody's."""
    assert opbx("apply", str(manifest), "--no-store").code == 0
    opbx.environ["WEBHOOK_ALPHA"] = "another-key-of-somebody-0123456789"
    checked = opbx("apply", str(manifest), "--no-store", "--check")
    assert checked.code == 8
    assert f"`opbx apply {manifest} --no-store --only alpha` changes that." in checked.stdout
    kept = opbx("apply", str(manifest), "--no-store", "--json")
    assert kept.code == 9
    assert key_in_force(fleet) == KEYS_OF_OPBX[0]
    replaced = opbx("apply", str(manifest), "--no-store", "--replace-webhook-key")
    assert replaced.code == 0
    assert replaced.stderr.endswith(
        'give it the one of profile."alpha".webhook_api_key_env of the manifest\n'
    )
    assert key_in_force(fleet) == opbx.environ["WEBHOOK_ALPHA"]
    assert leaves_nothing(opbx, manifest)


def test_without_a_webhook_key_the_domains_is_left_alone(
    opbx: Opbx, fleet: RunningSandbox, manifest: Path
) -> None:
    assert opbx("apply", str(manifest), "--no-store").code == 0
    manifest.write_text(manifest_of(fleet, webhook_keys=False))
    outcome = opbx("apply", str(manifest), "--no-store", "--check")
    assert (outcome.code, outcome.stderr) == (0, "")


def test_no_key_is_made_where_none_is_given(
    opbx: Opbx, fleet: RunningSandbox, manifest: Path
) -> None:
    manifest.write_text(manifest_of(fleet, webhook_keys=False))
    outcome = opbx("apply", str(manifest), "--no-store")
    assert outcome.code == 0
    assert "OPBX will refuse callbacks that carry none (set webhook_api_key_env" in outcome.stderr
    assert key_in_force(fleet) is None


def test_what_is_somebody_elses_needs_a_yes_and_is_named(
    start_sandbox: StartSandbox, opbx: Opbx, manifest: Path
) -> None:
    sandbox = start_sandbox(domains=2, variants=["fresh=other"])
    opbx.environ["CLOUDONIX_API_BASE_URL"] = sandbox.url
    outcome = opbx("apply", str(manifest), "--no-store", "-o", "markdown")
    assert outcome.code == 9
    for name in ("alpha", "bravo"):  # a yes for one domain must not be one for all
        command = f"opbx apply {manifest} --no-store --only {name} --replace-default"
        assert command in outcome.stdout.replace("\\", "")
    assert "opbx validate" not in outcome.stdout
    assert "--profile" not in outcome.stdout


def test_a_wrong_key_is_that_profiles_failure(opbx: Opbx, manifest: Path) -> None:
    opbx.environ["API_ALPHA"] = "XI" + "0" * 32
    outcome = opbx("apply", str(manifest), "--no-store", "--json")
    assert outcome.code == 9
    connect = steps(outcome, "alpha")["connect"]
    assert connect["error"]["code"] == "auth.rejected"
    assert 'profile."alpha".domain_api_key_env of the manifest' in connect["error"]["hint"]
    assert steps(outcome, "bravo")["connect"]["status"] == "ok"


def test_variables_of_the_storeless_mode_do_not_count(opbx: Opbx, manifest: Path) -> None:
    outcome = opbx("apply", str(manifest), "--no-store", OPBX_NO_ANSWER_TIMEOUT="44")
    assert outcome.code == 0
    assert "OPBX_NO_ANSWER_TIMEOUT is ignored: profile 'alpha' comes from the manifest" in (
        outcome.stderr
    )
