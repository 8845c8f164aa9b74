"""`make fuzz` harms nobody's computer: a parser that asks for too much memory is a finding."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *argv],
        env={**os.environ, "PYTHONPATH": f"{HERE}:{HERE / 'helpers'}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps the limit")
def test_fuzzing_bounds_its_memory_and_says_so() -> None:
    done = run("-m", "fuzz", "0.2")
    first, *targets = done.stdout.splitlines()
    assert first == "memory\t2,048 MiB at most"
    assert targets


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps the limit")
def test_too_much_memory_is_refused() -> None:
    done = run("-c", "import fuzz.__main__ as fuzz; fuzz.bound_memory(); bytearray(3 * 1024**3)")
    assert done.stderr.splitlines()[-1] == "MemoryError"
