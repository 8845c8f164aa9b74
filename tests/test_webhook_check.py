"""`webhook-url --check`: whether callbacks would arrive, and be refused where they should be."""

from __future__ import annotations

import datetime
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opbx_cli.operations.webhook import WebhookUrl
from opbx_cli.operations.webhook_check import check_webhook
from opbx_cli.webhooks.endpoints import endpoints
from pbx import CDR, HEALTH, SESSION_UPDATE, VOICE, Pbx, running_pbx
from servers import HANG, Served, authority, http, listening
from support import Opbx
from terminal import shown_on_terminal
from webhook_checks import HOST, HTTP_CHECKS, KEY, PUBLIC, UUID, check, entry, results, secure

pytestmark = pytest.mark.usefixtures("no_proxy_of_this_machine")


def test_an_opbx_on_the_internet_passes_everything(
    ci: Opbx,
    pbx: Pbx,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    internet: Callable[..., None],
) -> None:
    private = authority(tmp_path, HOST, days=60)
    with secure(pbx, private, monkeypatch, internet):
        done = check(ci, f"https://{HOST}", "--json", OPBX_APPLICATION_MODE="production")
    assert (done.code, done.stderr) == (0, "")
    document = done.document
    assert document["schema"] == "opbx.webhook-check/1"
    assert (document["result"], document["base_url"]) == ("ok", f"https://{HOST}")
    assert set(results(done).values()) == {"ok"}
    assert list(results(done)) == ["dns", "tcp", "tls", *HTTP_CHECKS]
    assert entry(done, "dns")["seen"] == PUBLIC
    assert entry(done, "tls")["seen"].startswith(f"for {HOST}, 60 days to expiry (")


def test_nothing_else_is_sent_and_never_the_real_key(ci: Opbx, pbx: Pbx) -> None:
    with running_pbx(pbx) as server:
        done = check(ci, server.url, "--json")
    assert done.code == 0, done
    assert sorted((one.method, one.path) for one in pbx.arrivals) == sorted(
        [("GET", HEALTH), *[("POST", path) for path in (VOICE, SESSION_UPDATE, CDR)] * 2]
    )
    assert not any(KEY in repr(one) for one in pbx.arrivals)
    for path in (VOICE, SESSION_UPDATE, CDR):
        tokens = [one.token for one in pbx.of(path)]
        assert tokens.count("") == 1
    # The UUID where OPBX of January 2026 looks for it would have the record taken and kept.
    assert [one.body for one in pbx.of(CDR)] == [{"domain": UUID}] * 2


def test_an_opbx_on_this_computer_is_for_trials(ci: Opbx, pbx: Pbx) -> None:
    with running_pbx(pbx) as server:
        done = check(ci, server.url, "--json")
    assert done.code == 0
    assert results(done)["dns"] == "warning"
    assert results(done)["tls"] == "skipped"
    assert any("the internet cannot reach" in warning for warning in done.document["warnings"])
    production = check(ci, server.url, OPBX_APPLICATION_MODE="production")
    assert (production.code, production.stdout) == (3, "")


