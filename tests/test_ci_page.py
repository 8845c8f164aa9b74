"""The jobs of docs/ci.md, run with what a runner gives them, against the sandbox."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ci_runners import RUNNERS, Finished, GitHub, Runner
from opbx_cli.sandbox import OPBX_CREDENTIALS as OWNER
from opbx_cli.sandbox.server import RunningSandbox
from pages import PROGRAM, ROOT, blocks_of
from support import WEBHOOK_BASE_URL, Opbx

PAGE = ROOT / "docs" / "ci.md"
YAML = [block.body for block in blocks_of(PAGE) if block.language == "yaml"]
(MANIFEST,) = (block.body for block in blocks_of(PAGE) if block.language == "toml")
JOBS = ["domain", "fleet", "drift", "store", "rotate"]
# Stands in for both: each job installs opbx with one line.
INSTALLER = '#!/bin/sh\ntest "$*" = "install opbx-cli"\n'
KEY_OF_THE_SHOP = "webhook-key-of-the-shop-0123456789"


def documents(kind: type[Runner]) -> dict[str, Any]:
    """Return the workflows or pipelines of the page, by the name of their one job."""
    found: dict[str, Any] = {}
    for text in YAML:
        document = yaml.safe_load(text)
        is_github = "jobs" in document
        (name,) = document["jobs"] if is_github else document
        file = f".github/workflows/{name}.yml" if is_github else ".gitlab-ci.yml"
        assert text.startswith(f"# {file}\n")
        if is_github == (kind is GitHub):
            found[name] = document
    return found


def key_in_force(sandbox: RunningSandbox) -> str:
    domain: Any = sandbox.state.domain(sandbox.domains[0].uuid)
    return str(domain["profile"]["authorization-api-key"])


def git(place: Path, *words: str) -> None:
    own = ("user.name=Team", "user.email=team@example.com", "init.defaultBranch=main")
    settings = [word for one in own for word in ("-c", one)]
    subprocess.run(["git", *settings, *words], cwd=place, check=True, capture_output=True)


def manifest_of(sandbox: RunningSandbox) -> str:
    """Return the manifest of the page, with the domains and the OPBX that the sandbox has."""
    text = MANIFEST.replace(WEBHOOK_BASE_URL, sandbox.url)
    for number, domain in enumerate(sandbox.domains, 1):
        text = text.replace(f"00000000-0000-4000-8000-{number:012}", domain.uuid)
    return text


@pytest.fixture
def sandbox(start_sandbox: Callable[..., RunningSandbox]) -> RunningSandbox:
    """Two domains; OPBX works on the first one."""
    return start_sandbox(domains=2, opbx=True)


@pytest.fixture
def store_key(opbx: Opbx) -> str:
    return opbx("key", "generate").stdout.strip()


@pytest.fixture
def repository(opbx: Opbx, sandbox: RunningSandbox, store_key: str, tmp_path: Path) -> Path:
    """A repository with the manifest of the page, and a store as it says how to make one."""
    work, bare = tmp_path / "work", tmp_path / "repository.git"
    opbx.environ |= {"OPBX_HOME": str(work / "opbx"), "OPBX_STORE_KEY": store_key}
    domain = sandbox.domains[0]
    argv = ["--domain-uuid", domain.uuid, "--api-key-stdin", "--api-base-url", sandbox.url]
    argv += ["--profile", "acme", "--webhook-base-url", sandbox.url]
    assert opbx("configure", *argv, stdin=domain.api_key).code == 0
    validated = opbx("validate", "--all")
    assert validated.code == 0, validated.stderr
    (work / "domains.toml").write_text(manifest_of(sandbox))
    git(work, "init", "-q")
    git(work, "add", "domains.toml", "opbx/store.toml")
    git(work, "commit", "-qm", "Begin")
    git(tmp_path, "clone", "-q", "--bare", str(work), str(bare))
    return bare


@pytest.fixture(params=RUNNERS)
def runner(
    request: pytest.FixtureRequest,
    opbx: Opbx,
    sandbox: RunningSandbox,
    repository: Path,
    store_key: str,
    tmp_path: Path,
) -> Runner:
    """A CI system of either kind with the names of the page in its settings."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, script in (("opbx", PROGRAM), ("pipx", INSTALLER), ("pip", INSTALLER)):
        (programs / name).write_text(script)
        (programs / name).chmod(0o700)
    machine = opbx.process_environ(
        HOME=str(tmp_path / "nobody"),
        PATH=f"{programs}:{os.environ['PATH']}",
        CLOUDONIX_API_BASE_URL=sandbox.url,
    )
    first, second = sandbox.domains
    groups = {
        "north": f"DOMAIN_API_KEY_NORTH_ACME={first.api_key}\n"
        f"WEBHOOK_API_KEY_NORTH_ACME={key_in_force(sandbox)}\n",
        "south": f"DOMAIN_API_KEY_SOUTH_SHOP={second.api_key}\n\n"
        f"WEBHOOK_API_KEY_SOUTH_SHOP={KEY_OF_THE_SHOP}",
    }
    variables = {
        "OPBX_DOMAIN_UUID": first.uuid,
        "OPBX_WEBHOOK_BASE_URL": sandbox.url,
        "OWNER_EMAIL": OWNER.email,
        "PBX_URL": sandbox.url,
    }
    secrets = {
        "OPBX_DOMAIN_API_KEY": first.api_key,
        "OPBX_WEBHOOK_API_KEY": key_in_force(sandbox),
        "OPBX_STORE_KEY": store_key,
        "OWNER_PASSWORD": OWNER.password,
    }
    environ = {name: value for name, value in machine.items() if not name.startswith("OPBX_")}
    return RUNNERS[request.param](tmp_path, repository, environ, variables, secrets, groups)


