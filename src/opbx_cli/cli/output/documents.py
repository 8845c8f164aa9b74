"""A view's document as JSON text that every parser takes."""

from __future__ import annotations

import json

from opbx_cli.cli.output.parts import Json


def json_of(document: Json, *, indent: int | None = None) -> str:
    """Return one document, with a line's end.

    A half of a surrogate pair, which remote text may have, is no character and no JSON either
    (RFC 8259, 8.2): it becomes the replacement character.
    """
    text = json.dumps(document, indent=indent, allow_nan=False)
    if "\\ud" in text:
        text = json.dumps(_mended(document), indent=indent, allow_nan=False)
    return f"{text}\n"


def _mended(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {_mended(name): _mended(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_mended(one) for one in value]
    return value
