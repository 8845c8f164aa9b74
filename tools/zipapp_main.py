"""What starts `opbx.pyz`: it unpacks opbx once, for its owner alone, and runs it from there.

Parts of opbx are machine code (cryptography, cffi), which no system loads out of an archive. What
was unpacked is kept for the next time, in `$XDG_CACHE_HOME/opbx-pyz` or `~/.cache/opbx-pyz`, and
where nothing can be written there, in `opbx-pyz-UID` in the folder for temporary files. It is code
that runs, so neither that folder nor one above it may be somebody else's to write.

An older Python has to be able to read this file: it says then which Python is needed.
"""

import json
import os
import shutil
import stat
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

ABOUT = "about.json"  # digest, system, machine, and the Pythons that it has parts for
CONTENT = "site"
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def main() -> None:
    archive = Path(sys.path[0]).absolute()
    with zipfile.ZipFile(archive) as opened:
        about = json.loads(opened.read(ABOUT).decode())
        refuse_strangers(about)
        sys.path[0] = str(unpacked(opened, about["digest"]))
    sys.argv[0] = str(archive)  # what opbx starts again for its demo
    # It is there only now.
    from opbx_cli.__main__ import main as opbx  # noqa: PLC0415

    opbx()


def refuse_strangers(about: Any) -> None:
    """End where the parts in machine code would not load."""
    python = "{}.{}".format(*sys.version_info)
    if python not in about["pythons"]:
        fit = ", ".join(about["pythons"])
        sys.exit(f"error: opbx.pyz is for Python {fit}; this is {python}")
    system = f"{sys.platform} on {os.uname().machine}"
    if system != about["system"]:
        sys.exit(f"error: opbx.pyz is for {about['system']}; this is {system}")


def unpacked(opened: zipfile.ZipFile, digest: str) -> Path:
    """Return the folder with what is in the archive; unpack it if that is new."""
    for root in roots():
        try:
            make_private(root)
            folder = root / digest
            if not folder.is_dir():
                unpack(opened, root, folder)
        except OSError:
            continue
        return folder
    sys.exit(
        "error: opbx.pyz found no folder of yours that it can unpack into\n"
        "hint: `export XDG_CACHE_HOME=PATH`, with a folder that is yours alone"
    )


def roots() -> "Iterator[Path]":
    """Return the folders to unpack into, the best one first."""
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    home = Path(os.environ.get("HOME", ""))
    if named.is_absolute():
        yield named / "opbx-pyz"
    elif home.is_absolute():
        yield home / ".cache" / "opbx-pyz"
    with suppress(FileNotFoundError):  # there is none where anything can be written
        yield Path(tempfile.gettempdir()) / f"opbx-pyz-{os.geteuid()}"


def make_private(root: Path) -> None:
    """Make a folder if it is missing; raise OSError where others could put another in its place."""
    above = root.parent
    if not above.is_dir():
        refuse_shared(above.parent)
        above.mkdir(mode=0o700, exist_ok=True)
    refuse_shared(above)
    root.mkdir(mode=0o700, exist_ok=True)
    found = root.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise OSError("not a folder of this user")
    if found.st_mode & OTHERS_WRITE:
        raise OSError("others can write there")


def refuse_shared(folder: Path) -> None:
    """Raise OSError unless it is this user's or root's, and no one else's up to the top to write.

    A sticky bit keeps others from moving what is not theirs.
    """
    if folder.stat().st_uid not in {0, os.geteuid()}:
        raise OSError("not a folder of this user")
    for one in (folder, *folder.resolve().parents):
        mode = one.stat().st_mode
        if mode & OTHERS_WRITE and not mode & stat.S_ISVTX:
            raise OSError("others can write there")


def unpack(opened: zipfile.ZipFile, root: Path, folder: Path) -> None:
    """Unpack beside the folder and rename: whoever sees the folder sees all of it."""
    made = Path(tempfile.mkdtemp(dir=root))
    try:
        names = [name for name in opened.namelist() if name.startswith(f"{CONTENT}/")]
        opened.extractall(made, names)  # made by `tools/build_zipapp.py`
        (made / CONTENT).rename(folder)
    except OSError:
        if not folder.is_dir():  # else another opbx.pyz was faster
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


if __name__ == "__main__":
    main()
