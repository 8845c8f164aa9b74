"""The manifest: what is taken, what is refused and how; and its published schema says the same."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from opbx_cli.errors import ConfigurationError
from opbx_cli.operations.manifest import KNOWN, SIZE_MAX, parse
from support import Opbx

SCHEMA_FILE = Path(__file__).parents[1] / "docs/manifest.schema.json"
SCHEMA = json.loads(SCHEMA_FILE.read_text())
UUID = "6b1f0c2e-0000-4000-8000-000000000001"
API_KEY = "XI0123456789abcdefghijABCDEFGHIJKL"
OTHER_KEY = "sK7q-aB3xY9_0123456789abcdefghijklmnopqrstu"
BASE = f'domain_uuid = "{UUID}"\ndomain_api_key_env = "KEY_OF_ACME"\n'

GOOD = {
    "the least": BASE,
    "a file": f'domain_uuid = "{UUID}"\ndomain_api_key_file = "../keys/acme.txt"',
    "a plain file": f'domain_uuid = "{UUID}"\ndomain_api_key_file = "key of acme"',
    "upper case": f'domain_uuid = "{UUID.upper()}"\ndomain_api_key_env = "k"',
    "a webhook key": BASE + 'webhook_api_key_file = "/run/secrets/webhook"',
    "a command": f'domain_uuid = "{UUID}"\ndomain_api_key_command = ["op", "read", "op://a b/c"]',
    "a command for each": f'domain_uuid = "{UUID}"\ndomain_api_key_command = ["a"]\n'
    'webhook_api_key_command = ["a", "--webhook"]',
    "all": BASE
    + 'webhook_api_key_env = "WEBHOOK"\nwebhook_base_url = "https://pbx.example.com/a/"\n'
    + 'no_answer_timeout = 5\nrecording_format = "wav"\n'
    + 'api_base_url = "https://api.staging.cloudonix.io"',
    "loopback": BASE + 'api_base_url = "http://127.0.0.1:8765"',
    "IPv6 loopback": BASE + 'api_base_url = "http://[::1]:8765"',
    "the longest ring": BASE + "no_answer_timeout = 120",
}
BAD = {
    "no domain": 'domain_api_key_env = "KEY"',
    "no key": f'domain_uuid = "{UUID}"',
    "two places": BASE + 'domain_api_key_file = "key.txt"',
    "two webhook places": BASE + 'webhook_api_key_env = "A"\nwebhook_api_key_file = "b"',
    "a place and a command": BASE + 'domain_api_key_command = ["a"]',
    "a webhook place and a command": BASE
    + 'webhook_api_key_file = "b"\nwebhook_api_key_command = ["a"]',
    "a command line": f'domain_uuid = "{UUID}"\ndomain_api_key_command = "pass show key"',
    "a command without words": f'domain_uuid = "{UUID}"\ndomain_api_key_command = []',
    "a command of numbers": f'domain_uuid = "{UUID}"\ndomain_api_key_command = ["a", 7]',
    "an empty word": f'domain_uuid = "{UUID}"\ndomain_api_key_command = ["", "a"]',
    "a null byte in a word": f'domain_uuid = "{UUID}"\ndomain_api_key_command = ["a\\u0000"]',
    "a long command": f'domain_uuid = "{UUID}"\ndomain_api_key_command = {["a"] * 101}',
    "a long word": f'domain_uuid = "{UUID}"\ndomain_api_key_command = ["{"a" * 4097}"]',
    "a key in a command": BASE + f'webhook_api_key_command = ["echo", "{API_KEY}"]',
    "no UUID": 'domain_uuid = "acme"\ndomain_api_key_env = "KEY"',
    "a UUID with a space": f'domain_uuid = "{UUID} "\ndomain_api_key_env = "KEY"',
    "a number for a UUID": 'domain_uuid = 7\ndomain_api_key_env = "KEY"',
    "the key itself": BASE + f'domain_api_key = "{API_KEY}"',
    "the webhook key itself": BASE + f'webhook_api_key = "{OTHER_KEY}"',
    "a key for a variable": f'domain_uuid = "{UUID}"\ndomain_api_key_env = "{API_KEY}"',
    "a key for a file": f'domain_uuid = "{UUID}"\ndomain_api_key_file = "{API_KEY}"',
    "another key for a variable": BASE + f'webhook_api_key_env = "{OTHER_KEY}"',
    "another key for a file": BASE + f'webhook_api_key_file = "{OTHER_KEY}"',
    "a key for a name": BASE + f'{API_KEY} = "x"',
    "an unknown name": BASE + 'colour = "red"',
    "a secret for a URL": BASE + f'webhook_base_url = "{OTHER_KEY}"',
    "a variable with a dash": f'domain_uuid = "{UUID}"\ndomain_api_key_env = "A-B"',
    "an empty variable": f'domain_uuid = "{UUID}"\ndomain_api_key_env = ""',
    "an empty file": f'domain_uuid = "{UUID}"\ndomain_api_key_file = ""',
    "a short ring": BASE + "no_answer_timeout = 4",
    "a long ring": BASE + "no_answer_timeout = 121",
    "a ring without end": BASE + f"no_answer_timeout = {'9' * 4000}",
    "a ring in quotes": BASE + 'no_answer_timeout = "45"',
    "a decimal ring": BASE + "no_answer_timeout = 45.5",
    "a true ring": BASE + "no_answer_timeout = true",
    "another format": BASE + 'recording_format = "ogg"',
    "a shouted format": BASE + 'recording_format = "WAV"',
    "a format that is none": BASE + "recording_format = []",
    "a URL without a scheme": BASE + 'webhook_base_url = "pbx.example.com"',
    "a URL with a query": BASE + 'webhook_base_url = "https://pbx.example.com/?a=b"',
    "a URL with a password": BASE + 'webhook_base_url = "https://a:b@pbx.example.com"',
    "a long URL": BASE + f'webhook_base_url = "https://pbx.example.com/{"a" * 250}"',
    "http to the internet": BASE + 'api_base_url = "http://api.cloudonix.io"',
}
ODD = {
    "nothing": "",
    "no profile": "[profile]",
    "a text for all": 'profile = "acme"',
    "a text for one": '[profile]\nacme = "x"',
    "a list": f"[[profile]]\n{BASE}",
    "another table": f'[profile."acme"]\n{BASE}\n[profiles."b"]\n{BASE}',
    "a name with spaces": f'[profile."a c"]\n{BASE}',
    "an empty name": f'[profile.""]\n{BASE}',
    "a nested table": f"[profile.a.b]\n{BASE}",
}
CASES = [
    *((name, f'[profile."acme"]\n{body}', True) for name, body in GOOD.items()),
    *((name, f'[profile."acme"]\n{body}', False) for name, body in BAD.items()),
    *((name, text, False) for name, text in ODD.items()),
]


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """What the schema's own words mean (JSON Schema 2020-12), those that it uses."""
    return all(_holds(value, word, meant, schema) for word, meant in schema.items())


