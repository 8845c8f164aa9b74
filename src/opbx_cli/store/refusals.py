"""The words for what a store refuses: what failed, where, what is intact, what to do next."""

from __future__ import annotations

import os
from pathlib import Path

from opbx_cli.errors import ConfigurationError, StoreError
from opbx_cli.store import file
from opbx_cli.store.document import UnfitStore
from opbx_cli.store.keys import KEY_FILE_VARIABLE, KEY_VARIABLE, KeySource
from opbx_cli.store.paths import StorePaths

INTACT = "the previous store is intact"
NOTHING_SAVED = "nothing was saved"

_GIVE_KEY = f"or name the file it is in: `export {KEY_FILE_VARIABLE}=PATH`"
_WORDS = {
    "store.altered": "was altered or damaged",
    "store.incomplete": "is not a complete store",
    "store.newer": "is not for this version of opbx",
}


def not_configured(paths: StorePaths) -> ConfigurationError:
    if os.path.lexists(paths.backup):
        return ConfigurationError(
            f"not configured: there is no {paths.store}, but its backup {paths.backup} is there",
            hint=f"bring it back with `{_restoring(paths)}`",
            code="store.missing",
        )
    return ConfigurationError(
        f"not configured: there is no {paths.store}",
        hint="save a first profile with `opbx configure`",
        code="store.missing",
    )


def backup_without_store(paths: StorePaths) -> StoreError:
    aside = paths.backup.with_name(paths.backup.name + ".old")
    away = f"mv {file.quoted(paths.backup)} {file.quoted(aside)}"
    return StoreError(
        f"{paths.store} is missing, but its backup {paths.backup} is there:"
        f" no new store was started (for that, first `{away}`)",
        hint=f"bring the backup back with `{_restoring(paths)}`",
        code="store.missing",
    )


def unfit(paths: StorePaths, problem: UnfitStore) -> StoreError:
    """Word why bytes on the disk are no store to work with."""
    return StoreError(
        f"{paths.store} {_WORDS[problem.code]}: {problem.reason}",
        hint=_unfit_hint(paths, problem.code),
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
        code="store.not_saved",
    )


def not_saved(path: Path, error: OSError, *, state: str) -> StoreError:
    return StoreError(
        f"{path} could not be written: {file.reason(error)}; {state}",
        hint=file.access_hint(path, error) or _disk_hint(path.parent),
        code="store.not_saved",
    )


def not_confirmed(paths: StorePaths, error: OSError) -> StoreError:
    return StoreError(
        f"{paths.store} is saved and in place, but the system could not confirm that it is on"
        f" the disk ({file.reason(error)}): a power failure now may undo this change",
        hint=_disk_hint(paths.config),
        code="store.not_saved",
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
        code="store.wrong_key",
    )


def no_key(paths: StorePaths, *, own_files: list[Path]) -> StoreError:
    expected = " or ".join(str(path) for path in own_files)
    missing = f"there is no {expected}" if own_files else "it is kept outside of opbx"
    return StoreError(
        f"no key for {paths.store}: {missing}, and {KEY_VARIABLE} is not set",
        hint=f"bring the key back from a backup, {_GIVE_KEY}",
        code="store.no_key",
    )


def _disk_hint(folder: Path) -> str:
    return f"look at the disk with `df -h {file.quoted(folder)}`"


def _restoring(paths: StorePaths) -> str:
    return f"cp -p {file.quoted(paths.backup)} {file.quoted(paths.store)}"


def _unfit_hint(paths: StorePaths, code: str) -> str:
    if code == "store.newer":
        return "bring opbx up to date with `pip install --upgrade opbx-cli`"
    if os.path.lexists(paths.backup):
        return f"go back to the save before with `{_restoring(paths)}`"
    aside = paths.store.with_name(paths.store.name + ".damaged")
    moving = f"mv {file.quoted(paths.store)} {file.quoted(aside)}"
    return f"bring it back from a backup of yours, or start anew after `{moving}`"
