"""Not a test: saves a store again and again, killed at its first, second, third … os call.

Arguments: a folder to work in, and `create` or `update`. Prints one JSON list with what
each kill left behind: `old`, `new`, or what went wrong. Forks instead of starting anew,
so that a hundred kills take a second.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path

from opbx_cli.errors import OpbxError
from opbx_cli.models import Secret, Settings
from opbx_cli.store import Store, StoreContents, store_paths

CALLS = (
    "chmod close fchmod fstat fsync listdir lstat mkdir open read replace stat unlink urandom write"
)
OLD = {"old": Settings(domain_api_key=Secret("the-old-key"))}
NEW = {"new": Settings(domain_api_key=Secret("the-new-key"))}


def save(home: Path, profiles: dict[str, Settings]) -> None:
    def change(contents: StoreContents) -> StoreContents:
        return replace(contents, profiles=profiles)

    Store(store_paths(str(home))).update(change, create=True)


def kill_at(count: int) -> None:
    """Count the calls that reach the system, and die just before one of them."""
    left = count

    def counted(name: str) -> None:
        original = getattr(os, name)

        def call(*arguments: object, **options: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **options)

        setattr(os, name, call)

    for name in CALLS.split():
        counted(name)


def left_behind(home: Path) -> str:
    store = Store(store_paths(str(home)))
    try:
        if not store.exists():
            return "old" if not (home / "store.toml.bak").exists() else "no store, but a backup"
        profiles = store.read().profiles
    except OpbxError as error:
        return error.message
    return {"old": "old", "new": "new"}["".join(profiles)]


def one_kill(home: Path, count: int) -> tuple[str, bool]:
    child = os.fork()
    if child == 0:
        kill_at(count)
        save(home, NEW)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    found = left_behind(home)
    save(home, NEW)  # whatever was left is no obstacle
    recovered = left_behind(home)
    return (found if recovered == "new" else f"then {recovered}"), status == 0


def main() -> None:
    folder, case = Path(sys.argv[1]), sys.argv[2]
    found: list[str] = []
    finished = False
    while not finished:
        home = folder / str(len(found))
        if case == "update":
            save(home, OLD)
        state, finished = one_kill(home, len(found) + 1)
        found.append(state)
        shutil.rmtree(home)
    json.dump(found, sys.stdout)


main()
