"""Trunks to begin with: a small realistic set, or as many as asked for.

Field names: OpenAPI. All addresses are from the documentation ranges of RFC 5737, all secrets are
made up.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from opbx_cli.sandbox.records import START, Json

if TYPE_CHECKING:
    from collections.abc import Callable

DIRECTIONS = ("outbound", "inbound", "public-outbound", "public-inbound")
TRANSPORTS = ("udp", "tcp", "tls")
GENERATED_VARIETY = 5


def realistic_trunks(domain_id: int) -> list[Json]:
    """Return trunks with everything in them that may surprise a client, in no order of metric."""
    make = _maker(domain_id)
    return [
        make("carrier-backup", ip="backup.carrier.example", port="5061", transport="tls", metric=20)
        | {"profile": {"api-token": "sandbox-token-7f3e", "sip-secret": "sandbox-secret-1b"}},
        make("carrier-main", ip="198.51.100.10", prefix="9", metric=10)
        | {"profile": {"authentication": _authentication("acme"), "codecs": ["PCMA", "opus"]}},
        make("cloudonix-public", ip="203.0.113.5", transport="tcp", metric=5)
        | {"direction": "public-outbound", "allowGlobal": True, "globalPrefix": "00"},
        make("office", ip="192.0.2.20", port="5060", direction="inbound"),
        make("cloudonix-ingress", ip="203.0.113.6", transport="tls", direction="public-inbound"),
        make("carrier-retired", ip="198.51.100.99", metric=30, active=False),
        # Data from elsewhere may look like markup or carry terminal control sequences.
        make("[bold]sale[/bold] \x1b[31mred\x07", ip="198.51.100.30", port=5080, metric=40),
        _half_configured(make("half-configured")),
    ]


def generated_trunks(domain_id: int, count: int) -> list[Json]:
    """Return `count` trunks that differ in direction, transport, port, metric and state."""
    make = _maker(domain_id)
    return [_generated(make, number) for number in range(1, count + 1)]


def _generated(make: Callable[..., Json], number: int) -> Json:
    port = 5060 + number % GENERATED_VARIETY
    trunk = make(
        f"trunk-{number:05}",
        ip=f"198.51.100.{number % 254 + 1}",
        port=str(port) if number % 2 else port,
        transport=TRANSPORTS[number % len(TRANSPORTS)],
        direction=DIRECTIONS[number % len(DIRECTIONS)],
        metric=number * 7 % 100,
        active=number % 10 != 0,
    )
    if number % GENERATED_VARIETY == 0:
        trunk["profile"] = {"authentication": _authentication(f"user-{number}")}
    return trunk


def _maker(domain_id: int) -> Callable[..., Json]:
    """Return a function that makes this domain's trunks and numbers them."""
    made = 0

    def make(name: str, **values: object) -> Json:
        nonlocal made
        made += 1
        trunk_id = domain_id * 1_000_000 + made
        return _trunk(trunk_id, domain_id, name) | values

    return make


def _trunk(trunk_id: int, domain_id: int, name: str) -> Json:
    return {
        "id": trunk_id,
        "domainId": domain_id,
        "uuid": str(uuid.UUID(int=0x5A4D_B0C5 << 96 | 4 << 76 | 2 << 62 | trunk_id)),
        "name": name,
        "ip": "198.51.100.1",
        "port": 5060,
        "transport": "udp",
        "prefix": "",
        "direction": "outbound",
        "metric": 10,
        "active": True,
        "allowGlobal": False,
        "globalPrefix": "",
        "profile": {},
        "createdAt": START,
        "modifiedAt": START,
        "monitoring": {"sandbox": True},
    }


def _half_configured(trunk: Json) -> Json:
    for missing in ("transport", "metric", "profile", "allowGlobal", "modifiedAt"):
        del trunk[missing]
    return trunk | {"ip": None, "port": None, "prefix": None, "active": None}


def _authentication(username: str) -> Json:
    return {
        "username": username,
        "password": f"sandbox-password-of-{username}",
        "overwrite-from": True,
    }
