"""The webhook key: a new one in force on both sides, or the old one on both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from opbx_cli.errors import Interrupted, OpbxError, PartialError, RemoteError
from opbx_cli.models import Secret, Settings
from opbx_cli.operations.configure import new_webhook_key
from opbx_cli.operations.plan import shows_key
from opbx_cli.remote import AUTHORIZATION_API_KEY, Domain

if TYPE_CHECKING:
    from opbx_cli.cloudonix import Client
    from opbx_cli.settings import ActiveSettings

# Saves the second settings' keys, if the profile still has the key of the first ones.
Save = Callable[[Settings, Settings], None]


@dataclass(frozen=True, slots=True)
class RotatedKey:
    """What a rotation did; the key itself is for `webhook-key reveal` alone."""

    profile: str
    domain_uuid: str
    before: Secret | None
    after: Secret
    old_valid_until: datetime | None  # for `webhook listen` alone
    is_shown: bool  # Cloudonix showed the new key when it was read back
    profile_option: str = ""  # what names the profile to another command


def rotate(
    client: Client,
    active: ActiveSettings,
    save: Save,
    *,
    old_valid_until: datetime | None = None,
) -> RotatedKey:
    """Make a key, save it, send it, read it back.

    `old_valid_until` is for how long `webhook listen` takes the old key, too.
    It is saved first, so that no key is in force that nobody has. Where sending fails or is
    interrupted, the old key is saved again: whatever Cloudonix did meanwhile, the next `validate`
    makes the saved key the one in force. Raises what failed, or `PartialError` where saving also
    fails.
    """
    assert active.profile is not None
    settings = active.settings
    domain = client.get_domain()
    rotated = _with_new_key(settings, old_valid_until)
    new = rotated.webhook_api_key
    assert new is not None
    save(settings, rotated)
    try:
        shown = _send(client, domain, new)
    except (OpbxError, KeyboardInterrupt) as problem:
        error = problem if isinstance(problem, OpbxError) else Interrupted("interrupted")
        # Which key is in force now is in doubt, whatever was sent before.
        doubtful = replace(settings, webhook_api_key_sent=None)
        _go_back(partial(save, rotated, doubtful), error, active.profile_option)
        raise error from problem.__cause__
    if not shown:
        _note_as_sent(rotated, new, save, active.profile_option)
    return RotatedKey(
        profile=active.profile,
        domain_uuid=client.domain_uuid,
        before=settings.webhook_api_key,
        after=new,
        old_valid_until=None if rotated.webhook_api_key_previous is None else old_valid_until,
        is_shown=shown,
        profile_option=active.profile_option,
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


def _note_as_sent(settings: Settings, key: Secret, save: Save, profile_option: str) -> None:
    try:
        save(settings, replace(settings, webhook_api_key_sent=Secret(key.fingerprint)))
    except OpbxError as problem:
        raise PartialError(
            "the new webhook key is saved here and Cloudonix has it, but that could not be "
            f"noted: {problem.message}",
            hint=f"`opbx validate{profile_option}` sends it again, and notes it",
            code="webhook_key.partial",
        ) from problem


def _go_back(save_old: Callable[[], None], error: OpbxError, profile_option: str) -> None:
    validate = f"`opbx validate{profile_option}`"
    try:
        save_old()
    except OpbxError as problem:
        raise PartialError(
            f"the new webhook key is saved here, but it was not sent: {error.message}; and the "
            f"old one could not be saved again: {problem.message}",
            hint=f"{validate} sends the key that is saved here",
            code="webhook_key.partial",
        ) from error
    # Cloudonix may have taken the new one all the same, and only its answer was lost.
    error.message += "; opbx keeps the old webhook key"
    if error.hint is None:
        error.hint = f"{validate} makes sure that Cloudonix sends it"
