"""Measure one store and one `apply` of 5,000 profiles; exit 1 if over a bound.

The sandbox is a process of its own, so that only the command's own memory is counted. Run with
`python benchmarks/fleet.py`, or with other numbers of profiles behind it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROFILES = 5000
MEBIBYTES_MAX = 250.0
READ_MAX = 1.0  # seconds
WRITE_MAX = 2.0  # seconds
# `apply` of a new domain: the domain and its applications, the application made, the domain's
# profile and default application set, and a last look at both. Of one in line: a look at both.
FIRST_REQUESTS = 7
AGAIN_REQUESTS = 2
SANDBOX = """
import json, sys
from opbx_cli.sandbox import Options, logs
from opbx_cli.sandbox.server import running

logs.REMEMBERED = 10**9  # all of them are counted
with running(Options.parse(domains=int(sys.argv[1]))) as sandbox:
    keys = [[one.uuid, one.api_key] for one in sandbox.domains]
    print(json.dumps({"url": sandbox.url, "domains": keys}), flush=True)
    for _line in sys.stdin:
        statuses = [request.status for request in sandbox.requests]
        print(json.dumps({"requests": len(statuses), "refused": statuses.count(429)}), flush=True)
        sandbox.forget_requests()
"""
STORE = """
import sys, time
from opbx_cli.store import KeySource, Store, store_paths

store = Store(store_paths(sys.argv[1]), KeySource.from_environment({}))
seconds = []
for work in (store.read, lambda: store.update(lambda contents: contents)):
    started = time.process_time()
    work()
    seconds.append(time.process_time() - started)
print(*seconds)
"""


class Sandbox:
    """A Cloudonix in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        said = json.loads(self._line())
        self.url: str = said["url"]
        self.domains: list[tuple[str, str]] = said["domains"]

    def requests(self) -> tuple[int, int]:
        """Return how many requests came since this was last asked, and how many got a 429."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        said = json.loads(self._line())
        return said["requests"], said["refused"]

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def sandbox(domains: int) -> Iterator[Sandbox]:
    with subprocess.Popen(  # our own program
        [sys.executable, "-c", SANDBOX, str(domains)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Sandbox(process)
        finally:
            process.kill()


@dataclass(frozen=True)
class Run:
    seconds: float
    processor: float  # seconds
    mebibytes: float  # at its peak
    code: int
    ok: int  # profiles that are in line


def run(home: Path, environ: dict[str, str], words: list[str]) -> Run:
    started = time.perf_counter()
    documents = home / "documents"
    with (
        documents.open("wb") as stdout,
        subprocess.Popen(
            [sys.executable, "-m", "opbx_cli", *words, "--json"], env=environ, stdout=stdout
        ) as process,
    ):
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    results = [json.loads(line)["result"] for line in documents.read_text().splitlines()]
    seconds = time.perf_counter() - started
    return Run(
        seconds,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / 1024,
        process.returncode,
        results.count("ok"),
    )


def manifest(home: Path, cloudonix: Sandbox) -> tuple[Path, dict[str, str]]:
    """Write a manifest of all domains; return its path, and the environment with the keys."""
    tables, keys = [], {}
    for number, (uuid, key) in enumerate(cloudonix.domains):
        keys[f"KEY_{number:05}"] = key
        tables.append(
            f'[profile."customer-{number:05}"]\n'
            f'domain_uuid = "{uuid}"\n'
            f'domain_api_key_env = "KEY_{number:05}"\n'
            f'webhook_base_url = "https://pbx.example.com"\n'
            f'api_base_url = "{cloudonix.url}"\n'
        )
    path = home / "manifest.toml"
    path.write_text("\n".join(tables))
    return path, keys


class Table:
    """Prints rows as they are measured, and remembers whether all bounds hold."""

    def __init__(self, profiles: int) -> None:
        self.holds = True
        self._profiles = profiles

    def row(self, what: str, measured: str, *, fits: bool = True) -> None:
        self.holds = self.holds and fits
        over = "" if fits else "  <-- over"
        print(f"{self._profiles:5} profiles, {what:24}  {measured}{over}", flush=True)


def applied(table: Table, home: Path, cloudonix: Sandbox) -> None:
    profiles = len(cloudonix.domains)
    path, keys = manifest(home, cloudonix)
    environ = {**os.environ, **keys, "OPBX_HOME": str(home / "opbx")}
    for words, each in (
        ([], FIRST_REQUESTS),
        ([], AGAIN_REQUESTS),
        (["--check"], AGAIN_REQUESTS),
        (["--no-store", "--check"], AGAIN_REQUESTS),
    ):
        done = run(home, environ, ["apply", str(path), *words])
        asked, refused = cloudonix.requests()
        what = " ".join(["first apply" if each == FIRST_REQUESTS else "apply", *words])
        table.row(what, f"{done.seconds:.1f} s, {done.processor:.1f} s of the processor")
        table.row(
            what,
            f"{done.mebibytes:.0f} MiB (bound {MEBIBYTES_MAX:.0f})",
            fits=done.mebibytes <= MEBIBYTES_MAX,
        )
        table.row(
            what,
            f"{asked} requests (bound {each * profiles}), {refused} answered with 429, "
            f"exit {done.code}",
            fits=asked <= each * profiles and (done.code, done.ok, refused) == (0, profiles, 0),
        )


def stored(table: Table, home: Path) -> None:
    timed = subprocess.run(
        [sys.executable, "-c", STORE, str(home)], capture_output=True, text=True, check=True
    )
    for what, seconds, bound in zip(
        ("store read", "store written"), timed.stdout.split(), (READ_MAX, WRITE_MAX), strict=True
    ):
        took = float(seconds)
        table.row(what, f"{took:.2f} s of the processor (bound {bound:.0f})", fits=took <= bound)
    text = (home / "store.toml").read_text()
    saves = int(text.partition("generation = ")[2].split()[0]) - 1
    history = subprocess.run(
        [sys.executable, "-m", "opbx_cli", "profiles", "history", "--json"],
        env={**os.environ, "OPBX_HOME": str(home)},
        capture_output=True,
        check=True,
    )
    said = json.loads(history.stdout)
    entries, problems = len(said["entries"]), said["warnings"]
    table.row("audit trail", f"{entries} entries, {len(problems)} problems", fits=not problems)
    table.row("store", f"{len(text) / 1024**2:.1f} MiB (it may have 16), saved {saves} times")


def main() -> None:
    holds = []
    for profiles in [int(word) for word in sys.argv[1:]] or [PROFILES]:
        table = Table(profiles)
        with tempfile.TemporaryDirectory() as folder, sandbox(profiles) as cloudonix:
            applied(table, Path(folder), cloudonix)
            stored(table, Path(folder, "opbx"))
        holds.append(table.holds)
    sys.exit(0 if all(holds) else 1)


if __name__ == "__main__":
    main()
