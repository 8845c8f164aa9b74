"""Provision: what `apply` saves in a profile, once Cloudonix has accepted it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opbx_cli.errors import OpbxError
from opbx_cli.operations.configure import GivenSettings, merge
from opbx_cli.operations.profiles import put
from opbx_cli.operations.validate.desired import Change
from opbx_cli.operations.validate.steps import Status, Step, StepId
from opbx_cli.settings.table import OPTIONS, Settings

if TYPE_CHECKING:
    from opbx_cli.store import StoreContents

SETTINGS_PATH = "settings."
KEY_TO_BE_MADE = (
    "the webhook key is made when the profile is saved: it will be another one than this plan "
    "shows, or the one that the domain has"
)


@dataclass(slots=True)
class Provision:
    """The settings that a manifest gives one profile.

    A key that was never tried does not take the place of one that works: they are saved when
    Cloudonix has accepted them, and until then the profile keeps what it has. `candidate` is
    what the profile becomes; `before` is what it was when it was saved.
    """

    name: str
    given: GivenSettings
    api_base_url: str  # of a new profile
    read: Callable[[], StoreContents]
    update: Callable[[Callable[[StoreContents], StoreContents]], object]
    stored: Settings | None  # that `candidate` was made from
    candidate: Settings
    before: Settings | None = None

    def settings_now(self) -> Settings:
        """Return what the profile becomes, with what others saved in it meanwhile.

        A webhook key that is made for it is made once.
        """
        stored = self.read().profiles.get(self.name)
        if stored != self.stored:
            self.candidate = merge(stored, self.given, api_base_url=self.api_base_url)
            self.stored = stored
        return self.candidate

    def preview(self) -> Step:
        before = self.read().profiles.get(self.name)
        changes = changes_between(before, self.candidate)
        if not changes:
            return _unchanged()
        detail = "would be saved" if before is not None else "would be saved as a new profile"
        return Step(StepId.SETTINGS, Status.DIFFERS, detail, changes)

    def not_saved(self) -> Step:
        before = self.read().profiles.get(self.name)
        changes = changes_between(before, self.candidate)
        if not changes:
            return _unchanged()
        kept = "the profile keeps what it had" if before is not None else "there is no profile yet"
        return Step(
            StepId.SETTINGS,
            Status.SKIPPED,
            f"not saved, because Cloudonix did not accept them: {kept}",
            changes,
        )

    def save(self) -> Step:
        """Save them; return what became of that. Raises no error of the store: it is the step's."""
        made = self.candidate

        def wanted(before: Settings | None) -> Settings:
            if before == self.stored:
                return made
            return merge(before, self.given, api_base_url=self.api_base_url)

        def provisioned(contents: StoreContents) -> StoreContents:
            self.before = contents.profiles.get(self.name)
            after = wanted(self.before)
            return contents if after == self.before else put(contents, self.name, after)

        before = self.read().profiles.get(self.name)
        if wanted(before) == before:
            return _unchanged()
        try:
            self.update(provisioned)
        except OpbxError as error:
            return Step(StepId.SETTINGS, Status.FAILED, error.message, error=error)
        changes = changes_between(self.before, made)
        if self.before is None:
            return Step(StepId.SETTINGS, Status.CREATED, "saved as a new profile", changes)
        return Step(StepId.SETTINGS, Status.UPDATED, "saved", changes)


def in_order(contents: StoreContents, order: tuple[str, ...]) -> StoreContents:
    """Return the set in a manifest's order, its first profile the default one.

    Profiles are saved as Cloudonix accepts them, which is in no order.
    """
    ordered = {name: contents.profiles[name] for name in order if name in contents.profiles}
    if not ordered:
        return contents
    profiles = {**ordered, **{n: s for n, s in contents.profiles.items() if n not in ordered}}
    return contents._replace(profiles=profiles, default_profile=next(iter(ordered)))


def changes_between(before: Settings | None, after: Settings) -> tuple[Change, ...]:
    """Return what differs between two states of a profile's settings."""
    return tuple(
        Change(SETTINGS_PATH + name, old, new)
        for name in (row.name for row in OPTIONS)
        if (old := getattr(before, name, None)) != (new := getattr(after, name))
    )


def _unchanged() -> Step:
    return Step(StepId.SETTINGS, Status.UNCHANGED, "as the manifest wants them")
