"""What tests share: a home of their own, and the sandbox on a real socket."""

from __future__ import annotations

import contextlib
import errno
import signal
import socket
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import coverage
import hypothesis
import pytest

from detaching import add_ivr
from opbx_cli.sandbox import Options
from opbx_cli.sandbox.server import RunningSandbox, running
from pbx import Pbx
from sandbox_calls import Receiver, receiving
from support import WEBHOOK_BASE_URL, Opbx
from webhook_checks import KEY, UUID

NETWORK_VARIABLES = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR"),
)

# How long an example takes is for the benchmarks to say.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# A shell without job control starts what it puts in the background deaf to Ctrl-C, and so would
# be every program that the tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure no coverage in a test that is marked `uncounted`, nor in its fixtures.

    pytest-cov has `no_cover` for this, but measures twice in a worker and stops only one.
    """
    paused = []
    while item.get_closest_marker("uncounted") and (running := coverage.Coverage.current()):
        running.stop()
        paused.append(running)
    try:
        return (yield)
    finally:
        for measurement in reversed(paused):
            measurement.start()


@pytest.fixture
def opbx(tmp_path: Path) -> Opbx:
    """The command with an empty home and nothing in its environment."""
    home = tmp_path / "home"
    return Opbx(home, {"OPBX_HOME": str(home)})


@pytest.fixture
def start_sandbox() -> Iterator[Callable[..., RunningSandbox]]:
    """Start sandboxes with chosen options; all stop with the test."""
    with contextlib.ExitStack() as stack:

        def start(**options: Any) -> RunningSandbox:
            options = {"rate_limit": False, **options}
            return stack.enter_context(running(Options.parse(**options)))

        yield start


@pytest.fixture
def sandbox(start_sandbox: Callable[..., RunningSandbox]) -> RunningSandbox:
    """A Cloudonix with one fresh domain, without the rate limit."""
    return start_sandbox()


@pytest.fixture
def storeless(opbx: Opbx, sandbox: RunningSandbox) -> Opbx:
    """The command as a CI job has it: everything from the environment, no store."""
    domain = sandbox.domains[0]
    opbx.environ |= {
        "CLOUDONIX_API_BASE_URL": sandbox.url,
        "OPBX_DOMAIN_UUID": domain.uuid,
        "OPBX_DOMAIN_API_KEY": domain.api_key,
        "OPBX_WEBHOOK_API_KEY": "webhook-key-of-the-ci-0123456789",
        "OPBX_WEBHOOK_BASE_URL": WEBHOOK_BASE_URL,
    }
    return opbx


@pytest.fixture
def configured(opbx: Opbx, sandbox: RunningSandbox) -> Opbx:
    """The command with a store that has one profile, `default`, for the sandbox's domain."""
    domain = sandbox.domains[0]
    outcome = opbx(
        "configure",
        "--domain-uuid",
        domain.uuid,
        "--api-key-stdin",
        "--api-base-url",
        sandbox.url,
        "--webhook-base-url",
        WEBHOOK_BASE_URL,
        stdin=domain.api_key,
    )
    assert outcome.code == 0, outcome.stderr
    return opbx


@pytest.fixture
def attached(configured: Opbx, sandbox: RunningSandbox) -> Opbx:
    """A domain whose calls OPBX took over from somebody's application."""
    add_ivr(sandbox)
    sandbox.state.set_profile_keys({"crm": "kept"})
    assert configured("validate", "--replace-default").code == 0
    sandbox.forget_requests()
    return configured


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """An OPBX of the test's own, for callbacks."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def ci(opbx: Opbx) -> Opbx:
    """The command with everything from the environment, for an OPBX nobody has named yet."""
    opbx.environ |= {
        "OPBX_DOMAIN_UUID": UUID,
        "OPBX_DOMAIN_API_KEY": "XI0123456789abcdefghijABCDEFGHIJKL",
        "OPBX_WEBHOOK_API_KEY": KEY,
    }
    return opbx


@pytest.fixture
def pbx() -> Pbx:
    return Pbx(KEY)


@pytest.fixture
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable is not enough: in lower case it would switch the other one off."""
    for name in NETWORK_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A DNS and a way to its addresses, which no server on this machine can be."""

    def build(port: int, *addresses: str, no_way_to: str = "") -> None:
        def look_up(host: str, *_args: Any, **_options: Any) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 443)) for one in addresses]

        def reach(
            address: tuple[str, int], timeout: float = 5, source_address: object = None
        ) -> socket.socket:
            if address[0] == no_way_to:
                raise OSError(errno.ENETUNREACH, "Network is unreachable")
            connection = socket.socket()
            connection.settimeout(timeout)
            connection.connect(("127.0.0.1", port))
            return connection

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        monkeypatch.setattr(socket, "create_connection", reach)

    return build
