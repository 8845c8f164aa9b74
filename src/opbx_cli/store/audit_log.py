"""The audit trail: one JSON line per command that changed something, and no value in it.

It answers "who changed what, when" for the user of this computer. Keys appear as
fingerprints. The file is private like the store, and bounded: when it grows too large,
its older half goes.

Each line has a number and the hash of the line before it; beside the trail a note has the
number and the hash of the last line. There is no key in it: whoever rewrites the lines
from one on to the end, and the note with them, is not found out. Lines of older versions
are not chained and count as they are, as long as they come first.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from opbx_cli import file_permissions, private_files
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import StoreError
from opbx_cli.store.lock import locked

SIZE_MAX = 1024 * 1024  # bytes: some 3,000 commands
LOCK_TIMEOUT = 3.0  # seconds; an audit trail is not worth a longer wait
_NOTE_SIZE_MAX = 1024  # bytes
VERSION = 2  # of a line; 1 had neither version nor chain
NUMBER_MAX = 10**18
_HASH_DIGITS = 32  # of SHA-256, in hex: 128 bits
_LINK_SIZE_MAX = 160  # bytes that version and chain add to a line


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One command; `fingerprints` has, for each key it changed, the one before and after."""

    time: str  # UTC, RFC 3339
    command: str
    profile: str | None
    domain_uuid: str | None
    changed: tuple[str, ...]
    result: str
    fingerprints: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)

    def as_object(self) -> dict[str, object]:
        """Return the entry as JSON has it, in the file and in `profiles history --json`."""
        return {
            "time": self.time,
            "command": self.command,
            "profile": self.profile,
            "domain_uuid": self.domain_uuid,
            "changed": list(self.changed),
            "fingerprints": {
                name: {"from": before, "to": after}
                for name, (before, after) in self.fingerprints.items()
            },
            "result": self.result,
        }


