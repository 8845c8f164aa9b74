"""Strict reading of a parsed TOML tree: one function per kind of value, one refusal for all.

Nothing here repeats what it found: an unknown key or a wrong value may be anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import tomli_w

from opbx_cli.error_codes import ErrorCode
from opbx_cli.store import crypto

Table = Mapping[str, object]

# TOML's own limit; in hexadecimal Python's parser takes more digits than Python turns into text.
INTEGERS = range(-(2**63), 2**63)


class UnfitStore(Exception):
    """Why bytes are no store to work with: a reason without any value, and its error code."""

    def __init__(self, reason: str, *, code: ErrorCode = ErrorCode.STORE_ALTERED) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


def check_keys(table: Table, *, required: Iterable[str] = (), known: frozenset[str]) -> None:
    """Refuse unknown and missing keys; `known` has the required ones, too."""
    if not table.keys() <= known:
        raise UnfitStore("it has a key that no store has")
    for key in required:
        if key not in table:
            raise UnfitStore(f"`{key}` is missing")


def table_of(table: Table, key: str) -> Table:
    value = table[key]
    if not isinstance(value, dict):
        raise UnfitStore("a table is missing")
    return value


def text_of(table: Table, key: str) -> str:
    value = table[key]
    if not isinstance(value, str):
        raise UnfitStore(f"`{key}` is not text")
    return value


def integer_of(table: Table, key: str) -> int:
    value = table[key]
    if type(value) is not int:  # a bool is an int, too
        raise UnfitStore(f"`{key}` is not a whole number")
    if value not in INTEGERS:
        raise UnfitStore(f"`{key}` has over 64 bits")
    return value


def binary_of(table: Table, key: str, length: int) -> bytes:
    return fixed_binary(text_of(table, key), length)


def fixed_binary(text: str, length: int) -> bytes:
    content = decode_binary(text)
    if len(content) != length:
        raise UnfitStore("a binary value has the wrong length")
    return content


def decode_binary(text: str) -> bytes:
    try:
        return crypto.from_text(text)
    except ValueError:
        raise UnfitStore("a binary value is not canonical base64url") from None


def to_lines(values: Mapping[str, object]) -> str:
    """Return one `key = value` line each; ValueError for what is neither text nor a number."""
    if any(type(value) is not int and not isinstance(value, str) for value in values.values()):
        raise ValueError("neither text nor a whole number")
    return tomli_w.dumps(values)
