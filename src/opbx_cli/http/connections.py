"""Connections to servers: by which proxy, and what a refused certificate means."""

from __future__ import annotations

import os
import re
import ssl
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError
from opbx_cli.http.bounded_transport import BoundedTransport
from opbx_cli.http.trust import trust
from opbx_cli.values import is_host, is_loopback

PROXY_SCHEMES = ("http", "https")
PORTS = range(1, 65536)
_SOCKS = re.compile(r"\s*(socks\w*)://", re.IGNORECASE | re.ASCII)


def inner_transport(base_url: httpx.URL, *, seconds: float) -> BoundedTransport:
    """Build the real transport for one server, through the proxy that the environment names.

    A request takes `seconds` at most, its answer included. httpx reads the proxy variables only
    for transports of its own making, so the choice is made here. Plain http never goes through a
    proxy, which would see what it carries. Raises `ConfigurationError` for an unusable proxy or CA.
    """
    host = host_of(base_url)
    if base_url.scheme == "http":
        return BoundedTransport(host=host, seconds=seconds)
    context = trust().context
    address = proxy_for(base_url)
    proxy = None if address is None else _proxy(address, context, named=proxy_name(base_url) or "")
    return BoundedTransport(host=host, seconds=seconds, context=context, proxy=proxy)


def proxy_for(url: httpx.URL) -> str | None:
    """Return the address of the proxy on the way to a server; None where there is none."""
    if url.scheme == "http" or is_loopback(host_of(url)):
        return None
    found = _proxy_setting(url)
    if found is None or proxy_bypass(url.netloc.decode("ascii")):
        return None
    return found[1]


def proxy_name(url: httpx.URL) -> str | None:
    """Name the proxy on the way to a server by its variable: its address may have a password."""
    if proxy_for(url) is None:
        return None
    kind, address = _proxy_setting(url) or ("", "")
    names = [
        name
        for name, value in os.environ.items()
        if name.lower() == f"{kind}_proxy" and value == address
    ]
    # As in urllib, the spelling in lower case wins; on some systems there are other settings.
    names.sort(key=str.islower, reverse=True)
    return f"the proxy named by {names[0]}" if names else "the proxy of this system's settings"


def proxy_in_words(url: httpx.URL) -> str | None:
    """Name the proxy on the way to a server as `proxy_name` does, with its host and port."""
    address, name = proxy_for(url), proxy_name(url)
    if address is None or name is None:
        return None
    proxy = _parsed_proxy(address)
    if proxy is None:
        return name
    return f"{name}, {proxy.url.netloc.decode('ascii')}"


def _proxy_setting(url: httpx.URL) -> tuple[str, str] | None:
    """Return which setting names a proxy for this scheme, and its address."""
    proxies = getproxies()
    return next(((kind, proxies[kind]) for kind in (url.scheme, "all") if proxies.get(kind)), None)


def host_of(url: httpx.URL) -> str:
    """Return the host as it was written: `URL.host` decodes punycode, or fails to."""
    return url.raw_host.decode("ascii")


def _proxy(address: str, context: ssl.SSLContext, *, named: str) -> httpcore.Proxy:
    """Return the proxy; one that is spoken to over TLS may have a private authority too.

    Raises `ConfigurationError` for an address that is none, without its cause: that may repeat
    the address, and the address may have a password.
    """
    proxy = _parsed_proxy(address)
    if proxy is None and (socks := _SOCKS.match(address)) is not None:
        raise ConfigurationError(
            f"{named} is a SOCKS proxy ({socks[1].lower()}), which opbx does not speak to",
            hint="name one that speaks HTTP, as in"
            " `export HTTPS_PROXY=http://proxy.example.com:3128`",
            code=ErrorCode.CONFIGURATION_PROXY,
        )
    if proxy is None:
        raise ConfigurationError(
            f"{named} cannot be used: expected http://host:port or https://host:port",
            hint="give its address anew; in a user name or password, write @ as %40, / as %2F,"
            " # as %23 and ? as %3F",
            code=ErrorCode.CONFIGURATION_PROXY,
        )
    url = proxy.url
    return httpcore.Proxy(
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        auth=proxy.raw_auth,
        ssl_context=context if url.scheme == "https" else None,
    )


def _parsed_proxy(address: str) -> httpx.Proxy | None:
    """Return an address with its user name and password apart; None for one that is none."""
    try:
        proxy = httpx.Proxy(address if "://" in address else f"http://{address}")
        return proxy if _is_proxy_address(proxy.url) else None
    except (ValueError, httpx.InvalidURL):
        return None


def _is_proxy_address(url: httpx.URL) -> bool:
    return (
        url.scheme in PROXY_SCHEMES
        and is_host(host_of(url))
        and url.port in (None, *PORTS)
        and url.raw_path == b"/"
        and not url.fragment
    )


def certificate_problem(error: BaseException) -> ssl.SSLCertVerificationError | None:
    """Find the refused certificate below an error: asking again will not change it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None
