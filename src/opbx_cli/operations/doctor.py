"""What is seen of this installation and of its way to the API, judged: pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import OpbxError, StoreError
from opbx_cli.operations.verdicts import Check, Result, skipped
from opbx_cli.remote import Domain
from opbx_cli.settings import ActiveSettings

if TYPE_CHECKING:  # only types: they would load HTTP, TLS and the store with whatever shows results
    from opbx_cli.instance import InstanceUser
    from opbx_cli.store.audit_log import AuditHistory
    from opbx_cli.store.key_changes import SlotStatus
    from opbx_cli.webhooks.probe import Answer, Names, Reached

CLOCK_WARNING = timedelta(minutes=1)
CLOCK_FAILURE = timedelta(hours=1)
ENTRIES_SHOWN = 5  # of the audit trail
CHANGED_SHOWN = 6  # names of one entry
CHECK_NETWORK = "check the network and its firewall, and whether HTTPS_PROXY has to be set"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All checks of one installation."""

    made: str  # UTC, RFC 3339
    checks: tuple[Check, ...]
    warnings: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.result is Result.FAILED)


def failed(check_id: str, error: OpbxError | OSError) -> Check:
    """Word an error that was met on this computer."""
    if isinstance(error, OpbxError):
        return Check(check_id, Result.FAILED, error.message, error.hint)
    seen = error.strerror or "the system refused it"
    return Check(check_id, Result.FAILED, seen, "see whether the current folder is still there")


def failed_there(check_id: str, error: OpbxError) -> Check:
    """Word an error that a server may have had a part in: by its code alone, in words of ours."""
    status = "" if error.http_status is None else f" ({error.http_status})"
    return Check(check_id, Result.FAILED, f"{error.code}{status}: {error.code.meaning}", error.hint)


def versions_check(versions: Mapping[str, str | None]) -> Check:
    """Judge the versions, by the names of what they are of; None: it is not installed."""
    missing = [name for name, version in versions.items() if version is None]
    seen = ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())
    if missing:
        return Check("versions", Result.FAILED, seen, "install opbx anew, with all it depends on")
    return Check("versions", Result.OK, seen)


def environment_check(names: Iterable[str]) -> Check:
    """List the variables that are set and mean something to opbx; never what they hold."""
    return Check("environment", Result.OK, f"set: {', '.join(names) or 'none'}")


def store_check(
    path: str,
    error: OpbxError | OSError | None,
    slots: Sequence[SlotStatus],
    *,
    is_shared: bool = False,
) -> Check:
    """Judge the file and who else may read or change it. `slots` are there if it could be read."""
    if isinstance(error, OpbxError) and error.code == ErrorCode.STORE_MISSING:
        return Check("store", Result.WARNING, error.message, error.hint)
    if error is not None and not slots:
        return failed("store", error)
    whose = "open to other users, and only read" if is_shared else "for its owner alone"
    return Check("store", Result.OK, f"{path}, {whose}")


def key_check(
    slots: Sequence[SlotStatus],
    opened_with: str | None,
    error: OpbxError | OSError | None,
    warnings: Sequence[str],
) -> Check:
    """Judge which key opens the store. A passphrase is not asked for, so it proves nothing."""
    if not slots:
        return skipped("key", "see store")
    if error is not None:
        is_asked_for = any(slot.is_at_hand is None for slot in slots)
        if is_asked_for and isinstance(error, StoreError) and error.code == ErrorCode.STORE_NO_KEY:
            return skipped("key", "the store opens with its passphrase, which is not asked for")
        return failed("key", error)
    if warnings:
        advice = "`opbx key status` shows the ways to open the store"
        return Check("key", Result.WARNING, "; ".join(warnings), advice)
    return Check("key", Result.OK, "; ".join(_of_slot(slot, opened_with) for slot in slots))


def _of_slot(slot: SlotStatus, opened_with: str | None) -> str:
    at_hand = {True: "at hand", False: "not at hand", None: "asked for"}[slot.is_at_hand]
    state = "opens the store" if slot.id == opened_with else at_hand
    return f"{slot.id} ({slot.kind.value}, {slot.location or 'outside of opbx'}) {state}"


def profile_check(active: ActiveSettings) -> Check:
    """Judge the settings that commands work with: names and URLs alone are shown."""
    found = active.settings
    source = "the environment" if active.profile is None else f"profile {active.profile}"
    parts = [source, *(part for part in (found.domain_uuid, found.domain_name) if part)]
    parts.append(f"API {found.api_base_url}")
    if found.webhook_base_url is not None:
        parts.append(f"webhooks {found.webhook_base_url}")
    if found.instance_url is not None:
        parts.append(f"OPBX {found.instance_url}")
    names = {"domain UUID": found.domain_uuid, "API key": found.domain_api_key}
    missing = [name for name, value in names.items() if value is None]
    if missing:
        seen = f"{', '.join(parts)}: no {' and no '.join(missing)}"
        advice = f"`opbx configure{active.profile_option}` asks for what is missing"
        return Check("profile", Result.FAILED, seen, advice)
    if active.warnings:
        return Check("profile", Result.WARNING, "; ".join([", ".join(parts), *active.warnings]))
    return Check("profile", Result.OK, ", ".join(parts))


