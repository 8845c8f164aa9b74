"""Keep this process's memory to itself: called before a key is read into it."""

from __future__ import annotations

import sys

if sys.platform != "win32":
    import ctypes
    import resource

PR_SET_DUMPABLE = 4  # prctl(2)


def protect_memory() -> None:
    """Switch core dumps off and, on Linux, refuse other programs of the same user.

    Root can still look. Where the system does not offer this, nothing is lost but it.
    """
    if sys.platform == "win32":
        return
    _soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    if sys.platform == "linux":
        prctl = getattr(ctypes.CDLL(None), "prctl", None)
        if prctl is not None:
            prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
