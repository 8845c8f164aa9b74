"""Trunks: a list, and one in full."""

from __future__ import annotations

from opbx_cli.cli.output.parts import Column, Fields, Json, Row, Table, View
from opbx_cli.cli.output.text import plain, shown
from opbx_cli.operations.trunks import TrunkDetail, TrunkList
from opbx_cli.remote import Trunk

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
    kind = "" if result.direction.value == "all" else f"{result.direction.value} "
    table = Table(
        COLUMNS,
        tuple(map(_row, result.trunks)),
        empty=f"No {kind}trunks.",
        faint=frozenset(n for n, trunk in enumerate(result.trunks) if trunk.active is False),
    )
    return View(
        {
            "schema": "opbx.trunks/1",
            "profile": result.profile,
            "domain_uuid": result.domain_uuid,
            "trunks": [_object(trunk) for trunk in result.trunks],
        },
        (table,),
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


def _row(trunk: Trunk) -> Row:
    port = f":{trunk.port}" if trunk.port is not None else ""
    address = f"{trunk.ip}{port}" if trunk.ip else ""
    return tuple(
        address if column.narrow_only else shown(getattr(trunk, column.name), empty="")
        for column in COLUMNS
    )


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
