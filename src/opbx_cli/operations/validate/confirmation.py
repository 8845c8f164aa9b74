"""Writes of the domain, each confirmed by what its answer or a fresh look shows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from opbx_cli.errors import NotFoundError, RemoteError
from opbx_cli.operations.validate.steps import confirmed, not_applied
from opbx_cli.remote import Domain

if TYPE_CHECKING:
    from opbx_cli.cloudonix import Client
    from opbx_cli.models import RemoteId


def confirmed_domain(
    client: Client, write: Callable[[], Domain | None], differs: Callable[[Domain], object]
) -> Domain:
    """Write; return the domain as the answer shows it, or as a fresh look does."""
    shown = confirmed(
        write, client.get_domain, lambda domain: domain is None or bool(differs(domain))
    )
    assert shown is not None
    return shown


def put_in_charge(client: Client, identifier: RemoteId | None) -> Domain:
    """Have an application take the calls, or with None no one; return the domain as it is then.

    The sources disagree which method is right, so both are tried. Raises `RemoteError` where
    Cloudonix did not do what it accepted.
    """

    def differs(domain: Domain) -> bool:
        return domain.default_application != identifier

    for method in ("PUT", "PATCH"):
        try:
            domain = confirmed_domain(
                client, partial(client.set_default_application, identifier, method=method), differs
            )
        except (RemoteError, NotFoundError):
            if method == "PATCH":
                raise
        else:
            if not differs(domain):
                return domain
    raise not_applied("the default application is still another one")
