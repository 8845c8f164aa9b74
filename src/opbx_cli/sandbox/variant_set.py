"""Reading `NAME=VALUE` texts into a dataclass of variants."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterable


class VariantSet:
    """Base of a frozen dataclass whose fields are enumerations, or seconds.

    On the command line `_` in a field's name is written `-`.
    """

    __slots__ = ()

    @classmethod
    def choices(cls) -> dict[str, tuple[str, ...]]:
        """Return each variant's name with its values, the default first; a lag has `SECONDS`."""
        return {name: _values(default) for name, default in cls._defaults().items()}

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Read `name=value` texts; raise ValueError, which says what is valid, for a bad one."""
        return cls().changed(texts)

    def changed(self, texts: Iterable[str]) -> Self:
        """Return a copy with these `name=value` texts applied; raise ValueError for a bad one."""
        values: dict[str, Any] = dict(self._parse(text) for text in texts)
        return replace(self, **values)  # type: ignore[type-var]

    @classmethod
    def _defaults(cls) -> dict[str, StrEnum | float]:
        defaults = cls()
        names = (field.name for field in fields(cls))  # type: ignore[arg-type]
        return {name.replace("_", "-"): getattr(defaults, name) for name in names}

    @classmethod
    def _parse(cls, text: str) -> tuple[str, StrEnum | float]:
        name, separator, value = text.partition("=")
        default = cls._defaults().get(name)
        if default is None or not separator:
            names = ", ".join(cls._defaults())
            message = f"a variant is written NAME=VALUE, with NAME one of {names}"
            raise ValueError(message)
        field = name.replace("-", "_")
        if isinstance(default, StrEnum):
            if value not in _values(default):
                message = f"the variant {name} takes one of {', '.join(_values(default))}"
                raise ValueError(message)
            return field, type(default)(value)
        return field, _seconds(name, value)


def _values(default: StrEnum | float) -> tuple[str, ...]:
    if isinstance(default, StrEnum):
        return (str(default), *(str(value) for value in type(default) if value != default))
    return ("SECONDS",)


def _seconds(name: str, value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        message = f"the variant {name} takes a number of seconds from 0 up"
        raise ValueError(message)
    return seconds
