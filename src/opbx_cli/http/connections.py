"""Connections to servers: which proxy, which authorities, and what a refused certificate means."""

from __future__ import annotations

import functools
import os
import ssl
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from opbx_cli.errors import ConfigurationError
from opbx_cli.http.bounded_transport import BoundedTransport
from opbx_cli.values import is_loopback

PROXY_SCHEMES = ("http", "https")


def inner_transport(base_url: httpx.URL, *, seconds: float) -> BoundedTransport:
    """Build the real transport for one server, through the proxy that the environment names.

    A request takes `seconds` at most, its answer included. httpx reads the proxy variables only
    for transports of its own making, so the choice is made here. Plain http never goes through a
    proxy, which would see what it carries. Raises `ConfigurationError` for an unusable proxy or CA.
    """
    host = host_of(base_url)
    if base_url.scheme == "http":
        return BoundedTransport(host=host, seconds=seconds)
    context = tls_context()
    proxy = _proxy(proxy_for(base_url), context)
    return BoundedTransport(host=host, seconds=seconds, context=context, proxy=proxy)


def proxy_for(url: httpx.URL) -> str | None:
    """Return the address of the proxy on the way to a server; None where there is none."""
    if url.scheme == "http" or is_loopback(host_of(url)):
        return None
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return None if proxy and proxy_bypass(url.netloc.decode("ascii")) else proxy or None


def tls_context() -> ssl.SSLContext:
    """Return what checks a server's certificate. Raises `ConfigurationError` for a CA unread."""
    try:
        return _tls_context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            "the certificate authorities named by SSL_CERT_FILE or SSL_CERT_DIR cannot be read",
            code="configuration.tls",
        ) from error


@functools.lru_cache(maxsize=1)
def _tls_context(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    """Read the authorities once: 25 ms and some megabytes, which hundreds of clients share."""
    return httpx.create_ssl_context()


def host_of(url: httpx.URL) -> str:
    """Return the host as it was written: `URL.host` decodes punycode, or fails to."""
    return url.raw_host.decode("ascii")


def _proxy(address: str | None, context: ssl.SSLContext) -> httpcore.Proxy | None:
    """Return the proxy; one that is spoken to over TLS may have a private authority too."""
    if not address:
        return None
    try:
        proxy = httpx.Proxy(address if "://" in address else f"http://{address}")
    except (ValueError, httpx.InvalidURL) as error:
        raise _unusable_proxy() from error
    url = proxy.url
    if url.scheme not in PROXY_SCHEMES:
        raise _unusable_proxy()
    return httpcore.Proxy(
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        auth=proxy.raw_auth,
        ssl_context=context if url.scheme == "https" else None,
    )


def _unusable_proxy() -> ConfigurationError:
    return ConfigurationError(
        "the proxy named by HTTPS_PROXY or ALL_PROXY cannot be used: "
        "expected http://host:port or https://host:port",
        code="configuration.proxy",
    )


def certificate_problem(error: BaseException) -> ssl.SSLCertVerificationError | None:
    """Find the refused certificate below an error: asking again will not change it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None
