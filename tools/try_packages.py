"""Installs what is published as users do, and shows opbx at work there: `make packages`.

Each trial has a home of its own and is removed. The arguments are the interpreters to try, each a
name on the PATH or a path; the packages come from the index that pip is set up for.
"""

from __future__ import annotations

import filecmp
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import build_zipapp

ROOT = Path(__file__).parent.parent
TOOLS = Path(sys.executable).parent  # with pipx, uv and twine
CONSTRAINTS = ROOT / "constraints.txt"
API_KEY = "XI0123456789abcdefghijABCDEFGHIJKL"  # made up
DOMAIN = "6b1f0c2e-0000-4000-8000-000000000001"
PATIENCE = 300  # seconds for one command, most of them for downloads


class Built(NamedTuple):
    wheel: Path
    sdist: Path


class Trial(NamedTuple):
    """One home to install into, for one interpreter."""

    home: Path
    python: str
    built: Built

    @property
    def environ(self) -> dict[str, str]:
        mine = {
            "HOME": str(self.home),
            "PATH": f"{self.home}/bin:{TOOLS}:{os.environ['PATH']}",
            "PIPX_HOME": f"{self.home}/pipx",
            "PIPX_BIN_DIR": f"{self.home}/bin",
            "PIPX_MAN_DIR": f"{self.home}/man",
            "UV_TOOL_DIR": f"{self.home}/uv",
            "UV_TOOL_BIN_DIR": f"{self.home}/bin",
            "UV_PYTHON_DOWNLOADS": "never",
        }
        kept = {n: text for n, text in os.environ.items() if not n.startswith(("OPBX_", "PYTHON"))}
        return {**kept, **mine}

    def run(self, *words: str, code: int = 0, given: str = "") -> str:
        """Run a command; return what it said, or end with it where it ends otherwise."""
        done = subprocess.run(
            words,
            cwd=self.home,
            env=self.environ,
            input=given,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=PATIENCE,
        )
        if done.returncode != code:
            sys.exit(f"{shlex.join(words)} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def venv(self, name: str = "venv", *, pip: bool = True) -> str:
        """Make an environment whose commands are on the PATH; return its interpreter."""
        how = [] if pip else ["--without-pip"]
        self.run(self.python, "-m", "venv", *how, str(self.home / name))
        (self.home / "bin").symlink_to(self.home / name / "bin")
        return str(self.home / name / "bin" / "python")


def with_pip(trial: Trial) -> None:
    trial.run(trial.venv(), "-m", "pip", "install", "-q", str(trial.built.wheel))


def with_pip_and_keyring(trial: Trial) -> None:
    trial.run(trial.venv(), "-m", "pip", "install", "-q", f"{trial.built.wheel}[keyring]")


def with_pip_and_sandbox(trial: Trial) -> None:
    """As older install lines have it."""
    trial.run(trial.venv(), "-m", "pip", "install", "-q", f"{trial.built.wheel}[sandbox]")


def with_pip_from_the_sdist(trial: Trial) -> None:
    trial.run(trial.venv(), "-m", "pip", "install", "-q", str(trial.built.sdist))


def with_constraints(trial: Trial) -> None:
    """As docs/install.md has it for CI: every file has a hash that is known."""
    python = trial.venv()
    pip = (python, "-m", "pip", "install", "-q")
    trial.run(*pip, "--require-hashes", "-r", str(CONSTRAINTS))
    trial.run(*pip, "--no-deps", str(trial.built.wheel))
    trial.run(python, "-m", "pip", "check")


def with_the_lowest_versions(trial: Trial) -> None:
    python = trial.venv(pip=False)
    lowest = ["--resolution", "lowest-direct"]
    trial.run("uv", "pip", "install", "-q", "-p", python, *lowest, f"{trial.built.wheel}[keyring]")


def with_uv_pip(trial: Trial) -> None:
    trial.run("uv", "pip", "install", "-q", "-p", trial.venv(pip=False), str(trial.built.wheel))


def with_uv_tool(trial: Trial) -> None:
    trial.run("uv", "tool", "install", "-q", "-p", trial.python, str(trial.built.wheel))


def with_uvx(trial: Trial) -> None:
    """`uvx opbx-cli`, which leaves nothing behind: from here on it is what `opbx` means."""
    (trial.home / "bin").mkdir()
    for name in ("opbx", "opbx-cli"):
        program = trial.home / "bin" / name
        start = f"uvx -q -p {trial.python} --from {trial.built.wheel} opbx-cli"
        program.write_text(f'#!/bin/sh\nexec {start} "$@"\n')
        program.chmod(0o700)


def with_pipx(trial: Trial) -> None:
    trial.run("pipx", "install", "--quiet", "--python", trial.python, str(trial.built.wheel))


def with_the_zipapp(trial: Trial) -> None:
    """`opbx.pyz`, with a home in which nothing can be made."""
    zipapp = trial.built.wheel.with_name("opbx.pyz")
    (trial.home / "bin").mkdir()
    (trial.home / ".cache").write_text("no folder")
    for name in ("opbx", "opbx-cli"):
        program = trial.home / "bin" / name
        program.write_text(f'#!/bin/sh\nexec {trial.python} {zipapp} "$@"\n')
        program.chmod(0o700)


WAYS = (
    with_pip,
    with_pip_and_keyring,
    with_pip_and_sandbox,
    with_pip_from_the_sdist,
    with_constraints,
    with_the_lowest_versions,
    with_uv_pip,
    with_uv_tool,
    with_uvx,
    with_pipx,
    with_the_zipapp,
)
WITHOUT_KEYRING = (with_pip, with_uv_pip, with_uv_tool, with_pipx)


def show_at_work(trial: Trial) -> None:
    """Run the demo, and save a profile as no demo does: in a home of one's own."""
    trial.run("opbx-cli", "--version")
    if "$ opbx status" not in trial.run("opbx", "demo"):
        sys.exit("the demo did not get to its end")
    configure = ("opbx", "configure", "--domain-uuid", DOMAIN, "--api-key-stdin")
    trial.run(*configure, given=API_KEY)
    trial.run("opbx", "profiles", "show")


def follow_the_hint(trial: Trial) -> None:
    """Ask for what needs an extra, do what the hint says, and see that the extra is there."""
    asked = ("opbx", "key", "add", "--kind", "keyring")
    hint = re.search(r"the extra 'keyring'.*\nhint: `(.+)`", trial.run(*asked, code=10))
    if hint is None:
        sys.exit("no command in the hint")
    print(f"    {hint[1]}")
    trial.run(*shlex.split(hint[1]))
    # Now it is the key ring that is missing: a trial has none.
    if "the extra" in trial.run(*asked, code=10):
        sys.exit("the hint did not bring the extra")


def try_ways(python: str, built: Built) -> None:
    version = subprocess.run([python, "--version"], capture_output=True, text=True, check=True)
    for way in WAYS:
        print(f"{version.stdout.strip()}: {way.__name__.replace('_', ' ')}", flush=True)
        with temporary_folder() as home:
            trial = Trial(home, python, built)
            way(trial)
            show_at_work(trial)
            if way in WITHOUT_KEYRING:
                follow_the_hint(trial)


def build(folder: Path) -> Built:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Built(wheel, sdist)


def build_twice(dist: Path) -> Built:
    """Build into `dist`, and end where a second build has other bytes."""
    shutil.rmtree(dist, ignore_errors=True)
    built = build(dist)
    with temporary_folder() as other:
        again = build(other)
        for one, same in zip(built, again, strict=True):
            if not filecmp.cmp(one, same, shallow=False):
                sys.exit(f"{one.name}: a second build has other bytes")
    subprocess.run([TOOLS / "twine", "check", "--strict", *built], check=True)
    build_zipapp.main(built.wheel, dist / "opbx.pyz")
    return built


def check_source(sdist: Path) -> None:
    """Run `make check` in what was published, with the tools of this checkout."""
    with temporary_folder() as folder, tarfile.open(sdist) as archive:
        # What was just built here holds no path that leads out of the folder.
        archive.extractall(folder)
        (source,) = folder.iterdir()
        make_check(source)


def make_check(source: Path) -> None:
    environment = ROOT / ".venv"
    installed = environment / ".installed"  # not to be made anew: it would be the checkout's
    done = subprocess.run(
        ["make", "-C", source, f"--old-file={installed}", f"VENV={environment}", "check"],
        env={**os.environ, "PYTHONPATH": str(source / "src")},
        check=False,
    )
    if done.returncode:
        sys.exit("what was published does not pass its own `make check`")


@contextmanager
def temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="opbx-packages-") as name:
        yield Path(name)


def main(pythons: list[str]) -> None:
    built = build_twice(ROOT / "dist")
    print(*(path.name for path in built), sep="\n")
    for name in pythons:
        python = shutil.which(name)
        if python is None:
            sys.exit(f"there is no {name} on the PATH")
        try_ways(python, built)
    check_source(built.sdist)


if __name__ == "__main__":
    main(sys.argv[1:])
