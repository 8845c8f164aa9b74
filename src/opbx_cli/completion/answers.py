"""A shell's question, and the answer as that shell reads it.

The question comes on stdin, where nobody else can read it: what was typed may be a key in a
wrong place. It is a few texts, each with a zero byte behind it: from bash the characters that
part words, and the line; from fish the line; from the others the words, the last one at the
cursor. The answer's first line is `files` or `words`; each further line is one word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

from opbx_cli.completion.candidates import Answer, answer
from opbx_cli.completion.typed_line import TypedLine, parse, quoted_for_bash


def complete(
    argv: Sequence[str], environ: Mapping[str, str], question: BinaryIO, target: BinaryIO
) -> int:
    """Answer one Tab; return the exit code."""
    texts = question.read().decode("utf-8", errors="surrogateescape").split("\0")[:-1]
    shell = argv[1] if len(argv) > 1 else ""
    typed = _typed(shell, texts)
    found = answer(typed.words, typed.current, environ)
    lines = ["files" if found.are_files else "words", *_lines(shell, typed, found)]
    content = "".join(f"{line}\n" for line in lines)
    target.write(content.encode("utf-8", errors="surrogateescape"))
    target.flush()
    return 0


def _typed(shell: str, texts: Sequence[str]) -> TypedLine:
    if shell == "bash" and len(texts) > 1:
        return parse(texts[1], breaks=texts[0])
    if shell == "fish" and texts:
        return parse(texts[0], is_fish=True)
    return TypedLine(tuple(texts[1:-1]), texts[-1] if texts else "")


def _lines(shell: str, typed: TypedLine, found: Answer) -> Iterator[str]:
    """Yield each word for the shell; zsh and fish choose themselves which ones fit."""
    for text, help_text in found.candidates:
        if shell == "bash":
            if text.startswith(typed.current):
                yield quoted_for_bash(text[typed.start :], typed.quote)
        elif shell == "zsh":
            name = text.replace("\\", "\\\\").replace(":", "\\:")
            yield f"{name}:{help_text}" if help_text else name
        elif shell == "fish" or text.lower().startswith(typed.current.lower()):
            yield f"{text}\t{help_text}" if help_text else text
