"""`make release`: each thing that a release refuses, and what it compares."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOOL = Path("tools") / "release.py"
PACKAGE = Path("src") / "opbx_cli" / "__init__.py"
CHANGELOG = """# Changelog

## [Unreleased]

## [0.2.0] - 2026-01-31

### Added

- Something.

## [0.1.0] - 2025-12-01
"""
PROJECT = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "opbx-cli"
dynamic = ["version"]
requires-python = ">=3.11"
[tool.hatch.version]
path = "src/opbx_cli/__init__.py"
[tool.hatch.build.targets.wheel]
packages = ["src/opbx_cli"]
"""
# Of git alone: neither this machine's settings nor the repository around the tests.
GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{
        f"GIT_{who}_{what}": "x@example.com"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    },
}

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="a release needs git")


@dataclass(frozen=True)
class Repository:
    folder: Path

    def git(self, *words: str) -> str:
        return self.run("git", *words, check=True).stdout.strip()

    def write(self, path: Path | str, content: str) -> None:
        (self.folder / path).write_text(content, encoding="utf-8")

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "x")

    def release(self, step: str, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, str(self.folder / TOOL), step, *words)

    def run(self, *words: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        return subprocess.run(
            words,
            cwd=self.folder,
            env={**kept, **GIT},
            check=check,
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A project that may release 0.2.0, with the tool of this one."""
    made = Repository(tmp_path / "project")
    for folder in (PACKAGE.parent, TOOL.parent):
        (made.folder / folder).mkdir(parents=True)
    shutil.copy2(ROOT / TOOL, made.folder / TOOL)
    made.write(PACKAGE, '__version__ = "0.2.0"\n')
    made.write("CHANGELOG.md", CHANGELOG)
    made.write("pyproject.toml", PROJECT)
    made.write(".gitignore", "/dist/\n")
    made.git("init", "--quiet", "--initial-branch", "main")
    made.commit()
    return made


def test_a_clean_main_whose_version_agrees_may_be_released(repository: Repository) -> None:
    checked = repository.release("check", "0.2.0")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.startswith("0.2.0 may be released from ")
    assert repository.git("tag") == ""


def changelog(before: str, after: str) -> Callable[[Repository], None]:
    return lambda repository: repository.write("CHANGELOG.md", CHANGELOG.replace(before, after))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (changelog("[Unreleased]\n", "[Unreleased]\n\n- More.\n"), "lines under Unreleased"),
        (changelog("## [Unreleased]", ""), "does not begin with `## [Unreleased]`"),
        (changelog("0.2.0", "0.3.0"), "newest version in CHANGELOG.md is 0.3.0, not 0.2.0"),
        (changelog(" - 2026-01-31", ""), "wants `## [0.2.0] - YYYY-MM-DD`"),
        (changelog("2026-01-31", "2026-31-01"), "wants `## [0.2.0] - YYYY-MM-DD`"),
        (changelog("2026-01-31", "9999-01-01"), "no day to come"),
        (changelog("### Added\n\n- Something.\n", ""), "says nothing about 0.2.0"),
        (
            lambda it: it.write("CHANGELOG.md", "## [Unreleased]\n"),
            "CHANGELOG.md is none, not 0.2.0",
        ),
        (lambda it: it.write(PACKAGE, '__version__ = "0.1.9"\n'), "is 0.1.9, not 0.2.0"),
        (lambda it: it.write(PACKAGE, ""), "is missing, not 0.2.0"),
    ],
)
def test_what_does_not_agree_is_refused(
    repository: Repository, change: Callable[[Repository], None], reason: str
) -> None:
    change(repository)
    repository.commit()
    checked = repository.release("check", "0.2.0")
    assert (checked.returncode, checked.stdout) == (1, "")
    assert [line for line in checked.stderr.splitlines() if reason in line] != []
    assert checked.stderr.count("error: ") == len(checked.stderr.splitlines()) == 1


@pytest.mark.parametrize("version", ["", "0.2", "v0.2.0", "0.2.0rc1", "0.2.0; true", "../0.2.0"])
def test_what_is_no_version_is_refused(repository: Repository, version: str) -> None:
    checked = repository.release("check", version)
    assert (checked.returncode, checked.stdout) == (1, "")
    assert checked.stderr.startswith("error: the version is missing or is none")


def test_an_uncommitted_file_and_another_branch_are_refused_together(
    repository: Repository,
) -> None:
    repository.git("checkout", "--quiet", "-b", "other")
    repository.write("left-over.txt", "")
    checked = repository.release("check", "0.2.0")
    assert checked.returncode == 1
    assert checked.stderr.splitlines() == [
        "error: the working tree is not clean: commit or remove what `git status` shows",
        "error: this is not main: a release is made from there",
    ]


def test_a_tag_that_was_checked_out_has_to_be_on_main(
    repository: Repository, tmp_path: Path
) -> None:
    repository.git("tag", "v0.2.0")
    repository.git("checkout", "--quiet", "-b", "other")
    repository.write("more.txt", "")
    repository.commit()
    repository.git("tag", "elsewhere")
    clone = Repository(tmp_path / "clone")
    repository.git("clone", "--quiet", str(repository.folder), str(clone.folder))
    clone.git("checkout", "--quiet", "v0.2.0")
    assert clone.release("check", "0.2.0").returncode == 0
    clone.git("checkout", "--quiet", "elsewhere")
    clone.git("tag", "--delete", "v0.2.0")
    checked = clone.release("check", "0.2.0")
    assert checked.stderr == "error: this is not main: a release is made from there\n"


def test_a_version_that_is_tagged_or_older_than_one_is_refused(repository: Repository) -> None:
    repository.git("tag", "v0.2.0")
    repository.git("tag", "v0.10.0")
    repository.write("more.txt", "")
    repository.commit()
    checked = repository.release("check", "0.2.0")
    assert checked.returncode == 1
    taken, older = checked.stderr.splitlines()
    assert taken.startswith("error: v0.2.0 is another commit already: ")
    assert older == "error: 0.2.0 is older than v0.10.0, which is tagged"


def test_a_folder_without_git_is_refused(repository: Repository) -> None:
    shutil.rmtree(repository.folder / ".git")
    checked = repository.release("check", "0.2.0")
    assert checked.stderr == "error: this is no git checkout: a release is made from one\n"


def test_a_tag_is_made_once_and_after_the_same_checks(repository: Repository) -> None:
    for _ in range(2):
        tagged = repository.release("tag", "0.2.0")
        assert tagged.returncode == 0
        assert "git push origin main v0.2.0" in tagged.stdout
    assert repository.git("rev-parse", "v0.2.0^{commit}") == repository.git("rev-parse", "HEAD")
    repository.write("left-over.txt", "")
    assert repository.release("tag", "0.2.0").returncode == 1


def test_what_is_published_is_what_a_fresh_clone_builds(repository: Repository) -> None:
    names = ["opbx_cli-0.2.0-py3-none-any.whl", "opbx_cli-0.2.0.tar.gz"]
    missing = [f"error: dist/{name} is not what a clone builds" for name in names]
    assert repository.release("compare", "0.2.0").stderr.splitlines() == missing

    repository.run(sys.executable, "-m", "hatchling", "build", "-d", "dist", check=True)
    compared = repository.release("compare", "0.2.0")
    assert (compared.returncode, compared.stderr) == (0, "")
    assert [line.split("/")[-1] for line in compared.stdout.splitlines()] == names

    # Git passes over it, and so does the check for a clean tree; the wheel has it.
    repository.write(".git/info/exclude", "left_over.py\n")
    repository.write(PACKAGE.with_name("left_over.py"), "")
    repository.run(sys.executable, "-m", "hatchling", "build", "-d", "dist", check=True)
    assert repository.release("check", "0.2.0").returncode == 0
    compared = repository.release("compare", "0.2.0")
    assert (compared.returncode, compared.stdout) == (1, "")
    assert compared.stderr.splitlines() == missing
    assert "not opbx_cli-0.3.0-py3-none-any.whl" in repository.release("compare", "0.3.0").stderr


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make")
@pytest.mark.parametrize("tag", ["", "1"])
def test_make_checks_tests_tries_and_tags_only_when_asked(tag: str) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    printed = subprocess.run(
        ["make", "--dry-run", "release", "VERSION=1.2.3", f"TAG={tag}"],
        cwd=ROOT,
        env=environ,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    steps = [
        *("release.py check 1.2.3", "bin/mypy", "bin/pytest"),
        *("try_packages.py", "release.py compare 1.2.3"),
    ]
    places = [printed.find(step) for step in steps]
    assert -1 not in places
    assert places == sorted(places)
    assert ("release.py tag 1.2.3" in printed) == bool(tag)
