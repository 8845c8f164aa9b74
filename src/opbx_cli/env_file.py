"""OPBX's own `.env` file: the few variables of it that say where OPBX is reached.

The file is full of OPBX's secrets. Nothing but those variables leaves this module, and no
message repeats a line of it.
"""

from __future__ import annotations

import io
import re
from collections import ChainMap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv.parser import parse_stream
from dotenv.variables import parse_variables

from opbx_cli.errors import ConfigurationError, OpbxError

SIZE_MAX = 1024 * 1024  # bytes
# Characters of a value that are kept; a URL has 255. Lines that double what stands further up
# (`B=${A}${A}`) would otherwise fill the memory.
LINE_MAX = 4096  # characters; a key in PEM, on one line, has some two thousand
VALUE_MAX = 1024
LINES_SHOWN = 5  # of those that make no sense


@dataclass(frozen=True, slots=True)
class Assignment:
    """A variable's value, and the line that gives it."""

    value: str
    line: int


@dataclass(frozen=True, slots=True)
class EnvFile:
    """What a file says of the variables that were asked for; `bad_lines` make no sense."""

    path: Path
    assignments: Mapping[str, Assignment]
    bad_lines: tuple[int, ...] = ()

    def place_of(self, name: str) -> str:
        """Return where a variable is set, for people."""
        return f"{name} in {self.path}:{self.assignments[name].line}"

    @property
    def warning(self) -> str | None:
        """Say which lines were passed over, the first few by number."""
        if not self.bad_lines:
            return None
        if len(self.bad_lines) == 1:
            return f"{self.path}:{self.bad_lines[0]} is no assignment, and was passed over"
        numbers = ", ".join(map(str, self.bad_lines[:LINES_SHOWN]))
        more = len(self.bad_lines) - LINES_SHOWN
        others = f" and {more} more" if more > 0 else ""
        return f"{self.path}: lines {numbers}{others} are no assignments, and were passed over"


def read_env_file(
    path: str,
    names: tuple[str, ...],
    environ: Mapping[str, str],
    *,
    named_by: str,
    error: type[OpbxError] = ConfigurationError,
) -> EnvFile:
    """Read these variables, as OPBX reads them: quotes, `export` and `${OTHER}` included.

    `${OTHER}` is a variable of `environ`, else one that the file sets further up. Of two
    lines that set the same variable the last one counts. `named_by` is the option or
    variable that gave the path. Raises `error` for a file that cannot be read.

    `environ` must be without keys: what becomes part of a URL is shown and sent.
    """
    known: dict[str, str] = {}
    seen = ChainMap(dict(environ), known)
    assignments: dict[str, Assignment] = {}
    text, bad_lines = _without_long_lines(_text(path, named_by, error))
    for binding in parse_stream(io.StringIO(text)):
        line = binding.original.line + _lines_before(binding.original.string)
        if binding.error:
            bad_lines.append(line)
        if binding.key is None or binding.value is None:
            continue
        known[binding.key] = _joined(atom.resolve(seen) for atom in parse_variables(binding.value))
        if binding.key in names:
            assignments[binding.key] = Assignment(known[binding.key], line)
    return EnvFile(Path(path).absolute(), assignments, tuple(sorted(bad_lines)))


def _without_long_lines(text: str) -> tuple[str, list[int]]:
    """Leave out lines that no setting needs, and return their numbers.

    The parser takes time that grows with the square of a line's length.
    """
    lines = text.split("\n")
    long = [number for number, line in enumerate(lines, start=1) if len(line) > LINE_MAX]
    for number in long:
        lines[number - 1] = ""
    return "\n".join(lines) if long else text, long


def _joined(parts: Iterable[str]) -> str:
    value = ""
    for part in parts:
        value += part[:VALUE_MAX]
        if len(value) > VALUE_MAX:
            break
    return value[:VALUE_MAX]


def _lines_before(text: str) -> int:
    """Count the blank lines that the parser takes for the start of a statement."""
    blank = text[: len(text) - len(text.lstrip())]
    return len(re.findall(r"\r\n|\n|\r", blank))


def _text(path: str, named_by: str, error: type[OpbxError]) -> str:
    try:
        with Path(path).open("rb") as source:
            content = source.read(SIZE_MAX + 1)
        if len(content) > SIZE_MAX:
            raise error(f"{named_by}: the file is larger than 1 MiB")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise error(f"{named_by}: the file is not UTF-8 text") from None
    except (OSError, ValueError) as problem:
        # The path is not repeated: it may be a key, given in the wrong place.
        reason = getattr(problem, "strerror", None) or "not a path"
        raise error(f"{named_by}: the file cannot be read: {reason}") from problem
