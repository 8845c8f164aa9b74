"""Every JSON document that opbx prints, as a schema; the words in it come from the program.

The names of fields stand here a second time, on purpose: they are promises to scripts, and a view
that changes one by mistake fails every test that sees its document.
"""

from __future__ import annotations

from opbx_cli.operations.call import MISSING
from opbx_cli.operations.validate import steps
from opbx_cli.remote import DeliveryResult
from opbx_cli.webhooks.endpoints import PATHS
from opbx_cli.webhooks.receiver.opbx import State
from reference.definitions import (
    CELL,
    CHECKED,
    CHECKS,
    DOMAIN_UUID,
    ENDPOINTS,
    ORIGINS,
    PROFILE,
    SETTINGS,
    SHARED,
    STORED_PROFILE,
    WARNINGS,
)
from reference.vocabulary import (
    DIALECT,
    Schema,
    by_name,
    flag,
    items,
    maybe,
    moment,
    number,
    one_of,
    record,
    reference,
    references,
    remote_id,
    text,
)

ERROR = "error"  # the one document without a schema's name: its only other field is `warnings`

STEPS = {
    "profile": STORED_PROFILE,
    "domain": reference("domain", "The domain."),
    "result": text("How it ended.", steps.Result),
    "steps": items("The steps, in their order.", reference("step", "One step.")),
}
KEYS = items("The ways to open the store.", reference("store_key", "One way."))

ABOUT = {
    "opbx.call/1": "A call that the sandbox placed, and what became of its callbacks.",
    "opbx.callback/1": "A callback that was received; one a line.",
    "opbx.demo/1": "The commands of the demonstration, as they were run.",
    "opbx.detach/1": "How OPBX was taken out of a domain.",
    "opbx.doctor/1": "What was found about this installation; also the file of `--bundle`.",
    "opbx.history/1": "What was changed on this computer, the oldest first.",
    "opbx.instance/1": "The link to an OPBX, or its settings beside a profile's.",
    "opbx.key-file/1": "The file that a key was written to.",
    "opbx.key-rotation/1": "What opens the store after everything was encrypted anew.",
    "opbx.keys/1": "What opens the store.",
    "opbx.listening/1": "Where the receiver listens; on stderr, before the first callback.",
    "opbx.manifest/1": "A manifest of the stored profiles.",
    "opbx.profile/1": "One profile: its settings by their names, null where unset.",
    "opbx.profiles/1": "The stored profiles.",
    "opbx.received/1": "How many callbacks came; on stderr, at the end.",
    "opbx.sandbox/1": "Where the sandbox is, with keys that it made up.",
    "opbx.status/1": "The settings here, in Cloudonix and in OPBX.",
    "opbx.trunk/1": "One trunk.",
    "opbx.trunks/1": "The trunks that were asked for.",
    "opbx.validate/1": "How a domain was brought in line.",
    "opbx.webhook-check/1": "Whether callbacks would arrive, and be checked.",
    "opbx.webhook-key/1": "The webhook key before and after its rotation.",
    "opbx.webhook-url/1": "Where Cloudonix sends callbacks.",
}
# With `--all` a profile that failed has its error in place of the rest.
FOR_MANY = ("opbx.status/1", "opbx.trunks/1", "opbx.webhook-check/1", "opbx.webhook-key/1")
OPTIONAL = {"opbx.profile/1": ("origins",)}

