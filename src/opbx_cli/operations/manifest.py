"""The manifest of `apply`: profiles in TOML, with the places of their keys and never the keys.

`manifest_schema` describes the same for editors and CI; a test holds both together.
Every refusal names the file and where in it, and repeats no value: it may be a key.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError
from opbx_cli.key_shapes import has_key_shape, looks_like_key
from opbx_cli.operations.configure import GivenSettings
from opbx_cli.settings.table import KEY_OPTIONS, PLAIN_OPTIONS, Setting
from opbx_cli.values import (
    InvalidValue,
    origin,
    parse_profile_name,
)

Value = TypeVar("Value")

SIZE_MAX = 4 * 1024 * 1024  # bytes; some 10,000 profiles
LINE_MAX = 16 * 1024  # bytes; Python's TOML parser takes time that grows with its square
NUMBER_MAX = 999_999_999  # above any setting's; Python does not write out very long numbers
PATH_MAX = 4096  # characters of a key file's path, and of a command's word
WORDS_MAX = 100  # of a command
PLACES = ("env", "file", "command")
KEYS = tuple(row.name for row in KEY_OPTIONS)
PLAIN = tuple(row.name for row in PLAIN_OPTIONS)
KNOWN = (*PLAIN, *(f"{key}_{place}" for key in KEYS for place in PLACES))

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_PLACE = re.compile(r"\(at line (\d+), column (\d+)\)")


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where a key is to be read; `name` is what the manifest calls it, for messages."""

    name: str
    variable: str | None = None
    file: str | None = None
    command: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One profile of a manifest; `given` has all but the keys."""

    profile: str
    given: GivenSettings
    api_key: KeyPlace
    webhook_key: KeyPlace | None

    @property
    def key_places(self) -> Mapping[str, str]:
        """Return what the manifest calls the places of the keys, by the settings' names."""
        places = {"domain_api_key": self.api_key, "webhook_api_key": self.webhook_key}
        return {name: place.name for name, place in places.items() if place is not None}


def parse(content: bytes, file: str) -> tuple[Entry, ...]:
    """Read a manifest. Raises `ConfigurationError` for whatever is not as it should be."""
    top = _toml(content, file)
    if set(top) - {"profile"}:
        raise refused(file, "the top level", 'expected nothing but [profile."NAME"] tables')
    tables = top.get("profile")
    if not isinstance(tables, dict) or not tables:
        raise refused(file, "profile", 'expected one or more [profile."NAME"] tables')
    entries = [
        _Table(file, number, name, table).entry()
        for number, (name, table) in enumerate(tables.items(), start=1)
    ]
    _refuse_shared_domains(file, entries)
    return tuple(entries)


def refused(file: str, where: str, why: str) -> ConfigurationError:
    """Return the error for something that a manifest says, named by its place in it."""
    return ConfigurationError(
        f"{file}: {where}: {why}",
        hint="nothing was changed; `opbx help manifest` describes a manifest",
        code=ErrorCode.CONFIGURATION_MANIFEST,
    )


def refuse_commands(entries: Iterable[Entry], file: str) -> None:
    """Refuse a manifest that would have programs run: whoever wrote it chose them."""
    keys = (key for entry in entries for key in (entry.api_key, entry.webhook_key))
    for key in keys:
        if key is not None and key.command is not None:
            error = refused(file, key.name, "a command is not run without --allow-commands")
            error.hint = "look at the manifest's commands; `--allow-commands` lets them run"
            raise error


