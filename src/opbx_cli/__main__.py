"""Entry point: `opbx`, and `python -m opbx_cli`."""

import gc
import importlib
import os
import sys
from collections.abc import Callable

# Loading makes ten thousands of objects, and no garbage: looking for it after each 700, as Python
# does, is a tenth of what a short command takes.
OBJECTS_BETWEEN_COLLECTIONS = 50_000


def main() -> None:
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    try:
        code = _program(sys.argv[1:])()
    except KeyboardInterrupt:
        code = 130
    # The end of Python looks for garbage in all that was loaded, several times: a seventh of
    # what a short command takes. The system takes everything back anyway.
    gc.freeze()
    sys.exit(code)


def _program(argv: list[str]) -> Callable[[], int]:
    """Load what is to run, here, so that Ctrl-C meanwhile (40 ms) shows no traceback either.

    Somebody waits at each Tab: completion does without the commands.
    """
    if argv[:1] == ["__complete"]:
        answers = importlib.import_module("opbx_cli.completion.answers")
        return lambda: answers.complete(argv, os.environ, sys.stdin.buffer, sys.stdout.buffer)
    main = importlib.import_module("opbx_cli.cli.main")
    return lambda: main.run(argv, os.environ, protect=_protect)


def _protect() -> None:
    # 2 ms, for ctypes: what reads no key does without.
    from opbx_cli.cli.hardening import protect_memory  # noqa: PLC0415

    protect_memory()


if __name__ == "__main__":
    main()
