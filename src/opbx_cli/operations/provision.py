"""Provision: what a store becomes when a manifest is applied to it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from opbx_cli.models import Settings
from opbx_cli.operations.configure import GivenSettings, merge
from opbx_cli.operations.plan import Change
from opbx_cli.operations.profiles import put
from opbx_cli.operations.steps import Status, Step, StepId

if TYPE_CHECKING:
    from opbx_cli.store import StoreContents

NAMES = (
    "domain_uuid",
    "domain_api_key",
    "webhook_api_key",
    "webhook_base_url",
    "no_answer_timeout",
    "recording_format",
    "api_base_url",
)
SETTINGS_PATH = "settings."
KEY_TO_BE_MADE = (
    "the webhook key is made when the profile is saved: it will be another one than this plan shows"
)


def provisioned(
    contents: StoreContents, given: Mapping[str, GivenSettings], *, api_base_url: str
) -> StoreContents:
    """Return the set with these profiles as they were given; all others stay as they are."""
    for name, settings in given.items():
        before = contents.profiles.get(name)
        after = merge(before, settings, api_base_url=api_base_url)
        if after != before:
            contents = put(contents, name, after)
    return contents


def settings_step(before: Settings | None, after: Settings, *, check: bool) -> Step:
    """Say what became of a profile's settings, or would."""
    changes = tuple(
        Change(SETTINGS_PATH + name, old, new)
        for name in NAMES
        if (old := getattr(before, name, None)) != (new := getattr(after, name))
    )
    if not changes:
        return Step(StepId.SETTINGS, Status.UNCHANGED, "as the manifest wants them")
    if check:
        detail = "would be saved" if before is not None else "would be saved as a new profile"
        return Step(StepId.SETTINGS, Status.DIFFERS, detail, changes)
    if before is None:
        return Step(StepId.SETTINGS, Status.CREATED, "saved as a new profile", changes)
    return Step(StepId.SETTINGS, Status.UPDATED, "saved", changes)
