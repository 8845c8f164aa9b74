from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from opbx_cli.sandbox import credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from opbx_cli.sandbox.server import RunningSandbox

DOMAIN = credentials(1)[0].uuid


def only_application(client: httpx.Client) -> dict[str, Any]:
    (application,) = client.get(f"{DOMAIN}/applications").json()
    return dict(application)


def test_an_application_can_be_edited_behind_the_clients_back(
    client: httpx.Client, sandbox: RunningSandbox
) -> None:
    added = sandbox.state.add_application("mine", url="https://old.example", kind="twiml")
    assert only_application(client) == added
    assert added["type"] == "twiml"
    sandbox.state.edit_application("mine", url="https://new.example", method="GET")
    edited = only_application(client)
    assert (edited["url"], edited["method"], edited["active"]) == (
        "https://new.example",
        "GET",
        True,
    )
    sandbox.state.edit_application(edited["id"], active=False)
    assert only_application(client) == edited | {
        "active": False,
        "modifiedAt": only_application(client)["modifiedAt"],
    }
    assert sandbox.state.applications() == [only_application(client)]


def test_a_deleted_application_is_no_default_any_more(
    client: httpx.Client, sandbox: RunningSandbox
) -> None:
    first = sandbox.state.add_application("first", url="https://a.example")
    sandbox.state.add_application("second", url="https://b.example")
    sandbox.state.set_default_application("first")
    assert client.get(DOMAIN).json()["application"] == first
    sandbox.state.delete_application("second")
    assert client.get(DOMAIN).json()["defaultApplication"] == first["id"]
    sandbox.state.delete_application("first")
    assert client.get(DOMAIN).json()["application"] is None
    assert client.get(f"{DOMAIN}/applications").status_code == 404


def test_ids_are_not_used_again(sandbox: RunningSandbox) -> None:
    first = sandbox.state.add_application("a", url="https://a.example")["id"]
    sandbox.state.delete_application("a")
    assert sandbox.state.add_application("a", url="https://a.example")["id"] != first


def test_two_applications_can_share_a_name(client: httpx.Client, sandbox: RunningSandbox) -> None:
    for _ in range(2):
        sandbox.state.add_application("same", url="https://a.example")
    names = [one["name"] for one in client.get(f"{DOMAIN}/applications").json()]
    assert names == ["same", "same"]


def test_profile_keys_can_be_set_and_removed(client: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.state.set_profile_keys({"call-timeout": "45", "crm": {"account": "1"}})
    profile = client.get(DOMAIN).json()["profile"]
    assert (profile["call-timeout"], profile["crm"]) == ("45", {"account": "1"})
    sandbox.state.remove_profile_keys("crm", "never-there")
    assert "crm" not in client.get(DOMAIN).json()["profile"]


def test_a_domain_can_be_deactivated_and_others_left_alone(
    launch: Callable[..., RunningSandbox],
) -> None:
    sandbox = launch(domains=2)
    second = sandbox.domains[1].uuid
    sandbox.state.set_active(active=False, domain=second)
    assert sandbox.state.domain(second)["active"] is False
    assert sandbox.state.domain()["active"] is True


def test_what_is_returned_is_a_copy(sandbox: RunningSandbox) -> None:
    for copied in (sandbox.state.domain(), sandbox.state.trunks()[0]):
        copied.clear()
    assert sandbox.state.domain()["uuid"] == DOMAIN
    assert sandbox.state.trunks()[0]["name"] == "carrier-backup"


def test_what_does_not_exist_is_a_lookup_error(sandbox: RunningSandbox) -> None:
    with pytest.raises(LookupError, match="no domain"):
        sandbox.state.domain("nowhere")
    with pytest.raises(LookupError, match="no application"):
        sandbox.state.edit_application("nobody", active=True)
