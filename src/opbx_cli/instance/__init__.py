"""OPBX itself: its API for the organisation's settings, typed."""

from opbx_cli.instance.client import InstanceAccess, InstanceClient
from opbx_cli.instance.models import InstanceSettings, InstanceUser, SignedIn, Written

__all__ = [
    "InstanceAccess",
    "InstanceClient",
    "InstanceSettings",
    "InstanceUser",
    "SignedIn",
    "Written",
]
