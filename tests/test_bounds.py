"""Texts from afar are bounded before they are stored, shown or compared."""

from __future__ import annotations

import pytest

from opbx_cli.cloudonix import parse
from opbx_cli.models import SESSION_UPDATE_ENDPOINT
from opbx_cli.sandbox.server import RunningSandbox
from opbx_cli.sandbox.state import State
from support import WEBHOOK_BASE_URL, Opbx

UUID = "6b1f0c2e-0000-4000-8000-000000000000"
LONG = "x" * 256
SHORTENED = "x" * 254 + "…"
OURS = "opbx-routing-application-"


def name_domain(state: State, uuid: str, name: str) -> None:
    found = state.find(uuid)
    assert found is not None
    with state.lock:
        found.name = name


def save(opbx: Opbx, sandbox: RunningSandbox, profile: str) -> int:
    domain = sandbox.domains[0]
    address = ("--api-base-url", sandbox.url, "--webhook-base-url", WEBHOOK_BASE_URL)
    argv = ("configure", "-p", profile, "--domain-uuid", domain.uuid, "--api-key-stdin")
    return opbx(*argv, *address, stdin=domain.api_key).code


def test_a_domain_name_of_seven_mebibytes_is_not_stored(
    opbx: Opbx, sandbox: RunningSandbox
) -> None:
    name_domain(sandbox.state, sandbox.domains[0].uuid, "x" * (7 * 1024 * 1024))
    for profile in ("one", "two", "three"):
        assert save(opbx, sandbox, profile) == 0
        outcome = opbx("validate", "-p", profile, "--json")
        assert outcome.code == 0, outcome.stderr
        assert outcome.document["domain"] == {"uuid": sandbox.domains[0].uuid, "name": None}
    assert (opbx.home / "store.toml").stat().st_size < 10_000


def test_a_longest_webhook_url_converges_all_the_same(opbx: Opbx, sandbox: RunningSandbox) -> None:
    """OPBX takes 255 characters, and its endpoints are longer than that."""
    domain = sandbox.domains[0]
    base = "https://pbx.example.com/" + "a" * (255 - len("https://pbx.example.com/"))
    argv = ("configure", "--domain-uuid", domain.uuid, "--api-key-stdin", "--webhook-base-url")
    assert opbx(*argv, base, "--api-base-url", sandbox.url, stdin=domain.api_key).code == 0
    assert opbx("validate").code == 0
    assert opbx("validate", "--check").code == 0


def test_an_application_with_too_long_a_name_is_never_taken_for_ours(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    name = OURS + "0" * 300
    sandbox.state.add_application(name, url="https://somebody.example")
    sandbox.state.set_default_application(name)
    outcome = configured("validate", "--json")
    assert outcome.code == 9, outcome.stderr
    (label,) = [
        change["from"]
        for step in outcome.document["steps"]
        for change in step["changes"]
        if change["path"] == "default_application"
    ]
    assert label == f"(a name of {len(name)} characters)"
    (first, second) = sandbox.state.applications()
    assert (first["name"], first["url"]) == (name, "https://somebody.example")
    assert str(second["name"]).startswith(OURS)


def test_an_application_of_ours_that_was_renamed_so_is_addressed_by_its_id(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    assert configured("validate").code == 0
    found = sandbox.state.find(sandbox.domains[0].uuid)
    assert found is not None
    with sandbox.state.lock:
        found.applications[0].name = LONG
        found.applications[0].url = "https://somebody.example"
    assert configured("validate", "--replace-default").code == 0
    (shown,) = sandbox.state.applications()
    assert (shown["name"], shown["url"]) == (LONG, f"{WEBHOOK_BASE_URL}/api/voice/route")
    paths = [request.path for request in sandbox.requests if request.call == "update-application"]
    assert paths
    assert not [path for path in paths if "characters" in path]


def test_a_domain_is_bounded_field_by_field() -> None:
    endpoint = f"https://a.example/{'y' * 3000}"
    answer = {
        "uuid": UUID,
        "domain": LONG,
        "tenant": {"billingPlan": {"package": {"name": LONG}}},
        "profile": {SESSION_UPDATE_ENDPOINT: endpoint, "recording-media-type": LONG},
    }
    domain = parse.parse_domain(answer, UUID)
    assert (domain.name, domain.package) == (None, SHORTENED)
    assert domain.profile.values["recording-media-type"] == SHORTENED
    assert domain.profile.session_update_endpoint == f"{endpoint[:2047]}…"
    assert domain.profile.raw[SESSION_UPDATE_ENDPOINT] == endpoint, "sent back as it came"
    assert parse.parse_domain({**answer, "domain": LONG[1:]}, UUID).name == LONG[1:]


def test_an_application_is_bounded_field_by_field() -> None:
    answer = {"id": 7, "name": LONG, "uuid": LONG, "type": LONG, "method": LONG}
    shown = parse.parse_application({**answer, "createdAt": LONG, "url": "u" * 3000})
    assert (shown.name, shown.uuid) == ("(a name of 256 characters)", None)
    assert (shown.type, shown.method, shown.created_at) == (SHORTENED,) * 3
    assert shown.url == "u" * 2047 + "…"


@pytest.mark.parametrize(
    "answer",
    [
        {"uuid": UUID, "defaultApplication": LONG},
        {"uuid": UUID, "defaultApplication": {"id": LONG}},
        {"uuid": UUID, "application": {"id": LONG, "name": "x"}},
    ],
)
def test_too_long_an_id_is_not_decided_on(answer: object) -> None:
    """Left out, it would mean that nobody has the calls; shortened, that two are one."""
    with pytest.raises(parse.UnintelligibleError):
        parse.parse_domain(answer, UUID)


def test_a_trunk_is_bounded_field_by_field(storeless: Opbx, sandbox: RunningSandbox) -> None:
    shown = ("name", "ip", "transport", "prefix", "direction", "globalPrefix")
    trunk = dict.fromkeys((*shown, "createdAt", "modifiedAt", "uuid"), LONG)
    profile = {"authentication": {"username": LONG}, LONG: 1}
    sandbox.state.replace_trunks([{**trunk, "id": 1, "profile": profile}])
    outcome = storeless("trunks", "show", "1", "--json")
    assert outcome.code == 0, outcome.stderr
    found = outcome.document["trunk"]
    for name in (*shown[:-1], "global_prefix", "created_at", "modified_at"):
        assert found[name] == SHORTENED, name
    assert found["uuid"] is None
    assert found["authentication"]["username"] == SHORTENED
    assert found["profile_keys"] == ["authentication", SHORTENED]
    sandbox.state.replace_trunks([{**trunk, "id": LONG}])
    outcome = storeless("trunks", "list")
    assert outcome.code == 6
    assert "an id of more than 255 characters" in outcome.stderr
