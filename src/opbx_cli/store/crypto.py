"""The store's cryptography: which primitive does what, and nothing about files or TOML.

AES-256-GCM seals (NIST SP 800-38D), HKDF-SHA256 derives (RFC 5869), HMAC-SHA-256
authenticates the file as a whole. Primitives come from `cryptography` and the standard
library. What comes from `cryptography` is not taken from `hashlib` and `hmac` beside it:
each start would load a second OpenSSL for them. Random bytes come from `os.urandom`, which
is what `secrets` reads too.
"""

from __future__ import annotations

import binascii
import os

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32  # AES-256, and every other key here
NONCE_BYTES = 12  # NIST SP 800-38D, section 5.2.1.1: the length that needs no hashing
TAG_BYTES = 16
MAC_BYTES = 32
SALT_BYTES = 32

RAW_KEY_PREFIX = "opbxk1_"
_CHECK_BYTES = 4

_TO_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_FROM_URL_SAFE = bytes.maketrans(b"-_", b"+/")

_TYPE_TEXT = b"\x01"
_TYPE_BYTES = b"\x02"
_TYPE_INTEGER = b"\x03"


class NotAuthentic(Exception):
    """A sealed value does not belong to this key and this place."""


class MalformedKey(Exception):
    """A raw key's text is cut, changed, or something else altogether."""


def tlv(*parts: str | bytes | int) -> bytes:
    """Join parts so that they cannot be split differently.

    Each part is one type byte (1 text, 2 bytes, 3 integer), its length as 32 bits, and
    its bytes: text as UTF-8, an integer as 64 bits; numbers are unsigned and big-endian.
    """
    return b"".join([_tlv_part(part) for part in parts])


def _tlv_part(part: str | bytes | int) -> bytes:
    if isinstance(part, str):
        kind, content = _TYPE_TEXT, part.encode()
    elif isinstance(part, bytes):
        kind, content = _TYPE_BYTES, part
    else:
        kind, content = _TYPE_INTEGER, part.to_bytes(8, "big")
    return kind + len(content).to_bytes(4, "big") + content


def random_bytes(count: int) -> bytes:
    return os.urandom(count)


def hkdf(key: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info).derive(key)


def argon2id(secret: bytes, *, salt: bytes, memory: int, passes: int, lanes: int) -> bytes:
    """Return a key for a passphrase (RFC 9106); `memory` in KiB. MemoryError without that much."""
    function = Argon2id(
        salt=salt, length=KEY_BYTES, iterations=passes, lanes=lanes, memory_cost=memory
    )
    return function.derive(secret)


def sha256(content: bytes) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(content)
    return digest.finalize()


def derive_pair(key: bytes, *, salt: bytes, info: bytes) -> tuple[bytes, bytes]:
    """Return two independent keys."""
    material = hkdf(key, salt=salt, info=info, length=2 * KEY_BYTES)
    return material[:KEY_BYTES], material[KEY_BYTES:]


class Cipher:
    """AES-256-GCM under one key; a nonce serves once per key."""

    __slots__ = ("_aead",)

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def encrypt(self, nonce: bytes, plaintext: bytes, *, aad: bytes) -> bytes:
        """Return the ciphertext with its tag."""
        return self._aead.encrypt(nonce, plaintext, aad)

    def decrypt(self, nonce: bytes, ciphertext: bytes, *, aad: bytes) -> bytes:
        try:
            return self._aead.decrypt(nonce, ciphertext, aad)
        except InvalidTag:
            raise NotAuthentic from None


def encrypt(key: bytes, nonce: bytes, plaintext: bytes, *, aad: bytes) -> bytes:
    return Cipher(key).encrypt(nonce, plaintext, aad=aad)


def decrypt(key: bytes, nonce: bytes, ciphertext: bytes, *, aad: bytes) -> bytes:
    return Cipher(key).decrypt(nonce, ciphertext, aad=aad)


def authenticate(key: bytes, content: bytes) -> bytes:
    return _mac(key, content).finalize()


def is_authentic(key: bytes, content: bytes, *, tag: bytes) -> bool:
    """Tell in constant time whether `authenticate` made this tag."""
    try:
        _mac(key, content).verify(tag)
    except InvalidSignature:
        return False
    return True


def equal(left: bytes, right: bytes) -> bool:
    """Compare in constant time, by tags under a key that serves this once."""
    key = random_bytes(KEY_BYTES)
    return is_authentic(key, left, tag=authenticate(key, right))


def _mac(key: bytes, content: bytes) -> hmac.HMAC:
    mac = hmac.HMAC(key, hashes.SHA256())
    mac.update(content)
    return mac


def to_text(content: bytes) -> str:
    """Return base64url without padding (RFC 4648, section 5)."""
    encoded = binascii.b2a_base64(content, newline=False)
    return encoded.rstrip(b"=").translate(_TO_URL_SAFE).decode()


def from_text(text: str) -> bytes:
    """Undo `to_text`; ValueError for any other spelling of the same bytes."""
    encoded = text.encode("ascii").translate(_FROM_URL_SAFE) + b"=" * (-len(text) % 4)
    content = binascii.a2b_base64(encoded)
    if to_text(content) != text:
        raise ValueError("not canonical base64url")
    return content


def raw_key_to_text(key: bytes) -> str:
    """Return a key as people carry it, with a checksum: a cut paste is told from a wrong key."""
    return RAW_KEY_PREFIX + to_text(key + _checksum(key))


def raw_key_from_text(text: str) -> bytes:
    """Undo `raw_key_to_text`; one line break at the end (a file, `echo`) is not part of it."""
    text = text.removesuffix("\n").removesuffix("\r")
    try:
        content = from_text(text.removeprefix(RAW_KEY_PREFIX))
    except ValueError:
        raise MalformedKey from None
    key, checksum = content[:KEY_BYTES], content[KEY_BYTES:]
    if not text.startswith(RAW_KEY_PREFIX) or not equal(checksum, _checksum(key)):
        raise MalformedKey
    return key


def _checksum(key: bytes) -> bytes:
    return sha256(key)[:_CHECK_BYTES]
