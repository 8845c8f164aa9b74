"""Fuzz every parser for a share of the time: `make fuzz SECONDS=60`."""

from __future__ import annotations

import sys
import time
import traceback

from hypothesis import HealthCheck, given, settings

from fuzz.inputs import Target, check, inputs_of
from fuzz.targets import TARGETS

ROUND = 40  # examples of Hypothesis, which has no time limit of its own


def main() -> int:
    seconds = float(sys.argv[1]) / len(TARGETS)
    return max([_fuzz(target, seconds) for target in TARGETS])


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
