"""What the plan decides, one domain at a time: which application, what is written, what is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opbx_cli.models import (
    ApplicationReference,
    CallsBefore,
    KeyMemory,
    KeyState,
    RemoteId,
    Secret,
)
from opbx_cli.operations.validate.desired import Change, Choices, Desired
from opbx_cli.operations.validate.key_ownership import OPBX_PREFIX, KeyAction, KeyChoice, KeyOwner
from opbx_cli.operations.validate.plan import Plan, application_name, plan
from opbx_cli.operations.validate.takeover import CallsChoice, Taken
from opbx_cli.remote import Domain, DomainProfile, Snapshot, VoiceApplication
from opbx_cli.webhooks.endpoints import endpoints

UUID = "6b1f0c2e-0000-4000-8000-000000000000"
URLS = endpoints("https://pbx.example.com")
NAME = application_name(UUID)
OWN, THEIRS = Secret("own-key-0123456789abcdef"), Secret("their-key-0123456789abcde")
MASKED = Secret("************abcd")
SESSION = "session-update-endpoint"
KEY = "authorization-api-key"
DESIRED = Desired(
    UUID,
    URLS,
    webhook_key=OWN,
    profile_option=" --profile acme",
    values={"call-timeout": 45, "recording-media-type": "wav"},
)
IN_LINE = DomainProfile(
    values={"call-timeout": 45, "recording-media-type": "wav"},
    session_update_endpoint=URLS.session_update,
    cdr_endpoint=URLS.cdr,
    authorization_api_key=OWN,
    raw={"crm": "kept"},
)


def app(number: RemoteId, name: str = NAME, **changed: Any) -> VoiceApplication:
    whole: dict[str, Any] = {"type": "cxml", "url": URLS.voice, "method": "POST", "active": True}
    return VoiceApplication(id=number, name=name, **(whole | changed))


def planned(
    *applications: VoiceApplication,
    desired: Desired = DESIRED,
    choices: Choices | None = None,
    profile: DomainProfile = IN_LINE,
    **domain: Any,
) -> Plan:
    return plan(desired, Snapshot(Domain(UUID, profile=profile, **domain), applications), choices)


def test_a_fresh_domain_gets_all_and_each_change_is_named_once() -> None:
    made = replace(DESIRED, key_memory=KeyMemory.of(OWN, KeyState.GENERATED))
    result = planned(desired=made, profile=DomainProfile())
    assert result.application is None
    assert (result.is_stored, result.doubles, result.takeovers) == (False, (), ())
    assert result.application_changes == (
        Change("voice_application.name", None, NAME),
        Change("voice_application.url", None, URLS.voice),
    )
    written = {
        "call-timeout": 45,
        "recording-media-type": "wav",
        SESSION: URLS.session_update,
        "cdr-endpoint": URLS.cdr,
        KEY: OWN,
    }
    assert result.profile_writes == written
    assert [(change.path, change.before, change.after) for change in result.profile_changes] == [
        (f"domain_profile.{name}", None, value) for name, value in written.items()
    ]
    assert (result.kept_changes, result.profile_problem, result.warnings) == ((), None, ())
    assert result.key.action is KeyAction.SEND
    assert result.default_changes == (Change("default_application", None, NAME, url=URLS.voice),)
    assert result.calls_before == CallsBefore(None)
    assert not result.is_empty


def test_a_domain_in_line_has_nothing_to_do() -> None:
    stored = replace(DESIRED, application=ApplicationReference(7, None, NAME))
    result = planned(app(7), desired=stored, default_application=7)
    assert result.is_empty
    assert result.application == app(7)
    assert result.is_stored
    assert (result.application_drift, result.calls_before) == (None, None)
    assert (result.profile, result.profile_changes) == ({"crm": "kept"}, ())
    assert result.default_changes == ()
    assert (result.key.owner, result.key.action) == (KeyOwner.IN_FORCE, KeyAction.NOTHING)
    assert (result.warnings, result.takeovers, result.taken) == ((), (), frozenset())
    assert not planned(app(7), desired=DESIRED, default_application=7).is_stored
    other = replace(DESIRED, application=ApplicationReference(8, None, NAME))
    assert not planned(app(7), desired=other, default_application=7).is_stored


def test_an_unset_setting_follows_the_domain_within_the_limits_or_is_the_default() -> None:
    unset = replace(DESIRED, values={})
    for there, wanted in ((100, 100), (121, 60), (None, 60)):
        values = {"call-timeout": there, "recording-media-type": "MP3"}
        result = planned(
            app(7), desired=unset, profile=replace(IN_LINE, values=values), default_application=7
        )
        path = "domain_profile.call-timeout"
        changes = () if there == wanted else (Change(path, there, wanted),)
        assert result.profile_changes == changes


def test_words_are_compared_without_their_case_and_what_is_not_shown_is_no_change() -> None:
    alike = app(7, type=" CXML ", method="post", active=None)
    hidden = app(7, type=None, method=None, active=None)
    for application in (alike, hidden):
        assert planned(application, default_application=7).application_changes == ()
    different = app(7, type="twiml", url=None, method="GET", active=False)
    assert planned(different, default_application=7).application_changes == (
        Change("voice_application.type", "twiml", "cxml"),
        Change("voice_application.url", None, URLS.voice),
        Change("voice_application.method", "GET", "POST"),
        Change("voice_application.active", False, True),
    )
    profile = replace(IN_LINE, values={"call-timeout": 45, "recording-media-type": " WAV "})
    assert planned(app(7), profile=profile, default_application=7).profile_changes == ()


def test_of_one_name_the_oldest_is_used_whoever_is_stored() -> None:
    many = (
        app(9),
        app("b", created_at="2026-01-02"),
        app("a", created_at="2026-01-02"),
        app("c", created_at="2026-01-01"),
        app("d"),
        app(8, created_at="2026-03-01"),
    )
    stored = replace(DESIRED, application=ApplicationReference(9, None, NAME))
    result = planned(*many, desired=stored)
    assert result.application == app(8, created_at="2026-03-01")
    assert [entry.id for entry in result.doubles] == [9, "d", "c", "a", "b"]
    listed = ", ".join(f"{NAME} (id {number})" for number in (9, "d", "c", "a", "b"))
    assert result.warnings == (
        f"more applications of OPBX's than one; not used, and left as they are: {listed}",
    )


OTHERS = [OPBX_PREFIX + letter for letter in "wxyz"]


@pytest.mark.parametrize(
    ("applications", "stored", "default", "chosen"),
    [
        # It has the calls and our URL: OPBX put it in charge.
        ([app(1, OTHERS[0]), app(2, OTHERS[1])], 1, 2, 2),
        # It has the calls and another URL: the stored one stays.
        ([app(1, OTHERS[0]), app(2, OTHERS[1], url="https://old.example.com")], 1, 2, 1),
        ([app(1, "renamed", url=None), app(2, OTHERS[1])], 1, None, 1),
        # The stored one is gone: that of the calls, of our URL, the newest, the highest id.
        ([app(1, OTHERS[0]), app(2, OTHERS[1], url="https://old.example.com")], 9, 2, 2),
        ([app(1, OTHERS[0]), app(2, OTHERS[1], url="https://old.example.com")], 9, None, 1),
        ([app(1, OTHERS[0], created_at="2026-02"), app(2, OTHERS[1], created_at="2026-01")],
         None, None, 1),
        ([app(1, OTHERS[0], created_at="2026-02"), app(2, OTHERS[1])], None, None, 1),
        ([app(1, OTHERS[0]), app(2, OTHERS[1])], None, None, 2),
        ([app("x", OTHERS[0]), app(1, OTHERS[1])], None, None, 1),
        ([app(1, OTHERS[0]), app("x", OTHERS[1])], None, None, 1),
        ([app(1, "ivr"), app(2, "crm")], None, 1, None),
    ],
    ids=range(11),
)  # fmt: skip
def test_which_application_is_used(
    applications: list[VoiceApplication], stored: int | None, default: int | None, chosen: int
) -> None:
    reference = None if stored is None else ApplicationReference(stored, None, "stored")
    result = planned(
        *applications,
        desired=replace(DESIRED, application=reference),
        default_application=default,
    )
    assert (result.application.id if result.application else None) == chosen
    ours = [one for one in applications if one.name.startswith(OPBX_PREFIX)]
    left = [one.id for one in ours if one.id != chosen]
    said = "".join(result.warnings)
    assert all(f"(id {number})" in said for number in left)
    assert bool(said) == bool(left)
    assert f"(id {chosen})" not in said


def test_the_domains_own_application_counts_before_the_list_shows_it() -> None:
    own = app(7)
    result = planned(application=own, default_application=7)
    assert (result.application, result.is_empty) == (own, True)
    result = planned(app(7, url="https://listed.example.com"), application=own)
    assert result.application == app(7, url="https://listed.example.com")
    assert result.doubles == ()


def test_somebodys_calls_and_callbacks_are_taken_with_a_yes_alone() -> None:
    ivr = app(3, "ivr", url="https://ivr.example.com")
    theirs = replace(
        IN_LINE,
        values={"call-timeout": 30, "recording-media-type": "wav"},
        session_update_endpoint="https://crm.example.com/session",
        cdr_endpoint="https://crm.example.com/cdr",
    )
    changes = {
        "domain_profile.call-timeout": Change("domain_profile.call-timeout", 30, 45),
        SESSION: Change(
            f"domain_profile.{SESSION}", theirs.session_update_endpoint, URLS.session_update
        ),
        "cdr": Change("domain_profile.cdr-endpoint", theirs.cdr_endpoint, URLS.cdr),
    }
    timeout, session, cdr = changes.values()
    asked = planned(ivr, profile=theirs, default_application=3)
    assert asked.taken == {Taken.DEFAULT_APPLICATION, Taken.SESSION_UPDATES, Taken.CALL_RECORDS}
    assert asked.profile_changes == (timeout,)
    assert asked.kept_changes == (session, cdr)
    assert asked.profile_writes == {"call-timeout": 45, KEY: OWN}
    assert asked.default_changes == (Change("default_application", "ivr", NAME, url=URLS.voice),)
    assert {one.wanted for one in asked.takeovers} == set(URLS)
    assert asked.calls_before == CallsBefore(3, None, "ivr", "cxml")

    yes = Choices(calls=CallsChoice.SWITCH)
    taken = planned(ivr, profile=theirs, choices=yes, default_application=3)
    assert taken.profile_changes == (timeout, session, cdr)
    assert taken.kept_changes == ()
    for calls in (CallsChoice.PREPARE, CallsChoice.NOTHING):
        kept = planned(ivr, profile=theirs, choices=Choices(calls=calls), default_application=3)
        assert kept.kept_changes == (session, cdr)

    one = replace(theirs, cdr_endpoint=None)
    asked = planned(ivr, profile=one, default_application=3)
    assert asked.kept_changes == (session,)
    assert asked.profile_changes == (timeout, Change("domain_profile.cdr-endpoint", None, URLS.cdr))


def test_what_this_store_put_in_force_moves_without_a_yes_where_its_url_was_chosen() -> None:
    old = endpoints("https://old.example.com")
    profile = replace(IN_LINE, session_update_endpoint=old.session_update, cdr_endpoint=old.cdr)
    sent = replace(DESIRED, sent_base_url="https://old.example.com")
    here = app(7, url=old.voice)
    moved = planned(here, desired=sent, profile=profile, default_application=7)
    assert (moved.takeovers, moved.kept_changes) == ((), ())
    everything = {Taken.APPLICATION_URL, Taken.SESSION_UPDATES, Taken.CALL_RECORDS}
    for other in (
        replace(sent, sent_base_url=None),
        replace(sent, sent_base_url="https://older.example.com"),
        replace(sent, is_url_chosen=False),
        replace(sent, rival_urls=("https://old.example.com",)),
    ):
        asked = planned(here, desired=other, profile=profile, default_application=7)
        assert asked.taken == everything


def test_calls_of_cloudonix_or_of_a_double_are_nobodys() -> None:
    own = app(3, "voicemail", type="Cloudonix:built-in", url=None)
    result = planned(app(7), own, default_application=3)
    assert result.takeovers == ()
    assert result.calls_before == CallsBefore(3, None, "voicemail", "Cloudonix:built-in")
    result = planned(app(8), app(9), default_application=9)
    assert (result.takeovers, result.calls_before) == ((), None)
    assert result.default_changes == (Change("default_application", NAME, NAME, url=URLS.voice),)


def test_an_application_that_nobody_can_see_is_named_by_its_id() -> None:
    result = planned(app(7), default_application=3)
    assert result.default_changes == (Change("default_application", 3, NAME, url=URLS.voice),)
    assert result.taken == {Taken.DEFAULT_APPLICATION}
    renamed = planned(app(7, OTHERS[0]), default_application=None)
    assert renamed.default_changes == (
        Change("default_application", None, OTHERS[0], url=URLS.voice),
    )


def key_plan(shown: Secret | None, *, choice: KeyChoice = KeyChoice.UNDECIDED, **wish: Any) -> Plan:
    return planned(
        app(7),
        desired=replace(DESIRED, **wish),
        choices=Choices(key=choice),
        profile=replace(IN_LINE, authorization_api_key=shown),
        default_application=7,
        application=app(7),
    )


def test_another_ones_key_is_asked_about_and_holds_every_write_of_the_profile_back() -> None:
    change = Change(f"domain_profile.{KEY}", THEIRS, OWN)
    wish: dict[str, Any] = {"values": {"call-timeout": 50, "recording-media-type": "wav"}}
    timeout = Change("domain_profile.call-timeout", 45, 50)
    asked = key_plan(THEIRS, **wish)
    assert (asked.key.owner, asked.key.action) == (KeyOwner.FOREIGN, KeyAction.ASK)
    assert (asked.key.shown, asked.key.own, asked.key.wanted) == (THEIRS, OWN, OWN)
    assert (asked.profile_changes, asked.kept_changes) == ((), (timeout, change))
    assert asked.profile_problem is None
    assert not key_plan(THEIRS).is_empty
    sent = key_plan(THEIRS, choice=KeyChoice.REPLACE, **wish)
    assert (sent.profile_changes, sent.kept_changes) == ((timeout, change), ())
    assert sent.profile_writes == {"call-timeout": 50, KEY: OWN}
    kept = key_plan(THEIRS, choice=KeyChoice.KEEP, **wish)
    assert (kept.key.action, kept.key.wanted) == (KeyAction.ADOPT, THEIRS)
    assert kept.profile_writes == {"call-timeout": 50, KEY: THEIRS}
    assert (kept.profile_changes, kept.kept_changes) == ((timeout,), ())
    assert not key_plan(THEIRS, choice=KeyChoice.KEEP).is_empty


def test_a_key_that_was_never_sent_makes_way_where_it_can_be_saved() -> None:
    made: dict[str, Any] = {"key_memory": KeyMemory.of(OWN, KeyState.GENERATED)}
    adopted = key_plan(THEIRS, **made)
    assert (adopted.key.action, adopted.key.wanted) == (KeyAction.ADOPT, THEIRS)
    assert adopted.warnings == ()


@pytest.mark.parametrize("is_saved", [True, False])
def test_a_key_that_cannot_be_told_is_left_alone_with_the_way_to_bring_it_here(
    is_saved: bool,
) -> None:
    place = {} if is_saved else {"webhook_key_place": "OPBX_WEBHOOK_API_KEY"}
    wish: dict[str, Any] = {
        **place,
        "values": {"call-timeout": 50},
        "command": "apply m.toml",
    }
    given = key_plan(None, **wish)
    assert (given.key.owner, given.key.action) == (KeyOwner.HIDDEN, KeyAction.LEAVE)
    assert given.profile_writes == {"call-timeout": 50}
    assert given.profile_problem is not None
    assert "could lose it" in given.profile_problem
    assert given.warnings == (
        "Cloudonix does not show which webhook key this domain has, so it cannot be told from the "
        f"one given here ({OWN.label}), and is left alone. If OPBX has the given one, "
        "`opbx apply m.toml --replace-webhook-key --profile acme` sends it",
    )
    made = key_plan(None, **wish, key_memory=KeyMemory.of(OWN, KeyState.GENERATED))
    stdin = "`opbx configure --webhook-key-stdin --profile acme`"
    here = stdin if is_saved else "OPBX_WEBHOOK_API_KEY"
    assert made.warnings == (
        "Cloudonix does not show which webhook key this domain has, and this one was never sent "
        "from here, so the domain's is left alone: OPBX may check calls with it. "
        f"{here} takes the key that OPBX has; --replace-webhook-key puts this one in force",
    )


def test_a_key_from_before_an_unfinished_rotation_is_ours_to_replace() -> None:
    rotating: dict[str, Any] = {
        "key_memory": KeyMemory.of(OWN, KeyState.ROTATING),
        "previous_key": THEIRS,
    }
    assert key_plan(THEIRS, **rotating).key.action is KeyAction.SEND


def test_a_key_that_is_replaced_is_not_lost_by_the_write() -> None:
    sent = key_plan(None, choice=KeyChoice.REPLACE)
    assert sent.key.action is KeyAction.SEND
    assert sent.profile_writes == {KEY: OWN}
    assert sent.profile_problem is None


def test_a_masked_key_is_kept_with_the_way_to_bring_it_here() -> None:
    kept = key_plan(MASKED, choice=KeyChoice.KEEP)
    assert (kept.key.owner, kept.key.action) == (KeyOwner.FOREIGN, KeyAction.LEAVE)
    assert kept.warnings == (
        "the domain's webhook key cannot be saved here, because Cloudonix shows it masked or opbx "
        "takes no such key. It is left alone; `opbx configure --webhook-key-stdin --profile acme` "
        "takes the key that OPBX has",
    )
    assert kept.profile_problem is None  # nothing is written
    storeless = key_plan(MASKED, choice=KeyChoice.KEEP, webhook_key_place="OPBX_WEBHOOK_API_KEY")
    assert storeless.warnings == ()
    short = key_plan(Secret("a b c"), choice=KeyChoice.KEEP)
    assert (short.key.action, len(short.warnings)) == (KeyAction.LEAVE, 1)
    shown = key_plan(THEIRS, choice=KeyChoice.KEEP, webhook_key_place="OPBX_WEBHOOK_API_KEY")
    assert (shown.key.action, shown.key.wanted) == (KeyAction.LEAVE, OWN)


def test_without_a_key_the_domains_stays_and_none_at_all_is_warned_of() -> None:
    wish: dict[str, Any] = {"webhook_key": None, "webhook_key_place": "OPBX_WEBHOOK_API_KEY"}
    left = key_plan(THEIRS, **wish, values={"call-timeout": 50})
    assert (left.key.owner, left.key.action) == (KeyOwner.NOT_ASKED, KeyAction.LEAVE)
    assert (left.warnings, left.profile_writes) == ((), {"call-timeout": 50})
    none = key_plan(None, **wish)
    assert none.warnings == (
        "Cloudonix shows no webhook key for this domain and none was given: "
        "OPBX will refuse callbacks that carry none (set OPBX_WEBHOOK_API_KEY)",
    )


def test_what_others_did_since_is_told() -> None:
    stored = replace(
        DESIRED,
        application=ApplicationReference(7, None, NAME),
        sent_base_url="https://pbx.example.com",
        key_memory=KeyMemory.of(OWN, KeyState.SHOWN),
    )
    moved = planned(app(7, url="https://else.example.com"), desired=stored, default_application=7)
    gone = planned(app(8, "ivr"), desired=stored, default_application=8)
    replaced = planned(
        app(7),
        desired=stored,
        profile=replace(IN_LINE, authorization_api_key=THEIRS),
        default_application=7,
    )
    assert moved.taken == {Taken.APPLICATION_URL}
    assert moved.calls_before is None  # it keeps them
    assert [bool(one.application_drift) for one in (moved, gone, replaced)] == [True, True, False]
    assert [bool(one.key.drift) for one in (moved, gone, replaced)] == [False, False, True]
