"""Who owns a place, who else can write there, and the words for what is refused.

As `sshd` does for `authorized_keys` (safe_path in auth.c of OpenSSH), all folders on the
way to a file are judged: whoever can write one of them can move away what is in it and
put something else in its place. The way begins below the home folder, which is as far as
its owner can mend it; a place elsewhere is judged from the root on. Unlike there, folders
with the sticky bit are taken if they are root's: in /tmp nobody moves what is not theirs.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import StoreError

if sys.platform != "win32":
    import pwd

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
ROOT = 0
WRITABLE_BY_OTHERS = 0o022
_LINKS_MAX = 40  # Linux follows as many in one path


def user() -> int:
    """Return the user whose rights we have; Windows has no such numbers."""
    if sys.platform == "win32":
        return ROOT
    return os.geteuid()


def home() -> Path | None:
    """Return the home folder: HOME where it is an absolute path, else what the system says.

    None where neither names one, as for a container's user without an entry in its list.
    """
    path = Path(os.environ.get("HOME", ""))
    if sys.platform == "win32":
        return Path.home()
    return path if path.is_absolute() else _home_by_the_system()


def check_folder(folder: Path) -> None:
    """Refuse a folder in which somebody else could put another file in a file's place."""
    try:
        status = folder.stat()
    except OSError as error:
        raise unreadable(folder, error) from error
    if not stat.S_ISDIR(status.st_mode):
        raise unreadable(folder, NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)))
    if sys.platform == "win32":
        return
    if status.st_uid != user():
        raise foreign(folder, status.st_uid)
    if status.st_mode & WRITABLE_BY_OTHERS:
        raise folder_too_open(folder, status.st_mode)


def check_path(folder: Path) -> None:
    """Refuse a folder that others can move away. Raises `StoreError` with what mends it.

    Of a folder that is not there yet, the part of the way that is there counts. Once for a
    run is enough: whoever opens a file in it checks the folder itself every time.
    """
    if sys.platform == "win32":
        return
    try:
        unfit = _first_unfit(folder.absolute())
    except OSError as error:
        raise unreadable(folder, error) from error
    if unfit is None:
        return
    path, status = unfit
    if status.st_uid not in (ROOT, user()):
        raise _on_foreign_ground(path, status.st_uid)
    mode = f"{stat.S_IMODE(status.st_mode):04o}"
    command = f"chmod go-w {quoted(path)}"
    if status.st_uid != user():
        command = f"sudo {command}"
    raise StoreError(
        f"the folder {path} can be written by other users (mode {mode}), who could move away"
        " what is in it",
        hint=mending(path, "close it", command),
        code=ErrorCode.STORE_TOO_OPEN,
    )


def _first_unfit(path: Path) -> tuple[Path, os.stat_result] | None:
    way = list(_way(path))
    unfit = [entry for entry in way if _is_unfit(entry[1])]
    at_home = home() if unfit else None
    if at_home is not None:
        real_home = Path(os.path.realpath(at_home))
        if way[-1][0].is_relative_to(real_home):
            above_home = {place for place, _ in _way(at_home)} - {real_home}
            unfit = [entry for entry in unfit if entry[0] not in above_home]
    return unfit[0] if unfit else None


def _is_unfit(status: os.stat_result) -> bool:
    if status.st_uid not in (ROOT, user()):
        return True
    if not stat.S_ISDIR(status.st_mode) or status.st_mode & stat.S_ISVTX:
        return False
    return bool(status.st_mode & WRITABLE_BY_OTHERS)


