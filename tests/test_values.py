"""What a UUID, a key, a URL, a timeout may look like, for any text at all."""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opbx_cli.models import RecordingFormat
from opbx_cli.values import (
    InvalidValue,
    clean,
    is_public,
    origin,
    parse_api_timeout,
    parse_domain_uuid,
    parse_https_url,
    parse_key,
    parse_no_answer_timeout,
    parse_profile_name,
    parse_recording_format,
    parse_switch,
    parse_webhook_base_url,
)

PARSERS: list[Callable[[str], object]] = [
    parse_https_url,
    parse_api_timeout,
    parse_domain_uuid,
    parse_key,
    parse_no_answer_timeout,
    parse_profile_name,
    parse_recording_format,
    parse_switch,
    parse_webhook_base_url,
]
# What hosts are made of, valid and not: numbers that are nearly addresses, above all.
HOSTS = st.one_of(
    st.from_regex(r"[0-9a-fx.]{1,20}", fullmatch=True),
    st.from_regex(r"\[[0-9a-f:.%]{1,30}\]", fullmatch=True),
    st.from_regex(r"[a-zA-Z0-9._-]{1,40}", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
)
URLS = st.builds(
    "{}://{}{}{}".format,
    st.sampled_from(["http", "https", "HTTPS"]),
    HOSTS,
    st.one_of(st.just(""), st.integers(-1, 70000).map(":{}".format)),
    st.sampled_from(["", "/", "/opbx", "/opbx//", "/a/../b/"]),
)


def refusal(parse: Callable[[str], object], text: str) -> str | None:
    try:
        parse(text)
    except InvalidValue as problem:
        return str(problem)
    return None


@pytest.mark.parametrize("parse", PARSERS)
@given(before=st.text(max_size=40), after=st.text(max_size=40))
def test_a_refusal_never_repeats_the_text(
    parse: Callable[[str], object], before: str, after: str
) -> None:
    for text in (before + after, f"{before}sK7-secret-in-the-wrong-place{after}"):
        assert "secret-in-the-wrong-place" not in (refusal(parse, text) or "")


@given(st.uuids(), st.sampled_from(["", " ", "\t", "\n"]))
def test_a_uuid_comes_back_in_lower_case(value: uuid.UUID, space: str) -> None:
    assert parse_domain_uuid(f"{space}{value}{space}".upper()) == str(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "6b1f0c2e00004000800000000000000a",
        "{6b1f0c2e-0000-4000-8000-000000000000",
        "urn:6b1f0c2e-0000-4000-8000-000000000000",
        "6b1f0c2e-0000-4000-8000-00000000000",
        "6b1f0c2e-0000-4000-8000-0000000000000",
        "6b1f0c2g-0000-4000-8000-000000000000",
        "٦b1f0c2e-0000-4000-8000-000000000000",
        "6b1f0c2e\u20100000\u20104000\u20108000\u2010000000000000",
    ],
)
def test_spellings_of_a_uuid_that_are_none_are_refused(text: str) -> None:
    assert refusal(parse_domain_uuid, text) is not None


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=255))
def test_a_key_is_kept_to_the_letter(text: str) -> None:
    if refusal(parse_key, text) is not None:
        assert any(mask in text.upper() for mask in ("***", "[REDACTED]"))
        return
    for end in ("", "\n", "\r\n"):
        assert parse_key(text + end).reveal() == text


@given(st.integers(-1000, 1000))
def test_a_timeout_is_taken_from_5_to_120(seconds: int) -> None:
    accepted = refusal(parse_no_answer_timeout, str(seconds)) is None
    assert accepted is (5 <= seconds <= 120)


@pytest.mark.parametrize(
    "text", ["", "6.0", "1e1", "+60", "0x3c", "٦٠", "\uff16\uff10", "60s", "1_0", "9" * 5000]
)
def test_a_timeout_is_digits_and_nothing_else(text: str) -> None:
    assert refusal(parse_no_answer_timeout, text) is not None


@pytest.mark.parametrize(
    ("text", "seconds"), [("30", 30.0), (" 2.5 ", 2.5), (".5", 0.5), ("300", 300.0), ("0030", 30.0)]
)
def test_an_api_timeout_may_be_decimal(text: str, seconds: float) -> None:
    assert parse_api_timeout(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "0.0", "300.1", "301", "inf", "nan", "1e2", "-1", "٣", "5s"]
)
def test_an_api_timeout_outside_its_limits_is_refused(text: str) -> None:
    assert refusal(parse_api_timeout, text) is not None


@pytest.mark.parametrize("text", ["mp3", "MP3", " wav\n"])
def test_a_recording_format_is_read_in_any_case(text: str) -> None:
    assert parse_recording_format(text) is RecordingFormat(text.strip().lower())


@given(URLS)
def test_a_url_parses_to_what_parses_to_itself(text: str) -> None:
    if refusal(parse_webhook_base_url, text) is not None:
        return
    url = parse_webhook_base_url(text)
    assert parse_webhook_base_url(url) == url
    assert not url.endswith("/")
    assert origin(url) == origin(text)


@given(URLS)
def test_every_url_that_is_accepted_can_be_judged(text: str) -> None:
    if refusal(parse_webhook_base_url, text) is None:
        host = parse_webhook_base_url(text).split("//")[1].split("/")[0]
        name = host[1 : host.index("]")] if host.startswith("[") else host.split(":")[0]
        assert is_public(name) in (True, False)


