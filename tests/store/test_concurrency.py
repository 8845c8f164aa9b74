"""Commands that run at the same time: none loses what another one saved."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from opbx_cli.errors import ConfigurationError, StoreError
from opbx_cli.store import Store, StoreContents, StorePaths, store_paths

Refusal = Callable[[Callable[[], object]], StoreError]

WRITER = """
import sys
from opbx_cli.settings.table import Settings
from opbx_cli.store import Store, store_paths

home, name = sys.argv[1:]
sys.stdin.readline()
for number in range(25):
    profiles = {f"{name}-{number}": Settings()}
    Store(store_paths(home), lock_timeout=60).update(
        lambda old: old._replace(profiles={**old.profiles, **profiles}), create=True
    )
"""

ROTATOR = """
import sys
from opbx_cli.store import Store, store_paths

sys.stdin.readline()
for _ in range(40):
    Store(store_paths(sys.argv[1]), lock_timeout=60).keys.rotate()
"""

HOLDER = """
import fcntl, sys
with open(sys.argv[1], "r+") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.readline()
"""


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.uncounted
@pytest.mark.parametrize("store_is_there", [True, False])
def test_eight_writers_at_once_lose_nothing_and_readers_see_whole_stores(
    tmp_path: Path, store_is_there: bool
) -> None:
    home = str(tmp_path / "home")
    store = Store(store_paths(home))
    if store_is_there:
        store.update(lambda old: old, create=True)
    names = [f"writer{number}" for number in range(8)]
    writers = [start(WRITER, home, name) for name in names]
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("go\n")
        writer.stdin.flush()
    seen = 0
    while any(writer.poll() is None for writer in writers):
        try:
            now = store.read().generation
        except ConfigurationError:
            now = 0
        assert now >= seen
        seen = now
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    expected = {f"{name}-{number}" for name in names for number in range(25)}
    assert set(store.read().profiles) == expected
    assert store.read().generation == 200 + store_is_there
    assert len(list(store_paths(home).keys.iterdir())) == 1


@pytest.mark.uncounted
def test_readers_without_a_lock_never_miss_a_key_that_is_rotated_away(
    saved: Store, paths: StorePaths, contents: StoreContents
) -> None:
    saved.update(lambda old: old)
    with start(ROTATOR, str(paths.config)) as rotator:
        assert rotator.stdin
        rotator.stdin.write("go\n")
        rotator.stdin.close()
        while rotator.poll() is None:
            reader = Store(paths)
            assert reader.read().profiles == contents.profiles
            assert reader.previous().profiles == contents.profiles
    assert rotator.returncode == 0
    assert saved.read().generation == 42
    assert len(list(paths.keys.iterdir())) == 1


def test_a_lock_that_another_process_holds_is_waited_for_and_then_refused(
    saved: Store, paths: StorePaths, refusal: Refusal, contents: StoreContents
) -> None:
    with start(HOLDER, str(paths.lock)) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        error = refusal(lambda: Store(paths, lock_timeout=0.05).update(lambda old: old))
        assert error.code == "store.locked"
        assert str(paths.lock) in error.message
        assert "waited 0.05 s" in error.message
        assert "nothing was changed" in error.message
        assert saved.read().profiles == contents.profiles
        holder.communicate("end\n")
    assert saved.update(lambda old: old).contents.generation == 2


def test_a_lock_that_is_let_go_in_time_is_taken(saved: Store, paths: StorePaths) -> None:
    script = HOLDER.replace("sys.stdin.readline()", "import time; time.sleep(0.2)")
    with start(script, str(paths.lock)) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        assert Store(paths).update(lambda old: old).contents.generation == 2


def test_a_change_that_raises_lets_the_lock_go(saved: Store) -> None:
    def fail(_: StoreContents) -> StoreContents:
        raise KeyError

    with pytest.raises(KeyError):
        saved.update(fail)
    assert saved.update(lambda old: old).contents.generation == 2


def test_a_file_system_without_locks_is_told(
    saved: Store, paths: StorePaths, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_lock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_lock)
    error = refusal(lambda: saved.update(lambda old: old))
    assert error.code == "store.not_saved"
    assert str(paths.lock) in error.message
    assert error.message.endswith("; nothing was changed")
