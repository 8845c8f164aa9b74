"""What of a diagnosis may be sent to somebody, and reading what somebody sent."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from opbx_cli.errors import UsageError
from opbx_cli.http.redaction import repeats_a_key
from opbx_cli.models import Secret
from opbx_cli.operations.doctor import Diagnosis
from opbx_cli.operations.verdicts import Check, Result
from opbx_cli.values import clean

SCHEMA = "opbx.doctor/1"
SIZE_MAX = 256 * 1024  # bytes
CHECKS_MAX = 100
TEXT_MAX = 4000  # characters
LEFT_OUT = "[left out]"

# A FIFO is told from a file, and never waited for.
_READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
# A mask with what it leaves visible, and a fingerprint.
_TRACE_OF_KEY = re.compile(r"\S*(?:\*{3,}|•{3,}|fp:[0-9a-f]{8})\S*")


def without_secrets(diagnosis: Diagnosis, secrets: Iterable[Secret]) -> Diagnosis:
    """Leave out whatever repeats a key, and every mask and fingerprint.

    Nothing is meant to be in there: this is for a key that was saved in a wrong place.
    """
    known = tuple(secrets)

    def safe(text: str) -> str:
        if repeats_a_key(text, known):
            return f"{LEFT_OUT}: it repeats a key"
        return _TRACE_OF_KEY.sub(LEFT_OUT, clean(text))[:TEXT_MAX]

    return Diagnosis(
        diagnosis.made,
        tuple(
            Check(one.id, one.result, safe(one.seen), one.advice and safe(one.advice))
            for one in diagnosis.checks
        ),
        tuple(map(safe, diagnosis.warnings)),
    )


def read_bundle(path: Path) -> Diagnosis:
    """Read what somebody sent. Raises `UsageError` for what is no diagnosis; no word of it is said.

    What it says is data: bounded, and without what no terminal should see.
    """
    try:
        return _parsed(json.loads(_content(path)))
    except (ValueError, RecursionError):  # no JSON, no UTF-8, or not what a bundle has
        raise UsageError(
            "--read: this is no file of `opbx doctor --bundle doctor.json`, or not a whole one"
        ) from None


def _content(path: Path) -> bytes:
    try:
        descriptor = os.open(path, _READING)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UsageError("--read: expected a regular file")
            content = file.read(SIZE_MAX + 1)
    except OSError as error:
        reason = error.strerror or os.strerror(error.errno or 0)
        raise UsageError(f"--read: the file cannot be read: {reason}") from error
    if len(content) > SIZE_MAX:
        raise UsageError(f"--read: the file is larger than {SIZE_MAX // 1024} KiB")
    return content


def _parsed(value: object) -> Diagnosis:
    """Raises `ValueError` for anything else than the document of a diagnosis."""
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise ValueError
    checks = _list(value.get("checks"))
    if not checks:
        raise ValueError
    warnings = tuple(map(_text, _list(value.get("warnings", []))))
    return Diagnosis(_text(value.get("made")), tuple(map(_check, checks)), warnings)


def _check(value: object) -> Check:
    if not isinstance(value, dict):
        raise ValueError  # one error for all that is wrong with it
    advice = value.get("advice")
    return Check(
        _text(value.get("id")),
        Result(_text(value.get("result"))),
        _text(value.get("seen")),
        None if advice is None else _text(advice),
    )


def _list(value: object) -> list[object]:
    if not isinstance(value, list) or len(value) > CHECKS_MAX:
        raise ValueError
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > TEXT_MAX:
        raise ValueError
    return clean(value)
