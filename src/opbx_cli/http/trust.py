"""Whose certificates count: the authorities that variables name, else those of the system.

OpenSSL, for which SSL_CERT_FILE and SSL_CERT_DIR were made, reads both; httpx 0.28 reads the first
of them, and without them a list that is installed with it, in which no company's authority is.
truststore 0.10 asks the system, but on Linux, where the system's list is a file, it reads that anew
for each connection (30 ms) and lets one connection at a time shake hands: so it is for macOS and
Windows, whose lists are no files.
"""

from __future__ import annotations

import functools
import os
import re
import ssl
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError

if sys.platform == "darwin" or sys.platform == "win32":
    import truststore

FILE, FOLDER = "SSL_CERT_FILE", "SSL_CERT_DIR"
# Where distributions keep their list; Python's own OpenSSL may have been built for another one.
KNOWN_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine, Arch
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, Red Hat
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # BSD, Alpine
)
_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.[0-9]+")  # as `openssl rehash` names them


@dataclass(frozen=True, slots=True)
class Trust:
    """What checks certificates, and in words whose authorities those are."""

    context: ssl.SSLContext
    words: str


def trust() -> Trust:
    """Return who is trusted. Raises `ConfigurationError` for authorities that cannot be read."""
    file, folder = os.environ.get(FILE) or None, os.environ.get(FOLDER) or None
    try:
        return _trust(file, folder)
    except OSError as error:  # `ssl.SSLError` is one
        raise ConfigurationError(
            f"the certificate authorities named by {FILE} or {FOLDER} cannot be read",
            code=ErrorCode.CONFIGURATION_TLS,
        ) from error


@functools.lru_cache(maxsize=1)
def _trust(file: str | None, folder: str | None) -> Trust:
    """Read the authorities once: 30 ms and some megabytes, which hundreds of clients share."""
    if file is None and folder is None:
        return _of_the_system()
    context = _context(file, folder)
    if (
        file is None
        and folder is not None
        and not any(map(os.path.isdir, folder.split(os.pathsep)))
    ):
        raise FileNotFoundError(folder)
    named = {FILE: file, FOLDER: folder}
    return Trust(context, " and ".join(f"{name} ({at})" for name, at in named.items() if at))


def _of_the_system() -> Trust:
    if sys.platform == "darwin" or sys.platform == "win32":
        system = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return Trust(system, "the certificate store of this system")
    folder = ssl.get_default_verify_paths().openssl_capath
    has_folder = _has_certificates(Path(folder))
    for file in _files():
        with suppress(OSError):  # not there, empty, or not for us: so another one
            return Trust(_context(file, folder if has_folder else None), f"this system ({file})")
    if has_folder:
        return Trust(_context(None, folder), f"this system ({folder})")
    # An image without any: the list that httpx brings along.
    return Trust(httpx.create_ssl_context(trust_env=False), "certifi, for this system has none")


def _files() -> Iterator[str]:
    yield ssl.get_default_verify_paths().openssl_cafile
    yield from KNOWN_FILES


def _context(file: str | None, folder: str | None) -> ssl.SSLContext:
    """Trust what is in the file and in the folder (or several, as in a PATH).

    From 3.13 on Python refuses what RFC 5280 does not allow in an authority, and companies' own
    often have: curl, browsers and Python 3.12 take them.
    """
    context = ssl.create_default_context(cafile=file, capath=folder)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _has_certificates(folder: Path) -> bool:
    try:
        return any(_HASHED_NAME.fullmatch(path.name) for path in folder.iterdir())
    except OSError:
        return False
