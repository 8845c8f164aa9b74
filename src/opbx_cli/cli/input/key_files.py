"""Keys in files: named by an option, by a manifest, or by a variable as containers have it."""

from __future__ import annotations

import os
import shlex
import stat
import sys
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable
from pathlib import Path

from opbx_cli import settings
from opbx_cli.errors import ConfigurationError
from opbx_cli.file_permissions import is_read_only
from opbx_cli.models import Secret
from opbx_cli.values import parse_key

KEY_FILE_MAX = 4096  # bytes; a key has at most 255


def key_from_file(
    path: Path,
    name: str,
    *,
    parse: Callable[[str], Secret] = parse_key,
    warn: Callable[[str], None] = lambda _sentence: None,
) -> Secret:
    """Read a key; `name` is who named the file. Raises `ConfigurationError`.

    `warn` hears of a file that somebody else could have written.
    """
    try:
        with path.open("rb") as file:
            content = file.read(KEY_FILE_MAX)
            _warn_of_writers(os.fstat(file.fileno()), path, name, warn)
    except (OSError, ValueError) as error:
        # The path is not repeated: it may be the key itself, given to the wrong option.
        reason = getattr(error, "strerror", None) or "not a path"
        raise ConfigurationError(f"{name}: the file cannot be read: {reason}") from error
    encoding = "utf-16" if content[:2] in (BOM_UTF16_LE, BOM_UTF16_BE) else "utf-8"
    text = content.decode(encoding, errors="replace")
    return settings.checked(parse, text, name, ConfigurationError)


def _warn_of_writers(
    status: os.stat_result, path: Path, name: str, warn: Callable[[str], None]
) -> None:
    """Warn of a regular file that others can write: a pipe, say, is nobody's to write later."""
    if sys.platform == "win32" or not stat.S_ISREG(status.st_mode):
        return
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        remedy = f"`chmod go-w {shlex.quote(str(path))}`"
        if is_read_only(path):
            remedy = "mount it from a place that is closed to them"
        warn(
            f"{name}: others can write this file (mode {stat.S_IMODE(status.st_mode):04o}), and so "
            f"choose the key: {remedy}"
        )
    elif status.st_uid not in (0, os.geteuid()):
        warn(
            f"{name}: this file belongs to another user (uid {status.st_uid}), who can choose the "
            "key: make it yours"
        )
