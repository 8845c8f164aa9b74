"""What the runners of CI systems do with a job: as much of it as the jobs of docs/ci.md need."""

from __future__ import annotations

import re
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Finished:
    """A job that ran: its exit code, what it printed, and what it leaves for people."""

    code: int
    output: str
    report: str


@dataclass
class Runner(ABC):
    """A CI system with a repository, and what it knows: `groups` has the keys of environments."""

    root: Path
    repository: Path
    environ: Mapping[str, str]
    variables: dict[str, str]
    secrets: dict[str, str]
    groups: Mapping[str, str]
    jobs: int = 0

    @abstractmethod
    def job(self, document: Json, name: str) -> list[Finished]:
        """Run a job of a workflow or a pipeline, once for each group of its matrix."""

    def checkout(self) -> Path:
        """Clone the repository as a runner does, its files readable by others."""
        self.jobs += 1
        place = self.root / f"job-{self.jobs}"
        command = ["git", "clone", "-q", str(self.repository), str(place)]
        subprocess.run(command, check=True, umask=0o022, env={**self.environ})
        return place

    def run(self, options: str, script: str, place: Path, environ: Mapping[str, str]) -> Finished:
        done = subprocess.run(
            ["bash", *options.split(), "-c", script],
            cwd=place,
            env={**self.environ, "CI": "true", **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            umask=0o022,
        )
        return Finished(done.returncode, done.stdout + done.stderr, "")


def groups_of(matrix: Mapping[str, list[str]]) -> list[str]:
    """Return the values of a matrix with one axis; a job without one runs once."""
    return next(iter(matrix.values()), [""])


class GitHub(Runner):
    """Runs each step in a shell of its own (`bash -e`), and expands `${{ … }}`."""

    def job(self, workflow: Json, name: str) -> list[Finished]:
        job = workflow["jobs"][name]
        matrix = job.get("strategy", {}).get("matrix", {})
        return [self._one(job, group) for group in groups_of(matrix)]

    def _one(self, job: Json, group: str) -> Finished:
        known = {
            "vars": self.variables,
            "secrets": {**self.secrets, "FLEET_KEYS": self.groups.get(group, "")},
            "matrix": {"group": group},
        }

        def expand(text: str) -> str:
            return re.sub(r"\$\{\{ (\w+)\.(\w+) \}\}", lambda one: known[one[1]][one[2]], text)

        place = self.checkout()
        summary = place.parent / f"{place.name}-summary.md"
        summary.touch()
        environ = {name: expand(str(value)) for name, value in job.get("env", {}).items()}
        environ |= {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
        code, output = 0, ""
        for step in job["steps"]:
            assert step.get("if", "always()") == "always()"
            if code and "if" not in step:
                continue
            if "uses" in step:
                assert re.fullmatch(r"actions/(checkout|upload-artifact)@v\d+", step["uses"])
                assert (place / step.get("with", {}).get("path", ".")).exists()
                continue
            done = self.run("-e", step["run"], place, environ)
            code, output = code or done.code, output + done.output
        return Finished(code, output, summary.read_text(encoding="utf-8"))


class GitLab(Runner):
    """Runs all lines of a job in one shell; an environment's keys are a file."""

    def job(self, pipeline: Json, name: str) -> list[Finished]:
        job = pipeline[name]
        (matrix,) = job.get("parallel", {}).get("matrix", [{}])
        return [self._one(job, group) for group in groups_of(matrix)]

    def _one(self, job: Json, group: str) -> Finished:
        place = self.checkout()
        subprocess.run(["git", "checkout", "-q", "--detach"], cwd=place, check=True)
        keys = place.parent / f"{place.name}-keys"
        keys.write_text(self.groups.get(group, ""))
        environ = {
            **self.variables,
            **self.secrets,
            **{name: str(value) for name, value in job.get("variables", {}).items()},
            "FLEET_KEYS": str(keys),
            "GROUP": group,
            "GITLAB_CI": "true",
            "CI_COMMIT_BRANCH": "main",
        }
        lines = [*job["before_script"], *job["script"]]
        done = self.run("-eo pipefail", "\n".join(lines), place, environ)
        artifacts = job["artifacts"]
        assert artifacts["when"] == "always"
        reports = artifacts.get("paths") or [artifacts["reports"]["junit"]]
        report = "".join((place / name).read_text(encoding="utf-8") for name in reports)
        return Finished(done.code, done.output, report)


RUNNERS: dict[str, type[Runner]] = {"GitHub Actions": GitHub, "GitLab CI": GitLab}
