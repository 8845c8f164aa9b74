from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

import opbx_cli.sandbox
from opbx_cli.sandbox import DomainCredentials, Options, credentials
from opbx_cli.sandbox.server import RunningSandbox, running, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOMAIN = credentials(1)[0].uuid
INSTALLED = {one.name.lower().replace("_", "-") for one in metadata.distributions()}
SOURCE = Path(opbx_cli.sandbox.__file__).parents[2]
SCRIPT = """
import sys
from opbx_cli.sandbox import Options
from opbx_cli.sandbox.server import serve
options = Options.parse(faults=["list-trunks=hang"], latency=float(sys.argv[1]))
serve(options, announce=lambda url, domains: print(url, domains[0].api_key, flush=True))
print("stopped", flush=True)
"""


@pytest.fixture
def served(request: pytest.FixtureRequest) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """Serve in a process of its own: the process, its URL and its first domain's API key."""
    latency = str(getattr(request, "param", 0))
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, latency],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(SOURCE), "WEB_CONCURRENCY": "two"},
    ) as process:
        assert process.stdout is not None
        url, api_key = process.stdout.readline().split()
        yield process, url, api_key
        process.kill()


def connected(sandbox: RunningSandbox) -> socket.socket:
    address = httpx.URL(sandbox.url)
    return socket.create_connection((address.host, address.port or 0), timeout=10)


def get(url: str, api_key: str, path: str, timeout: float = 10) -> httpx.Response:
    headers = {"Authorization": f"Bearer {api_key}"}
    patience = httpx.Timeout(10, read=timeout)
    with httpx.Client(trust_env=False, verify=False, timeout=patience) as client:
        return client.get(f"{url}/customers/self/domains/{path}", headers=headers)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_server_at_once_without_a_word(
    served: tuple[subprocess.Popen[str], str, str], number: signal.Signals
) -> None:
    process, url, api_key = served
    headers = {"Authorization": f"Bearer {api_key}"}
    with httpx.Client(trust_env=False, verify=False, headers=headers) as idle:
        assert idle.get(f"{url}/customers/self/domains/{DOMAIN}").status_code == 200
        with pytest.raises(httpx.ReadTimeout):
            get(url, api_key, f"{DOMAIN}/trunks", timeout=0.05)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "stopped\n", "")


@pytest.mark.parametrize("served", [30], indirect=True)
def test_a_signal_ends_waiting_requests(served: tuple[subprocess.Popen[str], str, str]) -> None:
    process, url, _ = served
    address = httpx.URL(url)
    with socket.create_connection((address.host, address.port or 0), timeout=10) as waiting:
        waiting.sendall(b"GET / HTTP/1.1\r\nHost: sandbox\r\n\r\n")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        with suppress(ConnectionResetError):
            assert waiting.recv(1) == b""
    assert (process.returncode, out, err) == (0, "stopped\n", "")


def test_requests_are_accepted_when_the_server_is_announced() -> None:
    seen: list[tuple[str, tuple[DomainCredentials, ...]]] = []
    connected: list[bool] = []

    def announce(url: str, domains: tuple[DomainCredentials, ...]) -> None:
        seen.append((url, domains))
        address = httpx.URL(url)
        with socket.create_connection((address.host, address.port or 0), timeout=5):
            connected.append(True)
        signal.raise_signal(signal.SIGTERM)

    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    serve(Options(domains=2), announce=announce)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    ((url, domains),) = seen
    assert url.startswith("http://127.0.0.1:")
    assert domains == credentials(2)
    assert connected == [True]


def test_an_announcement_that_fails_frees_the_port() -> None:
    urls: list[str] = []

    def announce(url: str, _: tuple[DomainCredentials, ...]) -> None:
        urls.append(url)
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        serve(Options(), announce=announce)
    port = httpx.URL(urls[0]).port
    assert port
    with running(Options(port=port)) as sandbox:
        assert sandbox.url == urls[0]


def test_a_port_in_use_is_an_os_error() -> None:
    with running() as sandbox:
        port = httpx.URL(sandbox.url).port
        assert port
        with pytest.raises(OSError, match="in use"), running(Options(port=port)):
            pass
        with pytest.raises(OSError, match="in use"):
            serve(Options(port=port), announce=lambda _url, _domains: None)


def test_many_sandboxes_live_side_by_side_and_one_after_the_other() -> None:
    with running() as one, running() as other:
        one.state.set_active(active=False)
        assert one.url != other.url
        assert get(other.url, other.domains[0].api_key, DOMAIN).json()["active"] is True
    for _ in range(20):
        with running() as sandbox:
            assert get(sandbox.url, sandbox.domains[0].api_key, DOMAIN).status_code == 200
    assert "sandbox" not in [thread.name for thread in threading.enumerate()]


