"""Where the raw key comes from, and that a named source is the only one asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from opbx_cli.errors import ConfigurationError, StoreError, UsageError
from opbx_cli.store import KeySource, Store, StoreContents, StorePaths, crypto, file_format

Refusal = Callable[[Callable[[], object]], StoreError]

KEY = crypto.raw_key_to_text(bytes(range(32)))
OTHER_KEY = crypto.raw_key_to_text(bytes(range(1, 33)))


@pytest.fixture
def named(tmp_path: Path) -> KeySource:
    """A key in a private file that OPBX_STORE_KEY_FILE names."""
    path = tmp_path / "mine.key"
    path.touch(mode=0o600)
    path.write_text(f"{KEY}\n")
    source = KeySource.from_environment({"OPBX_STORE_KEY_FILE": str(path)})
    assert source is not None
    return source


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """A key as containers mount it: group-readable, behind two links."""
    folder = tmp_path / "mount"
    version = folder / "..version"
    version.mkdir(parents=True)
    (version / "key").write_text(KEY)
    (version / "key").chmod(0o440)
    (folder / "..data").symlink_to(version.name)
    (folder / "key").symlink_to("..data/key")
    return folder / "key"


def slot_kinds(paths: StorePaths) -> list[str]:
    slots = file_format.parse(paths.store.read_bytes()).document.slots
    return [slot.kind.value for slot in slots]


def test_an_environment_without_a_key_names_none() -> None:
    assert KeySource.from_environment({"OPBX_ALLOW_SHARED_KEY_FILE": "nonsense"}) is None


def test_a_key_is_removed_from_the_environment_once_read() -> None:
    environ = {"OPBX_STORE_KEY": KEY, "PATH": "/bin"}
    source = KeySource.from_environment(environ)
    assert environ == {"PATH": "/bin"}
    assert source is not None
    assert KEY[7:-4] not in repr(source)


def test_a_key_and_a_key_file_together_are_a_usage_error() -> None:
    environ = {"OPBX_STORE_KEY": KEY, "OPBX_STORE_KEY_FILE": "/x"}
    with pytest.raises(UsageError) as caught:
        KeySource.from_environment(environ)
    assert caught.value.exit_code == 2
    assert "OPBX_STORE_KEY" not in environ


@pytest.mark.parametrize("variable", ["OPBX_STORE_KEY", "OPBX_STORE_KEY_FILE"])
@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_a_variable_that_is_set_but_empty_is_an_error(
    refusal: Refusal, variable: str, empty: str
) -> None:
    environ = {variable: empty}
    error = refusal(lambda: KeySource.from_environment(environ))
    assert error.code == "store.key_source"
    assert error.message.startswith(f"{variable} is set but empty")
    assert f"`unset {variable}`" in (error.hint or "")
    assert "OPBX_STORE_KEY" not in environ


@pytest.mark.parametrize("wrong", [KEY[:-1], KEY[1:], f"{KEY} ", f" {KEY}", KEY.upper(), "x"])
def test_a_malformed_key_is_told_from_a_wrong_one(refusal: Refusal, wrong: str) -> None:
    error = refusal(lambda: KeySource.from_environment({"OPBX_STORE_KEY": wrong}))
    assert error.code == "store.key_source"
    assert "OPBX_STORE_KEY is malformed" in error.message
    assert KEY[10:20] not in error.message


@pytest.mark.parametrize("key_from_file", [False, True])
def test_a_named_key_makes_an_external_slot_and_no_key_file(
    paths: StorePaths, named: KeySource, contents: StoreContents, key_from_file: bool
) -> None:
    source = named if key_from_file else KeySource.from_environment({"OPBX_STORE_KEY": KEY})
    store = Store(paths, source)
    report = store.update(lambda _: contents, create=True)
    assert (report.created, report.key_file, report.slot_kinds) == (True, None, ("external",))
    assert not paths.keys.exists()
    assert slot_kinds(paths) == ["external"]
    assert store.read().profiles == contents.profiles
    assert store.warnings == ()
    assert Store(paths, named).read() == store.read()


def test_a_named_key_opens_a_slot_of_any_kind(
    saved: Store, paths: StorePaths, tmp_path: Path
) -> None:
    (own,) = paths.keys.iterdir()
    text = own.read_text()
    own.unlink()
    source = KeySource.from_environment({"OPBX_STORE_KEY": text})
    store = Store(paths, source)
    store.update(lambda old: old)
    assert store.read().generation == 2
    assert slot_kinds(paths) == ["keyfile"]


def test_a_wrong_named_key_never_falls_back_to_the_stores_own(
    saved: Store, paths: StorePaths, refusal: Refusal
) -> None:
    store = Store(paths, KeySource.from_environment({"OPBX_STORE_KEY": OTHER_KEY}))
    before = paths.store.read_bytes()
    for call in (store.read, lambda: store.update(lambda old: old, create=True)):
        error = refusal(call)
        assert error.code == "store.wrong_key"
        assert "OPBX_STORE_KEY does not open" in error.message
        assert "`unset OPBX_STORE_KEY`" in (error.hint or "")
    assert paths.store.read_bytes() == before


def test_a_wrong_named_key_for_a_store_without_own_keys(
    paths: StorePaths, named: KeySource, refusal: Refusal
) -> None:
    Store(paths, named).update(lambda old: old, create=True)
    store = Store(paths, KeySource.from_environment({"OPBX_STORE_KEY": OTHER_KEY}))
    error = refusal(store.read)
    assert error.code == "store.wrong_key"
    assert error.hint == "set it to the key that this store was made with"


def test_a_missing_named_file_never_falls_back_to_the_stores_own(
    saved: Store, paths: StorePaths, tmp_path: Path, refusal: Refusal
) -> None:
    source = KeySource.from_environment({"OPBX_STORE_KEY_FILE": str(tmp_path / "no.key")})
    error = refusal(Store(paths, source).read)
    assert error.code == "store.key_source"
    assert f"names {tmp_path / 'no.key'}, and there is no such file" in error.message


@pytest.mark.parametrize("content", [b"", b"\n", KEY[:-2].encode(), b"\xff" * 55, b"A" * 100_000])
def test_a_key_file_that_holds_no_key_is_named(
    saved: Store, paths: StorePaths, refusal: Refusal, content: bytes
) -> None:
    (own,) = paths.keys.iterdir()
    own.write_bytes(content)
    for source in (None, KeySource.from_environment({"OPBX_STORE_KEY_FILE": str(own)})):
        error = refusal(Store(paths, source).read)
        assert error.code == "store.key_source"
        assert f"the key file {own} is " in error.message


def test_a_lost_key_file_is_named_with_its_path(
    saved: Store, paths: StorePaths, refusal: Refusal
) -> None:
    (own,) = paths.keys.iterdir()
    own.unlink()
    for call in (saved.read, lambda: saved.update(lambda old: old, create=True)):
        error = refusal(call)
        assert error.code == "store.no_key"
        assert f"there is no {own}, and OPBX_STORE_KEY is not set" in error.message


def test_a_store_with_an_external_key_asks_for_it(
    paths: StorePaths, named: KeySource, refusal: Refusal
) -> None:
    Store(paths, named).update(lambda old: old, create=True)
    error = refusal(Store(paths).read)
    assert error.code == "store.no_key"
    assert "OPBX_STORE_KEY is not set" in error.message


def test_a_strangers_key_file_in_the_right_place_is_a_wrong_key(
    saved: Store, paths: StorePaths, refusal: Refusal
) -> None:
    (own,) = paths.keys.iterdir()
    own.write_text(OTHER_KEY)
    error = refusal(saved.read)
    assert error.code == "store.wrong_key"
    assert f"the key file {own} does not open {paths.store}" in error.message


def test_a_mounted_key_file_is_refused_with_both_ways_out(
    paths: StorePaths, mounted: Path, refusal: Refusal
) -> None:
    source = KeySource.from_environment({"OPBX_STORE_KEY_FILE": str(mounted)})
    error = refusal(lambda: Store(paths, source).update(lambda old: old, create=True))
    assert error.code == "store.unreadable"
    assert "is a link" in error.message
    assert "`export OPBX_ALLOW_SHARED_KEY_FILE=1`" in (error.hint or "")
    assert not paths.store.exists()


def test_a_mounted_key_file_is_taken_where_allowed_with_one_warning(
    paths: StorePaths, mounted: Path
) -> None:
    environ = {"OPBX_STORE_KEY_FILE": str(mounted), "OPBX_ALLOW_SHARED_KEY_FILE": "1"}
    store = Store(paths, KeySource.from_environment(environ))
    store.update(lambda old: old, create=True)
    store.read()
    (warning,) = store.warnings
    assert str(mounted) in warning
    assert "OPBX_ALLOW_SHARED_KEY_FILE" in warning


def test_a_private_key_file_gives_no_warning_even_where_sharing_is_allowed(
    paths: StorePaths, named: KeySource
) -> None:
    environ = {"OPBX_STORE_KEY_FILE": str(named.path), "OPBX_ALLOW_SHARED_KEY_FILE": "yes"}
    store = Store(paths, KeySource.from_environment(environ))
    store.update(lambda old: old, create=True)
    assert store.warnings == ()


@pytest.mark.parametrize("mode", [0o440, 0o444, 0o644, 0o404])
def test_a_shared_key_file_may_be_read_by_anybody(
    paths: StorePaths, mounted: Path, mode: int
) -> None:
    """Compose and Swarm mount secrets 0444, Kubernetes 0644."""
    mounted.resolve().chmod(mode)
    environ = {"OPBX_STORE_KEY_FILE": str(mounted), "OPBX_ALLOW_SHARED_KEY_FILE": "1"}
    assert Store(paths, KeySource.from_environment(environ)).update(lambda old: old, create=True)


@pytest.mark.parametrize("mode", [0o460, 0o450, 0o402, 0o401, 0o646, 0o666])
def test_sharing_goes_no_further_than_reading(
    paths: StorePaths, mounted: Path, refusal: Refusal, mode: int
) -> None:
    mounted.resolve().chmod(mode)
    environ = {"OPBX_STORE_KEY_FILE": str(mounted), "OPBX_ALLOW_SHARED_KEY_FILE": "1"}
    store = Store(paths, KeySource.from_environment(environ))
    error = refusal(lambda: store.update(lambda old: old, create=True))
    assert error.code == "store.too_open"


def test_the_mode_that_a_shared_key_file_needs_is_in_the_hint(
    paths: StorePaths,
    mounted: Path,
    refusal: Refusal,
    run_hint: Callable[[StoreError], None],
) -> None:
    mounted.resolve().chmod(0o664)
    mounted.resolve().parent.chmod(0o777)
    environ = {"OPBX_STORE_KEY_FILE": str(mounted), "OPBX_ALLOW_SHARED_KEY_FILE": "1"}
    store = Store(paths, KeySource.from_environment(environ))
    for _ in ("the file", "its folder"):
        run_hint(refusal(lambda: store.update(lambda old: old, create=True)))
    assert store.update(lambda old: old, create=True).created


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_shared_key_file_of_a_third_user_is_refused(
    paths: StorePaths, mounted: Path, refusal: Refusal
) -> None:
    os.chown(mounted, 12345, 12345)
    environ = {"OPBX_STORE_KEY_FILE": str(mounted), "OPBX_ALLOW_SHARED_KEY_FILE": "1"}
    store = Store(paths, KeySource.from_environment(environ))
    error = refusal(lambda: store.update(lambda old: old, create=True))
    assert error.code == "store.not_owner"


def test_what_is_mounted_must_be_a_file(
    paths: StorePaths, tmp_path: Path, refusal: Refusal
) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    for name, said in (("fifo", "not a regular file"), ("none", "cannot be read")):
        (tmp_path / f"link-{name}").symlink_to(name)
        environ = {
            "OPBX_STORE_KEY_FILE": str(tmp_path / f"link-{name}"),
            "OPBX_ALLOW_SHARED_KEY_FILE": "1",
        }
        store = Store(paths, KeySource.from_environment(environ))
        error = refusal(lambda store=store: store.update(lambda old: old, create=True))  # type: ignore[misc]
        assert error.code == "store.unreadable"
        assert said in error.message


@pytest.mark.parametrize(("text", "allowed"), [("", False), ("0", False), ("true", True)])
def test_sharing_is_allowed_by_a_switch(text: str, allowed: bool) -> None:
    environ = {"OPBX_STORE_KEY_FILE": "key", "OPBX_ALLOW_SHARED_KEY_FILE": text}
    source = KeySource.from_environment(environ)
    assert source is not None
    assert source.allow_shared is allowed
    assert source.path == Path.cwd() / "key"


def test_a_switch_that_is_none_is_a_configuration_error() -> None:
    environ = {"OPBX_STORE_KEY_FILE": "key", "OPBX_ALLOW_SHARED_KEY_FILE": "perhaps"}
    with pytest.raises(ConfigurationError) as caught:
        KeySource.from_environment(environ)
    assert caught.value.exit_code == 3
    assert "OPBX_ALLOW_SHARED_KEY_FILE" in caught.value.message


def test_a_named_key_file_that_is_lost_when_the_store_is_made_saves_nothing(
    paths: StorePaths, tmp_path: Path, refusal: Refusal
) -> None:
    store = Store(paths, KeySource(path=tmp_path / "no.key"))
    assert refusal(lambda: store.update(lambda old: old, create=True)).code == "store.key_source"
    assert not store.exists()
