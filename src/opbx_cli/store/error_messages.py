"""The words for what a store refuses: what failed, where, what is intact, what to do next."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from opbx_cli import file_permissions
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError, StoreError
from opbx_cli.settings import ALLOW_SHARED_STORE
from opbx_cli.store.key_slots import SlotKind
from opbx_cli.store.key_source import KEY_FILE_VARIABLE, KEY_VARIABLE, KeySource
from opbx_cli.store.strict_toml import UnfitStore
from opbx_cli.store_paths import StorePaths

if TYPE_CHECKING:
    from opbx_cli.installation import Installation

INTACT = "the previous store is intact"
NOTHING_SAVED = "nothing was saved"
UNCHANGED = "nothing was changed"
OTHER_WAYS = "see the other ways to open the store with `opbx key status`"

_GIVE_KEY = f"or name the file it is in, as in `export {KEY_FILE_VARIABLE}=./store.key`"
_WORDS = {
    ErrorCode.STORE_ALTERED: "was altered or damaged",
    ErrorCode.STORE_INCOMPLETE: "is not a complete store",
    ErrorCode.STORE_NEWER: "is not for this version of opbx",
    ErrorCode.STORE_LINE_ENDS: "has other line ends than it was saved with",
}


def not_configured(paths: StorePaths) -> ConfigurationError:
    if os.path.lexists(paths.backup):
        return ConfigurationError(
            f"not configured: there is no {paths.store}, but its backup {paths.backup} is there",
            hint=f"bring it back with `{_restoring(paths)}`",
            code=ErrorCode.STORE_MISSING,
        )
    return ConfigurationError(
        f"not configured: there is no {paths.store}",
        hint="save a first profile with `opbx configure`",
        code=ErrorCode.STORE_MISSING,
    )


def backup_without_store(paths: StorePaths) -> StoreError:
    return StoreError(
        f"{paths.store} is missing, but its backup {paths.backup} is there:"
        f" no new store was started (for that, first `{_backup_away(paths)}`)",
        hint=f"bring the backup back with `{_restoring(paths)}`",
        code=ErrorCode.STORE_MISSING,
    )


def unfit(paths: StorePaths, problem: UnfitStore) -> StoreError:
    """Word why bytes on the disk are no store to work with."""
    return StoreError(
        f"{paths.store} {_WORDS[problem.code]}: {problem.reason}",
        hint=_unfit_hint(paths, paths.store, problem.code),
        code=problem.code,
    )


def unfit_to_save(paths: StorePaths, problem: UnfitStore | ValueError, *, state: str) -> StoreError:
    """Word why contents cannot be sealed (ValueError), or would not open again."""
    reason = (
        problem.reason
        if isinstance(problem, UnfitStore)
        else "there is a value that TOML cannot hold"
    )
    return StoreError(
        f"{paths.store} was not saved, the check before saving failed: {reason}; {state}",
        code=ErrorCode.STORE_NOT_SAVED,
    )


def not_saved(path: Path, error: OSError, *, state: str) -> StoreError:
    return StoreError(
        f"{path} could not be written: {file_permissions.reason(error)}; {state}",
        hint=_write_hint(path, error),
        code=ErrorCode.STORE_NOT_SAVED,
    )


def not_writable(path: Path, error: OSError) -> StoreError:
    """Word that nothing can be saved, before anything else is changed."""
    return StoreError(
        f"{path} cannot be written: {file_permissions.reason(error)}; {UNCHANGED}",
        hint=_write_hint(path, error),
        code=ErrorCode.STORE_NOT_SAVED,
    )


def shared(paths: StorePaths) -> StoreError:
    """Word that a store which others may read is not saved."""
    return StoreError(
        f"{paths.store} is open to other users, and therefore only read ({ALLOW_SHARED_STORE} is"
        f" set); {UNCHANGED}",
        hint="save it where it is kept, or work with a copy for you alone, as in"
        " `export OPBX_HOME=./opbx`",
        code=ErrorCode.STORE_NOT_SAVED,
    )


def not_confirmed(paths: StorePaths, error: OSError) -> StoreError:
    return StoreError(
        f"{paths.store} is saved and in place, but the system could not confirm that it is on"
        f" the disk ({file_permissions.reason(error)}): a power failure now may undo this change",
        hint=_write_hint(paths.store, error),
        code=ErrorCode.STORE_NOT_SAVED,
    )


def wrong_key(paths: StorePaths, key: KeySource | None, *, own_files: list[Path]) -> StoreError:
    """Word that no slot takes the key; `own_files` are the store's own key files."""
    present = [path for path in own_files if os.path.lexists(path)]
    if key is None:
        where = f"the key file {present[0]}" if present else f"the keys in {paths.keys}"
        hint = f"bring its own key back from a backup, {_GIVE_KEY}"
    elif present:
        where = key.variable
        hint = f"use the store's own key file: `unset {key.variable}`"
    else:
        where = key.variable
        hint = "set it to the key that this store was made with"
    return StoreError(
        f"wrong key: {where} does not open {paths.store} (the store itself looks whole)",
        hint=hint,
        code=ErrorCode.STORE_WRONG_KEY,
    )


