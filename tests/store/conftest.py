"""What the store's tests share: settings to save, a saved store, and how a refusal is judged."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opbx_cli.errors import StoreError
from opbx_cli.models import ApplicationReference, KeyMemory, KeyState, RecordingFormat, Secret
from opbx_cli.settings.table import Settings
from opbx_cli.store import (
    KeySource,
    OsKeyring,
    Store,
    StoreContents,
    StorePaths,
    file_format,
    sealing,
    store_paths,
)

NOBODY = 65534
API_KEY = "XI" + "0123456789abcdef" * 2
WEBHOOK_KEY = "webhook-key-that-nobody-may-ever-see"


@pytest.fixture
def paths(tmp_path: Path) -> StorePaths:
    return store_paths(str(tmp_path / "home"))


@pytest.fixture(scope="session")
def make_settings() -> Callable[[int], Settings]:
    def make(number: int) -> Settings:
        return Settings(
            domain_uuid=f"6b1f0c2e-0000-4000-8000-{number:012d}",
            domain_name=f"number-{number}.example.net",
            domain_api_key=Secret(API_KEY),
            webhook_api_key=Secret(f"{WEBHOOK_KEY}-{number}"),
            webhook_base_url="https://pbx.example.net",
            no_answer_timeout=45,
            recording_format=RecordingFormat.WAV,
            voice_application=ApplicationReference(id=number, uuid=None, name="opbx"),
            webhook_key_memory=KeyMemory(KeyState.SENT, "fp:0a1b2c3d"),
        )

    return make


@pytest.fixture(scope="session")
def contents(make_settings: Callable[[int], Settings]) -> StoreContents:
    profiles = {"a.example.net": make_settings(1), "other": make_settings(2)}
    return StoreContents(profiles=profiles, default_profile="other")


@pytest.fixture
def saved(paths: StorePaths, contents: StoreContents) -> Store:
    """A store that was just created with two profiles."""
    store = Store(paths, lock_timeout=0)
    store.update(lambda _: contents, create=True)
    return store


@pytest.fixture
def add_profile(make_settings: Callable[[int], Settings]) -> Callable[..., StoreContents]:
    """A change that adds one profile, the same one every time."""

    def add(old: StoreContents) -> StoreContents:
        return old._replace(profiles={**old.profiles, "added": make_settings(3)})

    return add


@pytest.fixture
def open_bytes() -> Callable[[bytes, bytes], StoreContents | None]:
    """Open bytes without any file, as far as they go; None for a key that is not theirs."""

    def open_(data: bytes, raw_key: bytes) -> StoreContents | None:
        signed = file_format.parse(data)
        vault = sealing.unlock(signed, raw_key)
        return None if vault is None else sealing.open_contents(signed, vault)

    return open_


@pytest.fixture
def refusal() -> Callable[[Callable[[], object]], StoreError]:
    """Call something that must be refused, and return the refusal: it never shows a value."""

    def refused(call: Callable[[], object]) -> StoreError:
        with pytest.raises(StoreError) as caught:
            call()
        shown = f"{caught.value.message} {caught.value.hint}"
        assert caught.value.exit_code == 10
        assert not any(secret in shown for secret in (API_KEY, WEBHOOK_KEY, "opbxk1_0"))
        return caught.value

    return refused


@pytest.fixture
def run_hint() -> Callable[[StoreError], None]:
    """Do what the hint of a refusal says: run its first command in a shell."""

    def run(error: StoreError) -> None:
        found = re.search(r"`(.+?)`", error.hint or "")
        assert found, f"no command in the hint: {error.hint}"
        subprocess.run(["/bin/sh", "-c", found[1]], check=True, user=os.geteuid())

    return run


@pytest.fixture
def home_of_nobody(tmp_path: Path) -> Iterator[Path]:
    """A folder, and a process without root's rights for as long as the test runs."""
    if os.geteuid() != 0:
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp())
    os.chown(folder, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        os.seteuid(0)
        shutil.rmtree(folder)


class DictRing:
    """A key ring's back end that keeps what it is given in memory."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.entries[service, username]


@pytest.fixture
def ring() -> DictRing:
    return DictRing()


@pytest.fixture
def opened(paths: StorePaths, ring: DictRing) -> Callable[..., Store]:
    """The store as another process finds it: with a named key, or somebody who types."""

    def open_(key: Secret | None = None, *, typed: str | None = None) -> Store:
        return Store(
            paths,
            None if key is None else KeySource(secret=key),
            ask_passphrase=None if typed is None else lambda: Secret(typed),
            os_keyring=OsKeyring(ring),
            lock_timeout=0,
        )

    return open_
