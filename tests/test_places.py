"""Where the store may lie: no folder on the way that others can write, and a home that is there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx, Outcome

OPBX = (sys.executable, "-m", "opbx_cli")
STRANGER = 54321  # a user without an entry in the system's list
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


@pytest.fixture
def nested(tmp_path: Path, sandbox: RunningSandbox) -> Opbx:
    """A saved store three folders deep: `outer/inner/home`."""
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    for folder in (inner, inner.parent):
        folder.chmod(0o755)
    home = inner / "home"
    opbx = Opbx(home, {"OPBX_HOME": str(home)})
    assert save(opbx, sandbox).code == 0
    return opbx


@pytest.fixture
def open_ground() -> Iterator[Path]:
    """A folder that every user can look into, as those of pytest are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def save(opbx: Opbx, sandbox: RunningSandbox, **variables: str) -> Outcome:
    domain = sandbox.domains[0]
    argv = ("configure", "--domain-uuid", domain.uuid, "--api-key-stdin")
    address = ("--api-base-url", sandbox.url, "--webhook-base-url", WEBHOOK_BASE_URL)
    return opbx.process(*argv, *address, stdin=domain.api_key, **variables)


def follow(outcome: Outcome) -> None:
    found = re.search(r"hint: .*?`(.+?)`", outcome.stderr)
    assert found, outcome.stderr
    subprocess.run(["/bin/sh", "-c", found[1]], check=True)


