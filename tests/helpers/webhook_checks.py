"""`webhook-url --check` as its tests run it: against an OPBX of theirs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pbx import Pbx, running_pbx
from servers import Authority, Served
from support import Opbx, Outcome

KEY = "webhook-key-of-the-ci-0123456789"
UUID = "6b1f0c2e-0000-4000-8000-000000000001"
HOST = "pbx.example.com"
PUBLIC = "93.184.216.34"
REFUSALS = [
    f"{endpoint}-{token}-token"
    for endpoint in ("voice", "session-update", "cdr")
    for token in ("no", "wrong")
]
HTTP_CHECKS = ["health", *REFUSALS]


@contextlib.contextmanager
def secure(
    pbx: Pbx, private: Authority, monkeypatch: pytest.MonkeyPatch, internet: Callable[..., None]
) -> Iterator[Served]:
    """Serve an OPBX as `https://pbx.example.com`, vouched for by a private authority."""
    monkeypatch.setenv("SSL_CERT_FILE", str(private.certificate))
    with running_pbx(pbx, context=private.server) as served:
        internet(served.port, PUBLIC)
        yield served


def check(opbx: Opbx, url: str, *options: str, **variables: str) -> Outcome:
    return opbx("webhook-url", "--check", *options, OPBX_WEBHOOK_BASE_URL=url, **variables)


def results(outcome: Outcome) -> dict[str, str]:
    return {entry["id"]: entry["result"] for entry in outcome.document["checks"]}


def entry(outcome: Outcome, check_id: str) -> dict[str, Any]:
    found = [one for one in outcome.document["checks"] if one["id"] == check_id]
    assert len(found) == 1
    one = found[0]
    assert isinstance(one, dict)
    return one
