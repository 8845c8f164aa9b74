"""How Sphinx makes the site of the pages: `make site`. The pages stay what GitHub shows too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pygments.lexers.special import TextLexer

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parent.parent
BESIDE_DOCS = ["SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"]

project = "opbx"
root_doc = "README"
include_patterns = ["README.md", *BESIDE_DOCS, "docs/**.md"]
extensions = ["myst_parser"]
smartquotes = False  # `--` is an option's beginning, also outside code
html_theme = "furo"
html_title = "opbx"
html_show_copyright = False
html_copy_source = False
html_static_path = ["site.css"]
html_css_files = ["site.css"]

myst_heading_anchors = 4  # as GitHub does for each heading
myst_enable_extensions = ["html_image"]  # a picture in HTML may have a width


def contents(folder: Path) -> list[str]:
    """Return the pages of a folder, in the order in which its README links them."""
    index = folder / "README.md"
    text = index.read_text(encoding="utf-8") if index.exists() else ""

    def place(path: Path) -> tuple[int, str]:
        found = text.find(f"]({path.name}")
        return (len(text) if found < 0 else found, path.name)

    pages: list[str] = []
    for path in sorted(folder.iterdir(), key=place):
        if path.is_dir():
            within = path / "README.md"
            pages += [name_of(within)] if within.exists() else contents(path)
        elif path.suffix == ".md" and path != index:
            pages.append(name_of(path))
    return pages


def name_of(page: Path) -> str:
    """Return how Sphinx names a page."""
    return page.relative_to(ROOT).with_suffix("").as_posix()


def add_contents(_app: Sphinx, page: str, source: list[str]) -> None:
    """Give the first page all pages, and a folder's README those of its folder.

    They are listed nowhere: a page that lies in `docs` is in the site.
    """
    folder = (ROOT / page).parent
    if page == root_doc:
        pages = [*contents(ROOT / "docs"), *(name_of(ROOT / one) for one in BESIDE_DOCS)]
        pages = ["docs/README"] * (ROOT / "docs/README.md").exists() + pages
    elif page.endswith("/README") and folder != ROOT / "docs":
        pages = contents(folder)
    else:
        return
    names = "\n".join(f"/{one}" for one in pages)
    source[0] += f"\n```{{toctree}}\n:hidden:\n\n{names}\n```\n"


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_lexer("mermaid", TextLexer)  # the drawing's text: its program would be fetched
    app.connect("source-read", add_contents)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
