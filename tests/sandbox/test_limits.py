from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from opbx_cli.sandbox import credentials
from opbx_cli.sandbox.rate_limit import RateLimit

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from opbx_cli.sandbox.server import RunningSandbox

DOMAIN = credentials(1)[0].uuid


def statuses(client: httpx.Client, count: int, path: str = DOMAIN) -> list[int]:
    return [client.get(path).status_code for _ in range(count)]


def test_the_eleventh_request_in_three_seconds_is_429_without_retry_after(
    client: httpx.Client, sandbox: RunningSandbox
) -> None:
    assert statuses(client, 11) == [200] * 10 + [429]
    refused = client.get(DOMAIN)
    assert "Retry-After" not in refused.headers
    assert refused.json()["status"] is False
    sandbox.advance(3)
    assert statuses(client, 11) == [200] * 10 + [429]


def test_each_domain_has_its_own_limit(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client]
) -> None:
    sandbox = launch(domains=2)
    assert statuses(connect(sandbox), 11)[-1] == 429
    assert statuses(connect(sandbox, domain=1), 1, sandbox.domains[1].uuid) == [200]


def test_the_limit_can_be_switched_off_and_on(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client]
) -> None:
    sandbox = launch(rate_limit=False)
    client = connect(sandbox)
    assert statuses(client, 12) == [200] * 12
    sandbox.set_options(rate_limit=True)
    assert statuses(client, 11)[-1] == 429
    sandbox.forget_requests()
    assert statuses(client, 1) == [200]


def test_the_window_can_be_the_longer_one_that_is_documented_too(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client]
) -> None:
    sandbox = launch("rate-window=10")
    client = connect(sandbox)
    assert statuses(client, 11) == [200] * 10 + [429]
    sandbox.advance(9)
    assert statuses(client, 1) == [429]
    sandbox.advance(1)
    assert statuses(client, 1) == [200]


def test_the_window_slides_and_refused_requests_do_not_count() -> None:
    limit = RateLimit()
    assert all(limit.accepts("d", 0.2 * number) for number in range(10))
    assert not any(limit.accepts("d", 2.0 + 0.01 * number) for number in range(50))
    assert not limit.accepts("d", 2.99)
    assert limit.accepts("d", 3.0), "the first of the ten is three seconds old"
    assert not limit.accepts("d", 3.1)
    assert limit.accepts("d", 3.2)


def test_latency_is_waited_for_in_parallel(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client]
) -> None:
    sandbox = launch(latency=0.3)
    clients = [connect(sandbox) for _ in range(6)]
    before = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda client: client.get(DOMAIN).status_code, clients))
    took = time.monotonic() - before
    assert answers == [200] * 6
    assert took >= 0.3
    requests = sandbox.requests
    assert len({request.client_port for request in requests}) == 6
    assert max(request.started for request in requests) < min(
        request.ended for request in requests if request.ended is not None
    )


def test_latency_can_be_taken_back(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client]
) -> None:
    sandbox = launch(latency=30)
    sandbox.set_options(latency=0)
    assert statuses(connect(sandbox), 1) == [200]
