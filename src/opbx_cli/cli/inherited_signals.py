"""Which signals this process was started to ignore or to block, for what it becomes.

A program keeps both over exec(2): `nohup` relies on it. What Python and opbx changed on top
of that is theirs alone. Handlers need no care: exec(2) takes them away.
"""

from __future__ import annotations

import signal
import sys

# Python ignores these at its start, so that what was there before cannot be known any more;
# programs expect the default, and subprocess of the standard library assumes it, too.
IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFSZ", "SIGXFZ")


class InheritedSignals:
    """Made before opbx changes any signal's disposition."""

    def __init__(self) -> None:
        if sys.platform == "win32":
            return
        pythons = {getattr(signal, name, None) for name in IGNORED_BY_PYTHON}
        self._ignored = _ignored() - pythons
        self._blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    def restore(self) -> None:
        """Give the dispositions back, for the program that takes this one's place."""
        if sys.platform == "win32":
            return
        for number in _ignored() - self._ignored:
            signal.signal(number, signal.SIG_DFL)
        for number in self._ignored:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._blocked)


def _ignored() -> set[int]:
    return {one for one in signal.valid_signals() if signal.getsignal(one) is signal.SIG_IGN}
