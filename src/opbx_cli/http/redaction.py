"""Whether a server's words repeat one of our keys, in any spelling a server is likely to use.

Servers echo what they were sent: as it was, quoted for a URL, escaped for JSON or HTML, or
still in base64. What follows from an echo is decided by whoever shows the words.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable
from urllib.parse import unquote

from opbx_cli.models import Secret
from opbx_cli.values import KEY_LENGTH, clean

READ_MAX = 10_000  # characters of a server's words that are looked at


def quoted(words: str, secrets: Iterable[Secret], *, length_max: int) -> str:
    """Return a server's words fit for one line of a screen; nothing where they repeat a key.

    They are searched before they are shortened: what a cut leaves of a key is found by nobody.
    For the same reason nothing is shown of words that are too many to be searched. `length_max`
    is in characters, without the "…" that tells of a cut.
    """
    if len(words) > READ_MAX or repeats_a_key(words, secrets):
        return ""
    line = " ".join(clean(" ".join(words.split())).split())
    return line if len(line) <= length_max else line[:length_max] + "…"


def repeats_a_key(words: str, secrets: Iterable[Secret]) -> bool:
    # Without what is not shown, and without spaces: a key in pieces is still a key.
    joined = "".join(clean(words).split())
    forms = {_folded(form) for form in (joined, unquote(joined), html.unescape(joined))}
    encoded = joined.replace("-", "+").replace("_", "/")
    # A value shorter than any key is a word that the server has reason to use.
    keys = [secret for secret in secrets if len(secret.reveal()) >= KEY_LENGTH.start]
    return any(
        any(_folded("".join(key.reveal().split())) in form for form in forms)
        or any(form in encoded for form in _base64_forms(key))
        for key in keys
    )


def _folded(text: str) -> str:
    """Return text without its case, and without backslashes, however often it was escaped."""
    return text.replace("\\", "").casefold()


def _base64_forms(secret: Secret) -> Iterable[str]:
    """Return how a key looks in base64 at each place it may have in what was encoded.

    Three bytes make four characters, so there are three places; the characters that the
    bytes around the key have a share in are left out.
    """
    value = secret.reveal().encode()
    for before in range(3):
        text = base64.b64encode(bytes(before) + value).decode()
        yield text[(before * 8 + 5) // 6 : (before + len(value)) * 8 // 6]
