"""`opbx key`: more ways to open the store, rotation, recovery."""

from __future__ import annotations

from typing import Any

import pytest

from opbx_cli.sandbox.server import RunningSandbox
from support import Opbx
from terminal import on_terminal


def keys(opbx: Opbx, **variables: str) -> list[dict[str, Any]]:
    outcome = opbx("key", "status", "--json", **variables)
    assert outcome.code == 0, outcome.stderr
    found: list[dict[str, Any]] = outcome.document["keys"]
    return found


def opens(opbx: Opbx, **variables: str) -> bool:
    return opbx("profiles", "list", **variables).code == 0


def key_files(opbx: Opbx) -> list[str]:
    return sorted(path.name for path in (opbx.home / "keys").iterdir())


def test_status_says_where_each_key_is_and_what_it_is_good_for(configured: Opbx) -> None:
    outcome = configured("key", "status", "--json")
    assert outcome.code == 0
    document = outcome.document
    assert document["schema"] == "opbx.keys/1"
    assert document["store"] == str(configured.home / "store.toml")
    assert document["generation"] == 1
    assert document["problem"] is None
    (key,) = document["keys"]
    assert key["kind"] == "keyfile"
    assert key["id"] == document["opened_with"]
    assert key["location"] == str(configured.home / "keys" / f"{key['id']}.key")
    assert key["is_at_hand"] is True
    assert "disk" in key["protects"]
    text = configured("key", "status").stdout
    assert text == f"{key['id']}\tkeyfile\topens it now\t{key['location']}\n"


def test_status_helps_when_nothing_opens_the_store(configured: Opbx) -> None:
    for path in (configured.home / "keys").iterdir():
        path.unlink()
    outcome = configured("key", "status", "--json")
    assert outcome.code == 0
    assert outcome.document["problem"]
    assert outcome.document["keys"][0]["is_at_hand"] is False


def test_an_external_key_is_printed_once_and_alone(configured: Opbx) -> None:
    outcome = configured("key", "add", "--kind", "external")
    assert outcome.code == 0
    assert outcome.stderr == ""
    key = outcome.stdout.removesuffix("\n")
    assert key.startswith("opbxk1_")
    assert "\n" not in key
    for path in (configured.home / "keys").iterdir():
        path.unlink()
    assert not opens(configured)
    assert opens(configured, OPBX_STORE_KEY=key)
    shown = configured("key", "status", "--json", OPBX_STORE_KEY=key)
    assert key not in shown.stdout
    assert [entry["kind"] for entry in shown.document["keys"]] == ["keyfile", "external"]


def test_a_second_key_file_and_the_removal_of_the_first(configured: Opbx) -> None:
    (first,) = keys(configured)
    assert configured("key", "add", "--kind", "keyfile").code == 0
    outcome = configured("key", "remove", first["id"])
    assert outcome.code == 2
    assert "--yes" in outcome.stderr
    assert configured("key", "remove", first["id"], "--yes").code == 0
    (second,) = keys(configured)
    assert key_files(configured) == [f"{second['id']}.key"]
    assert opens(configured)


def test_the_last_way_in_cannot_be_removed(configured: Opbx) -> None:
    (only,) = keys(configured)
    outcome = configured("key", "remove", only["id"], "--yes")
    assert outcome.code == 10
    assert opens(configured)


@pytest.mark.parametrize("argv", [["remove", "00000000", "--yes"], ["rotate", "--drop", "x"]])
def test_an_unknown_id_is_a_usage_error(configured: Opbx, argv: list[str]) -> None:
    assert configured("key", *argv).code == 2


def test_kinds_that_do_not_exist_are_refused(configured: Opbx) -> None:
    for kind in ("recovery", "nonsense", ""):
        outcome = configured("key", "add", "--kind", kind)
        assert outcome.code == 2
        assert "keyfile, external, passphrase, keyring" in outcome.stderr


