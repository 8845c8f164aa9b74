"""Makes the text of a package index from the README: hatchling calls this when it builds.

An index shows the README alone, and this project has no public address to lead its links to: a link
to a file of the repository becomes the words of the link, and a picture goes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

# ![words](target) and [words](target), in which a line may end between the words.
PICTURE = re.compile(r"!\[[^\]]*\]\((?!https?://)[^)]*\)\n*")
LINK = re.compile(r"\[([^\]]*)\]\((?!https?://)[^)]*\)")
ABOUT_PAGES = "\nThe pages that this text names are in the source distribution, in `docs/`.\n"


class IndexPage(MetadataHookInterface):
    """Sets `readme`."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": without_relative_links(text)}


def without_relative_links(text: str) -> str:
    """Return the text without pictures, and with the words of each link in place of the link."""
    shown, count = LINK.subn(r"\1", PICTURE.sub("", text))
    return shown + ABOUT_PAGES if count else shown