def _holds(value: Any, word: str, meant: Any, schema: dict[str, Any]) -> bool:  # noqa: C901, PLR0912
    is_object, is_text = isinstance(value, dict), isinstance(value, str)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match word:
        case "$schema" | "title" | "description" | "$defs":
            return True
        case "$ref":
            return fits(value, SCHEMA["$defs"][meant.removeprefix("#/$defs/")])
        case "type":
            is_whole = is_number and (isinstance(value, int) or value.is_integer())
            kinds = {"object": is_object, "string": is_text, "integer": is_whole}
            return {**kinds, "array": isinstance(value, list)}[meant]
        case "items":
            return not isinstance(value, list) or all(fits(entry, meant) for entry in value)
        case "minItems":
            return not isinstance(value, list) or len(value) >= meant
        case "maxItems":
            return not isinstance(value, list) or len(value) <= meant
        case "enum":
            return value in meant
        case "pattern":
            return not is_text or re.search(meant, value, re.ASCII) is not None
        case "maxLength":
            return not is_text or len(value) <= meant
        case "minimum":
            return not is_number or value >= meant
        case "maximum":
            return not is_number or value <= meant
        case "required":
            return not is_object or all(name in value for name in meant)
        case "minProperties":
            return not is_object or len(value) >= meant
        case "propertyNames":
            return not is_object or all(fits(name, meant) for name in value)
        case "properties":
            known = {name: entry for name, entry in meant.items() if is_object and name in value}
            return all(fits(value[name], entry) for name, entry in known.items())
        case "additionalProperties":
            others = set(value) - set(schema.get("properties", ())) if is_object else set()
            return all(meant is not False and fits(value[name], meant) for name in others)
        case "anyOf":
            return any(fits(value, entry) for entry in meant)
        case "oneOf":
            return sum(fits(value, entry) for entry in meant) == 1
        case "not":
            return not fits(value, meant)
        case _:
            raise AssertionError(f"the schema uses {word}, which nothing here understands")


