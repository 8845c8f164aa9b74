"""Text in, one checked value out: what a UUID, a key, a URL, a timeout may look like.

Each function raises `InvalidValue` with a sentence that says what is expected and never
repeats the text itself: a key typed in the wrong place must not come back on a screen.
Whoever calls knows where the text came from, and words the error for the user.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from urllib.parse import SplitResult, urlsplit

from opbx_cli.models import RecordingFormat, Secret
from opbx_cli.webhooks.endpoints import PATHS

KEY_LENGTH = range(8, 256)  # OPBX: at most 255 characters
URL_LENGTH_MAX = 255  # OPBX's limit
NO_ANSWER_TIMEOUT = range(5, 121)  # seconds; OPBX's limits
API_TIMEOUT_MAX = 300.0  # seconds
DURATION_MAX = 7 * 86_400  # seconds
API_KEY_SHAPE = re.compile(r"XI[A-Za-z0-9]{32}")  # Cloudonix: `keyId`
BEARER_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750, section 2.1

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_PROFILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MASK = re.compile(r"\*{3,}.{0,4}|[•●…]+.{0,4}|\.{3}|\[REDACTED\]", re.IGNORECASE)
# What servers put in a key's place: any start, a run of mask characters, what is left visible.
_REMOTE_MASK = r"[!-~]{0,4}?(?P<run>\*{3,}|[•●…]+|\.{3,}|\[REDACTED\])(?P<tail>[!-~]{0,8})"
# Controls, halves of surrogate pairs, unassigned code points, breaks between lines; and formats
# (Cf): what changes direction, joins or parts letters, or spells words in tags nobody sees.
_NOT_SHOWN = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})
# What else Unicode draws as nothing (Default_Ignorable_Code_Point): marks, variation selectors
# and the fillers of Hangul, which pass for letters. U+2800, Braille's blank, has a width like
# any other space and stays.
_DRAWN_AS_NOTHING = frozenset(
    map(
        chr,
        (
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0),
            *range(0x180B, 0x1810),
            *range(0xFE00, 0xFE10),
            *range(0xE0100, 0xE01F0),
        ),
    )
)
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*")
# A last label that makes resolvers take the host for an address (WHATWG URL, "ends in a number").
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*", re.ASCII)
# Names that the public DNS does not resolve (RFC 6761, RFC 6762, RFC 8375, ICANN's .internal).
PRIVATE_SUFFIXES = ("local", "internal", "test", "localhost", "invalid", "home.arpa")
_ROUTED_IPV6 = IPv6Network("2000::/3")  # all of IPv6 that is routed so far (IANA)
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


# What a shell or an `.env` file has in front of a value. Keys may have `=`, but not such a start.
_ASSIGNMENT = re.compile(r"(export\s+)?[A-Z][A-Z0-9]*(_[A-Z0-9]+)+\s*=.*")


class InvalidValue(Exception):
    """The sentence says what is expected, never what was given.

    `proposal` is the value that was probably meant, where that can be no key.
    """

    def __init__(self, sentence: str, *, proposal: str | None = None) -> None:
        super().__init__(sentence)
        self.proposal = proposal


def is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text.lower()) is not None


def parse_domain_uuid(text: str) -> str:
    """Return the UUID in lower case, the form in which Cloudonix shows it.

    Understood as people copy it: in capitals, in braces, as `urn:uuid:`.
    """
    lowered = text.strip().lower().removeprefix("urn:uuid:")
    if lowered.startswith("{") and lowered.endswith("}"):
        lowered = lowered[1:-1]
    if not _UUID.fullmatch(lowered):
        raise InvalidValue(
            "expected a UUID such as 6b1f0c2e-0000-4000-8000-000000000000 "
            "(Cloudonix shows it as the domain's ID)"
        )
    return lowered


def parse_profile_name(text: str) -> str:
    if not _PROFILE_NAME.fullmatch(text):
        raise InvalidValue(
            "expected a profile name: 1 to 64 letters, digits, '.', '_' or '-', "
            "the first a letter or a digit"
        )
    if API_KEY_SHAPE.fullmatch(text):
        raise InvalidValue("this looks like an API key; a profile's name is shown on screens")
    return text


def parse_key(text: str) -> Secret:
    """Return a key; blanks, line ends and a byte order mark around it are not part of it."""
    value = text.strip("\ufeff \t\r\n")
    if not value:
        raise InvalidValue("the key is empty (a missing secret in CI expands to nothing)")
    if _MASK.fullmatch(value) or re.fullmatch(_REMOTE_MASK, value):
        raise InvalidValue("this is a mask, not a key: give the key itself")
    if value[0] in "\"'`" and value[0] == value[-1]:
        raise InvalidValue("the key is in quotes: give it without them")
    if _ASSIGNMENT.fullmatch(value):
        raise InvalidValue("this is an assignment (NAME=…): give what stands behind the =")
    return check_key(value)


def check_key(value: str) -> Secret:
    """Return a key that may be sent in a header, whatever a person may have meant by it.

    What a store holds is checked by this alone: a rule about pasted text that came later must
    not keep a store closed that was saved before.
    """
    if any(not "!" <= character <= "~" for character in value):
        raise InvalidValue("a key is printable ASCII without spaces")
    if len(value) not in KEY_LENGTH:
        raise InvalidValue("a key has 8 to 255 characters")
    return Secret(value)


def parse_password(text: str) -> Secret:
    """Return a password as it is; one line break at its end is not part of it."""
    value = text.removesuffix("\n").removesuffix("\r")
    if not 0 < len(value) < KEY_LENGTH.stop or any(not one.isprintable() for one in value):
        raise InvalidValue("a password is one line of 1 to 255 characters")
    return Secret(value)


def parse_email(text: str) -> str:
    """Return an e-mail address, as far as it can be told from something else."""
    address = text.strip()
    local, at, domain = address.rpartition("@")
    if not (local and at and domain) or len(address) > URL_LENGTH_MAX or not address.isprintable():
        raise InvalidValue("expected an e-mail address")
    return address


def parse_no_answer_timeout(text: str) -> int:
    """Return the seconds a phone rings before the call counts as not answered."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 9):
        raise InvalidValue("expected whole seconds, 5 to 120")
    if int(digits) not in NO_ANSWER_TIMEOUT:
        raise InvalidValue("expected 5 to 120 seconds")
    return int(digits)


