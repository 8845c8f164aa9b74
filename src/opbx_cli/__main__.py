"""Entry point: `opbx`, and `python -m opbx_cli`."""

import gc
import os
import sys

# Loading makes ten thousands of objects, and no garbage: looking for it after each 700, as Python
# does, is a tenth of what a short command takes.
OBJECTS_BETWEEN_COLLECTIONS = 50_000


def main() -> None:
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    try:
        # Here, so that Ctrl-C while it loads (40 ms) shows no traceback either.
        from opbx_cli.cli.main import run  # noqa: PLC0415

        code = run(sys.argv[1:], os.environ, protect=_protect)
    except KeyboardInterrupt:
        code = 130
    # The end of Python looks for garbage in all that was loaded, several times: a seventh of
    # what a short command takes. The system takes everything back anyway.
    gc.freeze()
    sys.exit(code)


def _protect() -> None:
    # 2 ms, for ctypes: what reads no key does without.
    from opbx_cli.cli.hardening import protect_memory  # noqa: PLC0415

    protect_memory()


if __name__ == "__main__":
    main()
