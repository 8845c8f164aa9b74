"""The file format: what goes in comes out, and what a file looks like stays as it is."""

from __future__ import annotations

import tomllib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opbx_cli.models import (
    DEFAULT_API_BASE_URL,
    ApplicationReference,
    CallsBefore,
    KeyMemory,
    KeyState,
    RecordingFormat,
    Secret,
)
from opbx_cli.settings.table import Settings
from opbx_cli.store import Store, StoreContents, StorePaths, crypto, file_format, sealing
from opbx_cli.store.key_slots import SlotKind

RAW_KEY = bytes(range(32))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
SECRETS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=255)
KEYS = SECRETS.map(Secret)
URLS = st.sampled_from(["https://pbx.example.net", "https://[::1]:8443/a.b/c", "http://127.0.0.1"])
PROFILES = st.builds(
    Settings,
    domain_uuid=st.none() | st.uuids().map(str),
    domain_name=st.none() | TEXT,
    domain_api_key=st.none() | KEYS,
    webhook_api_key=st.none() | KEYS,
    webhook_base_url=st.none() | URLS,
    no_answer_timeout=st.none() | st.integers(5, 120),
    recording_format=st.none() | st.sampled_from(RecordingFormat),
    api_base_url=st.just(DEFAULT_API_BASE_URL) | URLS,
    voice_application=st.none()
    | st.builds(
        ApplicationReference,
        id=st.integers(-(2**63), 2**63 - 1) | TEXT,
        uuid=st.none() | TEXT,
        name=TEXT,
    ),
    cloudonix_package=st.none() | TEXT,
    webhook_key_memory=st.none()
    | st.builds(
        KeyMemory,
        state=st.sampled_from(KeyState),
        fingerprint=st.from_regex(r"fp:[0-9a-f]{8}", fullmatch=True),
    ),
    webhook_api_key_previous=st.none() | KEYS,
    instance_url=st.none() | URLS,
    instance_organization=st.none() | TEXT,
    instance_token=st.none() | KEYS,
    instance_token_expires=st.none() | st.integers(0, 253_402_300_799),
    webhook_api_key_previous_until=st.none() | st.integers(0, 253_402_300_799),
    webhook_base_url_sent=st.none() | URLS,
    calls_before=st.none()
    | st.just(CallsBefore())
    | st.builds(
        CallsBefore,
        id=st.integers(-(2**63), 2**63 - 1) | TEXT,
        uuid=st.none() | TEXT,
        name=st.none() | TEXT,
        type=st.none() | TEXT,
    ),
)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)


@st.composite
def all_contents(draw: st.DrawFn) -> StoreContents:
    profiles = draw(st.dictionaries(NAMES, PROFILES, max_size=4))
    default = draw(st.sampled_from([None, *profiles]))
    return StoreContents(profiles, default, generation=draw(st.integers(1, 2**63 - 1)))


@given(all_contents(), st.sampled_from(sorted(set(SlotKind) - {SlotKind.PASSPHRASE})))
def test_what_is_sealed_opens_to_the_same(contents: StoreContents, kind: SlotKind) -> None:
    vault = sealing.new_vault(RAW_KEY, kind)
    contents = contents._replace(store_id=crypto.to_text(vault.store_id))
    signed = file_format.parse(sealing.seal(contents, vault))
    assert sealing.unlock(signed, RAW_KEY) == vault
    opened = sealing.open_contents(signed, vault)
    assert opened == contents
    assert list(opened.profiles) == list(contents.profiles)
    assert sealing.unlock(signed, bytes(32)) is None


@pytest.mark.parametrize("key", ['"in-quotes-0001"', "NAME=behind-it-0001", "************e617"])
def test_a_key_that_would_no_longer_be_taken_as_input_keeps_no_store_closed(key: str) -> None:
    vault = sealing.new_vault(RAW_KEY, SlotKind.KEYFILE)
    contents = StoreContents({"old": Settings(webhook_api_key=Secret(key))}, generation=1)
    contents = contents._replace(store_id=crypto.to_text(vault.store_id))
    opened = sealing.open_contents(file_format.parse(sealing.seal(contents, vault)), vault)
    assert opened == contents


def test_the_file_looks_as_documented(saved: Store, paths: StorePaths) -> None:
    text = paths.store.read_text()
    assert text.startswith("# ")
    assert "`opbx configure`" in text.splitlines()[0]
    assert '\n[profile."a.example.net"]\n' in text
    assert '\n[profile."a.example.net".secret]\n' in text
    assert text[: text.rindex('"') - 43].endswith('"\n\n[mac]\nhmac_sha256 = "')
    tree = tomllib.loads(text)
    assert (tree["format"], tree["version"], tree["generation"]) == ("opbx-store", 1, 1)
    assert set(tree["slot"][0]) == {"id", "kind", "salt", "commit", "nonce", "wrapped"}
    assert tree["profile"]["other"] == {
        "domain_uuid": "6b1f0c2e-0000-4000-8000-000000000002",
        "domain_name": "number-2.example.net",
        "webhook_base_url": "https://pbx.example.net",
        "no_answer_timeout": 45,
        "recording_format": "wav",
        "api_base_url": DEFAULT_API_BASE_URL,
        "voice_application": {"id": 2, "name": "opbx"},
        "secret": tree["profile"]["other"]["secret"],
    }
    assert all(sealed.startswith("v1.") for sealed in tree["profile"]["other"]["secret"].values())