def no_key(paths: StorePaths, *, own_files: list[Path], kinds: frozenset[SlotKind]) -> StoreError:
    """Word that no key can be had; `kinds` are those of the store's slots."""
    reasons = []
    if own_files:
        reasons.append("there is no " + " or ".join(str(path) for path in own_files))
    if SlotKind.KEYRING in kinds:
        reasons.append("the key ring of the operating system has no entry for it")
    if SlotKind.PASSPHRASE in kinds:
        reasons.append("its passphrase is asked for on a terminal only")
    reason = ", ".join(reasons) or "it is kept outside of opbx"
    hint = f"bring the key back from a backup, {_GIVE_KEY}"
    if SlotKind.PASSPHRASE in kinds:
        hint = f"run the same command on a terminal, {_GIVE_KEY}"
    return StoreError(
        f"no key for {paths.store}: {reason}, and {KEY_VARIABLE} is not set",
        hint=hint,
        code=ErrorCode.STORE_NO_KEY,
    )


def wrong_passphrase(paths: StorePaths) -> StoreError:
    return StoreError(
        f"wrong passphrase: it does not open {paths.store} (the store itself looks whole,"
        f" {UNCHANGED})",
        hint=f"try again, or {OTHER_WAYS}",
        code=ErrorCode.STORE_WRONG_KEY,
    )


def no_backup(paths: StorePaths) -> ConfigurationError:
    return ConfigurationError(
        f"there is no {paths.backup}: it is written by the second save; {UNCHANGED}",
        hint="`opbx profiles list` shows what is stored",
        code=ErrorCode.STORE_NO_BACKUP,
    )


def unfit_backup(paths: StorePaths, problem: UnfitStore) -> StoreError:
    hint = f"the store itself is whole; put its backup aside with `{_backup_away(paths)}`"
    if problem.code in (ErrorCode.STORE_NEWER, ErrorCode.STORE_LINE_ENDS):
        hint = _unfit_hint(paths, paths.backup, problem.code)
    return StoreError(
        f"the backup {paths.backup} {_WORDS[problem.code]}: {problem.reason}",
        hint=hint,
        code=problem.code,
    )


def backup_in_the_way(paths: StorePaths, error: StoreError) -> StoreError:
    """Word why nothing is rotated: a backup that stays behind would open with the old key."""
    return StoreError(
        f"the keys were not rotated, for the backup cannot be sealed anew: {error.message};"
        f" {UNCHANGED}",
        hint=f"put it aside with `{_backup_away(paths)}` (the old keys go on to open it)",
        code=error.code,
    )


def backup_not_rotated(paths: StorePaths, error: OSError) -> StoreError:
    return StoreError(
        f"{paths.store} is rotated and in place, but its backup {paths.backup} could not be"
        f" replaced: {file_permissions.reason(error)}; the old keys still open the backup, and"
        " were kept",
        hint="finish with `opbx key rotate`",
        code=ErrorCode.STORE_NOT_SAVED,
    )


