"""Looking at the way to the API's host and at what answers there, for `opbx doctor`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlsplit

import httpx

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import OpbxError
from opbx_cli.http.connections import inner_transport, proxy_for, proxy_name
from opbx_cli.http.trust import trust
from opbx_cli.operations import doctor
from opbx_cli.operations.race import Race
from opbx_cli.operations.verdicts import Check, Result, skipped
from opbx_cli.webhooks.endpoints import HEALTH_PATH
from opbx_cli.webhooks.probe import Answer, Asker, Names, Question, Reached, reach, resolve

TIMEOUT = 10.0  # seconds, for everything at once
LEFT_TO_SAY_WHY = 0.5  # seconds of them
ADDRESSES_TRIED = 8
LATE = Answer(problem="no answer in time")

Look = Callable[[], Check]
Observe = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Signed:
    """What is asked with a key: the domain, and OPBX. A check in its place says why not."""

    cloudonix: Look | Check
    opbx: Look | Check


def network_checks(
    url: str, signed: Signed, *, observe: Observe, patience: float
) -> tuple[Check, ...]:
    """Look at everything at once, each thing on its own: one that hangs holds up no other.

    `patience` is in seconds, for one answer that needs no key; nothing takes longer than `TIMEOUT`.
    """
    race = Race(TIMEOUT)
    for name, look in (("cloudonix", signed.cloudonix), ("opbx", signed.opbx)):
        if not isinstance(look, Check):
            race.start(name, partial(_checked, name, look))
    race.start("answer", partial(_answer, url, observe, min(patience, TIMEOUT - LEFT_TO_SAY_WHY)))
    way = _way(url, race)
    answer = race.result("answer", Answer) or LATE
    if way[-1].id != "tls":
        way.append(doctor.tls_check_behind_proxy(answer))
    return (
        *way[:-1],
        _with_authorities(way[-1]),
        doctor.clock_check(answer),
        _result(race, "cloudonix", signed.cloudonix),
        _result(race, "opbx", signed.opbx),
    )


def health_check(url: str, *, observe: Observe) -> Check:
    """Ask an OPBX whether it is there, without a key."""
    return doctor.opbx_health_check(_answer(url + HEALTH_PATH, observe, TIMEOUT - LEFT_TO_SAY_WHY))


def _result(race: Race, name: str, look: Look | Check) -> Check:
    if isinstance(look, Check):
        return look
    late = Check(name, Result.FAILED, "no answer in time", doctor.CHECK_NETWORK)
    return race.result(name, Check) or late


def _checked(name: str, look: Look) -> Check:
    try:
        return look()
    except OpbxError as error:
        return doctor.failed_there(name, error)


def _answer(url: str, observe: Observe, timeout: float) -> Answer:
    """Ask without a key: whatever the status, there is an answer, and its time."""
    try:
        asker = Asker(url, timeout=timeout, observe=observe)
    except OpbxError as error:  # an unusable proxy or authority
        return Answer(problem=error.message, is_unconnected=True)
    try:
        return asker.ask(Question("GET", url))
    finally:
        asker.close()


def _with_authorities(check: Check) -> Check:
    """Say whose authorities count, also where nothing could be checked against them."""
    try:
        return replace(check, seen=f"{check.seen}; the authorities are those of {trust().words}")
    except OpbxError:  # the check itself says why they cannot be read
        return check


def _proxy(address: httpx.URL) -> Check:
    """Name the proxy by its variable: its address may have a password."""
    try:
        inner_transport(address, seconds=TIMEOUT).close()
    except OpbxError as error:
        if error.code == ErrorCode.CONFIGURATION_PROXY:
            return doctor.failed("proxy", error)
    return Check("proxy", Result.OK, proxy_name(address) or "a proxy")


def _way(url: str, race: Race) -> list[Check]:
    """Return the checks of proxy, name, port and certificate; the last one not behind a proxy."""
    address = httpx.URL(url)
    if proxy_for(address) is not None:
        why = "the proxy looks names up and makes the connections"
        return [_proxy(address), skipped("dns", why), skipped("tcp", why)]
    parts = urlsplit(url)
    host, is_tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    race.start("dns", partial(resolve, host, port))
    names = race.result("dns", Names)
    checks = [Check("proxy", Result.OK, "none on the way"), doctor.dns_check(host, names)]
    if names is None or not names.addresses:
        return [*checks, *(skipped(name, "no address: see dns") for name in ("tcp", "tls"))]
    try:
        context = trust().context if is_tls else None
    except OpbxError as error:
        return [*checks, skipped("tcp", "see tls"), doctor.failed("tls", error)]
    deadline = race.deadline - LEFT_TO_SAY_WHY
    for one in names.addresses[:ADDRESSES_TRIED]:
        look = partial(reach, one, port, host=host, context=context, deadline=deadline)
        race.start(f"reach {one}", look)
    reached = [
        race.result(f"reach {one}", Reached) or Reached(one, 0.0, "no connection in time")
        for one in names.addresses[:ADDRESSES_TRIED]
    ]
    tls = skipped("tls", "the URL is not https")
    if is_tls:
        tls = doctor.tls_check(host, reached, datetime.now(UTC))
    return [*checks, doctor.tcp_check(reached, port), tls]