def history_check(history: AuditHistory) -> Check:
    last = history.entries[-ENTRIES_SHOWN:]
    lines = [
        f"{one.time} {one.command} ({one.profile or 'no profile'}): "
        f"{', '.join(one.changed[:CHANGED_SHOWN]) or 'nothing'}, {one.result}"
        for one in last
    ]
    seen = f"{len(history.entries)} entries" + (f"; {'; '.join(lines)}" if lines else "")
    if history.problems:
        advice = "see `opbx profiles history`, and who else works as this user"
        return Check("history", Result.WARNING, "; ".join((*history.problems, seen)), advice)
    return Check("history", Result.OK, seen)


def dns_check(host: str, names: Names | None) -> Check:
    """Judge the look-up of the API's host. None: it did not end in time."""
    if names is None or not names.addresses:
        why = "no answer in time" if names is None else names.problem or "no address"
        advice = "check the host name, and this computer's DNS"
        return Check("dns", Result.FAILED, f"{host}: {why}", advice)
    return Check("dns", Result.OK, f"{host}: {', '.join(names.addresses)}")


def tcp_check(reached: Sequence[Reached], port: int) -> Check:
    """Judge the connections: one address that answers is enough, for that is the one used."""
    failures = [one for one in reached if one.problem is not None]
    seen = "; ".join(f"{one.address}: {one.problem}" for one in failures)
    if len(failures) == len(reached):
        return Check("tcp", Result.FAILED, f"port {port}: {seen}", CHECK_NETWORK)
    fastest = min(one.seconds for one in reached if one.problem is None)
    if any(not one.is_no_way for one in failures):
        return Check("tcp", Result.WARNING, f"port {port}: {seen}; others answer", CHECK_NETWORK)
    return Check("tcp", Result.OK, f"port {port} open, {fastest * 1000:.0f} ms")


def tls_check(host: str, reached: Sequence[Reached], now: datetime) -> Check:
    """Judge the certificates as they are judged for a request."""
    shown = [one.certificate for one in reached if one.certificate is not None]
    if not shown:
        return skipped("tls", "no connection: see tcp")
    refused = next((one for one in shown if one.problem is not None), None)
    if refused is None:
        return Check("tls", Result.OK, f"the certificate for {host} is trusted")
    seen = f"{refused.problem}"
    if refused.names:
        seen += f"; it is for {', '.join(refused.names)}"
    advice = (
        "for an authority of your own (a company's proxy) add it to this system's, or set "
        "SSL_CERT_FILE to its PEM file"
    )
    if (refused.expires is not None and refused.expires < now) or "not yet valid" in seen:
        advice = "check this computer's clock; if it is right, the server needs a new certificate"
    elif "mismatch" in seen:
        advice = "check the API base URL: `opbx profiles show --origin`"
    elif refused.expires is None:
        advice = CHECK_NETWORK
    return Check("tls", Result.FAILED, seen, advice)


def tls_check_behind_proxy(answer: Answer) -> Check:
    """Judge TLS by a request, where a proxy is on the way to the server."""
    if answer.status is not None:
        return Check("tls", Result.OK, "the certificate behind the proxy is trusted")
    advice = "add the proxy's authority to this system's, or set SSL_CERT_FILE to its PEM file"
    if answer.is_of_proxy:
        advice = "check HTTPS_PROXY, and that the proxy is reachable and lets opbx through"
    return Check("tls", Result.FAILED, answer.problem or "no answer", advice)


def clock_check(answer: Answer) -> Check:
    """Judge this computer's clock by the `Date` of the server's answer, which has whole seconds."""
    ahead = answer.clock_ahead
    if ahead is None:
        why = answer.problem or "the server does not say what time it is"
        return skipped("clock", why if answer.status is None else "the server names no time")
    apart = abs(ahead)
    if apart <= CLOCK_WARNING:
        return Check("clock", Result.OK, "agrees with the server's, within a minute")
    seen = f"{timedelta(seconds=round(apart.total_seconds()))} "
    seen += "ahead of the server's" if ahead > timedelta() else "behind the server's"
    result = Result.FAILED if apart > CLOCK_FAILURE else Result.WARNING
    return Check("clock", result, seen, "set this computer's clock, by NTP for one")


def api_check(domain: Domain) -> Check:
    """Judge the domain as Cloudonix shows it to our key."""
    name = domain.name or domain.uuid
    if domain.active is False:
        advice = "have the domain activated in the Cloudonix Cockpit"
        return Check("cloudonix", Result.FAILED, f"{name} is not active", advice)
    return Check("cloudonix", Result.OK, f"the API key is accepted for {name}")


def opbx_check(user: InstanceUser, url: str, profile_option: str) -> Check:
    """Judge whom the OPBX at `url` takes us for: only the owner may see or change the settings."""
    if not user.is_owner:
        advice = f"sign in as the owner: `opbx instance connect {url}{profile_option}`"
        return Check("opbx", Result.FAILED, "the token is not the owner's", advice)
    return Check("opbx", Result.OK, f"takes the token, for {user.organization or 'its owner'}")


def opbx_health_check(answer: Answer) -> Check:
    """Judge an OPBX to which signing in would sign its owner out everywhere else."""
    if answer.status == 200 and answer.is_json:
        seen = "answers; signing in was not tried, for it would end the owner's other sessions"
        return Check("opbx", Result.OK, seen)
    seen = answer.problem or f"{answer.status}: not what OPBX answers"
    return Check("opbx", Result.FAILED, seen, "check OPBX_INSTANCE_URL, and that OPBX runs")
