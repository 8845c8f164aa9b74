"""Private files: refused unless they are ours alone, and replaced atomically.

A reader opens without following links and then judges the open file, so that nothing
can be swapped in between. A writer fills a temporary file beside the old one, syncs it
and renames it; files have mode 0600 and folders 0700 from the start, whatever the umask.
Windows has no such modes or owners: there the profile folder's own rights protect.
Python itself repeats a call that a signal interrupted (PEP 475).
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from opbx_cli import file_permissions
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import StoreError
from opbx_cli.file_permissions import PRIVATE_FILE, PRIVATE_FOLDER, quoted

TEMPORARY_AGE_MAX = 3600  # seconds; an older temporary file has no living writer
_TEMPORARY_NAME = re.compile(r"\.store\.toml\.[0-9a-f]{16}\.tmp")
_READ_CHUNK = 1024 * 1024

# O_NONBLOCK: a FIFO in the file's place is told from a file, and never waited for.
OPEN_FLAGS = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


def is_present(path: Path) -> bool:
    """Whether the name is taken, be it by a dangling link; StoreError if that cannot be told."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise file_permissions.unreadable(path, error) from error
    return True


def refuse_link(path: Path) -> None:
    with suppress(OSError):  # no link, then: whoever opens it next words the error
        if stat.S_ISLNK(path.lstat().st_mode):
            raise _not_own_file(path, "is a link")


def read_private(path: Path, *, size_max: int) -> bytes | None:
    """Return a private file's bytes (one more than `size_max` at most), None without a file.

    StoreError if somebody else could have read or written it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | OPEN_FLAGS)
    except FileNotFoundError:
        return None
    except OSError as error:
        refuse_link(path)
        raise file_permissions.unreadable(path, error) from error
    with _reading(path, descriptor):
        check_file(path, os.fstat(descriptor))
        file_permissions.check_folder(path.parent)
        return _read(descriptor, size_max=size_max)


def read_shared(path: Path, *, size_max: int) -> bytes:
    """Read a file of ours or root's that others may read, too, through links: a mount.

    Only for what the user said to be shared: a key file that a variable names, or the store.
    """
    target = Path(os.path.realpath(path))
    try:
        descriptor = os.open(target, os.O_RDONLY | OPEN_FLAGS)
    except OSError as error:
        raise file_permissions.unreadable(path, error) from error
    with _reading(path, descriptor):
        _check_shared(target, os.fstat(descriptor), folder=target.parent.stat())
        return _read(descriptor, size_max=size_max)


def _check_shared(path: Path, status: os.stat_result, *, folder: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _not_own_file(path, "is not a regular file")
    if sys.platform == "win32":
        return
    for owner in (status.st_uid, folder.st_uid):
        if owner not in (0, file_permissions.user()):
            raise file_permissions.foreign(path, owner)
    if status.st_mode & 0o033:  # reading is permitted, nothing else
        raise _too_open(path, status.st_mode, command=f"chmod go-wx {quoted(path)}")
    if folder.st_mode & file_permissions.WRITABLE_BY_OTHERS:
        raise file_permissions.folder_too_open(path.parent, folder.st_mode)


def check_file(path: Path, status: os.stat_result) -> None:
    """Refuse an open file that is not regular, not ours, or not ours alone."""
    if not stat.S_ISREG(status.st_mode):
        raise _not_own_file(path, "is not a regular file")
    if sys.platform == "win32":
        return
    if status.st_uid != file_permissions.user():
        raise file_permissions.foreign(path, status.st_uid)
    if status.st_nlink > 1:
        raise _not_own_file(path, "has a second name (a hard link)")
    if status.st_mode & 0o077:
        raise _too_open(path, status.st_mode, command=f"chmod 600 {quoted(path)}")


def make_private_folder(folder: Path) -> None:
    """Create a folder and its missing parents, or check the one that is there."""
    missing = []
    ancestor = folder
    while not is_present(ancestor):
        missing.append(ancestor)
        ancestor = ancestor.parent
    file_permissions.check_path(ancestor)
    create_folders(reversed(missing))
    file_permissions.check_folder(folder)


def create_folders(folders: Iterable[Path]) -> None:
    """Create folders for us alone, the outermost first, where nobody else just did."""
    for folder in folders:
        with suppress(FileExistsError):  # another opbx was quicker
            folder.mkdir(PRIVATE_FOLDER)
            folder.chmod(PRIVATE_FOLDER)  # the umask may have taken our own rights
            sync_folder(folder.parent)


def write_new(path: Path, data: bytes, *, folder: int | None = None, sync: bool = True) -> None:
    """Write a file that must not exist yet, down to the disk; leave none on failure.

    With a descriptor of a `folder`, the path is relative to that. Without `sync`, a power
    failure may lose the file.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPEN_FLAGS
    descriptor = os.open(path, flags, PRIVATE_FILE, dir_fd=folder)
    try:
        try:
            make_private(descriptor)
            _write(descriptor, data)
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        remove(path, folder=folder)
        raise


def write_new_synced(path: Path, data: bytes) -> None:
    """Write a new file so that its name is on the disk, too; leave none on failure."""
    write_new(path, data)
    try:
        sync_folder(path.parent)
    except BaseException:
        remove(path)
        raise


