"""The sandbox's OPBX: signing in, the settings, and what saving them does to Cloudonix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from opbx_cli.sandbox import OPBX_CREDENTIALS as OWNER
from opbx_cli.sandbox import Options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opbx_cli.sandbox.server import RunningSandbox
    from sandbox.conftest import Launch

SETTINGS = "settings/cloudonix"
STATES = pytest.mark.parametrize("state", ["january", "july"])
LEAST = {"no_answer_timeout": 30, "recording_format": "mp3"}
TOKEN_MODE = {"X-Auth-Mode": "token"}
SIGN_IN = {"email": OWNER.email, "password": OWNER.password}


@pytest.fixture
def january(launch: Launch) -> RunningSandbox:
    return launch("opbx=january", opbx=True)


@pytest.fixture
def july(launch: Launch) -> RunningSandbox:
    return launch(opbx=True)


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=10, trust_env=False, verify=False) as client:
        yield client


class Api:
    """Calls OPBX's API with the ready token."""

    def __init__(self, http: httpx.Client, sandbox: RunningSandbox) -> None:
        self._http = http
        self._url = f"{sandbox.url}/api/v1/"
        self.token = OWNER.token

    def __call__(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        return self._http.request(method, self._url + path, json=body, headers=sent)

    def sign_in(self, **fields: str) -> Any:
        self.token = ""
        return self("POST", "auth/login", {**SIGN_IN, **fields}, X_Auth_Mode="token")

    def read(self) -> Any:
        return self("GET", SETTINGS).json()["settings"]

    def write(self, **fields: object) -> Any:
        return self("PUT", SETTINGS, {**LEAST, **fields})


@pytest.fixture
def api(http: httpx.Client, july: RunningSandbox) -> Api:
    return Api(http, july)


def opbx_applications(sandbox: RunningSandbox) -> list[Any]:
    found = sandbox.state.applications()
    return [one for one in found if str(one["name"]).startswith("opbx-routing-application-")]


def test_a_sandbox_without_opbx_has_none_of_its_paths(launch: Launch, http: httpx.Client) -> None:
    sandbox = launch()
    assert Api(http, sandbox)("GET", "auth/me").status_code == 404
    assert http.post(f"{sandbox.url}/api/voice/route").status_code == 404
    assert sandbox.state.applications() == []


@pytest.mark.parametrize(
    "given", [{"variants": ["opbx=july"]}, {"faults": ["opbx-write-settings=500"]}]
)
def test_what_is_about_opbx_needs_opbx(given: Any) -> None:
    with pytest.raises(ValueError, match="--opbx"):
        Options.parse(**given)
    assert Options.parse(**given, opbx=True).opbx


def test_signing_in_gives_a_token_for_a_day_and_revokes_the_others(
    api: Api, july: RunningSandbox
) -> None:
    assert api("GET", "auth/me").json()["user"]["organization"]["name"] == "Sandbox PBX"
    signed_in = api.sign_in().json()
    assert (signed_in["token_type"], signed_in["expires_in"]) == ("Bearer", 86_400)
    assert signed_in["user"]["role"] == "owner"
    api.token = OWNER.token
    assert api("GET", "auth/me").status_code == 401
    api.token = signed_in["access_token"]
    assert api("GET", "auth/me").status_code == 200
    july.advance(86_400)
    late = api("GET", "auth/me")
    assert (late.status_code, late.json()) == (401, {"message": "Unauthenticated."})


def test_refresh_replaces_the_token_and_sign_out_ends_it(api: Api) -> None:
    refreshed = api("POST", "auth/refresh").json()["access_token"]
    assert api("GET", "auth/me").status_code == 401
    api.token = refreshed
    assert api("POST", "auth/logout").status_code == 200
    assert api("GET", "auth/me").status_code == 401


def test_who_may_not_sign_in_is_told_why(api: Api, july: RunningSandbox) -> None:
    wrong = api.sign_in(password="not the password")
    assert (wrong.status_code, wrong.json()["error"]["message"]) == (401, "Invalid credentials.")
    short = api.sign_in(email="owner", password="short")
    assert short.status_code == 422
    assert set(short.json()["errors"]) == {"email", "password"}
    july.set_variants("opbx-user=inactive")
    assert api.sign_in().json()["error"]["code"] == "ACCOUNT_INACTIVE"
    api.token = OWNER.token
    assert api("GET", "auth/me").status_code == 200  # nobody was signed out


def test_who_asks_for_cookies_gets_no_token(api: Api) -> None:
    api.token = ""
    answer = api("POST", "auth/login", SIGN_IN, X_Requested_With="XMLHttpRequest")
    assert "access_token" not in answer.json()


def test_five_sign_ins_a_minute_are_enough(api: Api, july: RunningSandbox) -> None:
    assert [api.sign_in().status_code for _ in range(6)] == [200] * 5 + [429]
    assert api.sign_in().headers["retry-after"] == "60"
    july.advance(60)
    assert api.sign_in().status_code == 200


def test_sixty_calls_of_the_settings_a_minute_are_enough(api: Api, july: RunningSandbox) -> None:
    codes = [api("GET", SETTINGS).status_code for _ in range(61)]
    assert codes == [200] * 60 + [429]
    assert api("GET", "auth/me").status_code == 200
    july.forget_requests()
    assert api("GET", SETTINGS).status_code == 200


@pytest.mark.parametrize("role", ["pbx_admin", "pbx_user", "reporter"])
def test_only_the_owner_sees_or_changes_settings(api: Api, july: RunningSandbox, role: str) -> None:
    july.set_variants(f"opbx-role={role}")
    assert api("GET", "auth/me").json()["user"]["role"] == role
    assert api("GET", SETTINGS).status_code == 403
    assert api.write().status_code == 403
    assert api("POST", f"{SETTINGS}/validate", {}).status_code == 403
    assert api("GET", f"{SETTINGS}/outbound-trunks").status_code == 403


def test_with_an_expired_token_nothing_is_answered(api: Api, july: RunningSandbox) -> None:
    july.set_variants("opbx-token=expired")
    assert api("GET", SETTINGS).status_code == 401
    api.token = api.sign_in().json()["access_token"]
    assert api("GET", "auth/me").status_code == 401


@STATES
def test_at_the_start_the_first_domain_is_saved_and_in_force(
    launch: Launch, http: httpx.Client, state: str
) -> None:
    sandbox = launch(f"opbx={state}", opbx=True)
    domain = sandbox.domains[0]
    answer = Api(http, sandbox)("GET", SETTINGS).json()
    found = answer["settings"]
    assert (found["domain_uuid"], found["domain_name"]) == (domain.uuid, domain.name)
    assert (found["is_configured"], found["has_webhook_auth"]) == (True, True)
    assert answer["callback_url"] == f"{sandbox.url}/api/webhooks/cloudonix/session-update"
    assert answer["cdr_url"] == f"{sandbox.url}/api/webhooks/cloudonix/cdr"
    (application,) = opbx_applications(sandbox)
    assert application["url"] == f"{sandbox.url}/api/voice/route"
    stored: Any = sandbox.state.domain()
    assert stored["defaultApplication"] == application["id"]
    key = stored["profile"]["authorization-api-key"]
    assert stored["profile"]["call-timeout"] == 45
    masked = f"{key[:4]}***{key[-4:]}"
    assert found["domain_requests_api_key"] == (masked if state == "july" else key)
    mask = f"{domain.api_key[:4]}***{domain.api_key[-4:]}"
    assert found["domain_api_key"] == (mask if state == "july" else domain.api_key)
    assert ("embed_allowed_domains" in found) == (state == "july")
    assert sandbox.requests[0].path == "/api/v1/settings/cloudonix"


def test_faults_and_limits_are_for_those_who_come_from_outside(
    launch: Launch, http: httpx.Client
) -> None:
    sandbox = launch(opbx=True, faults=["any=500", "opbx-any=500*1"])
    assert len(opbx_applications(sandbox)) == 1
    api = Api(http, sandbox)
    assert api("GET", SETTINGS).status_code == 500
    assert api("GET", SETTINGS).status_code == 200
    assert "warning" in api.write().json()  # Cloudonix's faults hit OPBX, too


def test_a_fresh_organisation_has_no_settings(launch: Launch, http: httpx.Client) -> None:
    sandbox = launch("opbx-settings=none", opbx=True)
    api = Api(http, sandbox)
    answer = api("GET", SETTINGS).json()
    assert answer["settings"] is None
    assert answer["callback_url"].startswith(sandbox.url)
    assert sandbox.state.applications() == []
    assert api("GET", f"{SETTINGS}/outbound-trunks").status_code == 422
    saved = api.write().json()
    assert "warning" not in saved
    assert saved["settings"]["is_configured"] is False
    assert sandbox.state.applications() == []  # without a domain there is nothing to do


def test_absent_keeps_null_erases_and_unknown_is_left_out(api: Api) -> None:
    before = api.read()
    assert api.write(no_answer_timeout="61", domain_name=None, color="red").status_code == 200
    after = api.read()
    assert (after["no_answer_timeout"], after["recording_format"]) == (61, "mp3")
    assert after["domain_name"] is None
    assert after["domain_uuid"] == before["domain_uuid"]
    assert "color" not in after
    assert after["created_at"] == before["created_at"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("no_answer_timeout", 4),
        ("no_answer_timeout", 121),
        ("no_answer_timeout", None),
        ("no_answer_timeout", "soon"),
        ("no_answer_timeout", True),
        ("recording_format", "ogg"),
        ("recording_format", None),
        ("domain_uuid", "sandbox.cloudonix.net"),
        ("domain_name", 7),
        ("domain_api_key", "x" * 256),
        ("webhook_base_url", "pbx.example.com"),
    ],
)
def test_a_bad_value_is_named_and_nothing_is_saved(api: Api, field: str, value: object) -> None:
    before = api.read()
    answer = api.write(**{field: value})
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [field]
    assert answer.json()["message"] == answer.json()["errors"][field][0]
    assert api.read() == before


