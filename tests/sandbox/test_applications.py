from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from opbx_cli.sandbox import credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from opbx_cli.sandbox.server import RunningSandbox

DOMAIN = credentials(1)[0].uuid
APPLICATIONS = f"{DOMAIN}/applications"
BODY = {
    "name": "mine",
    "type": "cxml",
    "url": "https://pbx.example/voice",
    "method": "POST",
    "profile": {},
}
CHANGE = {"type": "cxml", "url": "https://pbx.example/new", "method": "GET"}


def test_a_created_application_has_an_id_and_all_fields_and_is_listed(client: httpx.Client) -> None:
    answer = client.post(APPLICATIONS, json=BODY)
    assert answer.status_code == 200
    created = answer.json()
    assert BODY.items() <= created.items()
    assert created["active"] is True
    assert isinstance(created["id"], int)
    assert {"uuid", "domainId", "createdAt", "modifiedAt", "llm-tools"} < created.keys()
    assert client.get(APPLICATIONS).json() == [created]


def test_an_empty_list_is_404_or_a_list(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client]
) -> None:
    documented = connect(launch()).get(APPLICATIONS)
    assert documented.status_code == 404
    assert documented.json()["status"] is False
    sensible = connect(launch("empty-list=list")).get(APPLICATIONS)
    assert (sensible.status_code, sensible.json()) == (200, [])


@pytest.mark.parametrize(
    ("variant", "needed"),
    [("lenient", {"name", "url"}), ("strict", {"name", "type", "url", "method"})],
)
@pytest.mark.parametrize("missing", ["name", "type", "url", "method"])
def test_creating_needs_name_and_url_or_all_that_is_documented(
    launch: Callable[..., RunningSandbox],
    connect: Callable[..., httpx.Client],
    variant: str,
    needed: set[str],
    missing: str,
) -> None:
    client = connect(launch(f"application-body={variant}"))
    answer = client.post(APPLICATIONS, json={k: v for k, v in BODY.items() if k != missing})
    if missing in needed:
        assert answer.status_code == 400
        assert missing in answer.json()["message"]
        assert client.get(APPLICATIONS).status_code == 404
    else:
        assert answer.status_code == 200
        assert BODY.items() <= answer.json().items()


def test_the_older_type_is_taken_unless_bodies_must_be_as_documented(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client]
) -> None:
    body = BODY | {"type": "cloudonix"}
    assert connect(launch()).post(APPLICATIONS, json=body).json()["type"] == "cloudonix"
    strict = connect(launch("application-body=strict"))
    assert strict.post(APPLICATIONS, json=body).status_code == 400


@pytest.mark.parametrize(
    "bad",
    [
        {"name": ""},
        {"name": 7},
        {"type": "html"},
        {"method": "PUT"},
        {"url": ""},
        {"url": None},
        {"profile": []},
        {"active": "yes"},
    ],
)
def test_values_that_make_no_sense_are_400(client: httpx.Client, bad: dict[str, object]) -> None:
    assert client.post(APPLICATIONS, json=BODY | bad).status_code == 400
    assert client.get(APPLICATIONS).status_code == 404


@pytest.mark.parametrize(
    ("variant", "status", "count"),
    [("unique-409", 409, 1), ("unique-500", 500, 1), ("duplicate", 200, 2)],
)
def test_a_second_application_of_the_same_name(
    launch: Callable[..., RunningSandbox],
    connect: Callable[..., httpx.Client],
    variant: str,
    status: int,
    count: int,
) -> None:
    client = connect(launch(f"names={variant}"))
    client.post(APPLICATIONS, json=BODY)
    assert client.post(APPLICATIONS, json=BODY).status_code == status
    listed = client.get(APPLICATIONS).json()
    assert len({one["id"] for one in listed}) == count


@pytest.mark.parametrize("missing", ["type", "url", "method"])
def test_put_keeps_what_it_does_not_name_unless_it_must_be_complete(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client], missing: str
) -> None:
    body = {key: value for key, value in CHANGE.items() if key != missing}
    client = connect(launch())
    client.post(APPLICATIONS, json=BODY)
    changed = client.put(f"{APPLICATIONS}/mine", json=body).json()
    assert (body | {missing: BODY[missing]}).items() <= changed.items()
    strict = connect(launch("application-body=strict"))
    strict.post(APPLICATIONS, json=BODY)
    answer = strict.put(f"{APPLICATIONS}/mine", json=body)
    assert (answer.status_code, missing in answer.json()["message"]) == (400, True)
    assert strict.patch(f"{APPLICATIONS}/mine", json=body).status_code == 200


