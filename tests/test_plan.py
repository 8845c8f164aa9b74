"""The plan's laws: nothing to do where all is done, and doing it leaves nothing to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from opbx_cli.models import Secret
from opbx_cli.operations.validate.desired import Choices, Desired
from opbx_cli.operations.validate.key_ownership import OPBX_PREFIX, KeyAction, KeyChoice
from opbx_cli.operations.validate.plan import Plan, application_name, plan
from opbx_cli.operations.validate.takeover import CallsChoice, Taken
from opbx_cli.remote import Domain, DomainProfile, Snapshot, VoiceApplication
from opbx_cli.webhooks.endpoints import endpoints

UUID = "6b1f0c2e-0000-4000-8000-000000000000"
YES = Choices(CallsChoice.SWITCH, KeyChoice.REPLACE)

texts = st.one_of(st.none(), st.text(max_size=12))
applications = st.builds(
    VoiceApplication,
    id=st.integers(1, 9),
    name=st.one_of(st.text(max_size=8), st.text(max_size=4).map(OPBX_PREFIX.__add__)),
    type=st.sampled_from([None, "cxml", "CXML", "twiml", "Cloudonix:built-in"]),
    url=texts,
    method=st.sampled_from([None, "POST", "post", "GET"]),
    active=st.sampled_from([None, True, False]),
    created_at=texts,
)
snapshots = st.builds(
    Snapshot,
    domain=st.builds(
        Domain,
        uuid=st.just(UUID),
        default_application=st.one_of(st.none(), st.integers(1, 9)),
        application=st.one_of(st.none(), applications),
        profile=st.builds(
            DomainProfile,
            values=st.fixed_dictionaries(
                {
                    "call-timeout": st.one_of(st.none(), st.integers(0, 400)),
                    "recording-media-type": st.sampled_from([None, "wav", "MP3", "ogg"]),
                }
            ),
            session_update_endpoint=texts,
            cdr_endpoint=texts,
            authorization_api_key=st.sampled_from([None, Secret("k" * 32), Secret("****kkkk")]),
        ),
    ),
    applications=st.lists(applications, max_size=5, unique_by=lambda entry: entry.id).map(tuple),
)
wishes = st.builds(
    Desired,
    domain_uuid=st.just(UUID),
    endpoints=st.just(endpoints("https://pbx.example.com")),
    webhook_key=st.sampled_from([None, Secret("k" * 32), Secret("other-key-0123456789")]),
    values=st.fixed_dictionaries(
        {},
        optional={
            "call-timeout": st.integers(5, 120),
            "recording-media-type": st.sampled_from(["wav", "mp3"]),
        },
    ),
)


def carried_out(planned: Plan, before: Snapshot) -> Snapshot:
    """The domain as it is when everything in the plan has been done to the letter."""
    spec = planned.spec
    old = planned.application or VoiceApplication(id=10, name=spec.name)
    new = replace(old, type=spec.type, url=spec.url, method=spec.method, active=spec.active)
    profile = before.domain.profile
    written: dict[str, Any] = dict(planned.profile_writes)
    values = {name: written.pop(name, value) for name, value in profile.values.items()}
    fields: dict[str, Any] = {name.replace("-", "_"): value for name, value in written.items()}
    return Snapshot(
        replace(
            before.domain,
            default_application=new.id,
            application=new,
            profile=replace(profile, values=values, **fields),
        ),
        (*(entry for entry in before.applications if entry.id != new.id), new),
    )


@given(desired=wishes, before=snapshots)
def test_a_plan_that_was_carried_out_is_empty(desired: Desired, before: Snapshot) -> None:
    planned = plan(desired, before, YES)
    after = plan(desired, carried_out(planned, before))
    assert after.is_empty, after
    assert after.takeovers == ()


@given(desired=wishes, before=snapshots)
def test_a_plan_names_each_difference_once(desired: Desired, before: Snapshot) -> None:
    planned = plan(desired, before)
    changes = (*planned.application_changes, *planned.profile_changes, *planned.default_changes)
    assert len({change.path for change in changes}) == len(changes)
    assert all(change.before != change.after for change in changes)


@given(desired=wishes, before=snapshots)
def test_an_application_that_is_nobodys_is_replaced_without_a_yes(
    desired: Desired, before: Snapshot
) -> None:
    planned = plan(desired, before)
    current = before.domain.default_application
    known = [*before.applications, *filter(None, [before.domain.application])]
    holder = next((entry for entry in known if entry.id == current), None)
    is_free = current is None or (
        holder is not None and (holder.type or "").startswith("Cloudonix:")
    )
    if is_free:
        assert Taken.DEFAULT_APPLICATION not in planned.taken
    elif holder is None or not holder.name.startswith(OPBX_PREFIX):
        assert (Taken.DEFAULT_APPLICATION in planned.taken) == bool(planned.default_changes)


@given(desired=wishes, before=snapshots)
def test_without_a_yes_nothing_of_somebodys_is_written(desired: Desired, before: Snapshot) -> None:
    planned = plan(desired, before)
    written = {change.path for change in planned.profile_changes}
    profile = before.domain.profile
    for kind, path, url in (
        (Taken.SESSION_UPDATES, "session-update-endpoint", profile.session_update_endpoint),
        (Taken.CALL_RECORDS, "cdr-endpoint", profile.cdr_endpoint),
    ):
        if kind in planned.taken:
            assert url
            assert f"domain_profile.{path}" not in written
            assert path not in planned.profile_writes
    if planned.key.action is KeyAction.ASK:
        assert not written


@given(desired=wishes, before=snapshots)
def test_a_known_webhook_key_goes_along_with_every_write_of_the_profile(
    desired: Desired, before: Snapshot
) -> None:
    planned = plan(desired, before, YES)
    if planned.profile_changes and desired.webhook_key is not None:
        assert planned.profile_writes["authorization-api-key"] == desired.webhook_key


def test_the_application_is_called_the_same_on_every_try() -> None:
    assert application_name(UUID) == application_name(UUID.upper())
    assert application_name(UUID) == "opbx-routing-application-7e91241f"
