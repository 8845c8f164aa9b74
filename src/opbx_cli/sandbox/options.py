"""What the sandbox can be told at its start."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opbx_cli.sandbox.faults import Fault
from opbx_cli.sandbox.variants import Variants

if TYPE_CHECKING:
    from collections.abc import Iterable

HOST = "127.0.0.1"  # loopback only: the sandbox is no server for a network
MAX_DOMAINS = 10_000
MAX_TRUNKS = 100_000
MAX_PORT = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the sandbox behaves; raises ValueError for what is out of range.

    `port` 0 takes any free one; `trunks` None gives each domain a small realistic set; `latency`
    is in seconds.
    """

    port: int = 0
    domains: int = 1
    trunks: int | None = None
    latency: float = 0.0
    rate_limit: bool = True
    variants: Variants = field(default_factory=Variants)
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check_range("port", self.port, 0, MAX_PORT)
        _check_range("number of domains", self.domains, 1, MAX_DOMAINS)
        if self.trunks is not None:
            _check_range("number of trunks", self.trunks, 0, MAX_TRUNKS)
        if not 0 <= self.latency < math.inf:
            message = "the latency is a number of seconds from 0 up"
            raise ValueError(message)

    @classmethod
    def parse(  # noqa: PLR0913 - one parameter for each option of the command line
        cls,
        *,
        variants: Iterable[str] = (),
        faults: Iterable[str] = (),
        port: int = 0,
        domains: int = 1,
        trunks: int | None = None,
        latency: float = 0.0,
        rate_limit: bool = True,
    ) -> Options:
        """Build options from `NAME=VALUE` variants and `CALL=KIND[*COUNT][@FIRST]` faults.

        Raises ValueError, which says what is valid, for a variant or fault that cannot be read.
        """
        return cls(
            port=port,
            domains=domains,
            trunks=trunks,
            latency=latency,
            rate_limit=rate_limit,
            variants=Variants.parse(variants),
            faults=tuple(Fault.parse(fault) for fault in faults),
        )


def _check_range(what: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        message = f"the {what} lies between {low} and {high}"
        raise ValueError(message)
