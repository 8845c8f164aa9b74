"""`opbx profiles export`: a manifest that brings the stored profiles back, and has no key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opbx_cli.operations.manifest import parse
from opbx_cli.sandbox.server import RunningSandbox
from opbx_cli.settings.table import Settings
from opbx_cli.store import Store, StoreContents, store_paths
from support import Opbx

StartSandbox = Callable[..., RunningSandbox]
NAMES = ("alpha", "bravo-1", "bravo.1", "1st")


@pytest.fixture
def four(start_sandbox: StartSandbox) -> RunningSandbox:
    return start_sandbox(domains=4)


@pytest.fixture
def stored(opbx: Opbx, four: RunningSandbox) -> Opbx:
    """Four profiles that `validate` brought in line; the second is the default one."""
    more = {
        "alpha": ("--no-answer-timeout", "45", "--recording-format", "wav"),
        "bravo-1": ("--webhook-base-url", "https://pbx.example.com/a'b%22c"),
    }
    for name, domain in zip(NAMES, four.domains, strict=True):
        saved = opbx(
            *("configure", "--profile", name, "--domain-uuid", domain.uuid, "--api-key-stdin"),
            *(
                "--api-base-url",
                four.url,
                "--webhook-base-url",
                f"https://{domain.uuid}.example.com",
            ),
            *more.get(name, ()),
            stdin=domain.api_key,
        )
        assert saved.code == 0, saved.stderr
    assert opbx("profiles", "use", "bravo-1").code == 0
    assert opbx("validate", "--all").code == 0
    return opbx


def shown(opbx: Opbx) -> dict[str, Any]:
    """Return every profile as it is shown, keys as fingerprints."""
    listed = opbx("profiles", "list", "--json").document["profiles"]
    names = [entry["profile"] for entry in listed]
    return {name: opbx("profiles", "show", name, "--json").document for name in names}


def keys(opbx: Opbx, four: RunningSandbox, document: dict[str, Any]) -> dict[str, str]:
    """Return the variables that the manifest names, with their keys."""
    domains = dict(zip(NAMES, four.domains, strict=True))
    found = {}
    for one in document["variables"]:
        profile = one["profile"]
        if one["setting"] == "domain_api_key":
            found[one["name"]] = domains[profile].api_key
        else:
            revealed = opbx("webhook-key", "reveal", "--yes", "--profile", profile)
            found[one["name"]] = revealed.stdout.strip()
    return found


def test_apply_brings_the_same_profiles_back(
    stored: Opbx, four: RunningSandbox, tmp_path: Path
) -> None:
    exported = stored("profiles", "export", "--json")
    assert (exported.code, exported.stderr) == (0, "")
    document = exported.document
    variables = keys(stored, four, document)
    assert len(variables) == 8
    file = tmp_path / "domains.toml"
    file.write_text(document["manifest"])
    elsewhere = Opbx(tmp_path / "elsewhere", {**stored.environ, **variables})
    elsewhere.environ["OPBX_HOME"] = str(elsewhere.home)
    four.forget_requests()
    applied = elsewhere("apply", str(file), "--json")
    assert applied.code == 0, applied.stderr
    assert [request.call for request in four.requests if request.method != "GET"] == []
    assert shown(elsewhere) == shown(stored)
    assert elsewhere("profiles", "export", "--json").document["manifest"] == document["manifest"]


def test_it_prints_the_manifest_alone_and_no_key(stored: Opbx, four: RunningSandbox) -> None:
    outcome = stored("profiles", "export")
    assert outcome.code == 0
    entries = parse(outcome.stdout.encode(), "m.toml")
    assert [entry.profile for entry in entries] == ["bravo-1", "alpha", "bravo.1", "1st"]
    named = [entry.api_key.variable for entry in entries]
    assert named == [
        "DOMAIN_API_KEY_BRAVO_1",
        "DOMAIN_API_KEY_ALPHA",
        "DOMAIN_API_KEY_BRAVO_1_2",
        "DOMAIN_API_KEY_1ST",
    ]
    assert "Variables for the keys: DOMAIN_API_KEY_BRAVO_1, " in outcome.stderr
    for key in keys(stored, four, stored("profiles", "export", "--json").document).values():
        assert key not in outcome.stdout + outcome.stderr
        assert key[-6:] not in outcome.stdout


def test_it_writes_a_new_file(stored: Opbx, tmp_path: Path) -> None:
    file = tmp_path / "out.toml"
    outcome = stored("profiles", "export", "--to-file", str(file))
    assert (outcome.code, outcome.stdout) == (0, f"{file}\n")
    assert file.read_text() == stored("profiles", "export").stdout
    again = stored("profiles", "export", "--to-file", str(file))
    assert (again.code, again.stdout) == (2, "")
    assert "it stays as it is" in again.stderr


def test_one_profile_alone(stored: Opbx) -> None:
    (entry,) = parse(stored("profiles", "export", "-p", "1st").stdout.encode(), "m.toml")
    assert entry.profile == "1st"
    assert stored("profiles", "export", "-p", "nobody").code == 3


def test_what_a_manifest_cannot_say_is_said(stored: Opbx) -> None:
    def changed(contents: StoreContents) -> StoreContents:
        alpha = contents.profiles["alpha"]
        linked = replace(alpha, instance_url="https://pbx.example.com")
        return contents._replace(
            default_profile="alpha",
            profiles={"alpha": linked, "twin": alpha, "empty": Settings()},
        )

    Store(store_paths(str(stored.home))).update(changed)
    outcome = stored("profiles", "export", "--json")
    assert outcome.code == 0
    warnings = outcome.document["warnings"]
    assert [warning.split("'")[1] for warning in warnings] == ["empty", "alpha", "twin", "alpha"]
    only = stored("profiles", "export", "-p", "empty")
    assert (only.code, only.stdout) == (3, "")


def test_without_a_store_there_is_nothing_to_export(opbx: Opbx) -> None:
    outcome = opbx("profiles", "export")
    assert (outcome.code, outcome.stdout) == (3, "")
