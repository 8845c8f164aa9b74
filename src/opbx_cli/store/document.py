"""The store's text: bytes to a strict schema and back. No keys, no files, no values yet.

A document is TOML in UTF-8: a header, one `[[slot]]` per way to open it, one table per
profile, and last `[mac]` with a tag over every byte before the tag's opening quote.
Reading takes what this module writes and nothing else: an unknown, missing or mistyped
key is refused. The tag is split off the bytes themselves, before TOML is parsed, and
nothing read is ever written again to check it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import tomli_w

from opbx_cli.store import crypto
from opbx_cli.values import InvalidValue, parse_profile_name

FORMAT = "opbx-store"
VERSION = 1
SIZE_MAX = 16 * 1024 * 1024  # bytes
GENERATION_MAX = 2**63 - 1  # TOML's own limit for an integer

SEALED_FIELDS = ("domain_api_key", "webhook_api_key", "webhook_api_key_sent")
SEALED_PREFIX = "v1."
PLAIN_FIELDS: Mapping[str, type] = {
    "domain_uuid": str,
    "domain_name": str,
    "webhook_base_url": str,
    "no_answer_timeout": int,
    "recording_format": str,
    "api_base_url": str,
    "cloudonix_package": str,
}

_FIRST_LINE = (
    "# opbx's encrypted store. Do not edit, it would not open again: use `opbx configure`.\n"
)
_TAG_TABLE = '\n[mac]\nhmac_sha256 = "'
_TAG_START = _TAG_TABLE.encode()
_TAG_LENGTH = len(crypto.to_text(bytes(crypto.MAC_BYTES)))
_TAG_END = b'"\n'
_SLOT_ID_DIGITS = frozenset("0123456789abcdef")
_SEALED_BYTES_MIN = crypto.NONCE_BYTES + crypto.TAG_BYTES


class UnfitStore(Exception):
    """Why bytes are no store to work with: a reason without any value, and its error code."""

    def __init__(self, reason: str, *, code: str = "store.altered") -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class SlotKind(StrEnum):
    """Where a slot's raw key lives: in a file of ours, or with whoever set it."""

    KEY_FILE = "keyfile"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True)
class Slot:
    """One way to open the store: the data key, wrapped by a raw key."""

    id: str
    kind: SlotKind
    salt: bytes
    commit: bytes
    nonce: bytes
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class ProfileTables:
    plain: Mapping[str, object]
    sealed: Mapping[str, bytes]  # nonce, ciphertext, tag


@dataclass(frozen=True, slots=True)
class Document:
    store_id: bytes
    generation: int
    salt: bytes
    default_profile: str | None
    slots: tuple[Slot, ...]
    profiles: Mapping[str, ProfileTables]


@dataclass(frozen=True, slots=True)
class SignedDocument:
    """A document that fits the schema; whether it is authentic is the next question."""

    document: Document
    signed: bytes
    tag: bytes


def parse(data: bytes) -> SignedDocument:
    """Return what the bytes say, or raise `UnfitStore`."""
    if len(data) > SIZE_MAX:
        raise UnfitStore("it is larger than the 16 MiB that a store may have")
    signed, tag = _split_tag(data)
    try:
        tree: Mapping[str, object] = tomllib.loads(data.decode())
    except (ValueError, RecursionError):
        raise UnfitStore("it is not TOML any more") from None
    return SignedDocument(_document(tree), signed, tag)


def to_bytes(document: Document) -> bytes:
    """Return the part of the file that is signed; `with_tag` completes it."""
    pieces = [_FIRST_LINE, _header_text(document)]
    pieces += (_slot_text(slot) for slot in document.slots)
    pieces += (_profile_text(name, tables) for name, tables in document.profiles.items())
    return ("\n".join(pieces) + _TAG_TABLE[:-1]).encode()


def with_tag(signed: bytes, tag: bytes) -> bytes:
    return signed + b'"' + crypto.to_text(tag).encode() + _TAG_END


