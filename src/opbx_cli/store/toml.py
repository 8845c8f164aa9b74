"""Writing TOML: a flat table, strictly of text and whole numbers."""

from __future__ import annotations

from collections.abc import Mapping


def lines(values: Mapping[str, object]) -> str:
    """Return one `key = value` line each; ValueError for what is neither text nor a number."""
    # 0.3 ms: what only reads does without.
    import tomli_w  # noqa: PLC0415

    if any(type(value) is not int and not isinstance(value, str) for value in values.values()):
        raise ValueError("neither text nor a whole number")
    return tomli_w.dumps(values)