def test_a_store_alone_gives_no_key_away(saved: Store, paths: StorePaths) -> None:
    saved.update(lambda old: old)
    for path in (paths.store, paths.backup):
        content = path.read_text()
        assert "webhook-key" not in content
        assert "0123456789abcdef" not in content
        assert "fp:" not in content


def test_a_write_keeps_identity_and_slots_and_renews_everything_else(
    saved: Store, paths: StorePaths
) -> None:
    before = file_format.parse(paths.store.read_bytes()).document
    saved.update(lambda old: old)
    after = file_format.parse(paths.store.read_bytes()).document
    assert (after.store_id, after.slots) == (before.store_id, before.slots)
    assert after.generation == before.generation + 1
    assert after.salt != before.salt
    assert after.profiles["other"].sealed != before.profiles["other"].sealed


def test_settings_left_out_stay_unset(paths: StorePaths) -> None:
    store = Store(paths)
    store.update(lambda old: old._replace(profiles={"x": Settings()}), create=True)
    assert store.read().profiles == {"x": Settings()}
    assert store.read().default_profile is None


# Written once by version 1 of the format. It opens for as long as that version is supported.
GOLDEN_KEY = "opbxk1_6OgMqdjXZosUT_aX4RQ2f6-Bpm6PzCMKqWlyWOtEJ1MAPdgl"
GOLDEN_STORE = """\
# opbx's encrypted store. Do not edit, it would not open again: use `opbx configure`.

format = "opbx-store"
version = 1
store_id = "0lnP_AyTn4_yOMj_K7CTjA"
generation = 1
salt = "mnvVn_44NlBB-x13RcYLtDq2Wv0hWRP0ug-oQkz_3CE"
default_profile = "pbx.example.net"

[[slot]]
id = "46e38ee5"
kind = "external"
salt = "xn7zTwtXY3vha_1QfFH7-v2WwKWIbBFnkPCmsc_JE3c"
commit = "p8jFEE3zlfjOp-boiDXFTs0Is1X-jNGpcjNftTpZY4w"
nonce = "m3b4x8w62UV9pCNE"
wrapped = "veIJHN-5Y6dAw-aCy1vnvkuM3FHdWn6m3VvqPFonWi1KfkbYgJggtQdYUlpBRW-k"

[profile."pbx.example.net"]
domain_uuid = "6b1f0c2e-0000-4000-8000-000000000000"
no_answer_timeout = 30
api_base_url = "https://api.cloudonix.io"

[profile."pbx.example.net".voice_application]
id = "7"
uuid = "u"
name = "opbx \\"one\\""

[profile."pbx.example.net".secret]
domain_api_key = "v1.3S-0Vm1DG_Ha0gbm51aMAMeQiBwUAsiRr4cHWsoqCKRLXoG84aYtsguk"
webhook_api_key = "v1.5A0WCmnCfWe3jvGxpKjWIgPtNjdCYvdhSbiIb8AR4yE2Md5ik_TgFcIxcu6npg"

[mac]
hmac_sha256 = "c4JJTfchPRA-hW56CtYpU5elbECIrY0OjE1HSUQa1p4"
"""


def test_a_store_of_version_1_opens_for_ever(
    open_bytes: Callable[[bytes, bytes], StoreContents | None],
) -> None:
    contents = open_bytes(GOLDEN_STORE.encode(), crypto.raw_key_from_text(GOLDEN_KEY))
    assert contents is not None
    assert contents.default_profile == "pbx.example.net"
    assert contents.generation == 1
    assert contents.profiles == {
        "pbx.example.net": Settings(
            domain_uuid="6b1f0c2e-0000-4000-8000-000000000000",
            domain_api_key=Secret("golden-api-key"),
            webhook_api_key=Secret("golden-webhook-key"),
            no_answer_timeout=30,
            voice_application=ApplicationReference(id="7", uuid="u", name='opbx "one"'),
        )
    }


@pytest.mark.parametrize("count", [0, 1, 50])
def test_any_number_of_profiles_fits(
    paths: StorePaths, make_settings: Callable[[int], Settings], count: int
) -> None:
    profiles = {f"profile-{number}": make_settings(number) for number in range(count)}
    store = Store(paths)
    store.update(lambda old: old._replace(profiles=profiles), create=True)
    assert store.read().profiles == profiles
