"""`opbx help TOPIC`: what is the same for all commands."""

from __future__ import annotations

EXIT_CODES = {
    "0": "done",
    "1": "unexpected error, or a check that ran and failed",
    "2": "usage",
    "3": "configuration: no profile, a setting missing or impossible, no webhook URL",
    "4": "credentials missing, rejected (401) or not allowed (403)",
    "5": "the domain or trunk does not exist",
    "6": "Cloudonix refused the request, or answered something that cannot be understood",
    "7": "unreachable or overloaded: safe to run again",
    "8": "something differs (--check, status)",
    "9": "partial: some steps done, some not",
    "10": "the store: wrong key, altered, unreadable, too open, locked, not writable",
    "130": "interrupted; 143 by SIGTERM, 129 by SIGHUP",
}
ENVIRONMENT = {
    "OPBX_PROFILE": "the profile to use",
    "OPBX_OUTPUT": "text or json",
    "OPBX_NO_INPUT": "never ask",
    "OPBX_HOME": "one folder for everything that is kept",
    "OPBX_ENV_FILE": "OPBX's .env, to read the webhook base URL from",
    "OPBX_STORE_KEY": "the key of the store",
    "OPBX_STORE_KEY_FILE": "or the file that holds it",
    "OPBX_STORE_KEY_COMMAND": "or a command that prints it: `pass show opbx`, say; no shell",
    "OPBX_ALLOW_SHARED_KEY_FILE": "1 takes a mounted OPBX_STORE_KEY_FILE that others can read",
    "OPBX_ALLOW_SHARED_STORE": "1 takes a mounted store that others can read: it is only read",
    "OPBX_DOMAIN_UUID": "with OPBX_DOMAIN_API_KEY: work without a store",
    "OPBX_DOMAIN_API_KEY": "the key of that domain",
    "OPBX_DOMAIN_API_KEY_FILE": "or the file that holds it",
    "OPBX_WEBHOOK_API_KEY": "without a store: the key that OPBX checks callbacks with",
    "OPBX_WEBHOOK_API_KEY_FILE": "or the file that holds it",
    "OPBX_WEBHOOK_BASE_URL": "without a store: where the internet reaches OPBX",
    "OPBX_NO_ANSWER_TIMEOUT": "without a store: seconds that phones ring",
    "OPBX_RECORDING_FORMAT": "without a store: wav or mp3",
    "OPBX_INSTANCE_URL": "without a store: where OPBX is",
    "OPBX_INSTANCE_TOKEN": "without a store: OPBX's token",
    "OPBX_INSTANCE_EMAIL": "or the owner's e-mail address, as for `instance connect`",
    "OPBX_INSTANCE_PASSWORD": "and the owner's password",
    "OPBX_APPLICATION_WEBHOOK_BASEURL": "OPBX's own: where the internet reaches it",
    "APP_URL": "OPBX's own: the same, where the other one is not set",
    "OPBX_APPLICATION_MODE": "OPBX's own: production refuses an address that is not public https",
    "CLOUDONIX_API_BASE_URL": "where the API is",
    "CLOUDONIX_API_TIMEOUT": "seconds to wait for an answer (30)",
    "CLOUDONIX_WEBHOOK_SECRET": "OPBX's own: what `webhook listen --as january` checks with",
    "CLOUDONIX_VERIFY_SIGNATURE": "OPBX's own: false has it take any session update",
    "HTTPS_PROXY, NO_PROXY": "the way to the API",
    "SSL_CERT_FILE, SSL_CERT_DIR": "certificate authorities in place of the system's",
    "NO_COLOR, FORCE_COLOR": "colours never, or always",
    "OPBX_FORCE_TTY": "a terminal's tables also into a pipe; a number is its columns",
    "OPBX_DEBUG": "1 shows where an error came from, without values",
}
OUTPUT = """Answers go to stdout; prompts, progress, warnings and errors go to stderr.
On a terminal there are tables; elsewhere lines with tabs, unwrapped and without a header.
--json prints one document with its schema's name in `schema`; errors are documents on stderr then.
--all and apply print one document for each profile, one a line.
trunks list also takes --output csv; for a CI job, validate, apply, status and webhook-url --check
also take --output markdown (its summary) and --output junit (its list of tests).
"""
FILES = """The store has all profiles, the keys encrypted with AES-256; it is for its owner alone.
Linux: ~/.config/opbx/store.toml, and the key that opens it below ~/.local/share/opbx/keys.
The previous save is store.toml.bak (opbx profiles restore); the audit trail is history.jsonl,
and beside it trunk-names has what opbx completion offers: the names of trunks, as last listed.
OPBX_HOME puts everything into one folder. opbx key status names the files of this computer.
"""


def topic(name: str) -> str | None:
    """Return the text of a topic; None where there is none of that name."""
    if name == "manifest":
        # With the table of settings and json: 15 ms that no other topic needs.
        from opbx_cli.operations import manifest_schema  # noqa: PLC0415

        return manifest_schema.text()
    texts = {
        "environment": _listed(ENVIRONMENT),
        "exit-codes": _listed(EXIT_CODES),
        "output": OUTPUT,
        "files": FILES,
    }
    return texts.get(name)


TOPICS = ("environment", "exit-codes", "output", "files", "manifest")


def _listed(entries: dict[str, str]) -> str:
    width = max(map(len, entries))
    return "".join(f"{name:{width}}  {meaning}\n" for name, meaning in entries.items())
