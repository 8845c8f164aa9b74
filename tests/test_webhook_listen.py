"""`opbx webhook listen` as the program: what it shows, whose key it checks, how it ends."""

from __future__ import annotations

import fcntl
import json
import re
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from declared import parsed
from opbx_cli.sandbox.server import RunningSandbox
from pbx import CDR, SESSION_UPDATE, VOICE
from receiving import (
    BEARER,
    DEADLINE,
    KEY,
    RECORD,
    UUID,
    Listener,
    as_json,
    asked,
    connected,
    listener,
    record,
    request,
)
from support import Opbx
from terminal import CTRL_C, on_terminal

CALL = as_json(
    {
        "To": "+15557654321",
        "From": "+15551234567",
        "CallStatus": "ringing",
        "Session": "s1",
        "Domain": "d.test",
    }
)
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")


@pytest.fixture
def keyed(opbx: Opbx) -> Opbx:
    """No store: the environment has a domain and the webhook key of these tests."""
    opbx.environ |= {
        "OPBX_DOMAIN_UUID": UUID,
        "OPBX_DOMAIN_API_KEY": "XI0123456789abcdefghijABCDEFGHIJKL",
        "OPBX_WEBHOOK_API_KEY": KEY,
    }
    return opbx


def test_each_callback_is_a_line_of_cells(keyed: Opbx) -> None:
    with listener(keyed) as running:
        port = running.port
        assert asked(port, VOICE, CALL, **BEARER).status == 200
        line = running.stdout.readline()  # is there as soon as the answer is
        assert asked(port, SESSION_UPDATE, as_json({"token": "s1\t2", "domain": "d"})).status == 401
        code, stdout, stderr = running.stopped(signal.SIGINT)
    cells = line.removesuffix("\n").split("\t")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", cells[0])
    assert cells[1:6] == ["voice", "s1", "+15551234567", "+15557654321", "ringing"]
    assert cells[6:] == ["accepted", "200", "", "current", ""]
    assert stdout.split("\t")[1:3] == ["session-update", "s12"]
    assert stdout.split("\t")[6:9] == ["refused", "401", "no token"]
    assert (code, stderr.splitlines()[-1]) == (0, "2 callbacks, 1 refused.")
    first = running.notices[0]
    assert first.startswith(f"Listening on http://127.0.0.1:{port} for callbacks with the webhook ")
    assert "of the environment (fp:" in first
    assert stderr.startswith(f"Base URL: http://127.0.0.1:{port}. ")
    assert "set OPBX_WEBHOOK_BASE_URL to that one's address, then `opbx validate`." in stderr


