"""A local, stateful Cloudonix API for trials and tests: it speaks HTTP, and knows no client.

Importing this package is cheap: `opbx_cli.sandbox.server`, which loads the web server, is not
imported here.
"""

from __future__ import annotations

from opbx_cli.sandbox.faults import Call, Fault, FaultKind
from opbx_cli.sandbox.opbx.account import CREDENTIALS as OPBX_CREDENTIALS
from opbx_cli.sandbox.opbx.account import OpbxCredentials
from opbx_cli.sandbox.opbx.variants import OpbxVariants
from opbx_cli.sandbox.options import HOST, DomainCredentials, Options, Variants, credentials

__all__ = [
    "HOST",
    "OPBX_CREDENTIALS",
    "Call",
    "DomainCredentials",
    "Fault",
    "FaultKind",
    "OpbxCredentials",
    "OpbxVariants",
    "Options",
    "Variants",
    "credentials",
]
