"""What may be a key, typed where a name or a path belongs: such a text is not shown.

A name of random letters looks like a key. A path that leads to a file is none; one that leads
nowhere may be, unless it shows by its start or end that a path was meant.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from opbx_cli.values import API_KEY_SHAPE, KEY_LENGTH

STORE_KEY_PREFIX = "opbxk1_"  # docs/store-format.md, "Raw keys as text"

# Letters of both cases and digits, many of them: what chance makes, and hardly anybody types.
_MIXED = r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])"
_RANDOM_WORD = re.compile(rf"{_MIXED}[A-Za-z0-9_~+=-]{{20,}}", re.ASCII)
_RANDOM_PATH = re.compile(rf"{_MIXED}[A-Za-z0-9._~+/=-]{{20,}}", re.ASCII)
_FILE_ENDING = re.compile(r"\.[A-Za-z]{1,8}")
_PATH_STARTS = ("/", "./", "../", "~")


def has_key_shape(text: str) -> bool:
    """Whether the text has the shape of Cloudonix's API keys, or is the start of a store key."""
    return bool(API_KEY_SHAPE.fullmatch(text)) or text.startswith(STORE_KEY_PREFIX)


def looks_like_key(name: str) -> bool:
    """Whether a name has the shape of a key, or is one that nobody but chance gives."""
    return has_key_shape(name) or bool(_RANDOM_WORD.fullmatch(name))


def path_looks_like_key(text: str) -> bool:
    """Whether a path is one that nobody but chance gives; what is there is a path, shape apart."""
    missing = _missing_parts(text)
    return (
        any(map(has_key_shape, Path(text).parts))
        or any(map(looks_like_key, missing))
        or bool(_RANDOM_PATH.fullmatch("/".join(missing)))
    )


def path_may_be_key(text: str) -> bool:
    """Whether a path may be a key, chosen by a person perhaps: it leads nowhere, from nowhere."""
    if path_looks_like_key(text):
        return True
    parts = Path(text).parts
    return (
        len(text) in KEY_LENGTH
        and len(_missing_parts(text)) == len(parts)
        and not text.startswith(_PATH_STARTS)
        and not (len(parts) == 1 and _FILE_ENDING.fullmatch(Path(text).suffix))
    )


def _missing_parts(text: str) -> list[str]:
    """Return the end of the path that is not there: all of it where no part is."""
    path = Path(text)
    missing: list[str] = []
    while path != path.parent and not _is_present(path):
        missing.insert(0, path.name)
        path = path.parent
    return missing


def _is_present(path: Path) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:  # a null byte
        return False
