"""The pictures of the documentation show what opbx shows: `make pictures` renews them."""

from __future__ import annotations

import re
import sys

import pytest

from opbx_cli.sandbox import Options
from opbx_cli.sandbox.options import credentials
from pictures import FOLDER, WEBHOOK_KEY, shown, svg, text_of_screen, text_of_svg

PICTURES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.svg"))}


@pytest.mark.skipif(sys.platform != "linux", reason="the pictures have the paths of Linux")
def test_each_shows_what_opbx_shows() -> None:
    screens = shown()
    assert sorted(PICTURES) == sorted(screens) == ["configure", "status", "trunks-list", "validate"]
    for name, screen in screens.items():
        assert text_of_svg(PICTURES[name]) == text_of_screen(screen), "run `make pictures`"
        # A picture of the same screen is the same file, and has all of its text.
        picture = svg(name, screen)
        assert picture == svg(name, screen)
        assert text_of_svg(picture) == text_of_screen(screen)


@pytest.mark.parametrize("name", PICTURES)
def test_nothing_is_fetched_and_no_key_is_shown(name: str) -> None:
    picture = PICTURES[name]
    assert set(re.findall(r"url\((.)", picture)) == {"#"}
    assert not re.search(r"@import|@font-face|<!|<(script|image|use|a|foreignObject)\b", picture)
    assert not re.search(r"\b(href|src|on\w+)=", picture)
    assert credentials(Options().domains)[0].api_key not in picture
    assert WEBHOOK_KEY.reveal() not in picture
