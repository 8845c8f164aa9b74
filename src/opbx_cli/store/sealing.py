"""From contents to authentic bytes and back: key slots, the seal, and its opening.

A raw key opens a slot, a slot holds the data key, and from the data key every write
derives two fresh keys: one encrypts the secrets, one authenticates the whole file.
Opening goes in one order, with no way to skip a step: schema, commitment of the slot,
unwrapping, tag over the file, and only then values.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType

from opbx_cli.models import Secret, Settings
from opbx_cli.store import crypto, document, profiles
from opbx_cli.store.contents import StoreContents
from opbx_cli.store.document import (
    Document,
    ProfileTables,
    SignedDocument,
    Slot,
    SlotKind,
    UnfitStore,
)

_SLOT_INFO = b"opbx-store/v1/slot"
_DOCUMENT_INFO = b"opbx-store/v1/doc"


@dataclass(frozen=True, slots=True)
class Vault:
    """What stays the same from write to write: the store's identity, slots and data key."""

    store_id: bytes
    slots: tuple[Slot, ...]
    data_key: bytes = field(repr=False)


def new_vault(raw_key: bytes, kind: SlotKind) -> Vault:
    """Return the vault of a new store that `raw_key` opens."""
    store_id, data_key = crypto.random_bytes(16), crypto.random_bytes(crypto.KEY_BYTES)
    slot = _new_slot(raw_key, data_key, store_id=store_id, kind=kind)
    return Vault(store_id, (slot,), data_key)


def unlock(signed: SignedDocument, raw_key: bytes) -> Vault | None:
    """Try a raw key against every slot; None means that it is not this store's key."""
    store_id = signed.document.store_id
    for slot in signed.document.slots:
        place = _slot_place(store_id, slot.id, kind=slot.kind)
        wrap, commit = _slot_keys(raw_key, salt=slot.salt, place=place)
        if crypto.equal(commit, slot.commit):
            return Vault(store_id, signed.document.slots, _unwrapped(slot, wrap, place=place))
    return None


def open_contents(signed: SignedDocument, vault: Vault) -> StoreContents:
    """Check the tag over the whole file, then decrypt and check its values."""
    content = signed.document
    encryption_key, mac_key = _write_keys(vault, content.salt)
    if not crypto.equal(crypto.authenticate(mac_key, signed.signed), signed.tag):
        raise UnfitStore("its authentication tag does not fit its bytes")
    opened = {
        name: _opened_profile(content, name, tables=tables, key=encryption_key)
        for name, tables in content.profiles.items()
    }
    return StoreContents(
        profiles=MappingProxyType(opened),
        default_profile=content.default_profile,
        store_id=crypto.to_text(content.store_id),
        generation=content.generation,
    )


def seal(contents: StoreContents, vault: Vault) -> bytes:
    """Return the whole file for these contents, under keys that serve this once."""
    salt = crypto.random_bytes(crypto.SALT_BYTES)
    encryption_key, mac_key = _write_keys(vault, salt)
    unsealed = Document(
        store_id=vault.store_id,
        generation=contents.generation,
        salt=salt,
        default_profile=contents.default_profile,
        slots=vault.slots,
        profiles={},
    )
    sealed = {
        name: _sealed_profile(unsealed, name, settings=settings, key=encryption_key)
        for name, settings in contents.profiles.items()
    }
    signed = document.to_bytes(replace(unsealed, profiles=sealed))
    return document.with_tag(signed, crypto.authenticate(mac_key, signed))


def _new_slot(raw_key: bytes, data_key: bytes, *, store_id: bytes, kind: SlotKind) -> Slot:
    slot_id, salt = crypto.random_bytes(4).hex(), crypto.random_bytes(crypto.SALT_BYTES)
    nonce = crypto.random_bytes(crypto.NONCE_BYTES)
    place = _slot_place(store_id, slot_id, kind=kind)
    wrap, commit = _slot_keys(raw_key, salt=salt, place=place)
    wrapped = crypto.encrypt(wrap, nonce, data_key, aad=crypto.tlv("slot") + place)
    return Slot(slot_id, kind, salt, commit, nonce, wrapped)


def _unwrapped(slot: Slot, wrap: bytes, *, place: bytes) -> bytes:
    try:
        return crypto.decrypt(wrap, slot.nonce, slot.wrapped, aad=crypto.tlv("slot") + place)
    except crypto.NotAuthentic:
        raise UnfitStore(f"the data key in its slot {slot.id} is not authentic") from None


def _slot_place(store_id: bytes, slot_id: str, *, kind: SlotKind) -> bytes:
    """Return what ties a slot to its store, so that it cannot serve in another one."""
    return crypto.tlv(store_id, slot_id, kind.value)


def _slot_keys(raw_key: bytes, *, salt: bytes, place: bytes) -> tuple[bytes, bytes]:
    """Return the key that wraps, and the commitment that tells a wrong key from damage."""
    return crypto.derive_pair(raw_key, salt=salt, info=_SLOT_INFO + place)


def _write_keys(vault: Vault, salt: bytes) -> tuple[bytes, bytes]:
    info = _DOCUMENT_INFO + crypto.tlv(vault.store_id)
    return crypto.derive_pair(vault.data_key, salt=salt, info=info)


def _field_aad(content: Document, profile: str, *, name: str) -> bytes:
    return crypto.tlv("field", content.store_id, content.generation, profile, name)


def _sealed_profile(
    content: Document, profile: str, *, settings: Settings, key: bytes
) -> ProfileTables:
    sealed = {}
    for name, secret in profiles.sealed_values(settings).items():
        nonce = crypto.random_bytes(crypto.NONCE_BYTES)
        aad = _field_aad(content, profile, name=name)
        sealed[name] = nonce + crypto.encrypt(key, nonce, secret.reveal().encode(), aad=aad)
    return ProfileTables(profiles.plain_values(settings), sealed)


def _opened_profile(
    content: Document, profile: str, *, tables: ProfileTables, key: bytes
) -> Settings:
    secrets = {}
    for name, sealed in tables.sealed.items():
        nonce, ciphertext = sealed[: crypto.NONCE_BYTES], sealed[crypto.NONCE_BYTES :]
        aad = _field_aad(content, profile, name=name)
        try:
            secrets[name] = Secret(crypto.decrypt(key, nonce, ciphertext, aad=aad).decode())
        except (crypto.NotAuthentic, UnicodeDecodeError):
            raise UnfitStore(f"`{name}` of profile {profile} is not authentic") from None
    return profiles.to_settings(profile, tables.plain, secrets=secrets)
