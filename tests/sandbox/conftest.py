"""A sandbox for each test, and clients that talk to it over a real socket."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

import httpx
import pytest

from opbx_cli.sandbox import Options
from opbx_cli.sandbox.server import RunningSandbox, running
from sandbox_calls import Receiver, wire

if TYPE_CHECKING:
    from collections.abc import Iterator


class Launch(Protocol):
    """Starts a sandbox with these variants."""

    def __call__(self, *variants: str, **options: Any) -> RunningSandbox: ...


class Connect(Protocol):
    """Makes a client for `/customers/self/domains/` with the key of one domain."""

    def __call__(
        self, sandbox: RunningSandbox, *, domain: int = 0, api_key: str | None = None
    ) -> httpx.Client: ...


@pytest.fixture
def launch() -> Iterator[Launch]:
    """Start sandboxes that end with the test."""
    with ExitStack() as stack:

        def start(*variants: str, **options: Any) -> RunningSandbox:
            return stack.enter_context(running(Options.parse(variants=variants, **options)))

        yield start


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Make clients that are closed with the test."""
    with ExitStack() as stack:

        def client(
            sandbox: RunningSandbox, *, domain: int = 0, api_key: str | None = None
        ) -> httpx.Client:
            key = sandbox.domains[domain].api_key if api_key is None else api_key
            return stack.enter_context(
                httpx.Client(
                    base_url=f"{sandbox.url}/customers/self/domains/",
                    headers={"Authorization": f"Bearer {key}"} if key else {},
                    timeout=10,
                    trust_env=False,
                    verify=False,
                )
            )

        yield client


@pytest.fixture
def sandbox(launch: Launch) -> RunningSandbox:
    """Return a sandbox with all defaults."""
    return launch()


@pytest.fixture
def client(sandbox: RunningSandbox, connect: Connect) -> httpx.Client:
    """Return a client of the default sandbox's domain."""
    return connect(sandbox)


@pytest.fixture
def wired(sandbox: RunningSandbox, receiver: Receiver) -> RunningSandbox:
    """Return a sandbox whose domain sends its callbacks to the receiver."""
    wire(sandbox, receiver.url)
    return sandbox
