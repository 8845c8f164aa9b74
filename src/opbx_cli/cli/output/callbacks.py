"""What `webhook listen` says: where it listens, each callback, how many came."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from opbx_cli.cli.output.parts import DONE, FAILED, Json, Row, Sentences, View
from opbx_cli.cli.output.results import ListeningAddress, Received
from opbx_cli.cli.output.text import plain
from opbx_cli.webhooks.endpoints import endpoints

if TYPE_CHECKING:
    from opbx_cli.webhooks.receiver.callback import Callback

MARKS = {"accepted": DONE, "refused": FAILED}


def address_view(result: ListeningAddress) -> View:
    points = endpoints(result.url)
    return View(
        {
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
        },
        (Sentences(_address_lines(result)),),
    )


def received_view(result: Received) -> View:
    callbacks = f"{result.callbacks} callback{'' if result.callbacks == 1 else 's'}"
    turned_away = f"; {result.turned_away} clients turned away" if result.turned_away else ""
    return View(
        {
            "schema": "opbx.received/1",
            "callbacks": result.callbacks,
            "refused": result.refused,
            "turned_away": result.turned_away,
        },
        (Sentences((f"{callbacks}, {result.refused} refused{turned_away}.",)),),
    )


def callback_document(callback: Callback) -> Json:
    call = callback.call
    return {
        "schema": "opbx.callback/1",
        "received": utc(callback.received),
        "endpoint": callback.endpoint,
        "method": callback.method,
        "call": call.id,
        "domain": call.domain,
        "from": call.caller,
        "to": call.callee,
        "status": call.status,
        "result": callback.result,
        "http_status": callback.http_status,
        "reason": callback.reason,
        "key": callback.key,
        "saved": callback.saved,
    }


def callback_row(callback: Callback) -> Row:
    call = callback.call
    row = (callback.endpoint, call.id, call.caller, call.callee, call.status, callback.result)
    outcome = (str(callback.http_status), callback.reason, callback.key, callback.saved)
    return (utc(callback.received), *(cell or "" for cell in (*row, *outcome)))


def outcome_of(callback: Callback) -> str:
    """Return what a person is told of it: why it was refused, else what it says."""
    if callback.reason is not None:
        return f"{callback.http_status} {callback.reason}"
    status = callback.call.status or ""
    return status if callback.key == "current" else f"{status} ({callback.key} key)".lstrip()


def utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def _address_lines(address: ListeningAddress) -> tuple[str, ...]:
    """Say where callbacks are taken, which key they must carry, and how they get here."""
    if address.profile is None:
        whose, setting = "of the environment", "set OPBX_WEBHOOK_BASE_URL to that one's address"
    else:
        whose = f"of profile '{address.profile}'"
        configure = f"opbx configure --webhook-base-url URL{address.profile_option}"
        setting = f"save that one's address with `{configure}`"
    return (
        f"Listening on {address.url} for callbacks with the webhook key {whose} "
        f"({address.key.label}), as OPBX of {address.played.state.title()} 2026. "
        "Ctrl-C stops it.",
        f"Base URL: {address.url}. Cloudonix reaches it through a tunnel or an https proxy: "
        f"{setting}, then `opbx validate{address.profile_option}`.",
    )
