"""The audit trail: one JSON line per command that changed something, and no value in it.

It answers "who changed what, when" for the user of this computer. Keys appear as
fingerprints. The file is private like the store, and bounded: when it grows too large,
its older half goes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from opbx_cli.errors import StoreError
from opbx_cli.store import access, file
from opbx_cli.store.lock import locked

SIZE_MAX = 1024 * 1024  # bytes: some 4,000 commands
LOCK_TIMEOUT = 3.0  # seconds; a trail is not worth a longer wait


@dataclass(frozen=True, slots=True)
class HistoryEntry:
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


class History:
    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, *entries: HistoryEntry) -> None:
        """Add lines. Raises `StoreError` where the file is not ours alone or not writable."""
        lines = b"".join(json.dumps(entry.as_object()).encode() + b"\n" for entry in entries)
        try:
            file.make_private_folder(self.path.parent)
            with locked(self.path.with_name(self.path.name + ".lock"), timeout=LOCK_TIMEOUT):
                old = file.read_private(self.path, size_max=2 * SIZE_MAX) or b""
                if len(old) + len(lines) > SIZE_MAX:
                    old = _newer_half(old)
                file.remove_old_temporaries(self.path.parent)
                file.replace(self.path, old + lines)
        except OSError as error:
            raise StoreError(
                f"the audit trail {self.path} could not be written: {access.reason(error)}",
                code="store.history",
            ) from error

    def read(self) -> tuple[HistoryEntry, ...]:
        """Return the entries, oldest first; lines that are none of ours are left out."""
        content = file.read_private(self.path, size_max=2 * SIZE_MAX) or b""
        access.check_way(self.path.parent)
        entries = (_from_line(line) for line in content.splitlines())
        return tuple(entry for entry in entries if entry is not None)


def _newer_half(content: bytes) -> bytes:
    start = content.find(b"\n", len(content) // 2)
    return content[start + 1 :]


def _from_line(line: bytes) -> HistoryEntry | None:
    try:
        data = json.loads(line)
        return HistoryEntry(
            time=str(data["time"]),
            command=str(data["command"]),
            profile=data["profile"],
            domain_uuid=data["domain_uuid"],
            changed=tuple(map(str, data["changed"])),
            result=str(data["result"]),
            fingerprints={
                str(name): (pair["from"], pair["to"]) for name, pair in data["fingerprints"].items()
            },
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
