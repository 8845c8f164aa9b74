"""At most ten requests in three seconds for each domain, whoever sends them from here."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from opbx_cli.cloudonix import Access, Client, Limiters, Pace
from opbx_cli.http.limiter import RATE_WINDOW, REQUESTS, SLOW_WINDOW, RateLimiter
from opbx_cli.models import Secret
from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx

StartSandbox = Callable[..., RunningSandbox]


class Time:
    """A clock that only sleeping and travelling move."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def allowed(arrivals: list[float], window: float = RATE_WINDOW) -> bool:
    ordered = sorted(arrivals)
    return all(
        later - earlier >= window - 1e-9
        for earlier, later in zip(ordered, ordered[REQUESTS:], strict=False)
    )


@given(st.lists(st.tuples(st.floats(0, 4), st.floats(0, 4), st.floats(0, 4)), max_size=60))
def test_however_long_requests_travel_no_eleven_arrive_within_a_window(
    journeys: list[tuple[float, float, float]],
) -> None:
    time = Time()
    limiter = RateLimiter(lambda: time.now)
    arrivals = []
    for idle, there, back in journeys:
        time.now += idle
        with limiter.turn(time.sleep):
            time.now += there
            arrivals.append(time.now)
            time.now += back
    assert allowed(arrivals)


def test_ten_go_at_once_and_the_next_waits_for_the_first() -> None:
    time = Time()
    limiter = RateLimiter(lambda: time.now)
    for _ in range(12):
        with limiter.turn(time.sleep):
            time.now += 0.1
    (wait,) = time.slept  # the twelfth comes when the second is old enough
    assert abs(wait - (0.1 + RATE_WINDOW - 1.0)) < 1e-9


def test_a_request_under_way_counts_until_a_window_after_its_end() -> None:
    time = Time()
    limiter = RateLimiter(lambda: time.now)
    with limiter.turn(time.sleep):
        for _ in range(9):
            with limiter.turn(time.sleep):
                time.now += 1.0
        assert time.slept == []
        with limiter.turn(time.sleep):
            pass
    assert time.slept == []
    for _ in range(12):
        with limiter.turn(time.sleep):
            pass
    assert time.slept != []


def test_ten_under_way_hold_the_eleventh_until_one_ends() -> None:
    limiter = RateLimiter()
    sent = threading.Event()
    waits: list[float] = []

    def eleventh() -> None:
        with limiter.turn(waits.append):
            sent.set()

    with contextlib.ExitStack() as others:
        for _ in range(9):
            others.enter_context(limiter.turn(waits.append))
        with limiter.turn(waits.append):
            thread = threading.Thread(target=eleventh)
            thread.start()
            assert not sent.wait(0.05)
        assert sent.wait(5)
        thread.join()
    (wait,) = waits
    assert 2.5 < wait <= RATE_WINDOW


def test_slowed_down_the_longer_window_counts_for_what_was_sent_before_too() -> None:
    time = Time()
    limiter = RateLimiter(lambda: time.now)
    arrivals = []
    for number in range(25):
        if number == 8:
            limiter.slow_down()
        with limiter.turn(time.sleep):
            arrivals.append(time.now)
            time.now += 0.1
    assert allowed(arrivals, SLOW_WINDOW)
    assert len(time.slept) > 1


def test_there_is_one_limiter_for_a_domain_of_a_server() -> None:
    limiters = Limiters()
    one = limiters.of("https://api.cloudonix.io:443", "AB")
    assert limiters.of("https://api.cloudonix.io:443", "ab") is one
    assert limiters.of("https://api.cloudonix.io:443", "cd") is not one
    assert limiters.of("https://api.staging.cloudonix.io:443", "ab") is not one


def test_two_clients_of_one_domain_never_meet_a_429(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(rate_limit=True)
    domain = sandbox.domains[0]
    limiters, waits = Limiters(), []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        sandbox.advance(seconds)

    def talk() -> None:
        access = Access(sandbox.url, domain.uuid, Secret(domain.api_key), 5)
        with contextlib.closing(Client(access, Pace(sleep=sleep), limiters)) as client:
            for _ in range(6):
                client.snapshot()

    threads = [threading.Thread(target=talk) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {request.status for request in sandbox.requests} == {200, 404}
    assert len(sandbox.requests) == 24
    assert waits


def test_the_waits_are_real(start_sandbox: StartSandbox) -> None:
    """Without a faked clock: the eleventh request is sent three seconds after the first."""
    sandbox = start_sandbox(rate_limit=True, latency=0.02)
    domain = sandbox.domains[0]
    access = Access(sandbox.url, domain.uuid, Secret(domain.api_key), 5)
    with contextlib.closing(Client(access)) as client:
        for _ in range(6):
            client.snapshot()
    assert 429 not in {request.status for request in sandbox.requests}
    assert allowed([request.started for request in sandbox.requests])


def test_commands_on_an_idle_domain_never_cause_a_429(
    start_sandbox: StartSandbox, opbx: Opbx
) -> None:
    sandbox = start_sandbox(rate_limit=True, variants=["default-application=patch"])
    opbx.sleep = sandbox.advance
    domain = sandbox.domains[0]
    argv = ["--domain-uuid", domain.uuid, "--api-key-stdin", "--api-base-url", sandbox.url]
    argv += ["--webhook-base-url", WEBHOOK_BASE_URL]
    assert opbx("configure", *argv, stdin=domain.api_key).code == 0
    for words in (["validate"], ["validate"], ["validate", "--check"], ["webhook-key", "rotate"]):
        outcome = opbx(*words)
        assert outcome.code == 0, outcome.stderr
        sandbox.advance(RATE_WINDOW)
    assert 429 not in {request.status for request in sandbox.requests}


def test_commands_one_after_the_other_get_through_where_ten_requests_may_take_ten_seconds(
    start_sandbox: StartSandbox, opbx: Opbx
) -> None:
    sandbox = start_sandbox(rate_limit=True, variants=[f"rate-window={SLOW_WINDOW:.0f}"])
    opbx.sleep = sandbox.advance
    domain = sandbox.domains[0]
    argv = ["--domain-uuid", domain.uuid, "--api-key-stdin", "--api-base-url", sandbox.url]
    argv += ["--webhook-base-url", WEBHOOK_BASE_URL]
    assert opbx("configure", *argv, stdin=domain.api_key).code == 0
    commands = (["validate", "--check"], ["validate"], ["validate", "--check"], ["validate"])
    assert [opbx(*words).code for words in commands] == [8, 0, 0, 0]
    refused = [request.status for request in sandbox.requests].count(429)
    assert 0 < refused <= len(commands) * 2


def test_a_server_that_refuses_once_is_asked_ten_times_in_ten_seconds_from_then_on(
    start_sandbox: StartSandbox,
) -> None:
    sandbox = start_sandbox(rate_limit=True, variants=[f"rate-window={SLOW_WINDOW:.0f}"])
    domain = sandbox.domains[0]
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        sandbox.advance(seconds)

    access = Access(sandbox.url, domain.uuid, Secret(domain.api_key), 5)
    with contextlib.closing(Client(access, Pace(sleep=sleep))) as other:
        for _ in range(REQUESTS):
            other.get_domain()
    with contextlib.closing(Client(access, Pace(sleep=sleep))) as client:
        for _ in range(3 * REQUESTS):
            client.get_domain()
    statuses = [request.status for request in sandbox.requests]
    assert waits[:2] == [RATE_WINDOW, SLOW_WINDOW]
    assert statuses.count(429) == 2
    assert statuses.count(200) == 4 * REQUESTS
