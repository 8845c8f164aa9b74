"""What a sandbox does beside Cloudonix's API: it places calls."""

from __future__ import annotations

from opbx_cli.cloudonix import parse
from opbx_cli.cloudonix.client import Client, read_answer
from opbx_cli.cloudonix.failures import Call
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError, NotFoundError, RemoteError
from opbx_cli.http.redaction import quoted
from opbx_cli.models import Secret
from opbx_cli.remote import CallOrder, PlacedCall

REPORTED_MAX = 300  # characters of one text in the sandbox's report of a call; a URL has 255
NO_SUCH_DOMAIN = 410  # of the sandbox, where Cloudonix has 404


class SandboxClient(Client):
    """Speaks for one domain of a sandbox."""

    def place_call(self, order: CallOrder, *, secrets: tuple[Secret, ...] = ()) -> PlacedCall:
        """Have a sandbox place a call; nothing of its report that repeats a key is kept.

        Raises `ConfigurationError` where the server is no sandbox: Cloudonix has no such path.
        """
        self._secrets.extend(secrets)
        path = f"/sandbox/domains/{self.domain_uuid}/calls"
        call = Call("POST", path, "place a call in the sandbox", self._hints)
        body = {
            "from": order.caller,
            "to": order.callee,
            "direction": order.direction,
            "wrong_key": order.wrong_key,
        }
        if order.signature_secret is not None:
            self._secrets.append(order.signature_secret)
            body["signature_secret"] = order.signature_secret.reveal()
        try:
            response = self._send(call, body)
        except NotFoundError as error:
            raise ConfigurationError(
                f"cannot {call}: the server at {self._host} is no opbx sandbox (404)",
                hint="`opbx sandbox` serves one, and prints the variables that point opbx at it",
                code=ErrorCode.CONFIGURATION_NO_SANDBOX,
                http_status=error.http_status,
            ) from error
        except RemoteError as error:
            if error.http_status != NO_SUCH_DOMAIN:
                raise
            raise NotFoundError(
                "the sandbox has no domain with this UUID",
                hint=self._hints.domain_uuid,
                code=ErrorCode.DOMAIN_NOT_FOUND,
                http_status=error.http_status,
            ) from error
        return read_answer(
            call, response, lambda value: parse.parse_placed_call(value, self._shown)
        )

    def _shown(self, text: str) -> str:
        """Make a text from afar fit for a screen: short, clean, and none of our keys in it."""
        return quoted(text, self._secrets, length_max=REPORTED_MAX)
