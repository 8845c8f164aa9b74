"""From contents to authentic bytes and back: key slots, the seal, and its opening.

A raw key opens a slot, a slot holds the data key, and from the data key every write
derives two fresh keys: one encrypts the secrets, one authenticates the whole file.
Opening goes in one order, with no way to skip a step: schema, commitment of the slot,
unwrapping, tag over the file, and only then values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from opbx_cli.models import Secret
from opbx_cli.settings.table import Settings
from opbx_cli.store import crypto, file_format, profile_format
from opbx_cli.store.contents import StoreContents
from opbx_cli.store.file_format import Document, ProfileTables, SignedDocument
from opbx_cli.store.key_slots import Slot, SlotKind
from opbx_cli.store.strict_toml import UnfitStore

if TYPE_CHECKING:
    from opbx_cli.store.key_slots import Argon2

_SLOT_INFO = b"opbx-store/v1/slot"
_DOCUMENT_INFO = b"opbx-store/v1/doc"
_FIELD_NAMES = {name: crypto.tlv(name) for name in file_format.SEALED_FIELDS}


@dataclass(frozen=True, slots=True)
class Vault:
    """What stays the same from write to write: the store's identity, slots and data key."""

    store_id: bytes
    slots: tuple[Slot, ...]
    data_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RawKey:
    """What opens a slot; `argon2` is how it came from a passphrase, if it did."""

    content: bytes = field(repr=False)
    argon2: Argon2 | None = None


def new_vault(raw_key: bytes, kind: SlotKind) -> Vault:
    """Return the vault of a new store that `raw_key` opens."""
    vault = Vault(crypto.random_bytes(16), (), new_data_key())
    return replace(vault, slots=(new_slot(vault, RawKey(raw_key), kind=kind),))


def new_data_key() -> bytes:
    return crypto.random_bytes(crypto.KEY_BYTES)


def new_slot_id() -> str:
    return crypto.random_bytes(4).hex()


def new_slot(vault: Vault, key: RawKey, *, kind: SlotKind, slot_id: str | None = None) -> Slot:
    """Wrap the vault's data key under a raw key; without an id the slot gets a fresh one."""
    slot_id, salt = slot_id or new_slot_id(), crypto.random_bytes(crypto.SALT_BYTES)
    nonce = crypto.random_bytes(crypto.NONCE_BYTES)
    place = _slot_place(vault.store_id, slot_id, kind=kind)
    wrap, commit = _slot_keys(key.content, salt=salt, place=place)
    wrapped = crypto.encrypt(wrap, nonce, vault.data_key, aad=crypto.tlv("slot") + place)
    return Slot(slot_id, kind, salt, commit, nonce, wrapped, key.argon2)


def find_slot(content: Document, key: RawKey) -> Slot | None:
    """Return the slot that a raw key opens, judged by the commitments alone."""
    return next((slot for slot in content.slots if opens(content, slot, key=key)), None)


def opens(content: Document, slot: Slot, *, key: RawKey) -> bool:
    """Whether a raw key is this very slot's, judged by its commitment."""
    return slot.argon2 == key.argon2 and _wrapping_key(content, slot, key=key) is not None


def unlock(signed: SignedDocument, raw_key: bytes) -> Vault | None:
    """Try a raw key against every slot; None means that it is not this store's key."""
    key = RawKey(raw_key)
    slot = find_slot(signed.document, key)
    return None if slot is None else vault_of(signed.document, slot, key=key)


def vault_of(content: Document, slot: Slot, *, key: RawKey) -> Vault:
    """Unwrap the data key from the slot that this key opens."""
    wrap = _wrapping_key(content, slot, key=key)
    if wrap is None:
        raise UnfitStore(f"its slot {slot.id} does not open with its own key")
    place = _slot_place(content.store_id, slot.id, kind=slot.kind)
    try:
        data_key = crypto.decrypt(wrap, slot.nonce, slot.wrapped, aad=crypto.tlv("slot") + place)
    except crypto.NotAuthentic:
        raise UnfitStore(f"the data key in its slot {slot.id} is not authentic") from None
    return Vault(content.store_id, content.slots, data_key)


def is_sealed_under(signed: SignedDocument, vault: Vault) -> bool:
    """Whether a file's tag was made with this vault's data key."""
    _, mac_key = _write_keys(vault, signed.document.salt)
    return crypto.is_authentic(mac_key, signed.signed, tag=signed.tag)


