"""Measure the store: 1,000 profiles read and written, three opened and sealed, a bomb refused.

Prints one table and exits non-zero where a figure is over its bound. Times are the
processor's, for this process alone, and the best of several runs: what the code costs,
not what else the machine does. Run with `make bench`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from opbx_cli.errors import StoreError
from opbx_cli.models import ApplicationReference, KeyMemory, KeyState, RecordingFormat, Secret
from opbx_cli.settings.table import Settings
from opbx_cli.store import SlotKind, Store, StoreContents, StorePaths, store_paths

RUNS = 15


def settings(number: int) -> Settings:
    return Settings(
        domain_uuid=f"6b1f0c2e-0000-4000-8000-{number:012d}",
        domain_name=f"number-{number}.example.net",
        domain_api_key=Secret("XI" + "0123456789abcdef" * 2),
        webhook_api_key=Secret(f"webhook-key-number-{number:08d}"),
        webhook_base_url="https://pbx.example.net",
        no_answer_timeout=45,
        recording_format=RecordingFormat.WAV,
        voice_application=ApplicationReference(id=number, uuid=None, name="opbx"),
        webhook_key_memory=KeyMemory(KeyState.SENT, "fp:0a1b2c3d"),
    )


def saved(home: Path, profiles: int) -> StorePaths:
    paths = store_paths(str(home))
    everything = {f"profile-{number}": settings(number) for number in range(profiles)}
    Store(paths).update(lambda old: old._replace(profiles=everything), create=True)
    return paths


def best(call: Callable[[], object]) -> float:
    """Return the processor's seconds of the quickest of several runs."""
    seconds = []
    for _ in range(RUNS):
        started = time.process_time()
        call()
        seconds.append(time.process_time() - started)
    return min(seconds)


def unchanged(contents: StoreContents) -> StoreContents:
    return contents


def refused(paths: StorePaths) -> float:
    """Time the refusal of a store that asks for ten times the memory it may."""
    Store(paths).keys.add(SlotKind.PASSPHRASE, passphrase=Secret("correct horse battery"))
    text = paths.store.read_text(encoding="utf-8")
    paths.store.write_text(text.replace("= 65536", "= 10485760"), encoding="utf-8")

    def try_it() -> None:
        try:
            Store(paths, ask_passphrase=lambda: Secret("correct horse battery")).read()
        except StoreError:
            return
        sys.exit("a store that asks for 10 GiB was opened")

    return best(try_it)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        many, few = saved(Path(folder, "many"), 1000), saved(Path(folder, "few"), 3)
        rows = [
            ("1,000 profiles: read", best(lambda: Store(many).read()), 0.25),
            ("1,000 profiles: write", best(lambda: Store(many).update(unchanged)), 0.5),
            ("3 profiles: open and seal", best(lambda: Store(few).update(unchanged)), 0.015),
            ("a KDF bomb: refused", refused(few), 0.1),
        ]
    for what, seconds, bound in rows:
        over = "" if seconds <= bound else "  <-- over"
        print(f"{what:26}  {seconds * 1000:6.1f} ms (bound {bound * 1000:.0f} ms){over}")
    sys.exit(0 if all(seconds <= bound for _, seconds, bound in rows) else 1)


if __name__ == "__main__":
    main()
