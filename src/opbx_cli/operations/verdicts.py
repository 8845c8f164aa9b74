"""What the observations of a webhook check mean: pure functions, one for each kind of check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from opbx_cli.errors import OpbxError
from opbx_cli.models import Secret
from opbx_cli.remote import Domain
from opbx_cli.values import is_public, masked_tail

if TYPE_CHECKING:  # only types: they would load HTTP and TLS, and whatever shows results loads this
    from opbx_cli.webhooks.probe import Answer, Certificate, Names, Reached

ADDRESSES_SHOWN = 8
NO_SUCH_DOMAIN = "404: OPBX does not know this domain"
DOMAIN_ADVICE = "save this domain, its name included, in OPBX's settings: calls for it are refused"
SIGNATURE_ADVICE = (
    "calls work, but OPBX does not hear how they go on: update OPBX, which takes Cloudonix's token "
    "in its state of July 2026"
)
EXPIRY_WARNING = timedelta(days=14)
UNAUTHORIZED = 401


class Result(StrEnum):
    """How a check ended; a warning is no failure."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what was seen, and what to do about it where something is to be done."""

    id: str
    result: Result
    seen: str
    advice: str | None = None


@dataclass(frozen=True, slots=True)
class WebhookCheck:
    """All checks of one webhook base URL."""

    base_url: str
    source: str
    checks: tuple[Check, ...]
    warnings: tuple[str, ...] = ()
    profile: str | None = None  # whose URL it is; None for the environment's

    @property
    def is_well(self) -> bool:
        return all(check.result in (Result.OK, Result.SKIPPED) for check in self.checks)

    @property
    def failed(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.result is Result.FAILED)


def skipped(check_id: str, why: str) -> Check:
    return Check(check_id, Result.SKIPPED, why)


def names_verdict(host: str, names: Names | None) -> Check:
    """Judge the DNS: every address has to be public. None: it did not answer in time."""
    if names is None or not names.addresses:
        why = "no answer from the DNS in time" if names is None else names.problem
        return Check(
            "dns", Result.FAILED, f"{host}: {why}", "check the host name, and its DNS zone"
        )
    seen = _listed(names.addresses)
    if not is_public(host):  # refused in production, and said as a warning everywhere
        return Check("dns", Result.WARNING, f"{seen}: for trials on this network alone")
    private = [address for address in names.addresses if not is_public(address)]
    if private:
        return Check(
            "dns",
            Result.FAILED,
            f"{_listed(private)}: not an address that the internet can reach",
            f"give {host} public addresses only; Cloudonix calls from the internet",
        )
    return Check("dns", Result.OK, seen)


