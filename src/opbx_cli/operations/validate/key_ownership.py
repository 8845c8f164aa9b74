"""Whose webhook key is in force on a domain, and what may be done about it. Pure.

OPBX checks every call with this key. A key that Cloudonix gets before OPBX has it refuses
every call, so one that somebody else put in force is not replaced without a yes.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from urllib.parse import urlsplit

from opbx_cli.models import KeyMemory, KeyState, Secret
from opbx_cli.remote import Domain, DomainProfile
from opbx_cli.settings.table import Settings
from opbx_cli.values import fits_mask, is_key, masked_tail
from opbx_cli.webhooks.endpoints import CDR, PATHS, SESSION_UPDATE

OPBX_PREFIX = "opbx-routing-application-"  # OPBX's own client names its applications so


class KeyOwner(StrEnum):
    """Whose key Cloudonix has, as far as can be told."""

    NOT_ASKED = "not-asked"  # no key is given here: the domain's is left alone
    IN_FORCE = "in-force"  # the one that is wanted
    NONE = "none"  # the domain has none
    OURS = "ours"  # one that this store sent
    ADOPTABLE = "adoptable"  # somebody's, shown, where ours was made here and never sent
    HIDDEN = "hidden"  # it cannot be told: there may be one, and it is not shown
    FOREIGN = "foreign"  # somebody's, where ours was given on purpose or sent before


class KeyChoice(StrEnum):
    """What the user wants where somebody's key is in force."""

    UNDECIDED = "undecided"
    KEEP = "keep"
    REPLACE = "replace"
    NOTHING = "nothing"  # write nothing at all


class KeyAction(StrEnum):
    """What is done about the key."""

    NOTHING = "nothing"
    SEND = "send"  # put the store's key in force
    ADOPT = "adopt"  # save the domain's key in the store
    ASK = "ask"  # nothing without a yes
    LEAVE = "leave"  # it is not ours to replace


def owner_of(
    key: Secret | None,
    memory: KeyMemory | None,
    previous: Secret | None,
    domain: Domain,
) -> KeyOwner:
    """Judge whose key is in force; `previous` is the one that this store sent before `key`."""
    if key is None:
        return KeyOwner.NOT_ASKED
    shown = domain.profile.authorization_api_key
    if shown is None:
        return _owner_of_nothing_shown(key, memory, domain)
    tail = masked_tail(shown)
    if tail is None:
        return _owner_of_shown(key, memory, previous, shown)
    return _owner_of_masked(key, memory, previous, tail)


def action_on(owner: KeyOwner, choice: KeyChoice, *, can_adopt: bool) -> KeyAction:
    """Return what is done; `can_adopt`: the key is shown, and there is a store to save it in."""
    if owner is KeyOwner.IN_FORCE:
        return KeyAction.NOTHING
    if owner in (KeyOwner.NONE, KeyOwner.OURS):
        return KeyAction.SEND
    if owner is KeyOwner.NOT_ASKED:
        return KeyAction.LEAVE
    if choice is KeyChoice.REPLACE:
        return KeyAction.SEND
    if owner is KeyOwner.ADOPTABLE:
        return KeyAction.ADOPT
    if owner is KeyOwner.FOREIGN and choice is not KeyChoice.KEEP:
        return KeyAction.ASK
    return KeyAction.ADOPT if owner is KeyOwner.FOREIGN and can_adopt else KeyAction.LEAVE


def shows_key(profile: DomainProfile) -> bool:
    """Tell whether Cloudonix shows the webhook key that it holds for this domain."""
    shown = profile.authorization_api_key
    return shown is not None and masked_tail(shown) is None


def state_in_force(profile: DomainProfile) -> KeyState:
    """Return how a key that is in force is known: where Cloudonix shows it, be it masked, it is
    lost when nothing is shown any more.
    """
    return KeyState.SENT if profile.authorization_api_key is None else KeyState.SHOWN


def is_opbx_at_work(domain: Domain) -> bool:
    """Tell whether an OPBX has this domain: its application has the calls, or its endpoints."""
    application = domain.application
    if (
        application is not None
        and application.id == domain.default_application
        and application.name.startswith(OPBX_PREFIX)
    ):
        return True
    profile = domain.profile
    return any(
        url is not None and _path_of(url).endswith(PATHS[endpoint])
        for url, endpoint in (
            (profile.session_update_endpoint, SESSION_UPDATE),
            (profile.cdr_endpoint, CDR),
        )
    )


