"""Results as JSON documents: the names and shapes that scripts are written against."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import singledispatch
from typing import TYPE_CHECKING

from opbx_cli.callbacks import endpoints
from opbx_cli.cli.results import Demonstration, KeyFile, ListeningAddress, Received, SandboxAddress
from opbx_cli.cli.status_text import token_expires
from opbx_cli.cli.words import utc
from opbx_cli.models import SETTING_NAMES, ApplicationReference, Secret, Settings
from opbx_cli.operations.call import CallResult
from opbx_cli.operations.configure import Saved
from opbx_cli.operations.desired import Change
from opbx_cli.operations.history import HistoryList
from opbx_cli.operations.instance import Compared, Linked
from opbx_cli.operations.keys import KeyOverview, KeyRotation, KeyRow
from opbx_cli.operations.profiles import ProfileChange, ProfileDetail, ProfileList
from opbx_cli.operations.status import Cell, Note, RemoteMask, Status
from opbx_cli.operations.steps import Report, Step
from opbx_cli.operations.trunks import TrunkDetail, TrunkList
from opbx_cli.operations.webhook import WebhookUrl
from opbx_cli.operations.webhook_check import WebhookCheck
from opbx_cli.operations.webhook_key import RotatedKey
from opbx_cli.remote import Delivery, Trunk
from opbx_cli.values import masked_tail

if TYPE_CHECKING:
    from opbx_cli.receiver.callback import Callback

Json = dict[str, object]


@singledispatch
def document(result: object) -> Json:
    """Return the document for a result; `warnings` is added by whoever prints it."""
    raise TypeError(f"{type(result).__name__} has no document")


@document.register
def _(result: WebhookUrl) -> Json:
    return {
        "schema": "opbx.webhook-url/1",
        "base_url": result.base_url,
        "source": result.source,
        "endpoints": {
            "voice": result.endpoints.voice,
            "session_update": result.endpoints.session_update,
            "cdr": result.endpoints.cdr,
        },
    }


@document.register
def _(result: WebhookCheck) -> Json:
    return {
        "schema": "opbx.webhook-check/1",
        "base_url": result.base_url,
        "source": result.source,
        "result": "failed" if result.failed else "ok",
        "checks": [
            {
                "id": check.id,
                "result": check.result.value,
                "seen": check.seen,
                "advice": check.advice,
            }
            for check in result.checks
        ],
    }


@document.register
def _(result: TrunkList) -> Json:
    return {
        "schema": "opbx.trunks/1",
        "profile": result.profile,
        "domain_uuid": result.domain_uuid,
        "trunks": [trunk_object(trunk) for trunk in result.trunks],
    }


@document.register
def _(result: TrunkDetail) -> Json:
    return {
        "schema": "opbx.trunk/1",
        "profile": result.profile,
        "domain_uuid": result.domain_uuid,
        "trunk": trunk_object(result.trunk),
    }


@document.register
def _(result: ProfileDetail) -> Json:
    content: Json = {
        "schema": "opbx.profile/1",
        "profile": result.profile,
        "is_default": result.is_default,
        **settings_object(result.settings),
    }
    if result.origins is not None:
        content["origins"] = {name: result.origins.get(name) for name in SETTING_NAMES}
    return content


@document.register
def _(result: Saved) -> Json:
    return document(result.detail)


@document.register
def _(result: ProfileList) -> Json:
    return {
        "schema": "opbx.profiles/1",
        "default": result.default,
        "profiles": [
            {
                "profile": entry.profile,
                "is_default": entry.is_default,
                "domain_uuid": entry.settings.domain_uuid,
                "domain_name": entry.settings.domain_name,
            }
            for entry in result.profiles
        ],
    }


@document.register
def _(result: ProfileChange) -> Json:
    return document(result.after)


@document.register
def _(result: SandboxAddress) -> Json:
    return {
        "schema": "opbx.sandbox/1",
        "url": result.url,
        "domains": [
            # Made up by the sandbox, the same on every computer: no secret of anybody's.
            {"uuid": entry.uuid, "name": entry.name, "api_key": entry.api_key}
            for entry in result.domains
        ],
    }


@document.register
def _(result: CallResult) -> Json:
    return {
        "schema": "opbx.call/1",
        "profile": result.profile,
        "domain_uuid": result.domain_uuid,
        "call": result.placed.call,
        "disposition": result.placed.disposition,
        "application": result.placed.application,
        "callbacks": [delivery_object(one) for one in result.placed.callbacks],
        "not_followed": list(result.placed.not_followed),
        "missing": list(result.placed.missing),
        "result": "ok" if result.went_well else "failed",
    }


def delivery_object(one: Delivery) -> Json:
    return {
        "endpoint": one.endpoint,
        "event": one.event,
        "url": one.url,
        "attempts": one.attempts,
        "http_status": one.http_status,
        "result": one.result.value,
        "detail": one.detail,
        "milliseconds": one.milliseconds,
    }


@document.register
def _(result: Demonstration) -> Json:
    return {
        "schema": "opbx.demo/1",
        "commands": [
            {"command": entry.command, "exit_code": entry.exit_code, "output": entry.output}
            for entry in result.commands
        ],
    }


@document.register
def _(result: RotatedKey) -> Json:
    until = result.old_valid_until
    return {
        "schema": "opbx.webhook-key/1",
        "profile": result.profile,
        "domain_uuid": result.domain_uuid,
        "before": plain(result.before),
        "after": plain(result.after),
        "read_back": result.is_shown,
        "before_valid_until": None if until is None else f"{until:%Y-%m-%dT%H:%M:%SZ}",
    }


@document.register
def _(result: KeyFile) -> Json:
    return {"schema": "opbx.key-file/1", "file": result.path}


@document.register
def _(result: Linked) -> Json:
    expires = None if result.expires is None else datetime.fromtimestamp(result.expires, UTC)
    return {
        "schema": "opbx.instance/1",
        "profile": result.profile,
        "url": result.url,
        "organization": result.organization,
        "token_expires": None if expires is None else f"{expires:%Y-%m-%dT%H:%M:%SZ}",
        "result": "linked",
        "changes": [],
    }


@document.register
def _(result: Compared) -> Json:
    return {
        "schema": "opbx.instance/1",
        "profile": result.profile,
        "url": result.url,
        "direction": result.direction,
        "result": result.result,
        "changes": [change_object(change) for change in result.changes],
    }


@document.register
def _(result: Status) -> Json:
    calls, link = result.calls, result.link
    holder = calls.application
    return {
        "schema": "opbx.status/1",
        "profile": result.profile,
        "domain": {"uuid": result.domain_uuid, "name": result.domain_name},
        "result": "differs" if result.differs else "ok",
        "settings": [
            {
                "name": row.name,
                "here": cell_object(row.here),
                "cloudonix": cell_object(row.cloudonix),
                "opbx": cell_object(row.opbx),
                "differs": row.differs,
            }
            for row in result.rows
        ],
        "calls": {
            "application": holder and {"id": holder.id, "name": holder.name, "url": holder.url},
            "url": calls.url,
            "arrive": calls.arrive,
        },
        "last_validated": result.last_validated,
        "instance": link
        and {
            "url": link.url,
            "organization": link.organization,
            "token_expires": token_expires(link.token_expires),
        },
    }


def cell_object(value: Cell) -> object:
    """Return a value of one place; null where it is not set, not shown or not kept."""
    if isinstance(value, RemoteMask):
        return {"set": True, "mask": value.text, "fingerprint": None}
    return None if isinstance(value, Note) else plain(value)


@document.register
def _(result: ListeningAddress) -> Json:
    points = endpoints(result.url)
    return {
        "schema": "opbx.listening/1",
        "url": result.url,
        "profile": result.profile,
        "as": result.played.state.value,
        "webhook_api_key": plain(result.key),
        "endpoints": {
            "voice": points.voice,
            "session_update": points.session_update,
            "cdr": points.cdr,
        },
    }


@document.register
def _(result: Received) -> Json:
    return {
        "schema": "opbx.received/1",
        "callbacks": result.callbacks,
        "refused": result.refused,
        "turned_away": result.turned_away,
    }


@document.register
def _(result: KeyOverview) -> Json:
    return {
        "schema": "opbx.keys/1",
        "store": result.store,
        "backup": result.backup,
        "generation": result.generation,
        "opened_with": result.opened_with,
        "problem": result.problem,
        "keys": [key_object(key) for key in result.keys],
    }


@document.register
def _(result: KeyRotation) -> Json:
    return {
        "schema": "opbx.key-rotation/1",
        "keys": [key_object(key) for key in result.keys],
        "dropped": list(result.dropped),
        "removed": list(result.removed),
    }


@document.register
def _(result: HistoryList) -> Json:
    return {
        "schema": "opbx.history/1",
        "entries": [entry.as_object() for entry in result.entries],
    }


@document.register
def _(result: Report) -> Json:
    return {
        "schema": "opbx.validate/1",
        "profile": result.profile,
        "domain": {"uuid": result.domain_uuid, "name": result.domain_name},
        "result": result.result.value,
        "steps": [step_object(step) for step in result.steps],
    }


def callback_document(callback: Callback) -> Json:
    return {
        "schema": "opbx.callback/1",
        "received": utc(callback.received),
        "endpoint": callback.endpoint,
        "method": callback.method,
        "call": callback.call.id,
        "domain": callback.call.domain,
        "from": callback.call.caller,
        "to": callback.call.callee,
        "status": callback.call.status,
        "result": callback.result,
        "http_status": callback.http_status,
        "reason": callback.reason,
        "key": callback.key,
        "saved": callback.saved,
    }


def step_object(step: Step) -> Json:
    content: Json = {
        "id": step.id.value,
        "status": step.status.value,
        "detail": step.detail,
        "changes": [change_object(change) for change in step.changes],
    }
    if step.error is not None:
        content["error"] = step.error.as_object()
    return content


def change_object(change: Change) -> Json:
    return {"path": change.path, "from": plain(change.before), "to": plain(change.after)}


def settings_object(settings: Settings) -> Json:
    return {name: plain(getattr(settings, name)) for name in SETTING_NAMES}


def key_object(key: KeyRow) -> Json:
    return {
        "id": key.id,
        "kind": key.kind,
        "location": key.location,
        "is_at_hand": key.is_at_hand,
        "protects": key.protects,
    }


def trunk_object(trunk: Trunk) -> Json:
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


def plain(value: object) -> object:
    """Return a value as JSON has it; a secret as what may be known of it."""
    if isinstance(value, Secret):
        # What Cloudonix shows masked has no fingerprint: the mask's own would mislead.
        fingerprint = value.fingerprint if masked_tail(value) is None else None
        return {"set": True, "mask": value.mask, "fingerprint": fingerprint}
    if isinstance(value, ApplicationReference):
        return {"id": value.id, "uuid": value.uuid, "name": value.name}
    return value
