"""The encrypted store of profiles: `store.toml`, its backup, its lock and its keys.

The file has a format of its own, one for all profiles, so that adding, removing and
changing them is one rename each. What it promises, and what it cannot: whoever has only
the store or its backup reads no key; any changed byte is noticed before a value is used;
a kill or a full disk leaves the old store or the new one. It does not protect from root,
from programs that run as the same user, or from an older store put back in its place.

Records of one run (a document, a match, what was opened) are neither compared nor printed:
dataclasses without `eq` and `repr` cost half as much at every start, and show no key.
"""

from opbx_cli.store.contents import SaveReport, StoreContents
from opbx_cli.store.key_slots import SlotKind
from opbx_cli.store.key_source import KeySource
from opbx_cli.store.os_keyring import OsKeyring
from opbx_cli.store.store import Store
from opbx_cli.store_paths import StorePaths, store_paths

__all__ = [
    "KeySource",
    "OsKeyring",
    "SaveReport",
    "SlotKind",
    "Store",
    "StoreContents",
    "StorePaths",
    "store_paths",
]