def test_put_keeps_active_and_cannot_rename(client: httpx.Client, sandbox: RunningSandbox) -> None:
    created = client.post(APPLICATIONS, json=BODY).json()
    sandbox.state.edit_application("mine", active=False)
    answer = client.put(f"{APPLICATIONS}/mine", json=CHANGE | {"name": "other"}).json()
    assert CHANGE.items() <= answer.items()
    assert (answer["name"], answer["id"], answer["active"]) == ("mine", created["id"], False)


def test_one_application_is_read_with_its_domain(client: httpx.Client) -> None:
    created = client.post(APPLICATIONS, json=BODY).json()
    read = client.get(f"{APPLICATIONS}/mine").json()
    assert read == created | {"domain": client.get(DOMAIN).json()}
    assert client.get(f"{APPLICATIONS}/{created['id']}").json() == read
    assert client.get(f"{APPLICATIONS}/nobodys").status_code == 404


def test_a_deleted_application_is_gone_and_no_default_any_more(client: httpx.Client) -> None:
    client.post(APPLICATIONS, json=BODY)
    other = client.post(APPLICATIONS, json=BODY | {"name": "other"}).json()
    client.patch(DOMAIN, json={"defaultApplication": other["id"]})
    answer = client.delete(f"{APPLICATIONS}/mine")
    assert (answer.status_code, answer.content) == (204, b"")
    assert client.delete(f"{APPLICATIONS}/mine").status_code == 404
    assert client.get(DOMAIN).json()["defaultApplication"] == other["id"]
    assert client.delete(f"{APPLICATIONS}/{other['id']}").status_code == 204
    assert client.get(DOMAIN).json()["application"] is None
    assert client.get(APPLICATIONS).status_code == 404


def test_put_can_activate_and_set_the_profile(
    client: httpx.Client, sandbox: RunningSandbox
) -> None:
    client.post(APPLICATIONS, json=BODY)
    sandbox.state.edit_application("mine", active=False)
    change = CHANGE | {"active": True, "profile": {"k": 1}}
    client.put(f"{APPLICATIONS}/mine", json=change)
    listed = client.get(APPLICATIONS).json()[0]
    assert change.items() <= listed.items()


def test_patch_changes_only_what_it_names(client: httpx.Client) -> None:
    created = client.post(APPLICATIONS, json=BODY | {"profile": {"k": 1}}).json()
    changed = client.patch(f"{APPLICATIONS}/mine", json={"url": "https://pbx.example/new"}).json()
    assert changed["url"] == "https://pbx.example/new"
    unchanged = created.keys() - {"url", "modifiedAt"}
    assert {key: changed[key] for key in unchanged} == {key: created[key] for key in unchanged}


def test_patch_may_not_exist(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client]
) -> None:
    client = connect(launch("application-patch=off"))
    client.post(APPLICATIONS, json=BODY)
    assert client.patch(f"{APPLICATIONS}/mine", json={"method": "GET"}).status_code == 404
    assert client.put(f"{APPLICATIONS}/mine", json=CHANGE).status_code == 200


@pytest.mark.parametrize(
    ("variant", "by_name", "by_id"), [("both", 200, 200), ("name", 200, 404), ("id", 404, 200)]
)
def test_the_path_takes_the_name_or_the_id(
    launch: Callable[..., RunningSandbox],
    connect: Callable[..., httpx.Client],
    variant: str,
    by_name: int,
    by_id: int,
) -> None:
    client = connect(launch(f"application-path={variant}"))
    created = client.post(APPLICATIONS, json=BODY).json()
    assert client.put(f"{APPLICATIONS}/mine", json=CHANGE).status_code == by_name
    assert client.put(f"{APPLICATIONS}/{created['id']}", json=CHANGE).status_code == by_id
    assert client.get(f"{APPLICATIONS}/mine").status_code == by_name
    assert client.get(f"{APPLICATIONS}/{created['id']}").status_code == by_id
    assert client.put(f"{APPLICATIONS}/nobodys", json=CHANGE).status_code == 404


def test_cloudonixs_own_application_cannot_be_changed(client: httpx.Client) -> None:
    assert client.put(f"{APPLICATIONS}/1", json=CHANGE).status_code == 404
    assert client.delete(f"{APPLICATIONS}/1").status_code == 404


def test_a_created_application_may_be_listed_late_but_is_there(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client]
) -> None:
    sandbox = launch("application-lag=60", "empty-list=list")
    client = connect(sandbox)
    client.post(APPLICATIONS, json=BODY)
    assert client.get(APPLICATIONS).json() == []
    assert client.put(f"{APPLICATIONS}/mine", json=CHANGE).status_code == 200
    assert client.post(APPLICATIONS, json=BODY).status_code == 409
    sandbox.advance(60)
    assert [one["name"] for one in client.get(APPLICATIONS).json()] == ["mine"]
