"""The operating system's key ring: first to be asked, never waited for long, never redirected."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from opbx_cli.errors import StoreError
from opbx_cli.installation import installation
from opbx_cli.models import Secret
from opbx_cli.store import OsKeyring, SlotKind, Store, StorePaths, crypto

Refusal = Callable[[Callable[[], object]], StoreError]
Opened = Callable[..., Store]

LOCATION = "key ring of the operating system"
OTHER_KEY = crypto.raw_key_to_text(bytes(32))


class Ring(Protocol):
    entries: dict[tuple[str, str], str]

    def get_password(self, service: str, username: str, /) -> str | None: ...
    def set_password(self, service: str, username: str, password: str, /) -> None: ...
    def delete_password(self, service: str, username: str, /) -> None: ...


class BrokenRing:
    """Raises whatever it is told to, in whichever call."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def get_password(self, service: str, username: str) -> str | None:
        raise self.error

    def set_password(self, service: str, username: str, password: str) -> None:
        raise self.error

    def delete_password(self, service: str, username: str) -> None:
        raise self.error


class ForgetfulRing:
    """Takes everything and keeps nothing, as `keyring`'s null back end does."""

    def get_password(self, service: str, username: str) -> str | None:
        return None

    def set_password(self, service: str, username: str, password: str) -> None:
        pass

    def delete_password(self, service: str, username: str) -> None:
        pass


class LockedRing(ForgetfulRing):
    """Waits for a dialog that nobody answers."""

    def __init__(self) -> None:
        self.answered = threading.Event()

    def get_password(self, service: str, username: str) -> str | None:
        self.answered.wait()
        return None


@pytest.fixture
def ringed(saved: Store, opened: Opened, paths: StorePaths) -> StorePaths:
    """A store that a key file opens, and a key ring entry."""
    opened().keys.add(SlotKind.KEYRING)
    return paths


def with_ring(paths: StorePaths, backend: object, *, timeout: float = 3.0) -> Store:
    return Store(paths, os_keyring=OsKeyring(backend, timeout=timeout), lock_timeout=0)  # type: ignore[arg-type]


def test_the_entry_holds_the_key_under_the_names_of_the_document(
    ringed: StorePaths, opened: Opened, ring: Ring
) -> None:
    status = opened().keys.status()
    slot = status.slots[1]
    ((service, name), text) = next(iter(ring.entries.items()))
    assert (service, name) == ("opbx", f"{status.store_id}/{slot.id}")
    assert crypto.raw_key_from_text(text)
    assert (slot.location, slot.is_at_hand, status.opened_with) == (LOCATION, True, slot.id)


def test_the_key_ring_comes_first_and_alone_is_enough(ringed: StorePaths, opened: Opened) -> None:
    shutil.rmtree(ringed.keys)
    store = opened()
    assert store.read().generation == 2
    assert store.warnings == ()


def test_a_missing_entry_leaves_the_key_file_to_open_the_store(
    ringed: StorePaths, opened: Opened, ring: Ring, refusal: Refusal
) -> None:
    ring.entries.clear()
    store = opened()
    assert store.read().generation == 2
    assert store.warnings == ()
    assert store.keys.status().slots[1].is_at_hand is False
    shutil.rmtree(ringed.keys)
    error = refusal(store.read)
    assert error.code == "store.no_key"
    assert f"the {LOCATION} has no entry for it" in error.message


@pytest.mark.parametrize("text", [OTHER_KEY, "", "opbxk1_cut", "nonsense"])
def test_an_entry_that_was_changed_is_a_warning_or_the_error(
    ringed: StorePaths, opened: Opened, ring: Ring, refusal: Refusal, text: str
) -> None:
    for name in ring.entries:
        ring.entries[name] = text
    store = opened()
    store.read()
    (warning,) = store.warnings
    assert LOCATION in warning
    assert "opened with its keyfile instead" in warning
    shutil.rmtree(ringed.keys)
    code = "store.wrong_key" if text == OTHER_KEY else "store.key_source"
    assert refusal(opened().read).code == code


def test_a_key_ring_that_fails_is_a_warning_where_the_key_file_opens_and_else_the_error(
    ringed: StorePaths, refusal: Refusal
) -> None:
    broken = BrokenRing(RuntimeError(f"{OTHER_KEY} no such bus"))
    store = with_ring(ringed, broken)
    assert store.read().generation == 2
    (warning,) = store.warnings
    assert f"the {LOCATION} failed (RuntimeError)" in warning
    assert "opened with its keyfile instead" in warning
    shutil.rmtree(ringed.keys)
    error = refusal(with_ring(ringed, broken).read)
    assert error.code == "store.key_ring"
    assert OTHER_KEY not in error.message
    assert "the store is as it was" in error.message
    assert "`opbx key status`" in (error.hint or "")
    assert error.message in (with_ring(ringed, broken).keys.status().problem or "")


def test_a_key_ring_that_does_not_answer_is_left_behind(
    ringed: StorePaths, refusal: Refusal
) -> None:
    ring = LockedRing()
    shutil.rmtree(ringed.keys)
    error = refusal(with_ring(ringed, ring, timeout=0.05).read)
    ring.answered.set()
    assert error.code == "store.key_ring"
    assert "did not answer within 0.05 s" in error.message