FIELDS: dict[str, dict[str, Schema]] = {
    "opbx.call/1": {
        "profile": STORED_PROFILE,
        "domain_uuid": DOMAIN_UUID,
        "call": maybe(text("The token of the call's session; null where no call was made.")),
        "disposition": maybe(text("How the call ended.")),
        "application": maybe(text("The application that took it.")),
        "callbacks": items(
            "The callbacks, in the order in which they were sent.",
            record(
                "One callback.",
                {
                    "endpoint": text(f"Which endpoint: {', '.join(PATHS)}."),
                    "event": maybe(text("The state that a session update reported.")),
                    "url": text("Where it went."),
                    "attempts": number("How often it was sent."),
                    "http_status": maybe(number("What was answered; null for no answer.")),
                    "result": text("What became of it.", DeliveryResult),
                    "detail": text("The same in words."),
                    "milliseconds": number("How long it took."),
                },
            ),
        ),
        "not_followed": items("Verbs of the answer that the sandbox does not know.", text()),
        "missing": items(
            f"What the domain lacks for all callbacks to be made: {', '.join(MISSING)}.", text()
        ),
        "result": text("Whether every callback was answered as it should be.", ("ok", "failed")),
    },
    "opbx.callback/1": {
        "received": moment("When it came."),
        "endpoint": maybe(text("Which endpoint; null for another path.", PATHS)),
        "method": text("Its HTTP method."),
        "call": maybe(text("The token of the call's session.")),
        "domain": maybe(text("The call's domain.")),
        "from": maybe(text("Who called.")),
        "to": maybe(text("Who was called.")),
        "status": maybe(text("What it says of the call.")),
        "result": text("Whether it was taken.", ("accepted", "refused")),
        "http_status": number("What was answered."),
        "reason": maybe(text("Why it was refused.")),
        "key": maybe(text("Which key it carried.", ("current", "previous"))),
        "saved": maybe(text("The file that has its body.")),
    },
    "opbx.demo/1": {
        "commands": items(
            "The commands, in their order.",
            record(
                "One command.",
                {
                    "about": text("What it is there for."),
                    "command": text("Its command line."),
                    "exit_code": number("How it ended."),
                    "output": text("What it said."),
                },
            ),
        )
    },
    "opbx.detach/1": STEPS,
    "opbx.doctor/1": {"made": moment("When."), "result": CHECKED, "checks": CHECKS},
    "opbx.history/1": {
        "entries": items(
            "The entries.",
            record(
                "One command that changed something.",
                {
                    "time": moment("When it ended."),
                    "command": text("Which command."),
                    "profile": maybe(text("Which profile; null for none.")),
                    "domain_uuid": maybe(text("Its domain.")),
                    "changed": items("The names of what changed.", text()),
                    "fingerprints": by_name(
                        "For each key that changed, its fingerprints.",
                        record(
                            "One key.",
                            {
                                "from": maybe(text("The fingerprint before.")),
                                "to": maybe(text("The fingerprint after.")),
                            },
                        ),
                    ),
                    "result": text("How it ended."),
                },
            ),
        )
    },
    "opbx.instance/1": {
        "profile": STORED_PROFILE,
        "url": text("Where that OPBX is."),
        "organization": maybe(text("The organisation that the link is for, if it is known.")),
        "token_expires": maybe(moment("When OPBX's token ends, if it is known.")),
        "direction": maybe(
            text("Which way settings go; null for `instance connect`.", ("pull", "push"))
        ),
        "result": text("What was done.", ("linked", "unchanged", "differs", "updated")),
        "changes": items("What was or would be changed.", reference("change", "One change.")),
    },
    "opbx.key-file/1": {"file": text("The path of the file.")},
    "opbx.key-rotation/1": {
        "keys": KEYS,
        "dropped": items("The IDs of those that were left out.", text()),
        "removed": items("Where the old keys were.", text()),
    },
    "opbx.keys/1": {
        "store": text("The store's file."),
        "backup": text("The previous save's file."),
        "generation": number("How often the store was saved."),
        "opened_with": maybe(text("The ID of the key that opened it now; null where none did.")),
        "problem": maybe(text("Why it cannot be opened.")),
        "keys": KEYS,
    },
    "opbx.listening/1": {
        "url": text("Its base URL."),
        "profile": STORED_PROFILE,
        "as": text("Which state of OPBX it answers as.", State),
        "webhook_api_key": reference("secret", "The key that callbacks must carry."),
        "endpoints": ENDPOINTS,
    },
    "opbx.manifest/1": {
        "manifest": text("The manifest, in TOML."),
        "variables": items(
            "The variables that it names for keys.",
            record(
                "One variable.",
                {
                    "name": text("Its name."),
                    "profile": PROFILE,
                    "setting": text("The setting that it has."),
                },
            ),
        ),
        "file": maybe(text("The file that it was written to.")),
    },
    "opbx.profile/1": {
        "profile": STORED_PROFILE,
        "is_default": flag("Whether it is the default one."),
        **SETTINGS,
        "origins": ORIGINS,
    },
    "opbx.profiles/1": {
        "default": maybe(text("The default profile's name.")),
        "profiles": items(
            "The profiles, in the store's order.",
            record(
                "One profile.",
                {
                    "profile": STORED_PROFILE,
                    "is_default": flag("Whether it is the default one."),
                    "domain_uuid": maybe(text("Its domain.")),
                    "domain_name": maybe(text("Its domain's name.")),
                },
            ),
        ),
    },
    "opbx.received/1": {
        "callbacks": number("How many callbacks came."),
        "refused": number("How many of them were refused."),
        "turned_away": number("How many clients were turned away before they said anything."),
    },
    "opbx.sandbox/1": {
        "url": text("Its address."),
        "domains": items(
            "Its domains.",
            record(
                "One domain.",
                {
                    "uuid": DOMAIN_UUID,
                    "name": text("Its name."),
                    "api_key": text("A made-up key: it opens nothing else."),
                },
            ),
        ),
        "opbx": maybe(
            record(
                "The OPBX that it plays, with `--opbx`.",
                {
                    "url": text("Its address."),
                    "email": text("The owner's address."),
                    "password": text("The owner's made-up password."),
                    "token": text("A made-up token."),
                    "signature_secret": text("What session updates are signed with."),
                },
            )
        ),
    },
    "opbx.status/1": {
        "profile": STORED_PROFILE,
        "domain": reference("domain", "The domain."),
        "result": text("Whether anything differs, or calls do not arrive.", ("ok", "differs")),
        "settings": items(
            "The settings; a value is null where it is not set, not shown or not kept.",
            record(
                "One setting.",
                {
                    "name": text("Its name."),
                    "here": {"description": "The value here.", **CELL},
                    "cloudonix": {"description": "The value in Cloudonix.", **CELL},
                    "opbx": {"description": "The value in OPBX.", **CELL},
                    "differs": flag("Whether one is not as it should be."),
                },
            ),
        ),
        "calls": record(
            "Where calls go.",
            {
                "application": maybe(
                    record(
                        "The domain's default application.",
                        {
                            "id": remote_id("Its ID."),
                            "name": maybe(text("Its name.")),
                            "url": maybe(text("Where it sends calls.")),
                        },
                    )
                ),
                "url": maybe(text("Where calls should go.")),
                "arrive": flag("Whether they go there."),
            },
        ),
        "last_validated": maybe(moment("When this computer last brought the domain in line.")),
        "instance": maybe(
            record(
                "The OPBX that the profile is linked to.",
                {
                    "url": text("Where it is."),
                    "organization": maybe(text("The organisation.")),
                    "token_expires": maybe(moment("When its token ends.")),
                },
            )
        ),
    },
    "opbx.trunk/1": {
        "profile": STORED_PROFILE,
        "domain_uuid": DOMAIN_UUID,
        "trunk": reference("trunk", "The trunk."),
    },
    "opbx.trunks/1": {
        "profile": STORED_PROFILE,
        "domain_uuid": DOMAIN_UUID,
        "trunks": items("The trunks, in the order that was asked for.", reference("trunk", "One.")),
    },
    "opbx.validate/1": STEPS,
    "opbx.webhook-check/1": {
        "profile": STORED_PROFILE,
        "base_url": text("The webhook base URL."),
        "source": text("What says so: the profile, or a variable."),
        "result": CHECKED,
        "checks": CHECKS,
    },
    "opbx.webhook-key/1": {
        "profile": STORED_PROFILE,
        "domain_uuid": DOMAIN_UUID,
        "before": maybe(reference("secret", "The key that was in force.")),
        "after": reference("secret", "The key that is in force now."),
        "read_back": flag("Whether Cloudonix showed it when it was read back."),
        "before_valid_until": maybe(
            moment("Until when `webhook listen` takes the one from before, too.")
        ),
    },
    "opbx.webhook-url/1": {
        "base_url": text("The webhook base URL."),
        "source": text("What says so: the profile, or a variable."),
        "endpoints": ENDPOINTS,
    },
}


