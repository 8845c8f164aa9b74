"""What the store remembers of the webhook key while a run puts it in force, or takes one over."""

from __future__ import annotations

from dataclasses import replace

from opbx_cli.errors import OpbxError
from opbx_cli.models import KeyMemory, KeyState, Secret
from opbx_cli.operations.stored_profile import KeyMovedError, StoredProfile
from opbx_cli.operations.validate.desired import STORED_KEY_PATH, Change, Desired, KeyPlan
from opbx_cli.operations.validate.key_ownership import KeyAction, state_in_force
from opbx_cli.remote import DomainProfile


class KeyRecord:
    """The key of one run. `desired` names the domain's own once that was taken over."""

    def __init__(self, desired: Desired, planned: KeyPlan, profile: StoredProfile | None) -> None:
        self.desired = desired
        self._planned = planned
        self._profile = profile
        self._memory = desired.key_memory  # as the store has it

    def adopt(self) -> tuple[Change, ...]:
        """Save the domain's key here, before anything is written there."""
        found, before = self._planned.wanted, self.desired.webhook_key
        assert found is not None
        assert self._profile is not None
        memory = KeyMemory.of(found, KeyState.FOUND)
        self._profile.save(
            lambda now: replace(
                now.without_previous_key(), webhook_api_key=found, webhook_key_memory=memory
            ),
            expected_key=before,
        )
        self._memory = memory
        self.desired = replace(
            self.desired, webhook_key=found, key_memory=memory, previous_key=None
        )
        return (Change(STORED_KEY_PATH, before, found),)

    def note_sending(self) -> None:
        """Have the store say that the key may be in force from now on, whatever happens.

        Raises `KeyMovedError` where the stored key is not the planned one any more.
        """
        key = self.desired.webhook_key
        if self._profile is None:
            return
        if self._planned.action is not KeyAction.SEND or key is None:
            if self._profile.now().webhook_api_key != key:
                raise KeyMovedError
            return
        memory = KeyMemory.of(key, KeyState.SENDING)
        self._profile.save(lambda now: replace(now, webhook_key_memory=memory), expected_key=key)
        self._memory = memory

    def note_not_sent(self) -> None:
        """A key that did not arrive must not be remembered as one that may be in force."""
        key, before = self.desired.webhook_key, self.desired.key_memory
        if self._profile is None or self._planned.action is not KeyAction.SEND:
            return
        self._memory = before
        try:
            self._profile.save(
                lambda now: replace(now, webhook_key_memory=before), expected_key=key
            )
        except (OpbxError, KeyMovedError):  # the next run finds out, at the price of a question
            return

    def note_replaced(self) -> None:
        """Somebody put another key in force: remember of ours what was known before."""
        self._memory = self.desired.key_memory

    def as_sent(self) -> Desired:
        """Return what is desired, with the key counting as taken if it is not shown."""
        key = self.desired.webhook_key
        if key is None or self._planned.action is KeyAction.LEAVE:
            return self.desired
        memory = KeyMemory.of(key, KeyState.SENT)
        return replace(self.desired, key_memory=memory, previous_key=None)

    def memory_after(self, profile: DomainProfile, *, is_in_place: bool) -> KeyMemory | None:
        """Return how the key that is in force is known; one that did not arrive is not."""
        key = self.desired.webhook_key
        known = (KeyAction.NOTHING, KeyAction.SEND, KeyAction.ADOPT)
        if key is None or not is_in_place or self._planned.action not in known:
            return self._memory
        if self._planned.action is KeyAction.NOTHING and self._was_found(key):
            return KeyMemory.of(key, KeyState.FOUND)
        if self._planned.action is KeyAction.ADOPT:
            return self._memory
        return KeyMemory.of(key, state_in_force(profile))

    def _was_found(self, key: Secret) -> bool:
        """Tell whether a key that is in force was there already: it was never sent from here."""
        known = self._memory
        return known is None or (known.state is KeyState.FOUND and known.is_of(key))
