"""What `make site` refuses in the site that was built."""

from __future__ import annotations

from pathlib import Path

from site_check import DOCS, faults

GOOD = """<html><head><link rel="stylesheet" href="_static/a.css?v=1">
<script src="_static/a.js"></script></head>
<body id="top"><a href="https://example.com/">elsewhere</a> <a href="#top">up</a>
<a href="docs/keys.html#a-key">keys</a><img src="data:image/png;base64,AA=="></body></html>"""
BAD = """<link href="https://fonts.example/a.css" rel="stylesheet">
<script src="//cdn.example/a.js"></script><img src="gone.svg">
<p style="background: url(http://example.com/a.png)">
<a href="docs/gone.html">x</a><a href="docs/keys.html#gone">x</a><a href="#gone">x</a>"""


def site(folder: Path) -> Path:
    for name in ("_static", "docs"):
        (folder / name).mkdir()
    (folder / "_static/a.js").touch()
    (folder / "_static/a.css").write_text("p { background: url(data:image/svg+xml,x) }")
    (folder / "README.html").write_text(GOOD)
    for page in DOCS.rglob("*.md"):
        made = folder / "docs" / page.relative_to(DOCS).with_suffix(".html")
        made.parent.mkdir(exist_ok=True, parents=True)
        made.write_text('<h2 id="a-key">A key</h2>')
    return folder


def test_a_site_that_is_whole_and_fetches_nothing_passes(tmp_path: Path) -> None:
    assert list(faults(site(tmp_path))) == []


def test_each_fault_is_said(tmp_path: Path) -> None:
    folder = site(tmp_path)
    (folder / "bad.html").write_text(BAD)
    (folder / "_static/b.css").write_text("@import 'https://fonts.example/b.css';")
    (folder / "docs/troubleshooting.html").unlink()
    assert list(faults(folder)) == [
        "bad.html fetches https://fonts.example/a.css",
        "bad.html fetches //cdn.example/a.js",
        "bad.html fetches gone.svg, which is missing",
        "bad.html fetches http://example.com/a.png",
        "bad.html links to docs/gone.html, which is missing",
        "bad.html links to docs/keys.html#gone, where nothing has that name",
        "bad.html links to #gone, where nothing has that name",
        "_static/b.css fetches https://fonts.example/b.css",
        "docs/troubleshooting.md is not in the site",
    ]
