"""The examples of docs/containers.md, run in what they ask for: user, mounts, read-only root.

Their mount paths lie below a folder of the test's own; everything else is as printed.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from containers import PLAIN, USER, Container, give, grounded, why_not
from opbx_cli.cli.topics import topic
from opbx_cli.sandbox.server import RunningSandbox
from pages import PROGRAM, ROOT, blocks_of
from support import WEBHOOK_BASE_URL, Opbx

PAGE = ROOT / "docs" / "containers.md"
TEXTS = [block.body for block in blocks_of(PAGE) if block.language == "yaml"]
UUID = "6b1f0c2e-0000-4000-8000-000000000001"
PLACES = ("/run/secrets", "/etc/opbx-key", "/etc/opbx", "/data")
WHY_NOT = why_not()
needs_container = pytest.mark.skipif(WHY_NOT is not None, reason=WHY_NOT or "")


@pytest.fixture
def ground() -> Iterator[Path]:
    with grounded() as folder:
        (folder / "bin").mkdir()
        (folder / "bin" / "opbx").write_text(PROGRAM)
        (folder / "bin" / "opbx").chmod(0o755)
        yield folder


@pytest.fixture
def kept(ground: Path, sandbox: RunningSandbox) -> Path:
    """What the page makes: `fleet/store.toml`, and `store.key`."""
    opbx = Opbx(ground / "fleet", {"OPBX_HOME": str(ground / "fleet")})
    key, domain = ground / "store.key", sandbox.domains[0]
    assert opbx("key", "generate", "--to-file", str(key)).code == 0
    opbx.environ |= {"OPBX_STORE_KEY_FILE": str(key), "CLOUDONIX_API_BASE_URL": sandbox.url}
    words = ["--api-key-stdin", "--webhook-base-url", WEBHOOK_BASE_URL]
    words += ["--no-answer-timeout", "60"]
    saved = opbx("configure", "--domain-uuid", domain.uuid, *words, stdin=domain.api_key)
    assert saved.code == 0, saved.stderr
    assert opbx("validate").code == 0
    return ground


def example(name: str, ground: Path) -> Any:
    """Return the example that begins with a file's name, its mounts below the ground."""
    (text,) = [text for text in TEXTS if text.startswith(f"# {name}\n")]
    for place in PLACES:
        text = text.replace(f" {place}", f" {ground}{place}")
    return yaml.safe_load(text)


def secret_of(ground: Path, name: str, content: Path) -> Path:
    """Lay a secret out as Kubernetes does: root's, 0644, behind two links."""
    folder = ground / f"secret-{name}"
    (folder / "..1").mkdir(parents=True, mode=0o755)
    shutil.copy(content, folder / "..1" / content.name)
    (folder / "..1" / content.name).chmod(0o644)
    (folder / "..data").symlink_to("..1")
    (folder / content.name).symlink_to(f"..data/{content.name}")
    folder.chmod(0o1777)
    return folder


def pod(kept: Path, spec: dict[str, Any], **sources: Path) -> tuple[Container, list[str]]:
    """Return the container of a pod, and its command line."""
    (one,) = spec["containers"]
    assert one["securityContext"]["readOnlyRootFilesystem"] is True
    container = Container(kept, {entry["name"]: entry["value"] for entry in one["env"]})
    container.user = spec.get("securityContext", {}).get("runAsUser", USER)
    container.read_only_root = True
    container.environ["PATH"] = f"{kept / 'bin'}:{PLAIN['PATH']}"
    for mount in one["volumeMounts"]:
        mounts = container.read_only if mount.get("readOnly") else container.writable
        place = Path(mount["mountPath"])
        place.mkdir(parents=True)
        mounts.append((sources[mount["name"]], place))
    return container, one.get("command", ["opbx"]) + one.get("args", [])


@needs_container
def test_the_example_for_compose(ground: Path, sandbox: RunningSandbox) -> None:
    document = example("compose.yaml", ground)
    service, domain = document["services"]["opbx"], sandbox.domains[0]
    files = ground / "host"
    files.mkdir()
    for name, content in (
        ("domain-api-key", domain.api_key),
        ("webhook-api-key", "webhook-key-0123456789abcdefghij"),
    ):
        assert document["secrets"][name]["file"] == f"./{name}.txt"
        (files / name).write_text(content)
        (files / name).chmod(0o400)
    user = int(service["user"].partition(":")[0])
    give(files, user)
    (ground / "run/secrets").mkdir(parents=True)
    environ = {**service["environment"], "OPBX_DOMAIN_UUID": domain.uuid}
    environ["CLOUDONIX_API_BASE_URL"] = sandbox.url
    mounts = [(files, ground / "run/secrets")]
    container = Container(ground, environ, user=user, read_only_root=True, read_only=mounts)
    for argv, code in ((service["command"], 8), (["validate"], 0), (service["command"], 0)):
        done = container(*argv)
        assert done.code == code, done.stderr
        assert "can write this file" not in done.stderr
        assert "belongs to another user" not in done.stderr


@needs_container
def test_the_nightly_job(kept: Path, sandbox: RunningSandbox) -> None:
    job = example("nightly.yaml", kept)["spec"]["jobTemplate"]["spec"]
    store = secret_of(kept, "store", kept / "fleet" / "store.toml")
    key = secret_of(kept, "key", kept / "store.key")
    container, words = pod(kept, job["template"]["spec"], store=store, key=key)
    done = container.run(*words)
    assert done.code == 0, done.stderr
    assert done.stderr.count("warning: ") == 2
    sandbox.state.set_profile_keys({"call-timeout": 11})
    assert container.run(*words).code == 8


@needs_container
def test_the_job_with_a_volume(kept: Path, sandbox: RunningSandbox) -> None:
    spec = example("validate.yaml", kept)["spec"]["template"]["spec"]
    volume = kept / "volume"
    volume.mkdir()
    volume.chmod(0o2777)
    key = secret_of(kept, "key", kept / "store.key")
    container, words = pod(kept, spec, data=volume, key=key)
    domain = sandbox.domains[0]
    configure = (
        f"configure --domain-uuid {domain.uuid} --api-key-env KEY --api-base-url {sandbox.url}"
        f" --webhook-base-url {WEBHOOK_BASE_URL} --no-answer-timeout 60"
    )
    first = [word.replace("validate --all", configure) for word in words]
    assert first != words
    done = container.run(*first, KEY=domain.api_key)
    assert done.code == 0, done.stderr
    done = container.run(*words)
    assert done.code == 0, done.stderr
    store = volume / "home/opbx/store.toml"
    assert (store.stat().st_mode & 0o777, store.stat().st_uid) == (0o600, USER)


def test_the_page_names_variables_that_there_are(tmp_path: Path) -> None:
    known = set(re.findall(r"[A-Z_]+", topic("environment") or "")) | {"HOME"}
    compose = example("compose.yaml", tmp_path)
    named = set(compose["services"]["opbx"]["environment"])
    specs = [
        example("nightly.yaml", tmp_path)["spec"]["jobTemplate"]["spec"],
        example("validate.yaml", tmp_path)["spec"],
    ]
    for spec in specs:
        (one,) = spec["template"]["spec"]["containers"]
        named |= {entry["name"] for entry in one["env"]}
        names = {volume["name"] for volume in spec["template"]["spec"]["volumes"]}
        assert {mount["name"] for mount in one["volumeMounts"]} == names
    (authorities,) = [yaml.safe_load(text) for text in TEXTS if "SSL_CERT_DIR" in text]
    assert named | set(authorities["environment"]) <= known
    assert len(TEXTS) == 4
