"""The audit trail, and a deed as it stands there."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from opbx_cli.models import Secret
from opbx_cli.operations.history import Deed
from opbx_cli.settings.table import SETTING_NAMES, Settings
from opbx_cli.store.audit_log import AuditEvent, AuditLog


class AuditTrail(AuditLog):
    """The audit log of what commands changed."""

    def record(self, deeds: Iterable[Deed]) -> None:
        self.append(*map(entry_of, deeds))


def entry_of(deed: Deed) -> AuditEvent:
    """Write a deed down: names only, and keys as fingerprints."""
    old, new = deed.before or Settings(), deed.after or Settings()
    changed = [name for name in SETTING_NAMES if getattr(old, name) != getattr(new, name)]
    secrets = [name for name in changed if _is_secret(getattr(old, name), getattr(new, name))]
    made = {change.path: (change.before, change.after) for change in deed.changes}
    pairs = {
        **{name: (getattr(old, name), getattr(new, name)) for name in secrets},
        **{name: pair for name, pair in made.items() if _is_secret(*pair)},
    }
    return AuditEvent(
        time=f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}",
        command=deed.command,
        profile=deed.profile,
        domain_uuid=new.domain_uuid or old.domain_uuid,
        changed=(*changed, *made, *deed.others),
        result=deed.result,
        fingerprints={
            name: (_fingerprint(before), _fingerprint(after))
            for name, (before, after) in pairs.items()
        },
    )


def _is_secret(*values: object) -> bool:
    return any(isinstance(value, Secret) for value in values)


def _fingerprint(value: object) -> str | None:
    return value.fingerprint if isinstance(value, Secret) and not value.is_guessable else None
