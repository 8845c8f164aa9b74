"""Adding, removing and rotating keys; what is at hand, and what is never deleted too early."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from opbx_cli.errors import ConfigurationError, StoreError, UsageError
from opbx_cli.models import Secret
from opbx_cli.settings.table import Settings
from opbx_cli.store import (
    KeySource,
    SlotKind,
    Store,
    StoreContents,
    StorePaths,
    crypto,
    file_format,
    sealing,
)
from opbx_cli.store.key_changes import AddedSlot

Refusal = Callable[[Callable[[], object]], StoreError]
Opened = Callable[..., Store]
OpenBytes = Callable[[bytes, bytes], StoreContents | None]
Add = Callable[[StoreContents], StoreContents]

PASSPHRASE = "correct horse battery staple"
OTHER_KEY = Secret(crypto.raw_key_to_text(bytes(32)))
PASSED_ON = [SlotKind.EXTERNAL, SlotKind.RECOVERY]


def slot_ids(paths: StorePaths) -> list[str]:
    return [slot.id for slot in file_format.parse(paths.store.read_bytes()).document.slots]


def key_files(paths: StorePaths) -> list[str]:
    return sorted(path.stem for path in paths.keys.iterdir())


def raw(secret: Secret) -> bytes:
    return crypto.raw_key_from_text(secret.reveal())


def raw_of(path: Path) -> bytes:
    return crypto.raw_key_from_text(path.read_text())


def given(added: AddedSlot) -> Secret:
    assert added.key is not None
    return added.key


def usage(call: Callable[[], object]) -> UsageError:
    with pytest.raises(UsageError) as caught:
        call()
    assert caught.value.exit_code == 2
    return caught.value


@pytest.mark.parametrize("kind", PASSED_ON)
def test_a_key_to_carry_away_is_shown_once_and_opens_the_store(
    saved: Store, opened: Opened, paths: StorePaths, kind: SlotKind
) -> None:
    before = saved.read()
    added = opened().keys.add(kind)
    assert (added.slot.kind, added.slot.location) == (kind, None)
    assert given(added).reveal() not in repr(added)
    shutil.rmtree(paths.keys)
    store = opened(added.key)
    assert store.read() == before._replace(generation=2)
    assert store.keys.status().opened_with == added.slot.id


def test_a_second_key_file_opens_the_store_alone(
    saved: Store, opened: Opened, paths: StorePaths
) -> None:
    (first,) = paths.keys.iterdir()
    added = opened().keys.add(SlotKind.KEYFILE)
    assert added.key is None
    assert added.slot.location == str(paths.key_file(added.slot.id))
    first.unlink()
    assert opened().read().profiles == saved.read().profiles


def test_the_status_names_every_slot_and_where_its_key_is(
    saved: Store, opened: Opened, paths: StorePaths
) -> None:
    (file_id,) = slot_ids(paths)
    external = opened().keys.add(SlotKind.EXTERNAL)
    opened().keys.add(SlotKind.PASSPHRASE, passphrase=Secret(PASSPHRASE))
    status = opened().keys.status()
    assert [(slot.kind.value, slot.location, slot.is_at_hand) for slot in status.slots] == [
        ("keyfile", str(paths.key_file(file_id)), True),
        ("external", None, False),
        ("passphrase", None, None),
    ]
    assert (status.generation, status.opened_with, status.problem) == (3, file_id, None)
    assert status.store_id == saved.read().store_id
    assert status.paths == paths
    assert opened(external.key).keys.status().slots[1].is_at_hand is True


def test_the_status_of_a_store_that_does_not_open_says_why(
    saved: Store, opened: Opened, paths: StorePaths
) -> None:
    (path,) = paths.keys.iterdir()
    path.unlink()
    status = opened().keys.status()
    assert status.opened_with is None
    assert "no key for" in (status.problem or "")
    assert status.slots[0].is_at_hand is False
    status = opened(OTHER_KEY).keys.status()
    assert "OPBX_STORE_KEY does not open" in (status.problem or "")
    paths.store.write_bytes(b"")
    status = opened().keys.status()
    assert (status.slots, status.generation, status.store_id) == ((), 0, "")
    assert "not a complete store" in (status.problem or "")


def test_without_a_store_there_are_no_keys_to_speak_of(opened: Opened) -> None:
    for call in (
        opened().keys.status,
        opened().keys.rotate,
        opened().previous,
        opened().restore,
        lambda: opened().keys.add(SlotKind.KEYFILE),
        lambda: opened().keys.remove("00000000"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            call()
        assert caught.value.code == "store.missing"


def test_sixteen_keys_are_enough(saved: Store, opened: Opened, refusal: Refusal) -> None:
    for _ in range(15):
        opened().keys.add(SlotKind.KEYFILE)
    error = refusal(lambda: opened().keys.add(SlotKind.KEYFILE))
    assert error.code == "store.too_many_keys"
    assert "`opbx key status` lists them" in (error.hint or "")
    assert opened().read().generation == 16


def test_a_removed_key_opens_nothing_new_and_its_file_goes(
    saved: Store, opened: Opened, paths: StorePaths, refusal: Refusal
) -> None:
    (first,) = slot_ids(paths)
    added = opened().keys.add(SlotKind.RECOVERY)
    status = opened(added.key).keys.remove(first)
    assert [slot.id for slot in status.slots] == [added.slot.id] == slot_ids(paths)
    assert key_files(paths) == []
    assert refusal(opened().read).code == "store.no_key"
    assert opened(added.key).read().profiles == saved_profiles(opened(added.key))


def saved_profiles(store: Store) -> object:
    return store.previous().profiles


def test_the_last_key_stays(saved: Store, opened: Opened, paths: StorePaths) -> None:
    (only,) = slot_ids(paths)
    with pytest.raises(StoreError) as caught:
        opened().keys.remove(only)
    assert caught.value.code == "store.last_key"
    assert "`opbx key add --kind keyfile`" in (caught.value.hint or "")
    assert opened().read().generation == 1


def test_no_key_goes_while_the_others_are_only_said_to_work(
    saved: Store, opened: Opened, paths: StorePaths, refusal: Refusal
) -> None:
    (first,) = slot_ids(paths)
    added = opened().keys.add(SlotKind.EXTERNAL)
    error = refusal(lambda: opened().keys.remove(first))
    assert error.code == "store.last_key"
    assert added.slot.id in error.message
    assert "OPBX_STORE_KEY_FILE" in (error.hint or "")
    assert slot_ids(paths) == [first, added.slot.id]
    assert key_files(paths) == [first]


@pytest.mark.parametrize("wrong", ["00000000", "", "../../x", "XI-a-secret-in-the-wrong-place"])
def test_an_unknown_slot_is_a_usage_error_and_not_repeated(
    saved: Store, opened: Opened, wrong: str
) -> None:
    for error in (
        usage(lambda: opened().keys.remove(wrong)),
        usage(lambda: opened().keys.rotate(drop=frozenset({wrong}))),
    ):
        assert not wrong or wrong not in error.message
    assert opened().read().generation == 1


def test_after_a_rotation_the_old_keys_open_nothing(
    saved: Store, opened: Opened, paths: StorePaths, add_profile: Add, open_bytes: OpenBytes
) -> None:
    external = opened().keys.add(SlotKind.EXTERNAL)
    saved.update(add_profile)
    (old_file,) = paths.keys.iterdir()
    old_key, old = raw_of(old_file), file_format.parse(paths.store.read_bytes())
    old_vault = sealing.unlock(old, old_key)
    assert old_vault is not None
    before, backup = opened().read(), opened().previous()
    rotation = opened().keys.rotate(drop=frozenset({external.slot.id}))
    assert rotation.dropped == (external.slot.id,)
    assert rotation.removed_keys == (str(old_file),)
    assert rotation.warnings == ()
    assert [slot.is_at_hand for slot in rotation.slots] == [True]
    assert key_files(paths) == slot_ids(paths) == [rotation.slots[0].id]
    assert opened().read() == before._replace(generation=4)
    assert opened().previous() == backup
    for path in (paths.store, paths.backup):
        data = path.read_bytes()
        assert open_bytes(data, old_key) is None
        assert open_bytes(data, raw(given(external))) is None
        assert not sealing.is_sealed_under(file_format.parse(data), old_vault)


@pytest.mark.parametrize("kind", PASSED_ON)
def test_a_rotation_keeps_a_key_that_is_given_and_refuses_to_lose_one_that_is_not(
    saved: Store, opened: Opened, paths: StorePaths, refusal: Refusal, kind: SlotKind
) -> None:
    added = opened().keys.add(kind)
    before = paths.store.read_bytes()
    error = refusal(opened().keys.rotate)
    assert error.code == "store.key_not_at_hand"
    assert f"{added.slot.id} ({kind})" in error.message
    assert error.message.endswith("; nothing was changed")
    assert f"`opbx key rotate --drop {added.slot.id}`" in (error.hint or "")
    assert paths.store.read_bytes() == before
    assert len(key_files(paths)) == 1
    rotation = opened(added.key).keys.rotate()
    assert added.slot.id in [slot.id for slot in rotation.slots]
    assert opened(added.key).read() == opened().read()


def test_a_rotation_may_not_drop_everything(
    saved: Store, opened: Opened, paths: StorePaths, refusal: Refusal
) -> None:
    error = refusal(lambda: opened().keys.rotate(drop=frozenset(slot_ids(paths))))
    assert error.code == "store.last_key"


def test_a_rotation_replaces_the_named_key_of_a_key_file_and_says_so(
    saved: Store, paths: StorePaths
) -> None:
    (path,) = paths.keys.iterdir()
    rotation = Store(paths, KeySource(path=path)).keys.rotate()
    (warning,) = rotation.warnings
    assert "`unset OPBX_STORE_KEY_FILE`" in warning
    assert Store(paths).read().profiles


def test_a_rotation_without_a_backup_makes_none(
    saved: Store, opened: Opened, paths: StorePaths
) -> None:
    opened().keys.rotate()
    assert not paths.backup.exists()


def test_a_backup_that_does_not_open_stops_a_rotation_before_anything_changes(
    saved: Store,
    opened: Opened,
    paths: StorePaths,
    refusal: Refusal,
    run_hint: Callable[[StoreError], None],
) -> None:
    saved.update(lambda old: old)
    damaged = paths.backup.read_bytes()[:-10]
    paths.backup.write_bytes(damaged)
    before = (paths.store.read_bytes(), key_files(paths))
    error = refusal(opened().keys.rotate)
    assert error.code == "store.incomplete"
    assert "the keys were not rotated" in error.message
    assert (paths.store.read_bytes(), key_files(paths)) == before
    run_hint(error)
    opened().keys.rotate()
    assert Path(f"{paths.backup}.old").read_bytes() == damaged


def test_a_backup_of_another_store_is_none_of_ours(
    saved: Store, opened: Opened, paths: StorePaths, tmp_path: Path, refusal: Refusal
) -> None:
    other = StorePaths(tmp_path / "other", paths.keys)
    Store(other).update(lambda old: old, create=True)
    shutil.copy(other.store, paths.backup)
    for call in (opened().previous, opened().restore, opened().keys.rotate):
        error = refusal(call)
        assert error.code == "store.altered"
        assert "belongs to another store" in error.message


def test_keys_of_stores_that_were_put_aside_are_never_swept(
    saved: Store, opened: Opened, paths: StorePaths
) -> None:
    (aside,) = slot_ids(paths)
    paths.store.rename(f"{paths.store}.damaged")
    opened().update(lambda old: old, create=True)
    orphan, foreign = paths.key_file("0badc0de"), paths.key_file("00000001")
    shutil.copy(paths.key_file(aside), orphan)
    shutil.copy(paths.key_file(aside), foreign)  # of a store with another folder, for example
    paths.key_notes.touch(mode=0o600)
    paths.key_notes.write_text(f"0badc0de\n{aside}\n../../x\n")
    rotation = opened().keys.rotate()
    assert str(orphan) in rotation.removed_keys
    assert key_files(paths) == sorted([aside, "00000001", *slot_ids(paths)])
    assert not paths.key_notes.exists()


def test_an_old_key_file_that_stays_is_a_warning(
    saved: Store, opened: Opened, paths: StorePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = paths.keys.iterdir()
    unlink = os.unlink

    def fail_for_keys(target: Path) -> None:
        if Path(target).suffix == ".key":
            raise PermissionError(1, "Operation not permitted")
        unlink(target)

    monkeypatch.setattr(os, "unlink", fail_for_keys)
    rotation = opened().keys.rotate()
    assert rotation.warnings == (
        f"the old key {path} could not be deleted: Operation not permitted",
    )
    assert opened().read().generation == 2


def test_the_previous_generation_is_shown_and_comes_back_as_a_new_one(
    saved: Store, opened: Opened, add_profile: Add, contents: StoreContents
) -> None:
    saved.update(add_profile)
    changed = saved.read()
    assert opened().previous().profiles == contents.profiles
    assert opened().previous().generation == 1
    report = opened().restore()
    assert report.contents.generation == 3
    assert opened().read() == report.contents
    assert opened().read().profiles == contents.profiles
    assert opened().previous() == changed
    assert opened().restore().contents.profiles == changed.profiles


def test_without_a_backup_nothing_comes_back(saved: Store, opened: Opened) -> None:
    for call in (opened().previous, opened().restore):
        with pytest.raises(ConfigurationError) as caught:
            call()
        assert caught.value.code == "store.no_backup"
        assert caught.value.message.endswith("; nothing was changed")


def test_a_restored_store_keeps_the_keys_it_has_now(
    saved: Store, opened: Opened, paths: StorePaths, refusal: Refusal
) -> None:
    (first,) = slot_ids(paths)
    added = opened().keys.add(SlotKind.RECOVERY)
    opened(added.key).keys.remove(first)
    opened(added.key).restore()
    assert slot_ids(paths) == [added.slot.id]
    assert refusal(opened().read).code == "store.no_key"


def test_a_damaged_store_is_not_replaced_by_its_backup(
    saved: Store, opened: Opened, paths: StorePaths, refusal: Refusal
) -> None:
    saved.update(lambda old: old)
    damaged = paths.store.read_bytes()[:-5]
    paths.store.write_bytes(damaged)
    assert refusal(opened().restore).code == "store.incomplete"
    assert paths.store.read_bytes() == damaged


def test_a_reader_whose_key_file_is_rotated_away_under_it_reads_the_new_store(
    saved: Store, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_file = os.open
    rotated: list[Path] = []

    def rotate_first(path: Path, *arguments: int, dir_fd: int | None = None) -> int:
        if not rotated and Path(path).suffix == ".key":
            rotated.append(path)
            opened().keys.rotate()
        return open_file(path, *arguments, dir_fd=dir_fd)

    reader = opened()
    monkeypatch.setattr(os, "open", rotate_first)
    assert reader.read().generation == 2
    assert rotated


def test_keys_are_managed_for_contents_of_any_kind(
    saved: Store, opened: Opened, paths: StorePaths
) -> None:
    saved.update(lambda old: StoreContents({"bare": Settings()}))
    opened().keys.rotate()
    opened().keys.rotate()
    assert opened().read().profiles == {"bare": Settings()}
    assert slot_ids(paths) == key_files(paths)