def key_at_risk(domain: Domain) -> str | None:
    """Say how a write of the profile could lose the key that the domain has, where it could."""
    if shows_key(domain.profile):
        return None
    if domain.profile.authorization_api_key is not None:
        return (
            "Cloudonix shows the domain's webhook key masked: sending the profile back "
            "could replace the key by its mask"
        )
    if is_opbx_at_work(domain):
        return (
            "Cloudonix does not show the webhook key that this domain may have: sending the "
            "profile back could lose it"
        )
    return None


def _path_of(url: str) -> str:
    """Return the path of a URL from afar, which need not be one."""
    try:
        return urlsplit(url).path.rstrip("/")
    except ValueError:
        return ""


def is_cut_rotation(settings: Settings) -> bool:
    """Tell whether a rotation was begun of which the end is not known."""
    memory = settings.webhook_key_memory
    return memory is not None and memory.state is KeyState.ROTATING


def after_cut_rotation(
    settings: Settings, domain: Domain, *, at_opbx: Secret | None = None
) -> Settings:
    """Return the settings with the one of both keys that a rotation cut off left in force.

    `at_opbx` is the key of a linked OPBX, perhaps masked: whichever OPBX has is right, since
    calls are checked there. Otherwise it is what Cloudonix shows; and where that does not show
    which, the key from before: OPBX has that one.
    """
    old, new = settings.webhook_api_key_previous, settings.webhook_api_key
    if not is_cut_rotation(settings) or old is None or new is None:
        return settings
    if at_opbx is not None and fits_mask(new, at_opbx):
        # Still beside the old one, which Cloudonix may have: both are ours.
        return replace(settings, webhook_key_memory=KeyMemory.of(new, KeyState.SENDING))
    if at_opbx is not None and fits_mask(old, at_opbx):
        return replace(
            settings,
            webhook_api_key=old,
            webhook_key_memory=KeyMemory.of(old, KeyState.SENDING),
            webhook_api_key_previous=new,
            webhook_api_key_previous_until=None,
        )
    shown = domain.profile.authorization_api_key
    tail = None if shown is None else masked_tail(shown)
    if shown == new or (tail and new.reveal().endswith(tail)):
        memory = KeyMemory.of(new, state_in_force(domain.profile))
        kept = replace(settings, webhook_key_memory=memory)
        return kept if kept.webhook_api_key_previous_until else kept.without_previous_key()
    state = KeyState.SHOWN if shown == old else KeyState.SENDING
    return replace(
        settings.without_previous_key(),
        webhook_api_key=old,
        webhook_key_memory=KeyMemory.of(old, state),
    )


def _owner_of_shown(
    key: Secret, memory: KeyMemory | None, previous: Secret | None, shown: Secret
) -> KeyOwner:
    if shown == key:
        return KeyOwner.IN_FORCE
    if _is_generated(memory, key) and is_key(shown):
        return KeyOwner.ADOPTABLE
    was_sent = memory is not None and memory.state is not KeyState.GENERATED
    if shown == previous or (was_sent and memory is not None and memory.is_of(shown)):
        return KeyOwner.OURS
    return KeyOwner.FOREIGN


def _owner_of_masked(
    key: Secret, memory: KeyMemory | None, previous: Secret | None, tail: str
) -> KeyOwner:
    if tail and key.reveal().endswith(tail):
        return KeyOwner.IN_FORCE
    if tail and previous is not None and previous.reveal().endswith(tail):
        return KeyOwner.OURS
    if tail:
        return KeyOwner.HIDDEN if _is_generated(memory, key) else KeyOwner.FOREIGN
    if memory is None or memory.state is KeyState.GENERATED:
        return KeyOwner.HIDDEN
    return KeyOwner.IN_FORCE if memory.state.is_in_force and memory.is_of(key) else KeyOwner.OURS


def _owner_of_nothing_shown(key: Secret, memory: KeyMemory | None, domain: Domain) -> KeyOwner:
    if memory is None or memory.state is KeyState.GENERATED:
        return KeyOwner.HIDDEN if is_opbx_at_work(domain) else KeyOwner.NONE
    if memory.state in (KeyState.SHOWN, KeyState.FOUND):  # what showed its key, and no longer: lost
        return KeyOwner.NONE
    if memory.state is KeyState.SENT and memory.is_of(key):
        return KeyOwner.IN_FORCE
    return KeyOwner.OURS


def _is_generated(memory: KeyMemory | None, key: Secret) -> bool:
    return memory is not None and memory.state is KeyState.GENERATED and memory.is_of(key)