@pytest.mark.parametrize(
    ("text", "is_good"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_the_parser_and_the_published_schema_agree(text: str, is_good: bool) -> None:
    assert fits(_plain(text), SCHEMA) is is_good
    if is_good:
        (entry,) = parse(text.encode(), "m.toml")
        assert entry.given.values["domain_uuid"] == UUID
        return
    with pytest.raises(ConfigurationError) as caught:
        parse(text.encode(), "m.toml")
    error = caught.value
    assert error.exit_code == 3
    assert error.message.startswith("m.toml: ")
    shown = json.dumps(error.as_object())
    assert [key for key in (API_KEY, OTHER_KEY) if key in shown] == []


def _plain(text: str) -> Any:
    return tomllib.loads(text)


def test_the_published_schema_is_the_one_of_the_table_of_settings(opbx: Opbx) -> None:
    shown = opbx("help", "manifest")
    assert shown.code == 0
    assert SCHEMA_FILE.read_text() == shown.stdout, "run `make reference`"


def test_the_schema_knows_the_settings_that_the_parser_knows() -> None:
    assert set(SCHEMA["$defs"]["settings"]["properties"]) == set(KNOWN)


def refusal(text: str | bytes) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse(text if isinstance(text, bytes) else text.encode(), "m.toml")
    return caught.value.message


def test_a_refusal_names_the_place() -> None:
    start = f'[profile."acme.de"]\n{BASE}'
    where = 'm.toml: profile."acme.de"'
    assert refusal(start + "no_answer_timeout = 4").startswith(f"{where}.no_answer_timeout: ")
    assert refusal(start + "colour = 1").startswith(f"{where}: a name that is not known; ")
    assert refusal(start + 'domain_api_key = "x"') == (
        f"{where}.domain_api_key: keys are never written here: "
        "give domain_api_key_env, domain_api_key_file or domain_api_key_command"
    )
    assert refusal(start + "x = = 1").startswith("m.toml: line 4, column 5: this is not TOML")
    assert refusal(start + "x = 1\nx = 1").startswith("m.toml: ")
    assert refusal('[profile."a b"]').startswith("m.toml: profile number 1: ")


def test_two_keys_need_two_variables() -> None:
    text = f'[profile.a]\n{BASE}webhook_api_key_env = "KEY_OF_ACME"'
    assert refusal(text) == 'm.toml: profile."a": two keys need two variables'


def test_a_domain_stands_once() -> None:
    text = f"[profile.a]\n{BASE}\n[profile.b]\n{BASE.replace(UUID, UUID.upper())}"
    assert refusal(text) == 'm.toml: profile."b".domain_uuid: the same domain as profile a\'s'
    other = 'api_base_url = "https://api.staging.cloudonix.io"'
    assert len(parse(f"{text}\n{other}".encode(), "m.toml")) == 2


def test_a_profile_stands_once() -> None:
    text = f'[profile."acme"]\n{BASE}[profile.b]\n{BASE}'
    assert refusal(f"{text} [profile.acme] # again") == (
        "m.toml: line 7: profile acme is in line 1 already"
    )
    twice = refusal(f"[profile.{API_KEY}]\n{BASE}[profile.{API_KEY}]")
    assert "this is not TOML" in twice
    assert API_KEY not in twice
    assert "this is not TOML" in refusal(f"{text}a = [1\n[profile.b]")
    assert "this is not TOML" in refusal(f"{text}[profile.b]]")


@pytest.mark.parametrize(
    "content",
    [
        b"#" * (SIZE_MAX + 1),
        b"\xff",
        b"a = " + b"[" * 20_000,
        b'a = "' + API_KEY.encode(),
        API_KEY.encode(),
        b"\0",
    ],
)
def test_what_is_no_manifest_is_refused_without_repeating_it(content: bytes) -> None:
    message = refusal(content)
    assert message.startswith("m.toml: ")
    assert API_KEY not in message