def test_json_is_one_document_a_line(keyed: Opbx) -> None:
    with listener(keyed, "--json") as running:
        port = running.port
        asked(port, VOICE, CALL, **BEARER)
        asked(port, CDR, as_json({"owner": {"domain": {"uuid": UUID}}, "to": "\x1b[1m"}))
        asked(port, "/else", method="GET")
        code, stdout, stderr = running.stopped(signal.SIGTERM)
    first, second, third = map(parsed, stdout.splitlines())
    assert first.pop("received").endswith("Z")
    assert first == {
        "schema": "opbx.callback/1",
        "endpoint": "voice",
        "method": "POST",
        "call": "s1",
        "domain": "d.test",
        "from": "+15551234567",
        "to": "+15557654321",
        "status": "ringing",
        "result": "accepted",
        "http_status": 200,
        "reason": None,
        "key": "current",
        "saved": None,
        "warnings": [],
    }
    assert second.keys() == third.keys() == {*first, "received"}
    assert (second["domain"], second["to"]) == (UUID, "[1m")
    assert (second["result"], second["http_status"], second["key"]) == ("refused", 401, None)
    assert (third["endpoint"], third["reason"]) == (None, "unknown path")
    listening = parsed(running.notices[0])
    assert listening["schema"] == "opbx.listening/1"
    assert listening["endpoints"]["voice"] == f"http://127.0.0.1:{port}{VOICE}"
    received = parsed(stderr)
    assert (received["schema"], received["callbacks"]) == ("opbx.received/1", 3)
    assert (code, received["refused"], received["warnings"]) == (143, 2, [])


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_on_a_terminal_each_is_one_line_that_fits(keyed: Opbx, columns: int) -> None:
    environ = keyed.process_environ(TZ="UTC")
    argv = ("webhook", "listen", "--port", "0")
    with on_terminal(*argv, environ=environ, columns=columns) as terminal:
        terminal.expect("127.0.0.1:")
        port = int(terminal.expect("validate").replace("\n", " ").split()[0])
        terminal.expect(".\n")
        asked(port, VOICE, CALL, **BEARER)
        wide = {"destination": "字" * 100, "token": "x" * 300, "callerId": "[red]"}
        asked(port, SESSION_UPDATE, as_json({"domain": "d", **wide}), **BEARER)
        asked(port, CDR, RECORD, Authorization="Bearer wrong-token-0123")
        asked(port, CDR, method="OPTIONS")
        # Ctrl-C has a terminal forget what nobody has read from it yet.
        shown = "".join(terminal.expect("\n") for _ in range(4))
        terminal.send("", CTRL_C)
        shown += terminal.finish()
        assert terminal.exit_code == 0
    lines = [re.sub(r"\x1b\[\d*m", "", line) for line in shown.removeprefix("^C").splitlines()]
    assert len(lines) == 5, shown
    assert lines[4].removeprefix("^C") == "4 callbacks, 2 refused."
    for line in lines[:4]:
        assert len(line) + line.count("字") <= columns
        assert re.match(r"[✓✗] \d\d:\d\d:\d\d (voice|session-update|cdr) ", line)
    assert "\x1b[32m✓" in shown
    assert "\x1b[31m✗" in shown
    if columns >= 80:
        assert "s1" in lines[0]
        assert "+15551234567 → +15557654321" in lines[0]
        assert "ringing" in lines[0]
        assert "401 wrong token" in lines[2]
        assert "405 wrong method" in lines[3]
        assert "[red] → 字" in lines[1]


def test_a_rotated_key_is_followed_while_it_runs(configured: Opbx, sandbox: RunningSandbox) -> None:
    def bearer() -> dict[str, str]:
        key = configured("webhook-key", "reveal", "--yes").stdout.strip()
        return {"Authorization": f"Bearer {key}"}

    assert configured("validate").code == 0
    store = configured.home / "store.toml"
    old, ours = bearer(), record(sandbox.domains[0].uuid)
    with listener(configured) as running:
        port = running.port
        assert asked(port, CDR, ours, **old).status == 200
        assert configured("webhook-key", "rotate").code == 0
        assert asked(port, CDR, ours, **old).status == 401
        new = bearer()
        assert asked(port, CDR, ours, **new).status == 200
        kept = store.read_bytes()
        store.unlink()
        assert asked(port, CDR, ours, **new).status == 200
        store.write_bytes(b"nonsense")
        store.chmod(0o600)
        assert asked(port, CDR, ours, **new).status == 200
        assert asked(port, CDR, ours, **old).status == 401
        store.write_bytes(kept)
        configured("webhook-key", "rotate")
        assert asked(port, CDR, ours, **new).status == 401
        assert asked(port, CDR, ours, **bearer()).status == 200
        code, _stdout, stderr = running.stopped(signal.SIGINT)
    assert code == 0
    assert "of profile 'default'" in running.notices[0]
    assert stderr.count("warning: callbacks are still checked with the last webhook key: ") == 2


