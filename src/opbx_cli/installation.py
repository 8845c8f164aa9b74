"""How opbx was installed: the command that adds an extra or updates it, and how to start it again.

The tool is told by what it leaves behind: pipx and uv put a file of their own into the environment
(`pipx_metadata.json`, `uv-receipt.toml`), and every installer its name and the source next to the
package (`INSTALLER` and `direct_url.json`, PEP 376 and PEP 610).
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

DISTRIBUTION = "opbx-cli"
ZIPAPP = "opbx.pyz"  # what `tools/build_zipapp.py` names as the installer


class Tool(StrEnum):
    """What installed opbx."""

    PIPX = "pipx"
    UV_TOOL = "uv tool"
    UV = "uv pip"
    PIP = "pip"
    ZIPAPP = "zipapp"
    OTHER = "another tool"  # of a Linux distribution, say


@dataclass(frozen=True, slots=True)
class Installation:
    """One installed opbx."""

    tool: Tool
    python: str  # path of its interpreter
    environment: Path  # the folder of its virtual environment
    program: str = ""  # path of the zipapp
    source: str = DISTRIBUTION  # what an installer takes: a name, a path, or git and a URL
    is_editable: bool = False  # `source` is a checkout, from which it runs
    extras: tuple[tuple[str, str], ...] = ()  # name, and the requirement behind it

    def adding(self, extra: str) -> str:
        """Return a hint that brings an extra."""
        requirement = dict(self.extras).get(extra, extra)
        match self.tool:
            case Tool.PIPX:
                return _command("pipx", "inject", self.environment.name, requirement)
            case Tool.UV_TOOL:
                how = ["--editable"] if self.is_editable else []
                return _command("uv", "tool", "install", "--with", requirement, *how, self.source)
            case Tool.UV | Tool.PIP:
                return _command(*self._installer(), requirement)
            case Tool.ZIPAPP:
                return f"`make zipapp` builds an {ZIPAPP} that has all extras"
            case Tool.OTHER:
                return f"install {requirement} the way that opbx was installed"

    def upgrading(self) -> str:
        """Return a hint that brings a newer opbx."""
        if self.is_editable:
            return f"bring the checkout up to date: {_command('git', '-C', self.source, 'pull')}"
        match self.tool:
            case Tool.PIPX:
                return _command("pipx", "upgrade", self.environment.name)
            case Tool.UV_TOOL:
                return _command("uv", "tool", "upgrade", DISTRIBUTION)
            case Tool.UV | Tool.PIP:
                return _command(*self._installer(), "--upgrade", self.source)
            case Tool.ZIPAPP:
                return f"put a newer {ZIPAPP} in the place of {self.program}"
            case Tool.OTHER:
                return "bring opbx up to date the way that it was installed"

    def _installer(self) -> tuple[str, ...]:
        if self.tool is Tool.UV:
            return ("uv", "pip", "install", "--python", self.python)
        return (self.python, "-m", "pip", "install")


def installation() -> Installation:
    """Look how the running opbx was installed."""
    environment = Path(sys.prefix)
    try:
        found = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:  # started from its source alone
        return Installation(Tool.OTHER, sys.executable, environment)
    source, is_editable = _source(found.read_text("direct_url.json"))
    return Installation(
        _tool(environment, (found.read_text("INSTALLER") or "").strip()),
        sys.executable,
        environment,
        program=sys.argv[0],
        source=source,
        is_editable=is_editable,
        extras=tuple(_extras(found.requires or [])),
    )


def own_program() -> list[str]:
    """Return the words that start this opbx once more."""
    found = installation()
    if found.tool is Tool.ZIPAPP:
        return [found.python, found.program]
    return [found.python, "-m", "opbx_cli"]


def _tool(environment: Path, installer: str) -> Tool:
    if (environment / "pipx_metadata.json").is_file():
        return Tool.PIPX
    if (environment / "uv-receipt.toml").is_file():
        return Tool.UV_TOOL
    return {"pip": Tool.PIP, "uv": Tool.UV, ZIPAPP: Tool.ZIPAPP}.get(installer, Tool.OTHER)


def _source(text: str | None) -> tuple[str, bool]:
    """Return where it was installed from, and whether it runs from there.

    The name, where it came from an index. A URL loses whatever may be a key in it.
    """
    if text is None:
        return DISTRIBUTION, False
    origin = json.loads(text)
    url = urlsplit(origin["url"])
    if url.scheme == "file":
        return url2pathname(url.path), bool(origin.get("dir_info", {}).get("editable"))
    bare = f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"
    kind = origin.get("vcs_info", {}).get("vcs")
    return (f"{kind}+{bare}" if kind else bare), False


def _extras(requirements: list[str]) -> list[tuple[str, str]]:
    found = (re.fullmatch(r"(.+?) *; *extra == ['\"]([\w-]+)['\"]", one) for one in requirements)
    return [(match[2], match[1]) for match in found if match is not None]


def _command(*words: str) -> str:
    return f"`{shlex.join(words)}`"
