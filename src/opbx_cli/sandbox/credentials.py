"""The names, UUIDs and API keys of the sandbox's domains: the same ones in every run."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass

API_KEY_LENGTH = 34  # documentation: a key is 34 characters that start with "XI"


@dataclass(frozen=True, slots=True)
class DomainCredentials:
    """What a client needs to reach one domain of the sandbox."""

    uuid: str
    name: str
    api_key: str


def credentials(count: int) -> tuple[DomainCredentials, ...]:
    """Return the credentials of the first `count` domains."""
    return tuple(_domain(number) for number in range(1, count + 1))


def _domain(number: int) -> DomainCredentials:
    name = "sandbox.cloudonix.net" if number == 1 else f"sandbox-{number}.cloudonix.net"
    digest = hashlib.sha256(f"opbx sandbox key of {name}".encode()).hexdigest()
    return DomainCredentials(
        uuid=str(uuid.uuid5(uuid.NAMESPACE_DNS, name)),
        name=name,
        api_key=f"XI{digest}"[:API_KEY_LENGTH],
    )
