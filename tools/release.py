"""Say whether a version may be released, and tag it: `make release VERSION=x.y.z`.

`check` refuses with every reason at once, `compare` proves that what `make packages` has built and
tried is this commit, and `tag` marks it. Nothing here publishes: `.github/workflows/release.yml`
does, once the tag is pushed.
"""

from __future__ import annotations

import datetime
import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

Problems = list[str]


class Refused(Exception):
    """A release may not be made; the message has a line for each reason."""


def main(words: list[str], root: Path) -> int:
    steps = {"check": check, "compare": compare, "tag": tag}
    step, version = [*words, "", ""][:2]
    try:
        if step not in steps or not re.fullmatch(r"\d+\.\d+\.\d+", version):
            raise Refused("the version is missing or is none: `make release VERSION=x.y.z`")
        print(steps[step](root, version))
    except Refused as refusal:
        for line in str(refusal).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 1
    return 0


def check(root: Path, version: str) -> str:
    """Raise Refused unless this commit, as it stands, may become this version."""
    problems = [
        *repository_problems(root, version),
        *package_problems(root, version),
        *changelog_problems((root / "CHANGELOG.md").read_text(encoding="utf-8"), version),
    ]
    if problems:
        raise Refused("\n".join(problems))
    return f"{version} may be released from {git(root, 'rev-parse', '--short', 'HEAD')}"


def repository_problems(root: Path, version: str) -> Problems:
    if not (root / ".git").exists():
        return ["this is no git checkout: a release is made from one"]
    problems = []
    if git(root, "status", "--porcelain"):
        problems.append("the working tree is not clean: commit or remove what `git status` shows")
    if not is_on_main(root):
        problems.append("this is not main: a release is made from there")
    head, tagged = git(root, "rev-parse", "HEAD"), commit_of(root, f"refs/tags/v{version}")
    if tagged and tagged != head:
        problems.append(f"v{version} is another commit already: {tagged[:7]}")
    older = [number(name[1:]) for name in git(root, "tag", "--list", "v*.*.*").split()]
    newest = max((each for each in older if each), default=())
    if newest > number(version):
        problems.append(f"{version} is older than v{'.'.join(map(str, newest))}, which is tagged")
    return problems


def is_on_main(root: Path) -> bool:
    """Tell whether the commit is main's; a tag that CI has checked out is one of origin's main."""
    branch = git(root, "branch", "--show-current")
    if branch or not commit_of(root, "refs/remotes/origin/main"):
        return branch == "main"
    asked = ["git", "merge-base", "--is-ancestor", "HEAD", "origin/main"]
    return subprocess.run(asked, cwd=root, check=False).returncode == 0


def package_problems(root: Path, version: str) -> Problems:
    text = (root / "src" / "opbx_cli" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    said = found[1] if found else "missing"
    if said == version:
        return []
    return [f"`__version__` in src/opbx_cli/__init__.py is {said}, not {version}"]


def changelog_problems(text: str, version: str) -> Problems:
    """Return what is wrong with the two newest parts: what is to come, and this version."""
    parts = re.split(r"^## \[(.+?)\](.*)$", text, flags=re.MULTILINE)[1:]
    sections = list(zip(parts[0::3], parts[1::3], parts[2::3], strict=True))
    problems = []
    if not sections or sections[0][0] != "Unreleased":
        problems.append("CHANGELOG.md does not begin with `## [Unreleased]`")
    elif sections.pop(0)[2].strip():
        problems.append("CHANGELOG.md has lines under Unreleased: move them below the version")
    if not sections or sections[0][0] != version:
        newest = sections[0][0] if sections else "none"
        return [*problems, f"the newest version in CHANGELOG.md is {newest}, not {version}"]
    _name, day, content = sections[0]
    if not content.strip():
        problems.append(f"CHANGELOG.md says nothing about {version}")
    if not is_day(day.removeprefix(" - ")):
        problems.append(f"CHANGELOG.md wants `## [{version}] - YYYY-MM-DD`, and no day to come")
    return problems


def is_day(text: str) -> bool:
    try:
        return datetime.date.fromisoformat(text) <= datetime.datetime.now(datetime.UTC).date()
    except ValueError:
        return False


def compare(root: Path, version: str) -> str:
    """Raise Refused unless `dist/` has what a fresh clone of this commit builds, byte by byte."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        git(root, "clone", "--quiet", "--no-local", str(root), str(clone))
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "--directory", "dist"],
            cwd=clone,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        fresh, made = digests(clone / "dist"), digests(root / "dist")
    expected = {f"opbx_cli-{version}.tar.gz", f"opbx_cli-{version}-py3-none-any.whl"}
    if set(fresh) != expected:
        raise Refused(f"built {', '.join(sorted(fresh))}, not {', '.join(sorted(expected))}")
    different = [name for name in sorted(fresh) if made.get(name) != fresh[name]]
    if different:
        raise Refused("\n".join(f"dist/{name} is not what a clone builds" for name in different))
    return "\n".join(f"{digest}  dist/{name}" for name, digest in sorted(fresh.items()))


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*")}


def tag(root: Path, version: str) -> str:
    check(root, version)
    if not commit_of(root, f"refs/tags/v{version}"):
        git(root, "tag", "--annotate", f"v{version}", "--message", f"opbx {version}")
    return f"tagged; `git push origin main v{version}` publishes it"


def number(version: str) -> tuple[int, ...]:
    """Return a version's numbers, to compare by; empty where it is not three of them."""
    found = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", version)
    return tuple(map(int, found.groups())) if found else ()


def commit_of(root: Path, reference: str) -> str:
    """Return the commit that a reference leads to; empty where there is none."""
    asked = ["git", "rev-parse", "--quiet", "--verify", f"{reference}^{{commit}}"]
    return subprocess.run(
        asked, cwd=root, check=False, capture_output=True, text=True
    ).stdout.strip()


def git(root: Path, *words: str) -> str:
    """Return what git prints; Refused with its own words where it fails."""
    done = subprocess.run(["git", *words], cwd=root, check=False, capture_output=True, text=True)
    if done.returncode:
        raise Refused(f"git {words[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path(__file__).parents[1]))
