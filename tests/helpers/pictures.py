"""Pictures of opbx on a terminal, made from real runs: `make pictures` writes them.

What differs from run to run (where the home is, a generated key, the time of day) is written as
it was in one run, so that the same opbx makes the same pictures, byte for byte.
"""

from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console
from rich.text import Text

from opbx_cli.models import Secret
from opbx_cli.sandbox import Options
from opbx_cli.sandbox.server import RunningSandbox, running
from support import WEBHOOK_BASE_URL, Opbx
from terminal import on_terminal, shown_on_terminal

FOLDER = Path(__file__).parents[2] / "docs/pictures"
COLUMNS = 102  # the longest address in `validate`, and what is said about it, fit into one line
TERMINAL = {"TERM": "xterm-256color"}  # whatever `make` was started on
WEBHOOK_KEY = Secret("picture-webhook-key-0123456789ab")
TEXT = "{http://www.w3.org/2000/svg}text"

# From a wheel's first turn, which hides the cursor, until its line is cleared.
WHEEL = re.compile(r"\x1b\[\?25l.*?\x1b\[\?25h\r\x1b\[1A\x1b\[2K", re.DOTALL)
OF_THIS_RUN = (
    (re.compile(r"keys/[0-9a-f]{8}\.key"), "keys/1836599a.key"),
    # The other pictures are of a run that was given this one.
    (
        re.compile(r"Webhook key: \*{12}.{4} \(fp:[0-9a-f]{8}\)"),
        f"Webhook key: {WEBHOOK_KEY.mask} ({WEBHOOK_KEY.fingerprint})",
    ),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"), "2026-11-27 09:30:00 UTC"),
)

# The window and its letters, and no font that would have to be fetched; `textLength` keeps the
# columns whatever font there is.
SVG = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px;
  line-height: {line_height}px;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def shown() -> dict[str, str]:
    """Run opbx on a terminal; return what it shows, with its colours, by the picture's name."""
    with (
        tempfile.TemporaryDirectory() as home,
        tempfile.TemporaryDirectory() as other,
        running(Options.parse(rate_limit=False)) as sandbox,
    ):
        screens = {"configure": _as_if_typed("configure", _interview(Path(home), sandbox))}
        owner = _owner(Path(other), sandbox)
        for argv in (["validate"], ["trunks", "list"], ["status"]):
            code, screen = shown_on_terminal(
                *argv, environ=owner.process_environ(), columns=COLUMNS
            )
            assert code == 0, screen
            screens["-".join(argv)] = _as_if_typed(" ".join(argv), screen)
    return screens


def svg(name: str, screen: str) -> str:
    """Return the picture of a screen; `name` keeps two pictures on one page apart."""
    console = Console(width=COLUMNS, record=True, file=io.StringIO(), highlight=False)
    console.print(Text.from_ansi(screen.rstrip()))
    picture = console.export_svg(title="", code_format=SVG, unique_id=name)
    # rich draws the end of each line too, and leaves blanks behind its markup.
    return re.sub(r"[ \n]*\n", "\n", re.sub(r"<text [^>]*>\n</text>", "\n", picture))


def text_of_screen(screen: str) -> str:
    return _trimmed(Text.from_ansi(screen).plain)


def text_of_svg(picture: str) -> str:
    """Return what a picture says: each of its texts at its row and column."""
    rows: dict[int, str] = {}
    for one in ElementTree.fromstring(picture).iter(TEXT):
        content = (one.text or "").replace("\N{NO-BREAK SPACE}", " ")
        row = int(one.attrib["clip-path"].rpartition("-")[2].rstrip(")"))
        column = float(one.attrib["x"]) * len(content) / float(one.attrib["textLength"])
        rows[row] = rows.get(row, "").ljust(round(column)) + content
    return _trimmed("\n".join(rows.get(row, "") for row in range(max(rows) + 1)))


def _interview(home: Path, sandbox: RunningSandbox) -> str:
    """Answer as an owner does on the first day; Cloudonix is not asked anything."""
    environ = Opbx(home, {"HOME": str(home), **TERMINAL}).process_environ()
    environ = {name: text for name, text in environ.items() if not name.startswith("XDG_")}
    domain = sandbox.domains[0]
    screen = ""
    with on_terminal("configure", environ=environ, columns=COLUMNS) as terminal:
        for question, answer in (
            ("Domain UUID: ", domain.uuid),
            ("hidden): ", domain.api_key),
            ("says): ", WEBHOOK_BASE_URL),
            ("has it): ", "45"),
            ("has it): ", ""),
            ("[Y/n] ", "n"),
        ):
            screen += terminal.expect(question)
            terminal.send(answer)
        screen += terminal.finish()
        assert terminal.exit_code == 0, screen
    return screen.replace(str(home), "/home/owner")


def _owner(home: Path, sandbox: RunningSandbox) -> Opbx:
    """An owner whose profile is saved, and whose domain is the sandbox's."""
    opbx, domain = Opbx(home, {"OPBX_HOME": str(home), **TERMINAL}), sandbox.domains[0]
    key = home / "webhook.key"
    key.write_text(WEBHOOK_KEY.reveal())
    saved = opbx(
        *("configure", "--domain-uuid", domain.uuid, "--api-key-stdin"),
        *("--webhook-key-file", str(key), "--webhook-base-url", WEBHOOK_BASE_URL),
        *("--api-base-url", sandbox.url, "--no-answer-timeout", "45"),
        stdin=domain.api_key,
    )
    assert saved.code == 0, saved.stderr
    return opbx


def _as_if_typed(command: str, screen: str) -> str:
    screen = WHEEL.sub("", screen)
    for pattern, constant in OF_THIS_RUN:
        screen = pattern.sub(constant, screen)
    return f"\x1b[1m$ opbx {command}\x1b[0m\n{screen}"


def _trimmed(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.rstrip().splitlines())


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, screen in shown().items():
        (FOLDER / f"{name}.svg").write_text(svg(name, screen), encoding="utf-8")
