"""Where `opbx.pyz` unpacks itself, and where it does not; what runs here is a stand-in for opbx.

`make packages` builds the real one and runs the demo with it.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

START = Path(__file__).parent.parent / "tools" / "zipapp_main.py"
OPBX = """
import sys
def main():
    print(__file__, sys.argv[0])
"""
NO_FOLDER = "error: opbx.pyz found no folder of yours that it can unpack into\n"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return archive_with(tmp_path)


def archive_with(folder: Path, **about: object) -> Path:
    python = "{}.{}".format(*sys.version_info)
    here = {"system": f"{sys.platform} on {os.uname().machine}", "pythons": [python]}
    path = folder / "opbx.pyz"
    with zipfile.ZipFile(path, "w") as made:
        made.write(START, "__main__.py")
        made.writestr("about.json", json.dumps({"digest": "d1", **here, **about}))
        made.writestr("site/opbx_cli/__init__.py", "")
        made.writestr("site/opbx_cli/__main__.py", OPBX)
    return path


def started(archive: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, archive.name, "status"],
        cwd=archive.parent,
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def place(archive: Path, **environ: str) -> Path:
    """Start it; return the folder that it ran from."""
    done = started(archive, **environ)
    assert done.returncode == 0, done.stderr
    file, program = done.stdout.split()
    assert program == str(archive)  # with which it starts itself again, wherever it was started
    return Path(file).parent.parent


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def test_it_unpacks_once_for_its_owner_alone(archive: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    folder = place(archive, HOME=str(home))
    assert folder == home / ".cache" / "opbx-pyz" / "d1"
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    assert [entry.name for entry in folder.parent.iterdir()] == ["d1"]
    made = folder.stat()
    assert place(archive, HOME=str(home)) == folder
    assert folder.stat().st_ino == made.st_ino


def test_a_newer_one_does_not_run_the_older_one(archive: Path, tmp_path: Path) -> None:
    first = place(archive, XDG_CACHE_HOME=str(tmp_path))
    second = place(archive_with(tmp_path, digest="d2"), XDG_CACHE_HOME=str(tmp_path))
    assert (first, second) == (tmp_path / "opbx-pyz" / "d1", tmp_path / "opbx-pyz" / "d2")


@pytest.mark.parametrize("home", [None, "relative", "/proc"])
def test_without_a_home_to_write_in_it_takes_the_temporary_folder(
    archive: Path, temporary: Path, home: str | None
) -> None:
    environ = {} if home is None else {"HOME": home}
    folder = place(archive, TMPDIR=str(temporary), **environ)
    assert folder == temporary / f"opbx-pyz-{os.geteuid()}" / "d1"


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_folder_that_others_can_write_is_not_used(
    archive: Path, tmp_path: Path, temporary: Path, mode: int
) -> None:
    outer = tmp_path / "outer"
    cache = outer / "cache"
    planted = cache / "opbx-pyz" / "d1"
    planted.mkdir(parents=True)
    (cache / "opbx-pyz").chmod(mode)
    folder = place(archive, XDG_CACHE_HOME=str(cache), TMPDIR=str(temporary))
    assert folder.parent.parent == temporary
    (cache / "opbx-pyz").chmod(0o700)
    for above in (cache, outer):
        above.chmod(mode)
        folder = place(archive, XDG_CACHE_HOME=str(cache), TMPDIR=str(temporary))
        assert folder.parent.parent == temporary
        above.chmod(0o700)
    planted.rmdir()
    assert place(archive, XDG_CACHE_HOME=str(cache)) == planted


def test_a_link_or_a_file_in_its_place_is_not_followed(
    archive: Path, tmp_path: Path, temporary: Path
) -> None:
    cache, target = tmp_path / "cache", tmp_path / "target"
    cache.mkdir()
    target.mkdir()
    ours = temporary / f"opbx-pyz-{os.geteuid()}"
    for name in ("opbx-pyz", ours.name):
        (cache / name).symlink_to(target)
    assert place(archive, XDG_CACHE_HOME=str(cache), TMPDIR=str(temporary)).parent == ours
    done = started(archive, XDG_CACHE_HOME=str(cache), TMPDIR=str(cache))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(NO_FOLDER)
    assert "hint: `export XDG_CACHE_HOME=PATH`" in done.stderr
    assert list(target.iterdir()) == []


def test_root_leaves_nothing_in_somebody_elses_home(
    archive: Path, tmp_path: Path, temporary: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can be in somebody else's home")
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 4242, 4242)
    folder = place(archive, HOME=str(home), TMPDIR=str(temporary))
    assert folder.parent == temporary / "opbx-pyz-0"
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"pythons": ["2.7", "9.9"]}, "error: opbx.pyz is for Python 2.7, 9.9; this is "),
        ({"system": "amiga on m68k"}, "error: opbx.pyz is for amiga on m68k; this is "),
    ],
)
def test_what_it_was_not_made_for_is_said(
    tmp_path: Path, about: dict[str, object], said: str
) -> None:
    done = started(archive_with(tmp_path, **about), XDG_CACHE_HOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(said)
    assert not (tmp_path / "opbx-pyz").exists()


def test_many_at_once_see_all_of_it_or_nothing(archive: Path, tmp_path: Path) -> None:
    running = [
        subprocess.Popen(
            [sys.executable, str(archive)],
            env={"XDG_CACHE_HOME": str(tmp_path)},
            stdout=subprocess.DEVNULL,
        )
        for _ in range(8)
    ]
    assert [one.wait(timeout=60) for one in running] == [0] * 8
    assert [entry.name for entry in (tmp_path / "opbx-pyz").iterdir()] == ["d1"]
