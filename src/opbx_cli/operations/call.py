"""A call placed in the sandbox, and what its callbacks say about OPBX."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError, OpbxError
from opbx_cli.operations.validate.key_ownership import OPBX_PREFIX
from opbx_cli.remote import CallOrder, Delivery, DeliveryResult, PlacedCall
from opbx_cli.settings import ActiveSettings
from opbx_cli.values import clean, is_loopback
from opbx_cli.webhooks.endpoints import SESSION_UPDATE, VOICE

if TYPE_CHECKING:
    from opbx_cli.cloudonix import SandboxClient

# What a domain lacks, by the sandbox's names for it.
MISSING = {
    "active-domain": "the domain is not active",
    "default-application": "the domain has no default application",
    "own-default-application": "calls go to an application of Cloudonix's own",
    "active-application": "the default application is switched off",
    "session-update-endpoint": "nothing says where session updates go",
    "cdr-endpoint": "nothing says where call records go",
    "authorization-api-key": "the domain has no webhook key",
}
KEY_REFUSED = (401, 403)


@dataclass(frozen=True, slots=True)
class CallResult:
    """One call; `profile_option` is what names its profile to another command.

    With `wrong_key` all is well if every callback was refused for its key. `is_signed` says that
    its session updates carried a signature.
    """

    profile: str | None
    domain_uuid: str
    placed: PlacedCall
    wrong_key: bool = False
    is_signed: bool = False
    profile_option: str = ""

    @property
    def went_well(self) -> bool:
        return self.placed.call is not None and not self.failures and not self.placed.missing

    @property
    def failures(self) -> tuple[Delivery, ...]:
        return tuple(one for one in self.placed.callbacks if not self.is_well(one))

    def is_well(self, one: Delivery) -> bool:
        """Tell whether a callback was answered as it should be."""
        if self.wrong_key:
            return one.result is DeliveryResult.REFUSED and one.http_status in KEY_REFUSED
        return one.result is DeliveryResult.DELIVERED

    @property
    def warnings(self) -> tuple[str, ...]:
        warnings = []
        name = self.placed.application
        if name is not None and not name.startswith(OPBX_PREFIX):
            warnings.append(f"calls go to application '{name}', which is none of OPBX's")
        return tuple(warnings)

    @property
    def error(self) -> OpbxError | None:
        """Return what the command ends with; the worst thing first."""
        if self.went_well:
            return None
        if self.placed.call is None:
            return self._not_set_up("no call was made")
        if not self.failures:
            return self._not_set_up("the callbacks are not all set up")
        failed = self.failures[0]
        what = f"{failed.endpoint} callback to {failed.url}"
        if failed.result is DeliveryResult.UNREACHABLE:
            return OpbxError(
                f"the {what} got no answer: {failed.detail}",
                hint="start what is to answer there; "
                f"`opbx webhook-url{self.profile_option}` shows where calls go",
                code=ErrorCode.CALL_UNREACHABLE,
            )
        if failed.result is DeliveryResult.DELIVERED:
            return OpbxError(
                f"the {what} was taken with a made-up key",
                hint="see that OPBX answers there and checks callbacks; until then anybody who "
                "knows the URL can send them",
                code=ErrorCode.CALL_WRONG_KEY_TAKEN,
                http_status=failed.http_status,
            )
        return OpbxError(
            f"the {what} was refused: {failed.detail}",
            hint=self._hint_of_refusal(failed),
            code=ErrorCode.CALL_REFUSED,
            http_status=failed.http_status,
        )

    def _hint_of_refusal(self, failed: Delivery) -> str:
        if failed.endpoint == SESSION_UPDATE and self._key_taken:
            hint = self._hint_of_refused_update(failed.http_status)
            if hint is not None:
                return hint
        if failed.http_status not in KEY_REFUSED:
            return f"`opbx webhook-url{self.profile_option}` shows where calls go: is that OPBX?"
        return (
            f"`opbx validate{self.profile_option}` puts the webhook key in force on the domain, "
            f"and `opbx webhook-key reveal{self.profile_option}` shows it, for OPBX"
        )

    def _hint_of_refused_update(self, http_status: int | None) -> str | None:
        """Say what OPBX means; it took the webhook key, so that is right."""
        if http_status == HTTPStatus.FORBIDDEN:
            return "OPBX of January 2026 answers so where it has no domain of this name saved"
        if http_status == HTTPStatus.INTERNAL_SERVER_ERROR:
            return (
                "OPBX of January 2026 answers so where it has no CLOUDONIX_WEBHOOK_SECRET to check "
                "signatures with: set one there, or CLOUDONIX_VERIFY_SIGNATURE=false"
            )
        if http_status != HTTPStatus.UNAUTHORIZED:
            return None
        if self.is_signed:
            return "OPBX has another CLOUDONIX_WEBHOOK_SECRET than the one that signed this call"
        return (
            "OPBX of January 2026 wants a signature there, which Cloudonix does not send: its "
            "CLOUDONIX_VERIFY_SIGNATURE=false takes them without; `opbx sandbox call "
            f"--sign-with-env CLOUDONIX_WEBHOOK_SECRET{self.profile_option}` signs them with "
            "OPBX's own secret"
        )

    @property
    def _key_taken(self) -> bool:
        """Tell whether OPBX took the voice request, which it checks by the webhook key."""
        return any(
            one.endpoint == VOICE and one.result is DeliveryResult.DELIVERED
            for one in self.placed.callbacks
        )

    def _not_set_up(self, so: str) -> OpbxError:
        lacking = "; ".join(MISSING.get(name, f"no {name}") for name in self.placed.missing)
        return OpbxError(
            f"{so}: {lacking or 'the sandbox does not say why'}",
            hint=f"`opbx validate{self.profile_option}` sets the domain up",
            code=ErrorCode.CALL_NOT_SET_UP,
        )


def check_sandbox(active: ActiveSettings) -> None:
    """Raise `ConfigurationError` where the API is not on this computer: that is no sandbox.

    A real key never goes to a path that Cloudonix does not have.
    """
    url = active.settings.api_base_url
    if not is_loopback(urlsplit(url).hostname or ""):
        raise ConfigurationError(
            f"{clean(url)} is not a sandbox: only a sandbox on this computer places calls",
            hint="`opbx sandbox` serves one, and prints the variables that point opbx at it",
            code=ErrorCode.CONFIGURATION_NO_SANDBOX,
        )


def place_call(client: SandboxClient, active: ActiveSettings, order: CallOrder) -> CallResult:
    """Have the sandbox behave as Cloudonix does when somebody calls."""
    key = active.settings.webhook_api_key
    placed = client.place_call(order, secrets=() if key is None else (key,))
    return CallResult(
        profile=active.profile,
        domain_uuid=client.domain_uuid,
        placed=placed,
        wrong_key=order.wrong_key,
        is_signed=order.signature_secret is not None,
        profile_option=active.profile_option,
    )
