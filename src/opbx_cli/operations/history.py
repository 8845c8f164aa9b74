"""What commands changed, for the audit trail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opbx_cli.settings.table import Settings

if TYPE_CHECKING:  # only types: the store would be loaded by whatever shows results
    from opbx_cli.operations.validate.desired import Change
    from opbx_cli.store.audit_log import AuditEvent


@dataclass(frozen=True, slots=True)
class HistoryList:
    entries: tuple[AuditEvent, ...]


@dataclass(frozen=True, slots=True)
class Deed:
    """What a command did to a profile, to Cloudonix (`changes`), or to the store (`others`)."""

    command: str
    profile: str | None = None
    before: Settings | None = None
    after: Settings | None = None
    changes: tuple[Change, ...] = ()
    others: tuple[str, ...] = ()
    result: str = "ok"