def run(runner: Runner, name: str) -> list[Finished]:
    if name in ("store", "rotate"):
        # As the page says: in every job they would take the place of the store.
        runner.variables.pop("OPBX_DOMAIN_UUID")
        runner.secrets.pop("OPBX_DOMAIN_API_KEY")
    finished = runner.job(documents(type(runner))[name], name)
    for job in finished:
        for secret in runner.secrets.values():
            assert secret not in job.output + job.report
    return finished


@pytest.mark.parametrize("kind", RUNNERS.values(), ids=RUNNERS)
def test_each_system_has_every_job(kind: type[Runner]) -> None:
    assert list(documents(kind)) == JOBS


def test_the_page_explains_every_name_of_the_settings() -> None:
    """What a job takes from the settings of a CI system is named outside the YAML too."""
    prose = re.sub(r"```.*?```", "", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    names = set(re.findall(r"\$\{\{ (?:vars|secrets)\.(\w+)", "".join(YAML)))
    assert [name for name in sorted(names) if f"`{name}`" not in prose] == []


def test_one_domain_without_a_store(runner: Runner, sandbox: RunningSandbox) -> None:
    sandbox.state.set_profile_keys({"call-timeout": 20})
    (job,) = run(runner, "domain")
    assert job.code == 0, job.output
    assert "cdr-wrong-token" in job.report
    assert not (runner.root / "nobody").exists()


def test_a_fleet_and_its_drift(runner: Runner, sandbox: RunningSandbox) -> None:
    north, south = run(runner, "drift")
    assert (north.code, south.code) == (0, 8), north.output + south.output
    assert "Webhook key" in south.report
    assert [job.code for job in run(runner, "fleet")] == [0, 0]
    assert [job.code for job in run(runner, "drift")] == [0, 0]
    assert not (runner.root / "nobody").exists()


def test_without_its_keys_a_fleet_names_the_variables_and_prints_none(runner: Runner) -> None:
    runner.secrets["SOMETHING_ELSE"] = "a-secret-of-another-job"
    runner.groups = {}
    for job in run(runner, "fleet"):
        assert job.code == 3
        assert "WEBHOOK_API_KEY_" in job.output
        assert "declare -x" not in job.output


def test_a_store_in_the_repository(runner: Runner, sandbox: RunningSandbox) -> None:
    sandbox.state.set_profile_keys({"call-timeout": 20})
    (job,) = run(runner, "store")
    assert job.code == 0, job.output
    assert "acme" in job.report


def test_a_rotation_is_in_the_repository_afterwards(
    runner: Runner, opbx: Opbx, sandbox: RunningSandbox
) -> None:
    before = key_in_force(sandbox)
    (job,) = run(runner, "rotate")
    assert job.code == 0, job.output
    after = key_in_force(sandbox)
    assert after != before
    store = runner.checkout() / "opbx"
    (store / "store.toml").chmod(0o600)
    opbx.environ["OPBX_HOME"] = str(store)
    assert opbx("webhook-key", "reveal", "--yes").stdout.strip() == after


def test_a_rotation_that_fails_is_saved_and_told(runner: Runner, sandbox: RunningSandbox) -> None:
    sandbox.set_faults("opbx-write-settings=500*9")
    (job,) = run(runner, "rotate")
    assert job.code != 0
    assert "Save the new webhook key" in job.output
