"""Fuzz every parser for a share of the time, in bounded memory: `make fuzz SECONDS=60`."""

from __future__ import annotations

import sys
import time
import traceback

from hypothesis import HealthCheck, given, settings

from fuzz.inputs import Target, check, inputs_of
from fuzz.targets import TARGETS

if sys.platform != "win32":
    import resource

MEMORY_MAX = 2 * 1024**3  # bytes of addresses; what a parser may take is far below
ROUND = 40  # examples of Hypothesis, which has no time limit of its own


def main() -> int:
    sys.stdout.write(f"memory\t{bound_memory()}\n")
    seconds = float(sys.argv[1]) / len(TARGETS)
    return max([_fuzz(target, seconds) for target in TARGETS])


def bound_memory() -> str:
    """Have what takes too much memory fail here, rather than bring the computer down; say so."""
    if sys.platform != "linux":  # macOS takes the limit and does not keep it
        return "not bounded on this system"
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = MEMORY_MAX if hard == resource.RLIM_INFINITY else min(MEMORY_MAX, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    return f"{limit // 1024**2:,} MiB at most"


def _fuzz(target: Target, seconds: float) -> int:
    """Run rounds until the time is over; return 1 if something was found."""
    start, count, failed = time.monotonic(), 0, 0

    @settings(
        max_examples=ROUND, deadline=None, database=None, suppress_health_check=[*HealthCheck]
    )
    @given(inputs_of(target))
    def one_round(data: bytes) -> None:
        nonlocal count
        if time.monotonic() - start < seconds or failed:
            count += 1
            check(target, data)

    while not failed and time.monotonic() - start < seconds:
        try:
            one_round()
        except Exception:  # noqa: BLE001  # whatever it is, it is a finding
            traceback.print_exc()
            failed = 1
    rate = count / (time.monotonic() - start) * 60
    outcome = "FAILED" if failed else "ok"
    sys.stdout.write(f"{target.name}\t{count} examples\t{rate:,.0f} a minute\t{outcome}\n")
    sys.stdout.flush()
    return failed


if __name__ == "__main__":
    sys.exit(main())
