"""Bodies kept as files: ours alone, never through a link, under names of our own making."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from opbx_cli.errors import ConfigurationError, OpbxError
from opbx_cli.receiver.callback import Request

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
# What is never written: by name, since nobody knows all the headers that proxies add.
SECRET_HEADER = re.compile(rb"auth|key|token|secret|cookie|passw|signature")
# Whose values are hidden wherever else they stand; a header with the session's token is not one.
CREDENTIALS = re.compile(rb"authorization|api-?key|cookie")
SECRET_LENGTH_MIN = 8  # shorter ones would hide half of what is shown

_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_DIRECTORY = getattr(os, "O_DIRECTORY", 0)
_HAS_FOLDER_DESCRIPTORS = os.open in os.supports_dir_fd


class Archive:
    """A folder that takes two files for each callback: its body, and its headers without keys."""

    def __init__(self, folder: Path) -> None:
        """Open the folder, or make it. ConfigurationError for one that is not ours alone."""
        self._folder = folder
        self._count = 0
        try:
            _make(folder)
            # Held open: another folder or a link put in its place later gets nothing.
            self._descriptor = _opened(folder)
        except (OSError, ValueError) as error:  # a null byte is a ValueError
            reason = getattr(error, "strerror", None) or "not a path"
            if getattr(error, "errno", None) in (errno.ELOOP, errno.ENOTDIR):
                reason = "it is a link or not a folder"
            raise ConfigurationError(f"--save: the folder cannot be used: {reason}") from error

    def keep(self, request: Request, received: datetime, secrets: frozenset[str]) -> str:
        """Write the request's two files; return where its body is. Raises `OpbxError`.

        Headers with one of the `secrets` in them are left out.
        """
        try:
            name = self._write_new(request, received, _headers(request, received, secrets))
        except OSError as error:
            raise OpbxError(
                f"the callback could not be saved: {error.strerror}", code="callback.not_saved"
            ) from error
        return str(self._folder / name)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    def _write_new(self, request: Request, received: datetime, headers: bytes) -> str:
        while True:
            self._count += 1
            stem = f"{received:%Y%m%dT%H%M%S.%fZ}-{self._count:06}-{request.endpoint}"
            try:
                self._write(f"{stem}.body", request.body)
            except FileExistsError:  # somebody else's: theirs stays
                continue
            self._write(f"{stem}.headers.json", headers)
            return f"{stem}.body"

    def _write(self, name: str, data: bytes) -> None:
        """Write a new file; leave none where it could not be written whole."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS
        place = name if self._descriptor is not None else str(self._folder / name)
        file = os.open(place, flags, PRIVATE_FILE, dir_fd=self._descriptor)
        try:
            with open(file, "wb") as stream:  # noqa: PTH123  # a descriptor, not a path
                if hasattr(os, "fchmod"):
                    os.fchmod(file, PRIVATE_FILE)  # the umask may have taken our own rights
                stream.write(data)
        except BaseException:
            with suppress(OSError):
                os.unlink(place, dir_fd=self._descriptor)
            raise


def secrets_of(request: Request) -> frozenset[str]:
    """Return what the headers that carry keys carry, whole and by words."""
    values = [
        value.decode("latin-1") for name, value in request.headers if CREDENTIALS.search(name)
    ]
    words = (word for value in values for word in (value, *value.split()))
    return frozenset(word for word in words if len(word) >= SECRET_LENGTH_MIN)


def _headers(request: Request, received: datetime, secrets: frozenset[str]) -> bytes:
    kept, left_out = [], []
    for name, raw in request.headers:
        value = raw.decode("latin-1")
        if SECRET_HEADER.search(name) or any(secret in value for secret in secrets):
            left_out.append(name.decode("latin-1"))
        else:
            kept.append([name.decode("latin-1"), value])
    content = {
        "received": received.isoformat(),
        "endpoint": request.endpoint,
        "method": request.method,
        "headers": kept,
        "left_out": left_out,
    }
    return json.dumps(content, indent=2).encode() + b"\n"


def _make(folder: Path) -> None:
    """Make the folder and its missing parents, each for us alone."""
    missing = []
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(PRIVATE_FOLDER)
        path.chmod(PRIVATE_FOLDER)


def _opened(folder: Path) -> int | None:
    """Return a descriptor of the folder, None where the system has no such thing."""
    if not _HAS_FOLDER_DESCRIPTORS:
        return None
    descriptor = os.open(folder, os.O_RDONLY | _DIRECTORY | _FLAGS)
    status = os.fstat(descriptor)
    problem = None
    if sys.platform != "win32" and status.st_uid != os.geteuid():
        problem = "it belongs to another user"
    elif status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        problem = "other users may write in it"
    if problem is not None:
        os.close(descriptor)
        raise OSError(errno.EPERM, problem)
    return descriptor