def schemas() -> dict[str, Schema]:
    """The schema of each document by its name, and of the errors."""
    named = {name: _complete(name, _document(name)) for name in FIELDS}
    errors = record(
        "What stderr ends with where a command fails, with `--json`.",
        {"error": reference("error", "The error."), "warnings": WARNINGS},
        optional=("warnings",),
    )
    return {**named, ERROR: _complete("opbx: an error", errors)}


def _document(name: str) -> Schema:
    start = {"schema": {"const": name, "description": "The name of this schema."}}
    whole = record(
        ABOUT[name],
        {**start, **FIELDS[name], "warnings": WARNINGS},
        optional=OPTIONAL.get(name, ()),
    )
    if name not in FOR_MANY:
        return whole
    failed = record(
        "With `--all`: a profile that failed.",
        {**start, "profile": PROFILE, "error": reference("error", "Why."), "warnings": WARNINGS},
    )
    about = whole.pop("description")
    whole["description"] = "The result."
    return one_of(about, whole, failed)


def _complete(title: str, content: Schema) -> Schema:
    used = references(content)
    while (more := used | references([SHARED[name] for name in used])) != used:
        used = more
    shared = {name: SHARED[name] for name in SHARED if name in used}
    defs = {"$defs": shared} if shared else {}
    return {"$schema": DIALECT, "title": title, **content, **defs}
