"""`opbx detach`: calls go back where they went before, and what is OPBX's goes from Cloudonix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from detaching import (
    CDR,
    IVR_URL,
    KEY,
    SESSION_UPDATE,
    add_ivr,
    callback_keys,
    in_charge,
    ours,
    remembered,
)
from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx
from validation import (
    VOICE,
    remote_applications,
    remote_domain,
    statuses,
    step,
    writes,
)


def test_calls_go_back_to_where_they_went(attached: Opbx, sandbox: RunningSandbox) -> None:
    before = remote_domain(sandbox)["profile"]
    outcome = attached("detach", "--yes", "--json")
    assert outcome.code == 0, outcome.stderr
    document = outcome.document
    assert document.keys() == {"schema", "profile", "domain", "result", "steps", "warnings"}
    assert (document["schema"], document["result"]) == ("opbx.detach/1", "ok")
    assert list(statuses(outcome).items()) == [
        ("connect", "ok"),
        ("domain", "ok"),
        ("default-application", "updated"),
        ("domain-profile", "updated"),
        ("voice-application", "updated"),
        ("save", "updated"),
    ]
    assert in_charge(sandbox) == "ivr-2019"
    assert callback_keys(sandbox) == {}
    after = remote_domain(sandbox)["profile"]
    assert {name: after[name] for name in ("crm", "call-timeout", "recording-media-type")} == {
        name: before[name] for name in ("crm", "call-timeout", "recording-media-type")
    }
    assert ours(sandbox)["active"] is False
    assert (ours(sandbox)["url"], ours(sandbox)["method"]) == (VOICE, "POST")
    (calls,) = step(outcome, "default-application")["changes"]
    assert (calls["path"], calls["to"]) == ("default_application", "ivr-2019")
    keys = {change["path"]: change for change in step(outcome, "domain-profile")["changes"]}
    assert keys["domain_profile.authorization-api-key"]["from"]["fingerprint"].startswith("fp:")
    assert keys["domain_profile.authorization-api-key"]["to"] is None
    assert remembered(attached) is None


def test_calls_leave_before_the_key_and_the_key_before_the_application(
    attached: Opbx, sandbox: RunningSandbox
) -> None:
    assert attached("detach", "--yes").code == 0
    bodies: list[Any] = [request.body for request in sandbox.requests if request.method != "GET"]
    assert writes(sandbox) == ["update-domain", "update-domain", "update-application"]
    assert bodies[0].keys() == {"defaultApplication"}
    assert bodies[1]["profile"][KEY] is None
    assert bodies[1]["profile"]["crm"] == "kept"
    assert bodies[2]["active"] is False


def test_a_second_run_has_nothing_to_do(attached: Opbx, sandbox: RunningSandbox) -> None:
    assert attached("detach", "--yes").code == 0
    sandbox.forget_requests()
    outcome = attached("detach", "--json")  # so that it asks nothing
    assert (outcome.code, writes(sandbox)) == (0, [])
    assert set(statuses(outcome).values()) == {"ok", "unchanged"}
    assert outcome.document["warnings"] == []
    assert attached("detach", "--check").code == 0
    assert "Nothing to do: OPBX is not in sandbox.cloudonix.net." in attached("detach").stdout


def test_validate_attaches_again(attached: Opbx, sandbox: RunningSandbox) -> None:
    key = remote_domain(sandbox)["profile"][KEY]
    profile = attached("profiles", "show", "--json").document
    assert attached("detach", "--yes").code == 0
    assert attached("profiles", "show", "--json").document == profile
    first = attached("validate", "--json")
    assert first.code == 9  # the calls are somebody's again
    assert "somebody" not in first.stdout  # who set the application inactive? This one did
    outcome = attached("validate", "--replace-default", "--json")
    assert outcome.code == 0
    assert in_charge(sandbox) == ours(sandbox)["name"]
    assert len(remote_applications(sandbox)) == 2
    assert remote_domain(sandbox)["profile"][KEY] == key
    assert remembered(attached)["name"] == "ivr-2019"
    assert attached("detach", "--yes").code == 0
    assert in_charge(sandbox) == "ivr-2019"


def test_check_writes_nothing(attached: Opbx, sandbox: RunningSandbox) -> None:
    store = (attached.home / "store.toml").read_bytes()
    domain = remote_domain(sandbox)
    outcome = attached("detach", "--check", "--json")
    assert (outcome.code, outcome.document["result"]) == (8, "differs")
    assert list(statuses(outcome).values()) == ["ok", "ok", *["differs"] * 3, "skipped"]
    assert writes(sandbox) == []
    assert remote_domain(sandbox) == domain
    assert (attached.home / "store.toml").read_bytes() == store
    text = attached("detach", "--check")
    assert "\n5 changes would detach sandbox.cloudonix.net; run `opbx detach`.\n" in text.stdout


def test_without_a_yes_nothing_is_done(attached: Opbx, sandbox: RunningSandbox) -> None:
    outcome = attached("detach")
    assert outcome.code == 2
    assert "Calls go to application 'ivr-2019' (now: application 'opbx-" in outcome.stderr
    assert "hint: `opbx detach --yes`" in outcome.stderr
    assert attached("detach", "--json").error["code"] == "usage.wants_yes"
    assert writes(sandbox) == []


def test_the_audit_trail_has_it(attached: Opbx) -> None:
    assert attached("detach", "--yes").code == 0
    entry = attached("profiles", "history", "--json").document["entries"][-1]
    assert (entry["command"], entry["result"]) == ("detach", "ok")
    key = "domain_profile.authorization-api-key"
    assert {"default_application", "voice_application.active", key} <= set(entry["changed"])
    assert entry["fingerprints"][key]["to"] is None


def test_the_application_is_deleted_on_request(attached: Opbx, sandbox: RunningSandbox) -> None:
    outcome = attached("detach", "--yes", "--delete-application", "--json")
    assert outcome.code == 0
    assert writes(sandbox)[-1] == "delete-application"
    assert ours(sandbox) is None
    assert "deleted" in step(outcome, "voice-application")["detail"]
    assert attached("profiles", "show", "--json").document["voice_application"] is None
    assert attached("detach", "--delete-application").code == 0
    assert attached("validate", "--replace-default").code == 0
    assert ours(sandbox)["active"] is True


@pytest.mark.parametrize("option", ["--delete-application", None])
def test_a_second_application_of_opbx_is_named_and_retired_by_the_next_run(
    attached: Opbx, sandbox: RunningSandbox, option: str | None
) -> None:
    """As where OPBX itself made one, which has the calls, beside the one of this store."""
    voice = f"{WEBHOOK_BASE_URL}/api/voice/route"
    second = "opbx-routing-application-0"
    sandbox.state.add_application(second, url=voice)
    sandbox.state.set_default_application(second)
    argv = ("detach", "--yes", *([option] if option else []))
    outcome = attached(*argv, "--json")
    assert outcome.code == 0, outcome.stderr
    (warning,) = (one for one in outcome.document["warnings"] if "another application" in one)
    hint = " ".join(["opbx", "detach", *([option] if option else [])])
    assert f"`{hint}` would" in warning
    again = attached(*argv, "--json")
    assert (again.code, again.document["warnings"]) == (0, [])
    left = [one for one in sandbox.state.applications() if one["url"] == voice]
    assert [one["active"] for one in left] == ([] if option else [False, False])


def test_one_that_was_left_inactive_is_deleted_later(
    attached: Opbx, sandbox: RunningSandbox
) -> None:
    assert attached("detach", "--yes").code == 0
    assert attached("detach", "--yes", "--delete-application").code == 0
    assert ours(sandbox) is None


def test_where_no_application_had_the_calls_none_has_them_again(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.state.set_default_application(None)
    assert configured("validate").code == 0
    outcome = configured("detach", "--yes")
    assert outcome.code == 0
    assert remote_domain(sandbox)["defaultApplication"] is None
    assert "calls go to no application" in outcome.stdout


def test_cloudonixs_own_application_gets_the_calls_back(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    before = remote_domain(sandbox)["defaultApplication"]
    assert configured("validate").code == 0
    assert configured("detach", "--yes").code == 0
    assert remote_domain(sandbox)["defaultApplication"] == before
    assert configured("detach", "--check").code == 0


def test_an_application_that_is_gone_wants_a_choice(
    attached: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.state.delete_application("ivr-2019")
    assert attached("detach", "--check").code == 8
    outcome = attached("detach", "--yes", "--json")
    assert (outcome.code, outcome.error["code"]) == (9, "detach.wants_choice")
    assert "application 'ivr-2019' (id" in outcome.error["message"]
    assert "`opbx detach --to-none`" in outcome.error["hint"]
    assert list(statuses(outcome).values()) == ["ok", "ok", *["skipped"] * 4]
    assert writes(sandbox) == []
    assert callback_keys(sandbox).keys() == {CDR, SESSION_UPDATE, KEY}
    assert attached("detach").code == 9  # nothing would be written, so that nothing is asked
    assert attached("detach", "--to-none", "--yes").code == 0
    assert remote_domain(sandbox)["defaultApplication"] is None
    assert callback_keys(sandbox) == {}


def test_calls_can_go_to_another_application(attached: Opbx, sandbox: RunningSandbox) -> None:
    sandbox.state.add_application("ivr-2026", url=IVR_URL)
    unknown = attached("detach", "--to", "no-such", "--yes", "--json")
    assert (unknown.code, unknown.error["code"]) == (5, "application.not_found")
    assert "ivr-2019, ivr-2026" in unknown.error["hint"]
    assert writes(sandbox) == []
    assert attached("detach", "--to", "x", "--to-none").code == 2
    assert attached("detach", "--to", "ivr-2026", "--yes").code == 0
    assert in_charge(sandbox) == "ivr-2026"


def test_an_inactive_application_gets_the_calls_with_a_warning(
    attached: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.state.edit_application("ivr-2019", active=False)
    outcome = attached("detach", "--yes")
    assert outcome.code == 0
    assert "application 'ivr-2019' is not active: calls would not be answered" in outcome.stderr


def test_without_a_store_there_is_nothing_to_go_back_to(storeless: Opbx) -> None:
    outcome = storeless("detach", "--yes")
    assert outcome.code == 2
    assert "without a store nothing is remembered" in outcome.stderr


def test_the_last_one_who_had_the_calls_is_remembered(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    ivr = add_ivr(sandbox)
    assert configured("validate").code == 9
    assert remembered(configured) is None  # nothing is taken without a yes
    assert configured("validate", "--replace-default").code == 0
    expected = {"id": ivr["id"], "uuid": ivr["uuid"], "name": "ivr-2019", "type": "cxml"}
    assert remembered(configured) == expected
    assert configured("validate", "--replace-default").code == 0
    assert remembered(configured) == expected
    add_ivr(sandbox, "ivr-2020")
    assert configured("validate").code == 9
    assert remembered(configured) == expected
    assert configured("validate", "--replace-default").code == 0
    assert remembered(configured)["name"] == "ivr-2020"
    assert configured("detach", "--yes").code == 0
    assert in_charge(sandbox) == "ivr-2020"


@pytest.mark.parametrize("nobodys", [None, "built-in"])
def test_calls_that_nobody_had_do_not_make_an_earlier_owner_forgotten(
    configured: Opbx, sandbox: RunningSandbox, nobodys: str | None
) -> None:
    built_in = remote_domain(sandbox)["application"]["name"]
    add_ivr(sandbox)
    assert configured("validate", "--replace-default").code == 0
    sandbox.state.set_default_application(nobodys and built_in)
    assert configured("validate").code == 0
    assert configured("detach", "--yes").code == 0
    assert in_charge(sandbox) == "ivr-2019"


def test_a_second_takeover_that_is_refused_leaves_what_is_remembered(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    add_ivr(sandbox)
    assert configured("validate", "--replace-default").code == 0
    add_ivr(sandbox, "ivr-2020")
    sandbox.set_faults("update-domain=400*9@1")
    assert configured("validate", "--replace-default").code != 0
    assert remembered(configured)["name"] == "ivr-2019"


def test_that_nobody_had_the_calls_is_remembered_too(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.state.set_default_application(None)
    assert configured("validate").code == 0
    assert remembered(configured) == {}
    assert configured("configure", "--no-answer-timeout", "33").code == 0
    assert configured("validate").code == 0
    assert remembered(configured) == {}


def test_cloudonixs_own_application_is_remembered_as_that(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    built_in = remote_domain(sandbox)["application"]
    assert configured("validate").code == 0
    assert remembered(configured) == {key: built_in[key] for key in ("id", "uuid", "name", "type")}


@pytest.mark.parametrize(("fault", "is_kept"), [("400", False), ("hang-after", True)])
def test_a_takeover_that_is_refused_is_not_remembered(
    configured: Opbx, sandbox: RunningSandbox, fault: str, *, is_kept: bool
) -> None:
    add_ivr(sandbox)
    sandbox.set_faults(f"update-domain={fault}*9@2")
    outcome = configured("validate", "--replace-default", CLOUDONIX_API_TIMEOUT="0.2")
    assert (remembered(configured) is not None) == is_kept, outcome.stderr


def test_a_domain_of_opbxs_own_has_nothing_to_be_remembered(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    """OPBX itself had the calls: who had them before that, nobody here knows."""
    name = "opbx-routing-application-made4opbx"
    sandbox.state.add_application(name, url="https://pbx.example.com/api/voice/route")
    sandbox.state.set_default_application(name)
    assert configured("validate", "--replace-webhook-key").code == 0
    assert remote_domain(sandbox)["defaultApplication"]
    assert remembered(configured) is None


def test_apply_remembers_as_validate_does(
    opbx: Opbx, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    add_ivr(sandbox)
    domain = sandbox.domains[0]
    manifest = tmp_path / "domains.toml"
    manifest.write_text(
        f'[profile."acme"]\ndomain_uuid = "{domain.uuid}"\ndomain_api_key_env = "KEY"\n'
        f'webhook_base_url = "{WEBHOOK_BASE_URL}"\napi_base_url = "{sandbox.url}"\n'
    )
    assert opbx("apply", str(manifest), "--replace-default", KEY=domain.api_key).code == 0
    assert remembered(opbx, "acme")["name"] == "ivr-2019"
    assert opbx("apply", str(manifest), KEY=domain.api_key).code == 0
    assert opbx("detach", "-p", "acme", "--yes").code == 0
    assert in_charge(sandbox) == "ivr-2019"


def test_an_ambiguous_name_is_no_choice(attached: Opbx, sandbox: RunningSandbox) -> None:
    first = sandbox.state.add_application("twice", url=IVR_URL)
    sandbox.state.add_application("twice", url=IVR_URL)
    outcome = attached("detach", "--to", "twice", "--yes", "--json")
    assert (outcome.code, writes(sandbox)) == (2, [])
    assert str(first["id"]) in outcome.error["message"]
    own = attached("detach", "--to", ours(sandbox)["name"], "--yes")
    assert own.code == 5
    assert attached("detach", "--to", str(first["id"]), "--yes").code == 0
    assert remote_domain(sandbox)["defaultApplication"] == first["id"]
