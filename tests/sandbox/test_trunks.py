from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from opbx_cli.sandbox import credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from opbx_cli.sandbox.server import RunningSandbox

TRUNKS = f"{credentials(1)[0].uuid}/trunks"


def test_the_first_trunks_hold_what_may_surprise_a_client(client: httpx.Client) -> None:
    trunks = client.get(TRUNKS).json()
    by_name = {trunk["name"]: trunk for trunk in trunks}
    directions = {trunk["direction"] for trunk in trunks}
    assert directions == {"outbound", "inbound", "public-outbound", "public-inbound"}
    assert {type(trunk["port"]) for trunk in trunks} == {int, str, type(None)}
    assert {trunk.get("transport") for trunk in trunks} == {"udp", "tcp", "tls", None}
    assert [t["metric"] for t in trunks if "metric" in t][:2] == [20, 10]
    assert by_name["carrier-retired"]["active"] is False
    authentication = by_name["carrier-main"]["profile"]["authentication"]
    assert {"username", "password"} < authentication.keys()
    assert "api-token" in by_name["carrier-backup"]["profile"]
    assert "profile" not in by_name["half-configured"]
    assert any("[bold]" in name and "\x1b" in name for name in by_name)
    assert len({trunk["uuid"] for trunk in trunks}) == len(trunks)


@pytest.mark.parametrize("variant", ["empty-list=404", "empty-list=list"])
def test_a_domain_without_trunks(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client], variant: str
) -> None:
    answer = connect(launch(variant, trunks=0)).get(TRUNKS)
    if variant.endswith("404"):
        assert (answer.status_code, answer.json()["status"]) == (404, False)
    else:
        assert (answer.status_code, answer.json()) == (200, [])


def test_as_many_trunks_as_asked_for_all_different(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client]
) -> None:
    sandbox = launch(trunks=10_000)
    client = connect(sandbox)
    trunks = client.get(TRUNKS).json()
    assert len({trunk["uuid"] for trunk in trunks}) == len({t["id"] for t in trunks}) == 10_000
    assert {trunk["transport"] for trunk in trunks} == {"udp", "tcp", "tls"}
    assert {trunk["active"] for trunk in trunks} == {True, False}
    assert {type(trunk["port"]) for trunk in trunks} == {int, str}
    assert client.get(TRUNKS).json() == trunks
    domain = sandbox.state.find(sandbox.domains[0].uuid)
    assert domain is not None
    assert len(domain.trunk_answers) == 1, "ten thousand trunks are encoded once"


def test_numbers_of_trunks_can_be_strings_at_run_time(
    client: httpx.Client, sandbox: RunningSandbox
) -> None:
    client.get(TRUNKS)
    sandbox.set_variants("numbers=string", "nulls=on")
    trunks = client.get(TRUNKS).json()
    assert {type(trunk["port"]) for trunk in trunks} == {str, type(None)}
    assert trunks[0]["metric"] == "20"
    assert trunks[2]["profile"] is None


def test_replaced_trunks_are_answered_at_once_as_they_are(
    client: httpx.Client, sandbox: RunningSandbox
) -> None:
    client.get(TRUNKS)
    sandbox.state.replace_trunks([{"name": "only", "profile": "odd"}])
    assert client.get(TRUNKS).json() == [{"name": "only", "profile": "odd"}]
    assert sandbox.state.trunks() == [{"name": "only", "profile": "odd"}]


def test_trunks_of_different_domains_are_different(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client]
) -> None:
    sandbox = launch(domains=2)
    uuids = [
        {trunk["uuid"] for trunk in connect(sandbox, domain=n).get(f"{d.uuid}/trunks").json()}
        for n, d in enumerate(sandbox.domains)
    ]
    assert uuids[0].isdisjoint(uuids[1])
