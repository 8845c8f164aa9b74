"""One profile in the store, as a run reads and changes it while others may do the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from opbx_cli.errors import ConfigurationError
from opbx_cli.models import ApplicationReference, KeyMemory, Secret
from opbx_cli.operations.profiles import put
from opbx_cli.settings.table import Settings

if TYPE_CHECKING:
    from opbx_cli.store import StoreContents


@dataclass(frozen=True, slots=True)
class Facts:
    """What the settings should remember of Cloudonix after a good run."""

    domain_name: str | None
    cloudonix_package: str | None
    voice_application: ApplicationReference | None
    webhook_key_memory: KeyMemory | None
    webhook_base_url_sent: str | None


class KeyMovedError(Exception):
    """The profile's webhook key is not the one any more that the plan was made with."""


@dataclass(frozen=True, slots=True)
class StoredProfile:
    """Reads and saves one profile, as long as it stays about the same domain.

    `update` saves what its argument makes of the store's contents, under the store's lock.
    `require_can_save` raises `StoreError` where that would fail: for what writes elsewhere first.
    """

    name: str
    domain_uuid: str
    read: Callable[[], StoreContents]
    update: Callable[[Callable[[StoreContents], StoreContents]], object]
    require_can_save: Callable[[], None] = lambda: None

    def now(self) -> Settings:
        """Return the settings as they are stored now.

        Raises `ConfigurationError` where the profile is gone, or is about another domain.
        """
        return self._found(self.read())

    def save(self, change: Callable[[Settings], Settings], *, expected_key: Secret | None) -> bool:
        """Change the settings; tell whether that changed anything.

        Raises `KeyMovedError` where the stored webhook key is not the expected one.
        """

        def checked(now: Settings) -> Settings:
            if now.webhook_api_key != expected_key:
                raise KeyMovedError
            return change(now)

        return self.edit(checked)

    def edit(self, change: Callable[[Settings], Settings]) -> bool:
        """Change the settings, whatever key they have; tell whether that changed anything."""

        def changed(contents: StoreContents) -> StoreContents:
            now = self._found(contents)
            after = change(now)
            return contents if after == now else put(contents, self.name, after)

        now = self.now()
        if change(now) == now:
            return False
        self.update(changed)
        return True

    def remember(self, facts: Facts, *, expected_key: Secret | None) -> bool:
        """Save what Cloudonix told; tell whether that was news."""
        return self.save(lambda now: remembering(now, facts), expected_key=expected_key)

    def _found(self, contents: StoreContents) -> Settings:
        settings = contents.profiles.get(self.name)
        if settings is None or settings.domain_uuid != self.domain_uuid:
            raise ConfigurationError(
                f"profile '{self.name}' was changed by somebody else meanwhile: nothing was saved",
                hint=f"`opbx validate --profile {self.name}` starts again with the profile as it "
                "is now",
            )
        return settings


def remembering(settings: Settings, facts: Facts) -> Settings:
    """Return the settings with what Cloudonix told; a key that is in force needs no other."""
    memory = facts.webhook_key_memory
    if (
        memory is not None
        and memory.state.is_in_force
        and memory.is_of(settings.webhook_api_key)
        and settings.webhook_api_key_previous_until is None
    ):
        settings = settings.without_previous_key()
    return replace(
        settings,
        domain_name=facts.domain_name,
        cloudonix_package=facts.cloudonix_package,
        voice_application=facts.voice_application,
        webhook_key_memory=memory,
        webhook_base_url_sent=facts.webhook_base_url_sent,
    )
