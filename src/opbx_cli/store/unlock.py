"""Which key opens a store: the one that was named, or else what the store's own slots say.

Unless a key was named, the ways are tried in one order: key ring, key file, passphrase. A
key that is not there is passed over, for that is how a store is opened on a second
computer; a key ring that fails is never passed over in silence. Which passphrases are taken,
and how one becomes a raw key, is here too.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import StoreError, UsageError
from opbx_cli.models import Secret
from opbx_cli.store import crypto, error_messages, key_source, sealing
from opbx_cli.store.file_format import Document
from opbx_cli.store.key_slots import ARGON2_SALT_BYTES, Argon2, Slot, SlotKind
from opbx_cli.store.key_source import KeySource
from opbx_cli.store.os_keyring import LOCATION, OsKeyring
from opbx_cli.store.sealing import RawKey
from opbx_cli.store_paths import StorePaths

AskPassphrase = Callable[[], Secret]

PASSPHRASE_MIN = 8  # characters
PASSPHRASE_MAX = 1024
# RFC 9106, section 4, second recommended option, for computers without 2 GiB to spare.
ARGON2_MEMORY, ARGON2_PASSES, ARGON2_LANES = 65_536, 3, 4


class Match(NamedTuple):
    """A slot, and the raw key that opens it."""

    slot: Slot
    key: RawKey


class _Search:
    """What was tried for one document, to be worded if nothing opens it."""

    def __init__(self) -> None:
        self.wrong_files: list[Path] = []
        self.ring_problem: StoreError | None = None
        self.passphrase_is_wrong = False


class AvailableKeys:
    """The keys that can be had in this run. A passphrase is asked for once, when its turn comes."""

    def __init__(
        self,
        paths: StorePaths,
        named: KeySource | None,
        *,
        ask_passphrase: AskPassphrase | None,
        os_keyring: OsKeyring,
        warn: Callable[[str], None],
    ) -> None:
        self._paths = paths
        self.named = named
        self._ask = ask_passphrase
        self._os_keyring = os_keyring
        self._warn = warn
        self._passphrase: Secret | None = None
        self._derived: dict[Argon2, RawKey | None] = {}

    @property
    def may_ask(self) -> bool:
        """Whether opening a store may mean to wait for somebody who types."""
        return self._ask is not None and self.named is None and not self.has_passphrase

    def fetch(self) -> None:
        """Run the command that prints the key, if one was named: it may ask somebody."""
        if self.named is not None and self.named.command is not None:
            self.named.read(warn=self._warn)

    def find(self, content: Document) -> Match:
        """Return the first slot that opens, or raise StoreError that says what was tried."""
        if self.named is not None:
            match = _match(content, RawKey(self.named.read(warn=self._warn)))
            if match is None:
                raise error_messages.wrong_key(
                    self._paths, self.named, own_files=self.key_files(content)
                )
            return match
        search = _Search()
        match = (
            self._from_key_ring(content, search)
            or self._from_key_files(content, search)
            or self._from_passphrase(content, search)
        )
        if match is None:
            raise self._nothing_opens(content, search)
        if search.ring_problem is not None:
            self._warn(f"{search.ring_problem.message}: opened with its {match.slot.kind} instead")
        return match

    def matches(self, content: Document) -> dict[str, RawKey]:
        """Return every slot whose key is at hand without asking anybody, by its id."""
        found = (self._at_hand(content, slot) for slot in content.slots)
        return {match.slot.id: match.key for match in found if match is not None}

    def location(self, slot: Slot) -> str | None:
        if slot.kind is SlotKind.KEYFILE:
            return str(self._paths.key_file(slot.id))
        return LOCATION if slot.kind is SlotKind.KEYRING else None

    def key_files(self, content: Document) -> list[Path]:
        slots = (slot for slot in content.slots if slot.kind is SlotKind.KEYFILE)
        return [self._paths.key_file(slot.id) for slot in slots]

    def keep(self, store_id: bytes, slot: Slot, key: RawKey) -> None:
        """Put a new key where its slot says; OSError or StoreError, and nothing is left."""
        if slot.kind is SlotKind.KEYFILE:
            key_source.write_key_file(self._paths.key_file(slot.id), key.content)
        elif slot.kind is SlotKind.KEYRING:
            self._os_keyring.put(_entry(store_id, slot), crypto.raw_key_to_text(key.content))

    def forget(self, store_id: bytes, slot: Slot) -> bool:
        """Delete a slot's key where it is ours to delete; False if there was none.

        OSError or StoreError if it is still there.
        """
        if slot.kind is SlotKind.KEYFILE:
            return key_source.remove_key_file(self._paths.key_file(slot.id))
        if slot.kind is SlotKind.KEYRING:
            self._os_keyring.remove(_entry(store_id, slot))
            return True
        return False

    def passphrase_match(self, content: Document, slot: Slot, *, ask: bool) -> Match | None:
        """Return the match if the passphrase is this slot's; `ask` where it is not yet known."""
        if slot.argon2 is None:
            return None
        if self._passphrase is None:
            if not ask or self._ask is None:
                return None
            self._passphrase = self._ask()
        if slot.argon2 not in self._derived:
            self._derived[slot.argon2] = key_for(self._passphrase, slot.argon2)
        key = self._derived[slot.argon2]
        return None if key is None else _match_of(content, slot, key=key)

    @property
    def has_passphrase(self) -> bool:
        return self._passphrase is not None

    def renew_passphrase(self) -> RawKey | None:
        """Return a key from the known passphrase with a fresh salt and today's parameters."""
        return None if self._passphrase is None else new_key(self._passphrase)

    def named_key(self, content: Document, slot: Slot) -> RawKey | None:
        """Return the named key if it is this slot's."""
        if self.named is None or slot.argon2 is not None:
            return None
        key = RawKey(self.named.read(warn=self._warn))
        return key if sealing.opens(content, slot, key=key) else None

    def learn_passphrase(self, passphrase: Secret) -> None:
        """Use this passphrase from now on, instead of asking for one."""
        self._passphrase = passphrase
        self._derived.clear()

    def _from_key_ring(self, content: Document, search: _Search) -> Match | None:
        for slot in content.slots:
            if slot.kind is SlotKind.KEYRING:
                try:
                    if (match := self._ring_match(content, slot)) is not None:
                        return match
                except StoreError as error:
                    search.ring_problem = error
        return None

    def _from_key_files(self, content: Document, search: _Search) -> Match | None:
        for path in self.key_files(content):
            key = key_source.read_key_file(path)
            if key is not None:
                if (match := _match(content, RawKey(key))) is not None:
                    return match
                search.wrong_files.append(path)
        return None

    def _from_passphrase(self, content: Document, search: _Search) -> Match | None:
        for slot in content.slots:
            if (match := self.passphrase_match(content, slot, ask=True)) is not None:
                return match
            search.passphrase_is_wrong |= slot.argon2 is not None and self._passphrase is not None
        return None

    def _ring_match(self, content: Document, slot: Slot) -> Match | None:
        text = self._os_keyring.get(_entry(content.store_id, slot))
        if text is None:
            return None
        origin = f"the entry {_entry(content.store_id, slot)} of the {LOCATION}"
        key = key_source.raw_key(text, origin=origin, hint=error_messages.OTHER_WAYS)
        match = _match_of(content, slot, key=RawKey(key))
        if match is None:
            raise StoreError(
                f"wrong key: {origin} does not open {self._paths.store}",
                hint=error_messages.OTHER_WAYS,
                code=ErrorCode.STORE_WRONG_KEY,
            )
        return match

    def _at_hand(self, content: Document, slot: Slot) -> Match | None:
        """Return the match if this very slot's key can be had now, without asking anybody."""
        try:
            if (key := self.named_key(content, slot)) is not None:
                return Match(slot, key)
            if slot.kind is SlotKind.KEYRING:
                return self._ring_match(content, slot)
            if slot.kind is SlotKind.KEYFILE:
                found = key_source.read_key_file(self._paths.key_file(slot.id))
                return None if found is None else _match_of(content, slot, key=RawKey(found))
            return self.passphrase_match(content, slot, ask=False)
        except StoreError:
            return None

    def _nothing_opens(self, content: Document, search: _Search) -> StoreError:
        if search.passphrase_is_wrong:
            return error_messages.wrong_passphrase(self._paths)
        if search.ring_problem is not None:
            return search.ring_problem
        if search.wrong_files:
            return error_messages.wrong_key(self._paths, None, own_files=search.wrong_files)
        return error_messages.no_key(
            self._paths,
            own_files=self.key_files(content),
            kinds=frozenset(slot.kind for slot in content.slots),
        )


