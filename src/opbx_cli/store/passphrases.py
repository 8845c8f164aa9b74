"""Passphrases: which are taken, and how one becomes a raw key."""

from __future__ import annotations

import unicodedata

from opbx_cli.errors import StoreError, UsageError
from opbx_cli.models import Secret
from opbx_cli.store import crypto
from opbx_cli.store.argon2 import SALT_BYTES, Argon2
from opbx_cli.store.sealing import RawKey

LENGTH_MIN = 8  # characters
LENGTH_MAX = 1024
# RFC 9106, section 4, second recommended option, for computers without 2 GiB to spare.
MEMORY, PASSES, LANES = 65_536, 3, 4


def new_key(passphrase: Secret) -> RawKey:
    """Return a raw key for a passphrase that is being set; UsageError for one not taken."""
    text = _normalised(passphrase)
    if text is None:
        raise UsageError(
            f"expected a passphrase of {LENGTH_MIN} to {LENGTH_MAX} characters, none of them a"
            " control character",
            code="usage.passphrase",
        )
    argon2 = Argon2(crypto.random_bytes(SALT_BYTES), MEMORY, PASSES, LANES)
    return RawKey(_derived(text, argon2), argon2)


def key_for(passphrase: Secret, argon2: Argon2) -> RawKey | None:
    """Return the raw key for a slot; None for what cannot be anybody's passphrase."""
    text = _normalised(passphrase)
    return None if text is None else RawKey(_derived(text, argon2), argon2)


def _normalised(passphrase: Secret) -> bytes | None:
    """Return NFC in UTF-8: an é is one passphrase, however a keyboard composes it."""
    text = unicodedata.normalize("NFC", passphrase.reveal())
    fits = LENGTH_MIN <= len(text) <= LENGTH_MAX
    if not fits or any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        return None
    return text.encode()


def _derived(text: bytes, argon2: Argon2) -> bytes:
    try:
        return crypto.argon2id(
            text,
            salt=argon2.salt,
            memory=argon2.memory,
            passes=argon2.passes,
            lanes=argon2.lanes,
        )
    except MemoryError:
        raise StoreError(
            f"checking a passphrase takes {argon2.memory // 1024} MiB of memory, and there is"
            " not as much; nothing was changed",
            hint="see what is free with `free -m`",
            code="store.no_key",
        ) from None