def check_replaceable(path: Path) -> None:
    """Raise the `OSError` that `replace` would raise, as far as the system tells without a try.

    Of folders that are still to be made, the one in which they would be made counts.
    """
    place = path.parent
    while not is_present(place):
        place = place.parent
    if not os.access(
        place, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids
    ):
        raise _system_error(
            errno.EROFS if file_permissions.is_read_only(place) else errno.EACCES, place
        )
    if file_permissions.is_read_only(path):  # it is mounted by itself
        raise _system_error(errno.EROFS, path)
    if _is_mounted(path):  # nothing can be renamed to it
        raise _system_error(errno.EBUSY, path)


def _system_error(number: int, path: Path) -> OSError:
    return OSError(number, os.strerror(number), path)


def _is_mounted(path: Path) -> bool:
    """Tell whether a file is mounted by itself, as Linux says; `os.path.ismount` is for folders."""
    try:
        mounts = Path("/proc/self/mountinfo").read_bytes().splitlines()
        place = os.fsencode(os.path.realpath(path))
    except OSError:
        return False
    for special in (b"\\", b" ", b"\t", b"\n"):  # proc(5) writes them in octal
        place = place.replace(special, b"\\%03o" % special[0])
    return any(line.split(b" ")[4] == place for line in mounts)


def write_temporary(path: Path, data: bytes) -> Path:
    """Write a file beside `path`, to be renamed to it."""
    temporary = path.parent / f".store.toml.{os.urandom(8).hex()}.tmp"
    write_new(temporary, data)
    return temporary


def replace(path: Path, data: bytes) -> None:
    """Put new bytes in a file's place by one rename; on failure the old file is untouched."""
    temporary = write_temporary(path, data)
    try:
        temporary.replace(path)
    except BaseException:
        remove(temporary)
        raise


def open_lock(path: Path) -> int:
    """Open a lock file under the same rules as the store, and create it where there is none."""
    flags = os.O_RDWR | OPEN_FLAGS
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
        is_new = True
    except FileExistsError:
        refuse_link(path)
        descriptor = os.open(path, flags)
        is_new = False
    try:
        if is_new:
            make_private(descriptor)
        check_file(path, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def sync_folder(folder: Path) -> None:
    """Make a rename in the folder survive a power failure, where the system can."""
    if sys.platform == "win32":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:  # ours to write in, not to list: then there is no way to sync it
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems
            raise
    finally:
        os.close(descriptor)


def remove_old_temporaries(folder: Path) -> None:
    """Sweep what a killed writer left; a failure here must not stop the write that follows."""
    with suppress(OSError):
        for path in folder.iterdir():
            if _TEMPORARY_NAME.fullmatch(path.name) and _age(path) > TEMPORARY_AGE_MAX:
                path.unlink()


def _age(path: Path) -> float:
    return time.time() - path.lstat().st_mtime


def remove(path: Path, *, folder: int | None = None) -> None:
    """Take a file away if that is possible: the error that led here is the one to tell."""
    with suppress(OSError):
        os.unlink(path, dir_fd=folder)  # `Path.unlink` takes no folder


def make_private(descriptor: int) -> None:
    if sys.platform == "win32":
        return
    os.fchmod(descriptor, PRIVATE_FILE)  # the umask may have taken our own rights


def _not_own_file(path: Path, problem: str) -> StoreError:
    new = path.with_name(path.name + ".new")
    hint = f"look at it with `ls -ld {quoted(path)}`"
    with suppress(OSError):
        if stat.S_ISREG(path.stat().st_mode):
            command = f"cp {quoted(path)} {quoted(new)} && chmod 600 {quoted(new)} && "
            command += f"mv {quoted(new)} {quoted(path)}"
            hint = file_permissions.mending(path, "make it a file of its own", command)
    return StoreError(
        f"{path} {problem}, which is refused", hint=hint, code=ErrorCode.STORE_UNREADABLE
    )


def _too_open(path: Path, mode: int, *, command: str) -> StoreError:
    hint = file_permissions.mending(path, "close it", command)
    # By the umask; what is mounted read-only is no checkout.
    if stat.S_IMODE(mode) in (0o644, 0o664) and not file_permissions.is_read_only(path):
        hint += ", as after every checkout: git does not keep this"
    return StoreError(
        f"{path} is open to other users (mode {stat.S_IMODE(mode):04o})",
        hint=hint,
        code=ErrorCode.STORE_TOO_OPEN,
    )


def _read(descriptor: int, *, size_max: int) -> bytes:
    pieces: list[bytes] = []
    left = size_max + 1
    while left > 0 and (piece := os.read(descriptor, min(left, _READ_CHUNK))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _write(descriptor: int, data: bytes) -> None:
    """Write until all is written: a short count is no error."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


@contextmanager
def _reading(path: Path, descriptor: int) -> Iterator[None]:
    """Close the file in the end, and word whatever the system refuses meanwhile."""
    try:
        try:
            yield
        finally:
            os.close(descriptor)
    except OSError as error:
        raise file_permissions.unreadable(path, error) from error
