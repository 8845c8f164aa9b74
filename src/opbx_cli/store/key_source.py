"""Where raw keys come from: a variable, a file or command that one names, or our own key files.

A source that was named is the only one asked: empty, malformed or wrong is an error,
never a reason to try the next one.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from opbx_cli import file_permissions, private_files
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import StoreError, UsageError
from opbx_cli.key_command import KeyCommandFailed, key_from_command
from opbx_cli.key_shapes import path_may_be_key
from opbx_cli.models import Secret
from opbx_cli.settings import (
    ALLOW_SHARED_KEY_FILE,
    STORE_KEY,
    STORE_KEY_COMMAND,
    STORE_KEY_FILE,
)
from opbx_cli.store import crypto, sharing

KEY_VARIABLE = STORE_KEY
KEY_FILE_VARIABLE = STORE_KEY_FILE
KEY_COMMAND_VARIABLE = STORE_KEY_COMMAND

_KEY_FILE_SIZE_MAX = 4096  # bytes; a key has 55 characters


class KeySource(NamedTuple):
    """An explicit store key: the key itself, the file that holds it, or what prints it."""

    secret: Secret | None = None
    path: Path | None = None
    allow_shared: bool = False
    typed_path: str = ""  # as the variable has it: a bare word may be a key
    command: Callable[[], bytes] | None = None  # runs once: what it found, or raised, is kept

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str]) -> KeySource | None:
        """Return the key that the environment names; the key itself is removed from there.

        UsageError if two variables are set, StoreError if one is empty or malformed.
        """
        variables = (KEY_VARIABLE, KEY_FILE_VARIABLE, KEY_COMMAND_VARIABLE)
        given = [name for name in variables if name in environ]
        key = environ.pop(KEY_VARIABLE, None)
        if len(given) > 1:
            raise UsageError(
                f"{' and '.join(given)} are {'both' if len(given) == 2 else 'all'} set",
                hint=f"keep one of them: `unset {' '.join(given[1:])}`",
            )
        if key is not None:
            return cls._from_key(key)
        if KEY_FILE_VARIABLE in given:
            return cls._from_path(
                environ[KEY_FILE_VARIABLE],
                allow_shared=sharing.is_permitted(environ, ALLOW_SHARED_KEY_FILE),
            )
        if KEY_COMMAND_VARIABLE in given:
            return cls._from_command(environ[KEY_COMMAND_VARIABLE], environ)
        return None

    @classmethod
    def _from_key(cls, text: str) -> KeySource:
        if not text.strip():
            raise _empty(KEY_VARIABLE)
        raw_key(text, origin=KEY_VARIABLE, hint=_unset_hint(KEY_VARIABLE))
        return cls(secret=Secret(text))

    @classmethod
    def _from_path(cls, text: str, *, allow_shared: bool) -> KeySource:
        if not text.strip():
            raise _empty(KEY_FILE_VARIABLE)
        return cls(path=Path(text).absolute(), allow_shared=allow_shared, typed_path=text)

    @classmethod
    def _from_command(cls, text: str, environ: Mapping[str, str]) -> KeySource:
        if not text.strip():
            raise _empty(KEY_COMMAND_VARIABLE)
        try:
            words = shlex.split(text)
        except ValueError:
            raise StoreError(
                f"{KEY_COMMAND_VARIABLE} is no command line: a quote in it has no end",
                hint=_unset_hint(KEY_COMMAND_VARIABLE),
                code=ErrorCode.STORE_KEY_COMMAND,
            ) from None
        return cls(command=_once(partial(_key_of_command, words, environ)))

    @property
    def variable(self) -> str:
        if self.command is not None:
            return KEY_COMMAND_VARIABLE
        return KEY_VARIABLE if self.path is None else KEY_FILE_VARIABLE

    def read(self, *, warn: Callable[[str], None]) -> bytes:
        """Return the raw key, or raise StoreError; `warn` hears of a file that is shared."""
        if self.command is not None:
            return self.command()
        hint = _unset_hint(self.variable)
        if self.path is None:
            text = self.secret.reveal() if self.secret is not None else ""
            return raw_key(text, origin=self.variable, hint=hint)
        if path_may_be_key(self.typed_path):
            raise _misplaced_key()
        content = self._read_file(self.path, warn=warn)
        if content is None:
            raise StoreError(
                f"{KEY_FILE_VARIABLE} names {self.path}, and there is no such file",
                hint=hint,
                code=ErrorCode.STORE_KEY_SOURCE,
            )
        return raw_key(content, origin=f"the key file {self.path}", hint=hint)

    def _read_file(self, path: Path, *, warn: Callable[[str], None]) -> str | None:
        try:
            content = private_files.read_private(path, size_max=_KEY_FILE_SIZE_MAX)
            file_permissions.check_path(path.parent)
        except StoreError as error:
            if not self.allow_shared:
                raise _refused(error, path) from error
            content = private_files.read_shared(path, size_max=_KEY_FILE_SIZE_MAX)
            warn(f"the key file {path} is shared with other users ({ALLOW_SHARED_KEY_FILE} is set)")
        return None if content is None else content.decode("latin-1")


def read_key_file(path: Path) -> bytes | None:
    """Return the raw key in one of our own key files, None if the file is not there."""
    content = private_files.read_private(path, size_max=_KEY_FILE_SIZE_MAX)
    if content is None:
        return None
    file_permissions.check_path(path.parent)
    return raw_key(
        content.decode("latin-1"),
        origin=f"the key file {path}",
        hint=f"bring it back from a backup: `cp -p BACKUP {file_permissions.quoted(path)}`",
    )


def write_key_file(path: Path, raw_key: bytes) -> None:
    """Create a key file and its folder, down to the disk; OSError if that fails."""
    private_files.make_private_folder(path.parent)
    private_files.write_new_synced(path, f"{crypto.raw_key_to_text(raw_key)}\n".encode())


def remove_key_file(path: Path) -> bool:
    """Delete one of our own key files; False if there was none, OSError if it stays."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _key_of_command(words: Sequence[str], environ: Mapping[str, str]) -> bytes:
    """Return the raw key that a command prints, or raise StoreError; its words are not repeated."""
    hint = f'run it by itself: `sh -c "${KEY_COMMAND_VARIABLE}"` has to print the key, alone'
    try:
        text = key_from_command(words, environ).reveal()
    except KeyCommandFailed as problem:
        raise StoreError(
            f"the command in {KEY_COMMAND_VARIABLE} {problem}",
            hint=hint,
            code=ErrorCode.STORE_KEY_COMMAND,
        ) from None
    return raw_key(text, origin=f"what the command in {KEY_COMMAND_VARIABLE} printed", hint=hint)


