"""The pages for users: their command blocks run as printed, and their links lead somewhere.

The blocks of a page run in the page's order, in one home, against a sandbox. How a page marks a
block is in `tests/helpers/pages.py`, and what the words of a mark stand for in `Scene`.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from opbx_cli.cli.main import EPILOG
from opbx_cli.sandbox import OPBX_CREDENTIALS as OWNER
from opbx_cli.sandbox.server import RunningSandbox
from pages import PAGES, PROGRAM, ROOT, WORDS, Block, anchors_of, blocks_of, name_of, prose_of
from support import WEBHOOK_BASE_URL, Opbx
from terminal import on_terminal

BLOCKS = [block for page in PAGES for block in blocks_of(page)]
COMMANDS = [block for block in BLOCKS if block.has_commands]
RUN = [page for page in PAGES if any(block.is_run for block in blocks_of(page))]
LINKING = [*PAGES, ROOT / "SECURITY.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
# Makes nothing here; the test below runs it in the checkout.
MAKE_DEMO = "make demo\n"

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
ln -sf "$HOME/pipx/bin/opbx" "$HOME/bin/opbx"
"""


@dataclass
class Scene:
    """A user's home, and the sandbox that stands for Cloudonix, and for OPBX where it plays that.

    In the home are `api-key.txt`, the key of the domain `$DOMAIN_UUID`, and `password.txt`, the one
    of `$OWNER` in OPBX. The words: `opbx` for a sandbox that plays OPBX, with a home of its own;
    `profile` for a profile that `validate` has saved before the block; `ci` for the variables of a
    job; `terminal` for commands that ask.
    """

    home: Path
    sandbox: RunningSandbox
    environ: dict[str, str]
    plays_opbx: bool
    is_configured: bool = False

    @classmethod
    def build(cls, home: Path, sandbox: RunningSandbox, opbx: Opbx, *, plays_opbx: bool) -> Scene:
        domain = sandbox.domains[0]
        (home / "bin").mkdir(parents=True)
        for name, program in (("opbx", PROGRAM), ("pipx", PIPX)):
            (home / "bin" / name).write_text(program)
            (home / "bin" / name).chmod(0o700)
        for name, content in (("api-key.txt", domain.api_key), ("password.txt", OWNER.password)):
            (home / name).write_text(content + "\n")
            (home / name).chmod(0o600)
        machine = {k: v for k, v in opbx.process_environ().items() if k != "OPBX_HOME"}
        environ = {
            **machine,
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_DATA_HOME": str(home / ".local" / "share"),
            "PATH": f"{home}/bin:{os.environ['PATH']}",
            "TEST_SITE": next(entry for entry in sys.path if entry.endswith("site-packages")),
            "DOMAIN_UUID": domain.uuid,
            "OWNER": OWNER.email,
            "CLOUDONIX_API_BASE_URL": sandbox.url,
        }
        return cls(home, sandbox, environ, plays_opbx)

    def run(self, block: Block) -> None:
        if "profile" in block.words and not self.is_configured:
            self._shell(
                'opbx configure --domain-uuid "$DOMAIN_UUID" --api-key-file api-key.txt'
                f" --webhook-base-url {WEBHOOK_BASE_URL} && opbx validate"
            )
            self.is_configured = True
        # OPBX's address in the pages; no sandbox can have it.
        body = block.body
        if self.plays_opbx:
            body = body.replace(WEBHOOK_BASE_URL, self.sandbox.url)
        if "terminal" in block.words:
            for line in body.splitlines():
                self._converse(line)
        else:
            self._shell(body, **(self._variables_of_a_job() if "ci" in block.words else {}))

    def _shell(self, body: str, **variables: str) -> None:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", body],
            cwd=self.home,
            env={**self.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, body + done.stdout + done.stderr
        assert "error: " not in done.stderr, done.stderr
        assert "not found" not in done.stderr, done.stderr

    def _converse(self, line: str) -> None:
        """Run a command at a terminal, and answer what it asks as the owner would."""
        program, *argv = shlex.split(line)
        assert program == "opbx"
        answers = {
            "E-mail address of the owner: ": OWNER.email,
            "Password (typing stays hidden): ": OWNER.password,
            "Domain API key (typing stays hidden): ": self.sandbox.domains[0].api_key,
            "[y/N] ": "y",
            "[Y/n] ": "y",
        }
        with on_terminal(*argv, environ=self.environ) as terminal:
            shown = terminal.answer(answers)
            assert terminal.exit_code == 0, line + shown
        assert "error: " not in shown, shown

    def _variables_of_a_job(self) -> dict[str, str]:
        """The variables of docs/ci.md, with the webhook key that is in force: OPBX's."""
        domain: Any = self.sandbox.state.domain()
        return {
            "OPBX_DOMAIN_UUID": self.sandbox.domains[0].uuid,
            "OPBX_DOMAIN_API_KEY": self.sandbox.domains[0].api_key,
            "OPBX_WEBHOOK_API_KEY": domain["profile"].get(
                "authorization-api-key", "webhook-key-of-the-job-0123456789"
            ),
            "OPBX_WEBHOOK_BASE_URL": WEBHOOK_BASE_URL,
            "OPBX_NO_ANSWER_TIMEOUT": "33",  # so that there is something to do
        }


@pytest.mark.parametrize("page", RUN, ids=name_of)
def test_the_blocks_of_a_page_work_as_printed(
    opbx: Opbx, start_sandbox: Callable[..., RunningSandbox], tmp_path: Path, page: Path
) -> None:
    scenes: dict[bool, Scene] = {}
    for block in blocks_of(page):
        if not block.is_run or block.body == MAKE_DEMO:
            continue
        plays_opbx = "opbx" in block.words
        if plays_opbx not in scenes:
            home = tmp_path / ("with-opbx" if plays_opbx else "user")
            sandbox = start_sandbox(opbx=plays_opbx)
            scenes[plays_opbx] = Scene.build(home, sandbox, opbx, plays_opbx=plays_opbx)
        scenes[plays_opbx].run(block)


@pytest.mark.parametrize("block", COMMANDS, ids=str)
def test_commands_run_or_say_why_not(block: Block) -> None:
    """A mark has a reason, the name of a test that reads the page, or words that are known."""
    if block.mark == "run by ":
        test = ROOT / block.told
        folder = block.page.parent
        read = name_of(block.page if folder == ROOT / "docs" else folder)
        assert read in test.read_text(encoding="utf-8"), block.told
    elif block.mark == "run with: ":
        assert block.words <= WORDS
        assert block.language == "sh"
    elif block.mark == "":
        assert block.language == "sh", "say its language, or why it is not run"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_stand_in_fenced_blocks(page: Path) -> None:
    before, in_list = "", False
    for line in prose_of(page):
        if line and not line.startswith(" "):
            in_list = re.match(r"[-*] |\d+\. ", line) is not None
        assert in_list or before or not line.startswith("    "), line
        before = line


@pytest.mark.parametrize("page", LINKING, ids=name_of)
def test_a_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", "\n".join(prose_of(page))):
        if link.startswith(("https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target), link


def test_the_index_links_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {
        (index.parent / link).resolve()
        for link in re.findall(r"\]\(([^)#\s]+\.md)", index.read_text(encoding="utf-8"))
    }
    own = {page for page in PAGES if page.parent == index.parent}
    assert own - linked == {index}


def test_make_demo_shows_the_sample() -> None:
    assert MAKE_DEMO in [block.body for block in blocks_of(ROOT / "README.md")]
    if not (ROOT / ".venv" / ".installed").exists():
        pytest.skip("this environment was not made by make")
    done = subprocess.run(
        ["make", "demo"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    shown = done.stdout.splitlines()
    (sample,) = (b for b in blocks_of(ROOT / "docs" / "sandbox.md") if b.language == "text")
    assert [line for line in sample.body.splitlines() if line not in shown] == []


def test_the_exit_codes_are_those_of_the_help() -> None:
    page = (ROOT / "docs" / "output.md").read_text(encoding="utf-8")
    codes = re.findall(r"^\| (\d+) \|", page, re.MULTILINE)
    assert codes == ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "130"]
    assert re.findall(r"(\d+) \w+", EPILOG)[: len(codes)] == codes