@pytest.mark.parametrize("backend", [ForgetfulRing(), BrokenRing(OSError("no"))])
def test_a_key_ring_that_does_not_keep_the_key_adds_no_slot(
    saved: Store, paths: StorePaths, refusal: Refusal, backend: object
) -> None:
    before = paths.store.read_bytes()
    error = refusal(lambda: with_ring(paths, backend).keys.add(SlotKind.KEYRING))
    assert error.code == "store.key_ring"
    assert paths.store.read_bytes() == before
    assert not paths.backup.exists()


def test_a_named_key_asks_no_key_ring(ringed: StorePaths, opened: Opened, ring: Ring) -> None:
    from opbx_cli.store import KeySource

    key = KeySource(secret=Secret(next(iter(ring.entries.values()))))
    broken = OsKeyring(BrokenRing(RuntimeError()))
    assert Store(ringed, key, os_keyring=broken).read().generation == 2


def test_a_rotation_renews_the_entry_and_deletes_the_old_one(
    ringed: StorePaths, opened: Opened, ring: Ring
) -> None:
    before = dict(ring.entries)
    rotation = opened().keys.rotate()
    assert LOCATION in rotation.removed_keys
    assert len(ring.entries) == 1
    assert not ring.entries.keys() & before.keys()
    shutil.rmtree(ringed.keys)
    assert opened().read().generation == 3


def test_a_rotation_without_its_key_ring_changes_nothing(
    ringed: StorePaths, opened: Opened, refusal: Refusal
) -> None:
    before = (ringed.store.read_bytes(), sorted(ringed.keys.iterdir()))
    store = with_ring(ringed, BrokenRing(RuntimeError()))
    assert refusal(store.keys.rotate).code == "store.key_ring"
    assert (ringed.store.read_bytes(), sorted(ringed.keys.iterdir())) == before
    ring_slot = opened().keys.status().slots[1].id
    rotation = store.keys.rotate(drop=frozenset({ring_slot}))
    assert f"the old key {ring_slot} could not be deleted" in rotation.warnings[0]
    assert opened().read().generation == 3


def test_removing_the_slot_deletes_the_entry(
    ringed: StorePaths, opened: Opened, ring: Ring
) -> None:
    opened().keys.remove(opened().keys.status().slots[1].id)
    assert ring.entries == {}
    assert opened().read().generation == 3


def test_without_the_package_the_message_names_the_command(
    saved: Store, paths: StorePaths, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keyring.errors", None)
    error = refusal(lambda: Store(paths).keys.add(SlotKind.KEYRING))
    assert error.code == "store.key_ring"
    assert error.message.startswith("the key ring needs the extra 'keyring'")
    assert error.hint == installation().adding("keyring")


BACKEND = """
import os
from keyring.backend import KeyringBackend

class Plaintext(KeyringBackend):
    priority = 99

    def get_password(self, service, username):
        return open(os.environ["WRITTEN"]).read()

    def set_password(self, service, username, password):
        open(os.environ["WRITTEN"], "w").write(password)

    delete_password = set_password
"""
ADD = """
import sys
from opbx_cli.errors import StoreError
from opbx_cli.store import SlotKind, Store, store_paths
try:
    Store(store_paths(sys.argv[1])).keys.add(SlotKind.KEYRING)
except StoreError as error:
    print(error.code, error.message)
"""


@pytest.mark.parametrize("how", ["variable", "configuration file"])
@pytest.mark.parametrize("name", ["redirect.Plaintext", "keyring.backends.null.Keyring"])
def test_no_setting_of_keyring_redirects_the_keys(
    saved: Store, paths: StorePaths, tmp_path: Path, how: str, name: str
) -> None:
    pytest.importorskip("keyring")
    (tmp_path / "redirect.py").write_text(BACKEND)
    configuration = tmp_path / "python_keyring" / "keyringrc.cfg"
    configuration.parent.mkdir()
    environ = {
        "WRITTEN": str(tmp_path / "written"),
        "PYTHONPATH": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
        "HOME": str(tmp_path),
        "KEYRING_PROPERTY_PREFERRED_COLLECTION": "/redirected",
        "DBUS_SESSION_BUS_ADDRESS": f"unix:path={tmp_path}/no-bus",
    }
    if how == "variable":
        environ["PYTHON_KEYRING_BACKEND"] = name
    else:
        configuration.write_text(f"[backend]\ndefault-keyring={name}\nkeyring-path={tmp_path}\n")
    done = subprocess.run(
        [sys.executable, "-c", ADD, str(paths.config)],
        capture_output=True,
        text=True,
        check=True,
        env=environ,
    )
    assert done.stdout.startswith(f"store.key_ring the {LOCATION} is missing")
    assert done.stderr == ""
    assert not (tmp_path / "written").exists()
    assert len(saved.keys.status().slots) == 1


def test_the_settings_of_keyring_would_redirect_whoever_asks_it(tmp_path: Path) -> None:
    """The test above proves something only if those settings work."""
    pytest.importorskip("keyring")
    (tmp_path / "redirect.py").write_text(BACKEND)
    script = "import keyring; keyring.set_password('opbx', 'name', 'key')"
    environ = {
        "WRITTEN": str(tmp_path / "written"),
        "PYTHONPATH": str(tmp_path),
        "PYTHON_KEYRING_BACKEND": "redirect.Plaintext",
    }
    subprocess.run([sys.executable, "-c", script], check=True, env=environ)
    assert (tmp_path / "written").read_text() == "key"
