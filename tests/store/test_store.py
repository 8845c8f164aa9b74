"""The store from outside: reading, saving, creating, and what is missing."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from opbx_cli.errors import ConfigurationError, StoreError
from opbx_cli.models import ApplicationReference, Secret
from opbx_cli.settings.table import Settings
from opbx_cli.store import Store, StoreContents, StorePaths, store_paths

Refusal = Callable[[Callable[[], object]], StoreError]
Add = Callable[[StoreContents], StoreContents]


def test_what_was_saved_is_read(saved: Store, paths: StorePaths, contents: StoreContents) -> None:
    opened = Store(paths).read()
    assert opened.profiles == contents.profiles
    assert list(opened.profiles) == ["a.example.net", "other"]
    assert opened.default_profile == "other"
    assert opened.generation == 1


def test_what_was_read_cannot_be_changed_in_place(saved: Store) -> None:
    with pytest.raises(TypeError):
        saved.read().profiles["new"] = Settings()  # type: ignore[index]


def test_creating_reports_the_key_file_and_the_slot(
    paths: StorePaths, contents: StoreContents
) -> None:
    report = Store(paths).update(lambda _: contents, create=True)
    assert report.created
    assert report.slot_kinds == ("keyfile",)
    assert report.contents == Store(paths).read()
    assert report.key_file is not None
    assert report.key_file.parent == paths.keys
    assert report.key_file.read_text().startswith("opbxk1_")


def test_a_later_save_reports_no_key_file(saved: Store, add_profile: Add) -> None:
    report = saved.update(add_profile, create=True)
    assert (report.created, report.key_file, report.slot_kinds) == (False, None, ("keyfile",))
    assert list(report.contents.profiles) == ["a.example.net", "other", "added"]
    assert report.contents == saved.read()


def test_a_change_sees_what_is_stored_now(saved: Store, paths: StorePaths) -> None:
    seen = []

    def look(old: StoreContents) -> StoreContents:
        seen.append(old)
        return old

    Store(paths).update(lambda old: old._replace(default_profile=None))
    saved.update(look)
    assert seen[0].default_profile is None
    assert seen[0].generation == 2


def test_a_store_keeps_its_identity_whatever_a_change_returns(saved: Store) -> None:
    before = saved.read()
    saved.update(lambda old: old._replace(store_id="mine", generation=77))
    assert saved.read() == before._replace(generation=2)


def test_each_save_keeps_the_one_before_as_backup(
    saved: Store, paths: StorePaths, add_profile: Add
) -> None:
    assert not paths.backup.exists()
    first = paths.store.read_bytes()
    saved.update(add_profile)
    assert paths.backup.read_bytes() == first
    second = paths.store.read_bytes()
    saved.update(add_profile)
    assert paths.backup.read_bytes() == second


def test_a_change_that_raises_leaves_everything_as_it_was(saved: Store, paths: StorePaths) -> None:
    def fail(_: StoreContents) -> StoreContents:
        raise OSError("mine")

    before = {(path, path.stat().st_mtime_ns) for path in paths.config.rglob("*")}
    with pytest.raises(OSError, match=r"^mine$"):
        saved.update(fail)
    assert {(path, path.stat().st_mtime_ns) for path in paths.config.rglob("*")} == before


def test_a_change_that_raises_creates_neither_store_nor_key(paths: StorePaths) -> None:
    def fail(_: StoreContents) -> StoreContents:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        Store(paths).update(fail, create=True)
    assert not Store(paths).exists()
    assert not paths.keys.exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Settings(no_answer_timeout=4), "`no_answer_timeout` of profile x has a value"),
        (Settings(api_base_url="http://evil.example.net"), "`api_base_url` of profile x has"),
        (Settings(domain_api_key=Secret("short")), "`domain_api_key` of profile x has a value"),
        (Settings(webhook_base_url="https://pbx.example.net/"), "what was read back is not what"),
        (
            Settings(domain_api_key=Secret("line-break-behind\n")),
            "`domain_api_key` of profile x has",
        ),
        (Settings(domain_name="\ud800"), "a value that TOML cannot hold"),
        (
            Settings(voice_application=ApplicationReference(id=10**5000, uuid=None, name="x")),
            "a value that TOML cannot hold",
        ),
    ],
)
def test_settings_that_would_not_open_again_are_not_saved(
    saved: Store, refusal: Refusal, settings: Settings, said: str
) -> None:
    before = saved.read()
    error = refusal(
        lambda: saved.update(lambda _: StoreContents({"x": settings}, default_profile="x"))
    )
    assert error.code == "store.not_saved"
    assert said in error.message
    assert error.message.endswith("; the previous store is intact")
    assert saved.read() == before


@pytest.mark.parametrize("name", ["", "-x", 'a"]\n[x', "ä", "x" * 65])
def test_a_profile_name_that_is_none_is_not_saved(
    paths: StorePaths, refusal: Refusal, name: str
) -> None:
    store = Store(paths)
    change = StoreContents(profiles={name: Settings()})
    error = refusal(lambda: store.update(lambda _: change, create=True))
    assert error.code == "store.not_saved"
    assert error.message.endswith("a profile's name is not one; nothing was saved")
    assert not store.exists()
    assert not paths.keys.exists()


def test_a_default_profile_that_does_not_exist_is_not_saved(saved: Store, refusal: Refusal) -> None:
    error = refusal(lambda: saved.update(lambda old: old._replace(default_profile="no")))
    assert error.code == "store.not_saved"
    assert "its default profile does not exist" in error.message


def test_without_a_store_nothing_is_configured(paths: StorePaths) -> None:
    store = Store(paths)
    assert not store.exists()
    for call in (store.read, lambda: store.update(lambda old: old)):
        with pytest.raises(ConfigurationError) as caught:
            call()
        assert caught.value.exit_code == 3
        assert caught.value.message == f"not configured: there is no {paths.store}"
        assert "`opbx configure`" in (caught.value.hint or "")
    assert not paths.config.exists()


def test_a_store_that_vanishes_while_waiting_is_not_started_anew(
    saved: Store, paths: StorePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    flock = fcntl.flock

    def vanish(descriptor: int, operation: int) -> None:
        flock(descriptor, operation)
        paths.store.unlink()

    monkeypatch.setattr(fcntl, "flock", vanish)
    with pytest.raises(ConfigurationError):
        saved.update(lambda old: old)


def test_a_backup_without_its_store_is_no_reason_to_start_anew(
    saved: Store,
    paths: StorePaths,
    contents: StoreContents,
    refusal: Refusal,
    run_hint: Callable[[StoreError], None],
) -> None:
    saved.update(lambda old: old)
    paths.store.unlink()
    error = refusal(lambda: saved.update(lambda old: old, create=True))
    assert error.code == "store.missing"
    assert f"mv '{paths.backup}' '{paths.backup}.old'" in error.message
    assert not paths.store.exists()
    run_hint(error)
    assert saved.read().profiles == contents.profiles


def test_reading_without_a_store_names_the_backup_that_is_there(
    saved: Store, paths: StorePaths, run_hint: Callable[[StoreError], None]
) -> None:
    saved.update(lambda old: old)
    paths.store.unlink()
    with pytest.raises(ConfigurationError) as caught:
        saved.read()
    assert str(paths.backup) in caught.value.message
    run_hint(caught.value)  # type: ignore[arg-type]
    assert saved.exists()


def test_a_new_store_starts_once_the_backup_is_moved_away(saved: Store, paths: StorePaths) -> None:
    saved.update(lambda old: old)
    paths.store.unlink()
    paths.backup.rename(f"{paths.backup}.old")
    assert saved.update(lambda old: old, create=True).created


def test_the_home_folder_holds_everything(tmp_path: Path) -> None:
    paths = store_paths(str(tmp_path))
    assert paths.store == tmp_path / "store.toml"
    assert paths.backup == tmp_path / "store.toml.bak"
    assert paths.lock == tmp_path / "store.toml.lock"
    assert (paths.config, paths.keys) == (tmp_path, tmp_path / "keys")


def test_a_relative_home_is_told_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert store_paths("here").store == tmp_path / "here" / "store.toml"


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of another system")
def test_without_a_home_keys_and_store_lie_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    paths = store_paths(None)
    assert paths.store == tmp_path / "config" / "opbx" / "store.toml"
    assert paths.keys == tmp_path / "data" / "opbx" / "keys"
    report = Store(paths).update(lambda old: old, create=True)
    assert report.key_file is not None
    assert report.key_file.is_relative_to(tmp_path / "data")
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*") if path.is_dir()} == {
        0o700
    }


def test_nothing_secret_shows_in_any_repr(saved: Store, paths: StorePaths) -> None:
    report = saved.update(lambda old: old)
    (key_file,) = paths.keys.iterdir()
    for shown in (repr(report), str(report), repr(saved), repr(saved.read())):
        assert "webhook-key-that" not in shown
        assert key_file.read_text()[7:20] not in shown


def test_the_store_loads_few_modules() -> None:
    script = (
        "import sys; before = set(sys.modules); import opbx_cli.store;"
        "print(*set(sys.modules) - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "cryptography" in loaded
    assert not loaded & {"asyncio", "httpx", "platformdirs", "random", "rich", "secrets", "typer"}
