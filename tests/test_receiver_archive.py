"""What `--save` keeps of callbacks: private, without keys, bounded, and never a reason to end."""

from __future__ import annotations

import json
import os
import resource
import stat
from pathlib import Path

import pytest

from opbx_cli.errors import ConfigurationError
from opbx_cli.values import parse_size
from opbx_cli.webhooks.receiver.archive import Archive
from opbx_cli.webhooks.receiver.save_limit import SaveLimit
from pbx import CDR, SESSION_UPDATE, VOICE
from receiving import BEARER, KEY, RECORD, as_json, asked, connected, receiving, request

CALL = {"To": "+15557654321", "From": "+15551234567", "CallStatus": "ringing", "Domain": "d.test"}


def test_bodies_and_headers_are_kept_without_keys(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "saved"
    secrets = {"X_Cx_Apikey": "XIapikey-0123456789", "Cookie": "c=cookie-0123456789"}
    twice = {"X_Forwarded": f"was Bearer {KEY}", "Proxy_Authorization": "Basic proxy-0123456789"}
    body = as_json({**CALL, "Session": KEY})
    old_umask = os.umask(0o777)
    try:
        with Archive(folder) as archive, receiving(archive=archive) as receiver:
            headers = {**BEARER, **secrets, **twice, "User_Agent": "Cloudonix"}
            asked(receiver.port, VOICE, body, **headers)
            asked(receiver.port, VOICE, body, **headers)
            asked(receiver.port, "/else", b"1", **headers)
    finally:
        os.umask(old_umask)
    names = sorted(path.name for path in folder.iterdir())
    assert names == [
        "20260102T030405.678000Z-000001-voice.body",
        "20260102T030405.678000Z-000001-voice.headers.json",
        "20260102T030405.678000Z-000002-voice.body",
        "20260102T030405.678000Z-000002-voice.headers.json",
    ]
    assert receiver.shown[0].saved == str(folder / names[0])
    assert (folder / names[0]).read_bytes() == body
    assert (folder / names[2]).read_bytes() == body
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    content = json.loads((folder / names[1]).read_text())
    assert ["user-agent", "Cloudonix"] in content["headers"]
    said = (folder / names[1]).read_text() + (folder / names[3]).read_text()
    for secret in (KEY, "0123456789"):
        assert secret not in said
    assert receiver.shown[0].call.id == "[hidden]"  # a key in a wrong place is not shown either


def test_of_a_refused_callback_the_headers_and_why_are_kept_and_not_its_body(
    tmp_path: Path,
) -> None:
    body = b"what-anybody-sent" * 10
    wrong = {"Authorization": "Bearer wrong-token-sK7q", "Cookie": "sK7q", "User_Agent": "a"}
    with Archive(tmp_path / "saved") as archive, receiving(archive=archive) as receiver:
        asked(receiver.port, VOICE, body)
        asked(receiver.port, SESSION_UPDATE, RECORD, **wrong)
        asked(receiver.port, CDR, body, **BEARER)
        asked(receiver.port, CDR, method="A" * 9000, X_Copy=KEY, **BEARER)
        asked(receiver.port, CDR, b" " * (2**20 + 1), **BEARER)
        asked(receiver.port, "/else", body)
    files = sorted((tmp_path / "saved").iterdir())
    assert [path.name[24:] for path in files] == [
        "000001-voice.refused.json",
        "000002-session-update.refused.json",
        "000003-cdr.refused.json",
        "000004-cdr.refused.json",
        "000005-cdr.refused.json",
    ]
    documents = [json.loads(path.read_text()) for path in files]
    assert [(one["http_status"], one["reason"]) for one in documents] == [
        (401, "no token"),
        (401, "wrong token"),
        (400, "bad JSON"),
        (405, "wrong method"),
        (413, "too large"),
    ]
    second, fourth = documents[1], documents[3]
    assert second["left_out"] == ["authorization", "cookie"]
    assert ["user-agent", "a"] in second["headers"]
    assert "x-copy" in fourth["left_out"]
    assert len(fourth["method"]) == 16
    said = "".join(path.read_text() for path in files)
    for text in (KEY, "sK7q", "what-anybody-sent"):
        assert text not in said
    assert [callback.saved for callback in receiver.shown] == [None] * 6


def test_what_is_kept_of_a_refused_callback_is_small_whatever_came(tmp_path: Path) -> None:
    many = {f"X{number}": "" for number in range(1500)}
    long = {"X_Long": "\xff" * 15_000, "X_Short": "1"}
    with Archive(tmp_path / "saved") as archive, receiving(archive=archive) as receiver:
        for headers in (many, long):
            assert asked(receiver.port, CDR, RECORD, **headers).status == 401
    first, second = sorted((tmp_path / "saved").iterdir())
    assert max(path.stat().st_size for path in (first, second)) <= 32 * 1024
    document = json.loads(first.read_text())
    assert document["cut"] + len(document["headers"]) == len(many) + 2
    assert json.loads(second.read_text())["cut"] == 1
    assert ["x-short", "1"] in json.loads(second.read_text())["headers"]


def test_a_folder_that_others_can_tamper_with_is_refused(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir(0o700)
    (tmp_path / "link").symlink_to(real)
    (tmp_path / "file").write_text("")
    for name in ("link", "file", "file/below", "\0"):
        with pytest.raises(ConfigurationError, match="--save: the folder cannot be used"):
            Archive(tmp_path / name)
    real.chmod(0o722)
    with pytest.raises(ConfigurationError, match="other users may write in it"):
        Archive(real)


def test_files_that_are_there_are_neither_followed_nor_overwritten(tmp_path: Path) -> None:
    folder, victim = tmp_path / "saved", tmp_path / "victim"
    archive = Archive(folder)
    (folder / "20260102T030405.678000Z-000001-cdr.body").symlink_to(victim)
    (folder / "20260102T030405.678000Z-000002-cdr.body").write_text("old")
    with receiving(archive=archive) as receiver:
        assert asked(receiver.port, CDR, RECORD, **BEARER).status == 200
    archive.close()
    assert not victim.exists()
    assert (folder / "20260102T030405.678000Z-000002-cdr.body").read_text() == "old"
    assert str(receiver.shown[0].saved).endswith("-000003-cdr.body")


def test_a_folder_that_was_swapped_gets_nothing(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "saved", tmp_path / "elsewhere"
    archive = Archive(folder)
    elsewhere.mkdir()
    folder.rename(tmp_path / "moved")
    folder.symlink_to(elsewhere)
    with receiving(archive=archive) as receiver:
        assert asked(receiver.port, CDR, RECORD, **BEARER).status == 200
    archive.close()
    assert list(elsewhere.iterdir()) == []
    assert len(list((tmp_path / "moved").iterdir())) == 2


def test_what_cannot_be_saved_is_not_taken_and_ends_it(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "saved")
    archive.close()  # every write to it fails from now on, as on a disk that went away
    with receiving(archive=archive) as receiver:
        answer = asked(receiver.port, CDR, RECORD, **BEARER)
    assert answer.status == 503
    (failure,) = receiver.failures
    assert failure.message.startswith("the callback could not be saved: ")
    assert receiver.shown == []


def saved(folder: Path, pattern: str) -> int:
    return len(list(folder.glob(pattern)))


def test_with_as_many_files_as_may_be_nothing_new_is_saved(tmp_path: Path) -> None:
    folder, warnings = tmp_path / "saved", list[str]()
    folder.mkdir(0o700)
    (folder / "of-yesterday").write_text("")
    limit = SaveLimit(files=6)
    with (
        Archive(folder, limit, warn=warnings.append) as archive,
        receiving(archive=archive) as receiver,
    ):
        for _ in range(4):
            assert asked(receiver.port, CDR, RECORD, **BEARER).status == 200
    assert (saved(folder, "*.body"), saved(folder, "*.headers.json")) == (2, 2)
    assert [callback.saved is not None for callback in receiver.shown] == [True, True, False, False]
    (warning,) = warnings
    assert "has reached its limit, 1 GiB and 6 files" in warning


def test_strangers_do_not_use_up_the_room_of_what_is_accepted(tmp_path: Path) -> None:
    folder, warnings = tmp_path / "saved", list[str]()
    limit = SaveLimit(files=40)
    for _ in range(2):  # the second time, what was saved before counts as well
        with (
            Archive(folder, limit, warn=warnings.append) as archive,
            receiving(archive=archive) as receiver,
        ):
            for _ in range(50):
                assert asked(receiver.port, CDR, RECORD).status == 401
            assert asked(receiver.port, CDR, RECORD, **BEARER).status == 200
        assert saved(folder, "*.refused.json") == 4
        assert receiver.shown[-1].saved is not None
    assert len(warnings) == 2
    assert "refused callbacks have reached their part" in warnings[0]


def test_once_there_is_room_again_saving_goes_on(tmp_path: Path) -> None:
    folder, seconds = tmp_path / "saved", [0.0]
    with (
        Archive(folder, SaveLimit(files=2), clock=lambda: seconds[0]) as archive,
        receiving(archive=archive) as receiver,
    ):
        for _ in range(2):
            asked(receiver.port, CDR, RECORD, **BEARER)
        for path in folder.iterdir():
            path.unlink()
        asked(receiver.port, CDR, RECORD, **BEARER)
        seconds[0] = 10.0
        asked(receiver.port, CDR, RECORD, **BEARER)
    kept = [callback.saved is not None for callback in receiver.shown]
    assert kept == [True, False, False, True]


def test_without_descriptors_callbacks_are_taken_and_not_saved(tmp_path: Path) -> None:
    warnings: list[str] = []
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with (
        Archive(tmp_path / "saved", warn=warnings.append) as archive,
        receiving(archive=archive) as receiver,
        connected(receiver.port) as client,
    ):
        client.send(request(CDR, RECORD, **BEARER))
        assert client.response().status == 200
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
            client.send(request(CDR, RECORD, **BEARER))
            assert client.response().status == 200
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        client.send(request(CDR, RECORD, **BEARER))
        assert client.response().status == 200
    kept = [callback.saved is not None for callback in receiver.shown]
    assert (kept, receiver.failures) == ([True, False, True], [])
    assert warnings == [
        "callbacks are not saved: Too many open files; they are shown, and answered"
    ]


@pytest.mark.parametrize(
    ("size", "limit"),
    [
        ("1", "1 bytes and 10,000 files"),
        ("500m", "500 MiB and 10,000 files"),
        ("1G", "1 GiB and 10,000 files"),
        ("10G", "10 GiB and 100,000 files"),
    ],
)
def test_the_limit_follows_the_size_that_was_asked_for(size: str, limit: str) -> None:
    assert str(SaveLimit.of_size(parse_size(size))) == limit
