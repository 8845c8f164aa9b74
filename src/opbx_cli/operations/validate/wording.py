"""How the steps of `validate` say whose something is, and what to run about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import RemoteError
from opbx_cli.models import Secret
from opbx_cli.operations.validate.desired import Desired, KeyPlan
from opbx_cli.operations.validate.takeover import Taken, Takeover
from opbx_cli.values import masked_tail

ENDPOINTS = (Taken.SESSION_UPDATES, Taken.CALL_RECORDS)
NOUNS = {
    Taken.DEFAULT_APPLICATION: "calls",
    Taken.APPLICATION_URL: "calls",
    Taken.SESSION_UPDATES: "session updates",
    Taken.CALL_RECORDS: "call records",
}


@dataclass(frozen=True, slots=True)
class Wording:
    """`profile_option` names the profile in commands that are proposed.

    `key_place` is where the webhook key is given without a store, empty with one.
    """

    profile_option: str = ""
    command: str = "validate"
    key_place: str = ""

    @classmethod
    def of(cls, desired: Desired) -> Wording:
        return cls(desired.profile_option, desired.command, desired.webhook_key_place)

    @property
    def hint_to_switch(self) -> str:
        return f"`opbx {self.command} --replace-default{self.profile_option}` sends these to OPBX"

    def hint_about_key(self, key: KeyPlan) -> str:
        replacing = (
            f"`opbx {self.command} --replace-webhook-key{self.profile_option}` puts this one in "
            "force: OPBX then needs it at once"
        )
        if key.shown is not None and masked_tail(key.shown) is not None:
            return f"{self.hint_to_bring_key()}; {replacing}"
        keeping = (
            f"`opbx {self.command} --keep-webhook-key{self.profile_option}` keeps the domain's"
        )
        return f"{keeping}; {replacing}"

    def hint_to_bring_key(self, given: Secret | None = None) -> str:
        """Say how OPBX's key comes here; or, where one was `given`, how it is put in force."""
        if given is not None:
            return (
                f"if OPBX has the key given here ({given.label}), "
                f"`opbx {self.command} --replace-webhook-key{self.profile_option}` sends it, and "
                "no call is refused"
            )
        if self.key_place:
            return f"set {self.key_place} to the key that OPBX checks callbacks with"
        return (
            f"`opbx configure --webhook-key-stdin{self.profile_option}` saves the key that OPBX "
            "checks callbacks with"
        )

    def taken(self, takeovers: Iterable[Takeover], *kinds: Taken) -> str:
        """Say what still goes elsewhere, of these kinds or of all."""
        chosen = [one for one in takeovers if not kinds or one.kind in kinds]
        return "; ".join(map(still_elsewhere, chosen))

    def foreign_key(self, key: KeyPlan) -> str:
        assert key.wanted is not None
        return (
            f"Cloudonix has another webhook key ({named(key.shown)}) than the one given here "
            f"({key.wanted.label}); it is not replaced without a yes, because OPBX may "
            "check calls with it"
        )

    def adopted_key(self, key: KeyPlan) -> str:
        return f"the webhook key that is in force ({named(key.shown)}) is saved here"

    def key_lost(self, key: KeyPlan) -> RemoteError:
        """Return the error of a run that finds another key in force than the one it confirmed."""
        return RemoteError(
            f"somebody put another webhook key ({named(key.shown)}) in force while this ran",
            hint=f"`opbx {self.command}{self.profile_option}` looks again",
            code=ErrorCode.WEBHOOK_KEY_REPLACED,
        )


def still_elsewhere(one: Takeover) -> str:
    where = f" ({one.url})" if one.url else ""
    if one.kind in ENDPOINTS:
        return f"{NOUNS[one.kind]} still go to {one.url}"
    if one.kind is Taken.APPLICATION_URL:
        return f"calls still go to {one.url}, by application '{one.application}'"
    return f"calls still go to application '{one.application or one.id}'{where}, not OPBX's"


def named(key: Secret | None) -> str:
    """Name a key as Cloudonix shows it: a mask has no fingerprint."""
    if key is None:
        return "not shown"
    return key.label if masked_tail(key) is None else "shown masked"


def with_drift(detail: str, drift: str | None) -> str:
    return f"{detail}; {drift}" if drift else detail
