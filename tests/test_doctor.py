"""`opbx doctor`: it says what is broken where things are broken, and what it hands out is safe."""

from __future__ import annotations

import json
import os
import stat
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from opbx_api import EMAIL, PASSWORD, OpbxApi, running_api
from opbx_cli.installation import installation
from opbx_cli.models import Secret
from opbx_cli.operations.doctor import Diagnosis
from opbx_cli.operations.doctor_bundle import without_secrets
from opbx_cli.operations.verdicts import Check, Result
from opbx_cli.sandbox.server import RunningSandbox
from opbx_cli.store import SlotKind, Store, store_paths
from pbx import HEALTH, Pbx, running_pbx
from servers import answering, authority, http
from support import Opbx, Outcome
from terminal import shown_on_terminal
from test_leak_sweep import spellings

pytestmark = pytest.mark.usefixtures("no_proxy_of_this_machine")

IDS = ["versions", "environment", "store", "key", "profile", "history"]
IDS += ["proxy", "dns", "tcp", "tls", "clock", "cloudonix", "opbx"]
TOKEN = "9|a-ready-token-0123456789"
PROXY = "http://somebody:proxy-password-0123456789@127.0.0.1:9"


def results(done: Outcome) -> dict[str, str]:
    return {one["id"]: one["result"] for one in done.document["checks"]}


def entry(done: Outcome, name: str) -> dict[str, Any]:
    return next(one for one in done.document["checks"] if one["id"] == name)


def test_a_healthy_installation_passes(configured: Opbx) -> None:
    done = configured("doctor", "--json")
    assert (done.code, done.stderr) == (0, "")
    assert (done.document["schema"], done.document["result"]) == ("opbx.doctor/1", "ok")
    assert list(results(done)) == IDS
    assert {name for name, one in results(done).items() if one != "ok"} == {"tls", "opbx"}
    assert "opens the store" in entry(done, "key")["seen"]
    assert "configure (default)" in entry(done, "history")["seen"]
    assert "httpx" in entry(done, "versions")["seen"]
    assert f", installed by {installation().tool}, " in entry(done, "versions")["seen"]


def test_off_a_terminal_each_check_is_a_line(configured: Opbx, sandbox: RunningSandbox) -> None:
    sandbox.set_faults("any=401")
    done = configured("doctor")
    assert done.code == 1
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == IDS
    assert "error: 1 of 13 checks failed: cloudonix" in done.stderr
    assert "hint: `opbx configure --api-key-stdin` saves another key" in done.stderr


def test_without_a_store_the_way_is_looked_at_all_the_same(
    opbx: Opbx, sandbox: RunningSandbox
) -> None:
    done = opbx("doctor", "--json", CLOUDONIX_API_BASE_URL=sandbox.url)
    assert done.code == 0
    found = results(done)
    assert (found["store"], found["key"], found["profile"]) == ("warning", "skipped", "skipped")
    assert (found["dns"], found["clock"], found["cloudonix"]) == ("ok", "ok", "skipped")
    assert not opbx.home.exists()


def test_a_job_without_a_store_is_diagnosed(storeless: Opbx) -> None:
    done = storeless("doctor", "--json")
    assert done.code == 0
    assert (results(done)["store"], results(done)["cloudonix"]) == ("skipped", "ok")
    assert "OPBX_DOMAIN_API_KEY" in entry(done, "environment")["seen"]


@pytest.mark.parametrize(
    "variables",
    [
        {"OPBX_STORE_KEY": "opbxk1_nonsense"},
        {"OPBX_STORE_KEY": ""},
        {"OPBX_STORE_KEY_FILE": "/nonexistent/key"},
        {"OPBX_STORE_KEY_FILE": "x", "OPBX_STORE_KEY": "y"},
    ],
)
def test_a_wrong_key_is_one_failed_check(configured: Opbx, variables: dict[str, str]) -> None:
    done = configured("doctor", "--json", **variables)
    assert done.code == 1
    assert done.error["code"] == "doctor.check_failed"
    assert "failed" in (results(done)["store"], results(done)["key"])
    assert results(done)["profile"] == "skipped"
    assert "Traceback" not in done.stderr


def test_an_open_store_is_told(configured: Opbx) -> None:
    (configured.home / "store.toml").chmod(0o644)
    done = configured("doctor", "--json")
    assert (done.code, results(done)["store"], results(done)["key"]) == (1, "failed", "skipped")
    assert "chmod 600" in entry(done, "store")["advice"]


