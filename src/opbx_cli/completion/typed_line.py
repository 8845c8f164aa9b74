"""What was typed up to the cursor, as bash and fish show it: words in quotes, and their end.

Only quotes and backslashes are read. A variable or a substitution is taken as it stands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")  # in front of a command: `NAME=value opbx …`
_ESCAPED = {'"': '"\\$`', "'": "'\\"}  # inside these quotes, what a backslash escapes
_IN_DOUBLE = re.compile(r'["\\$`]')
_SPECIAL = re.compile(r"""[\s'"\\$`!*?\[\](){}<>|;&#~^]""")


@dataclass(frozen=True, slots=True)
class TypedLine:
    """The words behind the command's name, without their quotes.

    `start` counts the characters of `current` that readline leaves alone, and `quote` is the
    quote that is still open there.
    """

    words: tuple[str, ...]
    current: str = ""
    start: int = 0
    quote: str = ""


def parse(line: str, *, breaks: str = "", is_fish: bool = False) -> TypedLine:
    """Read a line; `breaks` are the characters at which readline begins another word."""
    words: list[str] = []
    text = quote = ""
    start = start_before_quote = 0
    is_in_word = False
    characters = iter(line)
    for character in characters:
        if quote and character == quote:
            quote, start = "", start_before_quote
        elif character == "\\" and (quote != "'" or is_fish):
            escaped = next(characters, "")
            text += escaped if not quote or escaped in _ESCAPED[quote] else f"\\{escaped}"
            is_in_word = True
        elif not quote and character.isspace():
            if is_in_word:
                words.append(text)
            text, start, is_in_word = "", 0, False
        elif not quote and character in _ESCAPED:
            quote, start_before_quote, start, is_in_word = character, start, len(text), True
        else:
            text += character
            is_in_word = True
            if not quote and character in breaks:
                start = len(text)
    while words and _ASSIGNMENT.match(words[0]):
        del words[0]
    return TypedLine(tuple(words[1:]), text, start, quote)


def quoted_for_bash(text: str, quote: str) -> str:
    """Return text as it stands in a bash line, where `quote` is open.

    Readline closes the quote, but not behind a character that is one.
    """
    if not quote:
        return _SPECIAL.sub(r"\\\g<0>", text)
    inside = text.replace("'", "'\\''") if quote == "'" else _IN_DOUBLE.sub(r"\\\g<0>", text)
    return inside + quote if inside.endswith(quote) else inside
