"""The commands, one file for each: parse, call one operation, show one result.

This table has their names, their modules, one line of help each and examples; a module is imported
when its command runs.
"""

from opbx_cli.cli.tree import Entry

STORED = (10,)  # it opens the store
REMOTE = (4, 5, 6, 7, 10)  # it asks a server, too

COMMANDS = {
    "configure": Entry(
        "Save the settings of a domain.",
        "configure:configure",
        examples=(
            "opbx configure",
            'opbx configure --domain-uuid "$UUID" --api-key-file key.txt',
        ),
        exit_codes=STORED,
        documents=("opbx.profile/1",),
    ),
    "validate": Entry(
        "Bring the Cloudonix domain in line.",
        "validate:validate",
        examples=(
            "opbx validate",
            "opbx validate --check --json",
        ),
        exit_codes=(*REMOTE, 8, 9),
        documents=("opbx.validate/1",),
    ),
    "apply": Entry(
        "Save and validate all profiles of a manifest.",
        "apply:apply",
        examples=(
            "opbx apply domains.toml --check",
            "opbx apply domains.toml",
        ),
        exit_codes=(*REMOTE, 8, 9),
        documents=("opbx.validate/1",),
    ),
    "detach": Entry(
        "Give the calls back, and take OPBX out of the domain.",
        "detach:detach",
        examples=(
            "opbx detach --check",
            "opbx detach --to-none --yes",
        ),
        exit_codes=(*REMOTE, 8, 9),
        documents=("opbx.detach/1",),
    ),
    "status": Entry(
        "Compare the settings here, in Cloudonix and in OPBX.",
        "status:status",
        examples=(
            "opbx status",
            "opbx status --all --json",
        ),
        exit_codes=(*REMOTE, 8, 9),
        documents=("opbx.status/1",),
    ),
    "doctor": Entry(
        "Find out what is wrong with this installation.",
        "doctor:doctor",
        examples=(
            "opbx doctor",
            "opbx doctor --bundle for-support.json",
        ),
        documents=("opbx.doctor/1",),
    ),
    "webhook-url": Entry(
        "Show where Cloudonix sends calls.",
        "webhook_url:webhook_url",
        examples=(
            "opbx webhook-url --endpoint voice",
            "opbx webhook-url --check --with-key",
        ),
        exit_codes=(*REMOTE, 9),
        documents=(
            "opbx.webhook-url/1",
            "opbx.webhook-check/1",
        ),
    ),
    "exec": Entry(
        "Run a command with a profile's values.",
        "execute:execute",
        examples=(
            "opbx exec -- ./provision.sh",
            "opbx exec --profile acme -- env",
        ),
        exit_codes=(10, 126, 127),
    ),
    "demo": Entry(
        "Show opbx at work.",
        "demo:demo",
        examples=(
            "opbx demo",
            "opbx demo --webhooks",
        ),
        documents=("opbx.demo/1",),
    ),
    "completion": Entry(
        "Print the script that has a shell complete opbx.",
        "completion:completion",
        examples=(
            "opbx completion bash",
            "opbx completion zsh",
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
                exit_codes=(*REMOTE, 9),
                documents=("opbx.trunks/1",),
            ),
            "show": Entry(
                "Show one trunk in full, its password masked.",
                "trunks:show_trunk",
                examples=("opbx trunks show carrier-main",),
                exit_codes=REMOTE,
                documents=("opbx.trunk/1",),
            ),
        },
    ),
    "profiles": Entry(
        "Show and manage stored profiles.",
        commands={
            "list": Entry(
                "List the profiles.",
                "profiles:list_profiles",
                examples=("opbx profiles list",),
                exit_codes=STORED,
                documents=("opbx.profiles/1",),
            ),
            "show": Entry(
                "Show one profile, its keys masked.",
                "profiles:show_profile",
                examples=(
                    "opbx profiles show",
                    "opbx profiles show acme --origin",
                ),
                exit_codes=STORED,
                documents=("opbx.profile/1",),
            ),
            "use": Entry(
                "Make a profile the default one.",
                "profiles:use_profile",
                examples=("opbx profiles use acme",),
                exit_codes=STORED,
                documents=("opbx.profiles/1",),
            ),
            "rename": Entry(
                "Give a profile another name.",
                "profiles:rename_profile",
                examples=("opbx profiles rename default acme",),
                exit_codes=STORED,
                documents=("opbx.profiles/1",),
            ),
            "remove": Entry(
                "Remove a profile and its keys from the store.",
                "profiles:remove_profile",
                examples=(
                    "opbx profiles remove acme",
                    "opbx profiles remove acme --yes",
                ),
                exit_codes=STORED,
                documents=("opbx.profiles/1",),
            ),
            "restore": Entry(
                "Bring back what was stored before the last save.",
                "profiles:restore_profiles",
                examples=("opbx profiles restore",),
                exit_codes=STORED,
                documents=("opbx.profiles/1",),
            ),
            "export": Entry(
                "Print a manifest of the profiles, without their keys.",
                "profiles:export_profiles",
                examples=(
                    "opbx profiles export",
                    "opbx profiles export --profile acme --to-file acme.toml",
                ),
                exit_codes=STORED,
                documents=("opbx.manifest/1",),
            ),
            "history": Entry(
                "Show what was changed on this computer, and when.",
                "profiles:show_history",
                examples=(
                    "opbx profiles history",
                    "opbx profiles history --json",
                ),
                exit_codes=STORED,
                documents=("opbx.history/1",),
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
                exit_codes=STORED,
                documents=(
                    "opbx.callback/1",
                    "opbx.listening/1",
                    "opbx.received/1",
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
                exit_codes=(*REMOTE, 9),
                documents=("opbx.webhook-key/1",),
            ),
            "reveal": Entry(
                "Print the webhook key, alone: OPBX needs it.",
                "webhook_key:reveal_webhook_key",
                examples=(
                    "opbx webhook-key reveal",
                    "opbx webhook-key reveal --to-file webhook.key",
                ),
                exit_codes=STORED,
                documents=("opbx.key-file/1",),
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
                exit_codes=REMOTE,
                documents=("opbx.instance/1",),
            ),
            "pull": Entry(
                "Take over the settings that OPBX has.",
                "instance:pull",
                examples=(
                    "opbx instance pull --check",
                    "opbx instance pull",
                ),
                exit_codes=(*REMOTE, 8, 9),
                documents=("opbx.instance/1",),
            ),
            "push": Entry(
                "Hand this profile's settings to OPBX.",
                "instance:push",
                examples=(
                    "opbx instance push --check",
                    "opbx instance push",
                ),
                exit_codes=(*REMOTE, 8, 9),
                documents=("opbx.instance/1",),
            ),
            "disconnect": Entry(
                "Sign out of OPBX, and forget the link.",
                "instance:disconnect",
                examples=("opbx instance disconnect",),
                exit_codes=STORED,
                documents=("opbx.profiles/1",),
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
                exit_codes=STORED,
                documents=("opbx.keys/1",),
            ),
            "add": Entry(
                "Add a way to open the store.",
                "key:add_key",
                examples=(
                    "opbx key add --kind passphrase",
                    "opbx key add --kind external --to-file store.key",
                ),
                exit_codes=STORED,
                documents=("opbx.keys/1",),
            ),
            "generate": Entry(
                "Make a key for a store that is still to be made.",
                "key:generate_key",
                examples=(
                    "opbx key generate",
                    "opbx key generate --to-file store.key",
                ),
                documents=("opbx.key-file/1",),
            ),
            "remove": Entry(
                "Remove a way to open the store.",
                "key:remove_key",
                examples=("opbx key remove k1",),
                exit_codes=STORED,
                documents=("opbx.keys/1",),
            ),
            "rotate": Entry(
                "Encrypt everything anew.",
                "key:rotate_keys",
                examples=("opbx key rotate",),
                exit_codes=STORED,
                documents=("opbx.key-rotation/1",),
            ),
            "export-recovery": Entry(
                "Make a recovery key, shown once.",
                "key:export_recovery_key",
                examples=(
                    "opbx key export-recovery",
                    "opbx key export-recovery --to-file recovery.txt",
                ),
                exit_codes=STORED,
                documents=("opbx.keys/1",),
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
        documents=("opbx.sandbox/1",),
        commands={
            "call": Entry(
                "Place a call in a running sandbox.",
                "call:call",
                examples=(
                    "opbx sandbox call",
                    "opbx sandbox call --wrong-key",
                ),
                exit_codes=REMOTE,
                documents=("opbx.call/1",),
            ),
            "exec": Entry(
                "Run a command with a sandbox of its own.",
                "sandbox_exec:execute_in_sandbox",
                examples=(
                    "opbx sandbox exec -- opbx trunks list",
                    "opbx sandbox exec --opbx -- ./test.sh",
                ),
                exit_codes=(126, 127),
            ),
        },
    ),
}