@given(URLS)
def test_http_is_for_the_loopback_interface_alone(text: str) -> None:
    if refusal(parse_https_url, text) is None and text.lower().startswith("http:"):
        assert not is_public(parse_https_url(text).split("//")[1].split("/")[0].split(":")[0])


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://PBX.Example.com/", "https://pbx.example.com"),
        ("HTTPS://pbx.example.com/OPBX/", "https://pbx.example.com/OPBX"),
        ("https://pbx.example.com:8443//", "https://pbx.example.com:8443"),
        ("https://[2001:DB8::0:1]:8443", "https://[2001:db8::1]:8443"),
        ("https://1.2.3.4", "https://1.2.3.4"),
        ("https://my_host.example.com", "https://my_host.example.com"),
    ],
)
def test_a_url_has_one_spelling(text: str, url: str) -> None:
    assert parse_webhook_base_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pbx.example.com",
        "ftp://pbx.example.com",
        "javascript:alert(1)",
        "https:pbx.example.com",
        "https://",
        "https:///path",
        "https://.",
        "https://a..b",
        "https://-a.example.com",
        "https://user@pbx.example.com",
        "https://user:password@pbx.example.com",
        "https://@pbx.example.com",
        "https://pbx.example.com?",
        "https://pbx.example.com/?a=b",
        "https://pbx.example.com#",
        "https://pbx.example.com/#top",
        "https://pbx.example.com\\@evil.example.com",
        "https://pbx.example.com/\x1b[2J",
        "https://pbx.exam\nple.com",
        "https://pbx.example.com/a b",
        "https://pbx.exämple.com",
        "https://pbx.example.com:",
        "https://pbx.example.com:0",
        "https://pbx.example.com:65536",
        "https://pbx.example.com:https",
        "https://pbx.example.com:-1",
        "https://pbx.example.com:+1",
        "https://pbx%2eexample.com",
        "https://[::1",
        "https://[pbx.example.com]",
        "https://[v1.fe80]",
        "https://" + "a" * 64 + ".example.com",
        "https://" + "a." * 124 + "com",
    ],
)
def test_what_is_no_plain_base_url_is_refused(text: str) -> None:
    assert refusal(parse_webhook_base_url, text) is not None
    assert refusal(parse_https_url, text) is not None


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "127.1",
        "127.0.1",
        "0177.0.0.1",
        "01.2.3.4",
        "127.0.0.00",
        "0x7f.0.0.1",
        "127.0.0.0x1",
        "0x7f000001",
        "0x",
        "1.2.3.256",
        "1.2.3.4.5",
        "1.2.3.4.",
    ],
)
def test_a_number_that_resolvers_read_as_another_address_is_refused(host: str) -> None:
    """RFC 6943, section 3.1.1: such spellings mean different hosts to different programs."""
    for parse in (parse_webhook_base_url, parse_https_url):
        assert "the URL's host" in (refusal(parse, f"https://{host}") or "")


def test_a_url_has_255_characters_at_most() -> None:
    longest = "https://pbx.example.com/" + "a" * (255 - len("https://pbx.example.com/"))
    assert parse_webhook_base_url(longest) == longest
    assert refusal(parse_webhook_base_url, longest + "a") == "a URL has at most 255 characters"


@pytest.mark.parametrize(
    "url",
    ["https://api.cloudonix.io", "HTTPS://API.Cloudonix.io:443/", "https://api.cloudonix.io/v2"],
)
def test_case_port_and_path_make_no_other_origin(url: str) -> None:
    assert origin(url) == origin("https://api.cloudonix.io")


@pytest.mark.parametrize(
    "url",
    ["http://api.cloudonix.io", "https://api.cloudonix.io:444", "https://api.staging.cloudonix.io"],
)
def test_scheme_port_and_host_make_another_origin(url: str) -> None:
    assert origin(url) != origin("https://api.cloudonix.io")


@given(st.text())
def test_cleaned_text_has_nothing_that_moves_the_cursor(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    kinds = {unicodedata.category(character) for character in cleaned}
    assert not kinds & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert cleaned.encode().decode() == cleaned


# Letters, marks and symbols by category that are drawn as nothing: Unicode 15.1,
# DerivedCoreProperties.txt, Default_Ignorable_Code_Point.
IGNORABLE = [0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0]
IGNORABLE += [*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_letters_of_any_language_stay(text: str) -> None:
    assert clean(text) == "".join(letter for letter in text if ord(letter) not in IGNORABLE)


@pytest.mark.parametrize(
    "code",
    [
        *(0x00AD, 0x061C, 0x180E, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x202E, 0x2060),
        *(0x2064, 0x2066, 0x2069, 0x206A, 0xFEFF, 0xFFF9, 0x1D173, 0xE0001, 0xE0041, 0xE007F),
        *IGNORABLE,
    ],
    ids=hex,
)
def test_what_nobody_sees_goes(code: int) -> None:
    assert clean(f"ac{chr(code)}me") == "acme"


@pytest.mark.parametrize("space", [" ", "\u00a0", "\u2003", "\u3000", "\u2800"])
def test_what_has_a_width_stays(space: str) -> None:
    assert clean(f"a{space}b") == f"a{space}b"


@pytest.mark.parametrize(
    "text",
    [
        "{6B1F0C2E-0000-4000-8000-000000000000}",
        "urn:uuid:6b1f0c2e-0000-4000-8000-000000000000",
        " URN:UUID:6b1f0c2e-0000-4000-8000-000000000000\n",
    ],
)
def test_a_uuid_is_understood_as_it_is_copied(text: str) -> None:
    assert parse_domain_uuid(text) == "6b1f0c2e-0000-4000-8000-000000000000"
