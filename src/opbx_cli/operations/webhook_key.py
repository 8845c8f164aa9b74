"""The webhook key: a new one in force on both sides, or the old one on both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from opbx_cli.errors import OpbxError, PartialError, RemoteError
from opbx_cli.models import Secret, Settings
from opbx_cli.operations.configure import new_webhook_key
from opbx_cli.operations.plan import shows_key
from opbx_cli.remote import AUTHORIZATION_API_KEY, Domain

if TYPE_CHECKING:
    from opbx_cli.cloudonix import Client


@dataclass(frozen=True, slots=True)
class RotatedKey:
    """What a rotation did; the key itself is for `webhook-key reveal` alone."""

    profile: str
    domain_uuid: str
    before: Secret | None
    after: Secret
    old_valid_until: datetime | None  # for `webhook listen` alone
    is_shown: bool  # Cloudonix showed the new key when it was read back


def rotate(
    client: Client,
    profile: str,
    settings: Settings,
    save: Callable[[Settings], None],
    *,
    old_valid_until: datetime | None = None,
) -> RotatedKey:
    """Make a key, save it, send it, read it back.

    `old_valid_until` is for how long `webhook listen` takes the old key, too.
    It is saved first, so that no key is in force that nobody has. Where sending fails, the
    old key is saved again: whatever Cloudonix did meanwhile, the next `validate` makes the
    saved key the one in force. Raises what failed, or `PartialError` where that also fails.
    """
    domain = client.get_domain()
    rotated = _with_new_key(settings, old_valid_until)
    new = rotated.webhook_api_key
    assert new is not None
    save(rotated)
    try:
        shown = _send(client, domain, new)
    except OpbxError as error:
        # Which key is in force now is in doubt, whatever was sent before.
        _go_back(replace(settings, webhook_api_key_sent=None), save, error)
        raise
    if not shown:
        sent = Secret(new.fingerprint)
        save(replace(rotated, webhook_api_key_sent=sent))
    return RotatedKey(
        profile=profile,
        domain_uuid=client.domain_uuid,
        before=settings.webhook_api_key,
        after=new,
        old_valid_until=None if rotated.webhook_api_key_previous is None else old_valid_until,
        is_shown=shown,
    )


def _with_new_key(settings: Settings, old_valid_until: datetime | None) -> Settings:
    old = settings.webhook_api_key
    rotated = replace(
        settings.without_previous_key(),
        webhook_api_key=new_webhook_key(),
        webhook_api_key_sent=None,
    )
    if old is None or old_valid_until is None:
        return rotated
    until = int(old_valid_until.timestamp())
    return replace(rotated, webhook_api_key_previous=old, webhook_api_key_previous_until=until)


def _send(client: Client, domain: Domain, key: Secret) -> bool:
    """Send the key; tell whether Cloudonix shows it. Raises `RemoteError` if it kept another."""
    after = client.update_profile(domain.profile.raw, {AUTHORIZATION_API_KEY: key})
    if after is None or after.profile.authorization_api_key != key:
        after = client.get_domain()
    if not shows_key(after.profile):
        return False
    if after.profile.authorization_api_key != key:
        raise RemoteError(
            "Cloudonix accepted the new webhook key but kept another one",
            code="remote.not_applied",
        )
    return True


def _go_back(settings: Settings, save: Callable[[Settings], None], error: OpbxError) -> None:
    try:
        save(settings)
    except OpbxError as problem:
        raise PartialError(
            f"the new webhook key is saved here, but it was not sent: {error.message}; and the "
            f"old one could not be saved again: {problem.message}",
            hint="`opbx validate` sends the key that is saved here",
            code="webhook_key.partial",
        ) from error
    error.message += "; the old webhook key stays in force"
    if error.hint is None:
        error.hint = "`opbx validate` makes sure of it"
