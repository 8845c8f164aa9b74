"""The manifest of `apply`: profiles in TOML, with the places of their keys and never the keys.

`docs/manifest.schema.json` describes the same for editors and CI; a test holds both together.
Every refusal names the file and where in it, and repeats no value: it may be a key.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError
from opbx_cli.key_shapes import has_key_shape, looks_like_key
from opbx_cli.models import DEFAULT_API_BASE_URL, RecordingFormat
from opbx_cli.operations.configure import GivenSettings
from opbx_cli.values import (
    InvalidValue,
    origin,
    parse_api_base_url,
    parse_domain_uuid,
    parse_no_answer_timeout,
    parse_profile_name,
    parse_recording_format,
    parse_webhook_base_url,
)

Value = TypeVar("Value")

SIZE_MAX = 1024 * 1024  # bytes; some 5,000 profiles
LINE_MAX = 16 * 1024  # bytes; Python's TOML parser takes time that grows with its square
PATH_MAX = 4096  # characters of a key file's path
KEYS = ("domain_api_key", "webhook_api_key")
PLAIN = (
    "domain_uuid",
    "webhook_base_url",
    "no_answer_timeout",
    "recording_format",
    "api_base_url",
)
KNOWN = (*PLAIN, *(f"{key}_{place}" for key in KEYS for place in ("env", "file")))

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_PLACE = re.compile(r"\(at line (\d+), column (\d+)\)")


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where a key is to be read; `name` is what the manifest calls it, for messages."""

    name: str
    variable: str | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One profile of a manifest; `given` has all but the keys."""

    profile: str
    given: GivenSettings
    api_key: KeyPlace
    webhook_key: KeyPlace | None


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
        hint="nothing was changed; docs/manifest.schema.json describes a manifest",
        code=ErrorCode.CONFIGURATION_MANIFEST,
    )


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
        given = GivenSettings(
            domain_uuid=self._text("domain_uuid", parse_domain_uuid),
            webhook_base_url=self._text("webhook_base_url", parse_webhook_base_url),
            no_answer_timeout=self._timeout(),
            recording_format=self._text("recording_format", _recording_format),
            api_base_url=self._text("api_base_url", parse_api_base_url),
        )
        api_key = self._key("domain_api_key")
        if api_key is None:
            why = "domain_api_key_env or domain_api_key_file is missing"
            raise refused(self._file, self._path, why)
        webhook_key = self._key("webhook_api_key")
        variables = [key.variable for key in (api_key, webhook_key) if key and key.variable]
        if len(set(variables)) < len(variables):
            raise refused(self._file, self._path, "two keys need two variables")
        return Entry(self._profile, given, api_key, webhook_key)

    def _refuse_unknown(self) -> None:
        for key in KEYS:
            if key in self._table:
                why = f"keys are never written here: give {key}_env or {key}_file"
                raise refused(self._file, f"{self._path}.{key}", why)
        if set(self._table) - set(KNOWN):
            why = f"a name that is not known; known are {', '.join(KNOWN)}"
            raise refused(self._file, self._path, why)

    def _text(self, name: str, parser: Callable[[str], Value]) -> Value | None:
        value = self._table.get(name)
        if value is None:
            return None
        where = f"{self._path}.{name}"
        if not isinstance(value, str):
            raise refused(self._file, where, "expected a text")
        if value != value.strip():
            raise refused(self._file, where, "has spaces around it")
        try:
            return parser(value)
        except InvalidValue as problem:
            raise refused(self._file, where, str(problem)) from None

    def _timeout(self) -> int | None:
        value = self._table.get("no_answer_timeout")
        if value is None:
            return None
        where = f"{self._path}.no_answer_timeout"
        if not isinstance(value, int) or isinstance(value, bool):
            raise refused(self._file, where, "expected a whole number, without quotes")
        try:
            return parse_no_answer_timeout(str(value) if abs(value) < 1000 else "1000")
        except InvalidValue as problem:
            raise refused(self._file, where, str(problem)) from None

    def _key(self, key: str) -> KeyPlace | None:
        variable = self._text(f"{key}_env", _variable)
        file = self._text(f"{key}_file", _file)
        if variable is not None and file is not None:
            raise refused(self._file, self._path, f"{key}_env and {key}_file: give one")
        if variable is None and file is None:
            return None
        place = "env" if file is None else "file"
        return KeyPlace(f"{self._path}.{key}_{place}", variable, file)


def _toml(content: bytes, file: str) -> dict[str, object]:
    if len(content) > SIZE_MAX:
        raise ConfigurationError(
            f"{file}: larger than 1 MiB", code=ErrorCode.CONFIGURATION_MANIFEST
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
        where = f"line {place[1]}, column {place[2]}" if place else "the end of the file"
        raise refused(file, where, "this is not TOML") from None


def _refuse_shared_domains(file: str, entries: list[Entry]) -> None:
    """Refuse a domain in two profiles: each run would undo half of the one before."""
    seen: dict[tuple[str, str | None], str] = {}
    for entry in entries:
        place = origin(entry.given.api_base_url or DEFAULT_API_BASE_URL)
        other = seen.setdefault((place, entry.given.domain_uuid), entry.profile)
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


def _recording_format(text: str) -> RecordingFormat:
    if text != text.lower():
        raise InvalidValue("expected wav or mp3")
    return parse_recording_format(text)
