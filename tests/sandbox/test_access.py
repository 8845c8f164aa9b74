from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from opbx_cli.sandbox import credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from opbx_cli.sandbox.server import RunningSandbox

DOMAIN = credentials(1)[0].uuid
NO_DOMAIN = "00000000-0000-4000-8000-000000000000"


def test_the_domains_key_opens_its_domain(client: httpx.Client) -> None:
    answer = client.get(DOMAIN)
    assert answer.status_code == 200
    assert answer.json()["uuid"] == DOMAIN


def test_the_scheme_may_be_written_in_any_case(
    client: httpx.Client, sandbox: RunningSandbox
) -> None:
    header = {"Authorization": f"bearer {sandbox.domains[0].api_key}"}
    assert client.get(DOMAIN, headers=header).status_code == 200


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer XIwrong", "Basic XIwrong"])
def test_no_or_an_unknown_key_is_401(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client], header: str
) -> None:
    client = connect(launch(), api_key="")
    answer = client.get(DOMAIN, headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.json()["status"] is False
    assert answer.json()["message"]


def test_the_key_of_another_domain_is_403_and_changes_nothing(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client]
) -> None:
    sandbox = launch(domains=2)
    stranger = connect(sandbox, domain=1)
    assert stranger.put(DOMAIN, json={"active": False}).status_code == 403
    assert sandbox.state.domain(DOMAIN)["active"] is True
    assert stranger.get(sandbox.domains[1].uuid).status_code == 200


def test_a_domain_that_does_not_exist_is_404_as_json(client: httpx.Client) -> None:
    answer = client.get(NO_DOMAIN)
    assert answer.status_code == 404
    assert answer.json()["status"] is False


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/nothing/here"),
        ("GET", f"/customers/self/domains/{DOMAIN}/subscribers"),
        ("DELETE", f"/customers/self/domains/{DOMAIN}/applications"),
        ("GET", f"/tenants/self/domains/{DOMAIN}/subscribers"),
        ("GET", "/a%0Ab"),
    ],
)
def test_a_path_or_method_that_the_api_lacks_is_404_as_html(
    client: httpx.Client, sandbox: RunningSandbox, method: str, path: str
) -> None:
    answer = client.request(method, sandbox.url + path)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")
    assert sandbox.requests[-1].call == "unknown"


def test_upper_case_uuids_are_found_unless_the_case_must_match(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client]
) -> None:
    assert connect(launch()).get(DOMAIN.upper()).status_code == 200
    exact = connect(launch("uuid-case=exact"))
    assert exact.get(DOMAIN.upper()).status_code == 404
    assert exact.get(DOMAIN).status_code == 200


@pytest.mark.parametrize("path", ["/customers/self/domains", "/tenants/self/domains"])
def test_a_key_lists_its_own_domain(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client], path: str
) -> None:
    sandbox = launch(domains=2)
    client = connect(sandbox, domain=1)
    listed = client.get(sandbox.url + path).json()
    assert listed == [client.get(sandbox.domains[1].uuid).json()]
    assert sandbox.requests[0].call == "list-domains"
    assert connect(sandbox, api_key="XIwrong").get(sandbox.url + path).status_code == 401


def test_lists_of_domains_count_for_the_rate_limit(
    client: httpx.Client, sandbox: RunningSandbox
) -> None:
    url = f"{sandbox.url}/customers/self/domains"
    assert [client.get(url).status_code for _ in range(11)] == [200] * 10 + [429]


def test_tenants_is_the_older_name_of_customers(
    client: httpx.Client, sandbox: RunningSandbox
) -> None:
    older = f"{sandbox.url}/tenants/self/domains/{DOMAIN}"
    assert client.get(older).json() == client.get(DOMAIN).json()
    client.put(older, json={"active": False})
    assert client.get(DOMAIN).json()["active"] is False
    assert client.get(f"{older}/trunks").json() == client.get(f"{DOMAIN}/trunks").json()


def test_a_domain_is_found_by_its_name_and_its_id_too(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client]
) -> None:
    sandbox = launch("uuid-case=exact", domains=2)
    client = connect(sandbox, domain=1)
    domain = client.get(sandbox.domains[1].uuid).json()
    for reference in (domain["domain"], domain["domain"].upper(), domain["id"]):
        assert client.get(str(reference)).json() == domain
    assert client.get(sandbox.domains[0].name).status_code == 403
    assert client.get("nobody.cloudonix.net").status_code == 404
    assert client.get("9" * 5000).status_code == 404


def test_a_renamed_domain_is_found_by_its_new_name_alone(
    client: httpx.Client, sandbox: RunningSandbox
) -> None:
    name = sandbox.domains[0].name
    client.put(name, json={"domain": "renamed.example"})
    assert client.get("renamed.example").json()["uuid"] == DOMAIN
    assert client.get(name).status_code == 404


@pytest.mark.parametrize(("method", "path"), [("POST", ""), ("DELETE", f"/{DOMAIN}")])
def test_a_domains_key_neither_creates_nor_deletes_domains(
    client: httpx.Client, sandbox: RunningSandbox, method: str, path: str
) -> None:
    url = f"{sandbox.url}/tenants/self/domains{path}"
    answer = client.request(method, url, json={"domain": "new.example"})
    assert (answer.status_code, answer.json()["status"]) == (403, False)
    assert client.get(DOMAIN).status_code == 200


def test_thousands_of_domains_have_distinct_well_formed_credentials(
    launch: Callable[..., RunningSandbox], connect: Callable[..., httpx.Client]
) -> None:
    sandbox = launch(domains=3000)
    keys = {domain.api_key for domain in sandbox.domains}
    assert len(keys) == len({domain.uuid for domain in sandbox.domains}) == 3000
    assert all(len(key) == 34 and key.startswith("XI") and key.isalnum() for key in keys)
    assert [domain.name for domain in sandbox.domains[:2]] == [
        "sandbox.cloudonix.net",
        "sandbox-2.cloudonix.net",
    ]
    last = connect(sandbox, domain=2999).get(sandbox.domains[2999].uuid)
    assert last.json()["domain"] == "sandbox-3000.cloudonix.net"


def test_credentials_are_the_same_in_every_run() -> None:
    assert credentials(3) == credentials(5)[:3]