def _split_tag(data: bytes) -> tuple[bytes, bytes]:
    before, found, rest = data.rpartition(_TAG_START)
    if not data:
        raise UnfitStore("it is empty", code="store.incomplete")
    if not found or len(rest) < _TAG_LENGTH + len(_TAG_END):
        raise UnfitStore("it ends before its authentication tag", code="store.incomplete")
    text = rest.removesuffix(_TAG_END)
    if len(text) != _TAG_LENGTH:
        raise UnfitStore("bytes follow its authentication tag")
    return before + _TAG_START[:-1], _binary_from(text.decode("latin-1"), crypto.MAC_BYTES)


def _document(tree: Mapping[str, object]) -> Document:
    _check_version(tree)
    _check_keys(
        tree,
        required=("format", "version", "store_id", "generation", "salt", "slot", "mac"),
        optional=("default_profile", "profile"),
    )
    mac = _table(tree, "mac")
    _check_keys(mac, required=("hmac_sha256",))
    _binary(mac, "hmac_sha256", crypto.MAC_BYTES)
    document = Document(
        store_id=_binary(tree, "store_id", 16),
        generation=_integer(tree, "generation"),
        salt=_binary(tree, "salt", crypto.SALT_BYTES),
        default_profile=_text(tree, "default_profile") if "default_profile" in tree else None,
        slots=_slots(tree["slot"]),
        profiles=_profiles(_table(tree, "profile") if "profile" in tree else {}),
    )
    if not 1 <= document.generation <= GENERATION_MAX:
        raise UnfitStore("its generation is out of range")
    if document.default_profile not in (None, *document.profiles):
        raise UnfitStore("its default profile does not exist")
    return document


def _check_version(tree: Mapping[str, object]) -> None:
    """Tell a newer format first: its keys are allowed to be unknown here."""
    version = tree.get("version")
    if tree.get("format") != FORMAT or type(version) is not int or version < 1:
        raise UnfitStore("it does not say that it is a store of opbx")
    if version > VERSION:
        raise UnfitStore(
            f"its format is version {version}, and this opbx knows version {VERSION}",
            code="store.newer",
        )


def _slots(entries: object) -> tuple[Slot, ...]:
    if not isinstance(entries, list) or not entries:
        raise UnfitStore("it has no key slot")
    slots = tuple(_slot(entry) for entry in entries)
    if len({slot.id for slot in slots}) != len(slots):
        raise UnfitStore("two of its key slots have the same id")
    return slots


def _slot(entry: object) -> Slot:
    if not isinstance(entry, dict):
        raise UnfitStore("a key slot is not a table")
    kind = entry.get("kind")
    if isinstance(kind, str) and kind not in tuple(SlotKind):
        raise UnfitStore(
            "it has a key slot of a kind that this opbx does not know", code="store.newer"
        )
    _check_keys(entry, required=("id", "kind", "salt", "commit", "nonce", "wrapped"))
    slot_id = _text(entry, "id")
    if len(slot_id) != 8 or not _SLOT_ID_DIGITS.issuperset(slot_id):
        raise UnfitStore("a key slot's id is not one")
    return Slot(
        id=slot_id,
        kind=SlotKind(_text(entry, "kind")),
        salt=_binary(entry, "salt", crypto.SALT_BYTES),
        commit=_binary(entry, "commit", crypto.KEY_BYTES),
        nonce=_binary(entry, "nonce", crypto.NONCE_BYTES),
        wrapped=_binary(entry, "wrapped", crypto.KEY_BYTES + crypto.TAG_BYTES),
    )


def _profiles(tables: Mapping[str, object]) -> Mapping[str, ProfileTables]:
    return {_profile_name(name): _profile(_table(tables, name)) for name in tables}


def _profile_name(name: str) -> str:
    try:
        return parse_profile_name(name)
    except InvalidValue:
        raise UnfitStore("a profile's name is not one") from None


def _profile(table: Mapping[str, object]) -> ProfileTables:
    _check_keys(
        table,
        required=("api_base_url",),
        optional=(*PLAIN_FIELDS, "voice_application", "secret"),
    )
    plain = {name: _plain(table, name) for name in table if name != "secret"}
    sealed = _table(table, "secret") if "secret" in table else {}
    _check_keys(sealed, optional=SEALED_FIELDS)
    return ProfileTables(plain, {name: _sealed(sealed, name) for name in sealed})


