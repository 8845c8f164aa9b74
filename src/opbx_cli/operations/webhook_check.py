"""Proving that callbacks would arrive: what stands behind the webhook URL, seen from outside.

What is sent are callbacks without a token, and with a wrong one, which OPBX has to refuse; one
that does not finds a number that nobody has in them, or nothing. The real key is sent only when
asked for, and only to a server that has refused a wrong one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlsplit

import httpx

from opbx_cli.errors import OpbxError
from opbx_cli.http.connections import proxy_for
from opbx_cli.http.trust import trust
from opbx_cli.models import Secret
from opbx_cli.operations import verdicts
from opbx_cli.operations.configure import new_webhook_key
from opbx_cli.operations.race import Race
from opbx_cli.operations.verdicts import Check, Result, Seen, WebhookCheck
from opbx_cli.operations.webhook import WebhookUrl
from opbx_cli.remote import Domain
from opbx_cli.values import is_loopback
from opbx_cli.webhooks.endpoints import CDR, HEALTH_PATH, PATHS, SESSION_UPDATE, VOICE
from opbx_cli.webhooks.probe import Answer, Asker, Names, Question, Reached, reach, resolve

TIMEOUT = 5.0  # seconds, for all checks at once; the real key comes after them and has its own
LEFT_TO_SAY_WHY = 0.5  # seconds of them: a time-out that is told beats an observation left behind
# The country code 999 is assigned to nobody (ITU-T E.164, list of assigned country codes).
NUMBER_NOBODY_HAS = "+99900000000"
CALLER_NOBODY_HAS = "+99900000001"
ADDRESSES_TRIED = 8  # of those a name has; all of them have to be public
HOST_CHECKS = ("dns", "tcp", "tls")
CLOUDONIX = "cloudonix-key"


@dataclass(frozen=True, slots=True)
class CheckedDomain:
    """The domain that the callbacks are about: OPBX looks it up before it judges a token."""

    uuid: str
    name: str | None = None  # as Cloudonix has it, and names it in callbacks

    @property
    def called(self) -> str:
        return self.name or self.uuid


@dataclass(frozen=True, slots=True)
class RealKey:
    """The key that Cloudonix sends for the domain."""

    key: Secret
    domain: CheckedDomain
    previous: Secret | None = None  # from before the last rotation: what OPBX may still have
    profile_option: str = ""  # what names the profile to another command
    look: Callable[[], Domain] | None = None  # reads the domain, to see which key Cloudonix sends


def check_webhook(
    url: WebhookUrl,
    real_key: RealKey | None = None,
    *,
    domain: CheckedDomain | None = None,
    observe: Callable[[str], None],
    timeout: float = TIMEOUT,
) -> WebhookCheck:
    """Look at everything behind the URL at once; with `real_key` prove last that OPBX knows it.

    `domain` is what the callbacks name; without one OPBX cannot tell whose they are. `observe`
    hears of every request. Raises `ConfigurationError` for an unusable proxy or CA.
    """
    asker = Asker(url.base_url, timeout=timeout - LEFT_TO_SAY_WHY, observe=observe)
    try:
        race = Race(timeout)
        questions = _questions(url.base_url, domain)
        for check_id, question in questions.items():
            race.start(check_id, partial(asker.ask, question))
        if real_key is not None and real_key.look is not None:
            race.start(CLOUDONIX, partial(_domain_or_error, real_key.look))
        hosts = _host_checks(url.base_url, race)
        names_domain = domain is not None
        checks = [
            *hosts,
            *(_verdict(name, race, hosts, names_domain=names_domain) for name in questions),
        ]
        if real_key is not None:
            proof = _KeyProof(url.base_url, asker, real_key, timeout)
            checks += proof.checks(checks)
            if real_key.look is not None:
                seen = race.result(CLOUDONIX, Seen)
                checks.append(
                    verdicts.cloudonix_verdict(seen, real_key.key, real_key.profile_option)
                )
    finally:
        asker.close()
    return WebhookCheck(url.base_url, url.source, tuple(checks), url.warnings)


def _domain_or_error(look: Callable[[], Domain]) -> Seen:
    try:
        return Seen(look())
    except OpbxError as error:
        return Seen(error=error)


def _questions(base_url: str, domain: CheckedDomain | None) -> Mapping[str, Question]:
    """Return what is asked, by the id of the check."""
    questions = {"health": Question("GET", base_url + HEALTH_PATH)}
    for endpoint, path in PATHS.items():
        body = _bodies(domain)[endpoint]
        questions[f"{endpoint}-no-token"] = Question("POST", base_url + path, body)
        questions[f"{endpoint}-wrong-token"] = Question(
            "POST", base_url + path, body, new_webhook_key()
        )
    return questions


def _bodies(domain: CheckedDomain | None) -> Mapping[str, Mapping[str, object]]:
    """Return what the probes say, by endpoint: as little as OPBX needs to come to the token.

    Voice wants a number (`to`; `To` is how Cloudonix writes it) and the domain. A call record
    never names the domain's UUID: OPBX of January 2026 would take it from anybody, and keep it.
    """
    if domain is None:
        number: dict[str, object] = {"to": NUMBER_NOBODY_HAS, "To": NUMBER_NOBODY_HAS}
        return {VOICE: number, SESSION_UPDATE: {}, CDR: {}}
    number = {"to": NUMBER_NOBODY_HAS, "To": NUMBER_NOBODY_HAS, "Domain": domain.called}
    record: dict[str, object] = {"domain": domain.called}
    if domain.name is not None:
        record["owner"] = {"domain": {"name": domain.name}}
    return {VOICE: number, SESSION_UPDATE: {"domain": domain.called}, CDR: record}


def _host_checks(base_url: str, race: Race) -> list[Check]:
    if proxy_for(httpx.URL(base_url)) is not None:
        why = "this computer reaches the internet through a proxy"
        return [verdicts.skipped(check_id, why) for check_id in HOST_CHECKS]
    parts = urlsplit(base_url)
    host, is_tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    race.start("dns", partial(resolve, host, port))
    names = race.result("dns", Names)
    dns = verdicts.names_verdict(host, names)
    if names is None or not names.addresses:
        return [dns, *(verdicts.skipped(name, "no address: see dns") for name in ("tcp", "tls"))]
    context, deadline = trust().context if is_tls else None, race.deadline - LEFT_TO_SAY_WHY
    tried = names.addresses[:ADDRESSES_TRIED]
    for address in tried:
        look = partial(reach, address, port, host=host, context=context, deadline=deadline)
        race.start(address, look)
    reached = [
        race.result(address, Reached) or Reached(address, 0.0, "no connection in time")
        for address in tried
    ]
    tls = (
        verdicts.certificates_verdict(host, reached, datetime.now(UTC))
        if is_tls
        else verdicts.skipped("tls", "the URL is not https")
    )
    return [dns, verdicts.connections_verdict(reached, port), tls]


def _verdict(check_id: str, race: Race, hosts: list[Check], *, names_domain: bool) -> Check:
    # Without an address there was nobody to ask, however long that took.
    nameless = any(check.id == "tcp" and check.result is Result.SKIPPED for check in hosts)
    late = Answer(problem="no answer in time", is_unconnected=nameless)
    answer = race.result(check_id, Answer) or late
    cause = next((check.id for check in hosts if check.result is Result.FAILED), None)
    if answer.is_unconnected and cause is not None:
        return verdicts.skipped(check_id, f"no connection: see {cause}")
    if check_id == "health":
        return verdicts.health_verdict(answer)
    return verdicts.refusal_verdict(check_id, answer, names_domain=names_domain)


@dataclass(frozen=True, slots=True)
class _KeyProof:
    """Sends the real key, but only to a server that has refused everything else."""

    base_url: str
    asker: Asker
    real: RealKey
    timeout: float  # seconds

    def checks(self, before: list[Check]) -> list[Check]:
        """Return the checks with the key; `before` are those of the callbacks without it."""
        call = self._call(before)
        if call.result is not Result.OK:
            return [call]
        return [call, self._session_update()]

    def _call(self, before: list[Check]) -> Check:
        parts = urlsplit(self.base_url)
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            return verdicts.unsafe_for_keys()
        voice = [check for check in before if check.id.startswith(f"{VOICE}-")]
        if any(check.result is Result.SKIPPED for check in voice):
            return verdicts.skipped("key", voice[0].seen)
        if any(check.result is not Result.OK for check in voice):
            return verdicts.skipped("key", "not sent: this server does not refuse other callbacks")
        real, body = self.real, _call_of_nobody(self.real.domain.called)
        answer = self._ask(VOICE, body, real.key)
        verdict = verdicts.key_verdict(answer, real.key, real.profile_option)
        if answer.status != verdicts.UNAUTHORIZED or real.previous is None:
            return verdict
        answer = self._ask(VOICE, body, real.previous)
        return verdicts.previous_key_verdict(answer, real.previous, real.profile_option) or verdict

    def _session_update(self) -> Check:
        body = {"domain": self.real.domain.called, "token": _session_of_nobody()}
        answer = self._ask(SESSION_UPDATE, body, self.real.key)
        return verdicts.key_of_session_update_verdict(answer)

    def _ask(self, endpoint: str, body: Mapping[str, object], key: Secret) -> Answer:
        race = Race(self.timeout)
        question = Question("POST", self.base_url + PATHS[endpoint], body, key)
        race.start("key", partial(self.asker.ask, question))
        return race.result("key", Answer) or Answer(problem="no answer in time")


def _session_of_nobody() -> str:
    return f"opbx-check-{secrets.token_hex(8)}"


def _call_of_nobody(domain: str) -> Mapping[str, object]:
    """Return a call as Cloudonix announces it, for a number that leads nowhere."""
    session = _session_of_nobody()
    return {
        "CallSid": session,
        "Session": session,
        "From": CALLER_NOBODY_HAS,
        "To": NUMBER_NOBODY_HAS,
        "to": NUMBER_NOBODY_HAS,
        "Direction": "inbound",
        "CallStatus": "ringing",
        "AccountSid": domain,
        "Domain": domain,
        "SessionData": {"token": session},
    }