def test_a_background_server_stops_although_a_request_hangs_for_ever() -> None:
    with (
        running(Options.parse(faults=["any=hang"])) as sandbox,
        pytest.raises(httpx.ReadTimeout),
    ):
        get(sandbox.url, "XI", DOMAIN, timeout=0.05)
    assert "sandbox" not in [thread.name for thread in threading.enumerate()]


def test_a_stopped_server_refuses_connections() -> None:
    with running() as sandbox:
        pass
    with pytest.raises(httpx.ConnectError):
        get(sandbox.url, "XI", DOMAIN)


def test_requests_are_recorded_in_full(client: httpx.Client, sandbox: RunningSandbox) -> None:
    before = time.monotonic()
    client.put(DOMAIN, json={"active": True}, headers={"User-Agent": "tester"})
    client.put(DOMAIN, content=b"{")
    good, bad = sandbox.requests
    assert (good.call, good.method, good.status) == ("update-domain", "PUT", 200)
    assert good.path == f"/customers/self/domains/{DOMAIN}"
    assert good.body == {"active": True}
    assert good.headers["user-agent"] == "tester"
    assert good.ended is not None
    assert before <= good.started <= good.ended <= time.monotonic()
    assert (bad.body, bad.status) == (None, 400)
    assert good.client_port == bad.client_port > 0
    sandbox.forget_requests()
    assert sandbox.requests == ()


def test_a_client_that_leaves_in_the_middle_of_its_body_does_no_harm(
    client: httpx.Client, sandbox: RunningSandbox
) -> None:
    address = httpx.URL(sandbox.url)
    with socket.create_connection((address.host, address.port or 0)) as half:
        path = f"/customers/self/domains/{DOMAIN}"
        head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n"
        half.sendall(head.encode() + b'{"active"')
    assert client.get(DOMAIN).json()["active"] is True
    assert [request.call for request in sandbox.requests] == ["get-domain"]


@pytest.mark.parametrize(
    ("request_of", "status"),
    [
        (b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 2_000_000, 413),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 200_000 + b"\r\n\r\n", 431),
        (b"no HTTP\r\n\r\n", 400),
    ],
)
def test_what_is_too_large_or_no_http_is_refused_and_not_recorded(
    sandbox: RunningSandbox, request_of: bytes, status: int
) -> None:
    with connected(sandbox) as sender:
        sender.sendall(request_of)
        assert sender.recv(12) == f"HTTP/1.1 {status}".encode()
    assert sandbox.requests == ()


def test_requests_on_one_connection_are_answered_in_their_order(sandbox: RunningSandbox) -> None:
    with connected(sandbox) as sender:
        sender.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n")
        sender.sendall(b"GET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answers = b"".join(iter(lambda: sender.recv(65536), b""))
    assert answers.count(b"HTTP/1.1 404 Not Found\r\n") == 3
    assert [request.path for request in sandbox.requests] == ["/a", "/b", "/c"]


def test_a_client_that_asks_first_may_send_its_body(sandbox: RunningSandbox) -> None:
    with connected(sandbox) as sender:
        sender.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n")
        sender.sendall(b"Content-Length: 2\r\nConnection: close\r\n\r\n")
        assert sender.recv(65536).startswith(b"HTTP/1.1 100 ")
        sender.sendall(b"{}")
        assert sender.recv(12) == b"HTTP/1.1 404"
    assert sandbox.requests[-1].body == {}


def test_neither_the_package_nor_an_extra_brings_click() -> None:
    """Next to it httpx loads a command line of its own, whenever it is imported."""
    needed: set[str] = set()
    waiting = ["opbx-cli"]
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name not in needed:
            needed.add(name)
            required = metadata.requires(name) if name in INSTALLED else None
            waiting += [
                found[0]
                for one in required or ()
                if ("extra ==" not in one or name == "opbx-cli")
                and (found := re.match(r"[\w.-]+", one)) is not None
            ]
    assert {"httpx", "h11", "keyring"} <= needed
    assert "click" not in needed


def test_answers_carry_the_date_and_no_name_of_the_server(client: httpx.Client) -> None:
    headers = client.get(DOMAIN).headers
    assert "Date" in headers
    assert "Server" not in headers


def test_running_is_what_the_fixture_gives(launch: Callable[..., RunningSandbox]) -> None:
    assert launch(port=0).url.startswith("http://127.0.0.1:")
