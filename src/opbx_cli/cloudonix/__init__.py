"""The Cloudonix API: one typed client over one retrying transport."""

from opbx_cli.cloudonix.client import Access, Client
from opbx_cli.cloudonix.failures import Hints
from opbx_cli.cloudonix.sandbox_client import SandboxClient
from opbx_cli.http.limiter import Limiters
from opbx_cli.http.retries import Exchange, Pace

__all__ = ["Access", "Client", "Exchange", "Hints", "Limiters", "Pace", "SandboxClient"]