def test_off_a_terminal_each_check_is_a_line(ci: Opbx, pbx: Pbx) -> None:
    pbx.instead[HEALTH] = http("200 OK", b"<html>")
    with running_pbx(pbx) as server:
        done = check(ci, server.url)
    assert done.code == 1
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == ["dns", "tcp", "tls", *HTTP_CHECKS]
    assert ["voice-no-token", "ok", "refused (401)", ""] in lines
    error = done.stderr.splitlines()[-2:]
    assert error[0] == f"error: {server.url}: 1 of 10 checks failed: health"
    assert error[1] == "hint: see what the webhook base URL leads to"


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (http("200 OK", b"<Response/>"), "200: accepted from anybody"),
        (http("204 No Content"), "204: accepted from anybody"),
        (http("301 Moved", Location="https://new.example.com/x"), "301: redirected to https://new"),
        (http("302 Found"), "302: redirected"),
        (http("400 Bad Request"), "400: not what OPBX answers"),
        (http("403 Forbidden"), "403: refused by something in front of OPBX"),
        (http("404 Not Found"), "404: OPBX is not here"),
        (http("405 Method Not Allowed"), "405: OPBX is not here"),
        (http("429 Too Many Requests"), "429: too many requests"),
        (http("500 Internal Server Error"), "500: the server has trouble of its own"),
        (b"", "the connection was lost before an answer"),
        (b"SSH-2.0-OpenSSH_9\r\n", "the connection was lost before an answer"),
    ],
)
@pytest.mark.parametrize("path", [VOICE, CDR])
def test_whatever_is_no_refusal_fails(
    ci: Opbx, pbx: Pbx, path: str, answer: bytes, seen: str
) -> None:
    pbx.instead[path] = answer
    with running_pbx(pbx) as server:
        done = check(ci, server.url, "--json")
    name = {VOICE: "voice", CDR: "cdr"}[path]
    assert done.code == 1
    failed = [one for one, result in results(done).items() if result == "failed"]
    assert failed == [f"{name}-no-token", f"{name}-wrong-token"]
    assert entry(done, failed[0])["seen"].startswith(seen)
    assert entry(done, failed[0])["advice"]
    assert done.error["code"] == "webhook.check_failed"
    assert done.error["exit_code"] == 1


@pytest.mark.parametrize("host", ["xn--a.example.com", "xn--.example.com"])
def test_a_broken_punycode_name_is_a_failed_check(ci: Opbx, pbx: Pbx, host: str) -> None:
    done = check(ci, f"https://{host}", "--json")
    assert entry(done, "dns")["result"] == "failed"
    pbx.instead[HEALTH] = http("302 Found", Location=f"https://{host}/")
    with running_pbx(pbx) as server:
        done = check(ci, server.url, "--json")
    assert entry(done, "health")["seen"] == f"302: redirected to https://{host}/"


@pytest.mark.parametrize("address", ["10.0.0.5", "127.0.0.1", "169.254.1.1", "fd00::1"])
def test_every_address_of_a_public_name_has_to_be_public(
    ci: Opbx, pbx: Pbx, internet: Callable[..., None], address: str
) -> None:
    with running_pbx(pbx) as server:
        internet(server.port, PUBLIC, address)
        done = check(ci, f"http://{HOST}", "--json")
    assert done.code == 1
    assert entry(done, "dns")["result"] == "failed"
    assert entry(done, "dns")["seen"].startswith(f"{address}: not an address")
    assert results(done)["voice-no-token"] == "ok"


def test_of_a_name_with_many_addresses_all_have_to_be_public(
    ci: Opbx, pbx: Pbx, internet: Callable[..., None]
) -> None:
    many = [f"93.184.216.{number}" for number in range(1, 31)]
    with running_pbx(pbx) as server:
        internet(server.port, *many)
        done = check(ci, f"http://{HOST}", "--json")
        assert entry(done, "dns")["seen"].endswith("93.184.216.8 and 22 more")
        internet(server.port, *many, "10.0.0.5")
        done = check(ci, f"http://{HOST}", "--json")
    assert done.code == 1
    assert entry(done, "dns")["seen"].startswith("10.0.0.5: not an address")


def test_an_address_this_computer_cannot_try_is_a_warning(
    ci: Opbx, pbx: Pbx, internet: Callable[..., None]
) -> None:
    ipv6 = "2606:2800:220:1:248:1893:25c8:1946"
    with running_pbx(pbx) as server:
        internet(server.port, PUBLIC, ipv6, no_way_to=ipv6)
        done = check(ci, f"http://{HOST}", "--json")
    assert done.code == 0
    assert entry(done, "tcp")["result"] == "warning"
    assert ipv6 in entry(done, "tcp")["seen"]


def test_where_nothing_listens_the_one_cause_fails_and_the_rest_is_not_tried(ci: Opbx) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    done = check(ci, f"http://127.0.0.1:{port}", "--with-key", "--json")
    assert done.code == 1
    assert entry(done, "tcp")["seen"] == "127.0.0.1: Connection refused"
    assert [results(done)[name] for name in ("tls", *HTTP_CHECKS, "key")] == ["skipped"] * 9
    assert entry(done, "health")["seen"] == "no connection: see tcp"
    assert entry(done, "key")["seen"] == "no connection: see tcp"