def test_an_open_key_file_is_told(configured: Opbx) -> None:
    (key,) = (configured.home / "keys").iterdir()
    key.chmod(0o644)
    done = configured("doctor", "--json")
    assert (done.code, results(done)["store"], results(done)["key"]) == (1, "ok", "failed")
    assert "chmod 600" in entry(done, "key")["advice"]


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff\xfe", b"x" * 100_000])
def test_a_damaged_store_is_told(configured: Opbx, content: bytes) -> None:
    (configured.home / "store.toml").write_bytes(content)
    done = configured("doctor", "--json")
    assert (done.code, results(done)["store"]) == (1, "failed")


@pytest.mark.parametrize("home", ["", "relative", "/nonexistent/home"])
def test_no_home_is_told(opbx: Opbx, home: str) -> None:
    opbx.home.parent.mkdir(exist_ok=True)
    environ = {"HOME": home, "OPBX_HOME": "", "XDG_CONFIG_HOME": "", "XDG_DATA_HOME": ""}
    environ["CLOUDONIX_API_BASE_URL"] = "http://127.0.0.1:9"
    done = opbx.process("doctor", "--json", **environ)
    assert done.code == 1
    assert list(results(done)) == IDS
    assert results(done)["tcp"] == "failed"
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_home_is_told(configured: Opbx) -> None:
    configured.home.chmod(0)
    try:
        done = configured("doctor", "--json")
    finally:
        configured.home.chmod(0o700)
    assert (done.code, results(done)["store"]) == (1, "failed")


def test_no_profile_of_that_name_is_told(configured: Opbx) -> None:
    done = configured("doctor", "--json", "--profile", "acme")
    assert (done.code, results(done)["profile"]) == (1, "failed")
    assert results(done)["cloudonix"] == "skipped"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("CLOUDONIX_API_BASE_URL", "nonsense"),
        ("CLOUDONIX_API_BASE_URL", "http://pbx.example.com"),
        ("CLOUDONIX_API_TIMEOUT", "soon"),
    ],
)
def test_a_variable_that_makes_no_sense_is_told(opbx: Opbx, name: str, text: str) -> None:
    done = opbx("doctor", "--json", **{name: text})
    assert done.code == 1
    assert name in entry(done, "cloudonix")["seen"]
    assert list(results(done)) == IDS


def test_a_name_that_nobody_knows_is_told(storeless: Opbx) -> None:
    done = storeless("doctor", "--json", CLOUDONIX_API_BASE_URL="https://nowhere.invalid")
    assert done.code == 1
    found = results(done)
    assert (found["dns"], found["tcp"], found["tls"]) == ("failed", "skipped", "skipped")
    assert (found["clock"], found["cloudonix"]) == ("skipped", "failed")


def test_a_certificate_is_judged_as_for_a_request(storeless: Opbx, tmp_path: Path) -> None:
    private = authority(tmp_path, "localhost")
    answer = http("200 OK", b"{}", Date=formatdate(usegmt=True))
    with answering(*[answer] * 9, context=private.server) as server:
        url = server.secure_url
        done = storeless("doctor", "--json", CLOUDONIX_API_BASE_URL=url)
        trusted = {"SSL_CERT_FILE": str(private.certificate), "CLOUDONIX_API_BASE_URL": url}
        other = storeless.process("doctor", "--json", **trusted)
    assert results(done)["tls"] == "failed"
    assert "SSL_CERT_FILE" in entry(done, "tls")["advice"]
    assert (results(other)["tls"], results(other)["clock"]) == ("ok", "ok")


@pytest.mark.parametrize(
    ("seconds", "result"), [(-600, "warning"), (600, "warning"), (7200, "failed")]
)
def test_the_clock_is_compared(storeless: Opbx, seconds: int, result: str) -> None:

    answer = http("404 Not Found", b"{}", Date=formatdate(time.time() + seconds, usegmt=True))

    with answering(*[answer] * 9) as server:
        done = storeless("doctor", "--json", CLOUDONIX_API_BASE_URL=server.url)
    assert results(done)["clock"] == result
    word = "behind" if seconds > 0 else "ahead of"
    assert f"{word} the server's" in entry(done, "clock")["seen"]


