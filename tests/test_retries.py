"""What is sent again and what is not: a write must never happen twice blindly."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx
import pytest

from opbx_cli.cloudonix import Access, Client, Exchange, Pace
from opbx_cli.errors import NotFoundError, OpbxError, RemoteError, UnreachableError
from opbx_cli.http.retries import RetryingTransport
from opbx_cli.models import Secret
from opbx_cli.remote import ApplicationSpec, VoiceApplication
from opbx_cli.sandbox.server import RunningSandbox
from servers import HANG, answering, http

KEY = "XI" + "k" * 32
SPEC = ApplicationSpec(name="opbx-routing-application-1a2b3c4d", url="https://pbx.example.com/x")
OLD = VoiceApplication(id=7, name=SPEC.name)
UUID = "6b1f0c2e-0000-4000-8000-000000000000"
DOMAIN = b'{"uuid": "6b1f0c2e-0000-4000-8000-000000000000", "domain": "acme"}'

Write = Callable[[Client], object]
WRITES: dict[str, Write] = {
    "PUT profile": lambda client: client.update_profile({"a": 1}, {"call-timeout": 60}),
    "PUT default": lambda client: client.set_default_application(7, method="PUT"),
    "PATCH default": lambda client: client.set_default_application(7, method="PATCH"),
    "PUT application": lambda client: client.update_application(OLD, SPEC),
}
repeatable = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)


def create(client: Client) -> object:
    return client.create_application(SPEC)


@dataclass
class Talk:
    """A client, what it would have waited, and what was observed."""

    client: Client
    waits: list[float] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)


@contextlib.contextmanager
def talking(url: str, *, uuid: str = UUID, key: str = KEY, timeout: float = 5) -> Iterator[Talk]:
    waits: list[float] = []
    exchanges: list[Exchange] = []
    access = Access(url, uuid, Secret(key), timeout)
    client = Client(access, Pace(sleep=waits.append, observe=exchanges.append))
    with contextlib.closing(client):
        yield Talk(client, waits, exchanges)


def failing(talk: Talk, write: Write) -> OpbxError:
    with pytest.raises(OpbxError) as caught:
        write(talk.client)
    return caught.value


@pytest.mark.parametrize("answer", [http("500 x"), http("503 x"), b"", b"HTTP/1.1 200 OK\r\nCon"])
def test_a_post_is_never_repeated_once_it_may_have_arrived(answer: bytes) -> None:
    with answering(answer) as server, talking(server.url) as talk:
        error = failing(talk, create)
    assert isinstance(error, UnreachableError)
    assert (error.doubtful, error.exit_code) == (True, 7)
    assert (len(server.arrivals), talk.waits) == (1, [])
    assert "create the voice application (POST /customers/self/domains/" in error.message


def test_a_post_is_not_repeated_after_a_read_time_out() -> None:
    with answering(HANG) as server, talking(server.url, timeout=0.5) as talk:
        error = failing(talk, create)
    assert isinstance(error, UnreachableError)
    assert (error.code, error.doubtful) == ("network.timeout", True)
    assert (len(server.arrivals), talk.waits) == (1, [])


def test_a_post_is_repeated_when_nothing_happened() -> None:
    created = b'{"id": 7, "name": "opbx-routing-application-1a2b3c4d"}'
    limited = http("429 Too Many Requests", Retry_After="2")
    with (
        answering(limited, limited, http("200 OK", created)) as server,
        talking(server.url) as talk,
    ):
        assert create(talk.client) == OLD
    assert (len(server.arrivals), talk.waits) == (3, [2.0, 2.0])
    assert len({request.split(b"\r\n")[0] for request in server.arrivals}) == 1
    assert [exchange.rate_limited for exchange in talk.exchanges] == [True, True, False]


def test_a_post_is_repeated_when_no_connection_could_be_made() -> None:
    with answering(b"") as server:
        url = server.url
    with talking(url) as talk:  # nobody listens there any more
        error = failing(talk, create)
    assert isinstance(error, UnreachableError)
    assert (error.code, error.doubtful) == ("network.refused", False)
    assert len(talk.waits) == 3
    assert [exchange.attempt for exchange in talk.exchanges] == [1, 2, 3, 4]
    assert talk.exchanges[-1].wait is None


@pytest.mark.parametrize("status", [400, 401, 403, 409, 422])
def test_a_refused_write_is_not_repeated(status: int) -> None:
    for write in (create, *WRITES.values()):
        with answering(http(f"{status} x")) as server, talking(server.url) as talk:
            error = failing(talk, write)
        assert (error.http_status, getattr(error, "doubtful", False)) == (status, False)
        assert (len(server.arrivals), talk.waits) == (1, [])


@repeatable
@pytest.mark.parametrize("answer", [http("500 x"), http("504 x"), b"", b"HTTP/1.1 200 OK\r\nCon"])
def test_put_and_patch_are_repeated(write: Write, answer: bytes) -> None:
    with answering(answer) as server, talking(server.url) as talk:
        error = failing(talk, write)
    assert isinstance(error, UnreachableError)
    assert error.doubtful
    assert (len(server.arrivals), len(talk.waits)) == (4, 3)
    assert len({request.partition(b"\r\n\r\n")[2] for request in server.arrivals}) == 1


def test_put_is_repeated_after_a_read_time_out() -> None:
    with (
        answering(HANG, http("204 No Content")) as server,
        talking(server.url, timeout=0.5) as talk,
    ):
        assert WRITES["PUT default"](talk.client) is None
    assert (len(server.arrivals), len(talk.waits)) == (2, 1)


@repeatable
@pytest.mark.parametrize("answer", [b"", b"  ", DOMAIN, b"{}", b'{"status": true}'])
def test_a_write_that_is_taken_may_show_the_object_or_not(write: Write, answer: bytes) -> None:
    with answering(http("200 OK", answer)) as server, talking(server.url) as talk:
        shown = write(talk.client)
    is_shown = answer == DOMAIN and "application" not in server.arrivals[0].decode().split()[1]
    assert (shown is not None) == is_shown


@repeatable
@pytest.mark.parametrize("answer", [b"<html>", b"[]", b"null", b"{", b"1"])
def test_a_write_answered_with_nonsense_is_an_error(write: Write, answer: bytes) -> None:
    with answering(http("200 OK", answer)) as server, talking(server.url) as talk:
        error = failing(talk, write)
    assert isinstance(error, RemoteError)
    assert (error.code, len(server.arrivals)) == ("remote.unintelligible", 1)


def test_an_answer_about_another_domain_is_not_taken_for_ours() -> None:
    other = b'{"uuid": "00000000-0000-4000-8000-000000000000"}'
    with answering(http("200 OK", other)) as server, talking(server.url) as talk:
        error = failing(talk, lambda client: client.get_domain())
        assert WRITES["PUT default"](talk.client) is None
    assert error.message.endswith("another domain than the one asked for")


@pytest.mark.parametrize(
    ("name", "segment"),
    [
        ("plain-name", b"plain-name"),
        ("a/b?c#d e%2F", b"a%2Fb%3Fc%23d%20e%252F"),
        ("ünï", b"%C3%BCn%C3%AF"),
        ("..", b"7"),
        (".", b"7"),
        ("", b"7"),
        ("\ud800", b"7"),
    ],
)
def test_a_name_stays_one_segment_of_the_path_or_the_id_takes_its_place(
    name: str, segment: bytes
) -> None:
    application = VoiceApplication(id=7, name=name)
    with answering(http("204 No Content")) as server, talking(server.url) as talk:
        talk.client.update_application(application, SPEC)
    target = server.arrivals[0].split()[1]
    assert target == f"/customers/self/domains/{UUID}/applications/".encode() + segment


def test_an_id_that_is_a_path_goes_nowhere() -> None:
    application = VoiceApplication(id="..", name=".")
    with answering(http("204 No Content")) as server, talking(server.url) as talk:
        error = failing(talk, lambda client: client.update_application(application, SPEC))
    assert isinstance(error, RemoteError)
    assert server.arrivals == []


def test_an_application_unknown_by_its_name_is_addressed_by_its_id() -> None:
    with (
        answering(http("404 x"), http("204 No Content")) as server,
        talking(server.url) as talk,
    ):
        talk.client.update_application(OLD, SPEC)
    assert [request.split()[1].rsplit(b"/")[-1] for request in server.arrivals] == [
        SPEC.name.encode(),
        b"7",
    ]
    with answering(http("404 x")) as server, talking(server.url) as talk:
        assert isinstance(failing(talk, WRITES["PUT application"]), NotFoundError)


def test_calls_one_after_the_other_share_a_connection(sandbox: RunningSandbox) -> None:
    domain = sandbox.domains[0]
    sandbox.set_faults("update-domain=500*1", "create-application=429:1*1")
    with talking(sandbox.url, uuid=domain.uuid, key=domain.api_key) as talk:
        talk.client.get_domain()
        talk.client.list_trunks()
        talk.client.list_applications()
        talk.client.create_application(SPEC)
        talk.client.update_profile({}, {"call-timeout": 45})
        talk.client.pause(1.5)
    assert len(sandbox.requests) == 7
    assert len({request.client_port for request in sandbox.requests}) == 1
    assert talk.waits[0] == 1.0
    assert talk.waits[-1] == 1.5


def test_a_snapshot_reads_both_and_reports_the_domain_first(sandbox: RunningSandbox) -> None:
    domain = sandbox.domains[0]
    sandbox.state.add_application("ivr", url="https://ivr.example.com")
    with talking(sandbox.url, uuid=domain.uuid, key=domain.api_key) as talk:
        snapshot = talk.client.snapshot()
        assert snapshot.domain.name == domain.name
        assert [application.name for application in snapshot.applications] == ["ivr"]
        sandbox.set_faults("list-applications=400")
        assert failing(talk, lambda client: client.snapshot()).http_status == 400
        sandbox.set_faults("list-applications=400", "get-domain=401")
        assert failing(talk, lambda client: client.snapshot()).http_status == 401


@pytest.mark.parametrize("error", [httpx.UnsupportedProtocol("x"), httpx.LocalProtocolError("x")])
def test_a_request_that_cannot_be_sent_at_all_is_not_repeated(error: httpx.TransportError) -> None:
    """No server can do this: it is our own request that does not fit."""

    def refuse(request: httpx.Request) -> httpx.Response:
        raise error

    waits: list[float] = []
    transport = RetryingTransport(httpx.MockTransport(refuse), pace=Pace(sleep=waits.append))
    with httpx.Client(transport=transport) as client, pytest.raises(type(error)):
        client.get("http://localhost/")
    assert waits == []
