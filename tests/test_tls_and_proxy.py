"""TLS, proxies and .netrc, as the installed program meets them in its environment."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from servers import Authority, Served, answering, authority, http, listening, tunnelling
from support import Opbx, Outcome

HOST = "api.cloudonix.invalid"  # can be reached through the proxy of a test alone
OK = http("200 OK", b"[]")
pytestmark = pytest.mark.usefixtures("no_proxy_of_this_machine")


@pytest.fixture
def private(tmp_path: Path) -> Authority:
    return authority(tmp_path, "localhost", HOST)


def listed(opbx: Opbx, *arguments: str, **variables: str) -> Outcome:
    """Run the installed program: it alone has the variables in its environment."""
    return opbx.process("trunks", "list", *arguments, **variables)


def key_of(opbx: Opbx) -> bytes:
    return opbx.environ["OPBX_DOMAIN_API_KEY"].encode()


def header(request: bytes, name: bytes) -> bytes | None:
    for line in request.split(b"\r\n")[1:]:
        found, _, value = line.partition(b": ")
        if found.lower() == name:
            return value
    return None


def test_an_untrusted_certificate_is_final(storeless: Opbx, private: Authority) -> None:
    with answering(OK, context=private.server) as server:
        outcome = listed(storeless, "--json", "-v", CLOUDONIX_API_BASE_URL=server.secure_url)
    assert (outcome.code, outcome.stdout, server.arrivals) == (7, "", [])
    assert outcome.stderr.count("-> no connection") == 1, "a refused certificate stays refused"
    error = outcome.error
    assert (error["code"], error["retryable"], error["http_status"]) == ("network.tls", True, None)
    assert "the TLS certificate of localhost is not trusted" in error["message"]
    assert "SSL_CERT_FILE" in error["hint"]


def test_a_certificate_for_another_name_is_not_trusted(storeless: Opbx, tmp_path: Path) -> None:
    other = authority(tmp_path, "other.example")
    with answering(OK, context=other.server) as server:
        outcome = listed(
            storeless,
            "--json",
            CLOUDONIX_API_BASE_URL=server.secure_url,
            SSL_CERT_FILE=str(other.certificate),
        )
    assert (outcome.code, outcome.error["code"]) == (7, "network.tls")
    assert "Hostname mismatch" in outcome.error["message"]


def test_a_private_authority_is_trusted_by_ssl_cert_file(
    storeless: Opbx, private: Authority
) -> None:
    with answering(OK, context=private.server) as server:
        outcome = listed(
            storeless,
            CLOUDONIX_API_BASE_URL=server.secure_url,
            SSL_CERT_FILE=str(private.certificate),
        )
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, "", "")
    assert header(server.arrivals[0], b"authorization") == b"Bearer " + key_of(storeless)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl prepares the folder")
def test_a_private_authority_is_trusted_by_ssl_cert_dir(
    storeless: Opbx, private: Authority, tmp_path: Path
) -> None:
    folder = tmp_path / "trusted"
    folder.mkdir()
    shutil.copy(private.certificate, folder)
    subprocess.run(["openssl", "rehash", folder], check=True)
    with answering(OK, context=private.server) as server:
        outcome = listed(
            storeless, CLOUDONIX_API_BASE_URL=server.secure_url, SSL_CERT_DIR=str(folder)
        )
    assert (outcome.code, outcome.stderr) == (0, "")


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_an_unreadable_ssl_cert_file_is_a_configuration_error(
    storeless: Opbx, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "broken.pem"
    if content is not None:
        path.write_bytes(content)
    outcome = listed(
        storeless, "--json", CLOUDONIX_API_BASE_URL=f"https://{HOST}", SSL_CERT_FILE=str(path)
    )
    assert (outcome.code, outcome.stdout) == (3, "")
    assert outcome.error["code"] == "configuration.tls"
    assert "SSL_CERT_FILE" in outcome.error["message"]


def test_tls_spoken_to_a_server_that_does_not(storeless: Opbx) -> None:
    def refuse(_served: Served, connection: socket.socket) -> None:
        connection.sendall(http("400 The plain HTTP request was sent to HTTPS port"))

    with listening(refuse) as server:
        outcome = storeless("trunks", "list", "--json", CLOUDONIX_API_BASE_URL=server.secure_url)
    assert (outcome.code, outcome.error["code"]) == (7, "network.tls")
    assert "the TLS handshake failed (localhost)" in outcome.error["message"]
    assert len(storeless.waits) == 3


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_the_proxy_carries_the_call_and_never_sees_the_key(
    storeless: Opbx, private: Authority, variable: str
) -> None:
    with (
        answering(OK, context=private.server) as server,
        tunnelling(server.port) as proxy,
    ):
        address = {"https_proxy": f"127.0.0.1:{proxy.port}"}.get(
            variable, f"http://user:proxy-secret@127.0.0.1:{proxy.port}"
        )
        outcome = listed(
            storeless,
            "-v",
            CLOUDONIX_API_BASE_URL=f"https://{HOST}",
            SSL_CERT_FILE=str(private.certificate),
            **{variable: address},
        )
    assert (outcome.code, outcome.stdout) == (0, "")
    assert len(server.arrivals) == 1
    assert header(server.arrivals[0], b"authorization") == b"Bearer " + key_of(storeless)
    (asked,) = proxy.arrivals
    assert asked.startswith(f"CONNECT {HOST}:443 ".encode())
    assert key_of(storeless) not in asked
    if "@" in address:
        credentials = b"Basic " + base64.b64encode(b"user:proxy-secret")
        assert header(asked, b"proxy-authorization") == credentials
    assert header(server.arrivals[0], b"proxy-authorization") is None
    assert "proxy-secret" not in outcome.stderr


def test_a_proxy_spoken_to_over_tls_may_have_a_private_authority(
    storeless: Opbx, private: Authority
) -> None:
    with (
        answering(OK, context=private.server) as server,
        tunnelling(server.port, context=private.server) as proxy,
    ):
        outcome = listed(
            storeless,
            CLOUDONIX_API_BASE_URL=f"https://{HOST}",
            SSL_CERT_FILE=str(private.certificate),
            HTTPS_PROXY=proxy.secure_url,
        )
    assert (outcome.code, outcome.stderr, len(server.arrivals)) == (0, "", 1)


@pytest.mark.parametrize("exempt", [HOST, ".invalid", "*", "other.example, cloudonix.invalid"])
def test_no_proxy_is_honoured(storeless: Opbx, private: Authority, exempt: str) -> None:
    with answering(OK, context=private.server) as server, tunnelling(server.port) as proxy:
        outcome = listed(
            storeless,
            "--json",
            CLOUDONIX_API_BASE_URL=f"https://{HOST}",
            HTTPS_PROXY=proxy.url,
            NO_PROXY=exempt,
        )
    assert (outcome.code, outcome.error["code"], proxy.arrivals) == (7, "network.dns", [])


def test_a_proxy_that_is_not_there_is_named_on_the_way_to_opbx_too(storeless: Opbx) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        gone = f"127.0.0.1:{unheard.getsockname()[1]}"
        outcome = storeless.process(
            "status",
            "--json",
            HTTPS_PROXY=f"http://user:proxy-secret@{gone}",
            OPBX_INSTANCE_URL="https://pbx.example.net",
            OPBX_INSTANCE_TOKEN="token-000000000000000001",
        )
    warning = next(one for one in outcome.document["warnings"] if "OPBX" in one)
    assert f"the connection was refused (the proxy named by HTTPS_PROXY, {gone})" in warning
    assert "proxy-secret" not in outcome.stdout + outcome.stderr


def test_a_proxy_that_refuses_is_named(storeless: Opbx) -> None:
    with tunnelling(0, refuse=True) as proxy:
        outcome = listed(
            storeless,
            "--json",
            CLOUDONIX_API_BASE_URL=f"https://{HOST}",
            HTTPS_PROXY=f"http://user:proxy-secret@127.0.0.1:{proxy.port}",
        )
    assert (outcome.code, outcome.error["code"]) == (7, "network.proxy")
    where = f"the proxy named by HTTPS_PROXY, 127.0.0.1:{proxy.port}, refused the connection"
    assert where in outcome.error["message"]
    assert len(proxy.arrivals) == 4
    assert "proxy-secret" not in outcome.stderr


NO_PROXIES = [
    "ftp://proxy.example:1",
    "http://proxy.example:port",
    "http://127.0.0.1:99999",
    "http://127.0.0.1:0",
    "http://",
    "http://:3128",
    "http:/127.0.0.1:3128",
    "http://[::1",
    "http://proxy..example:3128",
    f"http://{'a' * 70}:3128",
    "http://a%20b:3128",
    "http://127.0.0.1:3128/path",
    "http://127.0.0.1:3128?query",
    "  http://127.0.0.1:3128",
    "http://127.0.0.1\n:3128",
    "http://user:proxy-secret@",
    "http://user:proxy-secret#@127.0.0.1:3128",
    "http://user:proxy/secret@127.0.0.1:3128",
]


@pytest.mark.parametrize("proxy", NO_PROXIES)
def test_a_proxy_that_is_none_is_a_configuration_error(storeless: Opbx, proxy: str) -> None:
    outcome = listed(
        storeless, "--json", CLOUDONIX_API_BASE_URL=f"https://{HOST}", HTTPS_PROXY=proxy
    )
    assert (outcome.code, outcome.stdout) == (3, "")
    assert outcome.error["code"] == "configuration.proxy"
    assert outcome.error["message"] == (
        "the proxy named by HTTPS_PROXY cannot be used: expected http://host:port or"
        " https://host:port"
    )
    assert "secret" not in outcome.stderr


@pytest.mark.parametrize(
    ("variable", "proxy"),
    [
        ("HTTPS_PROXY", "socks5://user:proxy-secret@127.0.0.1:1080"),
        ("ALL_PROXY", "socks5h://127.0.0.1:1080"),
        ("all_proxy", "SOCKS4://127.0.0.1:1080"),
    ],
)
def test_a_socks_proxy_is_refused_by_its_name(storeless: Opbx, variable: str, proxy: str) -> None:
    outcome = listed(
        storeless, "--json", CLOUDONIX_API_BASE_URL=f"https://{HOST}", **{variable: proxy}
    )
    assert (outcome.code, outcome.stdout) == (3, "")
    assert outcome.error["code"] == "configuration.proxy"
    scheme = proxy.partition(":")[0].lower()
    assert outcome.error["message"] == (
        f"the proxy named by {variable} is a SOCKS proxy ({scheme}), which opbx does not speak to"
    )
    assert "`export HTTPS_PROXY=http://proxy.example.com:3128`" in outcome.error["hint"]
    assert "secret" not in outcome.stderr


@pytest.mark.parametrize("variable", ["https_proxy", "ALL_PROXY", "all_proxy"])
def test_a_proxy_is_named_by_its_own_variable(storeless: Opbx, variable: str) -> None:
    address = "http://user:proxy-secret@no.such.host.invalid:3128"
    outcome = listed(
        storeless, "-v", CLOUDONIX_API_BASE_URL=f"https://{HOST}", **{variable: f"{address}/x"}
    )
    assert outcome.code == 3
    assert f"error: the proxy named by {variable} cannot be used" in outcome.stderr
    assert "secret" not in outcome.stderr


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        ("http://u:proxy-secret@proxy.invalid:3128", "the host name cannot be resolved"),
        ("http://u:proxy-secret@127.0.0.1:{}", "the connection was refused"),
    ],
)
def test_a_proxy_that_is_not_there_is_what_could_not_be_reached(
    storeless: Opbx, monkeypatch: pytest.MonkeyPatch, proxy: str, said: str
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and does not listen
        monkeypatch.setenv("HTTPS_PROXY", proxy.format(unused.getsockname()[1]))
        outcome = storeless("trunks", "list", CLOUDONIX_API_BASE_URL=f"https://{HOST}")
        place = proxy.format(unused.getsockname()[1]).partition("@")[2]
    assert outcome.code == 7
    assert f": {said} (the proxy named by HTTPS_PROXY, {place})\n" in outcome.stderr
    assert "secret" not in outcome.stderr


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"])
def test_the_loopback_interface_is_never_reached_by_a_proxy(
    storeless: Opbx, private: Authority, variable: str
) -> None:
    with (
        answering(OK) as plain,
        answering(OK, context=private.server) as secure,
        tunnelling(plain.port) as proxy,
    ):
        for url in (plain.url, secure.secure_url):
            outcome = listed(
                storeless,
                CLOUDONIX_API_BASE_URL=url,
                SSL_CERT_FILE=str(private.certificate),
                **{variable: proxy.url},
            )
            assert (outcome.code, outcome.stderr) == (0, "")
    assert (len(plain.arrivals), len(secure.arrivals), proxy.arrivals) == (1, 1, [])


def test_netrc_is_never_used(storeless: Opbx, tmp_path: Path) -> None:
    content = "machine 127.0.0.1 login netrc password netrc-secret\n"
    for path in (tmp_path / ".netrc", tmp_path / "named"):
        path.write_text(content)
        path.chmod(0o600)
    with answering(OK) as server:
        outcome = listed(
            storeless,
            CLOUDONIX_API_BASE_URL=server.url,
            HOME=str(tmp_path),
            NETRC=os.fspath(tmp_path / "named"),
        )
    assert (outcome.code, outcome.stderr) == (0, "")
    assert header(server.arrivals[0], b"authorization") == b"Bearer " + key_of(storeless)
