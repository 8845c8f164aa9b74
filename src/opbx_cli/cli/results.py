"""What the commands about opbx itself show."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opbx_cli.sandbox import DomainCredentials


@dataclass(frozen=True, slots=True)
class SandboxAddress:
    """Where the sandbox is, and the keys it made up: they open nothing else."""

    url: str
    domains: tuple[DomainCredentials, ...]

    @property
    def export_lines(self) -> list[str]:
        """The lines for a shell that point opbx at the first domain."""
        first = self.domains[0]
        variables = {
            "CLOUDONIX_API_BASE_URL": self.url,
            "OPBX_DOMAIN_UUID": first.uuid,
            "OPBX_DOMAIN_API_KEY": first.api_key,
        }
        return [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]


@dataclass(frozen=True, slots=True)
class Shown:
    """One command of the demo as it was run."""

    command: str
    exit_code: int
    output: str


@dataclass(frozen=True, slots=True)
class Demonstration:
    commands: tuple[Shown, ...]
    went_well: bool