def _once(find: Callable[[], bytes]) -> Callable[[], bytes]:
    """Keep the first answer, and the first refusal: a prompt is not shown twice."""
    found: list[bytes | StoreError] = []
    lock = threading.Lock()

    def answer() -> bytes:
        with lock:
            if not found:
                try:
                    found.append(find())
                except StoreError as error:
                    found.append(error)
        if isinstance(found[0], StoreError):
            raise found[0]
        return found[0]

    return answer


def raw_key(text: str, *, origin: str, hint: str) -> bytes:
    """Return the key that a text holds; `origin` names it where it holds none."""
    if not text.strip():
        raise StoreError(f"{origin} is empty", hint=hint, code=ErrorCode.STORE_KEY_SOURCE)
    try:
        return crypto.raw_key_from_text(text)
    except crypto.MalformedKey:
        raise StoreError(
            f"{origin} is malformed: a store key is {crypto.RAW_KEY_PREFIX} and 48 more"
            " characters, all of them (was it cut when it was copied?)",
            hint=hint,
            code=ErrorCode.STORE_KEY_SOURCE,
        ) from None


def _empty(variable: str) -> StoreError:
    return StoreError(
        f"{variable} is set but empty (a missing secret in CI expands to nothing)",
        hint=_unset_hint(variable),
        code=ErrorCode.STORE_KEY_SOURCE,
    )


def _misplaced_key() -> StoreError:
    return StoreError(
        f"{KEY_FILE_VARIABLE} names no file that is there, and may hold a key by mistake:"
        " what it holds is not shown",
        hint=f"the key itself belongs into {KEY_VARIABLE}, and the path of its file (with a slash,"
        f" as in ./NAME) into {KEY_FILE_VARIABLE}; for neither, `unset {KEY_FILE_VARIABLE}`",
        code=ErrorCode.STORE_KEY_SOURCE,
    )


def _refused(error: StoreError, path: Path) -> StoreError:
    if "OPBX_HOME" in (error.hint or ""):  # which moves the store, and not this file
        elsewhere = (
            "put it in a folder of your own and name it there, as in "
            f"`export {KEY_FILE_VARIABLE}=./store.key`"
        )
        error = StoreError(error.message, hint=elsewhere, code=error.code)
    return sharing.or_permitted(error, path, "file", ALLOW_SHARED_KEY_FILE)


def _unset_hint(variable: str) -> str:
    return f"set it to the store's key, or use the store's own key file: `unset {variable}`"
