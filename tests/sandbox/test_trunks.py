from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from opbx_cli.sandbox import credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from opbx_cli.sandbox.server import RunningSandbox

DOMAIN = credentials(1)[0].uuid
TRUNKS = f"{DOMAIN}/trunks"
BODY = {
    "name": "mine",
    "ip": "192.0.2.7",
    "port": 5060,
    "transport": "udp",
    "direction": "public-outbound",
    "prefix": "",
}


def test_the_first_trunks_are_of_every_kind_and_none_is_odd(client: httpx.Client) -> None:
    trunks = client.get(TRUNKS).json()
    assert {trunk["direction"] for trunk in trunks} == {
        *("outbound", "inbound", "public-outbound", "public-inbound"),
    }
    assert len(trunks) == 6
    assert all(trunk["name"].replace("-", "").isalpha() for trunk in trunks)


def test_odd_trunks_hold_what_may_surprise_a_client(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client]
) -> None:
    trunks = connect(launch("trunk-data=odd")).get(TRUNKS).json()
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
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client]
) -> None:
    sandbox = launch("trunk-data=odd")
    client = connect(sandbox)
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


def test_one_trunk_is_read_by_name_or_id_with_its_domain(client: httpx.Client) -> None:
    listed = client.get(TRUNKS).json()[1]
    read = client.get(f"{TRUNKS}/carrier-main").json()
    assert read == listed | {"domain": client.get(DOMAIN).json()}
    assert {"tenantId", "domainId", "deletedAt"} < listed.keys()
    assert client.get(f"{TRUNKS}/{listed['id']}").json() == read
    assert client.get(f"{TRUNKS}/nobodys").status_code == 404
    assert client.get(f"{TRUNKS}/None").status_code == 404


def test_a_created_trunk_is_complete_and_listed_last(
    client: httpx.Client, sandbox: RunningSandbox
) -> None:
    before = client.get(TRUNKS).json()
    created = client.post(TRUNKS, json=BODY | {"self": True, "id": 7}).json()
    assert BODY.items() <= created.items()
    assert created.keys() == before[0].keys()
    assert (created["active"], created["profile"]) == (True, {})
    assert created["id"] not in {7, *(one["id"] for one in before)}
    assert client.get(TRUNKS).json() == [*before, created] == sandbox.state.trunks()


@pytest.mark.parametrize("missing", ["name", "ip", "port", "transport", "direction"])
def test_creating_a_trunk_needs_what_is_documented(client: httpx.Client, missing: str) -> None:
    answer = client.post(TRUNKS, json={k: v for k, v in BODY.items() if k != missing})
    assert (answer.status_code, missing in answer.json()["message"]) == (400, True)


@pytest.mark.parametrize(
    "bad",
    [
        {"name": ""},
        {"name": 7},
        {"ip": ""},
        {"port": None},
        {"transport": "sctp"},
        {"direction": []},
        {"prefix": 9},
        {"active": "yes"},
        {"metric": "first"},
        {"profile": []},
    ],
)
def test_trunks_that_make_no_sense_are_400(client: httpx.Client, bad: dict[str, object]) -> None:
    before = client.get(TRUNKS).json()
    assert client.post(TRUNKS, json=BODY | bad).status_code == 400
    if "name" not in bad:
        assert client.put(f"{TRUNKS}/carrier-main", json=bad).status_code == 400
    assert client.get(TRUNKS).json() == before


@pytest.mark.parametrize(
    ("variant", "status"), [("unique-409", 409), ("unique-500", 500), ("duplicate", 200)]
)
def test_a_second_trunk_of_the_same_name(
    launch: Callable[..., RunningSandbox],
    connect: Callable[..., httpx.Client],
    variant: str,
    status: int,
) -> None:
    client = connect(launch(f"names={variant}", trunks=0))
    client.post(TRUNKS, json=BODY)
    assert client.post(TRUNKS, json=BODY).status_code == status


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_changing_a_trunk_keeps_what_is_not_named_and_its_name(
    client: httpx.Client, method: str
) -> None:
    before = client.get(TRUNKS).json()[1]
    change = {"ip": "192.0.2.9", "port": "5070", "globalPrefix": None}
    body = change | {"name": "other", "uuid": "x"}
    answer = client.request(method, f"{TRUNKS}/carrier-main", json=body).json()
    assert answer == before | change | {"modifiedAt": answer["modifiedAt"]}
    assert answer["modifiedAt"] > before["modifiedAt"]
    assert client.get(TRUNKS).json()[1] == answer


def test_a_deleted_trunk_is_gone_and_its_id_is_not_used_again(client: httpx.Client) -> None:
    created = client.post(TRUNKS, json=BODY).json()
    answer = client.delete(f"{TRUNKS}/mine")
    assert (answer.status_code, answer.content) == (204, b"")
    assert client.delete(f"{TRUNKS}/mine").status_code == 404
    assert "mine" not in {one["name"] for one in client.get(TRUNKS).json()}
    assert client.post(TRUNKS, json=BODY).json()["id"] != created["id"]


def test_trunks_are_written_with_an_empty_answer_too(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client]
) -> None:
    client = connect(launch("write-answer=empty"))
    assert client.post(TRUNKS, json=BODY).status_code == 204
    assert client.put(f"{TRUNKS}/mine", json={"port": 5070}).status_code == 204
    assert client.get(f"{TRUNKS}/mine").json()["port"] == 5070
