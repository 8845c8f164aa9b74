"""The webhook URL, its checks, and the webhook key."""

from __future__ import annotations

from opbx_cli.cli.output.checks import items_of, objects_of
from opbx_cli.cli.output.parts import Audience, Fields, Part, Sentences, Tone, View
from opbx_cli.cli.output.results import KeyFile
from opbx_cli.cli.output.text import plain
from opbx_cli.operations.verdicts import WebhookCheck
from opbx_cli.operations.webhook import WebhookUrl
from opbx_cli.operations.webhook_key import RotatedKey


def url_view(result: WebhookUrl) -> View:
    endpoints = result.endpoints
    rows = (
        ("base URL", result.base_url),
        ("source", result.source),
        ("voice", endpoints.voice),
        ("session update", endpoints.session_update),
        ("call records", endpoints.cdr),
    )
    return View(
        {
            "schema": "opbx.webhook-url/1",
            "base_url": result.base_url,
            "source": result.source,
            "endpoints": {
                "voice": endpoints.voice,
                "session_update": endpoints.session_update,
                "cdr": endpoints.cdr,
            },
        },
        (
            Fields(rows, audience=Audience.PEOPLE),
            Sentences((result.base_url,), audience=Audience.PROGRAMS),
        ),
    )


def check_view(result: WebhookCheck) -> View:
    parts: list[Part] = [items_of(result.checks, width=len("session-update-wrong-token"))]
    well = f"OPBX answers at {result.base_url} and refuses callbacks that are not Cloudonix's."
    if not result.failed:  # what is not well is for the error behind the checks
        parts.append(Sentences(("", well), Tone.GOOD, Audience.PEOPLE))
    return View(
        {
            "schema": "opbx.webhook-check/1",
            "profile": result.profile,
            "base_url": result.base_url,
            "source": result.source,
            "result": "failed" if result.failed else "ok",
            "checks": objects_of(result.checks),
        },
        tuple(parts),
        title=result.base_url,
        summary=well if result.is_well else "",
    )


def rotated_view(result: RotatedKey) -> View:
    until = result.old_valid_until
    return View(
        {
            "schema": "opbx.webhook-key/1",
            "profile": result.profile,
            "domain_uuid": result.domain_uuid,
            "before": plain(result.before),
            "after": plain(result.after),
            "read_back": result.is_shown,
            "before_valid_until": None if until is None else f"{until:%Y-%m-%dT%H:%M:%SZ}",
        },
        (Sentences(_rotated_lines(result)),),
    )


def key_file_view(result: KeyFile) -> View:
    told = f"The key is in {result.path}, for you alone to read."
    return View(
        {"schema": "opbx.key-file/1", "file": result.path},
        (
            Sentences((told,), audience=Audience.PEOPLE),
            Sentences((result.path,), audience=Audience.PROGRAMS),
        ),
    )


def _rotated_lines(result: RotatedKey) -> tuple[str, ...]:
    """Say which key is in force now, and what OPBX still needs."""
    before = result.before.label if result.before is not None else "none"
    proof = "read back from" if result.is_shown else "sent to (it does not show keys)"
    lines = [f"Webhook key {before} → {result.after.label}: saved, and {proof} Cloudonix."]
    if result.old_valid_until is not None:
        until = f"{result.old_valid_until.astimezone():%Y-%m-%d %H:%M:%S %Z}"
        lines.append(f"opbx webhook listen takes the old key too, until {until}.")
    check = f"opbx webhook-url --check --with-key{result.profile_option}"
    if result.instance_url is not None:
        return (*lines, f"OPBX at {result.instance_url} has it too. `{check}` proves it.")
    return (
        *lines,
        "OPBX refuses callbacks until it has the new key too. Now, in this order:",
        f"1. opbx webhook-key reveal{result.profile_option}",
        "2. Save that key in OPBX's settings.",
        f"3. {check}",
    )
