"""The one user of the sandbox's OPBX, and the tokens that speak for it."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from opbx_cli.sandbox.domains import Json
    from opbx_cli.sandbox.opbx.variants import OpbxVariants
    from opbx_cli.sandbox.state import Clock

LIFETIME: Final = 86_400  # seconds


def made_up(what: str) -> str:
    """Return a secret of nobody's, the same on every computer."""
    return hashlib.sha256(f"opbx sandbox {what}".encode()).hexdigest()[:40]


@dataclass(frozen=True, slots=True)
class OpbxCredentials:
    """What a client needs: e-mail address and password, or a token that is valid from the start.

    Signing in revokes that token. `signature_secret` is what January's session updates are signed
    with.
    """

    email: str
    password: str
    token: str
    signature_secret: str


CREDENTIALS: Final = OpbxCredentials(
    email="owner@sandbox.example",
    password=made_up("password of the owner"),
    token=f"1|{made_up('first token')}",
    signature_secret=made_up("secret of signatures"),
)


class Tokens:
    """The tokens that are in force, with the moment of their end on the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ends: dict[str, float] = {}
        self._count = 0
        self._add(CREDENTIALS.token)

    def issue(self) -> str:
        """Return a new token."""
        return self._add(f"{self._count + 1}|{secrets.token_hex(20)}")

    @property
    def valid(self) -> tuple[str, ...]:
        """The tokens that speak for the user now."""
        return tuple(token for token in self._ends if self.accepts(token))

    def accepts(self, token: str) -> bool:
        """Tell whether this token speaks for the user."""
        return self._ends.get(token, 0.0) > self._clock.now()

    def revoke(self, token: str) -> None:
        """Take one token back."""
        self._ends.pop(token, None)

    def revoke_all(self) -> None:
        """Take every token back: signing in does."""
        self._ends.clear()

    def _add(self, token: str) -> str:
        self._count += 1
        self._ends[token] = self._clock.now() + LIFETIME
        return token


def user_view(variants: OpbxVariants) -> Json:
    """Return the user as signing in shows it."""
    return {
        "id": 1,
        "organization_id": 1,
        "name": "Sandbox Owner",
        "email": CREDENTIALS.email,
        "role": str(variants.opbx_role),
        "status": str(variants.opbx_user),
    }


def organization_view() -> Json:
    """Return the organisation that the user belongs to."""
    return {
        "id": 1,
        "name": "Sandbox PBX",
        "slug": "sandbox-pbx",
        "status": "active",
        "timezone": "UTC",
    }
