"""Frozen stores of version 1: they open for ever, and with one fault each they never do.

Written once by the first opbx that had all kinds of slots, and never again since: a
change of the format that breaks them breaks somebody's store.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opbx_cli.errors import StoreError
from opbx_cli.models import ApplicationReference, KeyMemory, KeyState, RecordingFormat, Secret
from opbx_cli.settings.table import Settings
from opbx_cli.store import KeySource, Store, StoreContents, StorePaths, crypto, file_format, sealing
from opbx_cli.store.sealing import RawKey
from opbx_cli.store.strict_toml import UnfitStore
from opbx_cli.store.unlock import key_for

Refusal = Callable[[Callable[[], object]], StoreError]

VECTORS = Path(__file__).parents[1] / "vectors"
FROZEN = json.loads((VECTORS / "v1.json").read_text(encoding="utf-8"))
BY_FILE = {entry["file"]: entry for entry in FROZEN["vectors"]}
FAULTS = json.loads((VECTORS / "v1-faults.json").read_text(encoding="utf-8"))
SECRETS = ("domain_api_key", "webhook_api_key")


def store_with(entry: dict[str, Any], data: bytes, paths: StorePaths) -> Store:
    """The store of a vector, with its key where it belongs."""
    paths.config.mkdir(mode=0o700)
    paths.store.touch(mode=0o600)
    paths.store.write_bytes(data)
    if "passphrase" in entry:
        return Store(paths, ask_passphrase=lambda: Secret(entry["passphrase"]))
    return Store(paths, KeySource(secret=Secret(entry["key"])))


def settings(values: dict[str, Any]) -> Settings:
    values = {name: Secret(value) if name in SECRETS else value for name, value in values.items()}
    if "webhook_api_key_sent" in values:
        values["webhook_key_memory"] = KeyMemory(KeyState.SENT, values.pop("webhook_api_key_sent"))
    if "voice_application" in values:
        values["voice_application"] = ApplicationReference(**values["voice_application"])
    if "recording_format" in values:
        values["recording_format"] = RecordingFormat(values["recording_format"])
    return Settings(**values)


def key_of(entry: dict[str, Any]) -> RawKey:
    if "key" in entry:
        return RawKey(crypto.raw_key_from_text(entry["key"]))
    (slot,) = file_format.parse((VECTORS / entry["file"]).read_bytes()).document.slots
    assert slot.argon2 is not None
    key = key_for(Secret(entry["passphrase"]), slot.argon2)
    assert key is not None
    return key


def open_with(data: bytes, key: RawKey) -> StoreContents | None:
    """Open bytes without any file, as far as they go; None for a key that is not theirs."""
    signed = file_format.parse(data)
    slot = sealing.find_slot(signed.document, key)
    if slot is None:
        return None
    return sealing.open_contents(signed, sealing.vault_of(signed.document, slot, key=key))


def verdict(data: bytes, key: RawKey) -> str | None:
    """Why bytes do not open with a key; None if they do."""
    try:
        return "store.wrong_key" if open_with(data, key) is None else None
    except UnfitStore as problem:
        return problem.code


@pytest.mark.parametrize("entry", FROZEN["vectors"], ids=lambda entry: entry["kind"])
def test_a_frozen_store_opens_and_can_be_saved(entry: dict[str, Any], paths: StorePaths) -> None:
    store = store_with(entry, (VECTORS / entry["file"]).read_bytes(), paths)
    contents = store.read()
    assert contents.profiles == {
        name: settings(values) for name, values in FROZEN["profiles"].items()
    }
    assert list(contents.profiles) == list(FROZEN["profiles"])
    assert contents.default_profile == FROZEN["default_profile"]
    assert contents.generation == entry["generation"]
    assert store.update(lambda old: old).contents.generation == entry["generation"] + 1
    assert store.read().profiles == contents.profiles


def test_a_frozen_key_file_and_key_ring_entry_open_their_stores_unnamed(paths: StorePaths) -> None:
    entry = BY_FILE["v1-keyfile.toml"]
    store_with(entry, (VECTORS / entry["file"]).read_bytes(), paths)
    (slot,) = file_format.parse(paths.store.read_bytes()).document.slots
    paths.keys.mkdir(mode=0o700)
    paths.key_file(slot.id).touch(mode=0o600)
    paths.key_file(slot.id).write_text(entry["key"] + "\n")
    assert Store(paths).read().profiles


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault["fault"])
def test_one_fault_is_enough_to_refuse_a_store(
    fault: dict[str, str], paths: StorePaths, refusal: Refusal
) -> None:
    entry = BY_FILE[fault["file"]]
    original = (VECTORS / fault["file"]).read_text(encoding="utf-8")
    text, _ = re.subn(fault["find"], fault["replace"], original, flags=re.MULTILINE)
    assert text != original
    assert refusal(store_with(entry, text.encode(), paths).read).code == fault["code"]
    assert paths.store.read_bytes() == text.encode()
    shutil.rmtree(paths.config)


@pytest.mark.uncounted
@pytest.mark.parametrize("kind", ["keyfile", "passphrase"])
def test_every_flipped_bit_is_refused(kind: str) -> None:
    entry = BY_FILE[f"v1-{kind}.toml"]
    data, key = bytearray((VECTORS / entry["file"]).read_bytes()), key_of(entry)
    assert verdict(bytes(data), key) is None
    for position in range(len(data)):
        for bit in range(8):
            data[position] ^= 1 << bit
            assert verdict(bytes(data), key), (position, bit)
            data[position] ^= 1 << bit


def test_a_store_cut_at_any_length_is_refused() -> None:
    entry = BY_FILE["v1-passphrase.toml"]
    data, key = (VECTORS / entry["file"]).read_bytes(), key_of(entry)
    for length in range(len(data)):
        assert verdict(data[:length], key) == "store.incomplete"


@pytest.mark.parametrize("part", ["slot", "salt", "profile", "secret", "tag", "header"])
def test_no_part_of_one_frozen_store_fits_into_another(part: str) -> None:
    pattern = {
        "slot": r"(?s)\[\[slot\]\].*?\n\n",
        "salt": r'(?<=\n)salt = "[\w-]+"\ndefault',
        "profile": r'(?s)\[profile\."pbx.*?(?=\[profile\."empty)',
        "secret": r"domain_api_key = .*\n",
        "tag": r"hmac_sha256 = .*\n",
        "header": r"(?s)format = .*?\n\n",
    }[part]
    keys = {entry["file"]: key_of(entry) for entry in FROZEN["vectors"]}
    for target in FROZEN["vectors"]:
        text = (VECTORS / target["file"]).read_text(encoding="utf-8")
        for source in FROZEN["vectors"]:
            if source is target:
                continue
            found = re.search(pattern, (VECTORS / source["file"]).read_text(encoding="utf-8"))
            assert found
            grafted = re.sub(pattern, lambda _: found[0], text, count=1)  # noqa: B023
            assert grafted != text
            for key in (keys[target["file"]], keys[source["file"]]):
                assert verdict(grafted.encode(), key) in ("store.altered", "store.wrong_key")


def test_a_slot_of_another_store_added_to_ours_opens_nothing() -> None:
    ours, theirs = BY_FILE["v1-keyfile.toml"], BY_FILE["v1-external.toml"]
    text = (VECTORS / ours["file"]).read_text(encoding="utf-8")
    slot = re.search(
        r"(?s)\[\[slot\]\].*?\n\n", (VECTORS / theirs["file"]).read_text(encoding="utf-8")
    )
    assert slot
    grafted = text.replace("[[slot]]", f"{slot[0]}[[slot]]", 1).encode()
    assert verdict(grafted, key_of(theirs)) == "store.wrong_key"
    assert verdict(grafted, key_of(ours)) == "store.altered"


@pytest.mark.parametrize("opening", ["[", "{a=", "[{a="])
@pytest.mark.parametrize("depth", [1000, 100_000])
def test_deep_nesting_is_refused_and_not_followed(
    opening: str, depth: int, paths: StorePaths, refusal: Refusal
) -> None:
    entry = BY_FILE["v1-keyfile.toml"]
    text = (VECTORS / entry["file"]).read_text(encoding="utf-8")
    nested = text.replace("version = 1", f"x = {opening * depth}\nversion = 1")
    assert refusal(store_with(entry, nested.encode(), paths).read).code == "store.altered"


def test_seventeen_slots_and_five_passphrases_are_too_many(
    paths: StorePaths, refusal: Refusal
) -> None:
    for file, count, said in (
        ("v1-keyfile.toml", 17, "more than 16"),
        ("v1-passphrase.toml", 5, "more than 4 pass"),
    ):
        text = (VECTORS / file).read_text(encoding="utf-8")
        slot = re.search(r"(?s)\[\[slot\]\].*?\n\n", text)
        assert slot
        slots = [re.sub('id = ".{8}', f'id = "{n:08x}', slot[0]) for n in range(count)]
        store = store_with(BY_FILE[file], text.replace(slot[0], "".join(slots)).encode(), paths)
        error = refusal(store.read)
        assert error.code == "store.altered"
        assert said in error.message
        shutil.rmtree(paths.config)
