"""One writer at a time: an advisory lock on a file beside the store, held by the open file.

The system lets go of it when its holder ends, however it ends, so that no lock is ever
left behind; the file itself stays.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from opbx_cli import file_permissions, private_files
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import StoreError
from opbx_cli.store import crypto, error_messages

POLL_INTERVAL = 0.02  # seconds

if sys.platform == "win32":
    import msvcrt

    def _try_to_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_to_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def locked(path: Path, *, timeout: float) -> Iterator[None]:
    """Hold the lock; StoreError if it cannot be had within `timeout` seconds, or at all."""
    try:
        descriptor = private_files.open_lock(path)
    except OSError as error:
        raise error_messages.not_saved(path, error, state=error_messages.UNCHANGED) from error
    with _closing(descriptor):
        _wait(path, descriptor, timeout=timeout, doing="saving")
        yield


@contextmanager
def domain_locked(
    folder: Path, domain: str, *, timeout: float, waiting: Callable[[], None]
) -> Iterator[None]:
    """Hold off other commands that write the same domain from this store.

    `waiting` is called once if another one is at work. Each domain has a lock of its own, or one
    on a slow domain would hold up another, and be taken for another opbx. Where no lock can be
    made (a store that is mounted read-only) there is none: nobody can save there anyway.
    """
    path = folder / f"{crypto.sha256(domain.encode()).hex()[:16]}.lock"
    try:
        private_files.make_private_folder(folder)
        descriptor = private_files.open_lock(path)
    except OSError:
        yield
        return
    with _closing(descriptor):
        if not _try_to_lock(descriptor):
            waiting()
            _wait(path, descriptor, timeout=timeout, doing="at work on this domain")
        yield


@contextmanager
def _closing(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        with suppress(OSError):  # whatever was to be done is done: only the lock goes
            os.close(descriptor)


def _wait(path: Path, descriptor: int, *, timeout: float, doing: str) -> None:
    deadline = time.monotonic() + timeout
    try:
        while not _try_to_lock(descriptor):
            if time.monotonic() >= deadline:
                raise StoreError(
                    f"{path} is held by another opbx that is {doing} (waited {timeout:g} s);"
                    f" {error_messages.UNCHANGED}",
                    hint=f"see which one with `fuser -v {file_permissions.quoted(path)}`,"
                    " then try again",
                    code=ErrorCode.STORE_LOCKED,
                )
            time.sleep(POLL_INTERVAL)
    except OSError as error:
        raise error_messages.not_saved(path, error, state=error_messages.UNCHANGED) from error
