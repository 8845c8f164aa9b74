"""Kill, full disk, broken disk: afterwards the store is the old one or the new one."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import pytest

from opbx_cli.errors import StoreError
from opbx_cli.store import (
    KeySource,
    SlotKind,
    Store,
    StoreContents,
    StorePaths,
    crypto,
    store_paths,
)

Refusal = Callable[[Callable[[], object]], StoreError]
Add = Callable[[StoreContents], StoreContents]
Outcome = TypeVar("Outcome")

CALLS = (
    "chmod close fchmod fstat fsync listdir lstat mkdir open read replace scandir stat unlink write"
)


class FaultyDisk:
    """Lets the system's calls fail, from one of them on, or that one alone."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
        self.monkeypatch = monkeypatch
        self.error = error
        self.calls = 0

    def fail(self, at: int, *, for_good: bool) -> None:
        for name in CALLS.split():
            self.monkeypatch.setattr(os, name, self.failing(name, at, for_good=for_good))

    def failing(self, name: str, at: int, *, for_good: bool) -> Callable[..., Any]:
        original = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            self.calls += 1
            fails = self.calls >= at if for_good else self.calls == at
            if name == "close" and fails:
                original(*arguments)  # as Linux does: the descriptor is gone all the same
            if fails:
                raise OSError(self.error, os.strerror(self.error))
            return original(*arguments, **options)

        return call


class InterruptAt:
    """Ctrl-C right after a call has done its work: at the first, second, third … of them."""

    def __init__(self, original: Callable[..., Any], at: int) -> None:
        self.original = original
        self.at = at
        self.calls = 0

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.calls += 1
        result = self.original(*arguments, **options)
        if self.calls == self.at:
            raise KeyboardInterrupt
        return result


def attempt(call: Callable[[], Outcome]) -> Outcome | StoreError:
    try:
        return call()
    except StoreError as error:
        return error


@pytest.mark.uncounted
@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize(
    "error", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EDQUOT, errno.EINTR]
)
def test_a_save_that_fails_at_any_call_leaves_the_old_store_or_the_new_one(
    saved: Store, paths: StorePaths, add_profile: Add, error: int, for_good: bool
) -> None:
    old = saved.read()
    for at in count(1):
        with pytest.MonkeyPatch.context() as patch:
            disk = FaultyDisk(patch, error)
            disk.fail(at, for_good=for_good)
            outcome = attempt(lambda: saved.update(add_profile))
        found = Store(paths).read()
        is_new = "added" in found.profiles
        assert is_new or found.profiles == old.profiles
        if isinstance(outcome, StoreError):
            assert outcome.exit_code == 10
            assert is_new == ("is saved and in place" in outcome.message)
            if outcome.code == "store.not_saved" and not is_new:
                assert "the previous store is intact" in outcome.message or (
                    "nothing was changed" in outcome.message
                )
        else:
            assert found == outcome.contents
        for temporary in paths.config.glob(".store*"):
            assert for_good  # then even its removal failed
            temporary.unlink()
        Store(paths).update(lambda new: new._replace(profiles=old.profiles))
        if disk.calls < at:
            assert at > 30
            return


ACTIONS: dict[str, Callable[[Store, str], object]] = {
    "restore": lambda store, _: store.restore(),
    "rotate": lambda store, _: store.keys.rotate(),
    "add": lambda store, _: store.keys.add(SlotKind.KEYFILE),
    "remove": lambda store, slot_id: store.keys.remove(slot_id),
}


@pytest.fixture
def template(tmp_path: Path, add_profile: Add, contents: StoreContents) -> Path:
    """A home with a backup and two keys, to be copied for every trial."""
    home = tmp_path / "template"
    store = Store(store_paths(str(home)))
    store.update(lambda _: contents, create=True)
    store.keys.add(SlotKind.KEYFILE)
    store.update(add_profile)
    return home


@pytest.mark.uncounted
@pytest.mark.parametrize(
    ("error", "for_good"),
    [
        (errno.ENOSPC, False),
        (errno.ENOSPC, True),
        (errno.EIO, True),
        (errno.EDQUOT, False),
        (errno.EINTR, False),
    ],
    ids=lambda value: errno.errorcode[value] if value > 1 else "for good" if value else "once",
)
@pytest.mark.parametrize("action", ACTIONS)
def test_a_change_of_keys_that_fails_at_any_call_leaves_a_store_that_opens(
    template: Path, tmp_path: Path, action: str, error: int, for_good: bool
) -> None:
    old = Store(store_paths(str(template))).read()
    second = Store(store_paths(str(template))).keys.status().slots[1].id
    for at in count(1):
        home = tmp_path / str(at)
        shutil.copytree(template, home)
        paths = store_paths(str(home))
        store = Store(paths, lock_timeout=0)
        with pytest.MonkeyPatch.context() as patch:
            disk = FaultyDisk(patch, error)
            disk.fail(at, for_good=for_good)
            outcome = attempt(lambda store=store: ACTIONS[action](store, second))  # type: ignore[misc]
        now = Store(paths).read()
        is_new = now.generation > old.generation
        if isinstance(outcome, StoreError):
            assert outcome.exit_code == 10
            assert is_new == ("in place" in outcome.message)
        else:
            assert is_new
        assert now.profiles == old.profiles or action == "restore"
        Store(paths).previous()
        Store(paths).keys.rotate()
        assert Store(paths).read().profiles == now.profiles
        slots = {slot.id for slot in Store(paths).keys.status().slots}
        assert {path.stem for path in paths.keys.iterdir()} == slots
        shutil.rmtree(home)
        if disk.calls < at:
            assert at > 30
            return


