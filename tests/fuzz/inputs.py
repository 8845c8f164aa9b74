"""Inputs that are nearly right, and what no parser may do with any input.

Hypothesis and not a coverage-guided fuzzer such as atheris: it runs wherever opbx does, reduces
what it finds to the smallest input, and the edits below reach further into JSON, TOML and HTTP
than single bytes would, most of which a tokenizer in C takes, where no coverage is seen.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hypothesis import strategies as st

# In the shape of Cloudonix's API keys. Samples and edits are full of it; no message may be.
CANARY = "XI0canary1canary2canary3canary4cany"[:34]
SHOWN_MAX = 1000  # characters of one text that a parser has to say
CPU_SECONDS = 2.0  # for one input; time on the processor, so that a busy machine raises no alarm
INPUT_MAX = 1024 * 1024  # bytes, about

_PIECES = re.compile(rb'"[^"\r\n]*"|[A-Za-z0-9_]+|\s+|.', re.DOTALL)
_EDITS = range(6)
_TIMES = (*(1,) * 24, 2, 20, 1_000, 100_000)  # how often in a row an edit puts what it puts
_FOR_ALL = (b"", b"\0", b"\n", b"\xff", b"\xe2\x80\xae", b"9", b"-", b'"', CANARY.encode())


class Unbounded(Exception):
    """An input kept the parser busy for too long, or made it say too much."""


class Leaked(Exception):
    """What a parser said repeats the input."""


@dataclass(frozen=True)
class Target:
    """A parser: what it takes, the words that mean something to it, and how it is called.

    `read` returns what people may see of the outcome, texts of its errors above all. It lets
    no error through but those that nobody has promised.
    """

    name: str
    samples: tuple[bytes, ...]
    words: tuple[bytes, ...]
    read: Callable[[bytes], Iterable[str]]


def inputs_of(target: Target) -> st.SearchStrategy[bytes]:
    """Return samples with a few edits, and now and then bytes that are nothing at all."""
    return st.one_of(_edited(target), _edited(target), _edited(target), st.binary(max_size=64))


def check(target: Target, data: bytes) -> None:
    """Have the parser read one input. Raises whatever is wrong with how it does."""
    for text in _in_bounded_time(target, data):
        if CANARY in text:
            raise Leaked(text)
        if len(text) > SHOWN_MAX:
            raise Unbounded(f"{len(text)} characters: {text[:80]}…")


@st.composite
def _edited(draw: st.DrawFn, target: Target) -> bytes:
    pieces = _PIECES.findall(draw(st.sampled_from(target.samples)))
    words = st.sampled_from((*target.words, *_FOR_ALL))
    for _ in range(draw(st.sampled_from(_EDITS))):
        start = draw(st.integers(0, len(pieces)))
        stop = start + draw(st.sampled_from((0, 0, 1, 1, 1, 2, 8)))
        new = draw(st.one_of(words, words, st.sampled_from(pieces or [b""]), st.binary(max_size=4)))
        fitting = INPUT_MAX // max(1, len(new))  # a piece may be large already
        pieces[start:stop] = [new * min(draw(st.sampled_from(_TIMES)), fitting)]
    return b"".join(pieces)[:INPUT_MAX]


def _in_bounded_time(target: Target, data: bytes) -> tuple[str, ...]:
    def expire(*_: object) -> None:
        raise Unbounded(f"more than {CPU_SECONDS} seconds")

    before = signal.signal(signal.SIGPROF, expire)
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    try:
        return tuple(target.read(data))
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
