"""Measure what the project promises about time and memory, and print one table.

Start-up is compared with a two-command Typer app in the same environment, run by turns
with ours, so that the machine's mood falls on both. Run with `make bench`.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from opbx_cli.sandbox import Options
from opbx_cli.sandbox.server import RunningSandbox, running

RUNS = 15
TWO_COMMANDS = """
import typer

app = typer.Typer()


@app.command()
def first(number: int = 1) -> None:
    print(number)


@app.command()
def second(number: int = 1) -> None:
    print(number)


app()
"""

ONE_GET = """
import os
import httpx

domain, key = os.environ["OPBX_DOMAIN_UUID"], os.environ["OPBX_DOMAIN_API_KEY"]
url = f"{os.environ['CLOUDONIX_API_BASE_URL']}/customers/self/domains/{domain}/trunks"
with httpx.Client(headers={"Authorization": f"Bearer {key}"}) as client:
    answer = client.get(url)
    answer.raise_for_status()
    for trunk in answer.json():
        print(trunk["name"])
"""


class Bench:
    """A home, a sandbox, and rows of results."""

    def __init__(self, home: Path, sandbox: RunningSandbox) -> None:
        self.sandbox = sandbox
        self.minimal = home / "two_commands.py"
        self.minimal.write_text(TWO_COMMANDS)
        self.one_get = home / "one_get.py"
        self.one_get.write_text(ONE_GET)
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.environ = {**kept, "OPBX_HOME": str(home / "opbx")}
        self.rows: list[tuple[str, str, str, bool]] = []
        self.opbx = [str(Path(sys.executable).with_name("opbx"))]
        domain = sandbox.domains[0]
        self.run(
            [
                *self.opbx,
                "configure",
                "--domain-uuid",
                domain.uuid,
                "--api-key-stdin",
                "--api-base-url",
                sandbox.url,
                "--webhook-base-url",
                "https://pbx.example.com",
            ],
            stdin=domain.api_key,
        )

    def run(self, argv: list[str], *, stdin: str = "") -> float:
        """Run a command; return its seconds."""
        started = time.perf_counter()
        done = subprocess.run(  # our own command
            argv, input=stdin, env=self.environ, capture_output=True, text=True, check=False
        )
        elapsed = time.perf_counter() - started
        if done.returncode != 0:
            sys.exit(f"{' '.join(argv)}: exit {done.returncode}\n{done.stderr}")
        return elapsed

    def row(self, what: str, measured: str, bound: str, *, holds: bool) -> None:
        self.rows.append((what, measured, bound, holds))

    def start_up(self, words: list[str], base_words: list[str], bound: float) -> None:
        """Compare a command with a two-command Typer app."""
        self._compare(words, [self.minimal, *base_words], "a two-command app", bound)

    def one_request(self, words: list[str], bound: float) -> None:
        """Compare a command that sends one request with a script that sends the same."""
        self._compare(words, [self.one_get], "a script with httpx alone", bound)

    def _compare(
        self, words: list[str], script: Sequence[str | Path], than: str, bound: float
    ) -> None:
        base, ours = [], []
        for _ in range(RUNS):
            base.append(self.run([sys.executable, *map(str, script)]))
            ours.append(self.run([*self.opbx, *words]))
        ratio = statistics.median(ours) / statistics.median(base)
        self.row(
            f"opbx {' '.join(words)}",
            f"{statistics.median(ours) * 1000:.0f} ms, {ratio:.2f}x of {than}'s "
            f"{statistics.median(base) * 1000:.0f} ms",
            f"{bound}x",
            holds=ratio <= bound,
        )

    def tab(self, line: str, bound: float) -> None:
        """Press Tab behind a line, as bash does; `bound` is in milliseconds."""
        argv = [*self.opbx, "__complete", "bash"]
        seconds = [self.run(argv, stdin=f" =:\0{line}\0") for _ in range(RUNS)]
        took = min(seconds) * 1000  # what it takes where nothing else runs
        self.row(f"Tab behind `{line}`", f"{took:.0f} ms", f"{bound:.0f} ms", holds=took <= bound)

    def round_trips(self, words: list[str], bound: int) -> None:
        """Count the calls that had to wait for one another, from the sandbox's record."""
        self.sandbox.forget_requests()
        self.run([*self.opbx, *words])
        count, end = 0, 0.0
        for request in sorted(self.sandbox.requests, key=lambda entry: entry.started):
            if request.started >= end:
                count += 1
                end = request.ended or request.started
        self.row(
            f"opbx {' '.join(words)}: round trips", str(count), str(bound), holds=count <= bound
        )


def many_trunks(bench: Bench) -> None:
    with running(Options.parse(trunks=10_000, rate_limit=False)) as sandbox:
        domain = sandbox.domains[0]
        argv = [*bench.opbx, "trunks", "list", "--json", "--direction", "all"]
        environ = {
            **bench.environ,
            "CLOUDONIX_API_BASE_URL": sandbox.url,
            "OPBX_DOMAIN_UUID": domain.uuid,
            "OPBX_DOMAIN_API_KEY": domain.api_key,
        }
        seconds = []
        peak = 0.0
        for _ in range(3):
            started = time.perf_counter()
            with subprocess.Popen(argv, env=environ, stdout=subprocess.DEVNULL) as process:
                _pid, _status, usage = os.wait4(process.pid, 0)
            seconds.append(time.perf_counter() - started)
            peak = max(peak, usage.ru_maxrss / 1024)
    median = statistics.median(seconds)
    bench.row("trunks list, 10,000 trunks", f"{median:.2f} s", "2.5 s", holds=median <= 2.5)
    bench.row("trunks list, 10,000 trunks", f"{peak:.0f} MiB", "200 MiB", holds=peak <= 200)


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Options.parse(rate_limit=False, latency=0.1)) as sandbox,
    ):
        bench = Bench(Path(folder), sandbox)
        bench.start_up(["--version"], ["first"], 1.1)
        bench.start_up(["webhook-url", "--endpoint", "base"], ["first"], 1.4)
        bench.start_up(["--help"], ["--help"], 0.5)
        bench.tab("opbx trunks list --direction ", 100)
        bench.tab("opbx validate --profile ", 100)
        bench.round_trips(["validate"], 5)
        bench.round_trips(["validate"], 2)
        bench.round_trips(["trunks", "list"], 1)
        many_trunks(bench)
        with running(Options.parse(rate_limit=False)) as quick:
            bench.environ |= {
                "CLOUDONIX_API_BASE_URL": quick.url,
                "OPBX_DOMAIN_UUID": quick.domains[0].uuid,
                "OPBX_DOMAIN_API_KEY": quick.domains[0].api_key,
            }
            bench.one_request(["trunks", "list"], 1.25)
    width = max(len(row[0]) for row in bench.rows)
    for what, measured, bound, holds in bench.rows:
        print(f"{what:{width}}  {measured} (bound {bound}){'' if holds else '  <-- over'}")
    sys.exit(0 if all(row[3] for row in bench.rows) else 1)


if __name__ == "__main__":
    main()
