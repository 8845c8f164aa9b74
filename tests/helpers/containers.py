"""A container's conditions on this machine: a user of its own, mounts, a read-only root.

Root makes them: a mount namespace (unshare), mounts in it, and a user without rights (setpriv).
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from support import PROJECT, Opbx, Outcome

USER = 4242  # without an entry in the system's list of users
OPBX = (sys.executable, "-m", "opbx_cli")
# What a shell in an image has, and nothing of this machine's.
PLAIN = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}


def why_not() -> str | None:
    """Say why there are no containers here; None where there are."""
    if sys.platform != "linux":
        return "mount namespaces are Linux's"
    if os.geteuid() != 0:
        return "only root can mount, and be another user"
    if not (shutil.which("unshare") and shutil.which("setpriv")):
        return "unshare and setpriv (util-linux) are not installed"
    done = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return None if done.returncode == 0 else "this root may not make mount namespaces"


@dataclass
class Container:
    """Runs opbx as `user`. Mounts are pairs of what is there, and where it is mounted."""

    ground: Path  # a folder that every user can enter
    environ: dict[str, str] = field(default_factory=dict)
    user: int = USER
    read_only_root: bool = False
    read_only: list[tuple[Path, Path]] = field(default_factory=list)
    writable: list[tuple[Path, Path]] = field(default_factory=list)
    memory: list[tuple[str, Path]] = field(default_factory=list)  # tmpfs: its mode, and where

    def __call__(self, *argv: str, stdin: str = "", **variables: str) -> Outcome:
        return self.run(*OPBX, *argv, stdin=stdin, **variables)

    def each(self, *lines: tuple[str, ...], **variables: str) -> list[Outcome]:
        """Run one command line after the other in one process: starting each takes a while."""
        words = (sys.executable, __file__)
        variables |= {"PYTHONPATH": str(PROJECT / "tests")}  # of what `support` imports
        done = self.run(*words, stdin=json.dumps(lines), **variables)
        assert done.code == 0, done.stderr
        return [Outcome(**one) for one in json.loads(done.stdout)]

    def run(self, *words: str, stdin: str = "", **variables: str) -> Outcome:
        who = f"--reuid={self.user} --regid={self.user} --clear-groups"
        rights = "--inh-caps=-all --bounding-set=-all --no-new-privs"
        script = "\n".join(["set -e", *self._mounts(), f'exec setpriv {who} {rights} -- "$@"'])
        done = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *words],
            input=stdin,
            capture_output=True,
            text=True,
            env={**PLAIN, **self.environ, **variables},
            cwd="/",
            check=False,
            timeout=120,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def _mounts(self) -> Iterator[str]:
        yield from self._opened()
        for source, place in (*self.writable, *self.read_only):
            yield f"mount --bind {_word(source)} {_word(place)}"
        for _source, place in self.read_only:
            yield f"mount -o remount,bind,ro {_word(place)}"
        if self.read_only_root:
            yield "for place in / /tmp /var/tmp /dev/shm; do"
            yield "  if mountpoint -q $place; then mount -o remount,bind,ro $place; fi"
            yield "done"
        for mode, place in self.memory:
            yield f"mount -t tmpfs -o mode={mode} tmpfs {_word(place)}"

    def _opened(self) -> Iterator[str]:
        """Let everybody read Python and this project where only root can enter a folder above."""
        closed: dict[Path, list[Path]] = {}
        for place in dict.fromkeys((Path(sys.base_prefix), Path(sys.prefix), PROJECT)):
            way = [*reversed(place.parents), place]
            shut = next((one for one in way if not one.stat().st_mode & 0o001), None)
            if shut is not None:
                closed.setdefault(shut, []).append(place)
        for shut, places in closed.items():
            staged = self.ground / "staged"
            for number, place in enumerate(places):
                yield f"mkdir -p {staged}/{number}"
                yield f"mount --bind {_word(place)} {staged}/{number}"
            yield f"mount -t tmpfs -o mode=755 tmpfs {_word(shut)}"
            for number, place in enumerate(places):
                yield f"mkdir -p {_word(place)}"
                yield f"mount --move {staged}/{number} {_word(place)}"


def _word(path: Path) -> str:
    return shlex.quote(str(path))


@contextmanager
def grounded() -> Iterator[Path]:
    """Make a folder that every user can enter, as those of pytest are not; it goes again."""
    with tempfile.TemporaryDirectory(prefix="opbx-containers-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def give(path: Path, user: int = USER) -> None:
    """Give a folder and all that is in it to a user."""
    for place in (path, *path.rglob("*")):
        os.chown(place, user, user, follow_symlinks=False)


def run_each() -> None:
    """Be the process that `Container.each` starts."""
    opbx = Opbx(Path("/"), dict(os.environ))
    done = [asdict(opbx(*argv)) for argv in json.loads(sys.stdin.read())]
    sys.stdout.write(json.dumps(done))


if __name__ == "__main__":
    run_each()