@pytest.mark.parametrize("proxy", [PROXY, "http://nonsense:port", "socks5://127.0.0.1:9"])
def test_a_proxy_is_named_and_its_password_is_not(storeless: Opbx, proxy: str) -> None:
    variables = {"HTTPS_PROXY": proxy, "CLOUDONIX_API_BASE_URL": "https://api.example.com"}
    done = storeless.process("doctor", "--json", **variables)
    assert done.code == 1
    assert "HTTPS_PROXY" in entry(done, "proxy")["seen"]
    assert results(done)["proxy"] == ("ok" if proxy == PROXY else "failed")
    assert "proxy-password" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_that_hangs_holds_nothing_up_for_long(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.set_faults("any=hang")
    done = configured("doctor", "--json", CLOUDONIX_API_TIMEOUT="0.2")
    assert (done.code, results(done)["cloudonix"]) == (1, "failed")


def test_an_opbx_that_takes_the_token_passes(storeless: Opbx, sandbox: RunningSandbox) -> None:
    api = OpbxApi(cloudonix=sandbox, settings={}, tokens=[TOKEN])
    with running_api(api) as server:
        named = {"OPBX_INSTANCE_URL": server.url, "OPBX_INSTANCE_TOKEN": TOKEN}
        done = storeless("doctor", "--json", **named)
    assert (done.code, results(done)["opbx"]) == (0, "ok")
    assert TOKEN not in done.stdout


def test_nobody_is_signed_in_to_opbx(storeless: Opbx, sandbox: RunningSandbox, pbx: Pbx) -> None:
    with running_pbx(pbx) as server:
        named = {"OPBX_INSTANCE_URL": server.url, "OPBX_INSTANCE_EMAIL": EMAIL}
        done = storeless("doctor", "--json", OPBX_INSTANCE_PASSWORD=PASSWORD, **named)
    assert (done.code, results(done)["opbx"]) == (0, "ok"), done
    assert [one.path for one in pbx.arrivals] == [HEALTH]


def test_a_passphrase_is_not_asked_for(configured: Opbx) -> None:
    store = Store(store_paths(str(configured.home)))
    store.keys.add(SlotKind.PASSPHRASE, passphrase=Secret("correct horse battery staple"))
    done = configured("doctor", "--json")
    assert (done.code, results(done)["key"]) == (0, "ok")
    assert "passphrase, outside of opbx) asked for" in entry(done, "key")["seen"]
    for key in (configured.home / "keys").iterdir():
        key.unlink()
    environ = configured.process_environ(CLOUDONIX_API_BASE_URL="http://127.0.0.1:9")
    done = configured("doctor", "--json", CLOUDONIX_API_BASE_URL="http://127.0.0.1:9")
    assert (results(done)["store"], results(done)["key"]) == ("ok", "skipped")
    code, screen = shown_on_terminal("doctor", environ=environ)
    assert code == 1  # nobody answers at that address
    assert "Passphrase of the store" not in screen
    assert "which is not asked for" in " ".join(screen.split())


def test_a_refused_token_is_told(opbx: Opbx, sandbox: RunningSandbox) -> None:
    domain = sandbox.domains[0]
    opbx.environ |= {
        "CLOUDONIX_API_BASE_URL": sandbox.url,
        "OPBX_DOMAIN_UUID": domain.uuid,
        "OPBX_DOMAIN_API_KEY": domain.api_key,
        "OPBX_INSTANCE_URL": sandbox.url,
        "OPBX_INSTANCE_TOKEN": "1|a-token-that-nobody-knows-0123456789",
    }
    done = opbx("doctor", "--json")
    assert (done.code, results(done)["opbx"]) == (1, "failed")
    assert "token-that" not in done.stdout + done.stderr


def test_a_bundle_has_the_same_and_overwrites_nothing(configured: Opbx, tmp_path: Path) -> None:
    path = tmp_path / "bundle.json"
    done = configured("doctor", "--json", "--bundle", str(path))
    assert done.code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text()) == done.document
    again = configured("doctor", "--json", "--bundle", str(path))
    assert (again.code, again.error["code"]) == (2, "usage.file_exists")
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "elsewhere")
    assert configured("doctor", "--bundle", str(link)).code == 2
    assert not (tmp_path / "elsewhere").exists()
    shown = configured("doctor", "--read", str(path), "--json")
    assert (shown.code, shown.document) == (0, done.document)


def test_a_key_becomes_no_name_of_a_file(configured: Opbx) -> None:
    done = configured.process("doctor", "--bundle", "s3cret-of-somebody")
    assert (done.code, done.stdout) == (2, "")
    assert "s3cret" not in done.stderr
    assert [path.name for path in configured.home.parent.iterdir()] == ["home"]


