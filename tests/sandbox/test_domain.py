from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from opbx_cli.sandbox import credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from opbx_cli.sandbox.server import RunningSandbox

DOMAIN = credentials(1)[0].uuid
WEBHOOK_KEY = "authorization-api-key"


def test_a_domain_has_all_documented_fields_and_some_unknown_ones(client: httpx.Client) -> None:
    domain = client.get(DOMAIN).json()
    documented = {"id", "uuid", "domain", "active", "defaultApplication", "application", "aliases"}
    documented |= {"profile", "tenant", "createdAt", "modifiedAt", "deletedAt"}
    assert documented | {"tenantId", "registrationFree"} < domain.keys()
    assert domain["tenantId"] == domain["tenant"]["id"]
    assert {"uuid", "profile", "active", "createdAt", "modifiedAt"} < domain["tenant"].keys()
    assert domain["tenant"]["billingPlan"]["package"]["name"] == "Sandbox Unlimited"
    assert domain["application"]["type"] == "Cloudonix:built-in"
    assert domain["application"]["id"] == domain["defaultApplication"]
    assert domain["profile"]["time-zone"] == "Europe/Berlin"


def test_a_write_answers_the_changed_domain_and_the_change_stays(client: httpx.Client) -> None:
    before = client.get(DOMAIN).json()
    answer = client.put(DOMAIN, json={"profile": {"call-timeout": 45}})
    assert answer.status_code == 200
    assert answer.json() == client.get(DOMAIN).json()
    assert answer.json()["profile"]["call-timeout"] == 45
    assert answer.json()["modifiedAt"] > before["modifiedAt"]


@pytest.mark.parametrize(
    ("variant", "method", "foreign_key_survives"),
    [
        ("profile=merge", "PUT", True),
        ("profile=replace", "PUT", False),
        ("profile=replace", "PATCH", True),
    ],
)
def test_the_profile_is_merged_or_replaced(
    launch: Callable[..., RunningSandbox],
    connect: Callable[..., httpx.Client],
    variant: str,
    method: str,
    foreign_key_survives: bool,
) -> None:
    sandbox = launch(variant)
    connect(sandbox).request(method, DOMAIN, json={"profile": {"call-timeout": 45}})
    profile = sandbox.state.domain()["profile"]
    assert isinstance(profile, dict)
    assert profile["call-timeout"] == 45
    assert ("crm" in profile) is foreign_key_survives


def test_a_domain_key_renames_the_domain(client: httpx.Client) -> None:
    client.put(DOMAIN, json={"domain": "renamed.example"})
    assert client.get(DOMAIN).json()["domain"] == "renamed.example"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_registration_free_can_be_set(client: httpx.Client, method: str) -> None:
    assert client.get(DOMAIN).json()["registrationFree"] is False
    client.request(method, DOMAIN, json={"registrationFree": True})
    assert client.get(DOMAIN).json()["registrationFree"] is True


def test_a_domain_can_be_deactivated(client: httpx.Client) -> None:
    client.patch(DOMAIN, json={"active": False})
    assert client.get(DOMAIN).json()["active"] is False


@pytest.mark.parametrize("active", [True, False])
def test_domains_start_active_or_inactive(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client], active: bool
) -> None:
    client = connect(launch(f"domain={'active' if active else 'inactive'}"))
    assert client.get(DOMAIN).json()["active"] is active


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"[]",
        b"[" * 100_000,
        b'{"profile": []}',
        b'{"profile": null}',
        b'{"active": 1}',
        b'{"domain": ""}',
        b'{"domain": 7}',
        b'{"defaultApplication": 999}',
        b'{"defaultApplication": true}',
        b'{"defaultApplication": "abc"}',
        b'{"defaultApplication": "' + b"9" * 5000 + b'"}',
        b'{"profile": {"lost": 1}, "defaultApplication": 999}',
    ],
)
def test_a_body_that_makes_no_sense_is_400_and_changes_nothing(
    client: httpx.Client, body: bytes
) -> None:
    before = client.get(DOMAIN).json()
    answer = client.put(DOMAIN, content=body)
    assert answer.status_code == 400
    assert answer.json()["status"] is False
    assert client.get(DOMAIN).json() == before


@pytest.mark.parametrize(
    ("variant", "put", "patch"),
    [("both", True, True), ("put", True, False), ("patch", False, True), ("ignored", False, False)],
)
def test_the_default_application_is_taken_by_put_or_patch_and_both_answer_200(
    launch: Callable[..., RunningSandbox],
    connect: Callable[..., httpx.Client],
    variant: str,
    put: bool,
    patch: bool,
) -> None:
    sandbox = launch(f"default-application={variant}")
    wanted = sandbox.state.add_application("mine", url="https://pbx.example/voice")["id"]
    client = connect(sandbox)
    for method, is_taken in (("PUT", put), ("PATCH", patch)):
        sandbox.state.set_default_application(None)
        answer = client.request(method, DOMAIN, json={"defaultApplication": wanted})
        assert answer.status_code == 200
        assert answer.json()["defaultApplication"] == (wanted if is_taken else None)
        assert answer.json() == client.get(DOMAIN).json()


