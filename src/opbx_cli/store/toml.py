"""Writing TOML, as little of it as a store needs: text and whole numbers in flat tables."""

from __future__ import annotations

from collections.abc import Mapping

_ESCAPES = str.maketrans(
    {chr(code): f"\\u{code:04x}" for code in (*range(0x20), 0x7F)}
    | {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
    | {'"': '\\"', "\\": "\\\\"}
)


def lines(values: Mapping[str, object]) -> str:
    """Return one `key = value` line each; ValueError for what is neither text nor a number.

    The keys are the store's own names, which need no quotes.
    """
    return "".join([f"{key} = {_value(value)}\n" for key, value in values.items()])


def _value(value: object) -> str:
    if isinstance(value, str):
        return f'"{value.translate(_ESCAPES)}"'
    if type(value) is int:
        return str(value)
    raise ValueError("neither text nor a whole number")