def test_july_ignores_a_mask_and_takes_a_key(api: Api, july: RunningSandbox) -> None:
    before = api.read()
    assert api.write(**{name: before[name] for name in before if "key" in name}).status_code == 200
    assert api.read()["domain_requests_api_key"] == before["domain_requests_api_key"]
    assert "warning" not in api.write(domain_requests_api_key="another-key-of-26-characters").json()
    assert api.read()["domain_requests_api_key"] == "anot***ters"
    stored: Any = july.state.domain()
    assert stored["profile"]["authorization-api-key"] == "another-key-of-26-characters"


@STATES
def test_saving_again_updates_the_application_and_takes_the_calls_back(
    launch: Launch, http: httpx.Client, state: str
) -> None:
    sandbox = launch(f"opbx={state}", opbx=True)
    sandbox.state.set_profile_keys({"customer": {"nested": 1}})
    sandbox.state.add_application("ivr", url="https://ivr.example.com/")
    sandbox.state.set_default_application("ivr")
    saved = Api(http, sandbox).write(webhook_base_url="https://pbx.example.com/").json()
    assert "warning" not in saved
    (application,) = opbx_applications(sandbox)
    assert application["url"] == "https://pbx.example.com/api/voice/route"
    stored: Any = sandbox.state.domain()
    assert stored["defaultApplication"] == application["id"]
    assert stored["profile"]["customer"] == {"nested": 1}
    assert stored["profile"]["cdr-endpoint"].startswith("https://pbx.example.com/api/")


