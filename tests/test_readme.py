"""The README's command blocks are run as printed, in order, in one home."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from opbx_cli.cli.main import EPILOG
from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
SHELL = [body for language, body in BLOCKS if language == "sh"]

# Stands in for pipx: what it does, without the network. The package is really built from the
# checkout and installed; pip and the dependencies are lent by the environment that runs the tests.
PIPX = f"""#!/bin/sh
set -e
test "$1" = install
{sys.executable} -m venv --without-pip "$HOME/pipx"
for site in "$HOME"/pipx/lib/python3*/site-packages; do echo "$TEST_SITE" > "$site/lent.pth"; done
cd {ROOT}
"$HOME/pipx/bin/python" -m pip --disable-pip-version-check install --quiet --no-index --no-deps \\
  --no-build-isolation "$2"
ln -s "$HOME/pipx/bin/opbx" "$HOME/bin/opbx"
"""


def test_there_is_a_block_for_each_promise() -> None:
    assert {language for language, _body in BLOCKS} == {"sh", "text"}
    assert len(SHELL) == 11


def test_the_blocks_work_as_printed(opbx: Opbx, sandbox: RunningSandbox, tmp_path: Path) -> None:
    home = tmp_path / "user"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "pipx").write_text(PIPX)
    (home / "bin" / "pipx").chmod(0o700)
    domain = sandbox.domains[0]
    (home / "api-key.txt").write_text(domain.api_key + "\n")
    site = next(entry for entry in sys.path if entry.endswith("site-packages"))
    environ = {
        **{name: value for name, value in opbx.process_environ().items() if name != "OPBX_HOME"},
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local" / "share"),
        "PATH": f"{home}/bin:{os.environ['PATH']}",
        "TEST_SITE": site,
        "DOMAIN_UUID": domain.uuid,
        "CLOUDONIX_API_BASE_URL": sandbox.url,
    }
    for body in SHELL[1:]:
        given = {
            "OPBX_DOMAIN_UUID": domain.uuid,
            "OPBX_DOMAIN_API_KEY": domain.api_key,
            # The key that is in force: what OPBX has.
            "OPBX_WEBHOOK_API_KEY": str(
                sandbox.state.domain()["profile"].get("authorization-api-key", "")  # type: ignore[attr-defined]
            ),
            "OPBX_WEBHOOK_BASE_URL": WEBHOOK_BASE_URL,
            "OPBX_NO_ANSWER_TIMEOUT": "33",  # so that there is something to do
        }
        done = subprocess.run(
            ["bash", "-uo", "pipefail", "-c", body],
            cwd=home,
            env={**environ, **(given if "plan.json" in body else {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, body + done.stdout + done.stderr
        assert "error: " not in done.stderr, done.stderr
        assert "not found" not in done.stderr, done.stderr
    assert '"result": "ok"' in (home / "result.json").read_text()
    assert (home / ".config" / "opbx" / "store.toml").exists()
    assert "\taccepted\t200\t" in (home / "callbacks.txt").read_text()


def test_the_sample_is_what_the_demo_shows(opbx: Opbx) -> None:
    shown = opbx.process("demo").stdout.splitlines()
    (sample,) = [body for language, body in BLOCKS if language == "text"]
    assert [line for line in sample.splitlines() if line not in shown] == []


def test_make_demo_runs_the_demo() -> None:
    if not (ROOT / ".venv" / ".installed").exists():
        pytest.skip("this environment was not made by make")
    assert SHELL[0] == "make demo\n"
    done = subprocess.run(
        ["make", "demo"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "$ opbx validate" in done.stdout


def test_the_exit_codes_are_those_of_the_help() -> None:
    codes = re.findall(r"^\| (\d+) \|", README, re.MULTILINE)
    assert codes == ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "130"]
    assert re.findall(r"(\d+) \w+", EPILOG)[: len(codes)] == codes