def open_contents(signed: SignedDocument, vault: Vault) -> StoreContents:
    """Check the tag over the whole file, then decrypt and check its values."""
    content = signed.document
    encryption_key, mac_key = _write_keys(vault, content.salt)
    if not crypto.is_authentic(mac_key, signed.signed, tag=signed.tag):
        raise UnfitStore("its authentication tag does not fit its bytes")
    cipher = crypto.Cipher(encryption_key)
    opened = {
        name: _open_profile(_Place(content, name, cipher=cipher), tables)
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
    cipher = crypto.Cipher(encryption_key)
    sealed = {
        name: _seal_profile(_Place(unsealed, name, cipher=cipher), settings)
        for name, settings in contents.profiles.items()
    }
    signed = file_format.to_bytes(unsealed._replace(profiles=sealed))
    return file_format.with_tag(signed, crypto.authenticate(mac_key, signed))


def check_seal(
    data: bytes, *, expected: StoreContents, vault: Vault, keys: Sequence[tuple[str, RawKey]]
) -> None:
    """Open new bytes as a reader would; UnfitStore unless they hold what was to be saved.

    Each of the keys must open its slot, and yield the same data key.
    """
    signed = file_format.parse(data)
    by_id = {slot.id: slot for slot in signed.document.slots}
    for slot_id, key in keys:
        if vault_of(signed.document, by_id[slot_id], key=key) != vault:
            raise UnfitStore(f"its slot {slot_id} does not hold the data key")
    opened = open_contents(signed, vault)
    if opened != expected or list(opened.profiles) != list(expected.profiles):
        raise UnfitStore("what was read back is not what was to be saved")


def _wrapping_key(content: Document, slot: Slot, *, key: RawKey) -> bytes | None:
    place = _slot_place(content.store_id, slot.id, kind=slot.kind)
    wrap, commit = _slot_keys(key.content, salt=slot.salt, place=place)
    return wrap if crypto.equal(commit, slot.commit) else None


def _slot_place(store_id: bytes, slot_id: str, *, kind: SlotKind) -> bytes:
    """Return what ties a slot to its store, so that it cannot serve in another one."""
    return crypto.tlv(store_id, slot_id, kind.value)


def _slot_keys(raw_key: bytes, *, salt: bytes, place: bytes) -> tuple[bytes, bytes]:
    """Return the key that wraps, and the commitment that tells a wrong key from damage."""
    return crypto.derive_pair(raw_key, salt=salt, info=_SLOT_INFO + place)


def _write_keys(vault: Vault, salt: bytes) -> tuple[bytes, bytes]:
    info = _DOCUMENT_INFO + crypto.tlv(vault.store_id)
    return crypto.derive_pair(vault.data_key, salt=salt, info=info)


class _Place:
    """Which values these are: the part of the associated data that a whole profile shares."""

    __slots__ = ("_cipher", "_prefix", "profile")

    def __init__(self, content: Document, profile: str, *, cipher: crypto.Cipher) -> None:
        self.profile = profile
        self._cipher = cipher
        self._prefix = crypto.tlv("field", content.store_id, content.generation, profile)

    def seal(self, name: str, secret: Secret) -> bytes:
        nonce = crypto.random_bytes(crypto.NONCE_BYTES)
        aad = self._prefix + _FIELD_NAMES[name]
        return nonce + self._cipher.encrypt(nonce, secret.reveal().encode(), aad=aad)

    def open(self, name: str, sealed: bytes) -> Secret:
        nonce, ciphertext = sealed[: crypto.NONCE_BYTES], sealed[crypto.NONCE_BYTES :]
        aad = self._prefix + _FIELD_NAMES[name]
        try:
            return Secret(self._cipher.decrypt(nonce, ciphertext, aad=aad).decode())
        except (crypto.NotAuthentic, UnicodeDecodeError):
            raise UnfitStore(f"`{name}` of profile {self.profile} is not authentic") from None


def _seal_profile(place: _Place, settings: Settings) -> ProfileTables:
    sealed = {
        name: place.seal(name, secret)
        for name, secret in profile_format.sealed_values(settings).items()
    }
    return ProfileTables(profile_format.plain_values(settings), sealed)


def _open_profile(place: _Place, tables: ProfileTables) -> Settings:
    secrets = {name: place.open(name, sealed) for name, sealed in tables.sealed.items()}
    return profile_format.to_settings(place.profile, tables.plain, secrets=secrets)
