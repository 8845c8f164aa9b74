"""Every reading of Cloudonix's ambiguous facts, by chance: one run converges, the next is idle."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opbx_cli.sandbox import Options, Variants
from opbx_cli.sandbox.server import running
from support import WEBHOOK_BASE_URL, Opbx

KEY = "authorization-api-key"

# What makes the goal impossible has tests of its own.
LEFT_OUT = {"default-application=ignored", "domain=inactive"}

choices = {
    name: [value for value in values if f"{name}={value}" not in LEFT_OUT]
    for name, values in Variants.choices().items()
    if values != ("SECONDS",)
}
variants = st.fixed_dictionaries(
    {
        **{name: st.sampled_from(values) for name, values in choices.items()},
        "application-lag": st.sampled_from(["0", "1"]),
    }
)
profiles = st.dictionaries(
    st.sampled_from(
        [
            "call-timeout",
            "recording-media-type",
            "cdr-endpoint",
            "customer",
            "authorization-api-key",
        ]
    ),
    st.one_of(
        st.none(), st.integers(0, 400), st.sampled_from(["wav", "45", "https://x.example", "ü"])
    ),
)


@pytest.mark.uncounted
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(chosen=variants, profile=profiles)
def test_one_run_converges_and_the_next_writes_nothing(
    chosen: dict[str, str], profile: dict[str, Any]
) -> None:
    options = Options.parse(
        variants=[f"{name}={value}" for name, value in chosen.items()], rate_limit=False
    )
    with tempfile.TemporaryDirectory() as folder, running(options) as sandbox:
        opbx = Opbx(Path(folder) / "home", {"OPBX_HOME": f"{folder}/home"}, sleep=sandbox.advance)
        sandbox.state.set_profile_keys(profile)
        domain = sandbox.domains[0]
        saved = opbx(
            "configure",
            *("--domain-uuid", domain.uuid.upper(), "--api-key-stdin"),
            *("--api-base-url", sandbox.url, "--webhook-base-url", WEBHOOK_BASE_URL),
            stdin=domain.api_key,
        )
        assert saved.code == 0, saved.stderr
        first = opbx("validate", "--yes", "--json")
        assert first.code == 0, first.stdout + first.stderr
        state: Any = sandbox.state.domain()
        (ours,) = [
            entry
            for entry in sandbox.state.applications()
            if entry["id"] == state["defaultApplication"]
        ]
        assert ours["url"] == f"{WEBHOOK_BASE_URL}/api/voice/route"
        assert state["profile"]["cdr-endpoint"].startswith(WEBHOOK_BASE_URL)
        assert len(state["profile"][KEY]) == 43
        if "customer" in profile:
            # A server that shows numbers as strings gets them back as it showed them.
            assert str(state["profile"]["customer"]) == str(profile["customer"])
        sandbox.forget_requests()
        second = opbx("validate", "--json")
        assert second.code == 0, second.stdout + second.stderr
        assert [request for request in sandbox.requests if request.method != "GET"] == []
        assert opbx("validate", "--check").code == 0
