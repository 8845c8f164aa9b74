"""Callbacks kept as files: ours alone, never through a link, under names of our own making.

Of an accepted callback that is its body, and its headers without keys. Of a refused one, which
may come from anybody, it is why it was refused and some of the headers.
"""

from __future__ import annotations

import errno
import json
import os
import re
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from opbx_cli import file_permissions, private_files
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError, OpbxError
from opbx_cli.webhooks.receiver.callback import METHOD_MAX, Headers, Request, shown
from opbx_cli.webhooks.receiver.save_limit import REFUSED, FolderUsage, SaveLimit, Usage

# What is never written: by name, since nobody knows all the headers that proxies add.
SECRET_HEADER = re.compile(rb"auth|key|token|secret|cookie|passw|signature")
# Whose values are hidden wherever else they stand; a header with the session's token is not one.
CREDENTIALS = re.compile(rb"authorization|api-?key|cookie")
REFUSED_HEADERS_MAX = 4096  # bytes; Cloudonix's take less than one thousand
HEADER_COST = 32  # bytes that a header's quotes and indents take in the file
SECRET_LENGTH_MIN = 8  # shorter ones would hide half of what is shown

# The disk, the user's share of it, the largest file allowed, descriptors: all but the last come
# back only when somebody makes room, and none is a fault of the folder.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE)

