"""Tab, pressed in bash, zsh and fish that were set up as `docs/completion.md` says."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from opbx_cli.completion.names import TrunkNames
from support import PROJECT, Opbx
from terminal import Terminal

PROMPT, TAB = "ready> ", "\t"
PAGE = (PROJECT / "docs" / "completion.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (bash|zsh|fish|PowerShell).*\| `([^`]+)` \|$", re.MULTILINE)
LINES = {match[1]: match[2].replace("\\|", "|") for match in ROW.finditer(PAGE)}
TRUNKS = ("it's a trunk", "carrier:main", "carrier:back up", 'say "hi"', "Zürich Süd", "a\\b $HOME")
# What is typed behind `opbx `, and the words that opbx is run with then.
TYPED = {
    f"trunks show it{TAB}": ["trunks", "show", "it's a trunk"],
    f"trunks show 'it{TAB}": ["trunks", "show", "it's a trunk"],
    f"tr{TAB}sh{TAB}it\\'s{TAB}": ["trunks", "show", "it's a trunk"],
    f"trunks show car{TAB}b{TAB}": ["trunks", "show", "carrier:back up"],
    f'trunks show "sa{TAB}': ["trunks", "show", 'say "hi"'],
    f"trunks show Zür{TAB}": ["trunks", "show", "Zürich Süd"],
    f"trunks show a{TAB}": ["trunks", "show", "a\\b $HOME"],
    f"trunks list --dir{TAB}inb{TAB}": ["trunks", "list", "--direction", "inbound"],
    f"validate --profile=def{TAB}": ["validate", "--profile=default"],
    f"help exit{TAB}": ["help", "exit-codes"],
    f"apply dom{TAB}": ["apply", "domains of ours.toml"],
    f"apply --env-file=dom{TAB}": ["apply", "--env-file=domains of ours.toml"],
}
# In opbx's place: it answers each Tab, and shows the words that anything else was run with.
WRAPPER = """#!{python}
import os, sys
if sys.argv[1:2] in (["__complete"], ["completion"]):
    os.execv({python!r}, [{python!r}, "-m", "opbx_cli", *sys.argv[1:]])
print("run with", sys.argv[1:], "end")
"""


def start(shell: str, folder: Path, environ: dict[str, str]) -> Terminal:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    argv = {"bash": ["--rcfile", str(folder / "bashrc"), "-i"], "zsh": ["-i"], "fish": ["-i"]}
    (folder / "bashrc").write_text(f"PS1='{PROMPT}'\n{LINES['bash']}\n")
    (folder / ".zshrc").write_text(f"autoload -Uz compinit\ncompinit -D\n{LINES['zsh']}\n")
    (folder / "fish").mkdir()
    (folder / "fish" / "config.fish").write_text(
        f"function fish_prompt; echo '{PROMPT}'; end\nset fish_greeting\n{LINES['fish']}\n"
    )
    return Terminal(
        *argv[shell],
        program=program,
        environ={
            **environ,
            "PATH": f"{folder / 'bin'}{os.pathsep}{environ['PATH']}",
            "HOME": str(folder),
            "ZDOTDIR": str(folder),
            "XDG_CONFIG_HOME": str(folder),
            "PS1": PROMPT,
            "TERM": "dumb",
            "LC_ALL": "C.UTF-8",
        },
        columns=200,
    )


@pytest.fixture(params=["bash", "zsh", "fish"])
def terminal(
    configured: Opbx,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[Terminal]:
    """A shell with completion, in a folder with a file, for a store with one profile."""
    TrunkNames(configured.home / "trunk-names").remember("default", TRUNKS, profiles=["default"])
    folder = tmp_path / "user"
    (folder / "bin").mkdir(parents=True)
    (folder / "domains of ours.toml").touch()
    wrapper = folder / "bin" / "opbx"
    wrapper.write_text(WRAPPER.format(python=sys.executable))
    wrapper.chmod(0o755)
    monkeypatch.chdir(folder)
    terminal = start(request.param, folder, configured.process_environ())
    try:
        terminal.expect(PROMPT.strip())
        yield terminal
    finally:
        terminal.close()


def test_a_tab_completes_to_the_very_words(terminal: Terminal) -> None:
    for typed, words in TYPED.items():
        terminal.send(f"opbx {typed}")
        terminal.expect("run with ")
        assert terminal.expect(" end").removesuffix(" end") == str(words), typed


def test_the_page_and_the_help_name_the_same_lines(opbx: Opbx) -> None:
    shown = "".join(opbx("completion", "--help").stdout.split())
    assert set(LINES) == {"bash", "zsh", "fish", "PowerShell"}
    for line in LINES.values():
        assert f"`{line}`".replace(" ", "") in shown
