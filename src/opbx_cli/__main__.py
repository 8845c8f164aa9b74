"""Entry point: `opbx`, and `python -m opbx_cli`."""

import gc
import os
import sys


def main() -> None:
    try:
        # Here, so that Ctrl-C while they load shows no traceback either.
        from opbx_cli.cli.hardening import protect_memory
        from opbx_cli.cli.main import run

        code = run(sys.argv[1:], os.environ, protect=protect_memory)
    except KeyboardInterrupt:
        code = 130
    # The end of Python looks for garbage in all that was loaded, several times: a seventh of
    # what a short command takes. The system takes everything back anyway.
    gc.freeze()
    sys.exit(code)


if __name__ == "__main__":
    main()