def test_a_passphrase_is_not_asked_for_while_it_runs(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    ours = record(sandbox.domains[0].uuid)
    key = configured("webhook-key", "reveal", "--yes").stdout.strip()
    environ = configured.process_environ()
    with on_terminal("key", "add", "--kind", "passphrase", environ=environ) as terminal:
        for _ in range(2):
            terminal.expect("(typing stays hidden): ")
            terminal.send("correct horse battery")
        terminal.finish()
    with on_terminal("webhook", "listen", "--port", "0", environ=environ) as terminal:
        terminal.expect("Base URL: http://127.0.0.1:")
        port = int(terminal.expect(". Cloudonix").partition(".")[0])
        for path in (configured.home / "keys").iterdir():
            path.unlink()
        (configured.home / "store.toml").touch()
        assert asked(port, CDR, ours, Authorization=f"Bearer {key}").status == 200
        shown = terminal.expect("callbacks are still") + terminal.expect(" cdr ")
        terminal.send("", CTRL_C)
        terminal.finish()
        assert terminal.exit_code == 0
    assert "callbacks are still checked with the last webhook key: only its passphrase" in " ".join(
        shown.split()
    )


def test_no_token_reaches_a_screen_or_a_file(keyed: Opbx, tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    sent = {"Authorization": "Bearer wrong-token-sK7q", "X_Cx_Apikey": "XIapikey-sK7q"}
    for output in ([], ["--json"]):
        with listener(keyed, "-v", "--save", str(folder), *output) as running:
            port = running.port
            asked(port, VOICE, CALL, **BEARER, X_Cx_Apikey="XIapikey-sK7q")
            asked(port, VOICE, CALL, **sent)
            asked(port, f"{CDR}?token=wrong-token-sK7q", b"{", **sent)
            asked(port, "/wrong-token-sK7q", b"{}", **sent)
            _code, stdout, stderr = running.stopped(signal.SIGINT)
        said = stdout + stderr + "".join(running.notices)
        said += "".join(path.name + path.read_text() for path in folder.iterdir())
        assert "sK7q" not in said
        assert KEY not in said
    assert len(list(folder.glob("*.body"))) == 2
    assert len(list(folder.glob("*.refused.json"))) == 4


def test_the_webhook_key_is_hidden_too_where_it_is_not_the_token(
    keyed: Opbx, tmp_path: Path
) -> None:
    call = as_json({"To": "+15557654321", "From": f"x{KEY}", "Session": "s1"})
    with listener(keyed, "--save", str(tmp_path / "saved")) as running:
        asked(running.port, VOICE, call, X_Moved=f"Bearer {KEY}")
        _code, stdout, _stderr = running.stopped(signal.SIGINT)
    (headers,) = (tmp_path / "saved").iterdir()
    assert "[hidden]" in stdout
    assert KEY not in stdout + headers.read_text()
    assert "x-moved" in json.loads(headers.read_text())["left_out"]


@pytest.mark.parametrize("output", [[], ["--json"]])
def test_a_folder_that_is_full_is_one_warning_and_not_the_end(
    keyed: Opbx, tmp_path: Path, output: list[str]
) -> None:
    folder = tmp_path / "saved"
    size = ["--save-limit", "3000"]
    with listener(keyed, "--save", str(folder), *size, *output) as running:
        port = running.port
        for number in range(10):
            body = as_json({"token": f"s{number}", "domain": "d", "fill": "x" * 500})
            assert asked(port, SESSION_UPDATE, body, **BEARER).status == 200
        code, stdout, stderr = running.stopped(signal.SIGINT)
    assert code == 0
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 3000
    first = min(folder.glob("*.body"))
    assert json.loads(first.read_text())["token"] == "s0"  # the oldest stay
    said = stdout + stderr
    assert said.count("the folder of --save has reached its limit, 3,000 bytes and 10,000") == 1
    assert len(stdout.splitlines()) == 10
    if not output:
        saved = [line.split("\t")[-1] for line in stdout.splitlines()]
        assert saved[0] == str(first)
        assert saved[-1] == ""


def test_a_disk_that_takes_no_more_is_one_warning_and_not_the_end(
    keyed: Opbx, tmp_path: Path
) -> None:
    folder = tmp_path / "saved"
    large = as_json({"token": "s1", "domain": "d", "fill": "x" * 1_000_000})
    # No file may be larger than 400 KiB; what the system says then is worded like a full disk's.
    with listener(keyed, "--save", str(folder), shell="ulimit -f 800") as running:
        port = running.port
        for body in (large, large, b'{"domain": "d"}'):
            assert asked(port, SESSION_UPDATE, body, **BEARER).status == 200
        code, stdout, stderr = running.stopped(signal.SIGINT)
    assert (code, len(stdout.splitlines())) == (0, 3)
    assert stderr.count("warning: callbacks are not saved: File too large; they are shown") == 1
    assert len(list(folder.iterdir())) == 2  # nothing half written is left
    assert stdout.splitlines()[2].endswith(".body")


def test_answers_under_way_are_finished(keyed: Opbx) -> None:
    whole = request(CDR, RECORD, **BEARER)
    with listener(keyed) as running, connected(running.port) as half, connected(port_of(running)):
        half.send(whole[:-1])
        asked(port_of(running), CDR, RECORD, **BEARER)  # so the half has come in too
        running.process.send_signal(signal.SIGTERM)
        half.send(whole[-1:])
        assert half.response().status == 200
        half.close()
        code, _stdout, stderr = running.ended()
        assert code == 143
    assert stderr.endswith("2 callbacks, 0 refused.\n")


@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_each_way_of_ending_it_is_clean_and_tells_how_many_came(
    keyed: Opbx, number: int, exit_code: int
) -> None:
    with listener(keyed) as running:
        assert asked(running.port, CDR, RECORD, **BEARER).status == 200
        code, stdout, stderr = running.stopped(number)
    assert (code, len(stdout.splitlines())) == (exit_code, 1)
    assert stderr.endswith("\n1 callback, 0 refused.\n")


def test_the_first_signal_says_how_it_ended(keyed: Opbx) -> None:
    with listener(keyed) as running, connected(running.port) as half:
        half.send(b"POST ")  # keeps it from ending at once
        asked(port_of(running), CDR, RECORD, **BEARER)
        running.process.send_signal(signal.SIGHUP)
        time.sleep(0.2)  # two signals at once would come in the order of their numbers
        running.process.send_signal(signal.SIGTERM)
        assert running.ended()[0] == 129


def test_under_nohup_the_end_of_the_session_is_not_its_end(keyed: Opbx) -> None:
    with listener(keyed, shell="trap '' HUP") as running:
        port = running.port
        running.process.send_signal(signal.SIGHUP)
        assert asked(port, CDR, RECORD, **BEARER).status == 200
        assert running.stopped(signal.SIGINT)[0] == 0


def test_it_ends_with_its_terminal(keyed: Opbx) -> None:
    argv = ("webhook", "listen", "--port", "0")
    with on_terminal(*argv, environ=keyed.process_environ()) as terminal:
        terminal.expect("validate`.\n")
        terminal.hang_up()
        assert terminal.exit_code == 129


def port_of(running: Listener) -> int:
    return int(running.notices[0].partition("127.0.0.1:")[2].split()[0])


def test_a_reader_who_goes_away_ends_it(keyed: Opbx) -> None:
    with listener(keyed) as running:
        port = running.port
        running.stdout.close()
        assert asked(port, CDR, RECORD, **BEARER).status == 200
        assert running.process.wait(DEADLINE) == 0
        assert running.stderr.read().endswith("1 callback, 0 refused.\n")


@FULL
def test_a_full_disk_ends_it_with_an_error(keyed: Opbx) -> None:
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen(
            [sys.executable, "-m", "opbx_cli", "webhook", "listen", "--port", "0"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=keyed.process_environ(),
        )
        assert process.stderr is not None
        port = int(process.stderr.readline().partition("127.0.0.1:")[2].split()[0])
        asked(port, CDR, RECORD, **BEARER)
        _stdout, stderr = process.communicate(timeout=DEADLINE)
    assert process.returncode == 1
    assert "error: the output could not be written: No space left on device\n" in stderr


def until_it_is_stuck(running: Listener) -> None:
    """Wait until the pipe takes no more: it has room for fewer lines than were caused."""
    filled = [0]
    while filled[-1] < 32_000 or len(set(filled[-5:])) > 1:
        assert running.process.poll() is None
        time.sleep(0.02)
        size = fcntl.ioctl(running.stdout, termios.FIONREAD, b"\0" * 4)
        filled.append(int.from_bytes(size, sys.byteorder))


def test_output_that_nobody_reads_holds_callbacks_back_and_loses_none(keyed: Opbx) -> None:
    count = 600  # lines of a pipe's size, twice
    with listener(keyed, "--json") as running, connected(running.port) as client:
        body = as_json({"token": "t" * 128, "destination": "d" * 128})
        client.send(request(SESSION_UPDATE, body, **BEARER) * count)
        until_it_is_stuck(running)
        lines = [running.stdout.readline() for _ in range(count)]
        assert {parsed(line)["call"] for line in lines} == {"t" * 128}
        code, stdout, _stderr = running.stopped(signal.SIGINT)
    assert (code, stdout) == (0, "")


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 1), (signal.SIGTERM, 143)])
def test_output_that_nobody_reads_does_not_keep_it_from_ending(
    keyed: Opbx, number: int, exit_code: int
) -> None:
    with listener(keyed, "--json") as running, connected(running.port) as client:
        body = as_json({"token": "t" * 128, "destination": "d" * 128})
        client.send(request(SESSION_UPDATE, body, **BEARER) * 600)
        until_it_is_stuck(running)
        running.process.send_signal(number)
        assert running.process.wait(DEADLINE) == exit_code
        assert "nobody reads it" in running.stderr.read()


