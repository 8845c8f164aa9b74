"""Requests to end: Ctrl-C, SIGTERM (a cancelled job, `docker stop`) and SIGHUP (a lost terminal).

Each becomes a `KeyboardInterrupt`, at once while nothing is being written, and otherwise
after the write under way, so that what was changed can be said and recorded.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from opbx_cli.errors import HungUp, Interrupted, Terminated

PATIENCE = 5.0  # seconds that a write may still take; then it is given up
HANDLED = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Signals:
    """The requests to end that this process has had."""

    def __init__(self) -> None:
        self.received: int | None = None  # the number of the first signal
        self._held = 0
        self._is_raised = False
        self._notify: Callable[[], None] | None = None

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Turn signals into exceptions; one that is ignored (`nohup`) stays ignored.

        Only the main thread hears signals; in another one nothing changes.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        defaults = (signal.SIG_DFL, signal.default_int_handler)
        before = {
            number: signal.getsignal(number)
            for number in HANDLED
            if signal.getsignal(number) in defaults
        }
        for number in before:
            signal.signal(number, self._hear)
        try:
            yield
        finally:
            self._stop_waiting()
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let a request wait until the block ends, `PATIENCE` at most; a second one does not."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            if not self._held:
                self._stop_waiting()

    @contextmanager
    def passed_to(self, notify: Callable[[], None]) -> Iterator[None]:
        """Call `notify` for the first request, in place of an exception; a second one raises."""
        self._notify = notify
        try:
            yield
        finally:
            self._notify = None

    def named(self, error: Interrupted) -> Interrupted:
        """Return the error with the exit code of the signal that asked for it."""
        kinds = {getattr(signal, "SIGTERM", 0): Terminated, getattr(signal, "SIGHUP", 0): HungUp}
        kind = kinds.get(self.received or -1)
        return error if kind is None else kind(error.message, hint=error.hint, code=error.code)

    def check(self) -> None:
        """Raise `KeyboardInterrupt` if a request waits."""
        if self.received is not None and not self._is_raised:
            self._is_raised = True
            raise KeyboardInterrupt

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        is_first = self.received is None
        self.received = self.received or number
        if is_first and self._notify is not None:
            self._notify()
            return
        if is_first and self._held:
            self._wait()
            return
        self._is_raised = True
        raise KeyboardInterrupt

    def _wait(self) -> None:
        if not hasattr(signal, "SIGALRM"):  # Windows: the write's own time-out has to do
            return
        signal.signal(signal.SIGALRM, self._give_up)
        signal.setitimer(signal.ITIMER_REAL, PATIENCE)

    def _give_up(self, _number: int, _frame: FrameType | None) -> None:
        self._is_raised = True
        raise KeyboardInterrupt

    def _stop_waiting(self) -> None:
        if hasattr(signal, "SIGALRM") and self.received is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