@pytest.mark.parametrize("call", ["write", "fsync", "replace", "unlink"])
@pytest.mark.parametrize("action", ACTIONS)
def test_an_interrupt_of_a_change_of_keys_leaves_a_store_that_opens(
    template: Path, tmp_path: Path, action: str, call: str
) -> None:
    second = Store(store_paths(str(template))).keys.status().slots[1].id
    for at in count(1):
        home = tmp_path / str(at)
        shutil.copytree(template, home)
        interrupt = InterruptAt(getattr(os, call), at)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, call, interrupt)
            with suppress(KeyboardInterrupt):
                ACTIONS[action](Store(store_paths(str(home)), lock_timeout=0), second)
        store = Store(store_paths(str(home)))
        assert store.previous()
        store.keys.rotate()
        slots = {slot.id for slot in store.keys.status().slots}
        assert {path.stem for path in store.keys.status().paths.keys.iterdir()} == slots
        if interrupt.calls < at:
            return


@pytest.mark.parametrize("action", ACTIONS)
def test_short_writes_change_nothing_about_keys(
    template: Path, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    store = Store(store_paths(str(template)))
    before = store.read().generation
    ACTIONS[action](store, store.keys.status().slots[1].id)
    assert store.read().generation == before + 1


@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_first_save_that_fails_at_any_call_leaves_no_store_or_a_whole_one(
    tmp_path: Path, contents: StoreContents, error: int, for_good: bool
) -> None:
    for at in count(1):
        paths = store_paths(str(tmp_path / f"{at}" / "home"))
        store = Store(paths)
        with pytest.MonkeyPatch.context() as patch:
            disk = FaultyDisk(patch, error)
            disk.fail(at, for_good=for_good)
            outcome = attempt(lambda store=store: store.update(lambda _: contents, create=True))  # type: ignore[misc]
        keys = list(paths.keys.glob("*.key"))
        if store.exists():
            assert store.read().profiles == contents.profiles
            assert len(keys) == 1
        else:
            assert isinstance(outcome, StoreError)
            assert not keys or for_good
            assert store.update(lambda _: contents, create=True).created
        if disk.calls < at:
            assert at > 30
            return


@pytest.mark.parametrize("case", ["create", "update", "restore", "rotate", "add", "remove"])
def test_a_kill_at_any_call_leaves_the_old_store_or_the_new_one(tmp_path: Path, case: str) -> None:
    script = Path(__file__).parents[1] / "helpers/kill_at_every_call.py"
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), case],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found = json.loads(done.stdout)
    assert len(found) > 30
    assert set(found) == {"old", "new"}
    assert found == sorted(found, reverse=True)  # old, old, …, new, new: one rename divides them


@pytest.mark.parametrize(
    "failure",
    [
        (errno.ENOSPC, "No space left on device", "look at the disk with `df -h '{}'`"),
        (
            errno.EROFS,
            "Read-only file system",
            "see with `mount` how its disk is mounted, and mount it for writing",
        ),
        (errno.EACCES, "Permission denied", "see whose the folder is with `ls -ld '{}'`"),
    ],
)
def test_the_reason_is_told_and_what_is_intact(
    saved: Store,
    paths: StorePaths,
    refusal: Refusal,
    monkeypatch: pytest.MonkeyPatch,
    failure: tuple[int, str, str],
) -> None:
    error, words, hint = failure

    def full(*_: object) -> int:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "write", full)
    problem = refusal(lambda: saved.update(lambda old: old))
    assert problem.code == "store.not_saved"
    assert problem.message == (
        f"{paths.store} could not be written: {words}; the previous store is intact"
    )
    assert problem.hint == hint.format(paths.config)


