"""Trunks: which ones a question means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from opbx_cli.errors import NotFoundError, UsageError
from opbx_cli.remote import Trunk
from opbx_cli.values import clean


class Direction(StrEnum):
    OUTBOUND = "outbound"
    INBOUND = "inbound"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class TrunkList:
    profile: str | None
    domain_uuid: str
    trunks: tuple[Trunk, ...]
    direction: Direction


@dataclass(frozen=True, slots=True)
class TrunkDetail:
    profile: str | None
    domain_uuid: str
    trunk: Trunk


def select(trunks: tuple[Trunk, ...], direction: Direction) -> tuple[Trunk, ...]:
    """Return the trunks of a direction, in routing order.

    Outbound means `outbound` or `public-outbound` (those are run by Cloudonix); trunks
    without a metric come last. A direction unknown to us is shown by `all` alone.
    """
    chosen = (
        trunk
        for trunk in trunks
        if direction is Direction.ALL
        or (trunk.direction or "").lower().removeprefix("public-") == direction.value
    )
    return tuple(sorted(chosen, key=lambda trunk: (trunk.metric is None, trunk.metric or 0)))


def find(trunks: tuple[Trunk, ...], wanted: str) -> Trunk:
    """Return the one trunk with this UUID, else this id, else this name.

    Raises `NotFoundError`, or `UsageError` where several fit.
    """
    by_uuid = [trunk for trunk in trunks if trunk.uuid and trunk.uuid.lower() == wanted.lower()]
    by_id = [trunk for trunk in trunks if trunk.id is not None and str(trunk.id) == wanted]
    by_name = [trunk for trunk in trunks if trunk.name == wanted]
    found = by_uuid or by_id or by_name
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{len(found)} trunks fit: {', '.join(map(_in_words, found))}",
            hint="name the one by its UUID: `opbx trunks show UUID`",
            code="usage.ambiguous",
        )
    raise NotFoundError(
        "no trunk of this domain has that name, id or UUID",
        hint="`opbx trunks list --direction all` shows them",
        code="trunk.not_found",
    )


def _in_words(trunk: Trunk) -> str:
    """Return what tells a trunk from others of its name, fit for a line of text."""
    identity = trunk.uuid or ("no id" if trunk.id is None else f"id {trunk.id}")
    return clean(f"{trunk.name or '-'} ({identity})")
