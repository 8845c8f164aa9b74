"""What Sphinx does not look at in a site that it made: `make site` runs this.

A page fetches nothing from elsewhere, each link within the site leads to something, and each page
of `docs` is there.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHING = {"src", "srcset", "poster", "data", "background"}  # and `href`, but for <a>
DOCS = Path(__file__).parents[2] / "docs"


@dataclass(frozen=True, slots=True)
class Page:
    """A page's ids, the URLs that a browser fetches to show it, and those that it links to."""

    ids: set[str] = field(default_factory=set)
    fetched: list[str] = field(default_factory=list)
    linked: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.page.ids.add(value or "")
            elif name == "href" and tag == "a":
                self.page.linked.append(value or "")
            elif name in FETCHING or name == "href":
                self.page.fetched.append(value or "")
            elif name == "style":
                self.page.fetched.extend(fetched_by_style(value or ""))


def fetched_by_style(text: str) -> list[str]:
    found = re.findall(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)", text)
    return [url or imported for url, imported in found]


def faults(site: Path) -> Iterator[str]:
    """Say what is wrong, a sentence each."""
    pages = {path: _read(path) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        name = path.relative_to(site)
        for url in page.fetched:
            yield from _fetch_faults(path, url, str(name))
        for url in page.linked:
            yield from _link_faults(path, url, pages, str(name))
    for path in sorted(site.rglob("*.css")):
        for url in fetched_by_style(path.read_text(encoding="utf-8")):
            yield from _fetch_faults(path, url, str(path.relative_to(site)))
    for source in sorted(DOCS.rglob("*.md")):
        if site / "docs" / source.relative_to(DOCS).with_suffix(".html") not in pages:
            yield f"docs/{source.relative_to(DOCS)} is not in the site"


def _read(path: Path) -> Page:
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader.page


def _fetch_faults(path: Path, url: str, name: str) -> Iterator[str]:
    parts = urlsplit(url)
    if parts.scheme == "data":
        return
    if parts.scheme or parts.netloc:
        yield f"{name} fetches {url}"
    elif parts.path and not _target(path, parts.path).exists():
        yield f"{name} fetches {url}, which is missing"


def _link_faults(path: Path, url: str, pages: dict[Path, Page], name: str) -> Iterator[str]:
    parts = urlsplit(url)
    if parts.scheme or parts.netloc:
        return
    target = _target(path, parts.path) if parts.path else path
    if not target.is_file():
        yield f"{name} links to {url}, which is missing"
    elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
        yield f"{name} links to {url}, where nothing has that name"


def _target(path: Path, relative: str) -> Path:
    return (path.parent / unquote(relative)).resolve()


if __name__ == "__main__":
    found = list(faults(Path(sys.argv[1]).resolve()))
    sys.exit("\n".join(found) or None)