def _way(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Walk an absolute path as the system does: each folder and link that it looks at.

    What is missing ends the walk. Raises `OSError` for what cannot be looked at.
    """
    here, links = Path("/"), 0
    yield here, here.lstat()
    pending = list(path.parts[:0:-1])
    while pending:
        name = pending.pop()
        if name == "..":  # `here` has no links in it
            here = here.parent
            continue
        place = here / name
        try:
            status = place.lstat()
            target = place.readlink() if stat.S_ISLNK(status.st_mode) else None
        except (FileNotFoundError, NotADirectoryError):
            return
        yield place, status
        if target is None:
            here = place
            continue
        links += 1
        if links > _LINKS_MAX:
            return
        if target.is_absolute():
            here = Path("/")
        pending += [part for part in reversed(target.parts) if part != "/"]


def is_read_only(path: Path) -> bool:
    """Tell whether a place is mounted read-only: then no mode and no owner can be changed there."""
    if sys.platform == "win32":
        return False
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def mending(path: Path, words: str, command: str) -> str:
    """Return the hint that a command mends a place; where that is read-only, who can instead."""
    if is_read_only(path):
        return (
            f"{quoted(path)} is mounted read-only, so this is mended where it comes from: it has "
            f"to belong to uid {user()}, closed to others"
        )
    return f"{words} with `{command}`"


def quoted(path: Path) -> str:
    """Return the path as one word of a shell line."""
    text = str(path).replace("'", "'\\''")
    return f"'{text}'"


def reason(error: OSError) -> str:
    """Return the system's words for an error, without the path (our messages name it)."""
    return error.strerror or os.strerror(error.errno or 0)


def unreadable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path} cannot be read: {reason(error)}",
        hint=access_hint(path, error) or f"look at it with `ls -ld {quoted(path)}`",
        code=ErrorCode.STORE_UNREADABLE,
    )


def access_hint(path: Path, error: OSError) -> str | None:
    """Name the `chmod` where a mode of ours is in the way: the file's, or the folder's."""
    if error.errno not in (errno.EACCES, errno.EPERM) or sys.platform == "win32":
        return None
    for candidate in (path, path.parent):
        with suppress(OSError):
            status = candidate.stat()
            mode = PRIVATE_FOLDER if stat.S_ISDIR(status.st_mode) else PRIVATE_FILE
            if status.st_uid == user() and status.st_mode & mode != mode:
                command = f"chmod {mode:o} {quoted(candidate)}"
                return mending(candidate, "give yourself access", command)
    return None


def foreign(path: Path, owner: int) -> StoreError:
    """Word that a file or folder of the store is not ours."""
    if user() == ROOT:
        return _root_on_foreign_ground(path, owner)
    return StoreError(
        f"{path} belongs to another user (uid {owner})",
        hint=mending(path, "make it yours", f"sudo chown {user()} {quoted(path)}"),
        code=ErrorCode.STORE_NOT_OWNER,
    )


def _on_foreign_ground(path: Path, owner: int) -> StoreError:
    """Word that a folder on the way is somebody else's; who it is for is not ours to change."""
    if user() == ROOT:
        return _root_on_foreign_ground(path, owner)
    return StoreError(
        f"{path} belongs to another user (uid {owner}), who could move away what is in it",
        hint=_place_of_our_own("use a folder of your own"),
        code=ErrorCode.STORE_NOT_OWNER,
    )


def _root_on_foreign_ground(path: Path, owner: int) -> StoreError:
    return StoreError(
        f"{path} belongs to another user (uid {owner}), and opbx runs as root: "
        "it would leave root's files there",
        hint="run the same command as that user, without `sudo` or `-u root`; or, for a store "
        + _place_of_our_own("of root's own"),
        code=ErrorCode.STORE_NOT_OWNER,
    )


def folder_too_open(folder: Path, mode: int) -> StoreError:
    if mode & stat.S_ISVTX:  # /tmp and its like: not ours to close
        return StoreError(
            f"the folder {folder} is shared by all users (mode {stat.S_IMODE(mode):04o})",
            hint=_place_of_our_own("use a folder of your own"),
            code=ErrorCode.STORE_TOO_OPEN,
        )
    return StoreError(
        f"the folder {folder} can be written by other users (mode {stat.S_IMODE(mode):04o})",
        hint=mending(folder, "close it", f"chmod go-w {quoted(folder)}"),
        code=ErrorCode.STORE_TOO_OPEN,
    )


def _place_of_our_own(words: str) -> str:
    """Propose a folder in our home, if that is ours alone; never one that all users share."""
    for candidate in filter(None, (home(), _home_by_the_system())):
        with suppress(OSError):
            status = candidate.stat()
            if status.st_uid == user() and not status.st_mode & WRITABLE_BY_OTHERS:
                return f"{words}: `export OPBX_HOME={quoted(candidate / '.opbx')}`"
    return f"{words}, outside of /tmp, as in `export OPBX_HOME=/srv/opbx`"


def _home_by_the_system() -> Path | None:
    """Return the home of the user that we are; under `sudo -E`, HOME is the caller's."""
    if sys.platform == "win32":
        return None
    try:
        return Path(pwd.getpwuid(user()).pw_dir)
    except KeyError:
        return None
