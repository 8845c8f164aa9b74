"""Measure `opbx validate --all` over 500 domains that answer after 50 ms; exit 1 if over a bound.

The sandbox is a process of its own, so that only the command's own memory is counted. Run with
`python benchmarks/many_domains.py`, or with another number of domains behind it.
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
from pathlib import Path

DOMAINS = 500
SECONDS_MAX = 30.0
MEBIBYTES_MAX = 150.0
SANDBOX = """
import json, sys, time
from opbx_cli.sandbox import Options
from opbx_cli.sandbox.server import running

with running(Options.parse(domains=int(sys.argv[1]), latency=0.05)) as sandbox:
    keys = [[one.uuid, one.api_key] for one in sandbox.domains]
    print(json.dumps({"url": sandbox.url, "domains": keys}), flush=True)
    sys.stdin.read()
    refused = sum(request.status == 429 for request in sandbox.requests)
    print(json.dumps({"requests": len(sandbox.requests), "refused": refused}), flush=True)
"""
STORE = """
import json, sys
from opbx_cli.models import Secret
from opbx_cli.settings.table import Settings
from opbx_cli.operations.configure import new_webhook_key
from opbx_cli.operations.profiles import put
from opbx_cli.store import KeySource, Store, store_paths

given = json.load(sys.stdin)

def filled(contents):
    for number, (uuid, key) in enumerate(given["domains"]):
        contents = put(contents, f"customer-{number:04}", Settings(
            domain_uuid=uuid, domain_api_key=Secret(key), webhook_api_key=new_webhook_key(),
            webhook_base_url="https://pbx.example.com", api_base_url=given["url"]))
    return contents

Store(store_paths(sys.argv[1]), KeySource.from_environment({})).update(filled, create=True)
"""


@contextmanager
def sandbox(domains: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with subprocess.Popen(  # our own program
        [sys.executable, "-c", SANDBOX, str(domains)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline()
        finally:
            process.kill()


def measured(home: Path, *options: str) -> tuple[float, float, int]:
    """Run the command; return seconds, peak MiB and the exit code."""
    argv = [sys.executable, "-m", "opbx_cli", "validate", "--all", "--json", *options]
    environ = {**os.environ, "OPBX_HOME": str(home)}
    started = time.perf_counter()
    with (
        (home / "documents").open("wb") as documents,
        subprocess.Popen(argv, env=environ, stdout=documents) as process,
    ):
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return time.perf_counter() - started, usage.ru_maxrss / 1024, process.returncode


def main() -> None:
    domains = int(sys.argv[1]) if len(sys.argv) > 1 else DOMAINS
    holds = True
    with tempfile.TemporaryDirectory() as folder, sandbox(domains) as (process, given):
        home = Path(folder) / "home"
        subprocess.run([sys.executable, "-c", STORE, str(home)], input=given, text=True, check=True)
        for what, options in (("first run", ()), ("second run", ()), ("--check", ("--check",))):
            seconds, mebibytes, code = measured(home, *options)
            lines = (home / "documents").read_text().splitlines()
            fits = seconds <= SECONDS_MAX and mebibytes <= MEBIBYTES_MAX and code == 0
            holds = (
                holds and fits and [json.loads(one)["result"] for one in lines] == ["ok"] * domains
            )
            print(
                f"validate --all, {domains} domains, {what}: {seconds:.1f} s (bound "
                f"{SECONDS_MAX:.0f}), {mebibytes:.0f} MiB (bound {MEBIBYTES_MAX:.0f}), exit {code}"
            )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        asked = json.loads(process.stdout.readline())
        print(f"requests {asked['requests']}, of them answered with 429: {asked['refused']}")
        holds = holds and asked["refused"] == 0
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
