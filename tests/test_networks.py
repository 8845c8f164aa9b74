"""Networks as they are: certificates that ran out, IPv6 alone, proxies that say no."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from servers import Authority, Served, answering, authority, http, listening, read_request
from support import Opbx, Outcome

HOST = "api.cloudonix.invalid"
OK = http("200 OK", b"[]")
pytestmark = pytest.mark.usefixtures("no_proxy_of_this_machine")


def listed(opbx: Opbx, **variables: str) -> Outcome:
    return opbx.process("trunks", "list", "--json", **variables)


def has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")


@contextlib.contextmanager
def answering_on_ipv6(private: Authority | None = None) -> Iterator[int]:
    """Answer on ::1 alone; yield the port."""

    class Connection(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(30)
            context = private.server if private else None
            wrapped = context.wrap_socket(self.request, server_side=True) if context else None
            with wrapped or self.request as stream:
                read_request(stream)
                stream.sendall(OK)

    class Listener(socketserver.ThreadingTCPServer):
        address_family = socket.AF_INET6
        daemon_threads = True

    with Listener(("::1", 0), Connection) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("shift", "said"),
    [(timedelta(days=-30), "certificate has expired"), (timedelta(days=30), "not yet valid")],
)
def test_a_certificate_outside_of_its_time_is_final(
    storeless: Opbx, tmp_path: Path, shift: timedelta, said: str
) -> None:
    late = authority(tmp_path, "localhost", shift=shift)
    with answering(OK, context=late.server) as server:
        outcome = listed(
            storeless,
            CLOUDONIX_API_BASE_URL=server.secure_url,
            SSL_CERT_FILE=str(late.certificate),
        )
    assert (outcome.code, outcome.stdout, server.arrivals) == (7, "", [])
    error = outcome.error
    assert error["code"] == "network.tls"
    assert said in error["message"]
    assert "SSL_CERT_FILE" not in error["hint"], "another authority would not help"
    assert "clock" in error["hint"]


def test_a_certificate_of_another_host_has_a_hint_of_its_own(
    storeless: Opbx, tmp_path: Path
) -> None:
    other = authority(tmp_path, "other.example")
    with answering(OK, context=other.server) as server:
        outcome = listed(
            storeless,
            CLOUDONIX_API_BASE_URL=server.secure_url,
            SSL_CERT_FILE=str(other.certificate),
        )
    assert outcome.error["code"] == "network.tls"
    assert "API base URL" in outcome.error["hint"]


def test_no_write_goes_to_a_server_that_is_not_trusted(storeless: Opbx, tmp_path: Path) -> None:
    stranger = authority(tmp_path, "localhost")
    with answering(OK, context=stranger.server) as server:
        outcome = storeless.process("validate", CLOUDONIX_API_BASE_URL=server.secure_url)
    assert (outcome.code, server.arrivals) == (7, [])
    assert "was not changed" in outcome.stdout


@needs_ipv6
def test_a_host_with_ipv6_alone_in_plain_http(storeless: Opbx) -> None:
    with answering_on_ipv6() as port:
        outcome = listed(storeless, CLOUDONIX_API_BASE_URL=f"http://[::1]:{port}")
    assert (outcome.code, outcome.stderr) == (0, "")


@needs_ipv6
def test_a_host_with_ipv6_alone_over_tls(storeless: Opbx, tmp_path: Path) -> None:
    private = authority(tmp_path, "::1")
    with answering_on_ipv6(private) as port:
        outcome = listed(
            storeless,
            CLOUDONIX_API_BASE_URL=f"https://[::1]:{port}",
            SSL_CERT_FILE=str(private.certificate),
            HTTPS_PROXY="http://127.0.0.1:9",  # the loopback interface needs none
        )
    assert (outcome.code, outcome.stderr) == (0, "")


@needs_ipv6
def test_nobody_listens_on_ipv6(storeless: Opbx) -> None:
    with answering_on_ipv6() as port:
        pass
    outcome = storeless("trunks", "list", "--json", CLOUDONIX_API_BASE_URL=f"http://[::1]:{port}")
    assert (outcome.code, outcome.error["code"]) == (7, "network.refused")
    assert "(::1)" in outcome.error["message"]


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "502 Bad Gateway"])
def test_a_proxy_that_refuses_the_tunnel_is_named_with_its_answer(
    storeless: Opbx, status: str
) -> None:
    def refuse(served: Served, connection: socket.socket) -> None:
        served.arrivals.append(read_request(connection))
        connection.sendall(http(status))

    with listening(refuse) as proxy:
        outcome = listed(storeless, CLOUDONIX_API_BASE_URL=f"https://{HOST}", HTTPS_PROXY=proxy.url)
    assert (outcome.code, outcome.error["code"]) == (7, "network.proxy")
    assert f"({status[:3]})" in outcome.error["message"]
    assert "HTTPS_PROXY" in outcome.error["hint"]
    assert len(proxy.arrivals) == 4
    assert all(request.startswith(b"CONNECT ") for request in proxy.arrivals)
    key = storeless.environ["OPBX_DOMAIN_API_KEY"].encode()
    assert all(key not in request for request in proxy.arrivals)


def test_no_proxy_leaves_the_proxy_alone(storeless: Opbx) -> None:
    with answering(OK) as proxy:
        outcome = listed(
            storeless,
            CLOUDONIX_API_BASE_URL=f"https://{HOST}",
            HTTPS_PROXY=proxy.url,
            NO_PROXY=f"127.0.0.1,{HOST}",
        )
    assert (outcome.error["code"], proxy.arrivals) == ("network.dns", [])
