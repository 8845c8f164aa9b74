"""What is published: the same bytes each time, and in them what belongs there and nothing else.

`make packages` installs them with every tool, and shows that opbx works there.
"""

from __future__ import annotations

import configparser
import email
import email.message
import importlib.metadata
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import opbx_cli
from opbx_cli.cli.commands.webhook import DEFAULT_PORT
from opbx_cli.webhooks.endpoints import HEALTH_PATH

ROOT = Path(__file__).parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
NOT_PUBLISHED = (".ci/",)  # for this repository alone
METADATA = f"opbx_cli-{opbx_cli.__version__}.dist-info"
MANUAL = f"opbx_cli-{opbx_cli.__version__}.data/data/share/man/man1"  # where `man` looks


class Built(NamedTuple):
    wheel: Path
    sdist: Path


def build(source: Path, folder: Path, *, umask: int, zone: str) -> Built:
    environ = {name: text for name, text in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)],
        cwd=source,
        env={**environ, "TZ": zone, "PYTHONPATH": ""},
        umask=umask,
        check=True,
        capture_output=True,
    )
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Built(wheel, sdist)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(ROOT, tmp_path_factory.mktemp("built"), umask=0o022, zone="UTC")


@pytest.fixture(scope="module")
def metadata(built: Built) -> email.message.Message:
    with zipfile.ZipFile(built.wheel) as wheel:
        return email.message_from_bytes(wheel.read(f"{METADATA}/METADATA"))


def published(sdist: Path) -> dict[str, bytes]:
    """The files of the source distribution by their paths in it."""
    with tarfile.open(sdist) as archive:
        return {
            entry.name.partition("/")[2]: file.read()
            for entry in archive
            if (file := archive.extractfile(entry)) is not None
        }


def test_the_same_bytes_come_from_a_checkout_and_from_what_was_published(
    built: Built, tmp_path: Path
) -> None:
    source = tmp_path / "other"
    for name, content in published(built.sdist).items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    again = build(source, tmp_path / "again", umask=0o077, zone="Asia/Tokyo")
    assert again.wheel.name == built.wheel.name
    assert again.wheel.read_bytes() == built.wheel.read_bytes()
    assert again.sdist.read_bytes() == built.sdist.read_bytes()


def test_the_wheel_has_the_package_its_manual_and_nothing_else(built: Built) -> None:
    source = ROOT / "src"
    package = {str(path.relative_to(source)) for path in source.glob("opbx_cli/**/*.py")}
    about = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
    manual = {f"{MANUAL}/{page.name}": page.read_bytes() for page in (ROOT / "docs/man").iterdir()}
    with zipfile.ZipFile(built.wheel) as wheel:
        names = package | {f"{METADATA}/{name}" for name in about} | {*manual}
        assert set(wheel.namelist()) == names
        assert {name: wheel.read(name) for name in manual} == manual
        commands = configparser.ConfigParser()
        commands.read_string(wheel.read(f"{METADATA}/entry_points.txt").decode())
    main = "opbx_cli.__main__:main"
    assert dict(commands["console_scripts"]) == {"opbx": main, "opbx-cli": main}


def test_the_source_distribution_has_what_git_has(built: Built) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout: nothing to compare with")
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "-c", f"safe.directory={ROOT}", "ls-files"],
        capture_output=True,
        text=True,
        check=True,
    )
    files = {name for name in listed.stdout.splitlines() if not name.startswith(NOT_PUBLISHED)}
    missing = files - published(built.sdist).keys()
    assert missing == set(), "name them in pyproject.toml, in [tool.hatch.build.targets.sdist]"


def test_the_page_of_an_index_has_no_link_that_leads_nowhere(
    metadata: email.message.Message,
) -> None:
    text = metadata.get_payload()
    assert isinstance(text, str)
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert text.count("](") == text.count("](https://")
    assert "](" in text  # and what leads somewhere is still there
    assert "![" not in text
    assert "<img" not in text


