"""The webhook key: a new one in force on both sides, or the old one on both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError, Interrupted, OpbxError, PartialError, RemoteError
from opbx_cli.models import AUTHORIZATION_API_KEY, CallsBefore, KeyMemory, KeyState, Secret
from opbx_cli.operations.configure import new_webhook_key
from opbx_cli.operations.instance import (
    HandoverInDoubtError,
    OpenInstance,
    calls_before_push,
    hand_over,
    is_same_value,
    plan_push,
    takeovers_by_push,
)
from opbx_cli.operations.stored_profile import KeyMovedError, StoredProfile
from opbx_cli.operations.validate.calls_record import remembering_calls
from opbx_cli.operations.validate.key_ownership import (
    KeyOwner,
    after_cut_rotation,
    owner_of,
    shows_key,
    state_in_force,
)
from opbx_cli.operations.validate.steps import is_in_doubt
from opbx_cli.operations.validate.wording import Wording
from opbx_cli.remote import Domain, Snapshot
from opbx_cli.settings import ActiveSettings
from opbx_cli.settings.table import Settings
from opbx_cli.values import masked_tail

if TYPE_CHECKING:
    from opbx_cli.cloudonix import Client
    from opbx_cli.instance import InstanceSettings
    from opbx_cli.operations.instance import PushPlan
    from opbx_cli.operations.interruptions import Interruptions

NOT_OURS = (KeyOwner.ADOPTABLE, KeyOwner.HIDDEN, KeyOwner.FOREIGN)


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
    instance_url: str | None = None  # of the OPBX that was given the key


class KeyRotation:
    """`look()`, then `run()`. Whoever calls them holds off other runs on the domain.

    The new key is saved first, beside the old one, so that no key is in force that nobody has.
    Where it is in doubt which of them Cloudonix has, both stay known, and the next `validate`
    ends the rotation with the one that is in force.
    """

    def __init__(
        self,
        client: Client,
        profile: StoredProfile,
        interruptions: Interruptions,
        *,
        instance: OpenInstance | None = None,
        profile_option: str = "",
    ) -> None:
        """`instance` is the OPBX of a linked profile."""
        self.outcome = "failed"  # for the audit trail
        self._client = client
        self._profile = profile
        self._interruptions = interruptions
        self._instance = instance
        self._option = profile_option
        self.saved = Settings()  # as it saved them last
        self._calls_before: CallsBefore | None = None  # who has those that OPBX gets with the key
        self._domain: Domain
        self._settings: Settings

    @property
    def before(self) -> Settings:
        """The settings that the rotation began with."""
        return self._settings

    def look(self) -> KeyOwner:
        """Return whose key is in force now. Ends a rotation that was cut off before.

        Raises what a linked OPBX answers where it cannot be asked, and `StoreError` where the new
        key cannot be saved: nothing is changed then.
        """
        self._profile.require_can_save()
        settings = self._profile.now()
        self._domain = self._client.get_domain()
        at_opbx = None
        if self._instance is not None:
            with self._instance() as side:
                remote = side.read()
            at_opbx = remote.webhook_api_key
            self._refuse_to_move_calls(settings, remote)
        self._settings = after_cut_rotation(settings, self._domain, at_opbx=at_opbx)
        if self._settings != settings:
            self._save(self._settings, expected=settings.webhook_api_key)
        return owner_of(
            self._settings.webhook_api_key,
            self._settings.webhook_key_memory,
            self._settings.webhook_api_key_previous,
            self._domain,
        )

    def _refuse_to_move_calls(self, settings: Settings, remote: InstanceSettings) -> None:
        """Handed the key, OPBX writes all that it has to Cloudonix: it must move no calls by that.

        Raises `ConfigurationError` where OPBX has another domain, or would put another URL in
        force, or its application in somebody else's place.
        """
        uuid = self._client.domain_uuid
        if not is_same_value(uuid, remote.domain_uuid):
            raise ConfigurationError(
                f"OPBX does not have this domain saved, but {remote.domain_uuid or 'none'}",
                hint=f"`opbx instance push{self._option}` hands it this profile's settings",
                code=ErrorCode.WEBHOOK_KEY_OTHER_DOMAIN,
            )
        planned = self._planned_handover(remote, settings.webhook_base_url)
        if planned.conflict is not None:
            raise ConfigurationError(
                planned.conflict,
                hint=f"`opbx configure --webhook-base-url {planned.base_url}{self._option}` takes "
                "OPBX's URL",
                code=ErrorCode.WEBHOOK_KEY_CONFLICT,
            )
        snapshot = Snapshot(self._domain, ())
        active = ActiveSettings(settings, profile=self._profile.name)
        self._calls_before = calls_before_push(active, snapshot, planned.base_url)
        takeovers = takeovers_by_push(active, snapshot, planned.base_url)
        if takeovers:
            raise ConfigurationError(
                "OPBX would take over what goes elsewhere when it is given the key: "
                f"{Wording().taken(takeovers)}",
                hint=f"`opbx validate{self._option}` says what to do about it",
                code=ErrorCode.WEBHOOK_KEY_TAKEOVER,
            )

    def _planned_handover(
        self, remote: InstanceSettings, base_url: str | None, key: Secret | None = None
    ) -> PushPlan:
        """Plan to hand OPBX the key alone: the rest of its copy stays as it was read."""
        alone = Settings(domain_name=self._domain.name or remote.domain_name, webhook_api_key=key)
        return plan_push(alone, remote, base_url=base_url)

    def run(self, *, old_valid_until: datetime | None = None) -> RotatedKey:
        """Make a key, save it, send it, read it back.

        `old_valid_until` is for how long `webhook listen` takes the old key, too. Raises what
        failed, with the key that is in force then; `PartialError` where only saving that failed.
        """
        old, new = self._settings.webhook_api_key, new_webhook_key()
        until = None if old_valid_until is None else int(old_valid_until.timestamp())
        begun = replace(
            self._settings,
            webhook_api_key=new,
            webhook_key_memory=KeyMemory.of(new, KeyState.ROTATING),
            webhook_api_key_previous=old,
            webhook_api_key_previous_until=until if old is not None else None,
        )
        self._save(begun, expected=old)
        try:
            self._interruptions.check()
        except KeyboardInterrupt:
            raise self._gone_back(Interrupted("interrupted"), new) from None
        try:
            with self._interruptions.held():
                is_shown = self._send_to_both(new)
        except _InDoubtError as doubt:
            raise self._in_doubt(doubt.error, new, doubt.at_opbx) from doubt.error.__cause__
        except KeyboardInterrupt:
            raise self._in_doubt(Interrupted("interrupted"), new) from None
        except OpbxError as error:
            raise self._gone_back(error, new) from error.__cause__
        self._note_in_force(begun, new, is_kept=until is not None)
        self.outcome = "ok"
        return RotatedKey(
            profile=self._profile.name,
            domain_uuid=self._client.domain_uuid,
            before=old,
            after=new,
            old_valid_until=None if old is None else old_valid_until,
            is_shown=is_shown,
            profile_option=self._option,
            instance_url=None if self._instance is None else self._settings.instance_url,
        )

    def _send_to_both(self, key: Secret) -> bool:
        """Send the key to OPBX first, if it is linked: it writes to Cloudonix in the same request.

        What OPBX did not do there is done here. Raises as `_send` does.
        """
        if self._instance is None:
            return self._send(key)
        self._hand_to_opbx(self._instance, key)
        try:
            self._domain = self._client.get_domain()
            if self._domain.profile.authorization_api_key == key:
                return True
            return self._send(key)
        except (OpbxError, _InDoubtError) as error:
            cause = error.error if isinstance(error, _InDoubtError) else error
            raise _InDoubtError(cause, at_opbx=key) from None

    def _hand_to_opbx(self, instance: OpenInstance, key: Secret) -> None:
        with instance() as side:
            planned = self._planned_handover(side.read(), None, key)
            try:
                with remembering_calls(self._profile, self._calls_before):
                    hand_over(side, Settings(webhook_api_key=key), planned.sent)
            except HandoverInDoubtError as doubt:
                raise _InDoubtError(doubt.error) from None
            except OpbxError as error:
                if not is_in_doubt(error):
                    raise
                raise _InDoubtError(error) from None  # it may arrive late

    def _send(self, key: Secret) -> bool:
        """Send the key; tell whether Cloudonix shows it.

        Raises `RemoteError` where it kept another one, `_InDoubtError` where it is not known.
        """
        doubt, after = None, None
        try:
            after = self._client.update_profile(
                self._domain.profile.raw, {AUTHORIZATION_API_KEY: key}
            )
        except OpbxError as error:
            if not is_in_doubt(error):
                raise
            doubt = error
        try:
            if after is None or after.profile.authorization_api_key != key:
                after = self._client.get_domain()
        except OpbxError as error:
            raise _InDoubtError(doubt or error) from None
        self._domain = after
        return self._is_in_force(key, after, doubt)

    def _is_in_force(self, key: Secret, domain: Domain, doubt: OpbxError | None) -> bool:
        shown = domain.profile.authorization_api_key
        if shown == key:
            return True
        if shows_key(domain.profile):
            raise doubt or RemoteError(
                "Cloudonix accepted the new webhook key but kept another one",
                code=ErrorCode.REMOTE_NOT_APPLIED,
            )
        tail = None if shown is None else masked_tail(shown)
        if doubt is not None and not (tail and key.reveal().endswith(tail)):
            raise _InDoubtError(doubt)
        return False

    def _gone_back(self, error: OpbxError, new: Secret) -> OpbxError:
        """Save the old key again; the new one stays known, should its write arrive late."""
        old = replace(
            self._settings, webhook_api_key_previous=new, webhook_api_key_previous_until=None
        )
        try:
            self._save(old, expected=new)
        except OpbxError as problem:
            self.outcome = "partial"
            return PartialError(
                f"the new webhook key is saved here, but it was not sent: {error.message}; and the "
                f"old one could not be saved again: {problem.message}",
                hint=f"`opbx validate{self._option}` saves the key that is in force",
                code=ErrorCode.WEBHOOK_KEY_PARTIAL,
            )
        return error.with_more(
            "; opbx keeps the old webhook key",
            hint=error.hint
            or f"`opbx validate{self._option}` makes sure that Cloudonix has it too",
        )

    def _in_doubt(self, error: OpbxError, new: Secret, at_opbx: Secret | None = None) -> OpbxError:
        self.outcome = "in doubt"
        old = self._settings.webhook_api_key
        before = "none" if old is None else old.label
        return error.with_more(
            f"; it is not known whether Cloudonix has the new webhook key ({new.label}) or "
            f"the one from before ({before}){_beside(at_opbx)}: both are kept here",
            hint=f"`opbx validate{self._option}` finds out, and ends the rotation with the one in "
            "force",
        )

    def _note_in_force(self, begun: Settings, key: Secret, *, is_kept: bool) -> None:
        memory = KeyMemory.of(key, state_in_force(self._domain.profile))
        done = replace(begun, webhook_key_memory=memory)
        try:
            self._save(done if is_kept else done.without_previous_key(), expected=key)
        except OpbxError as problem:
            self.outcome = "partial"
            raise PartialError(
                "the new webhook key is saved here and Cloudonix has it, but that could not be "
                f"noted: {problem.message}",
                hint=f"`opbx validate{self._option}` notes it",
                code=ErrorCode.WEBHOOK_KEY_PARTIAL,
            ) from problem

    def _save(self, settings: Settings, *, expected: Secret | None) -> None:
        """Save the keys of these settings; what others saved in the profile stays."""
        try:
            self._profile.save(
                lambda now: now.with_webhook_keys_of(settings), expected_key=expected
            )
            self.saved = settings
        except KeyMovedError:
            raise ConfigurationError(
                f"the webhook key of profile '{self._profile.name}' was changed by somebody else "
                "meanwhile: it stays as they saved it",
                hint=f"`opbx validate{self._option}` compares it with Cloudonix's",
            ) from None


def _beside(at_opbx: Secret | None) -> str:
    return "" if at_opbx is None else f", while OPBX has {at_opbx.label}"


class _InDoubtError(Exception):
    """It is not known which key Cloudonix has: the error that led to it, and the key of OPBX."""

    def __init__(self, error: OpbxError, *, at_opbx: Secret | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.at_opbx = at_opbx
