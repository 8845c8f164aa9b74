"""Whoever holds connections or room open does not keep Cloudonix out: attacks on real sockets."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from opbx_cli.webhooks.receiver.connection import Limits
from pbx import CDR, VOICE
from receiving import (
    BEARER,
    DEADLINE,
    KEY,
    RECORD,
    Client,
    Receiver,
    asked,
    connected,
    listener,
    padded,
    receiving,
    request,
)
from support import Opbx

TRIES = 3
HEAD = f"POST {CDR} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n".encode()
# What an attacker says on each connection before it falls silent.
SILENCES = {
    "nothing": b"",
    "half a request line": b"POST ",
    "half a head": b"POST / HTTP/1.1\r\nHost: x\r\n",
    "half a body": HEAD + b"{",
    "most of a body": HEAD + b" " * 900_000,
    "no HTTP": b"\0\0\r\n\r\n",
    "a whole request": request("/else"),
}


@pytest.fixture
def keyed(opbx: Opbx) -> Opbx:
    opbx.environ |= {
        "OPBX_DOMAIN_UUID": "6b1f0c2e-0000-4000-8000-000000000001",
        "OPBX_DOMAIN_API_KEY": "XI0123456789abcdefghijABCDEFGHIJKL",
        "OPBX_WEBHOOK_API_KEY": KEY,
    }
    return opbx


def held(port: int, stack: ExitStack, data: bytes, count: int) -> list[Client]:
    """Open connections, send the data on each, and leave them open."""
    clients = []
    for _ in range(count):
        client = stack.enter_context(connected(port))
        with contextlib.suppress(ConnectionError):  # dropped already, for another one
            client.send(data)
        clients.append(client)
    return clients


@pytest.mark.parametrize("silence", SILENCES)
def test_three_hundred_connections_of_one_client_do_not_keep_cloudonix_out(
    keyed: Opbx, silence: str
) -> None:
    with listener(keyed) as running, ExitStack() as stack:
        port = running.port
        held(port, stack, SILENCES[silence], 300)
        for _ in range(3):
            assert asked(port, CDR, RECORD, **BEARER).status == 200
            held(port, stack, SILENCES[silence], 10)
        assert asked(port, CDR, padded(1_000_000), **BEARER).status == 200


@pytest.mark.parametrize("limit", ["ulimit -n 128", "ulimit -S -n 128"])
def test_few_descriptors_do_not_help_to_keep_cloudonix_out(keyed: Opbx, limit: str) -> None:
    with listener(keyed, shell=limit) as running, ExitStack() as stack:
        port = running.port
        held(port, stack, b"POST ", 300)
        for _ in range(3):
            assert asked(port, CDR, RECORD, **BEARER).status == 200


@contextlib.contextmanager
def going_on(attack: Callable[[], None]) -> Iterator[None]:
    """Repeat the attack in a thread for as long as it takes."""
    is_over = threading.Event()

    def repeat() -> None:
        while not is_over.is_set():
            with contextlib.suppress(OSError):
                attack()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join(DEADLINE)


def test_behind_a_tunnel_where_all_have_one_address_callbacks_still_get_through() -> None:
    opened: list[Client] = []

    def attack() -> None:
        opened.append(Client(port))
        opened[-1].send(b"POST ")
        if len(opened) > 200:
            opened.pop(0).close()

    def delivered() -> int:
        """Send a callback; on a busy machine one may lose its place, and comes again."""
        for _ in range(TRIES - 1):
            with contextlib.suppress(ConnectionError):
                return asked(port, CDR, RECORD, **BEARER).status
        return asked(port, CDR, RECORD, **BEARER).status

    try:
        with receiving(Limits(connections=16, grace=0.1)) as receiver:
            port = receiver.port
            with going_on(attack):
                statuses = [delivered() for _ in range(50)]
    finally:
        for client in opened:
            client.close()
    assert statuses == [200] * 50


def of_another_client(receiver: Receiver, stack: ExitStack) -> socket.socket:
    """Connect from another address of this computer."""
    other = stack.enter_context(socket.socket())
    other.settimeout(DEADLINE)
    try:
        other.bind(("127.0.0.2", 0))
    except OSError:
        pytest.skip("this machine has one address for itself")
    other.connect(("127.0.0.1", receiver.port))
    return other


@pytest.mark.parametrize("path", [CDR, VOICE])
def test_the_client_with_the_most_connections_loses_its_own(path: str) -> None:
    whole = request(path, b'{"To": "1", "Domain": "d.test"}' if path == VOICE else RECORD, **BEARER)
    with receiving(Limits(connections=8)) as receiver, ExitStack() as stack:
        slow = of_another_client(receiver, stack)
        slow.sendall(whole[:-1])
        attackers = held(receiver.port, stack, b"POST ", 40)
        assert asked(receiver.port, CDR, RECORD, **BEARER).status == 200
        slow.sendall(whole[-1:])
        assert slow.recv(100).startswith(b"HTTP/1.1 200 ")
        assert attackers[0].rest()[9:12] in (b"503", b"")
        assert receiver.server.turned_away >= 32


def test_a_body_of_a_client_with_little_goes_on_beside_one_that_takes_all_the_room() -> None:
    head = HEAD.replace(b"1000000", b"700")
    with receiving(Limits(bodies_max=5000)) as receiver, ExitStack() as stack:
        slow = of_another_client(receiver, stack)
        slow.sendall(head + b" " * 699)
        held(receiver.port, stack, head + b" " * 699, 20)
        assert asked(receiver.port, CDR, RECORD, **BEARER).status == 200
        slow.sendall(b" ")
        assert slow.recv(100).startswith(b"HTTP/1.1 400 ")
    assert {callback.reason for callback in receiver.shown} >= {"no room", None}


def test_one_body_that_all_the_room_is_too_little_for_is_refused() -> None:
    with receiving(Limits(bodies_max=1000)) as receiver:
        assert asked(receiver.port, CDR, b" " * 1001).status == 503
        assert asked(receiver.port, CDR, b" " * 900).status == 400


def test_a_connection_on_which_nothing_is_under_way_makes_way_first() -> None:
    with receiving(Limits(connections=4)) as receiver, ExitStack() as stack:
        idle, *half = held(receiver.port, stack, b"POST ", 4)
        idle.send(request("/else").removeprefix(b"POST "))
        assert idle.response().status == 404
        held(receiver.port, stack, b"POST ", 1)
        assert idle.rest() == b""
        for client in half:
            client.send(request("/else").removeprefix(b"POST "))
            assert client.response().status == 404
        assert receiver.server.turned_away == 0


def test_the_oldest_half_open_connection_makes_way_and_is_told() -> None:
    with receiving(Limits(connections=3)) as receiver, ExitStack() as stack:
        first, second = held(receiver.port, stack, b"POST ", 2)
        assert asked(receiver.port, "/else").status == 404  # so the two were read
        held(receiver.port, stack, b"POST ", 2)
        assert first.response().status == 503
        assert first.rest() == b""
        second.send(request("/else").removeprefix(b"POST "))
        assert second.response().status == 404
        assert receiver.server.turned_away == 1


def test_one_that_does_not_read_its_answers_makes_way_as_well() -> None:
    limits = Limits(connections=2, request=DEADLINE)
    with receiving(limits) as receiver, connected(receiver.port, buffer=4096) as client:
        client.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.send_for_ever(request("/else") * 100)
        client.socket.settimeout(DEADLINE)
        with ExitStack() as stack:
            held(receiver.port, stack, b"POST ", 4)
            with pytest.raises(ConnectionError):
                client.send_for_ever(request("/else") * 100)


def test_a_head_has_less_time_than_a_request() -> None:
    limits = Limits(head=0.2, request=DEADLINE)
    with receiving(limits) as receiver, ExitStack() as stack:
        silent, half = (stack.enter_context(connected(receiver.port)) for _ in range(2))
        half.send(b"POST / HT")
        slow = stack.enter_context(connected(receiver.port))
        whole = request(CDR, RECORD, **BEARER)
        slow.send(whole[:-1])
        assert silent.rest() == b""
        assert half.rest().startswith(b"HTTP/1.1 408 ")
        slow.send(whole[-1:])
        assert slow.response().status == 200
        time.sleep(0.3)  # between two requests the time for a head does not run
        slow.send(whole)
        assert slow.response().status == 200


def test_a_head_that_drips_in_gets_no_more_time() -> None:
    limits = Limits(head=0.3, request=DEADLINE)
    with receiving(limits) as receiver, connected(receiver.port) as client:
        with contextlib.suppress(ConnectionError):
            for _ in range(int(DEADLINE / 0.05)):
                client.send(b"X")
                time.sleep(0.05)
                if receiver.server.turned_away:
                    break
        assert client.rest().startswith(b"HTTP/1.1 408 ")