def test_the_metadata_say_what_was_tested_and_promise_no_library(
    metadata: email.message.Message,
) -> None:
    classifiers = metadata.get_all("Classifier") or []
    pythons = [one.rpartition(" ")[2] for one in classifiers if ":: Python :: 3." in one]
    assert pythons == ["3.11", "3.12", "3.13", "3.14"]
    assert "Typing :: Typed" not in classifiers
    assert not list((ROOT / "src").rglob("py.typed"))
    assert "private" in (opbx_cli.__doc__ or "")


def test_the_extras_are_those_that_bring_something_and_an_empty_one(
    metadata: email.message.Message,
) -> None:
    behind = [one for one in metadata.get_all("Requires-Dist") or [] if "extra ==" in one]
    assert behind == ["keyring>=25; extra == 'keyring'"]
    assert metadata.get_all("Provides-Extra") == ["keyring", "sandbox"]


def pinned() -> dict[str, str]:
    """The version of each package in `constraints.txt`."""
    blocks = re.split(r"^(?=[\w.-]+==)", CONSTRAINTS.read_text(), flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in block for block in blocks)
    return {block.partition("==")[0]: re.split(r"==|[ \\]", block)[1] for block in blocks}


def test_the_constraints_have_each_package_with_hashes_and_name_no_host() -> None:
    assert "://" not in CONSTRAINTS.read_text()
    assert not re.search(r"^--", CONSTRAINTS.read_text(), re.MULTILINE)
    waiting, seen = ["opbx-cli"], {"opbx-cli"}
    while waiting:
        for line in importlib.metadata.requires(waiting.pop()) or []:
            needed = Requirement(line)
            name = canonicalize_name(needed.name)
            marker = needed.marker
            if name not in seen and (marker is None or marker.evaluate({"extra": "keyring"})):
                seen.add(name)
                waiting.append(name)
    assert seen - {"opbx-cli"} <= pinned().keys(), "run `make constraints`"


def test_the_constraints_are_within_what_the_package_allows(
    metadata: email.message.Message,
) -> None:
    wanted = [Requirement(line) for line in metadata.get_all("Requires-Dist") or []]
    unfit = [one for one in wanted if not one.specifier.contains(pinned()[one.name])]
    assert unfit == [], "run `make constraints`"


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Containerfile, each with its words."""
    text = (ROOT / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in lines]


def copied() -> set[str]:
    """What the image gets from the checkout."""
    found = [words.split() for name, words in instructions() if name == "COPY"]
    return {path for words in found if not words[0].startswith("--from") for path in words[:-1]}


def test_the_image_runs_as_nobody_in_particular_and_installs_what_has_a_known_hash() -> None:
    found = instructions()
    last = max(number for number, (name, _) in enumerate(found) if name == "FROM")
    users = [words for name, words in found[last:] if name == "USER"]
    assert users == ["10001:10001"]  # a number, which Kubernetes can tell from root
    installing = [words for name, words in found if name == "RUN" and " -m pip " in words]
    assert len(installing) == 2
    assert "--require-hashes" in installing[0]
    assert "--no-deps" in installing[1]
    assert ("ENTRYPOINT", '["opbx"]') in found[last:]


def test_the_image_is_healthy_while_the_listener_answers() -> None:
    (check,) = [words for name, words in instructions() if name == "HEALTHCHECK"]
    assert f"'http://127.0.0.1:{DEFAULT_PORT}{HEALTH_PATH}'" in check


def test_a_builder_is_sent_what_is_copied_and_nothing_else() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == copied()


def test_what_is_copied_into_the_image_makes_the_same_wheel(built: Built, tmp_path: Path) -> None:
    source = tmp_path / "image"
    for name, content in published(built.sdist).items():
        if any(name == path or name.startswith(f"{path}/") for path in copied()):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(content)
    wheel = tmp_path / "wheel"
    again = build(source, wheel, umask=0o022, zone="UTC")
    assert again.wheel.read_bytes() == built.wheel.read_bytes()
