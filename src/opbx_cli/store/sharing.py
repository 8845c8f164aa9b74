"""Files that others may read, too: what a container mounts. A switch of its own permits each."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

from opbx_cli import file_permissions, private_files
from opbx_cli.errors import ConfigurationError, StoreError
from opbx_cli.values import InvalidValue, parse_switch


def is_permitted(environ: Mapping[str, str], switch: str) -> bool:
    """Return what a switch says. Raises `ConfigurationError` for a word that says nothing."""
    text = environ.get(switch, "")
    try:
        return parse_switch(text) if text.strip() else False
    except InvalidValue as error:
        raise ConfigurationError(f"{switch}: {error}") from None


def or_permitted(error: StoreError, path: Path, what: str, switch: str) -> StoreError:
    """Add the switch to the hint of a refusal, where it helps and what is refused may be a mount.

    A file of ours in a place that can be written is none: its `chmod` is all that it needs.
    """
    try:
        status = path.lstat()
        private_files.read_shared(path, size_max=0)
    except (OSError, StoreError):
        return error
    is_own_file = stat.S_ISREG(status.st_mode) and status.st_uid == file_permissions.user()
    if is_own_file and not file_permissions.is_read_only(path):
        return error
    hint = f"{error.hint}, or, for a {what} that a container mounts, `export {switch}=1`"
    if file_permissions.is_read_only(path):
        hint = f"`export {switch}=1` takes it as it is mounted"
    return StoreError(error.message, hint=hint, code=error.code)