def test_a_deleted_application_is_a_warning_in_january_and_made_anew_in_july(
    launch: Launch, http: httpx.Client
) -> None:
    sandbox = launch("opbx=january", opbx=True, rate_limit=False)
    api = Api(http, sandbox)
    (application,) = opbx_applications(sandbox)
    sandbox.state.delete_application(application["name"])
    assert "Cloudonix was not brought in line" in api.write().json()["warning"]
    sandbox.set_variants("opbx=july")
    assert "warning" not in api.write().json()
    (made,) = opbx_applications(sandbox)
    assert made["name"] != application["name"]
    sandbox.state.add_application("opbx-routing-application-of-opbx-cli", url="https://x.example/")
    sandbox.state.delete_application(made["name"])
    assert "warning" not in api.write().json()  # it takes over another one of its kind
    (adopted,) = opbx_applications(sandbox)
    assert adopted["name"] == "opbx-routing-application-of-opbx-cli"
    assert adopted["url"] == f"{sandbox.url}/api/voice/route"
    stored: Any = sandbox.state.domain()
    assert stored["defaultApplication"] == adopted["id"]


@pytest.mark.parametrize(
    "refusing",
    [
        "opbx-cloudonix=refused",
        "default-application=patch",
        "write-answer=empty",
    ],
)
def test_what_cloudonix_refuses_is_a_warning_and_saved_all_the_same(
    launch: Launch, http: httpx.Client, refusing: str
) -> None:
    sandbox = launch("opbx-settings=none", "fresh=none", refusing, opbx=True)
    domain = sandbox.domains[0]
    api = Api(http, sandbox)
    answer = api.write(domain_uuid=domain.uuid, domain_api_key=domain.api_key)
    assert answer.status_code == 200
    if refusing != "default-application=patch":  # that one is ignored without a word
        assert "Cloudonix" in answer.json()["warning"]
    assert api.read()["is_configured"] is True
    assert sandbox.state.domain()["defaultApplication"] is None