@dataclass(frozen=True, slots=True)
class AuditHistory:
    """The entries that could be read, oldest first; `problems` go on a sentence about it."""

    entries: tuple[AuditEvent, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Note:
    """The last line that was written: its number, counted on for ever, and its hash."""

    number: int
    digest: str

    def as_bytes(self) -> bytes:
        return f"{self.number} {self.digest}\n".encode()


@dataclass(frozen=True, slots=True)
class Link:
    """What chains a line: its number, that of the oldest line kept then, the last one's hash."""

    number: int
    oldest: int
    before: str


class AuditLog:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._note = path.with_name(path.name + ".last")

    def append(self, *entries: AuditEvent) -> None:
        """Add lines. Raises `StoreError` where the file is not ours alone or not writable."""
        try:
            private_files.make_private_folder(self.path.parent)
            with locked(self.path.with_name(self.path.name + ".lock"), timeout=LOCK_TIMEOUT):
                note = note_from(self._read(self._note, size_max=_NOTE_SIZE_MAX))
                old = self._read(self.path, size_max=2 * SIZE_MAX)
                new, note = extend(old, note, entries, size_max=SIZE_MAX)
                private_files.remove_old_temporaries(self.path.parent)
                private_files.replace(self.path, new)
                # Second: a trail may go on behind its note, and never ends before it.
                private_files.replace(self._note, note.as_bytes())
        except OSError as error:
            reason = file_permissions.reason(error)
            raise StoreError(
                f"the audit trail {self.path} could not be written: {reason}",
                code=ErrorCode.STORE_HISTORY,
            ) from error

    def read(self) -> AuditHistory:
        """Return the entries, oldest first, and what is wrong with them. Takes no lock."""
        # The note first: meanwhile an opbx may write both.
        noted = self._read(self._note, size_max=_NOTE_SIZE_MAX)
        content = self._read(self.path, size_max=2 * SIZE_MAX)
        if noted or content:
            file_permissions.check_path(self.path.parent)
        found = check(content, note_from(noted))
        problems = tuple(f"the audit trail {self.path} {one}" for one in found.problems)
        return replace(found, problems=problems)

    @staticmethod
    def _read(path: Path, *, size_max: int) -> bytes:
        return private_files.read_private(path, size_max=size_max) or b""


def note_from(content: bytes) -> Note | None:
    """Read a note; None for what is none."""
    words = content.decode("latin-1").split()
    if len(words) == 2 and re.fullmatch(r"[0-9]{1,18}", words[0]):
        return Note(int(words[0]), words[1])
    return None


def extend(
    content: bytes, note: Note | None, entries: Sequence[AuditEvent], *, size_max: int
) -> tuple[bytes, Note]:
    """Return the trail with more entries, and its note; over `size_max` bytes half of it goes.

    Where lines were removed or altered the new ones go on from the note, so that it still shows.
    """
    lines = _lines(content)
    number, oldest = _end_of(lines)
    added = [entry.as_object() for entry in entries]
    if len(content) + sum(len(json.dumps(one)) + _LINK_SIZE_MAX for one in added) > size_max:
        start = _half(lines)
        oldest = _number_at(lines, start, last=number)
        lines = lines[start:]
    last = Note(number, _digest(lines[-1]) if lines else "")
    if note is not None and note.number >= number:  # of the same number, the note is right
        last = note
    for one in added:
        chain = {"number": last.number + 1, "oldest": oldest, "before": last.digest}
        lines.append(json.dumps({"version": VERSION, **one, "chain": chain}).encode())
        last = Note(last.number + 1, _digest(lines[-1]))
    return b"".join(line + b"\n" for line in lines), last


def check(content: bytes, note: Note | None) -> AuditHistory:
    """Return the entries of a trail, and what is wrong with it in words that follow its name."""
    entries: list[AuditEvent] = []
    chain = _Chain()
    skipped: list[int] = []
    for number_in_file, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            entry, link = _parsed(line)
            if entry is None:
                skipped.append(number_in_file)
            else:
                entries.append(entry)
            chain.add(line, link, is_entry=entry is not None, number_in_file=number_in_file)
    problems = chain.problems(note)
    if skipped:
        problems.insert(
            0,
            f"has {len(skipped)} {'line' if len(skipped) == 1 else 'lines'} that this opbx does"
            f" not understand, the first at line {skipped[0]}: not shown",
        )
    return AuditHistory(tuple(entries), tuple(problems))


class _Chain:
    """Follows the lines one by one."""

    def __init__(self) -> None:
        self._number = 0  # of the last line
        self._first: int | None = None  # of the first line, once a link tells
        self._oldest = 1
        self._count = 0
        self._before = ""
        self._is_chained = False
        self._broken_at: int | None = None
        self._digests: dict[int, str] = {}

    def add(self, line: bytes, link: Link | None, *, is_entry: bool, number_in_file: int) -> None:
        fits = link is None or not self._count or link.before == self._before
        if link is None:
            self._number += 1
            fits = not (self._is_chained and is_entry)
        else:
            fits = fits and (not self._is_chained or link.number == self._number + 1)
            if self._first is None:
                self._first = link.number - self._count
            self._number, self._oldest, self._is_chained = link.number, link.oldest, True
        if not fits and self._broken_at is None:
            self._broken_at = number_in_file
        self._count += 1
        self._before = self._digests[self._number] = _digest(line)

    def problems(self, note: Note | None) -> list[str]:
        found = []
        if self._first is not None and self._first > self._oldest:
            found.append(
                f"starts with entry {self._first}, and had older ones from {self._oldest} on:"
                " somebody removed them"
            )
        if self._broken_at is not None:
            found.append(
                f"is not as opbx wrote it: line {self._broken_at} does not follow on the line"
                " before it, so one was removed, added or altered"
            )
        if note is None:
            if self._is_chained:
                found.append("lacks its note of the last entry: missing ones would not show")
        elif note.number > self._number:
            found.append(
                f"ends with entry {self._number}, and had {note.number}: somebody removed the rest"
                if self._count
                else f"is empty, and had {note.number} entries: somebody removed them"
            )
        elif self._digests.get(note.number, note.digest) != note.digest:
            found.append(f"has another entry {note.number} than opbx wrote: somebody altered it")
        return found


def _lines(content: bytes) -> list[bytes]:
    return [line for line in content.split(b"\n") if line.strip()]


def _end_of(lines: Sequence[bytes]) -> tuple[int, int]:
    """Return the last line's number and that of the oldest one kept, by the last link."""
    for behind, line in enumerate(reversed(lines)):
        link = _parsed(line)[1]
        if link is not None:
            return link.number + behind, link.oldest
    return len(lines), 1


def _half(lines: Sequence[bytes]) -> int:
    """Return where the newer half of the bytes starts."""
    half, size = sum(map(len, lines)) // 2, 0
    for position, line in enumerate(lines):
        size += len(line)
        if size > half:
            return position + 1
    return len(lines)


def _number_at(lines: Sequence[bytes], position: int, *, last: int) -> int:
    """Return a line's number: by the next link, else counted back from the last line."""
    for ahead, line in enumerate(lines[position:]):
        link = _parsed(line)[1]
        if link is not None:
            return link.number - ahead
    return last - (len(lines) - 1 - position)


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()[:_HASH_DIGITS]


def _parsed(line: bytes) -> tuple[AuditEvent | None, Link | None]:
    """Return what a line says; None twice where it is not as opbx writes it."""
    try:
        data = json.loads(line)
        if not isinstance(data, dict) or data.get("version", 1) not in (1, VERSION):
            return None, None
        link = _link_from(data["chain"]) if "version" in data else None
        return _entry_from(data), link
    except (ValueError, KeyError, TypeError, RecursionError):
        return None, None


def _entry_from(data: Mapping[str, Any]) -> AuditEvent:
    """Raises `KeyError`, `TypeError` or `ValueError` where something is not as it must be."""
    return AuditEvent(
        time=_text(data["time"]),
        command=_text(data["command"]),
        profile=_text_or_none(data["profile"]),
        domain_uuid=_text_or_none(data["domain_uuid"]),
        changed=tuple(map(_text, _list(data["changed"]))),
        result=_text(data["result"]),
        fingerprints={
            name: (_text_or_none(pair["from"]), _text_or_none(pair["to"]))
            for name, pair in _table(data["fingerprints"]).items()
        },
    )


def _link_from(value: object) -> Link:
    data = _table(value)
    return Link(_number(data["number"]), _number(data["oldest"]), _text(data["before"]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _table(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return value


def _number(value: object) -> int:
    if type(value) is not int or not 0 < value < NUMBER_MAX:  # a bool is an int, too
        raise ValueError
    return value