def last_slot(paths: StorePaths) -> StoreError:
    return StoreError(
        f"nothing would open {paths.store} any more: this is its last key; {UNCHANGED}",
        hint="first add another one: `opbx key add --kind keyfile`",
        code=ErrorCode.STORE_LAST_KEY,
    )


def no_other_key(paths: StorePaths, others: list[str]) -> StoreError:
    return StoreError(
        f"none of the keys that would be left ({', '.join(others)}) is at hand to show that it"
        f" opens {paths.store}; {UNCHANGED}",
        hint=f"name one of them, as in `export {KEY_FILE_VARIABLE}=./store.key`, or add another"
        " one: `opbx key add --kind keyfile`",
        code=ErrorCode.STORE_LAST_KEY,
    )


def too_many_keys(paths: StorePaths, bound: str) -> StoreError:
    return StoreError(
        f"{paths.store} has {bound} already, which is as many as it may have; {UNCHANGED}",
        hint="`opbx key status` lists them; remove one of them",
        code=ErrorCode.STORE_TOO_MANY_KEYS,
    )


def keys_not_at_hand(slots: list[tuple[str, str]]) -> StoreError:
    """Word which slots cannot go on: pairs of an id and a kind."""
    words = ", ".join(f"{slot_id} ({kind})" for slot_id, kind in slots)
    drops = " ".join(f"--drop {slot_id}" for slot_id, _ in slots)
    return StoreError(
        f"these keys are not at hand, and would open the store no more: {words}; {UNCHANGED}",
        hint=f"name the key, as in `export {KEY_FILE_VARIABLE}=./store.key`, or leave them out on"
        f" purpose: `opbx key rotate {drops}`",
        code=ErrorCode.STORE_KEY_NOT_AT_HAND,
    )


def _backup_away(paths: StorePaths) -> str:
    aside = paths.backup.with_name(paths.backup.name + ".old")
    return f"mv {file_permissions.quoted(paths.backup)} {file_permissions.quoted(aside)}"


def _write_hint(path: Path, error: OSError) -> str:
    """Name what shows why a file cannot be written: its mode, how it is mounted, or the disk."""
    folder = file_permissions.quoted(path.parent)
    if not os.path.isdir(path.parent):  # noqa: PTH112  # `Path.is_dir` raises what is hinted at
        return "name a folder that you can write, as in `export OPBX_HOME=/srv/opbx`"
    if error.errno in (errno.EACCES, errno.EPERM):
        own = file_permissions.access_hint(path, error)
        return own or f"see whose the folder is with `ls -ld {folder}`"
    if error.errno == errno.EROFS:
        return "see with `mount` how its disk is mounted, and mount it for writing"
    if error.errno == errno.EBUSY:
        return f"the file is mounted by itself, and cannot be replaced: mount its folder {folder}"
    return f"look at the disk with `df -h {folder}`"


def _restoring(paths: StorePaths) -> str:
    return f"cp -p {file_permissions.quoted(paths.backup)} {file_permissions.quoted(paths.store)}"


def installed() -> Installation:
    """Look how opbx was installed, for a hint."""
    # 20 ms that no store costs which can be read.
    from opbx_cli.installation import installation  # noqa: PLC0415

    return installation()


def _unfit_hint(paths: StorePaths, path: Path, code: ErrorCode) -> str:
    if code == ErrorCode.STORE_LINE_ENDS:
        file, kept = map(file_permissions.quoted, (path, path.with_name(f"{path.name}.crlf")))
        return (
            f"nothing is lost: `cp -p {file} {kept} && tr -d '\\r' < {kept} > {file}` brings them "
            f"back; in a git repository, a line `{path.name} -text` in .gitattributes keeps them"
        )
    if code == ErrorCode.STORE_NEWER:
        return installed().upgrading()
    if os.path.lexists(paths.backup):
        return f"go back to the save before with `{_restoring(paths)}`"
    aside = paths.store.with_name(paths.store.name + ".damaged")
    moving = f"mv {file_permissions.quoted(paths.store)} {file_permissions.quoted(aside)}"
    return f"bring it back from a backup of yours, or start anew after `{moving}`"
