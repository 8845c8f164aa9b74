"""Entry point: `opbx`, and `python -m opbx_cli`."""

import os
import sys

from opbx_cli.cli.hardening import protect_memory
from opbx_cli.cli.main import run


def main() -> None:
    sys.exit(run(sys.argv[1:], os.environ, protect=protect_memory))


if __name__ == "__main__":
    main()
