"""Connections: looked up, made, written to and kept, within bounds whatever the other side does."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

import pytest

from opbx_cli.cloudonix import Access, Client, Pace
from opbx_cli.errors import UnreachableError
from opbx_cli.models import Secret
from servers import (
    Served,
    answering,
    authority,
    http,
    in_time,
    listening,
    never_ending,
    read_request,
)
from support import Opbx

pytestmark = pytest.mark.usefixtures("no_proxy_of_this_machine")

TIMEOUT = 0.3  # seconds
PAUSE = 0.02  # seconds between two bytes of a dripping server
MIB = 1 << 20
MUCH = 30 * MIB  # more than the system keeps on the way
HOST = "api.cloudonix.invalid"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"


def client_of(url: str, *, timeout: float = 9.0, waits: list[float] | None = None) -> Client:
    access = Access(url, "6b1f0c2e", Secret("XI" + "k" * 32), timeout)
    return Client(access, Pace(sleep=(waits if waits is not None else []).append))


def not_connected(opbx: Opbx, url: str) -> None:
    with in_time():
        outcome = opbx(
            *("trunks", "list", "--json", "-q"),
            CLOUDONIX_API_BASE_URL=url,
            CLOUDONIX_API_TIMEOUT=str(TIMEOUT),
        )
    assert (outcome.code, outcome.error["code"]) == (7, "network.timeout")
    assert "no connection in time" in outcome.error["message"]


def test_a_name_that_is_looked_up_for_ever_is_no_connection(
    storeless: Opbx, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(*_args: object, **_options: object) -> list[object]:
        time.sleep(5)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    not_connected(storeless, f"https://{HOST}")


def test_a_name_with_many_dead_addresses_is_given_up(
    storeless: Opbx, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_up(*_args: object, **_options: object) -> list[object]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"198.51.100.{n}", 443))
            for n in range(200)
        ]

    def reach(_address: object, timeout: float) -> socket.socket:
        time.sleep(timeout)
        raise TimeoutError

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket, "create_connection", reach)
    not_connected(storeless, f"https://{HOST}")


def test_a_tls_handshake_that_drips_is_no_connection(storeless: Opbx) -> None:
    record = b"\x16\x03\x03\x40\x00"  # RFC 8446: a handshake message of 16 KiB
    with never_ending(record, b"\x00", pause=PAUSE, is_read=False) as server:
        not_connected(storeless, server.secure_url)


@pytest.mark.parametrize("pause", [5.0, PAUSE / 4])  # so short that each write is in time
def test_a_request_that_the_server_hardly_reads(pause: float) -> None:
    taken: list[int] = []

    def handle(served: Served, connection: socket.socket) -> None:
        served.arrivals.append(connection.recv(10))
        number = len(taken)
        taken.append(0)
        while received := connection.recv(65536):
            taken[number] += len(received)
            time.sleep(pause)

    waits: list[float] = []
    with listening(handle) as server, in_time():
        client = client_of(server.url, timeout=TIMEOUT, waits=waits)
        with contextlib.closing(client), pytest.raises(UnreachableError) as caught:
            client.update_profile({"other": "x" * MUCH}, {"call-timeout": 60})
    assert (caught.value.code, caught.value.doubtful) == ("network.timeout", True)
    assert (len(server.arrivals), len(waits)) == (4, 3)
    assert max(taken) < MUCH


def test_a_large_request_arrives_whole_over_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = authority(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(private.certificate))
    with answering(http("200 OK"), context=private.server) as server:
        client = client_of(server.secure_url)
        with contextlib.closing(client):
            client.update_profile({"other": "x" * MIB}, {"call-timeout": 60})
    (request,) = server.arrivals
    assert request.count(b"x") > MIB
    assert request.endswith(b'"call-timeout": 60}}')


def test_each_request_of_a_connection_has_limits_of_its_own() -> None:
    """Three answers over one connection, their sizes together over the limit of one."""

    def handle(served: Served, connection: socket.socket) -> None:
        while request := read_request(connection):
            served.arrivals.append(request)
            head = (
                f"HTTP/1.1 200 OK\r\nX-Large: {'x' * 40_000}\r\nContent-Length: {8 * MIB}\r\n\r\n"
            )
            connection.sendall(INTERIM * 10 + head.encode() + b"[" + b" " * (8 * MIB - 2) + b"]")
            connections.add(connection)

    connections: set[socket.socket] = set()
    with listening(handle) as server:
        client = client_of(server.url)
        with contextlib.closing(client):
            for _ in range(3):
                assert client.list_applications() == ()
    assert (len(server.arrivals), len(connections)) == (3, 1)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n[]", 0),  # its content ends with the connection
        (http("200 OK", b"[" * 10)[:-5], 7),
        (b"HTTP/1.1 200 OK\r\nContent-Le", 7),
        (b"", 7),
    ],
)
def test_a_connection_that_ends_means_the_same_over_tls(
    storeless: Opbx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes, code: int
) -> None:
    private = authority(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(private.certificate))
    with answering(answer, context=private.server) as server:
        outcome = storeless(
            "trunks", "list", "--json", "-q", CLOUDONIX_API_BASE_URL=server.secure_url
        )
    assert outcome.code == code
    if code:
        assert outcome.error["code"] == "network.lost"


def test_a_broken_tls_record_is_a_lost_connection(
    storeless: Opbx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = authority(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(private.certificate))

    def handle(_served: Served, connection: socket.socket) -> None:
        raw = connection.dup()
        with private.server.wrap_socket(connection, server_side=True) as stream, raw:
            read_request(stream)
            raw.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)
            raw.recv(1)

    with listening(handle) as server:
        outcome = storeless(
            "trunks", "list", "--json", "-q", CLOUDONIX_API_BASE_URL=server.secure_url
        )
    assert (outcome.code, outcome.error["code"]) == (7, "network.lost")
