"""A passphrase as a key: asked for once, last of all, and never where nobody can type."""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from opbx_cli.errors import StoreError, UsageError
from opbx_cli.models import Secret
from opbx_cli.store import SlotKind, Store, StoreContents, StorePaths, crypto, store_paths

Refusal = Callable[[Callable[[], object]], StoreError]
Opened = Callable[..., Store]

PASSPHRASE = "correct horse battery st\u00e4ple"
DECOMPOSED = "correct horse battery sta\u0308ple"
RAW_KEY = Secret(crypto.raw_key_to_text(bytes(32)))


@pytest.fixture(scope="session")
def locked_home(tmp_path_factory: pytest.TempPathFactory, contents: StoreContents) -> Path:
    """A home to be copied: deriving a key takes as long as all else of a test together."""
    home = tmp_path_factory.mktemp("locked") / "home"
    store = Store(store_paths(str(home)))
    store.update(lambda _: contents, create=True)
    store.keys.add(SlotKind.PASSPHRASE, passphrase=Secret(PASSPHRASE))
    shutil.rmtree(store_paths(str(home)).keys)
    return home


@pytest.fixture
def locked_store(locked_home: Path, tmp_path: Path, paths: StorePaths) -> StorePaths:
    """A store that a passphrase opens, its key file lost."""
    shutil.copytree(locked_home, tmp_path / "home")
    return paths


def test_argon2id_agrees_with_its_reference_implementation() -> None:
    # phc-winner-argon2, test.c: version 0x13, Argon2id, t=2, m=2^16, p=1.
    derived = crypto.argon2id(b"password", salt=b"somesalt", memory=65536, passes=2, lanes=1)
    assert derived.hex() == "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"


@pytest.mark.parametrize("typed", [PASSPHRASE, DECOMPOSED])
def test_a_passphrase_opens_the_store_however_it_is_typed(
    locked_store: StorePaths, opened: Opened, typed: str
) -> None:
    store = opened(typed=typed)
    assert store.read().generation == 2
    status = store.keys.status()
    assert status.slots[1].is_at_hand is True
    assert status.opened_with == status.slots[1].id


def test_a_passphrase_is_asked_for_once(locked_store: StorePaths) -> None:
    asked = []

    def ask() -> Secret:
        asked.append(1)
        return Secret(PASSPHRASE)

    store = Store(locked_store, ask_passphrase=ask)
    store.read()
    store.update(lambda old: old)
    store.previous()
    store.restore()
    store.keys.status()
    store.keys.rotate()
    assert store.read().generation == 5
    assert len(asked) == 1


def test_nobody_waits_for_somebody_who_types(locked_store: StorePaths, opened: Opened) -> None:
    others: list[int] = []

    def ask() -> Secret:
        report = opened(typed=PASSPHRASE).update(lambda old: old)  # the lock is free
        others.append(report.contents.generation)
        return Secret(PASSPHRASE)

    store = Store(locked_store, ask_passphrase=ask, lock_timeout=0)
    assert store.update(lambda old: old).contents.generation == 4
    assert others == [3]


def test_nobody_is_asked_where_another_key_opens_the_store(saved: Store, opened: Opened) -> None:
    key = opened().keys.add(SlotKind.EXTERNAL).key
    opened().keys.add(SlotKind.PASSPHRASE, passphrase=Secret(PASSPHRASE))
    for store in (opened(typed="not the passphrase"), opened(key, typed="not the passphrase")):
        assert store.read().profiles == store.update(lambda old: old).contents.profiles


def test_a_wrong_passphrase_is_told_with_what_is_intact(
    locked_store: StorePaths, opened: Opened, refusal: Refusal
) -> None:
    for typed in ("correct horse battery stable", "short", ""):
        before = locked_store.store.read_bytes()
        for call in (opened(typed=typed).read, lambda: opened(typed=typed).update(lambda old: old)):  # noqa: B023
            error = refusal(call)
            assert error.code == "store.wrong_key"
            assert error.message.startswith("wrong passphrase: ")
            assert "nothing was changed" in error.message
            assert "`opbx key status`" in (error.hint or "")
        assert locked_store.store.read_bytes() == before


def test_without_a_terminal_the_message_says_what_is_needed(
    locked_store: StorePaths, opened: Opened, refusal: Refusal
) -> None:
    error = refusal(opened().read)
    assert error.code == "store.no_key"
    assert "its passphrase is asked for on a terminal only" in error.message
    assert "run the same command on a terminal" in (error.hint or "")


def test_a_named_key_is_never_followed_by_a_question(
    locked_store: StorePaths, opened: Opened, refusal: Refusal
) -> None:
    assert refusal(opened(RAW_KEY, typed=PASSPHRASE).read).code == "store.wrong_key"


@pytest.mark.parametrize(
    "wrong",
    ["", "seven77", "tab\tinside it", "line\nbreak in it", "x" * 1025, "\ud800 half a pair"],
)
def test_a_passphrase_that_nobody_should_set_is_a_usage_error(
    saved: Store, opened: Opened, wrong: str
) -> None:
    with pytest.raises(UsageError) as caught:
        opened().keys.add(SlotKind.PASSPHRASE, passphrase=Secret(wrong))
    assert caught.value.exit_code == 2
    assert not wrong or wrong not in caught.value.message
    with pytest.raises(UsageError):
        opened().keys.add(SlotKind.PASSPHRASE)
    assert opened().read().generation == 1