class _Table:
    """One profile's table, taken apart."""

    def __init__(self, file: str, number: int, name: str, table: object) -> None:
        self._file = file
        try:
            self._profile = parse_profile_name(name)
        except InvalidValue as problem:
            raise refused(file, f"profile number {number}", str(problem)) from None
        if has_key_shape(name):
            why = "the profile's name looks like a key, and is shown on screens"
            raise refused(file, f"profile number {number}", why)
        self._path = f'profile."{name}"'
        if not isinstance(table, dict):
            raise refused(file, self._path, "expected a table")
        self._table: Mapping[str, object] = table

    def entry(self) -> Entry:
        self._refuse_unknown()
        if "domain_uuid" not in self._table:
            raise refused(self._file, self._path, "domain_uuid is missing")
        given = GivenSettings().plus(**{row.name: self._plain(row) for row in PLAIN_OPTIONS})
        api_key = self._key("domain_api_key")
        if api_key is None:
            why = "domain_api_key_env, domain_api_key_file or domain_api_key_command is missing"
            raise refused(self._file, self._path, why)
        webhook_key = self._key("webhook_api_key")
        for noun in ("variable", "command"):
            if webhook_key and getattr(webhook_key, noun) == getattr(api_key, noun) is not None:
                raise refused(self._file, self._path, f"two keys need two {noun}s")
        return Entry(self._profile, given, api_key, webhook_key)

    def _refuse_unknown(self) -> None:
        for key in KEYS:
            if key in self._table:
                why = f"keys are never written here: give {key}_env, {key}_file or {key}_command"
                raise refused(self._file, f"{self._path}.{key}", why)
        if set(self._table) - set(KNOWN):
            why = f"a name that is not known; known are {', '.join(KNOWN)}"
            raise refused(self._file, self._path, why)

    def _plain(self, row: Setting) -> object:
        value = self._value(row.name, row.parse, is_number=row.kind is int)
        if value is not None and row.choices and self._table[row.name] not in row.choices:
            where = f"{self._path}.{row.name}"
            raise refused(self._file, where, f"expected {' or '.join(row.choices)}")
        return value

    def _value(
        self, name: str, parse: Callable[[str], Value], *, is_number: bool = False
    ) -> Value | None:
        value, where = self._table.get(name), f"{self._path}.{name}"
        if value is None:
            return None
        if is_number:
            if not isinstance(value, int) or isinstance(value, bool):
                raise refused(self._file, where, "expected a whole number, without quotes")
            value = str(min(value, NUMBER_MAX))
        if not isinstance(value, str):
            raise refused(self._file, where, "expected a text")
        if value != value.strip():
            raise refused(self._file, where, "has spaces around it")
        try:
            return parse(value)
        except InvalidValue as problem:
            raise refused(self._file, where, str(problem)) from None

    def _key(self, key: str) -> KeyPlace | None:
        variable = self._value(f"{key}_env", _variable)
        file = self._value(f"{key}_file", _file)
        command = self._command(f"{key}_command")
        given = [f"{key}_{place}" for place in PLACES if f"{key}_{place}" in self._table]
        if len(given) > 1:
            raise refused(self._file, self._path, f"{' and '.join(given)}: give one")
        return KeyPlace(f"{self._path}.{given[0]}", variable, file, command) if given else None

    def _command(self, name: str) -> tuple[str, ...] | None:
        words, where = self._table.get(name), f"{self._path}.{name}"
        if words is None:
            return None
        if not isinstance(words, list) or not 0 < len(words) <= WORDS_MAX:
            raise refused(self._file, where, f"expected a list of 1 to {WORDS_MAX} words")
        for word in words:
            if not isinstance(word, str) or not word or len(word) > PATH_MAX or "\0" in word:
                raise refused(self._file, where, "expected a list of words, each of them a text")
            if has_key_shape(word):
                raise refused(self._file, where, "a word of it is a key, or begins with one")
        return tuple(words)


def _toml(content: bytes, file: str) -> dict[str, object]:
    if len(content) > SIZE_MAX:
        raise ConfigurationError(
            f"{file}: larger than 4 MiB", code=ErrorCode.CONFIGURATION_MANIFEST
        )
    if max(map(len, content.split(b"\n"))) > LINE_MAX:
        raise refused(file, "the file", "it has a line of more than 16 KiB")
    try:
        return tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise refused(file, "the file", "it is not UTF-8") from None
    except RecursionError:
        raise refused(file, "the file", "nested too deeply") from None
    except ValueError as error:
        # Its words may quote the line, so only the place is taken from them.
        place = _PLACE.search(str(error))
        if place is not None and "twice" in str(error):
            _refuse_profile_twice(content, int(place[1]), file)
        where = f"line {place[1]}, column {place[2]}" if place else "the end of the file"
        raise refused(file, where, "this is not TOML") from None


def _refuse_profile_twice(content: bytes, number: int, file: str) -> None:
    """Say so where a line is wrong only because it names the profile of a line before it."""
    *before, last = map(_header, content.decode().split("\n")[:number])
    if last is not None and last in before:
        why = f"profile {last} is in line {before.index(last) + 1} already"
        raise refused(file, f"line {number}", why)


def _header(line: str) -> str | None:
    """Return the profile whose table starts in a line; None where none does."""
    if not line.lstrip().startswith("["):
        return None
    try:
        (name,) = tomllib.loads(line)["profile"]
        return None if has_key_shape(name) else parse_profile_name(name)
    except (ValueError, KeyError, TypeError, RecursionError, InvalidValue):
        return None


def _refuse_shared_domains(file: str, entries: list[Entry]) -> None:
    """Refuse a domain in two profiles: each run would undo half of the one before."""
    seen: dict[tuple[str, str | None], str] = {}
    for entry in entries:
        place = origin(entry.given.settings.api_base_url)
        other = seen.setdefault((place, entry.given.settings.domain_uuid), entry.profile)
        if other != entry.profile:
            where = f'profile."{entry.profile}".domain_uuid'
            raise refused(file, where, f"the same domain as profile {other}'s")


def _variable(text: str) -> str:
    if looks_like_key(text):
        raise InvalidValue("this looks like a key: give the name of the variable that holds it")
    if not _VARIABLE.fullmatch(text):
        raise InvalidValue("expected the name of a variable: letters, digits and _")
    return text


def _file(text: str) -> str:
    if looks_like_key(text):
        raise InvalidValue("this looks like a key: give the path of the file that holds it")
    if not text or len(text) > PATH_MAX or "\0" in text:
        raise InvalidValue("expected the path of a file")
    return text
