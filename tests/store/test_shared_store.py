"""A store that others may read, as where it is mounted: read by its switch, and never saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from opbx_cli.errors import StoreError
from opbx_cli.store import SlotKind, Store, StoreContents, StorePaths

Refusal = Callable[[Callable[[], object]], StoreError]
Add = Callable[[StoreContents], StoreContents]


@pytest.fixture
def linked(saved: Store, paths: StorePaths, tmp_path: Path) -> Store:
    """The saved store behind a link, readable by everybody, and opened by its switch."""
    target = tmp_path / "mounted" / "store.toml"
    target.parent.mkdir(mode=0o755)
    paths.store.rename(target)
    target.chmod(0o444)
    paths.store.symlink_to(target)
    return Store(paths, allow_shared=True)


def test_it_is_read_with_one_warning(linked: Store, paths: StorePaths, contents: object) -> None:
    assert linked.exists()
    assert linked.read().profiles == linked.read().profiles
    (warning,) = linked.warnings
    assert str(paths.store) in warning
    assert "OPBX_ALLOW_SHARED_STORE is set" in warning


def test_without_its_switch_it_is_refused_with_it_in_the_hint(
    linked: Store, paths: StorePaths, refusal: Refusal
) -> None:
    error = refusal(Store(paths).read)
    assert error.code == "store.unreadable"
    assert "`export OPBX_ALLOW_SHARED_STORE=1`" in (error.hint or "")


def test_nothing_saves_it(
    linked: Store, paths: StorePaths, add_profile: Add, refusal: Refusal
) -> None:
    before = paths.store.read_bytes()
    for save in (
        linked.require_can_save,
        lambda: linked.require_can_save(create=True),
        lambda: linked.update(add_profile),
        lambda: linked.update(add_profile, create=True),
        linked.restore,
        lambda: linked.keys.add(SlotKind.KEYFILE),
        linked.keys.rotate,
    ):
        error = refusal(save)
        assert error.code == "store.not_saved"
        assert "is open to other users, and therefore only read" in error.message
        assert "nothing was changed" in error.message
    assert paths.store.read_bytes() == before
    assert paths.store.is_symlink()


def test_nobody_is_held_off_from_a_domain(linked: Store, paths: StorePaths) -> None:
    with linked.alone_on("a domain", waiting=lambda: pytest.fail("nobody saves it")):
        assert not paths.domain_locks.exists()


@pytest.mark.parametrize("mode", [0o446, 0o466, 0o464])
def test_one_that_others_can_write_stays_refused(
    linked: Store, paths: StorePaths, refusal: Refusal, mode: int
) -> None:
    paths.store.resolve().chmod(mode)
    assert refusal(linked.read).code == "store.too_open"


def test_a_private_store_is_saved_whatever_its_switch(
    saved: Store, paths: StorePaths, add_profile: Add
) -> None:
    store = Store(paths, allow_shared=True)
    store.require_can_save()
    assert "added" in store.update(add_profile).contents.profiles
    assert store.warnings == ()
