"""The store's text: bytes to a strict schema and back. No keys, no files, no values yet.

A document is TOML in UTF-8: a header, one `[[slot]]` per way to open it, one table per
profile, and last `[mac]` with a tag over every byte before the tag's opening quote.
Reading takes what this module writes and nothing else: an unknown, missing or mistyped
key is refused. The tag is split off the bytes themselves, before TOML is parsed, and
nothing read is ever written again to check it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import NamedTuple

from opbx_cli.error_codes import ErrorCode
from opbx_cli.models import ApplicationReference, CallsBefore
from opbx_cli.settings.table import TABLE
from opbx_cli.store import crypto, key_slots, strict_toml
from opbx_cli.store.key_slots import Slot
from opbx_cli.store.strict_toml import (
    INTEGERS,
    Table,
    UnfitStore,
    binary_of,
    check_keys,
    decode_binary,
    fixed_binary,
    integer_of,
    table_of,
    text_of,
)
from opbx_cli.values import InvalidValue, parse_profile_name

FORMAT = "opbx-store"
VERSION = 1
VERSIONS = range(1, INTEGERS.stop)  # that there may be one day
SIZE_MAX = 16 * 1024 * 1024  # bytes
# Bytes; the longest value is some hundred characters. Python's TOML parser takes time that grows
# with the square of a line's length.
LINE_MAX = 16 * 1024

SEALED_FIELDS = tuple(row.stored_as for row in TABLE if row.is_secret)
SEALED_PREFIX = "v1."
PLAIN_FIELDS: Mapping[str, type] = {
    row.stored_as: row.kind
    for row in TABLE
    if not row.is_secret and row.kind not in (ApplicationReference, CallsBefore)
}
# Tables within a profile's, by name: the keys that each must have, and all that it may have.
APPLICATION_TABLES: Mapping[str, tuple[tuple[str, ...], frozenset[str]]] = {
    "voice_application": (("id", "name"), frozenset(("id", "name", "uuid"))),
    "calls_before": ((), frozenset(("id", "name", "uuid", "type"))),
}

_HEADER = ("format", "version", "store_id", "generation", "salt", "slot", "mac")
_HEADER_KNOWN = frozenset((*_HEADER, "default_profile", "profile"))
_PROFILE_KNOWN = frozenset((*PLAIN_FIELDS, *APPLICATION_TABLES, "secret"))
_SEALED_KNOWN = frozenset(SEALED_FIELDS)

_FIRST_LINE = (
    "# opbx's encrypted store. Do not edit, it would not open again: use `opbx configure`.\n"
)
_TAG_TABLE = '\n[mac]\nhmac_sha256 = "'
_TAG_START = _TAG_TABLE.encode()
_TAG_LENGTH = len(crypto.to_text(bytes(crypto.MAC_BYTES)))
_TAG_END = b'"\n'
_SEALED_BYTES_MIN = crypto.NONCE_BYTES + crypto.TAG_BYTES


class ProfileTables(NamedTuple):
    """One profile as it is written down."""

    plain: Table
    sealed: Mapping[str, bytes]  # nonce, ciphertext, tag


class Document(NamedTuple):
    """What the text of a store says; its secrets are still sealed."""

    store_id: bytes
    generation: int
    salt: bytes
    default_profile: str | None
    slots: tuple[Slot, ...]
    profiles: Mapping[str, ProfileTables]


class SignedDocument(NamedTuple):
    """A document that fits the schema; whether it is authentic is the next question."""

    document: Document
    signed: bytes
    tag: bytes


def parse(data: bytes) -> SignedDocument:
    """Return what the bytes say, or raise `UnfitStore`."""
    if len(data) > SIZE_MAX:
        raise UnfitStore("it is larger than the 16 MiB that a store may have")
    if max(map(len, data.split(b"\n"))) > LINE_MAX:
        raise UnfitStore("it has a line that is longer than any of a store")
    if 0 < data.count(b"\n") == data.count(b"\r\n"):
        raise UnfitStore(
            "git's autocrlf or an editor made them CRLF", code=ErrorCode.STORE_LINE_ENDS
        )
    signed, tag = _split_tag(data)
    try:
        tree: Table = tomllib.loads(data.decode())
    except (ValueError, RecursionError):
        raise UnfitStore("it is not TOML any more") from None
    return SignedDocument(_document(tree), signed, tag)


def to_bytes(document: Document) -> bytes:
    """Return the part of the file that is signed; `with_tag` completes it."""
    pieces = [_FIRST_LINE, _header_text(document)]
    pieces += (key_slots.to_toml(slot) for slot in document.slots)
    pieces += (_profile_text(name, tables) for name, tables in document.profiles.items())
    return ("\n".join(pieces) + _TAG_TABLE[:-1]).encode()


def with_tag(signed: bytes, tag: bytes) -> bytes:
    return signed + b'"' + crypto.to_text(tag).encode() + _TAG_END


def _split_tag(data: bytes) -> tuple[bytes, bytes]:
    before, found, rest = data.rpartition(_TAG_START)
    if not data:
        raise UnfitStore("it is empty", code=ErrorCode.STORE_INCOMPLETE)
    if not found or len(rest) < _TAG_LENGTH + len(_TAG_END):
        raise UnfitStore("it ends before its authentication tag", code=ErrorCode.STORE_INCOMPLETE)
    text = rest.removesuffix(_TAG_END)
    if len(text) != _TAG_LENGTH:
        raise UnfitStore("bytes follow its authentication tag")
    return before + _TAG_START[:-1], fixed_binary(text.decode("latin-1"), crypto.MAC_BYTES)


def _document(tree: Table) -> Document:
    _check_version(tree)
    check_keys(tree, required=_HEADER, known=_HEADER_KNOWN)
    mac = table_of(tree, "mac")
    check_keys(mac, required=("hmac_sha256",), known=frozenset({"hmac_sha256"}))
    binary_of(mac, "hmac_sha256", crypto.MAC_BYTES)
    document = Document(
        store_id=binary_of(tree, "store_id", 16),
        generation=integer_of(tree, "generation"),
        salt=binary_of(tree, "salt", crypto.SALT_BYTES),
        default_profile=text_of(tree, "default_profile") if "default_profile" in tree else None,
        slots=key_slots.slots_of(tree["slot"]),
        profiles=_profiles(table_of(tree, "profile") if "profile" in tree else {}),
    )
    if document.generation < 1:
        raise UnfitStore("its generation is out of range")
    if document.default_profile not in (None, *document.profiles):
        raise UnfitStore("its default profile does not exist")
    return document


def _check_version(tree: Table) -> None:
    """Tell a newer format first: its keys are allowed to be unknown here."""
    version = tree.get("version")
    if tree.get("format") != FORMAT or type(version) is not int or version not in VERSIONS:
        raise UnfitStore("it does not say that it is a store of opbx")
    if version > VERSION:
        raise UnfitStore(
            f"its format is version {version}, and this opbx knows version {VERSION}",
            code=ErrorCode.STORE_NEWER,
        )


def _profiles(tables: Table) -> Mapping[str, ProfileTables]:
    return {_profile_name(name): _profile(table_of(tables, name)) for name in tables}


def _profile_name(name: str) -> str:
    try:
        return parse_profile_name(name)
    except InvalidValue:
        raise UnfitStore("a profile's name is not one") from None


def _profile(table: Table) -> ProfileTables:
    check_keys(table, required=("api_base_url",), known=_PROFILE_KNOWN)
    plain = {name: _plain(table, name) for name in table if name != "secret"}
    sealed = table_of(table, "secret") if "secret" in table else {}
    check_keys(sealed, known=_SEALED_KNOWN)
    return ProfileTables(plain, {name: _sealed(sealed, name) for name in sealed})


def _plain(table: Table, name: str) -> object:
    if name in APPLICATION_TABLES:
        return _application(table_of(table, name), *APPLICATION_TABLES[name])
    return integer_of(table, name) if PLAIN_FIELDS[name] is int else text_of(table, name)


def _application(table: Table, required: tuple[str, ...], known: frozenset[str]) -> Table:
    check_keys(table, required=required, known=known)
    texts = {name: text_of(table, name) for name in table if name != "id"}
    if "id" not in table:
        return texts
    is_number = type(table["id"]) is int
    return {"id": integer_of(table, "id") if is_number else text_of(table, "id"), **texts}


def _sealed(table: Table, name: str) -> bytes:
    text = text_of(table, name)
    if not text.startswith(SEALED_PREFIX):
        raise UnfitStore(f"`{name}` is not a sealed value")
    content = decode_binary(text.removeprefix(SEALED_PREFIX))
    if len(content) < _SEALED_BYTES_MIN:
        raise UnfitStore(f"`{name}` is too short for a sealed value")
    return content


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
    return strict_toml.to_lines(header)


def _profile_text(name: str, tables: ProfileTables) -> str:
    """Return a profile's tables; the name is quoted, so that its dots stay part of it."""
    heading = f'profile."{_profile_name(name)}"'
    plain = dict(tables.plain)
    tables_within = {name: plain.pop(name, None) for name in APPLICATION_TABLES}
    pieces = [f"[{heading}]\n{strict_toml.to_lines(plain)}"]
    for part, content in tables_within.items():
        if isinstance(content, Mapping):
            pieces.append(f"[{heading}.{part}]\n{strict_toml.to_lines(content)}")
    if tables.sealed:
        sealed = {
            field: SEALED_PREFIX + crypto.to_text(content)
            for field, content in tables.sealed.items()
        }
        pieces.append(f"[{heading}.secret]\n{strict_toml.to_lines(sealed)}")
    return "\n".join(pieces)
