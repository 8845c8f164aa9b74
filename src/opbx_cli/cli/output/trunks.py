"""Trunks: a list, and one in full."""

from __future__ import annotations

from dataclasses import replace

from opbx_cli.cli.output.parts import Audience, Column, Fields, Json, Row, Sentences, Table, View
from opbx_cli.cli.output.text import plain, shown
from opbx_cli.operations.trunks import (
    Direction,
    Order,
    TrunkDetail,
    TrunkList,
    TrunkQuestion,
    address_of,
    direction_of,
)
from opbx_cli.remote import Trunk
from opbx_cli.values import clean

COLUMNS = (
    Column("id", priority=9, is_number=True, may_wrap=False),
    Column("uuid", "UUID", priority=9, may_wrap=False),
    Column("name"),
    Column("direction", priority=3, may_wrap=False),
    Column("address", narrow_only=True),
    Column("ip", priority=9),
    Column("port", priority=9, is_number=True, may_wrap=False),
    Column("transport", priority=9),
    Column("prefix", priority=2, may_wrap=False),
    Column("metric", priority=4, is_number=True, may_wrap=False),
    Column("active", priority=1, may_wrap=False),
)
DETAILS = (*(one.name for one in COLUMNS if not one.narrow_only), "allow_global", "global_prefix")


def list_view(result: TrunkList) -> View:
    columns: tuple[Column, ...] = COLUMNS
    if result.columns:
        by_name = {column.name: replace(column, narrow_only=False) for column in COLUMNS}
        columns = tuple(replace(by_name[name], priority=0) for name in result.columns)
    table = Table(
        columns,
        tuple(_row(trunk, columns) for trunk in result.trunks),
        empty=_nothing(result),
        faint=frozenset(n for n, trunk in enumerate(result.trunks) if trunk.active is False),
    )
    closing = Sentences(("", _counted(result)), audience=Audience.PEOPLE)
    return View(
        {
            "schema": "opbx.trunks/1",
            "profile": result.profile,
            "domain_uuid": result.domain_uuid,
            "trunks": [_object(trunk) for trunk in result.trunks],
        },
        (table, closing) if result.trunks else (table,),
    )


def detail_view(result: TrunkDetail) -> View:
    return View(
        {
            "schema": "opbx.trunk/1",
            "profile": result.profile,
            "domain_uuid": result.domain_uuid,
            "trunk": _object(result.trunk),
        },
        (Fields(_fields(result.trunk)),),
    )


def _row(trunk: Trunk, columns: tuple[Column, ...]) -> Row:
    return tuple(
        address_of(trunk)
        if column.name == "address"
        else shown(getattr(trunk, column.name), empty="")
        for column in columns
    )


def _kind(question: TrunkQuestion) -> str:
    """Name what was asked for: "active outbound trunks with 'carrier'"."""
    states = {None: "", True: "active ", False: "inactive "}
    direction = "" if question.direction is Direction.ALL else f"{question.direction} "
    return f"{states[question.active]}{direction}"


def _nothing(result: TrunkList) -> str:
    """Say that there are none, and which there are instead."""
    question = result.question
    wanted = "" if question.text is None else f" with '{clean(question.text)}'"
    instead = [
        f"{count} {direction}"
        for direction in (Direction.OUTBOUND, Direction.INBOUND)
        if direction is not question.direction
        and (count := sum(direction_of(one) == direction for one in result.others))
    ]
    hint = f" {' and '.join(instead)}: `--direction all` shows them." if instead else ""
    return f"No {_kind(question)}trunks{wanted}.{hint}"


def _counted(result: TrunkList) -> str:
    """Say how many are shown, what the order means, and how many are not shown."""
    count, question, left_out = len(result.trunks), result.question, len(result.others)
    order = f"sorted by {question.order}"
    if question.order is Order.METRIC:
        order = "in routing order: the first that fits is used"
    others = ""
    if left_out:
        others = f"; {left_out} other{'s are' if left_out > 1 else ' is'} not shown"
    return f"{count} {_kind(question)}trunk{'s' * (count != 1)}, {order}{others}."


def _fields(trunk: Trunk) -> tuple[Row, ...]:
    names = (*DETAILS, "created_at", "modified_at")
    rows = [(name, shown(getattr(trunk, name), empty="")) for name in names]
    known = trunk.authentication
    if known is not None:
        rows += [
            (f"authentication.{name}", shown(getattr(known, name), empty=""))
            for name in ("username", "password", "overwrite_from")
        ]
    return (*rows, ("profile_keys", ", ".join(trunk.profile_keys)))


def _object(trunk: Trunk) -> Json:
    known = trunk.authentication
    authentication = known and {
        "username": known.username,
        "password": plain(known.password),
        "overwrite_from": known.overwrite_from,
    }
    return {
        "id": trunk.id,
        "uuid": trunk.uuid,
        "name": trunk.name,
        "ip": trunk.ip,
        "port": trunk.port,
        "transport": trunk.transport,
        "prefix": trunk.prefix,
        "direction": trunk.direction,
        "metric": trunk.metric,
        "active": trunk.active,
        "allow_global": trunk.allow_global,
        "global_prefix": trunk.global_prefix,
        "created_at": trunk.created_at,
        "modified_at": trunk.modified_at,
        "authentication": authentication,
        "profile_keys": list(trunk.profile_keys),
    }
