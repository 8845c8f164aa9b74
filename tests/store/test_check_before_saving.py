"""New bytes are opened as a reader would before they take the old ones' place."""

from __future__ import annotations

import dataclasses

import pytest

from opbx_cli.store import StoreContents, crypto, file_format, sealing
from opbx_cli.store.key_slots import SlotKind
from opbx_cli.store.sealing import RawKey, Vault
from opbx_cli.store.strict_toml import UnfitStore

KEY = RawKey(bytes(range(crypto.KEY_BYTES)))


@pytest.fixture
def vault() -> Vault:
    return sealing.new_vault(KEY.content, SlotKind.KEYFILE)


@pytest.fixture
def numbered(contents: StoreContents, vault: Vault) -> StoreContents:
    """What a first save would hold."""
    store_id = crypto.to_text(vault.store_id)
    return contents._replace(store_id=store_id, generation=1)


def refused(
    contents: StoreContents, vault: Vault, *, expected: StoreContents, key: RawKey, sealed: Vault
) -> str:
    """Return why bytes that were sealed under one vault do not pass as another's."""
    data = sealing.seal(contents, sealed)
    with pytest.raises(UnfitStore) as caught:
        sealing.check_seal(data, expected=expected, vault=vault, keys=[(vault.slots[0].id, key)])
    return str(caught.value)


def test_what_was_to_be_saved_passes(numbered: StoreContents, vault: Vault) -> None:
    data = sealing.seal(numbered, vault)
    sealing.check_seal(data, expected=numbered, vault=vault, keys=[(vault.slots[0].id, KEY)])
    assert sealing.open_contents(file_format.parse(data), vault) == numbered


def test_a_key_that_does_not_open_its_slot_is_named(numbered: StoreContents, vault: Vault) -> None:
    other = RawKey(bytes(crypto.KEY_BYTES))
    reason = refused(numbered, vault, expected=numbered, key=other, sealed=vault)
    assert reason == f"its slot {vault.slots[0].id} does not open with its own key"


def test_a_slot_that_holds_another_data_key_is_named(numbered: StoreContents, vault: Vault) -> None:
    rotated = dataclasses.replace(vault, data_key=sealing.new_data_key())
    reason = refused(numbered, rotated, expected=numbered, key=KEY, sealed=rotated)
    assert reason == f"its slot {vault.slots[0].id} does not hold the data key"


def test_other_contents_or_another_order_are_refused(numbered: StoreContents, vault: Vault) -> None:
    turned = dict(reversed(list(numbered.profiles.items())))
    for expected in (
        numbered._replace(default_profile="a.example.net"),
        numbered._replace(profiles=turned),
    ):
        reason = refused(numbered, vault, expected=expected, key=KEY, sealed=vault)
        assert reason == "what was read back is not what was to be saved"


def test_a_file_of_another_data_key_is_not_opened(numbered: StoreContents, vault: Vault) -> None:
    signed = file_format.parse(sealing.seal(numbered, vault))
    rotated = dataclasses.replace(vault, data_key=sealing.new_data_key())
    with pytest.raises(UnfitStore) as caught:
        sealing.open_contents(signed, rotated)
    assert str(caught.value) == "its authentication tag does not fit its bytes"
