"""What others did since the last run, where what was remembered of it proves that. Pure.

A difference alone proves nothing: it may be the settings that changed. What the settings
remember is saved only when it was seen in line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opbx_cli.operations.validate.desired import Change, Desired
    from opbx_cli.remote import DomainProfile

DEEDS = {
    "voice_application.url": "changed its URL",
    "voice_application.type": "changed its type",
    "voice_application.method": "changed its method",
    "voice_application.active": "deactivated it",
}


def application_drift(
    desired: Desired,
    profile: DomainProfile,
    *,
    changes: Iterable[Change],
    is_chosen: bool,
    is_gone: bool,
) -> str | None:
    """Say what somebody did to the application that the settings remember.

    Its URL follows the webhook base URL. That this one is not new shows in the profile's
    endpoints, which are written after the application.
    """
    known = desired.application
    if desired.sent_base_url is None:  # nothing was in force: never, or not since a detach
        return None
    if known is not None and is_gone:
        return f"{known.name} (id {known.id}) is gone: somebody deleted it since the last run"
    if not is_chosen:
        return None
    endpoints = desired.endpoints
    was_in_line = (profile.session_update_endpoint, profile.cdr_endpoint) == (
        endpoints.session_update,
        endpoints.cdr,
    )
    deeds = [
        DEEDS[change.path]
        for change in changes
        if was_in_line or change.path != "voice_application.url"
    ]
    return f"somebody {_listed(deeds)} since the last run" if deeds else None


def profile_drift(desired: Desired, *, is_foreign: bool) -> str | None:
    """Say that the key that was in force after the last run was replaced by somebody's."""
    memory = desired.key_memory
    was_in_force = (
        memory is not None and memory.state.is_in_force and memory.is_of(desired.webhook_key)
    )
    return (
        "somebody replaced the webhook key since the last run"
        if is_foreign and was_in_force
        else None
    )


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