def test_an_unknown_name_is_a_failed_check(ci: Opbx) -> None:
    done = check(ci, "https://no-such-host.invalid", "--json")
    assert done.code == 1
    assert entry(done, "dns")["result"] == "failed"
    assert set(results(done).values()) == {"failed", "skipped"}


DAYS = datetime.timedelta(days=1)


CERTIFICATES: dict[str, tuple[str, dict[str, Any], str, str, str]] = {
    "expired": (HOST, {"shift": -9 * DAYS}, "failed", "expired", "renew the certificate"),
    "early": (HOST, {"shift": 9 * DAYS}, "failed", "not yet valid", "clock"),
    "foreign": ("a.example.com", {"days": 60}, "failed", "for a.example.com", f"for {HOST}"),
    "13 days": (HOST, {"days": 13}, "warning", "13 days to expiry", "renew it now"),
    "14 days": (HOST, {"days": 14}, "ok", "14 days to expiry", ""),
}


@pytest.mark.parametrize("case", CERTIFICATES)
def test_the_certificate_is_judged_by_host_name_and_dates(
    ci: Opbx,
    pbx: Pbx,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    internet: Callable[..., None],
    case: str,
) -> None:
    name, made, result, seen, advice = CERTIFICATES[case]
    private = authority(tmp_path, name, **made)
    with secure(pbx, private, monkeypatch, internet) as served:
        done = check(ci, f"https://{HOST}", "--with-key", "--json")
    assert done.code == (1 if result == "failed" else 0)
    tls = entry(done, "tls")
    assert tls["result"] == result
    assert seen in tls["seen"]
    assert advice in (tls["advice"] or "")
    if result == "failed":
        assert served.arrivals == [], "nothing is sent to a server that is not trusted"
        assert [results(done)[name] for name in (*HTTP_CHECKS, "key")] == ["skipped"] * 8


def test_an_unknown_authority_fails(
    ci: Opbx, pbx: Pbx, tmp_path: Path, internet: Callable[..., None]
) -> None:
    private = authority(tmp_path, HOST, days=60)
    with running_pbx(pbx, context=private.server) as served:
        internet(served.port, PUBLIC)
        done = check(ci, f"https://{HOST}", "--json")
    assert done.code == 1
    assert "whole chain" in entry(done, "tls")["advice"]
    assert served.arrivals == []


