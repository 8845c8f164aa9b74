"""The commands, one file for each: parse, call one operation, show one result.

This table has their names, their modules, one line of help each and examples; a module is imported
when its command runs.
"""

from opbx_cli.cli.tree import Entry

COMMANDS = {
    "configure": Entry(
        "Save the settings of a domain.",
        "configure:configure",
        examples=(
            "opbx configure",
            'opbx configure --domain-uuid "$UUID" --api-key-file key.txt',
        ),
    ),
    "validate": Entry(
        "Bring the Cloudonix domain in line.",
        "validate:validate",
        examples=(
            "opbx validate",
            "opbx validate --check --json",
        ),
    ),
    "apply": Entry(
        "Save and validate all profiles of a manifest.",
        "apply:apply",
        examples=(
            "opbx apply domains.toml --check",
            "opbx apply domains.toml",
        ),
    ),
    "detach": Entry(
        "Give the calls back, and take OPBX out of the domain.",
        "detach:detach",
        examples=(
            "opbx detach --check",
            "opbx detach --to-none --yes",
        ),
    ),
    "status": Entry(
        "Compare the settings here, in Cloudonix and in OPBX.",
        "status:status",
        examples=(
            "opbx status",
            "opbx status --all --json",
        ),
    ),
    "doctor": Entry(
        "Find out what is wrong with this installation.",
        "doctor:doctor",
        examples=(
            "opbx doctor",
            "opbx doctor --bundle for-support.json",
        ),
    ),
    "webhook-url": Entry(
        "Show where Cloudonix sends calls.",
        "webhook_url:webhook_url",
        examples=(
            "opbx webhook-url --endpoint voice",
            "opbx webhook-url --check --with-key",
        ),
    ),
    "exec": Entry(
        "Run a command with a profile's values.",
        "execute:execute",
        examples=(
            "opbx exec -- ./provision.sh",
            "opbx exec --profile acme -- env",
        ),
    ),
    "demo": Entry(
        "Show opbx at work.",
        "demo:demo",
        examples=(
            "opbx demo",
            "opbx demo --webhooks",
        ),
    ),
    "trunks": Entry(
        "Show the domain's voice trunks.",
        commands={
            "list": Entry(
                "List the trunks, in routing order.",
                "trunks:list_trunks",
                examples=(
                    "opbx trunks list --search carrier",
                    "opbx trunks list --direction all --output csv",
                ),
            ),
            "show": Entry(
                "Show one trunk in full, its password masked.",
                "trunks:show_trunk",
                examples=("opbx trunks show carrier-main",),
            ),
        },
    ),
    "profiles": Entry(
        "Show and manage stored profiles.",
        commands={
            "list": Entry(
                "List the profiles.", "profiles:list_profiles", examples=("opbx profiles list",)
            ),
            "show": Entry(
                "Show one profile, its keys masked.",
                "profiles:show_profile",
                examples=(
                    "opbx profiles show",
                    "opbx profiles show acme --origin",
                ),
            ),
            "use": Entry(
                "Make a profile the default one.",
                "profiles:use_profile",
                examples=("opbx profiles use acme",),
            ),
            "rename": Entry(
                "Give a profile another name.",
                "profiles:rename_profile",
                examples=("opbx profiles rename default acme",),
            ),
            "remove": Entry(
                "Remove a profile and its keys from the store.",
                "profiles:remove_profile",
                examples=(
                    "opbx profiles remove acme",
                    "opbx profiles remove acme --yes",
                ),
            ),
            "restore": Entry(
                "Bring back what was stored before the last save.",
                "profiles:restore_profiles",
                examples=("opbx profiles restore",),
            ),
            "export": Entry(
                "Print a manifest of the profiles, without their keys.",
                "profiles:export_profiles",
                examples=(
                    "opbx profiles export",
                    "opbx profiles export --profile acme --to-file acme.toml",
                ),
            ),
            "history": Entry(
                "Show what was changed on this computer, and when.",
                "profiles:show_history",
                examples=(
                    "opbx profiles history",
                    "opbx profiles history --json",
                ),
            ),
        },
    ),
    "webhook": Entry(
        "Receive Cloudonix's callbacks.",
        commands={
            "listen": Entry(
                "Show callbacks as they arrive, in place of OPBX.",
                "webhook:listen",
                examples=(
                    "opbx webhook listen",
                    "opbx webhook listen --port 8766 --save callbacks",
                ),
            )
        },
    ),
    "webhook-key": Entry(
        "Replace or reveal the webhook key.",
        commands={
            "rotate": Entry(
                "Put a new webhook key in force.",
                "webhook_key:rotate_webhook_key",
                examples=(
                    "opbx webhook-key rotate",
                    "opbx webhook-key rotate --grace 15m",
                ),
            ),
            "reveal": Entry(
                "Print the webhook key, alone: OPBX needs it.",
                "webhook_key:reveal_webhook_key",
                examples=(
                    "opbx webhook-key reveal",
                    "opbx webhook-key reveal --to-file webhook.key",
                ),
            ),
        },
    ),
    "instance": Entry(
        "Link a profile to its OPBX, and bring both in line.",
        commands={
            "connect": Entry(
                "Sign in to OPBX, and link a profile to it.",
                "instance:connect",
                examples=(
                    "opbx instance connect https://pbx.example.com",
                    "opbx instance connect https://pbx.example.com --token-env TOKEN",
                ),
            ),
            "pull": Entry(
                "Take over the settings that OPBX has.",
                "instance:pull",
                examples=(
                    "opbx instance pull --check",
                    "opbx instance pull",
                ),
            ),
            "push": Entry(
                "Hand this profile's settings to OPBX.",
                "instance:push",
                examples=(
                    "opbx instance push --check",
                    "opbx instance push",
                ),
            ),
            "disconnect": Entry(
                "Sign out of OPBX, and forget the link.",
                "instance:disconnect",
                examples=("opbx instance disconnect",),
            ),
        },
    ),
    "key": Entry(
        "Manage the keys of the store.",
        commands={
            "status": Entry(
                "Show the ways to open the store.",
                "key:show_key_status",
                examples=("opbx key status",),
            ),
            "add": Entry(
                "Add a way to open the store.",
                "key:add_key",
                examples=(
                    "opbx key add --kind passphrase",
                    "opbx key add --kind external --to-file store.key",
                ),
            ),
            "generate": Entry(
                "Make a key for a store that is still to be made.",
                "key:generate_key",
                examples=(
                    "opbx key generate",
                    "opbx key generate --to-file store.key",
                ),
            ),
            "remove": Entry(
                "Remove a way to open the store.",
                "key:remove_key",
                examples=("opbx key remove k1",),
            ),
            "rotate": Entry(
                "Encrypt everything anew.", "key:rotate_keys", examples=("opbx key rotate",)
            ),
            "export-recovery": Entry(
                "Make a recovery key, shown once.",
                "key:export_recovery_key",
                examples=(
                    "opbx key export-recovery",
                    "opbx key export-recovery --to-file recovery.txt",
                ),
            ),
        },
    ),
    "sandbox": Entry(
        "Serve a local Cloudonix API.",
        "sandbox:sandbox",
        examples=(
            "opbx sandbox",
            "opbx sandbox --opbx --variant opbx=january",
        ),
        commands={
            "call": Entry(
                "Place a call in a running sandbox.",
                "call:call",
                examples=(
                    "opbx sandbox call",
                    "opbx sandbox call --wrong-key",
                ),
            ),
            "exec": Entry(
                "Run a command with a sandbox of its own.",
                "sandbox_exec:execute_in_sandbox",
                examples=(
                    "opbx sandbox exec -- opbx trunks list",
                    "opbx sandbox exec --opbx -- ./test.sh",
                ),
            ),
        },
    ),
}