def _match(content: Document, key: RawKey) -> Match | None:
    slot = sealing.find_slot(content, key)
    return None if slot is None else Match(slot, key)


def _match_of(content: Document, slot: Slot, *, key: RawKey) -> Match | None:
    return Match(slot, key) if sealing.opens(content, slot, key=key) else None


def _entry(store_id: bytes, slot: Slot) -> str:
    return f"{crypto.to_text(store_id)}/{slot.id}"


def new_key(passphrase: Secret) -> RawKey:
    """Return a raw key for a passphrase that is being set; UsageError for one not taken."""
    text = _normalise(passphrase)
    if text is None:
        raise UsageError(
            f"expected a passphrase of {PASSPHRASE_MIN} to {PASSPHRASE_MAX} characters, none of"
            " them a control character",
            code=ErrorCode.USAGE_PASSPHRASE,
        )
    argon2 = Argon2(
        crypto.random_bytes(ARGON2_SALT_BYTES), ARGON2_MEMORY, ARGON2_PASSES, ARGON2_LANES
    )
    return RawKey(_derive(text, argon2), argon2)


def key_for(passphrase: Secret, argon2: Argon2) -> RawKey | None:
    """Return the raw key for a slot; None for what cannot be anybody's passphrase."""
    text = _normalise(passphrase)
    return None if text is None else RawKey(_derive(text, argon2), argon2)


def _normalise(passphrase: Secret) -> bytes | None:
    """Return NFC in UTF-8: an é is one passphrase, however a keyboard composes it."""
    text = unicodedata.normalize("NFC", passphrase.reveal())
    fits = PASSPHRASE_MIN <= len(text) <= PASSPHRASE_MAX
    if not fits or any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        return None
    return text.encode()


def _derive(text: bytes, argon2: Argon2) -> bytes:
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
            code=ErrorCode.STORE_NO_KEY,
        ) from None
