"""What the commands about opbx itself show."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opbx_cli.models import Secret

if TYPE_CHECKING:  # only types: they would load the receiver and the sandbox
    from opbx_cli.sandbox import DomainCredentials, OpbxCredentials
    from opbx_cli.webhooks.receiver.opbx import Played


@dataclass(frozen=True, slots=True)
class SandboxAddress:
    """Where the sandbox is, and the keys it made up: they open nothing else."""

    url: str
    domains: tuple[DomainCredentials, ...]
    opbx: OpbxCredentials | None = None  # with --opbx

    @property
    def variables(self) -> dict[str, str]:
        """The variables that point opbx at the first domain, and at OPBX."""
        first = self.domains[0]
        variables = {
            "CLOUDONIX_API_BASE_URL": self.url,
            "OPBX_DOMAIN_UUID": first.uuid,
            "OPBX_DOMAIN_API_KEY": first.api_key,
        }
        if self.opbx is not None:
            variables |= {
                "OPBX_WEBHOOK_BASE_URL": self.url,
                "OPBX_INSTANCE_URL": self.url,
                "OPBX_INSTANCE_EMAIL": self.opbx.email,
                "OPBX_INSTANCE_PASSWORD": self.opbx.password,
                "CLOUDONIX_WEBHOOK_SECRET": self.opbx.signature_secret,  # OPBX's name for it
            }
        return variables

    @property
    def export_lines(self) -> list[str]:
        """The same as lines for a shell."""
        return [f"export {name}={shlex.quote(value)}" for name, value in self.variables.items()]


@dataclass(frozen=True, slots=True)
class Shown:
    """One command of the demo as it was run, with a sentence about it."""

    about: str
    command: str
    exit_code: int
    output: str


@dataclass(frozen=True, slots=True)
class Demonstration:
    commands: tuple[Shown, ...]
    went_well: bool


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A file that a key was written to; never the key."""

    path: str


@dataclass(frozen=True, slots=True)
class ListeningAddress:
    """Where the receiver listens, and whose key it checks; a profile of None is the environment."""

    url: str
    profile: str | None
    profile_option: str
    key: Secret
    is_open: bool  # other computers may reach it
    played: Played

    @property
    def warnings(self) -> tuple[str, ...]:
        if not self.is_open:
            return self.played.warnings
        return (
            "other computers can reach this receiver, and nothing on the way is encrypted: whoever "
            "listens in has the webhook key and the call data",
            *self.played.warnings,
        )


@dataclass(frozen=True, slots=True)
class Received:
    """How many callbacks came in, and how many clients said nothing that could be shown."""

    callbacks: int
    refused: int
    turned_away: int