def test_rotation_leaves_nothing_that_the_old_key_opens(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    assert configured("configure", "--no-answer-timeout", "30").code == 0
    (old,) = keys(configured)
    old_key = (configured.home / "keys" / f"{old['id']}.key").read_text().strip()
    outcome = configured("key", "rotate", "--json")
    assert outcome.code == 0, outcome.stderr
    assert outcome.document["schema"] == "opbx.key-rotation/1"
    (new,) = keys(configured)
    assert new["id"] != old["id"]
    assert key_files(configured) == [f"{new['id']}.key"]
    assert configured("profiles", "show", "--json").document["no_answer_timeout"] == 30
    assert not opens(configured, OPBX_STORE_KEY=old_key)
    backup, store = configured.home / "store.toml.bak", configured.home / "store.toml"
    store.write_bytes(backup.read_bytes())
    assert not opens(configured, OPBX_STORE_KEY=old_key)
    assert opens(configured)
    assert configured("validate").code == 0


def test_rotation_refuses_to_lose_a_key_that_is_not_at_hand(configured: Opbx) -> None:
    key = configured("key", "add", "--kind", "external").stdout.strip()
    external = next(entry for entry in keys(configured) if entry["kind"] == "external")
    outcome = configured("key", "rotate")
    assert outcome.code == 10
    assert external["id"] in outcome.stderr
    assert f"--drop {external['id']}" in outcome.stderr
    assert opens(configured, OPBX_STORE_KEY=key)
    assert configured("key", "rotate", "--drop", external["id"]).code == 0
    assert not opens(configured, OPBX_STORE_KEY=key)
    assert [entry["kind"] for entry in keys(configured)] == ["keyfile"]


def test_changes_of_keys_are_in_the_audit_trail(configured: Opbx) -> None:
    assert configured("key", "add", "--kind", "keyfile").code == 0
    assert configured("key", "rotate").code == 0
    entries = configured("profiles", "history", "--json").document["entries"]
    assert [entry["command"] for entry in entries] == ["configure", "key add", "key rotate"]


def test_a_passphrase_is_asked_for_twice_and_then_opens_the_store(configured: Opbx) -> None:
    environ = configured.process_environ()
    with on_terminal("key", "add", "--kind", "passphrase", environ=environ) as terminal:
        for question in ("New passphrase", "The same again"):
            terminal.expect(question)
            terminal.expect("(typing stays hidden): ")
            terminal.send("correct horse battery")
        shown = terminal.finish()
        assert terminal.exit_code == 0, shown
        assert "correct horse" not in shown
    for path in (configured.home / "keys").iterdir():
        path.unlink()
    assert configured("profiles", "list").code == 10
    for passphrase, code in (("wrong horse battery", 10), ("correct horse battery", 0)):
        with on_terminal("profiles", "list", environ=environ) as terminal:
            terminal.expect("Passphrase of the store (typing stays hidden): ")
            terminal.send(passphrase)
            terminal.finish()
            assert terminal.exit_code == code


def test_two_different_passphrases_change_nothing(configured: Opbx) -> None:
    before = (configured.home / "store.toml").read_bytes()
    environ = configured.process_environ()
    with on_terminal("key", "add", "--kind", "passphrase", environ=environ) as terminal:
        for answer in ("correct horse battery", "another horse battery"):
            terminal.expect("(typing stays hidden): ")
            terminal.send(answer)
        assert "nothing was changed" in terminal.finish()
        assert terminal.exit_code == 2
    assert (configured.home / "store.toml").read_bytes() == before


def test_without_a_terminal_no_passphrase_is_asked_for(configured: Opbx) -> None:
    outcome = configured("key", "add", "--kind", "passphrase")
    assert outcome.code == 2
    assert "terminal" in outcome.stderr


def test_a_recovery_key_is_shown_once_on_a_terminal(configured: Opbx) -> None:
    assert configured("key", "export-recovery").code == 2
    environ = configured.process_environ()
    with on_terminal("key", "export-recovery", environ=environ) as terminal:
        terminal.expect("[y/N] ")
        terminal.send("y")
        shown = terminal.finish()
        assert terminal.exit_code == 0
    (key,) = [line for line in shown.splitlines() if line.startswith("opbxk1_")]
    for path in (configured.home / "keys").iterdir():
        path.unlink()
    assert opens(configured, OPBX_STORE_KEY=key)
    assert [entry["kind"] for entry in keys(configured, OPBX_STORE_KEY=key)] == [
        "keyfile",
        "recovery",
    ]


def test_a_no_makes_no_recovery_key(configured: Opbx) -> None:
    with on_terminal("key", "export-recovery", environ=configured.process_environ()) as terminal:
        terminal.expect("[y/N] ")
        terminal.send("n")
        terminal.finish()
        assert terminal.exit_code == 2
    assert len(keys(configured)) == 1


def test_restore_brings_the_previous_save_back_after_showing_what_differs(
    configured: Opbx,
) -> None:
    assert configured("configure", "--no-answer-timeout", "30").code == 0
    assert configured("configure", "--no-answer-timeout", "40").code == 0
    refused = configured("profiles", "restore")
    assert refused.code == 2
    assert refused.stderr.startswith("profile default differs in no_answer_timeout\n")
    assert "40" not in refused.stderr
    assert configured("profiles", "restore", "--yes").code == 0
    assert configured("profiles", "show", "--json").document["no_answer_timeout"] == 30
    assert configured("profiles", "restore", "--yes").code == 0
    assert configured("profiles", "show", "--json").document["no_answer_timeout"] == 40


def test_restore_without_a_previous_save_is_a_configuration_error(configured: Opbx) -> None:
    assert configured("profiles", "restore", "--yes").code == 3


def test_restore_brings_a_removed_profile_back(configured: Opbx) -> None:
    assert configured("profiles", "remove", "default", "--yes").code == 0
    outcome = configured("profiles", "restore", "--yes")
    assert outcome.code == 0
    assert "profile default is new" in outcome.stderr
    assert "the default profile is default" in outcome.stderr
    assert configured("validate").code == 0


def test_a_key_ring_that_is_not_there_is_said_with_the_way_out(configured: Opbx) -> None:
    outcome = configured.process("key", "add", "--kind", "keyring")
    assert outcome.code == 10
    assert "key ring" in outcome.stderr or "keyring" in outcome.stderr
    assert opens(configured)