def test_the_default_application_may_be_an_id_in_text_null_or_cloudonixs_own(
    client: httpx.Client, sandbox: RunningSandbox
) -> None:
    mine = sandbox.state.add_application("mine", url="https://pbx.example/voice")["id"]
    answers = [
        client.put(DOMAIN, json={"defaultApplication": value}).json()
        for value in (str(mine), None, 1)
    ]
    assert [answer["defaultApplication"] for answer in answers] == [mine, None, 1]
    assert answers[0]["application"]["name"] == "mine"
    assert answers[1]["application"] is None


@pytest.mark.parametrize(
    ("fresh", "kind", "name"),
    [
        ("cloudonix", "Cloudonix:built-in", None),
        ("none", None, None),
        ("other", "cxml", "ivr-2019"),
    ],
)
def test_the_first_default_application(
    launch: Callable[..., RunningSandbox],
    connect: Callable[..., httpx.Client],
    fresh: str,
    kind: str | None,
    name: str | None,
) -> None:
    client = connect(launch(f"fresh={fresh}", "empty-list=list"))
    domain = client.get(DOMAIN).json()
    application: dict[str, Any] = domain["application"] or {"type": None, "id": None}
    assert application["type"] == kind
    assert application["id"] == domain["defaultApplication"]
    listed = [one["name"] for one in client.get(f"{DOMAIN}/applications").json()]
    assert listed == ([] if name is None else [name])


@pytest.mark.parametrize(
    ("variant", "shown"), [("echoed", "secret-abcd"), ("masked", "****abcd"), ("absent", None)]
)
def test_the_webhook_key_comes_back_echoed_masked_or_not_at_all(
    launch: Callable[..., RunningSandbox],
    connect: Callable[..., httpx.Client],
    variant: str,
    shown: str | None,
) -> None:
    sandbox = launch(f"webhook-key={variant}")
    client = connect(sandbox)
    assert WEBHOOK_KEY not in client.get(DOMAIN).json()["profile"]
    answer = client.put(DOMAIN, json={"profile": {WEBHOOK_KEY: "secret-abcd"}})
    assert answer.json()["profile"].get(WEBHOOK_KEY) == shown
    assert client.get(DOMAIN).json()["profile"].get(WEBHOOK_KEY) == shown
    stored = sandbox.state.domain()["profile"]
    assert isinstance(stored, dict)
    assert stored[WEBHOOK_KEY] == "secret-abcd"


def test_numbers_can_come_back_as_strings(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client]
) -> None:
    client = connect(launch("numbers=string"))
    profile = {"call-timeout": 45, "flag": True, "text": "x"}
    shown = client.put(DOMAIN, json={"profile": profile}).json()["profile"]
    assert (shown["call-timeout"], shown["flag"], shown["text"]) == ("45", True, "x")


def test_ids_can_be_strings_everywhere(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client]
) -> None:
    client = connect(launch("ids=string", "fresh=other"))
    domain = client.get(DOMAIN).json()
    application = client.get(f"{DOMAIN}/applications").json()[0]
    trunk = client.get(f"{DOMAIN}/trunks").json()[0]
    assert domain["defaultApplication"] == application["id"] == domain["application"]["id"]
    ids = [domain["id"], domain["tenant"]["id"], application["id"], application["domainId"]]
    assert all(isinstance(one, str) for one in [*ids, trunk["id"], trunk["domainId"]])


def test_what_is_empty_can_be_null(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client]
) -> None:
    client = connect(launch("nulls=on", "fresh=other"))
    domain = client.get(DOMAIN).json()
    assert domain["profile"] is None
    assert domain["tenant"] is None
    assert domain["application"]["profile"] is None
    changed = client.put(DOMAIN, json={"profile": {"call-timeout": 45}}).json()
    assert changed["profile"] == {"call-timeout": 45}


def test_a_write_can_answer_204_without_a_body(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client]
) -> None:
    client = connect(launch("write-answer=empty"))
    answer = client.put(DOMAIN, json={"active": False})
    assert (answer.status_code, answer.content) == (204, b"")
    assert client.get(DOMAIN).json()["active"] is False
    body = {"name": "a", "type": "cxml", "url": "https://pbx.example", "method": "POST"}
    assert client.post(f"{DOMAIN}/applications", json=body).status_code == 204
    assert client.put(f"{DOMAIN}/applications/a", json=body).status_code == 204
    assert client.get(f"{DOMAIN}/applications").json()[0]["name"] == "a"
