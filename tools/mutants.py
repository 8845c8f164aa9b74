"""Change the code that decides over calls and keys, one place at a time: a test has to fail.

`make mutants` runs mutmut on each group below, in a copy of the tree of its own, and compares what
no test noticed with `tools/mutants.md`, where each of these changes is judged in one line. It ends
with 1 where one of them is not judged. `make mutants GROUPS=retries` runs some groups alone.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
WORK = ROOT / ".mutants"
JUDGED = ROOT / "tools" / "mutants.md"
COPIED = ("src", "tests", "docs", "pyproject.toml", "README.md", "LICENSE")


@dataclass(frozen=True, slots=True)
class Group:
    """Modules, and the tests that have to notice a change of them.

    These run inside mutmut's process: a program that a test starts is the unchanged one.
    """

    modules: tuple[str, ...]
    tests: tuple[str, ...]


GROUPS = {
    "retries": Group(
        ("http/retries.py",), ("test_retry_rule.py", "test_retries.py", "test_limiter.py")
    ),
    "cryptography": Group(
        ("store/crypto.py", "store/sealing.py"),
        (
            "store/test_crypto.py",
            "store/test_check_before_saving.py",
            "store/test_vectors.py",
            "store/test_tampering.py",
            "store/test_key_slots.py",
            "store/test_store.py",
        ),
    ),
    "plan": Group(
        ("operations/validate/plan.py",),
        ("test_plan_decisions.py", "test_plan.py"),
    ),
}


def main(names: list[str]) -> int:
    unknown = set(names) - set(GROUPS)
    if unknown:
        print(f"error: no such group: {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
        return 2
    judged = judgements(JUDGED.read_text(encoding="utf-8"))
    new: list[str] = []
    for name in names or GROUPS:
        survivors = run(name, GROUPS[name])
        new += [line for line in survivors if line not in judged]
        print(f"{name}: {len(survivors)} changes that no test noticed")
    for line in new:
        print(f"not judged in {JUDGED.relative_to(ROOT)}: {line}")
    return 1 if new else 0


def judgements(page: str) -> frozenset[str]:
    """Return the changes that a page judges: `function: old → new` in the first column."""
    return frozenset(re.findall(r"^\| `` (.+?) `` \| .+ \|$", page, re.MULTILINE))


def run(name: str, group: Group) -> list[str]:
    """Return the changes of a group that no test noticed."""
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for entry in COPIED:
        source = ROOT / entry
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, folder / entry)
    (folder / "setup.cfg").write_text(configuration(group), encoding="utf-8")
    subprocess.run([mutmut(), "run", "--max-children", "1"], cwd=folder, check=True)
    listed = mutmut_output("results", folder=folder)
    verdicts = re.findall(r"^    (\S+): (\w[\w ]*)$", listed, re.MULTILINE)
    return [change_of(mutant, folder) for mutant, verdict in verdicts if verdict != "timeout"]


def configuration(group: Group) -> str:
    """Return mutmut's settings. It reads `setup.cfg` where `pyproject.toml` has none."""
    lists = {
        "source_paths": ("src",),
        "only_mutate": tuple(f"src/opbx_cli/{module}" for module in group.modules),
        "also_copy": COPIED[2:],
        "pytest_add_cli_args_test_selection": tuple(f"tests/{test}" for test in group.tests),
    }
    lines = ["[mutmut]"]
    for key, values in lists.items():
        lines += [f"{key} =", *(f"    {value}" for value in values)]
    return "\n".join(lines) + "\n"


def change_of(mutant: str, folder: Path) -> str:
    """Return a mutant as `function: old → new`: its number changes with the code beside it."""
    diff = mutmut_output("show", mutant, folder=folder)
    old = [line[1:].strip() for line in diff.splitlines() if re.match(r"-(?!--)", line)]
    new = [line[1:].strip() for line in diff.splitlines() if re.match(r"\+(?!\+\+)", line)]
    function = re.sub(r"^x_|^xǁ|__mutmut_\d+$", "", mutant.rpartition(".")[2]).replace("ǁ", ".")
    return f"{function}: {' '.join(old)} → {' '.join(new)}"


def mutmut_output(*words: str, folder: Path) -> str:
    return subprocess.run(
        [mutmut(), *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


def mutmut() -> str:
    """Return mutmut beside this Python, where `make mutants` has installed it."""
    return str(Path(sys.executable).with_name("mutmut"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