def parse_recording_format(text: str) -> RecordingFormat:
    try:
        return RecordingFormat(text.strip().lower())
    except ValueError:
        raise InvalidValue("expected wav or mp3") from None


def parse_epoch(text: str) -> int:
    """Return seconds since 1970, up to the year 9999, where dates end."""
    if int(text) not in range(253_402_300_800):
        raise InvalidValue("expected seconds since 1970")
    return int(text)


def parse_api_timeout(text: str) -> float:
    """Return seconds, whole or decimal, over 0 and up to 300."""
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?|\.\d{1,9}", text.strip(), re.ASCII):
        raise InvalidValue("expected seconds, such as 30 or 2.5")
    seconds = float(text)
    if not 0 < seconds <= API_TIMEOUT_MAX:
        raise InvalidValue("expected over 0 and up to 300 seconds")
    return seconds


def parse_duration(text: str) -> int:
    """Return seconds: a number with s, m, h or d behind it, up to seven days."""
    match = re.fullmatch(r"(\d{1,7})([smhd])", text.strip().lower(), re.ASCII)
    if match is None:
        raise InvalidValue("expected a time such as 90s, 15m, 2h or 1d")
    seconds = int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[match[2]]
    if not 0 < seconds <= DURATION_MAX:
        raise InvalidValue("expected a time over 0 and up to 7d")
    return seconds


def parse_size(text: str) -> int:
    """Return bytes: a number, with K, M, G or T behind it for KiB, MiB, GiB or TiB."""
    match = re.fullmatch(r"(\d{1,12})([kmgt]?)", text.strip().lower(), re.ASCII)
    if match is None:
        raise InvalidValue("expected a size such as 500M or 2G")
    size = int(match[1]) << 10 * " kmgt".index(match[2] or " ")
    if size == 0:
        raise InvalidValue("expected a size over 0")
    return size


