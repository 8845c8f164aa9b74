"""Not a test: works on a store again and again, killed at its first, second, third … os call.

Arguments: a folder to work in, and what to do: a key of `ACTIONS`. Prints one JSON list with
what each kill left behind: `old`, `new`, or what went wrong. Forks instead of starting anew,
so that a hundred kills take a second.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from opbx_cli.errors import OpbxError
from opbx_cli.models import Secret
from opbx_cli.settings.table import Settings
from opbx_cli.store import SlotKind, Store, StoreContents, store_paths

CALLS = (
    "chmod close fchmod fstat fsync listdir lstat mkdir open read replace scandir stat unlink"
    " urandom write"
)
OLDER = {"older": Settings(domain_api_key=Secret("the-older-key"))}
OLD = {"old": Settings(domain_api_key=Secret("the-old-key"))}
NEW = {"new": Settings(domain_api_key=Secret("the-new-key"))}


def save(store: Store, profiles: dict[str, Settings]) -> None:
    def change(contents: StoreContents) -> StoreContents:
        return contents._replace(profiles=profiles)

    store.update(change, create=True)


def remove_the_second(store: Store) -> None:
    store.keys.remove(store.keys.status().slots[1].id)


ACTIONS: dict[str, Callable[[Store], object]] = {
    "create": lambda store: save(store, NEW),
    "update": lambda store: save(store, NEW),
    "restore": lambda store: store.restore(),
    "rotate": lambda store: store.keys.rotate(),
    "add": lambda store: store.keys.add(SlotKind.KEYFILE),
    "remove": remove_the_second,
}


def prepare(home: Path, action: str) -> None:
    if action == "create":
        return
    store = Store(store_paths(str(home)))
    save(store, OLDER)
    if action == "remove":
        store.keys.add(SlotKind.KEYFILE)
    save(store, OLD)


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


def left_behind(home: Path, generation: int) -> str:
    """Judge by the generation; the contents must be those of that generation, too."""
    store = Store(store_paths(str(home)))
    try:
        if not store.exists():
            return "old" if not (home / "store.toml.bak").exists() else "no store, but a backup"
        contents = store.read()
        if (home / "store.toml.bak").exists():
            store.previous()
    except OpbxError as error:
        return error.message
    if set(contents.profiles) - {"older", "old", "new"}:
        return f"profiles {list(contents.profiles)}"
    return "old" if contents.generation == generation else "new"


def recover(home: Path, action: str) -> str:
    """Whatever was left is no obstacle: the same again, and then a rotation that tidies up."""
    paths = store_paths(str(home))
    store = Store(paths)
    try:
        if action != "remove" or len(store.keys.status().slots) > 1:
            ACTIONS[action](store)
        save(store, NEW)
        store.keys.rotate()
        store.previous()
        slots = {slot.id for slot in store.keys.status().slots}
    except OpbxError as error:
        return f"then {error.message}"
    found = {path.stem for path in paths.keys.iterdir()}
    # A key of a store that never came to be is noted nowhere: it stays, and opens nothing.
    tidy = found == slots or (action == "create" and found > slots)
    return "" if tidy else f"then keys {found} for the slots {slots}"


def one_kill(home: Path, action: str, count: int) -> tuple[str, bool]:
    store = Store(store_paths(str(home)))
    generation = store.read().generation if store.exists() else 0
    child = os.fork()
    if child == 0:
        kill_at(count)
        ACTIONS[action](store)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    found = left_behind(home, generation)
    return recover(home, action) or found, status == 0


def main() -> None:
    folder, action = Path(sys.argv[1]), sys.argv[2]
    template = folder / "template"
    prepare(template, action)
    found: list[str] = []
    finished = False
    while not finished:
        home = folder / str(len(found))
        if template.exists():
            shutil.copytree(template, home)
        state, finished = one_kill(home, action, len(found) + 1)
        found.append(state)
        shutil.rmtree(home)
    json.dump(found, sys.stdout)


main()