@pytest.mark.parametrize(
    ("argv", "code", "expected"),
    [
        (["--port", "70000"], 2, "--port"),
        (["--port", "-1"], 2, "--port"),
        (["--host", "pbx.example.com"], 2, "--host: expected an IP address"),
        (["--host", ""], 2, "--host: expected an IP address"),
        (["--host", "192.0.2.1", "--port", "0"], 3, "cannot listen"),
        (["--port", "0", "--save", ""], 2, "--save: expected a folder"),
        (["--port", "0", "--save-limit", "1G"], 2, "--save-limit: there is nothing to limit"),
        (["--port", "0", "--save", "/dev/null", "--save-limit", "0"], 2, "--save-limit: expected"),
        (["--port", "0", "--save", "/dev/null", "--save-limit", "much"], 2, "such as 500M or 2G"),
        (["--port", "0", "--save", "/dev/null"], 3, "--save: the folder cannot be used"),
    ],
)
def test_bad_options_are_errors(keyed: Opbx, argv: list[str], code: int, expected: str) -> None:
    outcome = keyed("webhook", "listen", *argv)
    assert (outcome.code, outcome.stdout) == (code, "")
    assert expected in outcome.stderr


def test_a_port_in_use_is_said_with_the_way_out(keyed: Opbx) -> None:
    with listener(keyed) as running:
        outcome = keyed("webhook", "listen", "--port", str(running.port))
    assert outcome.code == 3
    assert "`opbx webhook listen --port 0` takes any free port" in outcome.stderr


