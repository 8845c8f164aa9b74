"""Entry point: `opbx`, and `python -m opbx_cli`."""

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
    sys.exit(code)


if __name__ == "__main__":
    main()
