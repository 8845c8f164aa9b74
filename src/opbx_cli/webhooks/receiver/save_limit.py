"""How much a folder of saved callbacks may hold, and how much it does hold."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

GIB = 1024**3
FILES = 10_000
REFUSED_PART = 10  # one in ten: refused callbacks may come from anybody
RECOUNT = 10.0  # seconds; counting ten thousand files takes some milliseconds
REFUSED = ".refused.json"  # how the name of a refused callback's file ends


@dataclass(frozen=True, slots=True)
class SaveLimit:
    """What the files in the folder may take together: `size` in bytes, and how many they are."""

    size: int = GIB
    files: int = FILES

    @classmethod
    def of_size(cls, size: int) -> SaveLimit:
        """Return the limit for that many bytes; over 1 GiB the number of files grows with it."""
        return cls(size, max(FILES, FILES * size // GIB))

    def __str__(self) -> str:
        units = ((GIB, "GiB"), (1024**2, "MiB"), (1024, "KiB"), (1, "bytes"))
        unit, name = next(one for one in units if self.size % one[0] == 0)
        return f"{self.size // unit:,} {name} and {self.files:,} files"

    @property
    def for_refused(self) -> SaveLimit:
        return SaveLimit(self.size // REFUSED_PART, self.files // REFUSED_PART)


@dataclass(frozen=True, slots=True)
class Usage:
    """How many bytes and files there are."""

    size: int = 0
    files: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.size + other.size, self.files + other.files)

    def fits(self, limit: SaveLimit) -> bool:
        return self.size <= limit.size and self.files <= limit.files


class FolderUsage:
    """What a folder holds: counted once, then kept up to date with what is added.

    Counted again when the limit is reached, every ten seconds at most, so that saving goes on
    once somebody has made room.
    """

    def __init__(self, folder: int | Path, limit: SaveLimit, *, clock: Callable[[], float]) -> None:
        """`folder` is a path or a descriptor. Raises OSError for a folder that cannot be read."""
        self._folder = folder
        self._limit = limit
        self._clock = clock
        self._count()

    def reached(self, new: Usage, *, is_refused: bool) -> SaveLimit | None:
        """Return the limit that leaves no room for that much more, if one does. Raises OSError."""
        limit = self._reached(new, is_refused=is_refused)
        if limit is None or self._clock() - self._counted < RECOUNT:
            return limit
        self._count()
        return self._reached(new, is_refused=is_refused)

    def add(self, new: Usage, *, is_refused: bool) -> None:
        self._all += new
        if is_refused:
            self._refused += new

    def _reached(self, new: Usage, *, is_refused: bool) -> SaveLimit | None:
        if not (self._all + new).fits(self._limit):
            return self._limit
        for_refused = self._limit.for_refused
        return for_refused if is_refused and not (self._refused + new).fits(for_refused) else None

    def _count(self) -> None:
        self._counted = self._clock()
        self._all = self._refused = Usage()
        for name, size in _files(self._folder):
            self.add(Usage(size, 1), is_refused=name.endswith(REFUSED))
            if not self._all.fits(self._limit):  # how far over makes no difference
                break


def _files(folder: int | Path) -> Iterator[tuple[str, int]]:
    """Yield the files' names and sizes in bytes; what is below other folders is not counted."""
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # removed meanwhile
                continue
            if stat.S_ISREG(status.st_mode):
                yield entry.name, status.st_size
