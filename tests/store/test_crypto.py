"""The primitives against published vectors, and the encodings against their own laws."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opbx_cli.store import crypto

PARTS = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.binary(),
        st.integers(min_value=0, max_value=2**64 - 1),
    )
)


@pytest.mark.parametrize(
    ("key", "salt", "info", "output"),
    [
        (
            "0b" * 22,
            "000102030405060708090a0b0c",
            "f0f1f2f3f4f5f6f7f8f9",
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            "".join(f"{byte:02x}" for byte in range(0x50)),
            "".join(f"{byte:02x}" for byte in range(0x60, 0xB0)),
            "".join(f"{byte:02x}" for byte in range(0xB0, 0x100)),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
            "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
            "cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
        (
            "0b" * 22,
            "",
            "",
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ],
    ids=["A.1", "A.2", "A.3"],
)
def test_hkdf_agrees_with_rfc_5869(key: str, salt: str, info: str, output: str) -> None:
    derived = crypto.hkdf(
        bytes.fromhex(key),
        salt=bytes.fromhex(salt),
        info=bytes.fromhex(info),
        length=len(output) // 2,
    )
    assert derived.hex() == output


def test_encryption_agrees_with_test_case_16_of_the_gcm_specification() -> None:
    key = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
    nonce = bytes.fromhex("cafebabefacedbaddecaf888")
    aad = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    plaintext = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    ciphertext = bytes.fromhex(
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
        "76fc6ece0f4e1768cddf8853bb2d551b"
    )
    assert crypto.encrypt(key, nonce, plaintext, aad=aad) == ciphertext
    assert crypto.decrypt(key, nonce, ciphertext, aad=aad) == plaintext
    with pytest.raises(crypto.NotAuthentic):
        crypto.decrypt(key, nonce, ciphertext, aad=aad + b"\x00")


def test_authentication_agrees_with_rfc_4231() -> None:
    tag = crypto.authenticate(b"Jefe", b"what do ya want for nothing?")
    assert tag.hex() == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


def test_tlv_has_a_type_a_length_and_the_bytes_of_each_part() -> None:
    assert crypto.tlv("ä", b"\x00", 7) == (
        b"\x01\x00\x00\x00\x02\xc3\xa4"
        b"\x02\x00\x00\x00\x01\x00"
        b"\x03\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x07"
    )


@given(PARTS, PARTS)
def test_tlv_never_joins_two_lists_to_the_same_bytes(
    left: list[str | bytes | int], right: list[str | bytes | int]
) -> None:
    assert (crypto.tlv(*left) == crypto.tlv(*right)) == (left == right)


@given(st.binary())
def test_base64url_comes_back_and_has_no_second_spelling(content: bytes) -> None:
    text = crypto.to_text(content)
    assert crypto.from_text(text) == content
    for other in (f"{text}=", f"{text}\n", f" {text}", f"{text}A" if len(text) % 4 == 0 else "A"):
        with pytest.raises(ValueError, match=r"."):
            crypto.from_text(other)


def test_base64url_with_stray_bits_is_refused() -> None:
    assert crypto.from_text("AA") == b"\x00"
    for text in ("AB", "A+", "A/", "AÄ"):
        with pytest.raises(ValueError, match=r"."):
            crypto.from_text(text)


@given(st.binary(min_size=32, max_size=32))
def test_a_raw_key_comes_back_from_its_text(key: bytes) -> None:
    text = crypto.raw_key_to_text(key)
    assert len(text) == 55
    assert text.startswith("opbxk1_")
    assert {crypto.raw_key_from_text(text + end) for end in ("", "\n", "\r\n")} == {key}


@given(st.binary(min_size=32, max_size=32), st.data())
def test_a_raw_key_that_was_cut_or_changed_is_malformed(key: bytes, data: st.DataObject) -> None:
    text = crypto.raw_key_to_text(key)
    position = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="latin-1").filter(lambda one: one != text[position]))
    for wrong in (
        text[:position],
        text[position + 1 :],
        text[:position] + other + text[position + 1 :],
        f"{text}{other}" if other not in "\r\n" else f"{text} ",
    ):
        with pytest.raises(crypto.MalformedKey):
            crypto.raw_key_from_text(wrong)
