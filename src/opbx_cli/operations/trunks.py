"""Trunks: which ones a question means."""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import NotFoundError, UsageError
from opbx_cli.remote import Trunk
from opbx_cli.values import clean


class Direction(StrEnum):
    OUTBOUND = "outbound"
    INBOUND = "inbound"
    ALL = "all"


class Order(StrEnum):
    """What a list is sorted by; `metric` is the order in which Cloudonix tries them."""

    METRIC = "metric"
    NAME = "name"
    ADDRESS = "address"
    PREFIX = "prefix"


@dataclass(frozen=True, slots=True)
class TrunkQuestion:
    """Which trunks are meant, and in which order.

    `text` is looked for in name, address and prefix, whatever its case; `active` None is both.
    """

    direction: Direction = Direction.OUTBOUND
    text: str | None = None
    active: bool | None = None
    order: Order = Order.METRIC


@dataclass(frozen=True, slots=True)
class TrunkList:
    """The trunks that were meant; `others` are those of the domain that were not."""

    profile: str | None
    domain_uuid: str
    trunks: tuple[Trunk, ...]
    question: TrunkQuestion
    others: tuple[Trunk, ...] = ()
    columns: tuple[str, ...] = ()  # those that were asked for; none: the usual ones


@dataclass(frozen=True, slots=True)
class TrunkDetail:
    profile: str | None
    domain_uuid: str
    trunk: Trunk


def select(
    trunks: tuple[Trunk, ...], question: TrunkQuestion
) -> tuple[tuple[Trunk, ...], tuple[Trunk, ...]]:
    """Return the trunks that are meant, in the wanted order, and the others.

    Outbound means `outbound` or `public-outbound` (those are run by Cloudonix); trunks
    without a metric come last. A direction unknown to us is shown by `all` alone.
    """
    chosen = [trunk for trunk in trunks if _fits(trunk, question)]
    others = tuple(trunk for trunk in trunks if not _fits(trunk, question))
    return tuple(sorted(chosen, key=lambda trunk: _place(trunk, question.order))), others


def direction_of(trunk: Trunk) -> str:
    """Return the direction, whoever runs the trunk."""
    return (trunk.direction or "").lower().removeprefix("public-")


def address_of(trunk: Trunk) -> str:
    """Return host and port as one text; an IPv6 address is in brackets (RFC 3986)."""
    if not trunk.ip:
        return ""
    host = f"[{trunk.ip}]" if ":" in trunk.ip else trunk.ip
    return host if trunk.port is None else f"{host}:{trunk.port}"


def _fits(trunk: Trunk, question: TrunkQuestion) -> bool:
    if question.direction is not Direction.ALL and direction_of(trunk) != question.direction:
        return False
    if question.active is not None and (trunk.active is not False) != question.active:
        return False
    if question.text is None:
        return True
    wanted = _folded(question.text)
    return any(
        wanted in _folded(text or "") for text in (trunk.name, address_of(trunk), trunk.prefix)
    )


def _place(trunk: Trunk, order: Order) -> tuple[bool, str | int]:
    if order is Order.METRIC:
        return (trunk.metric is None, trunk.metric or 0)
    texts = {Order.NAME: trunk.name, Order.ADDRESS: address_of(trunk), Order.PREFIX: trunk.prefix}
    return (not texts[order], _folded(texts[order] or ""))


def _folded(text: str) -> str:
    """Return what tells names apart: not case, not how letters are composed, nothing unseen."""
    return clean(unicodedata.normalize("NFKC", text)).casefold()


def find(trunks: tuple[Trunk, ...], wanted: str) -> Trunk:
    """Return the one trunk with this UUID, else this id, else this name, as people write names.

    A name fits as it is, else whatever its case, else by its beginning. Raises `NotFoundError`,
    or `UsageError` where several fit.
    """
    folded = _folded(wanted)
    named = [(_folded(trunk.name), trunk) for trunk in trunks if trunk.name]
    by_uuid = [trunk for trunk in trunks if trunk.uuid and trunk.uuid.lower() == wanted.lower()]
    by_id = [trunk for trunk in trunks if trunk.id is not None and str(trunk.id) == wanted]
    by_name = [trunk for trunk in trunks if trunk.name == wanted]
    alike = [trunk for name, trunk in named if name == folded]
    beginning = [trunk for name, trunk in named if folded and name.startswith(folded)]
    found = by_uuid or by_id or by_name or alike or beginning
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{len(found)} trunks fit: {', '.join(map(_in_words, found))}",
            hint=f"name one by its UUID or id, as in `opbx trunks show {_identity(found)}`",
            code=ErrorCode.USAGE_AMBIGUOUS,
        )
    names = {name: clean(trunk.name or "") for name, trunk in named}
    near = [names[one] for one in get_close_matches(folded, names, n=3)]
    nearest = f"; near it: {', '.join(near)}" if near else ""
    raise NotFoundError(
        f"no trunk of this domain has that name, id or UUID{nearest}",
        hint="`opbx trunks list --direction all` shows them",
        code=ErrorCode.TRUNK_NOT_FOUND,
    )


def _identity(trunks: Iterable[Trunk]) -> str:
    """Return what names the first one alone; one that has neither cannot be named."""
    known = (trunk.uuid or str(trunk.id) for trunk in trunks if trunk.uuid or trunk.id is not None)
    return shlex.quote(clean(next(known, "ID")))


def _in_words(trunk: Trunk) -> str:
    """Return what tells a trunk from others of its name, fit for a line of text."""
    identity = trunk.uuid or ("no id" if trunk.id is None else f"id {trunk.id}")
    return clean(f"{trunk.name or '-'} ({identity})")