def run_as_stranger(*argv: str, cwd: Path, environ: dict[str, str]) -> Outcome:
    """Run opbx as a user who cannot look into root's folders, where Python itself may be.

    So root runs it once, which loads what it needs, and becomes that user then.
    """
    code = (
        "import os, sys\n"
        "from opbx_cli.cli.main import run\n"
        "argv = sys.argv[1:]\n"
        "quiet = sys.stdout, sys.stderr\n"
        "sys.stdout = sys.stderr = open(os.devnull, 'w')\n"
        "home = dict(os.environ, OPBX_HOME=os.path.join(os.getcwd(), 'warm'))\n"
        "run(argv, home), run(argv, os.environ)\n"
        "sys.stdout, sys.stderr = quiet\n"
        f"os.setgroups([]); os.setresgid(*[{STRANGER}] * 3); os.setresuid(*[{STRANGER}] * 3)\n"
        "sys.exit(run(argv, os.environ))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *argv],
        capture_output=True,
        text=True,
        env=environ,
        cwd=cwd,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def without_home(opbx: Opbx, **variables: str) -> dict[str, str]:
    environ = opbx.process_environ(**variables)
    for name in ("HOME", "OPBX_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        if name not in variables:
            environ.pop(name, None)
    return environ


@pytest.mark.parametrize("wrong", [0o777, 0o775, 0o757, 0o2770])
@pytest.mark.parametrize("which", ["outer", "inner"])
def test_a_parent_that_others_can_write_is_refused_until_the_hint_is_followed(
    nested: Opbx, sandbox: RunningSandbox, which: str, wrong: int
) -> None:
    inner = nested.home.parent
    folder = {"inner": inner, "outer": inner.parent}[which]
    folder.chmod(wrong)
    for outcome in (nested.process("profiles", "list"), save(nested, sandbox)):
        assert (outcome.code, outcome.stdout) == (10, "")
        assert f"the folder {folder} can be written by other users (mode " in outcome.stderr
        assert f"`chmod go-w '{folder}'`" in outcome.stderr
    follow(nested.process("profiles", "list"))
    assert nested.process("profiles", "list").code == 0


def test_no_new_store_is_started_where_one_was_moved_away(
    nested: Opbx, sandbox: RunningSandbox
) -> None:
    inner = nested.home.parent
    inner.chmod(0o777)
    nested.home.rename(inner / "taken")
    outcome = save(nested, sandbox)
    assert (outcome.code, outcome.stdout) == (10, "")
    assert not nested.home.exists()


def test_a_parent_with_the_sticky_bit_is_taken(nested: Opbx) -> None:
    nested.home.parent.chmod(0o1777)
    assert nested.process("profiles", "list").code == 0


def test_a_link_through_a_folder_that_others_can_write_is_refused(
    nested: Opbx, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (shared / "second").symlink_to(nested.home)
    (tmp_path / "first").symlink_to("shared/second")
    outcome = nested.process("profiles", "list", OPBX_HOME=str(tmp_path / "first"))
    assert outcome.code == 10
    assert f"`chmod go-w '{shared}'`" in outcome.stderr
    shared.chmod(0o755)
    assert nested.process("profiles", "list", OPBX_HOME=str(tmp_path / "first")).code == 0


def test_above_the_home_folder_nothing_is_judged(nested: Opbx) -> None:
    """What is there is not the user's to mend; elsewhere the way is judged from the root on."""
    inner = nested.home.parent
    inner.parent.chmod(0o777)
    assert nested.process("profiles", "list", HOME=str(inner)).code == 0
    assert nested.process("profiles", "list", HOME=str(nested.home)).code == 0
    inner.chmod(0o777)
    assert nested.process("profiles", "list", HOME=str(inner)).code == 10


@only_root
def test_a_parent_of_another_user_is_refused(nested: Opbx, sandbox: RunningSandbox) -> None:
    inner = nested.home.parent
    os.chown(inner, STRANGER, STRANGER)
    outcome = nested.process("profiles", "list")
    assert outcome.code == 10
    assert f"{inner} belongs to another user (uid {STRANGER})" in outcome.stderr


@only_root
@pytest.mark.parametrize("variable", ["HOME", "OPBX_HOME"])
def test_root_makes_nothing_in_somebody_elses_home(
    opbx: Opbx, sandbox: RunningSandbox, tmp_path: Path, variable: str
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o755)
    os.chown(theirs, STRANGER, STRANGER)
    del opbx.environ["OPBX_HOME"]
    place = {"HOME": theirs, "OPBX_HOME": theirs / "x"}[variable]
    domain = sandbox.domains[0]
    done = subprocess.run(
        [*OPBX, "configure", "--domain-uuid", domain.uuid, "--api-key-stdin"],
        input=domain.api_key,
        env=without_home(opbx, **{variable: str(place)}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (10, "")
    assert f"{theirs} belongs to another user (uid {STRANGER})" in done.stderr
    assert "without `sudo` or `-u root`" in done.stderr
    assert "a store of root's own: `export OPBX_HOME='" in done.stderr
    assert str(theirs) not in done.stderr.split("hint:")[1]
    assert list(theirs.iterdir()) == []


@only_root
@pytest.mark.parametrize("variables", [{}, {"HOME": "relative"}, {"HOME": ""}])
def test_a_user_without_any_home_is_told_so(
    opbx: Opbx, open_ground: Path, variables: dict[str, str]
) -> None:
    os.chown(open_ground, STRANGER, STRANGER)
    environ = without_home(opbx, **variables)
    for argv in (["profiles", "list"], ["profiles", "history"]):
        outcome = run_as_stranger(*argv, cwd=open_ground, environ=environ)
        assert (outcome.code, outcome.stdout) == (3, ""), outcome.stderr
        assert "error: no home folder is known" in outcome.stderr
        assert "`export OPBX_HOME=/srv/opbx`" in outcome.stderr
    environ["OPBX_HOME"] = str(open_ground / "own")
    outcome = run_as_stranger("profiles", "list", cwd=open_ground, environ=environ)
    assert "not configured" in outcome.stderr
    assert list(open_ground.iterdir()) == []


def test_a_home_that_is_not_there_is_not_made(opbx: Opbx, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    outcome = run(opbx, without_home(opbx, HOME=str(gone)))
    assert outcome.returncode == 3
    assert f"error: the home folder {gone} does not exist" in outcome.stderr
    folders = {"XDG_CONFIG_HOME": str(tmp_path / "a"), "XDG_DATA_HOME": str(tmp_path / "b")}
    outcome = run(opbx, without_home(opbx, HOME=str(gone), **folders))
    assert "not configured" in outcome.stderr, "no home is needed then"


def run(opbx: Opbx, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*OPBX, "profiles", "list"],
        env=environ,
        cwd=opbx.home.parent,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("text", ["{}/a\nb", "{}/a\r", "{}/\x1b[2J", "{}/a\u2028b", "{}/a\x85"])
def test_a_home_with_a_line_end_is_refused_by_name(
    opbx: Opbx, sandbox: RunningSandbox, tmp_path: Path, text: str
) -> None:
    outcome = save(opbx, sandbox, OPBX_HOME=text.format(tmp_path))
    assert (outcome.code, outcome.stdout) == (3, "")
    assert "error: OPBX_HOME has a line end or another control character in it" in outcome.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("text", "folder"), [("~", ""), ("~/", ""), ("~/a/b", "a/b")])
def test_a_tilde_is_the_home_folder(
    opbx: Opbx, sandbox: RunningSandbox, tmp_path: Path, text: str, folder: str
) -> None:
    assert save(opbx, sandbox, OPBX_HOME=text, HOME=str(tmp_path)).code == 0
    assert (tmp_path / folder / "store.toml").is_file()
    assert not (tmp_path / "~").exists()


def test_a_tilde_with_an_unknown_user_is_refused(opbx: Opbx, sandbox: RunningSandbox) -> None:
    outcome = save(opbx, sandbox, OPBX_HOME="~no-such-user/opbx")
    assert outcome.code == 3
    assert "error: no home folder is known" in outcome.stderr


def test_a_relative_home_in_a_folder_that_is_gone(opbx: Opbx, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code = f"import os; os.rmdir({str(gone)!r}); from opbx_cli.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=opbx.process_environ(OPBX_HOME="opbx"),
        cwd=gone,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
