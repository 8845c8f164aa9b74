from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from opbx_cli.sandbox import Options, Variants


def test_the_default_is_a_small_sandbox_on_any_port() -> None:
    options = Options()
    assert (options.port, options.domains, options.trunks) == (0, 1, None)
    assert options.rate_limit
    assert Options.parse() == options


def test_every_offered_value_of_every_variant_can_be_read_and_the_default_comes_first() -> None:
    assert len(Variants.choices()) == 21
    for name, values in Variants.choices().items():
        read = [Variants.parse([f"{name}={value}"]) for value in values if value != "SECONDS"]
        assert len(set(read)) == len(read)
        assert not read or read[0] == Variants()


def test_a_lag_is_read_as_seconds() -> None:
    assert Variants.parse(["application-lag=1.5"]).application_lag == 1.5


def test_the_last_of_two_answers_to_one_question_wins() -> None:
    assert Variants.parse(["ids=string", "ids=number"]) == Variants()


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "write-answer"),
        ("profile", "profile, default-application"),
        ("nobody=1", "application-path"),
        ("empty_list=list", "empty-list"),
        ("empty-list=maybe", "404, list"),
        ("default-application=", "both, put, patch, ignored"),
        ("application-lag=soon", "seconds"),
        ("application-lag=-1", "seconds"),
        ("application-lag=inf", "seconds"),
        ("application-lag=nan", "seconds"),
    ],
)
def test_a_variant_that_cannot_be_read_says_what_is_valid(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        Variants.parse([text])


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("port", -1),
        ("port", 65_536),
        ("domains", 0),
        ("domains", 10_001),
        ("trunks", -1),
        ("trunks", 100_001),
        ("latency", -0.1),
        ("latency", float("inf")),
        ("latency", float("nan")),
    ],
)
def test_an_option_out_of_range_is_refused(option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=option):
        replace(Options(), **{option: value})


def test_options_load_without_the_web_server_and_the_sandbox_without_the_client() -> None:
    script = (
        "import sys, opbx_cli.sandbox\n"
        "assert not {'h11', 'asyncio'} & sys.modules.keys()\n"
        "import opbx_cli.sandbox.server\n"
        "ours = {n for n in sys.modules if n.startswith('opbx_cli.')}\n"
        "strangers = {n for n in ours if not n.startswith('opbx_cli.sandbox')}\n"
        "assert not strangers, strangers\n"
        "assert 'httpx' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