def parse_switch(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    raise InvalidValue("expected 1, true, yes or on, or 0, false, no or off")


def parse_webhook_base_url(text: str) -> str:
    """Return the URL under which OPBX is reached, without a slash at its end.

    Where somebody gave one of OPBX's endpoints, it is what stands before their path.
    """
    url = _parse_url(text)
    for path in PATHS.values():
        if url.path.endswith(path):
            url = url._replace(path=url.path.removesuffix(path).rstrip("/"))
    return url.geturl()


def is_endpoint(text: str) -> bool:
    """Tell whether a URL is one of OPBX's endpoints, of which `parse_webhook_base_url` cuts off."""
    return urlsplit(text.strip().rstrip("/")).path.endswith(tuple(PATHS.values()))


def parse_https_url(text: str) -> str:
    """Return the URL of a server that gets keys: https, or http on the loopback interface alone."""
    url = _parse_url(text)
    if url.scheme == "http" and not is_loopback(url.hostname or ""):
        raise InvalidValue("expected https:// (http is for the loopback interface alone)")
    return url.geturl()


def origin(url: str) -> str:
    """Return scheme, host and port: the party that a key is sent to."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{_checked_netloc(parts.hostname or '', port)}"


def is_loopback(host: str) -> bool:
    host = host.lower().rstrip(".")
    return host in ("localhost", "::1") or (host.startswith("127.") and is_ipv4(host))


def is_host(host: str) -> bool:
    """Tell whether a text is a host's name, or its address without brackets."""
    try:
        _checked_netloc(host.lower(), None)
    except InvalidValue:
        return False
    return True


def is_public(host: str) -> bool:
    """Tell whether the internet can reach the host, judging by its name or address alone."""
    host = host.lower().rstrip(".")
    if is_loopback(host):
        return False
    if ":" in host or is_ipv4(host):
        return _is_public_address(host)
    if any(host == suffix or host.endswith("." + suffix) for suffix in PRIVATE_SUFFIXES):
        return False
    return "." in host


def _is_public_address(text: str) -> bool:
    address: IPv4Address | IPv6Address
    try:
        address = IPv6Address(text) if ":" in text else IPv4Address(text)
    except ValueError:  # from afar
        return False
    if isinstance(address, IPv6Address):
        # IPv4 in other clothes: mapped (RFC 4291) and 6to4 (RFC 3056).
        address = address.ipv4_mapped or address.sixtofour or address
    if isinstance(address, IPv6Address) and address not in _ROUTED_IPV6:
        return False
    return address.is_global and not address.is_multicast


def is_ipv4(host: str) -> bool:
    try:
        IPv4Address(host)  # no leading zeros: resolvers read those as octal
    except ValueError:
        return False
    return True


def _parse_url(text: str) -> SplitResult:
    """Check a base URL; return it with scheme and host in lower case, no slash at its end."""
    text = text.strip()
    if len(text) > URL_LENGTH_MAX:
        raise InvalidValue("a URL has at most 255 characters")
    if any(not "!" <= character <= "~" for character in text) or set(text) & set('\\<>"{}|^`'):
        raise InvalidValue("a URL is printable ASCII without spaces (write other names as xn--…)")
    try:
        url = urlsplit(text)
        host, port = (url.hostname or ""), url.port
    except ValueError:
        raise InvalidValue("this is not a URL: expected https://host") from None
    if url.scheme not in ("http", "https") or not host:
        raise InvalidValue(
            "expected a URL that starts with https:// and names a host", proposal=_with_scheme(text)
        )
    if "@" in url.netloc:
        raise InvalidValue("a URL with a user name or password is refused")
    if "?" in text or "#" in text:
        raise InvalidValue("a URL with a query (?) or a fragment (#) is refused")
    if port == 0 or url.netloc.endswith(":"):
        raise InvalidValue("the URL's port is not a port")
    if url.netloc.startswith("[") and ":" not in host:
        raise InvalidValue("the URL's host is not an IPv6 address")
    if port == {"https": 443, "http": 80}[url.scheme]:
        port = None
    return url._replace(netloc=_checked_netloc(host, port), path=url.path.rstrip("/"))


def _with_scheme(text: str) -> str | None:
    """Return a host name with a scheme in front; None for what may be something else, as a key."""
    host, _, path = text.partition("/")
    name, _, port = host.partition(":")
    is_plain = path.rstrip("/") in ("", *(one.removeprefix("/") for one in PATHS.values()))
    if "." not in name or not is_host(name) or not is_plain or (port and not port.isdigit()):
        return None
    return f"https://{host.lower()}"


def _checked_netloc(host: str, port: int | None) -> str:
    if ":" in host:
        try:
            host = f"[{IPv6Address(host)}]"
        except ValueError:
            raise InvalidValue("the URL's host is not an IPv6 address") from None
    elif not _HOST_NAME.fullmatch(host.removesuffix(".")):
        raise InvalidValue("the URL's host is not a host name")
    elif _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]) and not is_ipv4(host):
        raise InvalidValue("the URL's host is neither a name nor an IPv4 address of four numbers")
    return host if port is None else f"{host}:{port}"


def masked_tail(secret: Secret) -> str | None:
    """Return what a mask leaves visible at its end, perhaps nothing; None for a whole key."""
    match = re.fullmatch(_REMOTE_MASK, secret.reveal())
    return None if match is None else match["tail"]


def fits_mask(secret: Secret, mask: Secret) -> bool:
    """Tell whether a mask with a head and a tail (`XIf2***e617`) can be that of a key."""
    match = re.fullmatch(_REMOTE_MASK, mask.reveal())
    if match is None:
        return secret == mask
    head, value = mask.reveal()[: match.start("run")], secret.reveal()
    return value.startswith(head) and value.endswith(match["tail"])


def mask_text(mask: Secret) -> str | None:
    """Return a mask as a screen may show it (`XIf2***e617`); None for a whole key."""
    match = re.fullmatch(_REMOTE_MASK, mask.reveal())
    if match is None:
        return None
    return f"{mask.reveal()[: match.start('run')]}***{match['tail'][-4:]}"


def is_key(secret: Secret) -> bool:
    """Tell whether a value from afar is one that could be given as a key."""
    try:
        parse_key(secret.reveal())
    except InvalidValue:
        return False
    return True


def clean(text: str) -> str:
    """Make remote text fit for one line of a terminal: no control, no break, nothing unseen.

    Two names that look alike but for what nobody sees come out alike. Emoji and scripts
    that join letters by such characters lose only how they are joined.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character
        for character in text
        if unicodedata.category(character) not in _NOT_SHOWN and character not in _DRAWN_AS_NOTHING
    )


def listed(names: Iterable[str], at_most: int = 5) -> str:
    """Return the first of many names, and how many more there are."""
    every = tuple(names)
    more = len(every) - at_most
    return ", ".join(every[:at_most]) + (f" and {more} more" if more > 0 else "")