def test_an_address_of_another_computer_is_no_matter_of_the_port(keyed: Opbx) -> None:
    outcome = keyed("webhook", "listen", "--host", "192.0.2.1")
    assert outcome.code == 3
    assert "port 8080 of 192.0.2.1: " in outcome.stderr
    assert "hint: " not in outcome.stderr


def test_without_a_key_it_says_how_to_get_one(opbx: Opbx, keyed: Opbx) -> None:
    del keyed.environ["OPBX_WEBHOOK_API_KEY"]
    outcome = keyed("webhook", "listen", "--port", "0")
    assert (outcome.code, outcome.stdout) == (3, "")
    assert "hint: set OPBX_WEBHOOK_API_KEY" in outcome.stderr
    for name in ("OPBX_DOMAIN_UUID", "OPBX_DOMAIN_API_KEY"):
        del opbx.environ[name]
    assert opbx("webhook", "listen", "--port", "0").code == 3


def test_being_open_to_other_computers_is_a_warning(keyed: Opbx) -> None:
    with listener(keyed, "--host", "0.0.0.0", "-q") as running:
        line = running.stderr.readline()
        assert line.startswith("warning: other computers can reach this receiver")
        code, _stdout, stderr = running.stopped(signal.SIGTERM)
    assert (code, stderr) == (143, "")


def test_in_json_a_warning_is_told_once(keyed: Opbx) -> None:
    with listener(keyed, "--host", "0.0.0.0", "--json") as running:
        listening = parsed(running.stderr.readline())
        asked(int(listening["url"].rpartition(":")[2]), CDR, RECORD, **BEARER)
        assert parsed(running.stdout.readline())["warnings"] == []
    (warning,) = listening["warnings"]
    assert warning.startswith("other computers can reach this receiver")


def test_it_listens_on_ipv6_too(keyed: Opbx) -> None:
    addresses = Path("/proc/net/if_inet6")
    if not addresses.exists() or not addresses.read_text():
        pytest.skip("this machine has no IPv6")
    with listener(keyed, "--host", "::1") as running:
        assert "Listening on http://[::1]:" in running.stderr.readline()
        assert running.stopped(signal.SIGTERM)[0] == 143
