"""Domains and applications in every shape that Cloudonix may give them."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opbx_cli.cloudonix import Access, Client, Pace, parse
from opbx_cli.errors import RemoteError
from opbx_cli.models import Secret
from opbx_cli.remote import Domain, VoiceApplication
from servers import answering, http

UUID = "6b1f0c2e-0000-4000-8000-000000000000"
APPLICATION = {"id": 7, "name": "ivr"}


def read(answer: object) -> Domain:
    with answering(http("200 OK", json.dumps(answer).encode())) as server:
        access = Access(server.url, UUID, Secret("XI" + "k" * 32), 5)
        with contextlib.closing(Client(access, Pace())) as client:
            return client.get_domain()


def listed(answer: object) -> tuple[VoiceApplication, ...]:
    with answering(http("200 OK", json.dumps(answer).encode())) as server:
        access = Access(server.url, UUID, Secret("XI" + "k" * 32), 5)
        with contextlib.closing(Client(access, Pace())) as client:
            return client.list_applications()


def domain(**fields: object) -> dict[str, object]:
    return {"uuid": UUID, "domain": "acme.cloudonix.net", **fields}


def test_a_complete_domain() -> None:
    profile = {
        "call-timeout": "45",
        "recording-media-type": "wav",
        "session-update-endpoint": "https://a.example/s",
        "cdr-endpoint": "https://a.example/c",
        "authorization-api-key": "the-key-in-force",
        "crm": {"deep": [1, None]},
    }
    tenant = {"name": "t", "billingPlan": {"package": {"name": "Unlimited"}}}
    application = {
        **APPLICATION,
        "uuid": "u",
        "type": "cxml",
        "url": "https://a.example/v",
        "method": "POST",
        "active": 1,
        "createdAt": "2024",
        "profile": {"a": 1},
    }
    found = read(
        domain(active=True, defaultApplication=7, application=application, tenant=tenant)
        | {"profile": profile}
    )
    assert (found.uuid, found.name, found.active) == (UUID, "acme.cloudonix.net", True)
    assert (found.default_application, found.package) == (7, "Unlimited")
    assert found.application == VoiceApplication(
        id=7,
        name="ivr",
        uuid="u",
        type="cxml",
        url="https://a.example/v",
        method="POST",
        active=True,
        created_at="2024",
        profile={"a": 1},
    )
    assert found.profile.values["call-timeout"] == 45
    assert found.profile.values["recording-media-type"] == "wav"
    assert found.profile.session_update_endpoint == "https://a.example/s"
    assert found.profile.cdr_endpoint == "https://a.example/c"
    assert found.profile.authorization_api_key == Secret("the-key-in-force")
    assert found.profile.raw == profile
    assert "the-key-in-force" not in repr(found)


def test_a_domain_with_nothing_in_it() -> None:
    for answer in ({"uuid": UUID.upper()}, {"domain": "acme"}, domain(profile=None, tenant=None)):
        found = read(answer)
        assert (found.uuid, found.active, found.default_application) == (UUID, None, None)
        assert (found.application, found.package, found.profile.raw) == (None, None, {})


@pytest.mark.parametrize(
    ("fields", "default"),
    [
        ({"defaultApplication": 7}, 7),
        ({"defaultApplication": "7"}, 7),
        ({"defaultApplication": "app-x"}, "app-x"),
        ({"defaultApplication": {"id": "7", "name": "ivr"}}, 7),
        ({"defaultApplication": {"name": "ivr"}}, None),
        ({"defaultApplication": None, "application": APPLICATION}, None),
        ({"defaultApplication": ""}, None),
        ({"defaultApplication": False}, None),
        ({"application": APPLICATION}, 7),
        ({"application": {"id": None, "name": "ivr"}}, None),
        ({"application": {"id": 7, "name": ""}}, None),
        ({"application": {"id": True, "name": "ivr"}}, None),
        ({"application": {"id": 7, "name": ["ivr"]}}, None),
        ({"application": []}, None),
        ({}, None),
    ],
)
def test_the_default_application_may_be_named_in_several_ways(
    fields: dict[str, Any], default: object
) -> None:
    assert read(domain(**fields)).default_application == default


@pytest.mark.parametrize(
    "tenant",
    ["t", [], {"billingPlan": None}, {"billingPlan": {"package": "x"}}, {"billingPlan": {}}],
)
def test_the_package_may_be_missing_at_any_depth(tenant: object) -> None:
    assert read(domain(tenant=tenant)).package is None


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({}, "a JSON object that is not a domain"),
        ({"status": True, "message": "hello"}, "a JSON object that is not a domain"),
        ({"uuid": "another"}, "another domain than the one asked for"),
        ([], "a list where a domain belongs"),
        (None, "nothing where a domain belongs"),
        (domain(profile=[]), "a list where a domain's profile belongs"),
        (domain(profile="x"), "a text where a domain's profile belongs"),
    ],
)
def test_what_is_no_domain_is_not_decided_on(answer: object, said: str) -> None:
    with pytest.raises(RemoteError) as caught:
        read(answer)
    assert caught.value.message == (
        f"cannot read the domain (GET /customers/self/domains/{UUID}): "
        f"the answer cannot be understood: {said}"
    )
    assert (caught.value.code, caught.value.http_status) == ("remote.unintelligible", 200)


def test_applications_may_lack_all_but_id_and_name() -> None:
    bare = {"id": "7", "name": 8, "profile": None, "active": "x"}
    assert listed([bare]) == (VoiceApplication(id=7, name="8"),)
    assert listed([]) == ()


@pytest.mark.parametrize("answer", [[{"id": 7}], [{"name": "x"}], [{"id": 7, "name": None}], [[]]])
def test_an_application_without_id_or_name_makes_the_list_unusable(answer: object) -> None:
    with pytest.raises(RemoteError) as caught:
        listed(answer)
    assert caught.value.code == "remote.unintelligible"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
names = st.sampled_from(
    [
        *("uuid", "domain", "active", "defaultApplication", "application", "profile", "tenant"),
        *("id", "name", "authorization-api-key", "call-timeout", "billingPlan", "package"),
    ]
)
objects = st.recursive(
    json_values,
    lambda inner: st.dictionaries(names, inner, max_size=5) | st.just(UUID),
    max_leaves=12,
)


@given(objects)
@example({"uuid": UUID, "profile": {"authorization-api-key": "\ud800"}})
@example({"uuid": UUID, "profile": {"call-timeout": float("1e300")}})
def test_any_json_is_a_domain_or_is_said_not_to_be_one(value: object) -> None:
    """No server is needed here: what matters is that no other exception leaves the parser."""
    with contextlib.suppress(parse.UnintelligibleError):
        parse.parse_domain(parse.decode(json.dumps(value).encode()), UUID)
    with contextlib.suppress(parse.UnintelligibleError):
        parse.parse_application(value)


@given(st.binary(max_size=64))
@example(b"")
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b"\xff\xfe\x00")
@example(b"-Infinity")
@example(b"1" + b"0" * 5000)
def test_any_bytes_are_json_or_are_said_not_to_be(body: bytes) -> None:
    with contextlib.suppress(parse.UnintelligibleError):
        parse.decode(body)
    parse.remote_message(body)