_DIRECTORY = getattr(os, "O_DIRECTORY", 0)
_HAS_FOLDER_DESCRIPTORS = os.open in os.supports_dir_fd


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a refused callback was answered, and why."""

    http_status: int
    reason: str


class Archive:
    """A folder that takes files for each callback; to be closed, or used in a `with`."""

    def __init__(
        self,
        folder: Path,
        limit: SaveLimit | None = None,
        *,
        warn: Callable[[str], None] = lambda _sentence: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the folder, or make it. ConfigurationError for one that is not ours alone.

        `warn` is told, once for each cause, that callbacks are not saved any more; `clock` gives
        seconds.
        """
        self._folder = folder
        self._limit = SaveLimit() if limit is None else limit
        self._warn = warn
        self._warned: set[str] = set()
        self._count = 0
        try:
            _make(folder)
            # Held open: another folder or a link put in its place later gets nothing.
            self._descriptor = _opened(folder)
            self._usage = FolderUsage(
                folder if self._descriptor is None else self._descriptor, self._limit, clock=clock
            )
        except (OSError, ValueError) as error:  # a null byte is a ValueError
            reason = getattr(error, "strerror", None) or "not a path"
            if getattr(error, "errno", None) in (errno.ELOOP, errno.ENOTDIR):
                reason = "it is a link or not a folder"
            raise ConfigurationError(f"--save: the folder cannot be used: {reason}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def keep(self, request: Request, received: datetime, secrets: frozenset[str]) -> str | None:
        """Save an accepted callback; return where its body is, None if there was no room.

        Headers with one of the `secrets` in them are left out. Raises `OpbxError`.
        """
        headers = _document(request, received, _sorted_out(request.headers, secrets))
        contents = {".body": request.body, ".headers.json": headers}
        stem = self._save(request, received, contents)
        return None if stem is None else str(self._folder / f"{stem}.body")

    def keep_refused(
        self, request: Request, received: datetime, secrets: frozenset[str], refusal: Refusal
    ) -> None:
        """Save why a callback was refused, and its first headers. Raises `OpbxError`."""
        shortened = _shortened(request.headers)
        document = _document(
            request,
            received,
            {"http_status": refusal.http_status, "reason": refusal.reason},
            _sorted_out(shortened, secrets),
            {"cut": len(request.headers) - len(shortened)},
        )
        self._save(request, received, {REFUSED: document})

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    def _save(self, request: Request, received: datetime, contents: dict[str, bytes]) -> str | None:
        """Write new files that end in these ways; return what they begin with.

        Where there is no room for them, a warning says so: callbacks are still shown, and a
        stranger who fills the disk, or takes all descriptors, does not end the receiver.
        """
        new = Usage(sum(map(len, contents.values())), len(contents))
        is_refused = REFUSED in contents
        try:
            limit = self._usage.reached(new, is_refused=is_refused)
            if limit is not None:
                self._warn_once(self._limit_reached(limit))
                return None
            stem = self._write_new(request, received, contents)
        except OSError as error:
            if error.errno in NO_ROOM:
                self._warn_once(
                    f"callbacks are not saved: {error.strerror}; they are shown, and answered"
                )
                return None
            raise OpbxError(
                f"the callback could not be saved: {error.strerror}",
                code=ErrorCode.CALLBACK_NOT_SAVED,
            ) from error
        self._usage.add(new, is_refused=is_refused)
        return stem

    def _limit_reached(self, limit: SaveLimit) -> str:
        if limit == self._limit:
            return (
                f"the folder of --save has reached its limit, {limit}: callbacks that find no room "
                "there are not saved; make room, or start again with a higher --save-limit"
            )
        return (
            f"refused callbacks have reached their part of the limit of --save, {limit}: no more "
            "of them are saved; accepted ones still are"
        )

    def _warn_once(self, sentence: str) -> None:
        if sentence not in self._warned:
            self._warned.add(sentence)
            self._warn(sentence)

    def _write_new(self, request: Request, received: datetime, contents: dict[str, bytes]) -> str:
        while True:
            self._count += 1
            stem = f"{received:%Y%m%dT%H%M%S.%fZ}-{self._count:06}-{request.endpoint}"
            with suppress(FileExistsError):  # somebody else's: theirs stays
                self._write_all({f"{stem}{end}": data for end, data in contents.items()})
                return stem

    def _write_all(self, files: dict[str, bytes]) -> None:
        """Write all of the files, or leave none."""
        written: list[Path] = []
        try:
            for name, data in files.items():
                path = Path(name) if self._descriptor is not None else self._folder / name
                private_files.write_new(path, data, folder=self._descriptor, sync=False)
                written.append(path)
        except BaseException:
            for path in written:
                private_files.remove(path, folder=self._descriptor)
            raise


def secrets_of(request: Request) -> frozenset[str]:
    """Return what the headers that carry keys carry, whole and by words."""
    values = [
        value.decode("latin-1") for name, value in request.headers if CREDENTIALS.search(name)
    ]
    words = (word for value in values for word in (value, *value.split()))
    return frozenset(word for word in words if len(word) >= SECRET_LENGTH_MIN)


def _document(request: Request, received: datetime, *parts: dict[str, object]) -> bytes:
    content: dict[str, object] = {
        "received": received.isoformat(),
        "endpoint": request.endpoint,
        "method": shown(request.method, METHOD_MAX),
    }
    for part in parts:
        content |= part
    return json.dumps(content, indent=2).encode() + b"\n"


def _shortened(headers: Headers) -> Headers:
    """Return headers of so many bytes that a refused callback costs little room on the disk."""
    kept, size = [], 0
    for name, value in headers:
        cost = len(name) + len(value) + HEADER_COST
        if size + cost <= REFUSED_HEADERS_MAX:
            kept.append((name, value))
            size += cost
    return tuple(kept)


def _sorted_out(headers: Headers, secrets: frozenset[str]) -> dict[str, object]:
    """Return the headers that may be saved, and the names of those that carry keys."""
    kept, left_out = [], []
    for name, raw in headers:
        value = raw.decode("latin-1")
        if SECRET_HEADER.search(name) or any(secret in value for secret in secrets):
            left_out.append(name.decode("latin-1"))
        else:
            kept.append([name.decode("latin-1"), value])
    return {"headers": kept, "left_out": left_out}


def _make(folder: Path) -> None:
    """Make the folder and its missing parents, each for us alone."""
    missing = []
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = folder.parent
    private_files.create_folders(reversed(missing))


def _opened(folder: Path) -> int | None:
    """Return a descriptor of the folder, None where the system has no such thing."""
    if not _HAS_FOLDER_DESCRIPTORS:
        return None
    descriptor = os.open(folder, os.O_RDONLY | _DIRECTORY | private_files.OPEN_FLAGS)
    status = os.fstat(descriptor)
    problem = None
    if sys.platform != "win32" and status.st_uid != file_permissions.user():
        problem = "it belongs to another user"
    elif status.st_mode & file_permissions.WRITABLE_BY_OTHERS:
        problem = "other users may write in it"
    if problem is not None:
        os.close(descriptor)
        raise OSError(errno.EPERM, problem)
    return descriptor
