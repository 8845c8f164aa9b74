"""What several JSON documents have in common: secrets, errors, steps, checks, trunks, keys."""

from __future__ import annotations

from opbx_cli.models import ApplicationReference
from opbx_cli.operations.validate import steps
from opbx_cli.operations.verdicts import Result as CheckResult
from opbx_cli.settings.table import TABLE, Setting
from opbx_cli.store.key_slots import SlotKind
from reference.vocabulary import (
    Schema,
    flag,
    items,
    maybe,
    number,
    one_of,
    record,
    reference,
    remote_id,
    text,
)

WARNINGS = items("What is not as it should be, one sentence each.", text())
PROFILE = text("The profile's name.")
STORED_PROFILE = maybe(text("The profile's name; null where the environment gives the settings."))
DOMAIN_UUID = text("The domain's UUID.")
ENDPOINTS = record(
    "Where Cloudonix sends callbacks.",
    {
        "voice": text("A call arrives here."),
        "session_update": text("How calls go on is reported here."),
        "cdr": text("Call records go here."),
    },
)
CHECKS = items(
    "The checks, in the order in which they were made.", reference("check", "One check.")
)
CHECKED = text(
    "`failed` where a check failed, else `ok`: a warning is no failure.", ("ok", "failed")
)


def _value(row: Setting) -> Schema:
    """A setting of a profile; null where it is unset."""
    if row.is_secret:
        return maybe(reference("secret", f"{row.label}."))
    if row.kind is ApplicationReference:
        return maybe(reference("application", f"{row.label}: takes the domain's calls."))
    about = f"{row.label}{f', in{row.unit}' if row.unit else ''}."
    return maybe(number(about) if row.kind is int else text(about, row.choices))


SETTINGS = {row.name: _value(row) for row in TABLE if row.label}
ORIGINS = record(
    "Where each value comes from; with `--origin` alone.",
    {row.name: maybe(text(f"The source of `{row.name}`.")) for row in TABLE if row.label},
)
CELL = one_of("", {"type": ["string", "integer", "null"]}, {"$ref": "#/$defs/secret"})
VALUE = one_of(
    "",
    {"type": ["string", "integer", "boolean", "null"]},
    {"$ref": "#/$defs/secret"},
    {"$ref": "#/$defs/application"},
)

SHARED: dict[str, Schema] = {
    "secret": record(
        "A key, never shown.",
        {
            "set": {"const": True, "description": "Always so: null stands for no key."},
            "mask": text("Asterisks, and the last four characters of a long key."),
            "fingerprint": maybe(
                text("Tells two long keys apart; null for one that may be guessed.")
            ),
        },
    ),
    "application": record(
        "A voice application of the domain.",
        {
            "id": remote_id("Its ID in Cloudonix."),
            "uuid": maybe(text("Its UUID.")),
            "name": text("Its name."),
        },
    ),
    "domain": record(
        "The domain.",
        {"uuid": DOMAIN_UUID, "name": maybe(text("Its name, as far as it is known."))},
    ),
    "error": record(
        "What went wrong.",
        {
            "code": text("A stable name for scripts; docs/troubleshooting.md has them all."),
            "message": text("What failed, on which thing."),
            "hint": maybe(text("The one next step.")),
            "exit_code": number("What a command that fails with this ends with."),
            "retryable": flag("Whether running it again may help, without any change."),
            "http_status": maybe(number("The HTTP status that a server answered with.")),
        },
    ),
    "change": record(
        "What is or would be changed.",
        {
            "path": text("The setting, or its place in Cloudonix: `domain_profile.call-timeout`."),
            "from": {"description": "The value before; null for none.", **VALUE},
            "to": {"description": "The value after; null for none.", **VALUE},
        },
    ),
    "step": record(
        "One step.",
        {
            "id": text("Which step.", steps.StepId),
            "status": text("What became of it.", steps.Status),
            "detail": text("One sentence about it."),
            "changes": items(
                "What it changed, or would change.", reference("change", "One change.")
            ),
            "error": reference("error", "Why it failed; only where it did."),
        },
        optional=("error",),
    ),
    "check": record(
        "One check.",
        {
            "id": text("Which check."),
            "result": text("How it ended.", CheckResult),
            "seen": text("What was seen."),
            "advice": maybe(text("What to do about it.")),
        },
    ),
    "trunk": record(
        "A trunk. Each field is null where Cloudonix does not say.",
        {
            "id": maybe(remote_id("Its ID.")),
            "uuid": maybe(text("Its UUID.")),
            "name": maybe(text("Its name.")),
            "ip": maybe(text("Its address.")),
            "port": maybe(number("Its port.")),
            "transport": maybe(text("Its transport, such as `udp`.")),
            "prefix": maybe(text("What numbers that take it begin with.")),
            "direction": maybe(text("Its direction in Cloudonix's own words.")),
            "metric": maybe(number("Its place in the routing order.")),
            "active": maybe(flag("Whether it is active.")),
            "allow_global": maybe(flag("`allowGlobal` in Cloudonix.")),
            "global_prefix": maybe(text("`globalPrefix` in Cloudonix.")),
            "created_at": maybe(text("When it was made, as Cloudonix says it.")),
            "modified_at": maybe(text("When it was changed, as Cloudonix says it.")),
            "authentication": maybe(
                record(
                    "How it signs in.",
                    {
                        "username": maybe(text("The user's name.")),
                        "password": maybe(reference("secret", "The password.")),
                        "overwrite_from": maybe(flag("Whether it stands in for the caller.")),
                    },
                )
            ),
            "profile_keys": items("The names of what else its profile has.", text()),
        },
    ),
    "store_key": record(
        "A way to open the store.",
        {
            "id": text("Its ID, for `opbx key remove`."),
            "kind": text("What kind of key it wants.", SlotKind),
            "location": maybe(text("Where its key is; null outside of opbx.")),
            "is_at_hand": maybe(flag("Whether its key is there; null where somebody is asked.")),
            "protects": text("What it protects from, and what not."),
        },
    ),
}
