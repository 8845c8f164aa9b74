"""Files that somebody else could read or write are refused, with the command that helps."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from opbx_cli.errors import StoreError
from opbx_cli.store import KeySource, SlotKind, Store, StoreContents, StorePaths, store_paths

Refusal = Callable[[Callable[[], object]], StoreError]
RunHint = Callable[[StoreError], None]

STRANGER = 12345
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def kept(paths: StorePaths, which: str) -> Path:
    """One of the places that are checked, by its word in the tests below."""
    if which == "key file":
        return next(paths.keys.iterdir())
    return {"store": paths.store, "folder": paths.config, "keys": paths.keys, "lock": paths.lock}[
        which
    ]


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o277, 0o777])
def test_all_is_private_whatever_the_umask(home_of_nobody: Path, mask: int) -> None:
    paths = store_paths(str(home_of_nobody / "new" / "home"))
    store = Store(paths)
    with umask(mask):
        store.update(lambda old: old, create=True)
        store.update(lambda old: old)
        assert store.read().generation == 2
    (key_file,) = paths.keys.iterdir()
    for path in (paths.store, paths.backup, paths.lock, key_file):
        assert mode(path) == 0o600, path
    for path in (paths.config.parent, paths.config, paths.keys):
        assert mode(path) == 0o700, path


def test_files_are_private_from_their_first_byte(
    paths: StorePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, seen = os.write, []

    def look(descriptor: int, data: bytes) -> int:
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", look)
    with umask(0):
        Store(paths).update(lambda old: old, create=True)
        Store(paths).update(lambda old: old)
    assert seen == [0o600] * 4  # key file, store, backup, store


@pytest.mark.parametrize("which", ["store", "key file"])
@pytest.mark.parametrize("wrong", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o666, 0o777])
def test_a_file_open_to_others_is_refused_until_the_hint_is_followed(
    saved: Store,
    paths: StorePaths,
    refusal: Refusal,
    run_hint: RunHint,
    which: str,
    wrong: int,
) -> None:
    path = kept(paths, which)
    path.chmod(wrong)
    error = refusal(saved.read)
    assert refusal(lambda: saved.update(lambda old: old)).message == error.message
    assert error.code == "store.too_open"
    assert error.message == f"{path} is open to other users (mode {wrong:04o})"
    assert error.hint == f"close it with `chmod 600 '{path}'`"
    assert mode(path) == wrong
    run_hint(error)
    assert saved.read().profiles


@pytest.mark.parametrize("which", ["folder", "keys"])
@pytest.mark.parametrize("wrong", [0o720, 0o702, 0o770, 0o777])
def test_a_folder_others_can_write_is_refused_until_the_hint_is_followed(
    saved: Store,
    paths: StorePaths,
    refusal: Refusal,
    run_hint: RunHint,
    which: str,
    wrong: int,
) -> None:
    path = kept(paths, which)
    path.chmod(wrong)
    error = refusal(saved.read)
    assert error.code == "store.too_open"
    assert error.hint == f"close it with `chmod go-w '{path}'`"
    paths.lock.unlink()
    assert refusal(lambda: saved.update(lambda old: old)).message == error.message
    assert paths.lock.exists() == (which == "keys")
    run_hint(error)
    assert saved.read().profiles


@pytest.mark.parametrize("right", [0o700, 0o750, 0o755, 0o711, 0o500])
def test_a_folder_others_can_only_look_into_is_taken(
    saved: Store, paths: StorePaths, right: int
) -> None:
    paths.config.chmod(right)
    paths.keys.chmod(right)
    assert saved.read().profiles


def test_an_open_lock_file_is_refused_until_the_hint_is_followed(
    saved: Store, paths: StorePaths, refusal: Refusal, run_hint: RunHint
) -> None:
    paths.lock.chmod(0o666)
    error = refusal(lambda: saved.update(lambda old: old))
    assert error.code == "store.too_open"
    run_hint(error)
    saved.update(lambda old: old)


@pytest.mark.parametrize("home", ["fit", "shared"])
def test_a_folder_that_all_users_share_is_never_to_be_closed(
    tmp_path: Path, refusal: Refusal, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    monkeypatch.setenv("HOME", str(tmp_path if home == "fit" else shared))
    store = Store(store_paths(str(shared)))
    error = refusal(lambda: store.update(lambda old: old, create=True))
    assert error.code == "store.too_open"
    hint = error.hint or ""
    assert "use a folder of your own" in hint
    assert str(shared) not in hint
    assert home == "shared" or f"`export OPBX_HOME='{tmp_path}/.opbx'`" in hint
    assert not list(shared.iterdir())


def test_hints_survive_a_quote_in_the_path(
    tmp_path: Path, refusal: Refusal, run_hint: RunHint
) -> None:
    paths = store_paths(str(tmp_path / 'it\'s $HOME; "so"'))
    store = Store(paths)
    store.update(lambda old: old, create=True)
    paths.store.chmod(0o644)
    run_hint(refusal(store.read))
    assert store.read().generation == 1


@pytest.mark.parametrize("which", ["store", "key file"])
@pytest.mark.parametrize("link", [os.symlink, os.link], ids=["symbolic", "hard"])
def test_a_linked_file_is_refused_until_the_hint_is_followed(
    saved: Store,
    paths: StorePaths,
    refusal: Refusal,
    run_hint: RunHint,
    which: str,
    link: Callable[[Path, Path], None],
) -> None:
    path = kept(paths, which)
    elsewhere = paths.config / "elsewhere"
    path.rename(elsewhere)
    link(elsewhere, path)
    error = refusal(saved.read)
    assert error.code == "store.unreadable"
    assert "link" in error.message
    run_hint(error)
    assert saved.read().profiles
    assert elsewhere.exists()


def test_a_link_to_a_store_is_never_written_through(
    saved: Store, paths: StorePaths, tmp_path: Path, refusal: Refusal
) -> None:
    target = tmp_path / "dotfiles.toml"
    paths.store.rename(target)
    paths.store.symlink_to(target)
    before = target.read_bytes()
    for create in (False, True):
        error = refusal(lambda create=create: saved.update(lambda old: old, create=create))  # type: ignore[misc]
        assert error.code == "store.unreadable"
    assert target.read_bytes() == before
    assert paths.store.is_symlink()


def test_a_dangling_link_is_not_an_absent_store(
    saved: Store, paths: StorePaths, refusal: Refusal, run_hint: RunHint
) -> None:
    paths.store.unlink()
    paths.store.symlink_to("nowhere")
    for call in (
        saved.exists,
        saved.read,
        lambda: saved.update(lambda old: old, create=True),
    ):
        error = refusal(call)
        assert error.code == "store.unreadable"
        run_hint(error)


def test_a_linked_lock_file_is_refused(
    saved: Store, paths: StorePaths, tmp_path: Path, refusal: Refusal
) -> None:
    paths.lock.unlink()
    paths.lock.symlink_to(tmp_path / "victim")
    assert refusal(lambda: saved.update(lambda old: old)).code == "store.unreadable"
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize("which", ["store", "key file", "lock"])
def test_a_fifo_is_refused_and_never_waited_for(
    saved: Store, paths: StorePaths, refusal: Refusal, which: str
) -> None:
    path = kept(paths, which)
    path.unlink()
    os.mkfifo(path, 0o600)
    error = refusal(lambda: saved.update(lambda old: old, create=True))
    assert error.code == "store.unreadable"
    assert error.message == f"{path} is not a regular file, which is refused"


def test_a_folder_in_the_stores_place_is_refused(paths: StorePaths, refusal: Refusal) -> None:
    paths.store.mkdir(parents=True)
    error = refusal(Store(paths).read)
    assert error.code == "store.unreadable"


@pytest.mark.parametrize("create", [False, True])
def test_a_file_in_the_folders_place_is_refused(
    paths: StorePaths, refusal: Refusal, create: bool
) -> None:
    paths.config.touch()
    store = Store(paths)
    for call in (store.exists, lambda: store.update(lambda old: old, create=create)):
        error = refusal(call)
        assert error.code == "store.unreadable"
        assert "Not a directory" in error.message


@only_root
@pytest.mark.parametrize("which", ["store", "folder", "key file", "keys", "lock"])
def test_root_leaves_somebody_elses_store_alone(
    saved: Store, paths: StorePaths, refusal: Refusal, which: str
) -> None:
    path = kept(paths, which)
    os.chown(path, STRANGER, STRANGER)
    before = sorted(paths.config.rglob("*"))
    error = refusal(lambda: saved.update(lambda old: old, create=True))
    assert error.code == "store.not_owner"
    assert f"{path} belongs to another user (uid {STRANGER})" in error.message
    assert "without `sudo`" in (error.hint or "")
    assert sorted(paths.config.rglob("*")) == before
    if which != "lock":
        assert refusal(saved.read).code == "store.not_owner"


@only_root
def test_root_starts_no_store_in_somebody_elses_home(
    tmp_path: Path, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chown(tmp_path, STRANGER, STRANGER)
    store = Store(store_paths(str(tmp_path / "a" / "b")))
    monkeypatch.setenv("SUDO_UID", str(STRANGER))
    error = refusal(lambda: store.update(lambda old: old, create=True))
    assert error.code == "store.not_owner"
    assert not list(tmp_path.iterdir())
    monkeypatch.delenv("SUDO_UID")  # as with `docker exec -u root`
    assert refusal(lambda: store.update(lambda old: old, create=True)).message == error.message
    assert "`export OPBX_HOME='" in (error.hint or ""), "a place of root's own"
    assert not list(tmp_path.iterdir())


@only_root
def test_a_store_that_sudo_left_behind_can_be_taken_over(
    home_of_nobody: Path, refusal: Refusal
) -> None:
    paths = store_paths(str(home_of_nobody / "home"))
    store = Store(paths)
    store.update(lambda old: old, create=True)
    nobody = os.geteuid()
    os.seteuid(0)
    os.chown(paths.config, 0, 0)
    paths.config.chmod(0o755)
    os.seteuid(nobody)
    error = refusal(store.read)
    assert error.code == "store.not_owner"
    assert error.hint == f"make it yours with `sudo chown {nobody} '{paths.config}'`"


@pytest.mark.parametrize(
    ("which", "wrong", "command"),
    [
        ("store", 0o000, "chmod 600"),
        ("store", 0o200, "chmod 600"),
        ("key file", 0o000, "chmod 600"),
        ("folder", 0o000, "chmod 700"),
        ("folder", 0o600, "chmod 700"),
        ("keys", 0o000, "chmod 700"),
    ],
)
def test_what_we_may_not_read_ourselves_is_no_absent_store(
    home_of_nobody: Path,
    refusal: Refusal,
    run_hint: RunHint,
    which: str,
    wrong: int,
    command: str,
) -> None:
    paths = store_paths(str(home_of_nobody / "home"))
    store = Store(paths)
    store.update(lambda old: old, create=True)
    path = kept(paths, which)
    path.chmod(wrong)
    error = refusal(store.read)
    assert error.code == "store.unreadable"
    assert f"`{command} '{path}'`" in (error.hint or "")
    if which == "folder":
        assert refusal(store.exists).code == "store.unreadable"
    run_hint(error)
    assert store.read().generation == 1


def test_a_read_only_folder_is_enough_to_read(home_of_nobody: Path) -> None:
    paths = store_paths(str(home_of_nobody / "home"))
    Store(paths).update(lambda old: old, create=True)
    paths.lock.unlink()
    paths.store.chmod(0o400)
    paths.keys.chmod(0o500)
    paths.config.chmod(0o500)
    assert Store(paths).exists()
    assert Store(paths).read().generation == 1
    assert not paths.lock.exists()


@pytest.mark.parametrize("lock_is_there", [True, False])
def test_saving_to_a_read_only_folder_says_how_to_open_it(
    home_of_nobody: Path, refusal: Refusal, run_hint: RunHint, lock_is_there: bool
) -> None:
    paths = store_paths(str(home_of_nobody / "home"))
    store = Store(paths)
    store.update(lambda old: old, create=True)
    if not lock_is_there:
        paths.lock.unlink()
    paths.config.chmod(0o500)
    error = refusal(lambda: store.update(lambda old: old))
    assert error.code == "store.not_saved"
    assert "Permission denied" in error.message
    assert f"`chmod 700 '{paths.config}'`" in (error.hint or "")
    run_hint(error)
    assert store.update(lambda old: old).contents.generation == 2


def test_a_folder_that_cannot_be_listed_can_still_be_saved_to(home_of_nobody: Path) -> None:
    paths = store_paths(str(home_of_nobody / "home"))
    store = Store(paths)
    store.update(lambda old: old, create=True)
    paths.config.chmod(0o300)
    assert store.update(lambda old: old).contents.generation == 2


def test_a_home_that_cannot_be_made_is_told(
    home_of_nobody: Path, refusal: Refusal, run_hint: RunHint
) -> None:
    home_of_nobody.chmod(0o500)
    store = Store(store_paths(str(home_of_nobody / "home")))
    error = refusal(lambda: store.update(lambda old: old, create=True))
    assert error.code == "store.not_saved"
    assert error.message.endswith("; nothing was saved")


def test_reading_leaves_no_trace(saved: Store, paths: StorePaths) -> None:
    paths.lock.unlink()
    before = {(path, path.stat().st_mtime_ns) for path in paths.config.rglob("*")}
    assert isinstance(saved.read(), StoreContents)
    assert {(path, path.stat().st_mtime_ns) for path in paths.config.rglob("*")} == before


KEY_ACTIONS: dict[str, Callable[[Store], object]] = {
    "rotate": lambda store: store.keys.rotate(),
    "add": lambda store: store.keys.add(SlotKind.KEYFILE),
    "remove": lambda store: store.keys.remove(store.keys.status().slots[1].id),
    "restore": lambda store: store.restore(),
}


@pytest.mark.parametrize("mask", [0o000, 0o777])
@pytest.mark.parametrize("action", KEY_ACTIONS)
def test_key_changes_are_private_whatever_the_umask(
    home_of_nobody: Path, mask: int, action: str
) -> None:
    paths = store_paths(str(home_of_nobody / "home"))
    store = Store(paths)
    store.update(lambda old: old, create=True)
    store.keys.add(SlotKind.KEYFILE)
    with umask(mask):
        KEY_ACTIONS[action](store)
    assert store.read().generation == 3
    for path in (paths.store, paths.backup, *paths.keys.iterdir()):
        assert mode(path) == 0o600, path


@pytest.mark.parametrize("action", ["rotate", "restore"])
@pytest.mark.parametrize("wrong", ["open", "link", "hard link", "fifo", "foreign"])
def test_a_backup_that_is_not_ours_alone_is_refused_and_nothing_changes(
    saved: Store, paths: StorePaths, refusal: Refusal, action: str, wrong: str
) -> None:
    saved.update(lambda old: old)
    elsewhere = paths.config / "elsewhere"
    code = "store.unreadable"
    if wrong == "open":
        paths.backup.chmod(0o644)
        code = "store.too_open"
    elif wrong == "foreign":
        if os.geteuid() != 0:
            pytest.skip("only root can give a file away")
        os.chown(paths.backup, STRANGER, STRANGER)
        code = "store.not_owner"
    elif wrong == "fifo":
        paths.backup.unlink()
        os.mkfifo(paths.backup, 0o600)
    else:
        paths.backup.rename(elsewhere)
        (os.symlink if wrong == "link" else os.link)(elsewhere, paths.backup)
    before = (paths.store.read_bytes(), sorted(paths.keys.iterdir()))
    assert refusal(lambda: KEY_ACTIONS[action](saved)).code == code
    assert refusal(saved.previous).code == code
    assert (paths.store.read_bytes(), sorted(paths.keys.iterdir())) == before


@pytest.mark.parametrize("action", ["rotate", "add"])
def test_a_folder_of_keys_that_others_can_write_gets_no_new_key(
    saved: Store, paths: StorePaths, tmp_path: Path, refusal: Refusal, action: str
) -> None:
    (own,) = paths.keys.iterdir()
    aside = tmp_path / "mine.key"
    own.rename(aside)
    paths.keys.chmod(0o777)
    store = Store(paths, KeySource(path=aside))
    tmp_path.chmod(0o700)
    before = paths.store.read_bytes()
    assert refusal(lambda: KEY_ACTIONS[action](store)).code == "store.too_open"
    assert paths.store.read_bytes() == before
    assert list(paths.keys.iterdir()) == []


@pytest.mark.parametrize("action", KEY_ACTIONS)
def test_key_changes_in_a_read_only_folder_say_what_is_intact(
    home_of_nobody: Path, refusal: Refusal, run_hint: RunHint, action: str
) -> None:
    paths = store_paths(str(home_of_nobody / "home"))
    store = Store(paths)
    store.update(lambda old: old, create=True)
    store.keys.add(SlotKind.KEYFILE)
    paths.config.chmod(0o500)
    error = refusal(lambda: KEY_ACTIONS[action](store))
    assert error.code == "store.not_saved"
    assert error.message.endswith(("the previous store is intact", "nothing was changed"))
    assert store.read().generation == 2
    assert len(list(paths.keys.iterdir())) == 2
    run_hint(error)
    KEY_ACTIONS[action](store)
    assert store.read().generation == 3