def test_a_server_without_tls_on_an_https_url_fails(
    ci: Opbx, internet: Callable[..., None]
) -> None:
    def handle(_served: Served, connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(http("400 Bad Request"))

    with listening(handle) as served:
        internet(served.port, PUBLIC)
        done = check(ci, f"https://{HOST}", "--json")
    assert done.code == 1
    assert entry(done, "tls")["seen"] == f"{PUBLIC}: the TLS handshake failed: wrong version number"
    assert entry(done, "tls")["advice"] == "see that the web server speaks TLS on this port"
    assert results(done)["health"] == "skipped"


def test_what_does_not_answer_is_left_behind_in_time(pbx: Pbx) -> None:
    pbx.instead[CDR] = HANG
    pbx.instead[HEALTH] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{" + HANG
    with running_pbx(pbx) as server:
        url = WebhookUrl(server.url, "a test", endpoints(server.url))
        result = check_webhook(url, observe=lambda _line: None, timeout=1.0)
    assert [one.id for one in result.failed] == ["health", "cdr-no-token", "cdr-wrong-token"]
    assert {one.seen for one in result.failed} == {"no answer in time"}


def test_a_dns_that_does_not_answer_is_the_one_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    at_the_end = threading.Event()

    def hang(*_args: Any, **_options: Any) -> list[Any]:
        at_the_end.wait(30)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    url = WebhookUrl(f"https://{HOST}", "a test", endpoints(f"https://{HOST}"))
    result = check_webhook(url, observe=lambda _line: None, timeout=0.6)
    at_the_end.set()
    assert [one.id for one in result.failed] == ["dns"]
    assert {one.seen for one in result.checks[3:]} == {"no connection: see dns"}


def test_through_a_proxy_the_host_is_not_looked_at(
    ci: Opbx, monkeypatch: pytest.MonkeyPatch
) -> None:
    def handle(served: Served, connection: socket.socket) -> None:
        served.arrivals.append(connection.recv(65536))
        connection.sendall(http("502 Bad Gateway"))

    with listening(handle) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        done = check(ci, f"https://{HOST}", "--json")
    assert done.code == 1
    assert [results(done)[name] for name in ("dns", "tcp", "tls")] == ["skipped"] * 3
    assert entry(done, "health")["seen"] == "the proxy refused the connection"
    assert all(arrival.startswith(b"CONNECT") for arrival in proxy.arrivals)
    done = check(ci, f"https://{HOST}", "--json")  # nobody is at that port any more
    assert entry(done, "health")["seen"] == "no connection to the proxy"
    assert "check HTTPS_PROXY" in entry(done, "health")["advice"]


def test_remote_text_is_cleaned_and_cut(ci: Opbx, pbx: Pbx) -> None:
    nasty = "https://x.example.com/\x1b[31m" + "a" * 500
    pbx.instead[HEALTH] = http("302 Found", Location=nasty)
    with running_pbx(pbx) as server:
        done = check(ci, server.url)
    assert "\x1b" not in done.stdout
    assert "a" * 200 not in done.stdout


def test_a_huge_or_deep_answer_does_no_harm(ci: Opbx, pbx: Pbx) -> None:
    pbx.instead[HEALTH] = http("200 OK", b"[" * 3_000_000)
    with running_pbx(pbx) as server:
        done = check(ci, server.url, "--json")
    assert done.code == 1
    assert entry(done, "health")["seen"].startswith("200, but no JSON")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--check", "--endpoint", "voice"], "--check is about all endpoints"),
        (["--with-key"], "--with-key belongs to --check"),
    ],
)
def test_options_that_contradict_each_other(ci: Opbx, arguments: list[str], message: str) -> None:
    done = ci("webhook-url", *arguments, OPBX_WEBHOOK_BASE_URL="https://pbx.example.com")
    assert (done.code, done.stdout) == (2, "")
    assert message in done.stderr


def test_verbose_shows_each_request_without_the_key(ci: Opbx, pbx: Pbx) -> None:
    with running_pbx(pbx) as server:
        done = check(ci, server.url, "--with-key", "-v")
    assert f"GET {server.url}{HEALTH} -> 200 in " in done.stderr
    assert done.stderr.count(f"POST {server.url}{VOICE} -> 401 in ") == 2
    assert done.stderr.count(f"POST {server.url}{VOICE} -> 200 in ") == 1
    assert KEY not in done.stderr


@pytest.mark.parametrize("columns", [80, 200])
def test_on_a_terminal_it_fits(ci: Opbx, pbx: Pbx, columns: int) -> None:
    pbx.instead[CDR] = http("301 Moved", Location="https://new.example.com/" + "a" * 90)
    with running_pbx(pbx) as server:
        environ = ci.process_environ(OPBX_WEBHOOK_BASE_URL=server.url, TERM="dumb", NO_COLOR="1")
        code, shown = shown_on_terminal("webhook-url", "--check", environ=environ, columns=columns)
    assert code == 1
    assert all(len(line) <= columns for line in shown.splitlines() if "://" not in line)
    assert "✗ cdr-no-token" in shown
    assert f"error: {server.url}: 2 of 10 checks failed" in shown


def test_the_document_is_whole_json_also_when_checks_fail(ci: Opbx, pbx: Pbx) -> None:
    pbx.instead[VOICE] = http("500 Oops")
    with running_pbx(pbx) as server:
        done = check(ci, server.url, "--json", "-q")
    assert json.loads(done.stdout)["result"] == "failed"
    assert done.error["message"].startswith(f"{server.url}: 2 of 10 checks failed")