def test_opbx_changes_its_application_without_the_type_that_is_documented(
    api: Api, july: RunningSandbox
) -> None:
    assert "warning" not in api.write().json()
    july.set_variants("application-body=strict")
    assert "Missing: type" in api.write().json()["warning"]


def test_a_wrong_api_key_is_a_warning(api: Api, july: RunningSandbox) -> None:
    warning = api.write(domain_api_key="XI" + "0" * 32).json()["warning"]
    assert "Unauthorized" in warning


def test_cloudonix_faults_reach_opbx(api: Api, july: RunningSandbox) -> None:
    july.set_options(rate_limit=False)
    for fault in ("hang", "close-before", "truncated", "html", "array", "redirect"):
        july.set_faults(f"update-domain={fault}")
        assert api.write().status_code == 200
    july.set_faults("update-domain=hang")
    assert "it did not answer" in api.write().json()["warning"]


def test_in_july_the_variable_wins_over_the_settings(launch: Launch, http: httpx.Client) -> None:
    sandbox = launch("opbx-base-url=variable", opbx=True)
    api = Api(http, sandbox)
    answer = api("GET", SETTINGS).json()
    assert answer["callback_url"].startswith("https://variable.example.com/api/")
    assert answer["settings"]["webhook_base_url"] == sandbox.url
    (application,) = opbx_applications(sandbox)
    assert application["url"] == "https://variable.example.com/api/voice/route"
    sandbox.set_variants("opbx=january")
    assert api("GET", SETTINGS).json()["callback_url"].startswith(sandbox.url)


def test_validate_tries_a_key_and_saves_nothing(api: Api, july: RunningSandbox) -> None:
    domain = july.domains[0]
    before = api.read()
    tried = {"domain_uuid": domain.uuid, "domain_api_key": domain.api_key}
    good = api("POST", f"{SETTINGS}/validate", tried)
    assert good.status_code == 200
    assert good.json()["profile_settings"] == {"domain_name": domain.name}
    bad = api("POST", f"{SETTINGS}/validate", tried | {"domain_api_key": "XI-another"})
    assert (bad.status_code, bad.json()["valid"]) == (422, False)
    assert set(api("POST", f"{SETTINGS}/validate", {}).json()["errors"]) == set(tried)
    assert api.read() == before


def test_the_trunks_are_those_for_outbound_calls(api: Api, july: RunningSandbox) -> None:
    found = api("GET", f"{SETTINGS}/outbound-trunks").json()
    assert found["count"] == len(found["trunks"]) == 4
    assert {one["direction"] for one in found["trunks"]} == {"outbound", "public-outbound"}
    july.set_faults("list-trunks=503")
    failed = api("GET", f"{SETTINGS}/outbound-trunks")
    assert (failed.status_code, failed.json()["error"]) == (500, "Failed to fetch outbound trunks")


def test_faults_have_the_shapes_of_opbx(api: Api, july: RunningSandbox) -> None:
    july.set_faults("opbx-read-settings=429:7")
    answer = api("GET", SETTINGS)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.json() == {"message": "Too Many Requests"}
    july.set_faults("opbx-read-settings=html")
    assert api("GET", SETTINGS).text.startswith("<!DOCTYPE html>")
    july.set_faults("opbx-any=echo-key")
    assert OWNER.token in api("GET", SETTINGS).text
    assert OWNER.password in api.sign_in().text
    july.set_faults("any=500")
    api.token = OWNER.token
    assert api("GET", SETTINGS).status_code == 200  # `any` is any of Cloudonix's


def test_a_fault_behind_a_write_lets_it_happen(api: Api, july: RunningSandbox) -> None:
    july.set_faults("opbx-write-settings=close-after*1")
    with pytest.raises(httpx.RemoteProtocolError):
        api.write(no_answer_timeout=99)
    assert api.read()["no_answer_timeout"] == 99
    july.set_faults("opbx-write-settings=close-before*1")
    with pytest.raises(httpx.RemoteProtocolError):
        api.write(no_answer_timeout=98)
    assert api.read()["no_answer_timeout"] == 99


def test_what_came_in_is_recorded_by_the_names_of_the_calls(api: Api, july: RunningSandbox) -> None:
    api.read()
    api.write()
    api("GET", "nothing/here")
    calls = [str(request.call) for request in july.requests]
    assert calls == ["opbx-read-settings", "opbx-write-settings", "unknown"]
