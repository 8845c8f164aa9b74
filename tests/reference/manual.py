"""Each command as a page of the manual: `man opbx-validate`.

The pages are for `man` (groff_man(7)), and have neither date nor version: the same sources make
the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from opbx_cli.cli.topics import ENVIRONMENT, EXIT_CODES, FILES, OUTPUT
from reference.tree import Command, Parameter, sentences

CODE = re.compile(r"`([^`]+)`")
# What groff would typeset as other signs than those on a keyboard.
SIGNS = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"}


def pages(root: Command) -> dict[str, str]:
    """The text of each page by its file's name."""
    return {f"{_page(one)}.1": _text(one, root) for one in root.walk()}


def _text(command: Command, root: Command) -> str:
    lines = [
        f'.TH "{_page(command).upper()}" 1 "" "opbx" "opbx manual"',
        ".ad l",  # no gaps in lines, and no hyphens in names
        ".nh",
        *_section("NAME", f"{_escaped(_page(command))} \\- {_escaped(_summary(command))}"),
        *_section("SYNOPSIS", *_lines(f"\\fB{_escaped(one)}\\fR" for one in command.usages)),
        *_section("DESCRIPTION", *_paragraphs((command.summary, *command.about))),
        *_list("COMMANDS", [(f"opbx {' '.join(c.path)}", c.summary) for c in command.commands]),
        *_list("ARGUMENTS", [(one.value, one.about) for one in command.arguments]),
        *_list("OPTIONS", [(one.shown, _about(one)) for one in command.options]),
    ]
    if command is root:
        lines += [
            *_list("ENVIRONMENT", list(ENVIRONMENT.items())),
            *_list("EXIT STATUS", list(EXIT_CODES.items())),
            *_section("OUTPUT", *_paragraphs(sentences(OUTPUT))),
            *_section("FILES", *_paragraphs(sentences(FILES))),
        ]
    elif command.is_runnable:
        lines += [
            *(_section("NOTES", *_paragraphs(command.closing)) if command.closing else []),
            *_list("ENVIRONMENT", list(command.variables.items())),
            *_list("EXIT STATUS", list(command.endings.items())),
        ]
    if command.documents:
        documents = ", ".join(command.documents)
        lines += _section("JSON", _escaped(f"With --json it prints: {documents}."))
    if command.examples:
        lines += _section("EXAMPLES", ".nf", *map(_escaped, command.examples), ".fi")
    return "\n".join([*lines, *_see_also(command, root)]) + "\n"


def _about(option: Parameter) -> str:
    variable = f" Variable: {option.variable}." if option.variable else ""
    return f"{option.about}{' Required.' if option.is_required else ''}{variable}"


def _see_also(command: Command, root: Command) -> list[str]:
    """Name the page above, and those beside and below."""
    above = [one for one in root.walk() if command in one.commands]
    near = [*above, *(one for group in above[:1] if group is not root for one in group.commands)]
    names = [_page(one) for one in (*near, *command.commands) if one is not command]
    if command is not root and "opbx" not in names:
        names.insert(0, "opbx")
    return _section("SEE ALSO", ", ".join(f"\\fB{_escaped(name)}\\fR(1)" for name in names))


def _page(command: Command) -> str:
    return "-".join(("opbx", *command.path))


def _summary(command: Command) -> str:
    """The summary as a name is explained: without capital and full stop."""
    text = command.summary.removesuffix(".")
    return text[0].lower() + text[1:]


def _section(title: str, *lines: str) -> list[str]:
    return [f".SH {title}", *lines]


def _list(title: str, rows: list[tuple[str, str]]) -> list[str]:
    if not rows:
        return []
    lines = [
        line for term, about in rows for line in (".TP", f"\\fB{_escaped(term)}\\fR", _prose(about))
    ]
    return _section(title, *lines)


def _paragraphs(texts: Iterable[str]) -> list[str]:
    return [line for text in texts for line in (_prose(text), ".PP")][:-1]


def _lines(texts: Iterable[str]) -> list[str]:
    """Lines that stay lines."""
    return [line for text in texts for line in (text, ".br")][:-1]


def _prose(text: str) -> str:
    """A sentence, with what stands between backticks in bold."""
    parts = CODE.split(text)
    return "".join(
        f"\\fB{_escaped(part)}\\fR" if number % 2 else _escaped(part)
        for number, part in enumerate(parts)
    )


def _escaped(text: str) -> str:
    """Text as groff takes it for itself: a line may begin with no sign of its own."""
    signs = "".join(SIGNS.get(sign, sign) for sign in text)
    plain = "".join(sign if ord(sign) < 128 else f"\\[u{ord(sign):04X}]" for sign in signs)
    return f"\\&{plain}" if plain.startswith(".") else plain