def _plain(table: Mapping[str, object], name: str) -> object:
    if name == "voice_application":
        return _application(_table(table, name))
    return _integer(table, name) if PLAIN_FIELDS[name] is int else _text(table, name)


def _application(table: Mapping[str, object]) -> Mapping[str, object]:
    _check_keys(table, required=("id", "name"), optional=("uuid",))
    texts = {name: _text(table, name) for name in table if name != "id"}
    is_number = type(table["id"]) is int
    return {"id": _integer(table, "id") if is_number else _text(table, "id"), **texts}


def _sealed(table: Mapping[str, object], name: str) -> bytes:
    text = _text(table, name)
    if not text.startswith(SEALED_PREFIX):
        raise UnfitStore(f"`{name}` is not a sealed value")
    content = _decoded(text.removeprefix(SEALED_PREFIX))
    if len(content) < _SEALED_BYTES_MIN:
        raise UnfitStore(f"`{name}` is too short for a sealed value")
    return content


def _check_keys(
    table: Mapping[str, object], *, required: Iterable[str] = (), optional: Iterable[str] = ()
) -> None:
    """Refuse unknown and missing keys; an unknown key is not repeated, it may be anything."""
    known = {*required, *optional}
    if any(key not in known for key in table):
        raise UnfitStore("it has a key that no store has")
    missing = [key for key in required if key not in table]
    if missing:
        raise UnfitStore(f"`{missing[0]}` is missing")


def _table(table: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = table[key]
    if not isinstance(value, dict):
        raise UnfitStore("a table is missing")
    return value


def _text(table: Mapping[str, object], key: str) -> str:
    value = table[key]
    if not isinstance(value, str):
        raise UnfitStore(f"`{key}` is not text")
    return value


def _integer(table: Mapping[str, object], key: str) -> int:
    value = table[key]
    if type(value) is not int:  # a bool is an int, too
        raise UnfitStore(f"`{key}` is not a whole number")
    return value


def _binary(table: Mapping[str, object], key: str, length: int) -> bytes:
    return _binary_from(_text(table, key), length)


def _binary_from(text: str, length: int) -> bytes:
    content = _decoded(text)
    if len(content) != length:
        raise UnfitStore("a binary value has the wrong length")
    return content


def _decoded(text: str) -> bytes:
    try:
        return crypto.from_text(text)
    except ValueError:
        raise UnfitStore("a binary value is not canonical base64url") from None


def _header_text(document: Document) -> str:
    header: dict[str, object] = {
        "format": FORMAT,
        "version": VERSION,
        "store_id": crypto.to_text(document.store_id),
        "generation": document.generation,
        "salt": crypto.to_text(document.salt),
    }
    if document.default_profile is not None:
        header["default_profile"] = document.default_profile
    return tomli_w.dumps(header)


def _slot_text(slot: Slot) -> str:
    binaries = {
        "salt": slot.salt,
        "commit": slot.commit,
        "nonce": slot.nonce,
        "wrapped": slot.wrapped,
    }
    texts = {name: crypto.to_text(content) for name, content in binaries.items()}
    return "[[slot]]\n" + tomli_w.dumps({"id": slot.id, "kind": slot.kind.value, **texts})


def _profile_text(name: str, tables: ProfileTables) -> str:
    """Return a profile's tables; the name is quoted, so that its dots stay part of it."""
    heading = f'profile."{_profile_name(name)}"'
    plain = dict(tables.plain)
    application = plain.pop("voice_application", None)
    pieces = [f"[{heading}]\n{tomli_w.dumps(plain)}"]
    if isinstance(application, Mapping):
        pieces.append(f"[{heading}.voice_application]\n{tomli_w.dumps(application)}")
    if tables.sealed:
        sealed = {
            field: SEALED_PREFIX + crypto.to_text(content)
            for field, content in tables.sealed.items()
        }
        pieces.append(f"[{heading}.secret]\n{tomli_w.dumps(sealed)}")
    return "\n".join(pieces)
