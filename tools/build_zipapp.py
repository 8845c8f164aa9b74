"""Makes `dist/opbx.pyz`: opbx with all that it needs in one file, the same bytes each time.

The dependencies are those of `constraints.txt`, each with a hash that is known. Their parts in
machine code are for this system, and for each Python that it is to run with.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
UV = Path(sys.executable).with_name("uv")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
INSTALLER = "opbx.pyz"  # `opbx_cli.installation` knows the zipapp by it
START = Path(__file__).with_name("zipapp_main.py")
# Programs, their manual and what installers note: of no use there, or not the same everywhere.
LEFT_OUT = (
    "bin",
    "share",
    "direct_url.json",
    "uv_cache.json",
    "RECORD",
    "REQUESTED",
    "WHEEL",
    ".lock",
)
MOMENT = (2020, 2, 2, 0, 0, 0)  # as hatchling has it: of no meaning, and the same each time


def install(folder: Path, python: str, *what: str) -> None:
    system = platform.machine()
    # The oldest glibc that the dependencies are built for, not this computer's.
    how = ["--python-platform", f"{system}-manylinux_2_28"] if sys.platform == "linux" else []
    how += ["--python-version", python, "--only-binary", ":all:", "--target", str(folder)]
    subprocess.run([UV, "pip", "install", "--quiet", *how, *what], check=True)


def files(folder: Path) -> Iterator[Path]:
    """Return the paths in the folder of what is to be packed, always in the same order."""
    names = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    return (name for name in names if not set(LEFT_OUT) & set(name.parts))


def merge(other: Path, site: Path) -> None:
    """Add what another Python needs; what both have has to be the same."""
    for name in files(other):
        target = site / name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(other / name, target)
        elif target.read_bytes() != (other / name).read_bytes():
            sys.exit(f"{name} is not the same for all of Python {', '.join(PYTHONS)}")


def collect(wheel: Path, folder: Path) -> Path:
    """Install everything into one folder."""
    site = folder / "site"
    for python in PYTHONS:
        install(folder / python, python, "--require-hashes", "-r", str(ROOT / "constraints.txt"))
        merge(folder / python, site)
    install(folder / "opbx", PYTHONS[0], "--no-deps", str(wheel))
    merge(folder / "opbx", site)
    (installer,) = site.glob("opbx_cli-*.dist-info/INSTALLER")
    installer.write_text(f"{INSTALLER}\n")
    return site


def pack(site: Path, target: Path) -> None:
    content = {f"site/{name.as_posix()}": (site / name).read_bytes() for name in files(site)}
    digest = hashlib.sha256()
    for name, data in content.items():
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    system = f"{sys.platform} on {os.uname().machine}"
    about = {"digest": digest.hexdigest()[:16], "system": system, "pythons": PYTHONS}
    content["about.json"] = json.dumps(about).encode()
    content["__main__.py"] = START.read_bytes()
    with target.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, data in content.items():
                entry = zipfile.ZipInfo(name, MOMENT)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, data)
    target.chmod(0o755)


def main(wheel: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="opbx-zipapp-") as folder:
        pack(collect(wheel, Path(folder)), target)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
