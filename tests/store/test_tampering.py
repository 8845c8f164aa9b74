"""Whatever is changed in a store's bytes is refused, and the refusal says what it is."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from opbx_cli.errors import StoreError
from opbx_cli.installation import installation
from opbx_cli.settings.table import Settings
from opbx_cli.store import KeySource, Store, StoreContents, StorePaths, crypto, file_format, sealing
from opbx_cli.store.strict_toml import UnfitStore

Refusal = Callable[[Callable[[], object]], StoreError]
OpenBytes = Callable[[bytes, bytes], StoreContents | None]

TAG_LINE = re.compile(rb'(?<=\[mac\]\nhmac_sha256 = )"[\w-]{43}"\n\Z')


def key_of(paths: StorePaths) -> bytes:
    (path,) = paths.keys.iterdir()
    return crypto.raw_key_from_text(path.read_text())


@pytest.fixture
def forge(saved: Store, paths: StorePaths) -> Callable[[str, str], None]:
    """Change a store as only a faulty writer could that has its key: the tag fits again."""

    def change(old: str, new: str) -> None:
        data, raw_key = paths.store.read_bytes(), key_of(paths)
        vault = sealing.unlock(file_format.parse(data), raw_key)
        assert vault is not None
        text = TAG_LINE.sub(b"", data).decode()
        assert text.count(old) >= 1
        signed = text.replace(old, new, 1).encode()
        salt = file_format.parse(data).document.salt
        info = b"opbx-store/v1/doc" + crypto.tlv(vault.store_id)
        _, mac_key = crypto.derive_pair(vault.data_key, salt=salt, info=info)
        tag = crypto.authenticate(mac_key, signed)
        paths.store.write_bytes(file_format.with_tag(signed, tag))

    return change


@pytest.fixture
def change_text(saved: Store, paths: StorePaths) -> Callable[[str, str], None]:
    def change(pattern: str, new: str) -> None:
        text, count = re.subn(pattern, new, paths.store.read_text(), count=1, flags=re.MULTILINE)
        assert count == 1
        paths.store.write_text(text)

    return change


@pytest.mark.uncounted
def test_ten_thousand_random_changes_of_one_byte_are_all_refused(
    saved: Store, paths: StorePaths, open_bytes: OpenBytes
) -> None:
    data, raw_key = paths.store.read_bytes(), key_of(paths)
    assert open_bytes(data, raw_key) is not None
    chance = random.Random()
    for _ in range(10_000):
        position, shift = chance.randrange(len(data)), chance.randrange(1, 256)
        changed = bytearray(data)
        changed[position] = (changed[position] + shift) % 256
        with suppress(UnfitStore):
            assert open_bytes(bytes(changed), raw_key) is None, (position, shift)


@pytest.mark.uncounted
def test_a_changed_bit_in_any_byte_is_refused_by_the_store(
    saved: Store, paths: StorePaths, refusal: Refusal
) -> None:
    data = paths.store.read_bytes()
    with paths.store.open("r+b", buffering=0) as file:
        for position in range(0, len(data), 3):
            file.seek(position)
            file.write(bytes([data[position] ^ 1]))
            code = refusal(saved.read).code
            # A changed slot id or kind leads to another key file, or to none.
            assert code in {
                "store.altered",
                "store.incomplete",
                "store.newer",
                "store.wrong_key",
                "store.no_key",
            }
            file.seek(position)
            file.write(data[position : position + 1])
    assert saved.read().profiles


@pytest.mark.uncounted
def test_a_store_cut_at_any_length_is_not_a_complete_store(
    saved: Store, paths: StorePaths, refusal: Refusal
) -> None:
    data = paths.store.read_bytes()
    for length in reversed(range(len(data))):
        with paths.store.open("r+b") as file:
            file.truncate(length)
        assert refusal(saved.read).code == "store.incomplete", length


def test_an_empty_store_says_that_it_is_empty(
    saved: Store, paths: StorePaths, refusal: Refusal
) -> None:
    paths.store.write_bytes(b"")
    assert refusal(saved.read).message == f"{paths.store} is not a complete store: it is empty"


@pytest.mark.parametrize("tail", [b"\n", b"x", b"\x00", b"# a comment\n", b"[profile]\n", b'"\n'])
def test_bytes_after_the_tag_are_refused(
    saved: Store, paths: StorePaths, refusal: Refusal, tail: bytes
) -> None:
    paths.store.write_bytes(paths.store.read_bytes() + tail)
    assert refusal(saved.read).code == "store.altered"


def test_bytes_before_the_end_of_the_tag_line_are_refused(
    saved: Store, paths: StorePaths, refusal: Refusal
) -> None:
    data = paths.store.read_bytes()
    for changed in (data[:-1] + b"\r\n", data[:-1] + b" \n", data[:-2] + b'="\n', data[:-2] + b"'"):
        paths.store.write_bytes(changed.ljust(len(data)))
        assert refusal(saved.read).code == "store.altered"


def test_a_second_spelling_of_the_tag_is_refused(
    saved: Store, paths: StorePaths, refusal: Refusal
) -> None:
    data = paths.store.read_bytes()
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    same_bytes_in_a_lax_decoder = alphabet[alphabet.index(data[-3]) ^ 1]
    paths.store.write_bytes(data[:-3] + bytes([same_bytes_in_a_lax_decoder]) + b'"\n')
    assert refusal(saved.read).code == "store.altered"


@pytest.mark.parametrize(
    ("pattern", "new"),
    [
        ('^default_profile = "other"', 'default_profile = "a.example.net"'),
        ('^webhook_base_url = "https://pbx', 'webhook_base_url = "https://evil'),
        ('^api_base_url = "https://api', 'api_base_url = "https://evil'),
        ("^# opbx", "# Opbx"),
        (r"^no_answer_timeout = 45\n", ""),
        (r"^no_answer_timeout = 45$", "no_answer_timeout = 4"),
        (r"^generation = 1$", "generation = 2"),
        (r"\n\n\[\[slot", "\n[[slot"),
    ],
)
def test_a_change_that_still_fits_the_schema_is_found_by_the_tag(
    saved: Store,
    change_text: Callable[[str, str], None],
    refusal: Refusal,
    pattern: str,
    new: str,
) -> None:
    change_text(pattern, new)
    error = refusal(saved.read)
    assert error.code == "store.altered"
    assert "tag does not fit" in error.message


def test_a_renamed_profile_is_found_by_the_tag(
    saved: Store, paths: StorePaths, refusal: Refusal
) -> None:
    paths.store.write_text(paths.store.read_text().replace('"other"', '"order"'))
    assert "tag does not fit" in refusal(saved.read).message


@pytest.mark.parametrize(
    ("pattern", "new", "said"),
    [
        (r"^version = 1$", "version = 1\nextra = 1", "a key that no store has"),
        (r"^salt = .*\n", "", "`salt` is missing"),
        (r"^version = 1$", "version = true", "does not say that it is a store"),
        (r"^version = 1$", "version = 0", "does not say that it is a store"),
        (r"^version = 1$", f"version = 0x{'f' * 5000}", "does not say that it is a store"),
        (r'^format = "opbx-store"', 'format = "x"', "does not say that it is a store"),
        (r"^generation = 1$", "generation = 0", "generation is out of range"),
        (r"^generation = 1$", "generation = 9223372036854775808", "`generation` has over 64 bits"),
        (r"^generation = 1$", 'generation = "1"', "`generation` is not a whole number"),
        (r"^generation = 1$", "generation = true", "`generation` is not a whole number"),
        (r"^generation = 1$", f"generation = {'9' * 5000}", "not TOML"),
        (r"^default_profile = .*", "default_profile = 1", "`default_profile` is not text"),
        (r"^default_profile = .*", 'default_profile = "no"', "default profile does not exist"),
        (r'^store_id = ".*"', 'store_id = "AAAA"', "wrong length"),
        (r'^store_id = ".', 'store_id = "=', "not canonical"),
        (r"\n\[\[slot\]\]", "\n[slot]", "no key slot"),
        (r"\n\[\[slot\]\][^\[]*", "\nslot = [1]\n", "a key slot is not a table"),
        (r"\n\[\[slot\]\][^\[]*", "\nslot = []\n", "no key slot"),
        (r"(\n\[\[slot\]\][^\[]*)", r"\1\1", "the same id"),
        (r'^id = "........"', 'id = "../../ab"', "slot's id"),
        (r'^id = "........"', 'id = "ABCDEF01"', "slot's id"),
        (r'^id = "........"', 'id = "abc"', "slot's id"),
        (r'^kind = "keyfile"\n', "", "`kind` is missing"),
        (r'^kind = "keyfile"', "kind = 1", "`kind` is not text"),
        (r'^kind = "keyfile"', 'kind = "keyfile"\nx = 1', "a key that no store has"),
        (r'\[profile\."other"\]', '[profile.""]', "name is not one"),
        (r'\[profile\."other"\]', '[profile." x"]', "name is not one"),
        (r'^\[profile\."a\.', '[profile]\nx=1\n[profile."a.', "a table is missing"),
        (r"^no_answer_timeout = 45", "no_answer_timeout = 45.0", "is not a whole number"),
        (r"^no_answer_timeout = 45", "no_answer_timeout = true", "is not a whole number"),
        (r"^no_answer_timeout = 45", f"no_answer_timeout = 0x{'f' * 5000}", "has over 64 bits"),
        (r"^api_base_url = .*\n", "", "`api_base_url` is missing"),
        (r"^recording_format = .*", "recording_format = 1979-05-27", "is not text"),
        (r"^id = 1$", "id = 1.5", "`id` is not text"),
        (r"^id = 1$", f"id = 0x{'f' * 5000}", "`id` has over 64 bits"),
        (r"^id = 1$", "id = 1\nx = 1", "a key that no store has"),
        (
            r'^\[profile."other"\.secret',
            '[profile."other".calls_before]\nx=1\n[profile."other".secret',
            "a key that no store has",
        ),
        (
            r'^\[profile."other"\.secret',
            '[profile."other".calls_before]\nname=1\n[profile."other".secret',
            "`name` is not text",
        ),
        (r'^domain_api_key = "v1\.', 'domain_api_key = "v2.', "not a sealed value"),
        (r'^domain_api_key = "v1\..*"', 'domain_api_key = "v1.AAAA"', "too short"),
        (r"^domain_api_key = ", "password = ", "a key that no store has"),
        (r"^hmac_sha256", "x = 1\nhmac_sha256", "ends before its authentication tag"),
        (r"^\[\[slot", '[mac]\nhmac_sha256 = "A"\n[[slot', "not TOML"),
        (r"^generation", "x = '''\ngeneration", "not TOML"),
        (r"^generation", "generation = 1\ngeneration", "not TOML"),
        (r"^generation", f"x = {'[' * 10_000}\ngeneration", "not TOML"),
    ],
)
def test_a_file_off_the_schema_is_refused_before_any_key_is_asked(
    paths: StorePaths,
    change_text: Callable[[str, str], None],
    refusal: Refusal,
    pattern: str,
    new: str,
    said: str,
) -> None:
    for key_file in paths.keys.iterdir():
        key_file.unlink()
    change_text(pattern, new)
    error = refusal(Store(paths).read)
    assert error.code in ("store.altered", "store.incomplete")
    assert said in error.message


def test_bytes_that_are_not_utf_8_are_refused(
    saved: Store, paths: StorePaths, refusal: Refusal
) -> None:
    paths.store.write_bytes(b"# \xff\n" + paths.store.read_bytes())
    assert "not TOML" in refusal(saved.read).message


def test_a_store_beyond_the_size_limit_is_refused_unread(
    saved: Store, paths: StorePaths, refusal: Refusal
) -> None:
    padding = b"#" * (16 * 1024 * 1024)
    paths.store.write_bytes(padding + b"\n" + paths.store.read_bytes())
    error = refusal(saved.read)
    assert error.code == "store.altered"
    assert "16 MiB" in error.message


@pytest.mark.uncounted
def test_a_store_too_large_to_read_is_not_written(
    saved: Store, contents: StoreContents, refusal: Refusal
) -> None:
    huge = Settings(domain_name="x" * (16 * 1024 * 1024))
    error = refusal(lambda: saved.update(lambda _: StoreContents({"huge": huge})))
    assert error.code == "store.not_saved"
    assert "16 MiB" in error.message
    assert error.message.endswith("; the previous store is intact")
    assert saved.read().profiles == contents.profiles


@pytest.mark.parametrize(
    ("pattern", "new"),
    [
        (r"^version = 1$", "version = 2\nunheard_of = 1"),
        (r'^kind = "keyfile"', 'kind = "hardware"\nrounds = 3'),
    ],
)
def test_a_newer_format_is_told_before_its_unknown_keys(
    saved: Store,
    change_text: Callable[[str, str], None],
    refusal: Refusal,
    pattern: str,
    new: str,
) -> None:
    change_text(pattern, new)
    error = refusal(saved.read)
    assert error.code == "store.newer"
    assert error.hint == installation().upgrading()


def test_a_sealed_value_moves_neither_to_another_field_nor_profile(
    saved: Store, forge: Callable[[str, str], None], paths: StorePaths, refusal: Refusal
) -> None:
    original = paths.store.read_bytes()
    sealed = re.findall(r'(\w+_key) = "(v1\..*)"', original.decode())
    (api, first_api), (webhook, first_webhook), (_, second_api), _ = sealed
    for field, old, new in (
        (api, first_api, second_api),  # from the other profile
        (webhook, first_webhook, first_api),  # from the other field
    ):
        paths.store.write_bytes(original)
        forge(f'{field} = "{old}"', f'{field} = "{new}"')
        error = refusal(saved.read)
        assert error.code == "store.altered"
        assert f"`{field}` of profile a.example.net is not authentic" in error.message


def test_a_sealed_value_moves_to_no_other_generation_of_the_same_store(
    saved: Store, forge: Callable[[str, str], None], paths: StorePaths, refusal: Refusal
) -> None:
    before = re.findall(r'api_key = "(v1\..*)"', paths.store.read_text())[0]
    saved.update(lambda old: old)
    after = re.findall(r'api_key = "(v1\..*)"', paths.store.read_text())[0]
    forge(after, before)
    assert "is not authentic" in refusal(saved.read).message


def test_parts_of_one_store_do_not_open_in_another(
    saved: Store, paths: StorePaths, tmp_path: Path, contents: StoreContents, refusal: Refusal
) -> None:
    other_paths = StorePaths(tmp_path / "other", tmp_path / "other" / "keys")
    other = Store(other_paths, KeySource(path=next(paths.keys.iterdir())))
    other.update(lambda _: contents, create=True)
    mine, theirs = paths.store.read_text(), other_paths.store.read_text()
    for pattern in (
        r'store_id = ".*"',
        r'\nsalt = ".*"',
        r"\[\[slot\]\][^\[]*",
        r'wrapped = ".*"',
        r'domain_api_key = ".*"',
        r'(?s)\[profile\."other"\].*?\[mac',
        r'hmac_sha256 = ".*"',
    ):
        found = re.search(pattern, mine)
        assert found
        other_paths.store.write_text(re.sub(pattern, found[0], theirs, count=1))
        assert refusal(other.read).code in ("store.altered", "store.wrong_key"), pattern


def test_a_wrong_key_is_told_from_an_altered_store(
    saved: Store, paths: StorePaths, change_text: Callable[[str, str], None], refusal: Refusal
) -> None:
    change_text("= 45$", "= 46")
    assert refusal(saved.read).code == "store.altered"
    (key_file,) = paths.keys.iterdir()
    key_file.write_text(crypto.raw_key_to_text(bytes(32)))
    assert refusal(saved.read).code == "store.wrong_key"


def test_an_altered_data_key_is_told_from_a_wrong_key(
    saved: Store, change_text: Callable[[str, str], None], refusal: Refusal
) -> None:
    change_text(r'^wrapped = ".{8}', 'wrapped = "AAAAAAAA')
    error = refusal(saved.read)
    assert error.code == "store.altered"
    assert "data key" in error.message


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("no_answer_timeout = 45", "no_answer_timeout = 4", "no_answer_timeout"),
        ("no_answer_timeout = 45", f"no_answer_timeout = {2**63 - 1}", "no_answer_timeout"),
        ('recording_format = "wav"', 'recording_format = "ogg"', "recording_format"),
        ('api_base_url = "https', 'api_base_url = "http', "api_base_url"),
        ('webhook_base_url = "https', 'webhook_base_url = "ftp', "webhook_base_url"),
        ('domain_uuid = "6b1f', 'domain_uuid = "x', "domain_uuid"),
    ],
)
def test_an_authentic_value_that_opbx_never_writes_is_refused(
    saved: Store,
    forge: Callable[[str, str], None],
    refusal: Refusal,
    old: str,
    new: str,
    field: str,
) -> None:
    forge(old, new)
    error = refusal(saved.read)
    assert error.code == "store.altered"
    assert (
        f"`{field}` of profile a.example.net has a value that opbx does not take" in error.message
    )


def test_what_does_not_open_is_never_replaced(
    saved: Store,
    paths: StorePaths,
    change_text: Callable[[str, str], None],
    add_profile: Callable[[StoreContents], StoreContents],
    refusal: Refusal,
) -> None:
    change_text("= 45$", "= 46")
    before = paths.store.read_bytes()
    error = refusal(lambda: saved.update(add_profile, create=True))
    assert error.code == "store.altered"
    assert paths.store.read_bytes() == before
    assert not paths.backup.exists()


def test_damage_is_cured_by_the_backup_that_the_hint_names(
    saved: Store,
    change_text: Callable[[str, str], None],
    add_profile: Callable[[StoreContents], StoreContents],
    refusal: Refusal,
    run_hint: Callable[[StoreError], None],
) -> None:
    before = saved.read()
    saved.update(add_profile)
    change_text("= 45$", "= 46")
    run_hint(refusal(saved.read))
    assert saved.read() == before


def test_damage_without_a_backup_can_be_moved_away(
    saved: Store,
    paths: StorePaths,
    change_text: Callable[[str, str], None],
    refusal: Refusal,
    run_hint: Callable[[StoreError], None],
) -> None:
    change_text("= 45$", "= 46")
    run_hint(refusal(saved.read))
    assert not saved.exists()
    assert Path(f"{paths.store}.damaged").exists()


def test_line_ends_that_git_changed_are_named_and_mended_without_loss(
    saved: Store, paths: StorePaths, refusal: Refusal, contents: StoreContents
) -> None:
    before = paths.store.read_bytes()
    paths.store.write_bytes(before.replace(b"\n", b"\r\n"))
    problem = refusal(saved.read)
    assert problem.code == "store.line_ends"
    assert "CRLF" in problem.message
    assert problem.hint is not None
    subprocess.run(["/bin/sh", "-c", problem.hint.split("`")[1]], check=True)
    assert paths.store.read_bytes() == before
    assert Store(paths).read().profiles == saved.read().profiles