def test_a_save_that_the_disk_does_not_confirm_says_so_and_keeps_the_key(
    paths: StorePaths, refusal: Refusal, contents: StoreContents
) -> None:
    store = Store(paths)
    with pytest.MonkeyPatch.context() as patch:
        fsync = os.fsync

        def fail_for_the_stores_folder(descriptor: int) -> None:
            if os.fstat(descriptor).st_ino == paths.config.stat().st_ino and paths.store.exists():
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            fsync(descriptor)

        patch.setattr(os, "fsync", fail_for_the_stores_folder)
        error = refusal(lambda: store.update(lambda _: contents, create=True))
    assert error.code == "store.not_saved"
    assert "is saved and in place" in error.message
    assert store.read().profiles == contents.profiles


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_cannot_sync_folders_is_taken_as_it_is(
    saved: Store, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    fsync = os.fsync

    def only_files(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    assert saved.update(lambda old: old).contents.generation == 2


@pytest.mark.parametrize("create", [True, False])
def test_bytes_reach_the_disk_before_the_rename_and_the_rename_after(
    saved: Store,
    paths: StorePaths,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    create: bool,
) -> None:
    where = store_paths(str(tmp_path / "new")) if create else paths
    for folder in (where.config, where.keys):
        folder.mkdir(mode=0o700, exist_ok=True)
    names = {path.stat().st_ino: path.name for path in (where.config, where.keys)}
    seen: list[str] = []
    fsync, replace_file = os.fsync, os.replace

    def note_sync(descriptor: int) -> None:
        seen.append(f"sync {names.get(os.fstat(descriptor).st_ino, 'file')}")
        fsync(descriptor)

    def note_rename(source: Path, target: Path) -> None:
        seen.append(f"rename to {Path(target).name}")
        replace_file(source, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", note_rename)
    Store(where).update(lambda old: old, create=create)
    first = ["sync file", "sync keys"] if create else ["sync file", "rename to store.toml.bak"]
    last = f"sync {where.config.name}"
    assert seen == [*first, "sync file", "rename to store.toml", last]


def test_a_short_write_is_carried_on(
    paths: StorePaths, contents: StoreContents, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    store = Store(paths)
    store.update(lambda _: contents, create=True)
    assert store.read().profiles == contents.profiles


def test_a_short_read_is_carried_on(saved: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    read = os.read
    monkeypatch.setattr(os, "read", lambda descriptor, size: read(descriptor, min(size, 7)))
    assert saved.read().profiles


@pytest.mark.uncounted
def test_signals_that_interrupt_calls_do_no_harm(saved: Store) -> None:
    def ignore(_: int, __: FrameType | None) -> None:
        return None

    before = signal.signal(signal.SIGALRM, ignore)
    signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
    try:
        for _ in range(30):
            saved.update(lambda old: old)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert saved.read().generation == 31


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
@pytest.mark.parametrize("create", [True, False])
def test_an_interrupt_leaves_nothing_half_done(
    saved: Store,
    paths: StorePaths,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    create: bool,
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    where = store_paths(str(tmp_path / "new")) if create else paths
    monkeypatch.setattr(os, call, interrupt)
    with pytest.raises(KeyboardInterrupt):
        Store(where).update(lambda old: old, create=create)
    assert not list(where.config.glob(".store*"))
    assert Store(where).exists() is not create
    assert len(list(where.keys.glob("*"))) == (0 if create else 1)


def test_an_interrupt_right_after_the_rename_keeps_the_key_of_the_new_store(
    paths: StorePaths, contents: StoreContents
) -> None:
    replace_file = os.replace

    def interrupt(source: str, target: str) -> None:
        replace_file(source, target)
        raise KeyboardInterrupt

    store = Store(paths)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.update(lambda _: contents, create=True)
    assert store.read().profiles == contents.profiles


def test_what_killed_writers_left_is_swept_after_an_hour(saved: Store, paths: StorePaths) -> None:
    old, young = (paths.config / f".store.toml.{digit * 16}.tmp" for digit in "ab")
    foreign = paths.config / ".store.toml.notes.tmp"
    for path in (old, young, foreign):
        path.touch(mode=0o600)
    long_ago = time.time() - 3700
    os.utime(old, (long_ago, long_ago))
    os.utime(foreign, (long_ago, long_ago))
    saved.update(lambda contents: contents)
    assert not old.exists()
    assert young.exists()
    assert foreign.exists()


def test_a_sweep_that_fails_stops_no_save(saved: Store, paths: StorePaths) -> None:
    folder = paths.config / f".store.toml.{'a' * 16}.tmp"
    folder.mkdir()
    os.utime(folder, (0, 0))
    assert saved.update(lambda old: old).contents.generation == 2


def test_a_failed_first_save_with_a_named_key_leaves_nothing(
    paths: StorePaths, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = {"OPBX_STORE_KEY": crypto.raw_key_to_text(bytes(32))}
    store = Store(paths, KeySource.from_environment(key))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    error = refusal(lambda: store.update(lambda old: old, create=True))
    assert error.message.endswith("; nothing was saved")
    assert [path.name for path in paths.config.iterdir()] == ["store.toml.lock"]