def test_four_passphrases_are_enough(saved: Store, opened: Opened, refusal: Refusal) -> None:
    for number in range(4):
        opened().keys.add(SlotKind.PASSPHRASE, passphrase=Secret(f"passphrase {number}"))
    error = refusal(lambda: opened().keys.add(SlotKind.PASSPHRASE, passphrase=Secret(PASSPHRASE)))
    assert error.code == "store.too_many_keys"


def test_a_rotation_keeps_a_passphrase_that_is_typed_under_a_fresh_salt(
    saved: Store, opened: Opened, paths: StorePaths, refusal: Refusal
) -> None:
    added = opened().keys.add(SlotKind.PASSPHRASE, passphrase=Secret(PASSPHRASE))
    salt = re.findall('argon2_salt = "(.*)"', paths.store.read_text())
    error = refusal(opened().keys.rotate)
    assert error.code == "store.key_not_at_hand"
    assert added.slot.id in error.message
    assert refusal(opened(typed="not the passphrase").keys.rotate).code == "store.wrong_key"
    assert opened().read().generation == 2
    opened(typed=PASSPHRASE).keys.rotate()
    opened().keys.rotate(passphrase=Secret(PASSPHRASE))
    assert re.findall('argon2_salt = "(.*)"', paths.store.read_text()) != salt
    shutil.rmtree(paths.keys)
    assert opened(typed=PASSPHRASE).read().generation == 4


def test_of_two_passphrases_the_one_not_typed_must_be_dropped(
    saved: Store, opened: Opened, refusal: Refusal
) -> None:
    first, second = (
        opened().keys.add(SlotKind.PASSPHRASE, passphrase=Secret(f"passphrase {number}")).slot.id
        for number in (1, 2)
    )
    error = refusal(opened(typed="passphrase 1").keys.rotate)
    assert error.code == "store.key_not_at_hand"
    assert second in error.message
    assert first not in error.message
    rotation = opened(typed="passphrase 1").keys.rotate(drop=frozenset({second}))
    assert first in [slot.id for slot in rotation.slots]


def test_a_forgotten_passphrase_never_becomes_the_only_key(
    saved: Store, opened: Opened, paths: StorePaths, refusal: Refusal
) -> None:
    file_id = opened().keys.status().slots[0].id
    added = opened().keys.add(SlotKind.PASSPHRASE, passphrase=Secret(PASSPHRASE))
    for store in (opened(), opened(typed="what was it again")):
        error = refusal(lambda store=store: store.keys.remove(file_id))  # type: ignore[misc]
        assert error.code == "store.last_key"
    status = opened(typed=PASSPHRASE).keys.remove(file_id)
    assert [slot.id for slot in status.slots] == [added.slot.id]
    assert opened(typed=PASSPHRASE).read().generation == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("memory", "19455"),
        ("memory", "1048577"),
        ("memory", "0"),
        ("memory", "-65536"),
        ("memory", str(2**64)),
        ("memory", "9" * 4000),
        ("memory", "65536.0"),
        ("memory", "true"),
        ("passes", "0"),
        ("passes", "11"),
        ("passes", str(2**32)),
        ("passes", "9" * 4000),
        ("lanes", "0"),
        ("lanes", "9"),
        ("lanes", str(2**31)),
        ("lanes", "9" * 4000),
        ("salt", '"AAAA"'),
    ],
)
def test_a_store_that_asks_for_too_much_work_is_refused_before_any(
    locked_store: StorePaths, opened: Opened, refusal: Refusal, name: str, value: str
) -> None:
    text = locked_store.store.read_text()
    changed = re.sub(f"argon2_{name} = .*", f"argon2_{name} = {value}", text)
    assert changed != text
    locked_store.store.write_text(changed)
    asked = []
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    store = Store(locked_store, ask_passphrase=lambda: asked.append(1) or Secret(PASSPHRASE))  # type: ignore[func-returns-value]
    assert refusal(store.read).code == "store.altered"
    assert not asked
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 19_456  # KiB


def test_parameters_that_were_changed_within_bounds_are_a_wrong_passphrase(
    locked_store: StorePaths, opened: Opened, refusal: Refusal
) -> None:
    text = locked_store.store.read_text()
    locked_store.store.write_text(text.replace("argon2_passes = 3", "argon2_passes = 2"))
    assert refusal(opened(typed=PASSPHRASE).read).code == "store.wrong_key"


def test_no_key_ring_is_loaded_where_none_is_used(saved: Store, paths: StorePaths) -> None:
    script = (
        "import sys; from pathlib import Path; from opbx_cli.store import Store, store_paths;"
        "store = Store(store_paths(sys.argv[1])); store.update(lambda old: old);"
        "store.keys.rotate(); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(paths.config)],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert "opbx_cli.store.unlock" in loaded
    assert "keyring" not in loaded


def test_too_little_memory_is_told(locked_store: StorePaths, tmp_path: Path) -> None:
    script = """
import resource, sys
from opbx_cli.errors import StoreError
from opbx_cli.models import Secret
from opbx_cli.store import Store, store_paths
import cryptography.hazmat.primitives.kdf.argon2
store = Store(store_paths(sys.argv[1]), ask_passphrase=lambda: Secret("correct horse battery"))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 40 * 1024 * 1024,) * 2)
try:
    store.read()
except StoreError as error:
    print(error.code, error.message)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(locked_store.config)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "store.no_key checking a passphrase takes 64 MiB" in done.stdout, done.stderr