def _listed(addresses: Sequence[str]) -> str:
    more = len(addresses) - ADDRESSES_SHOWN
    return ", ".join(addresses[:ADDRESSES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def connections_verdict(reached: Sequence[Reached], port: int) -> Check:
    """Judge the connections to all addresses: Cloudonix may choose any of them."""
    failed = [one for one in reached if one.problem is not None and not one.is_no_way]
    if failed:
        seen = "; ".join(f"{one.address}: {one.problem}" for one in failed)
        advice = f"see that the web server runs and that port {port} is open to the internet"
        return Check("tcp", Result.FAILED, seen, advice)
    untried = [one.address for one in reached if one.is_no_way]
    if untried:
        seen = f"{', '.join(untried)}: this computer has no way there"
        advice = "run the check from a computer that has, IPv6 for one"
        result = Result.FAILED if len(untried) == len(reached) else Result.WARNING
        return Check("tcp", result, seen, advice)
    slowest = max(one.seconds for one in reached)
    return Check("tcp", Result.OK, f"port {port} open, {slowest * 1000:.0f} ms")


def certificates_verdict(host: str, reached: Sequence[Reached], now: datetime) -> Check:
    """Judge the certificates of all addresses: chain, host name, and days to expiry."""
    shown = [(one.address, one.certificate) for one in reached if one.certificate is not None]
    if not shown:
        return skipped("tls", "no connection: see tcp")
    for address, certificate in shown:
        if certificate.problem is not None:
            return _refused_certificate(host, address, certificate, now)
    first = min((one.expires, one) for _, one in shown if one.expires is not None)[1]
    assert first.expires is not None
    left = first.expires - now
    seen = f"for {', '.join(first.names)}, {left.days} days to expiry ({first.expires:%Y-%m-%d})"
    if left < EXPIRY_WARNING:
        return Check("tls", Result.WARNING, seen, "renew it now: see why that did not happen yet")
    return Check("tls", Result.OK, seen)


def _refused_certificate(host: str, address: str, certificate: Certificate, now: datetime) -> Check:
    seen, expires = f"{address}: {certificate.problem}", certificate.expires
    if certificate.names:
        seen += f"; it is for {', '.join(certificate.names)}"
    if expires is None:
        advice = "see that the web server speaks TLS on this port"
    elif expires < now:
        seen += f", until {expires:%Y-%m-%d}"
        advice = "renew the certificate"
    elif "not yet valid" in (certificate.problem or ""):
        advice = "check the clocks, here and where the certificate was made"
    elif "mismatch" in (certificate.problem or ""):
        advice = f"get a certificate for {host}"
    else:
        advice = "use a certificate of a public authority, and serve its whole chain"
    return Check("tls", Result.FAILED, seen, advice)


def health_verdict(answer: Answer) -> Check:
    if answer.status == 200 and answer.is_json:
        return Check("health", Result.OK, "200, JSON")
    if answer.status == 200:
        seen = "200, but no JSON: something else than OPBX answers here"
        return Check("health", Result.FAILED, seen, "see what the webhook base URL leads to")
    return _unexpected("health", answer)


def refusal_verdict(check_id: str, answer: Answer, *, names_domain: bool) -> Check:
    """Judge a callback that OPBX has to refuse: without a token, or with a wrong one.

    `names_domain` tells that it names a domain that OPBX should have. What OPBX is known to
    answer, in its states of January and of July 2026, is told for what it is.
    """
    if answer.status == UNAUTHORIZED:
        return _refused(check_id, answer)
    if answer.status is not None and (200 <= answer.status < 300 or answer.status == 422):
        # 422: the content is looked at, which comes after the question who sent it.
        return Check(
            check_id,
            Result.FAILED,
            f"{answer.status}: accepted from anybody",
            "see that OPBX answers here and checks callbacks; until then anybody can fake them",
        )
    return (
        _unknown_domain(check_id, answer, names_domain=names_domain)
        or _proves_nothing(check_id, answer)
        or _other_refusal(check_id, answer)
    )


def _refused(check_id: str, answer: Answer) -> Check:
    if "signature" not in answer.said:
        return Check(check_id, Result.OK, "refused (401)")
    if check_id.endswith("-no-token"):
        return Check(check_id, Result.OK, "refused (401): it asks for a signature")
    return Check(
        check_id,
        Result.WARNING,
        "refused (401): it asks for a signature, which Cloudonix does not send",
        SIGNATURE_ADVICE,
    )


def _unknown_domain(check_id: str, answer: Answer, *, names_domain: bool) -> Check | None:
    """Judge a 404 of the voice endpoint: OPBX looks for the domain first, then at the token."""
    if answer.status != 404 or not answer.is_cxml or not check_id.startswith("voice-"):
        return None
    if not names_domain:
        seen = "404: no domain is configured here, so OPBX could not tell whose call it is"
        return Check(check_id, Result.WARNING, seen, "`opbx configure` saves the domain")
    return Check(check_id, Result.FAILED, NO_SUCH_DOMAIN, DOMAIN_ADVICE)


def _proves_nothing(check_id: str, answer: Answer) -> Check | None:
    """Judge answers that OPBX gives before it looks at who sends a callback."""
    if check_id.startswith("cdr-") and answer.status == 400 and "domain" in answer.said:
        return Check(
            check_id,
            Result.WARNING,
            "400: OPBX looks for the domain first, so this proves nothing",
            "OPBX of January 2026 takes call records from anybody who names the domain's UUID: "
            "update OPBX, or let only Cloudonix reach its call record endpoint",
        )
    if check_id.startswith("session-update-") and "webhook configuration error" in answer.said:
        return Check(
            check_id,
            Result.WARNING,
            "500: OPBX has no CLOUDONIX_WEBHOOK_SECRET and refuses every session update",
            SIGNATURE_ADVICE,
        )
    return None


def _other_refusal(check_id: str, answer: Answer) -> Check:
    if answer.status == 403:
        seen = "403: refused by something in front of OPBX"
        advice = "let Cloudonix's callbacks through the firewall or password in front of OPBX"
        return Check(check_id, Result.FAILED, seen, advice)
    return _unexpected(check_id, answer)


def unsafe_for_keys() -> Check:
    """Say that the key was not sent, although that was asked for: nothing is proven."""
    advice = "serve OPBX over https, and make that the webhook base URL"
    return Check("key", Result.FAILED, "not sent: it would travel in the clear", advice)


def key_verdict(answer: Answer, key: Secret, profile_option: str) -> Check:
    """Judge the callback with the real key."""
    if answer.status == 200 and answer.is_cxml:
        return Check("key", Result.OK, f"OPBX knows the key ({key.label})")
    if answer.status == UNAUTHORIZED:
        seen = f"OPBX refuses the key ({key.label}): it has another one"
        advice = f"give OPBX this key: `opbx webhook-key reveal{profile_option}`"
        return Check("key", Result.FAILED, seen, advice)
    if answer.status == 404 and answer.is_cxml:
        return Check("key", Result.FAILED, NO_SUCH_DOMAIN, DOMAIN_ADVICE)
    if answer.status == 200:
        seen = "200, but no CXML: a call would end here"
        return Check("key", Result.FAILED, seen, "see what OPBX logged for this request")
    return _unexpected("key", answer)


def key_of_session_update_verdict(answer: Answer) -> Check:
    """Judge a session update with the key that the voice endpoint has accepted."""
    check_id = "key-session-update"
    if answer.status is not None and (200 <= answer.status < 300 or answer.status == 422):
        return Check(check_id, Result.OK, "OPBX takes session updates with the key")
    if "signature" in answer.said or "webhook configuration error" in answer.said:
        seen = f"{answer.status}: OPBX asks for a signature, which Cloudonix does not send"
        return Check(check_id, Result.WARNING, seen, SIGNATURE_ADVICE)
    if answer.status == UNAUTHORIZED:
        seen = "OPBX refuses the key for session updates, and takes it for calls"
        return Check(check_id, Result.FAILED, seen, "save the domain in OPBX's settings once more")
    return _unexpected(check_id, answer)


def previous_key_verdict(answer: Answer, key: Secret, profile_option: str) -> Check | None:
    """Judge the callback with the key from before; None where OPBX does not know that either."""
    if answer.status != 200 or not answer.is_cxml:
        return None
    seen = f"OPBX still has the key from before the rotation ({key.label})"
    advice = f"give OPBX the new key: `opbx webhook-key reveal{profile_option}`"
    return Check("key", Result.FAILED, seen, advice)


@dataclass(frozen=True, slots=True)
class Seen:
    """What Cloudonix says of the domain: the domain, or why it says nothing."""

    domain: Domain | None = None
    error: OpbxError | None = None


def cloudonix_verdict(seen: Seen | None, key: Secret, profile_option: str) -> Check:
    """Judge which key Cloudonix sends. None: it did not answer in time."""
    if seen is None or seen.domain is None:
        error = None if seen is None else seen.error
        why = "no answer in time" if error is None else error.message
        advice = "run the check again" if error is None else error.hint
        seen_there = f"which key Cloudonix sends is not known: {why}"
        return Check("cloudonix-key", Result.WARNING, seen_there, advice)
    shown = seen.domain.profile.authorization_api_key
    tail = None if shown is None else masked_tail(shown)
    if shown is None or tail == "":
        return Check("cloudonix-key", Result.WARNING, "Cloudonix does not show the key it sends")
    if shown == key:
        return Check("cloudonix-key", Result.OK, f"Cloudonix sends this key ({key.label})")
    if tail and key.reveal().endswith(tail):
        return Check("cloudonix-key", Result.OK, f"Cloudonix sends a key that ends in {tail}")
    which = shown.label if tail is None else f"it ends in {tail}"
    return Check(
        "cloudonix-key",
        Result.FAILED,
        f"Cloudonix sends another key ({which}) than this one ({key.label})",
        f"`opbx validate{profile_option}` says whose it is, and what to do",
    )


def _unexpected(check_id: str, answer: Answer) -> Check:
    status = answer.status
    if status is None:
        advice = "see that the web server answers, and what it logged"
        if answer.is_of_proxy:
            advice = "check HTTPS_PROXY, or run the check from a computer that needs no proxy"
        return Check(check_id, Result.FAILED, answer.problem or "no answer", advice)
    if 300 <= status < 400:
        where = f" to {answer.location}" if answer.location else ""
        advice = "make the webhook base URL the address where OPBX itself answers"
        return Check(check_id, Result.FAILED, f"{status}: redirected{where}", advice)
    if status in (404, 405):
        seen, advice = f"{status}: OPBX is not here", "see what the webhook base URL leads to"
    elif status == 429:
        seen, advice = "429: too many requests", "run the check again in a minute"
    elif status >= 500:
        seen, advice = f"{status}: the server has trouble of its own", "see what OPBX logged"
    else:
        seen, advice = f"{status}: not what OPBX answers", "see what OPBX logged"
    return Check(check_id, Result.FAILED, seen, advice)
