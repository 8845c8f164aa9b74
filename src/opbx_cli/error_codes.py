"""Every error code, registered once: its exit code, what it means, and what cures it.

JSON documents carry the code, and `docs/troubleshooting.md` is made from this table.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class ErrorCode(StrEnum):
    """A stable name that scripts may be written against."""

    exit_codes: tuple[int, ...]  # more than one where it depends on what was done
    meaning: str
    cure: str

    def __new__(cls, text: str, exit_codes: int | tuple[int, ...], meaning: str, cure: str) -> Self:
        code = str.__new__(cls, text)
        code._value_ = text
        code.exit_codes = (exit_codes,) if isinstance(exit_codes, int) else exit_codes
        code.meaning, code.cure = meaning, cure
        return code

    @classmethod
    def of(cls, text: str) -> Self | None:
        """Return the code that another opbx printed."""
        return next((code for code in cls if code.value == text), None)

    CALL_NOT_SET_UP = (
        "call.not_set_up",
        1,
        "the sandbox's domain is not set up for calls",
        "`opbx validate` sets it up",
    )
    CALL_REFUSED = (
        "call.refused",
        1,
        "a callback of the sandbox was refused",
        "the hint says what OPBX wants",
    )
    CALL_UNREACHABLE = (
        "call.unreachable",
        1,
        "nobody answered a callback of the sandbox",
        "start the server of the webhook base URL",
    )
    CALL_WRONG_KEY_TAKEN = (
        "call.wrong_key_taken",
        1,
        "a callback with a made-up key was taken",
        "make sure that OPBX answers there, and that it checks callbacks",
    )
    CALLBACK_NOT_SAVED = (
        "callback.not_saved",
        1,
        "a callback could not be saved",
        "make room, or name another folder with `--save`",
    )
    DEMO_LISTENER = (
        "demo.listener",
        1,
        "the demo's listener did not start",
        "run the demo again; another program may have the port",
    )
    DOCTOR_CHECK_FAILED = (
        "doctor.check_failed",
        1,
        "a check of this installation failed",
        "each failed check says what to do",
    )
    DOCTOR_NOT_WRITTEN = (
        "doctor.not_written",
        1,
        "the file of `opbx doctor --bundle doctor.json` could not be written",
        "make room, or give another path",
    )
    OUTPUT_NOT_DELIVERED = (
        "output.not_delivered",
        1,
        "a key that was to be handed out did not arrive",
        "free space on the disk, keep the output open, and run the command again",
    )
    UNEXPECTED = (
        "unexpected",
        1,
        "something happened that opbx does not expect",
        "report it; `OPBX_DEBUG=1` shows where it happened, without values",
    )
    WEBHOOK_CHECK_FAILED = (
        "webhook.check_failed",
        1,
        "a check of the webhook URL failed",
        "each failed check says what to do",
    )
    KEY_NOT_FOUND = (
        "key.not_found",
        2,
        "the store has no key with this id",
        "`opbx key status` lists the keys",
    )
    PROFILE_EXISTS = (
        "profile.exists",
        2,
        "a profile of the new name is there already",
        "choose another name",
    )
    USAGE = (
        "usage",
        2,
        "the command line is not one that opbx knows",
        "the command's `--help` shows what it takes",
    )
    USAGE_AMBIGUOUS = (
        "usage.ambiguous",
        2,
        "a name or an id fits several things",
        "name the one by its UUID",
    )
    USAGE_DECLINED = (
        "usage.declined",
        2,
        "a question was answered with no",
        "run the command again, and answer yes",
    )
    USAGE_END_OF_INPUT = (
        "usage.end_of_input",
        2,
        "the input ended where a question was asked",
        "give the values by options, or answer at a terminal",
    )
    USAGE_FILE_EXISTS = (
        "usage.file_exists",
        2,
        "a file that was to be made is there already",
        "name another file: opbx overwrites none",
    )
    USAGE_MISSING = (
        "usage.missing",
        2,
        "a value is missing, and opbx cannot ask for it",
        "give it by the option or variable that the message names",
    )
    USAGE_PASSPHRASE = (
        "usage.passphrase",
        2,
        "a passphrase is missing, or is not one that opbx takes",
        "give 8 or more characters at the terminal",
    )
    USAGE_WANTS_YES = (
        "usage.wants_yes",
        2,
        "the command changes something that needs a yes, and it cannot ask",
        "give the option that the hint names",
    )
    CONFIGURATION = (
        "configuration",
        3,
        "a setting is missing or cannot be used",
        "correct it where the message says that it comes from",
    )
    CONFIGURATION_HOME = (
        "configuration.home",
        3,
        "there is no folder to keep files in",
        "name one with OPBX_HOME (for `opbx demo` with TMPDIR)",
    )
    CONFIGURATION_MANIFEST = (
        "configuration.manifest",
        3,
        "a manifest is not as it has to be",
        "correct the place that the message names; `opbx help manifest` describes it",
    )
    CONFIGURATION_NO_SANDBOX = (
        "configuration.no_sandbox",
        3,
        "the command works with the sandbox alone, and the API is not one",
        "`opbx sandbox` serves one, and prints the variables that point opbx at it",
    )
    CONFIGURATION_PROXY = (
        "configuration.proxy",
        3,
        "a proxy variable names no proxy that opbx can use",
        "set it to http://host:port or https://host:port",
    )
    CONFIGURATION_TLS = (
        "configuration.tls",
        3,
        "the certificate authorities cannot be read",
        "correct SSL_CERT_FILE or SSL_CERT_DIR",
    )
    CONFIGURATION_WEBHOOK_URL = (
        "configuration.webhook_url",
        3,
        "nothing says where OPBX is reached, or production mode refuses the address",
        "`opbx configure --webhook-base-url https://pbx.example.com`,"
        " or set OPBX_APPLICATION_WEBHOOK_BASEURL",
    )
    INSTANCE_MISSING_KEYS = (
        "instance.missing_keys",
        (3, 9),
        "OPBX masks a key, and nobody gave it",
        "`opbx configure` saves it",
    )
    INSTANCE_NO_DOMAIN_NAME = (
        "instance.no_domain_name",
        3,
        "the domain's name is not known, and OPBX finds calls by it",
        "`opbx validate` reads it from Cloudonix",
    )
    INSTANCE_NOT_LINKED = (
        "instance.not_linked",
        3,
        "no OPBX is linked to the profile, or named by the environment",
        "`opbx instance connect https://pbx.example.com` links one",
    )
    PROFILE_MOVING = (
        "profile.moving",
        3,
        "another command changes the profile again and again",
        "run the same command again once the other command has ended",
    )
    PROFILE_NO_DEFAULT = (
        "profile.no_default",
        3,
        "no profile was named, and none is the default one",
        "`opbx profiles use acme` makes one the default, or name it with `--profile`",
    )
    PROFILE_NONE = (
        "profile.none",
        3,
        "the store has no profile",
        "`opbx configure` makes one",
    )
    PROFILE_NOT_FOUND = (
        "profile.not_found",
        3,
        "no profile has the name that was given",
        "`opbx profiles list` shows the names",
    )
    STORE_NO_BACKUP = (
        "store.no_backup",
        3,
        "there is no previous save to go back to",
        "wait for the second save, which makes one",
    )
    WEBHOOK_KEY_CONFLICT = (
        "webhook_key.conflict",
        3,
        "OPBX and the profile have different webhook base URLs",
        "the hint names the command that takes OPBX's",
    )
    WEBHOOK_KEY_OTHER_DOMAIN = (
        "webhook_key.other_domain",
        3,
        "the linked OPBX has another domain saved",
        "`opbx instance push` hands it this profile's settings",
    )
    WEBHOOK_KEY_TAKEOVER = (
        "webhook_key.takeover",
        3,
        "OPBX would take calls or callbacks from somebody when it gets the key",
        "`opbx validate` says what to do about it",
    )
    AUTH_FORBIDDEN = (
        "auth.forbidden",
        4,
        "Cloudonix knows the API key, but not for this (403)",
        "use a key of this domain that may change it",
    )
    AUTH_REJECTED = (
        "auth.rejected",
        4,
        "Cloudonix does not accept the API key (401)",
        "`opbx configure --api-key-stdin` saves another key",
    )
    INSTANCE_INACTIVE = (
        "instance.inactive",
        4,
        "the user or the organisation is not active in OPBX",
        "activate the user or the organisation in OPBX",
    )
    INSTANCE_NOT_OWNER = (
        "instance.not_owner",
        4,
        "only the organisation's owner may see or change its settings",
        "sign in as the owner",
    )
    INSTANCE_REJECTED = (
        "instance.rejected",
        4,
        "OPBX does not know the e-mail address with this password",
        "check both; OPBX allows five sign-ins a minute",
    )
    INSTANCE_SIGNED_OUT = (
        "instance.signed_out",
        4,
        "OPBX's token has expired, or another computer signed in",
        "`opbx instance connect https://pbx.example.com` signs in again",
    )
    APPLICATION_NOT_FOUND = (
        "application.not_found",
        5,
        "the domain has no such voice application",
        "the hint names those that it has",
    )
    DOMAIN_NOT_FOUND = (
        "domain.not_found",
        5,
        "the domain does not exist (404)",
        "`opbx configure` corrects its UUID; the Cockpit shows it",
    )
    NOT_FOUND = (
        "not_found",
        5,
        "something does not exist in Cloudonix",
        "check its name or id",
    )
    TRUNK_NOT_FOUND = (
        "trunk.not_found",
        5,
        "the domain has no such trunk",
        "`opbx trunks list --direction all` shows them",
    )
    DOMAIN_INACTIVE = (
        "domain.inactive",
        6,
        "the domain is not active: it takes no calls",
        "activate it in the Cockpit",
    )
    INSTANCE_INVALID = (
        "instance.invalid",
        6,
        "OPBX does not take a value (422)",
        "correct the value that the message names",
    )
    INSTANCE_NOT_APPLIED = (
        "instance.not_applied",
        6,
        "OPBX accepted the settings, but has others",
        "look at the settings page of OPBX",
    )
    INSTANCE_REFUSED = (
        "instance.refused",
        6,
        "OPBX refused a request, or the address is not OPBX's",
        "check the URL",
    )
    INSTANCE_UNFIT = (
        "instance.unfit",
        6,
        "OPBX has a value that no profile may have",
        "correct it on the settings page of OPBX",
    )
    INSTANCE_UNINTELLIGIBLE = (
        "instance.unintelligible",
        6,
        "an answer does not come from OPBX",
        "check the URL, and any proxy on the way",
    )
    REMOTE_NOT_APPLIED = (
        "remote.not_applied",
        6,
        "Cloudonix accepted a change, but did not make it",
        "run the same command again; if that does not help, make the change in the Cockpit",
    )
    REMOTE_NOT_SHOWN = (
        "remote.not_shown",
        6,
        "Cloudonix accepted something, but does not show it",
        "run the same command again: it looks first",
    )
    REMOTE_REDIRECT = (
        "remote.redirect",
        6,
        "the API answered with a redirect; opbx follows none: the key must stay here",
        "correct `--api-base-url`",
    )
    REMOTE_REFUSED = (
        "remote.refused",
        6,
        "Cloudonix refused a request",
        "the message has Cloudonix's own words",
    )
    REMOTE_UNINTELLIGIBLE = (
        "remote.unintelligible",
        6,
        "an answer is not as the API's documentation describes it",
        "check the address, and any proxy on the way",
    )
    WEBHOOK_KEY_REPLACED = (
        "webhook_key.replaced",
        6,
        "somebody put another webhook key in force while the command ran",
        "run it again: it looks first",
    )
    INSTANCE_RATE_LIMITED = (
        "instance.rate_limited",
        7,
        "too many requests for OPBX (429)",
        "run the same command again in a minute",
    )
    INSTANCE_TROUBLE = (
        "instance.trouble",
        7,
        "OPBX failed by itself (5xx)",
        "run the same command again in a minute; OPBX's log says more",
    )
    NETWORK_DNS = (
        "network.dns",
        7,
        "nobody knows the host's name",
        "check the name, and the network's DNS",
    )
    NETWORK_LOST = (
        "network.lost",
        7,
        "the connection was lost before an answer was complete",
        "run the same command again: it looks first",
    )
    NETWORK_PROXY = (
        "network.proxy",
        7,
        "the proxy does not let the connection through",
        "check HTTPS_PROXY and NO_PROXY",
    )
    NETWORK_REFUSED = (
        "network.refused",
        7,
        "the host refuses the connection",
        "check the address, and whether a server listens there",
    )
    NETWORK_TIMEOUT = (
        "network.timeout",
        7,
        "no answer came in time",
        "run the same command again; CLOUDONIX_API_TIMEOUT sets the seconds",
    )
    NETWORK_TLS = (
        "network.tls",
        7,
        "the server's certificate is not trusted",
        "for a private certificate authority, set SSL_CERT_FILE",
    )
    NETWORK_UNREACHABLE = (
        "network.unreachable",
        7,
        "no connection could be made",
        "check the network, DNS and HTTPS_PROXY, then run the same command again",
    )
    REMOTE_OVERLOADED = (
        "remote.overloaded",
        7,
        "Cloudonix failed by itself (5xx)",
        "run the same command again in a minute",
    )
    REMOTE_RATE_LIMITED = (
        "remote.rate_limited",
        7,
        "too many requests for this domain (429)",
        "run the same command again in a minute",
    )
    INSTANCE_PARTIAL = (
        "instance.partial",
        9,
        "one side is done, and the other is not",
        "the hint names the next command",
    )
    DETACH_PARTIAL = (
        "detach.partial",
        9,
        "a domain is only partly detached, because a step failed",
        "run the same command again: it goes on from there",
    )
    DETACH_WANTS_CHOICE = (
        "detach.wants_choice",
        9,
        "opbx left a step out, because it cannot know which choice is right",
        "the hint names the choices",
    )
    VALIDATE_PARTIAL = (
        "validate.partial",
        9,
        "some steps are done, and one failed",
        "run the same command again: it goes on from there",
    )
    VALIDATE_SOME_FAILED = (
        "validate.some_failed",
        9,
        "some of many profiles could not be brought in line",
        "each profile says why; mend that, and run the same command again",
    )
    PROFILE_SOME_FAILED = (
        "profile.some_failed",
        9,
        "a command about many profiles failed for some of them",
        "each profile says why; mend that, and run the same command again",
    )
    VALIDATE_WANTS_YES = (
        "validate.wants_yes",
        9,
        "opbx left a step out, because it takes something from somebody",
        "the hint names the option that allows it",
    )
    WEBHOOK_KEY_PARTIAL = (
        "webhook_key.partial",
        9,
        "a rotation of the webhook key stopped half way",
        "`opbx validate` ends it with the key that is in force",
    )
    STORE = (
        "store",
        10,
        "the store cannot be used",
        "the message says why",
    )
    STORE_ALTERED = (
        "store.altered",
        10,
        "somebody altered the store's file",
        "`opbx profiles restore` brings back the previous save",
    )
    STORE_HISTORY = (
        "store.history",
        10,
        "the audit trail could not be read or written",
        "make sure that its folder is yours, and that the disk has room",
    )
    STORE_INCOMPLETE = (
        "store.incomplete",
        10,
        "the store's file is cut off",
        "`opbx profiles restore` brings back the previous save",
    )
    STORE_KEY_COMMAND = (
        "store.key_command",
        10,
        "the command that prints the store's key failed",
        "run it by itself: it has to print the key, alone on one line",
    )
    STORE_KEY_NOT_AT_HAND = (
        "store.key_not_at_hand",
        10,
        "the rotation needs keys that opbx cannot find",
        "name the key, or leave it out with `--drop`, as the hint says",
    )
    STORE_KEY_RING = (
        "store.key_ring",
        10,
        "the operating system's key ring cannot be used",
        "unlock it, or open the store with another key",
    )
    STORE_KEY_SOURCE = (
        "store.key_source",
        10,
        "a variable or file that names the store's key is wrong",
        "correct the variable or file that the message names",
    )
    STORE_LAST_KEY = (
        "store.last_key",
        10,
        "no key would open the store any more",
        "add another key first",
    )
    STORE_LOCKED = (
        "store.locked",
        10,
        "another opbx command is using the store",
        "run the same command again once it has ended",
    )
    STORE_LINE_ENDS = (
        "store.line_ends",
        10,
        "git's autocrlf or an editor changed the line ends of the store's file to CRLF",
        "run the command of the hint, and have git leave the file as it is (`-text` in "
        ".gitattributes)",
    )
    STORE_MISSING = (
        "store.missing",
        (3, 10),
        "there is no store, or only its backup",
        "`opbx configure` makes one; `opbx profiles restore` takes the backup",
    )
    STORE_NEWER = (
        "store.newer",
        10,
        "a newer opbx wrote the store",
        "use that version",
    )
    STORE_NO_KEY = (
        "store.no_key",
        10,
        "no key for the store was found",
        "bring the key file, or set OPBX_STORE_KEY",
    )
    STORE_NOT_OWNER = (
        "store.not_owner",
        10,
        "a file or folder belongs to somebody else",
        "run opbx as its owner",
    )
    STORE_NOT_SAVED = (
        "store.not_saved",
        10,
        "a save failed; the store is as it was",
        "free space, or mend the folder, and run the same command again",
    )
    STORE_TOO_MANY_KEYS = (
        "store.too_many_keys",
        10,
        "the store has the most keys that it can have",
        "remove one first",
    )
    STORE_TOO_OPEN = (
        "store.too_open",
        10,
        "other users can read or change a file or folder",
        "the hint has the `chmod` that closes it",
    )
    STORE_UNREADABLE = (
        "store.unreadable",
        10,
        "a file cannot be read",
        "check what it is, and who owns it",
    )
    STORE_WRONG_KEY = (
        "store.wrong_key",
        10,
        "a key does not open the store",
        "give the key of this store",
    )
    EXEC_NOT_RUNNABLE = (
        "exec.not_runnable",
        126,
        "the command that `exec` was to run cannot be run",
        "make it executable",
    )
    EXEC_NOT_FOUND = (
        "exec.not_found",
        127,
        "the command that `exec` was to run was not found",
        "check its name and PATH",
    )
    INTERRUPTED = (
        "interrupted",
        (130, 143, 129),
        "somebody asked the command to end (143: SIGTERM, 129: SIGHUP)",
        "run the same command again: it looks first",
    )