def test_a_bundle_that_cannot_be_written_is_told(configured: Opbx, tmp_path: Path) -> None:
    done = configured("doctor", "--json", "--bundle", str(tmp_path / "no" / "b.json"))
    assert (done.code, done.error["code"]) == (1, "doctor.not_written")


def test_a_bundle_of_a_sick_installation_is_read(
    configured: Opbx, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    sandbox.set_faults("any=echo-key")
    path = tmp_path / "bundle.json"
    assert configured("doctor", "--bundle", str(path)).code == 1
    shown = configured("doctor", "--read", str(path))
    assert shown.code == 0
    assert "cloudonix\tfailed\t" in shown.stdout


@pytest.mark.parametrize("answer", ["", "any=401", "any=500", "any=echo-key", "any=html"])
def test_no_trace_of_a_key_is_in_a_bundle(
    configured: Opbx, sandbox: RunningSandbox, tmp_path: Path, answer: str
) -> None:
    assert configured("validate").code == 0
    shown = configured("profiles", "show", "--json").document
    keys = [sandbox.domains[0].api_key, configured("webhook-key", "reveal", "--yes").stdout.strip()]
    traces = [form.decode() for key in keys for form in spellings(key)]
    for name in ("domain_api_key", "webhook_api_key"):
        traces += [shown[name]["mask"], shown[name]["fingerprint"], shown[name]["mask"][-4:]]
    sandbox.set_faults(*([answer] if answer else []))
    path = tmp_path / "bundle.json"
    done = configured("doctor", "-v", "--bundle", str(path))
    for trace in traces:
        assert trace not in path.read_text()
        assert trace not in done.stdout


def test_a_key_in_a_wrong_place_is_left_out() -> None:
    key = "XI0123456789abcdefghijABCDEFGHIJKL"
    texts = (f"https://pbx.example.com/{key}", "************IJKL", "fp:1a2b3c4d", "plain")
    found = tuple(Check("profile", Result.OK, text, text) for text in texts)
    safe = without_secrets(Diagnosis("now", found, (f"w {key}",)), [Secret(key)])
    assert [one.seen for one in safe.checks][3] == "plain"
    assert not any(word in repr(safe) for word in (key, "IJKL", "1a2b3c4d"))


HOSTILE: dict[str, bytes] = {
    "empty": b"",
    "no JSON": b"nonsense",
    "no UTF-8": b"\xff\xfe\x00",
    "another document": b'{"schema": "opbx.trunks/1", "checks": []}',
    "a list": b"[]",
    "no checks": b'{"schema": "opbx.doctor/1", "made": "x", "checks": []}',
    "deep": b"[" * 200_000,
    "large": b" " * (256 * 1024 + 1),
    "a number": b'{"schema": "opbx.doctor/1", "made": 1, "checks": [{}]}',
    "a huge number": b"1" * 10_000,
    "no object": b'{"schema": "opbx.doctor/1", "made": "x", "checks": [1]}',
    "a result of its own": b'{"schema": "opbx.doctor/1", "made": "x", "checks": '
    b'[{"id": "a", "result": "good", "seen": "b", "advice": null}]}',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_bundle_is_refused(opbx: Opbx, tmp_path: Path, name: str) -> None:
    path = tmp_path / "sent.json"
    path.write_bytes(HOSTILE[name])
    done = opbx("doctor", "--read", str(path), "--json")
    assert (done.code, done.stdout, done.error["exit_code"]) == (2, "", 2)


def test_a_file_that_is_none_is_refused_at_once(opbx: Opbx, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "", "missing"):
        assert opbx("doctor", "--read", str(tmp_path / name)).code == 2


def test_the_words_of_a_bundle_are_data(opbx: Opbx, tmp_path: Path) -> None:
    path = tmp_path / "sent.json"
    evil = "\x1b[2J\n[red]x[/red]\u202e"
    one = {"id": f"a{evil}", "result": "failed", "seen": evil, "advice": evil}
    sent = {"schema": "opbx.doctor/1", "made": "x", "checks": [one], "warnings": [evil]}
    path.write_text(json.dumps(sent))
    for variables in ({}, {"OPBX_FORCE_TTY": "1"}):
        done = opbx("doctor", "--read", str(path), **variables)
        assert done.code == 0
        assert not any(sign in done.stdout + done.stderr for sign in "\x1b\u202e")
        assert "[red]x[/red]" in done.stdout
