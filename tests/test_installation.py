"""A hint that installs something is the command of the tool that installed opbx.

`make packages` follows these hints where the tools really installed it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from opbx_cli.installation import DISTRIBUTION, ZIPAPP, Installation, Tool, installation
from support import Opbx

DIRECTORY = {"url": "file:///src/of%20opbx", "dir_info": {}}
CHECKOUT = {"url": "file:///src/of%20opbx", "dir_info": {"editable": True}}
REPOSITORY = {
    "url": "https://me:s3cret@git.example.com/opbx.git",
    "vcs_info": {"vcs": "git", "commit_id": "0" * 40},
}
ARCHIVE = {"url": "https://files.example.com/opbx_cli-1.0.tar.gz?token=s3cret", "archive_info": {}}


def installed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    installer: str,
    origin: object = None,
    receipt: str | None = None,
) -> Installation:
    """Lay down what an installer leaves, and look at it."""
    environment = tmp_path / "opbx-trial"
    package = environment / "lib" / "opbx_cli-9.9.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text(
        f"Metadata-Version: 2.4\nName: {DISTRIBUTION}\nVersion: 9.9\nRequires-Dist: httpx<1\n"
        "Provides-Extra: keyring\nRequires-Dist: keyring>=25; extra == 'keyring'\n"
    )
    (package / "INSTALLER").write_text(f"{installer}\n")
    if origin is not None:
        (package / "direct_url.json").write_text(json.dumps(origin))
    if receipt is not None:
        (environment / receipt).write_text("")
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.setattr(sys, "prefix", str(environment))
    monkeypatch.setattr(sys, "executable", "/venv/bin/python")
    monkeypatch.setattr(sys, "argv", ["/opt/opbx.pyz"])
    return installation()


@pytest.mark.parametrize(
    ("installer", "receipt", "origin", "hints"),
    [
        (
            "pip",
            "pipx_metadata.json",
            None,
            (
                "`pipx inject opbx-trial 'keyring>=25'`",
                "`pipx upgrade opbx-trial`",
            ),
        ),
        (
            "uv",
            "uv-receipt.toml",
            None,
            (
                "`uv tool install --with 'keyring>=25' opbx-cli`",
                "`uv tool upgrade opbx-cli`",
            ),
        ),
        (
            "uv",
            "uv-receipt.toml",
            DIRECTORY,
            (
                "`uv tool install --with 'keyring>=25' '/src/of opbx'`",
                "`uv tool upgrade opbx-cli`",
            ),
        ),
        (
            "uv",
            "uv-receipt.toml",
            CHECKOUT,
            (
                "`uv tool install --with 'keyring>=25' --editable '/src/of opbx'`",
                "bring the checkout up to date: `git -C '/src/of opbx' pull`",
            ),
        ),
        (
            "pip",
            None,
            None,
            (
                "`/venv/bin/python -m pip install 'keyring>=25'`",
                "`/venv/bin/python -m pip install --upgrade opbx-cli`",
            ),
        ),
        (
            "pip",
            None,
            REPOSITORY,
            (
                "`/venv/bin/python -m pip install 'keyring>=25'`",
                "`/venv/bin/python -m pip install --upgrade git+https://git.example.com/opbx.git`",
            ),
        ),
        (
            "pip",
            None,
            CHECKOUT,
            (
                "`/venv/bin/python -m pip install 'keyring>=25'`",
                "bring the checkout up to date: `git -C '/src/of opbx' pull`",
            ),
        ),
        (
            "uv",
            None,
            ARCHIVE,
            (
                "`uv pip install --python /venv/bin/python 'keyring>=25'`",
                "`uv pip install --python /venv/bin/python --upgrade "
                "https://files.example.com/opbx_cli-1.0.tar.gz`",
            ),
        ),
        (
            ZIPAPP,
            None,
            None,
            (
                "`make zipapp` builds an opbx.pyz that has all extras",
                "put a newer opbx.pyz in the place of /opt/opbx.pyz",
            ),
        ),
        (
            "apt",
            None,
            None,
            (
                "install keyring>=25 the way that opbx was installed",
                "bring opbx up to date the way that it was installed",
            ),
        ),
    ],
)
def test_the_hint_is_of_the_tool_that_installed_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    installer: str,
    receipt: str | None,
    origin: object,
    hints: tuple[str, str],
) -> None:
    found = installed(tmp_path, monkeypatch, installer=installer, receipt=receipt, origin=origin)
    assert (found.adding("keyring"), found.upgrading()) == hints


def test_what_is_no_installed_package_names_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    found = installation()
    assert found.tool is Tool.OTHER
    assert found.adding("keyring") == "install keyring the way that opbx was installed"


def test_a_command_that_needs_an_extra_says_which_and_how(opbx: Opbx, tmp_path: Path) -> None:
    lent = tmp_path / "lent"
    (lent / "keyring").mkdir(parents=True)
    (lent / "keyring" / "__init__.py").write_text("")  # a package without what opbx looks for
    saved = opbx.process(
        "configure",
        "--domain-uuid",
        "6b1f0c2e-0000-4000-8000-000000000001",
        "--api-key-stdin",
        stdin="XI0123456789abcdefghijABCDEFGHIJKL",
    )
    assert saved.code == 0, saved.stderr
    outcome = opbx.process("key", "add", "--kind", "keyring", "--json", PYTHONPATH=str(lent))
    assert outcome.code == 10
    assert outcome.error["code"] == "store.key_ring"
    assert "the extra 'keyring'" in outcome.error["message"]
    assert outcome.error["hint"] == installation().adding("keyring")
