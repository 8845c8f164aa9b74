"""The sandbox: its address, a call that it placed, the demo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opbx_cli.cli.output.parts import (
    DONE,
    FAILED,
    Audience,
    Item,
    Items,
    Json,
    Sentences,
    Tone,
    View,
)
from opbx_cli.cli.output.results import Demonstration, SandboxAddress
from opbx_cli.operations.call import CallResult
from opbx_cli.remote import Delivery

if TYPE_CHECKING:
    from opbx_cli.sandbox import OpbxCredentials


def address_view(result: SandboxAddress) -> View:
    return View(
        {
            "schema": "opbx.sandbox/1",
            "url": result.url,
            "domains": [
                # Made up by the sandbox, the same on every computer: no secret of anybody's.
                {"uuid": entry.uuid, "name": entry.name, "api_key": entry.api_key}
                for entry in result.domains
            ],
            "opbx": None if result.opbx is None else _opbx(result.url, result.opbx),
        },
        (Sentences(tuple(result.export_lines)),),
    )


def _opbx(url: str, made_up: OpbxCredentials) -> Json:
    return {
        "url": url,
        "email": made_up.email,
        "password": made_up.password,
        "token": made_up.token,
        "signature_secret": made_up.signature_secret,
    }


def call_view(result: CallResult) -> View:
    placed = result.placed
    items = tuple(_item(one, is_well=result.is_well(one)) for one in placed.callbacks)
    sentence = _call_sentence(result)
    return View(
        {
            "schema": "opbx.call/1",
            "profile": result.profile,
            "domain_uuid": result.domain_uuid,
            "call": placed.call,
            "disposition": placed.disposition,
            "application": placed.application,
            "callbacks": [_object(one) for one in placed.callbacks],
            "not_followed": list(placed.not_followed),
            "missing": list(placed.missing),
            "result": "ok" if result.went_well else "failed",
        },
        (
            Items(items),
            Sentences(
                ("", sentence) if items else (sentence,),
                Tone.GOOD if result.went_well else Tone.BAD,
                Audience.PEOPLE,
            ),
        ),
    )


def demonstration_view(result: Demonstration) -> View:
    told = (
        f"That was opbx: {len(result.commands)} commands against the sandbox, in a temporary "
        "home that is gone now. Start with your own OPBX: opbx instance connect URL, or without "
        "it: opbx configure"
    )
    return View(
        {
            "schema": "opbx.demo/1",
            "commands": [
                {
                    "about": entry.about,
                    "command": entry.command,
                    "exit_code": entry.exit_code,
                    "output": entry.output,
                }
                for entry in result.commands
            ],
        },
        (Sentences((told,)),),
    )


def _item(one: Delivery, *, is_well: bool) -> Item:
    outcome = f"{one.detail} ({one.milliseconds} ms)"
    if one.attempts > 1:
        outcome = f"{one.detail} ({one.attempts} attempts, {one.milliseconds} ms)"
    status = "" if one.http_status is None else str(one.http_status)
    event, result = one.event or "", one.result.value
    return Item(
        DONE if is_well else FAILED,
        (one.endpoint, event, result, outcome),
        (
            *(one.endpoint, event, result, status),
            *(str(one.attempts), str(one.milliseconds), one.url, one.detail),
        ),
        coloured=2,
    )


def _object(one: Delivery) -> Json:
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


def _call_sentence(result: CallResult) -> str:
    """Say how the call ended, and what its callbacks came to."""
    placed = result.placed
    if placed.call is None:
        return "No call was made."
    total = len(placed.callbacks)
    well = total - len(result.failures)
    counted = f"all {total}" if well == total else f"{well} of {total}"
    how = "refused, as they should be" if result.wrong_key else "taken"
    left_out = f" Not carried out: {', '.join(placed.not_followed)}." * bool(placed.not_followed)
    return f"The call ended with {placed.disposition}; {counted} callbacks were {how}.{left_out}"
