"""`webhook-url --check`: whether callbacks would arrive, and be refused where they should be."""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opbx_cli.callbacks import endpoints
from opbx_cli.operations.webhook import WebhookUrl
from opbx_cli.operations.webhook_check import check_webhook
from pbx import CDR, HEALTH, SESSION_UPDATE, VOICE, Arrival, Pbx, running_pbx
from servers import HANG, Authority, Served, authority, http, listening
from support import Opbx, Outcome
from terminal import shown_on_terminal

KEY = "webhook-key-of-the-ci-0123456789"
UUID = "6b1f0c2e-0000-4000-8000-000000000001"
HOST = "pbx.example.com"
PUBLIC = "93.184.216.34"
REFUSALS = [
    f"{endpoint}-{token}-token"
    for endpoint in ("voice", "session-update", "cdr")
    for token in ("no", "wrong")
]
HTTP_CHECKS = ["health", *REFUSALS]


@pytest.fixture
def ci(opbx: Opbx) -> Opbx:
    """The command with everything from the environment, for an OPBX nobody has named yet."""
    opbx.environ |= {
        "OPBX_DOMAIN_UUID": UUID,
        "OPBX_DOMAIN_API_KEY": "XI0123456789abcdefghijABCDEFGHIJKL",
        "OPBX_WEBHOOK_API_KEY": KEY,
    }
    return opbx


@pytest.fixture
def pbx() -> Pbx:
    return Pbx(KEY)


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A DNS and a way to its addresses, which no server on this machine can be."""

    def build(port: int, *addresses: str, no_way_to: str = "") -> None:
        def look_up(host: str, *_args: Any, **_options: Any) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 443)) for one in addresses]

        def reach(
            address: tuple[str, int], timeout: float = 5, source_address: object = None
        ) -> socket.socket:
            if address[0] == no_way_to:
                raise OSError(errno.ENETUNREACH, "Network is unreachable")
            connection = socket.socket()
            connection.settimeout(timeout)
            connection.connect(("127.0.0.1", port))
            return connection

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        monkeypatch.setattr(socket, "create_connection", reach)

    return build


@contextlib.contextmanager
def secure(
    pbx: Pbx, private: Authority, monkeypatch: pytest.MonkeyPatch, internet: Callable[..., None]
) -> Iterator[Served]:
    """Serve an OPBX as `https://pbx.example.com`, vouched for by a private authority."""
    monkeypatch.setenv("SSL_CERT_FILE", str(private.certificate))
    with running_pbx(pbx, context=private.server) as served:
        internet(served.port, PUBLIC)
        yield served


def check(opbx: Opbx, url: str, *options: str, **variables: str) -> Outcome:
    return opbx("webhook-url", "--check", *options, OPBX_WEBHOOK_BASE_URL=url, **variables)


def results(outcome: Outcome) -> dict[str, str]:
    return {entry["id"]: entry["result"] for entry in outcome.document["checks"]}


def entry(outcome: Outcome, check_id: str) -> dict[str, Any]:
    found = [one for one in outcome.document["checks"] if one["id"] == check_id]
    assert len(found) == 1
    one = found[0]
    assert isinstance(one, dict)
    return one


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
    assert pbx.of(CDR)[0].body == {}


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


def test_a_server_that_answers_200_to_everything_fails_and_never_gets_the_key(
    ci: Opbx, pbx: Pbx
) -> None:
    for path in (HEALTH, VOICE, SESSION_UPDATE, CDR):
        pbx.instead[path] = http("200 OK", b"<Response>parked</Response>")
    with running_pbx(pbx) as server:
        done = check(ci, server.url, "--with-key", "--json")
    assert done.code == 1
    assert [results(done)[name] for name in HTTP_CHECKS] == ["failed"] * 7
    assert entry(done, "key")["result"] == "skipped"
    assert not any(KEY in repr(one) for one in pbx.arrivals)


@pytest.mark.parametrize(("key", "result"), [(KEY, "ok"), ("another-key-0123456789", "failed")])
def test_with_the_key_it_tells_whether_opbx_has_the_same(
    ci: Opbx, pbx: Pbx, key: str, result: str
) -> None:
    pbx.key = key
    with running_pbx(pbx) as server:
        done = check(ci, server.url, "--with-key", "--json")
    assert done.code == (0 if result == "ok" else 1)
    assert entry(done, "key")["result"] == result
    (sent,) = [one for one in pbx.arrivals if one.token == KEY]
    assert sent.path == VOICE
    assert sent.body["Domain"] == UUID
    assert sent.body["To"] == "+99900000000"
    assert KEY not in done.stdout + done.stderr
    if result == "failed":
        assert done.error["hint"] == "give OPBX this key: `opbx webhook-key reveal`"


def test_after_a_rotation_it_tells_that_opbx_still_has_the_old_key(
    configured: Opbx, pbx: Pbx
) -> None:
    pbx.key = configured("webhook-key", "reveal", "--yes").stdout.strip()
    with running_pbx(pbx) as server:
        assert configured("configure", "--webhook-base-url", server.url).code == 0
        assert configured("validate").code == 0
        assert configured("webhook-url", "--check", "--with-key").code == 0
        assert configured("webhook-key", "rotate", "--grace", "1h").code == 0
        done = configured("webhook-url", "--check", "--with-key", "--json")
        assert done.code == 1
        assert "OPBX still has the key from before the rotation (fp:" in entry(done, "key")["seen"]
        said = configured("webhook-url", "--check", "--with-key").stderr
        assert "If it is refused there, the one from before the rotation (fp:" in said
        assert configured("profiles", "rename", "default", "acme").code == 0
        argv = ("--domain-uuid", UUID, "--api-key-stdin", "-p", "other")
        assert configured("configure", *argv, stdin="XI" + "0" * 32).code == 0
        assert configured("profiles", "use", "other").code == 0
        done = configured("webhook-url", "--check", "--with-key", "-p", "acme", "--json")
        assert done.error["hint"].endswith("`opbx webhook-key reveal --profile acme`")
        assert configured("profiles", "use", "acme").code == 0
        pbx.key = configured("webhook-key", "reveal", "--yes").stdout.strip()
        assert configured("webhook-url", "--check", "--with-key").code == 0


def test_before_the_key_is_sent_that_is_said(ci: Opbx, pbx: Pbx) -> None:
    with running_pbx(pbx) as server:
        done = check(ci, server.url, "--with-key")
    notice = next(line for line in done.stderr.splitlines() if "webhook key (fp:" in line)
    assert server.url + VOICE in notice
    assert "nobody has" in notice


def test_a_redirect_is_reported_and_not_followed_with_the_key(ci: Opbx, pbx: Pbx) -> None:
    elsewhere = Pbx(KEY)
    with running_pbx(elsewhere) as other, running_pbx(pbx) as server:
        for path in (VOICE, SESSION_UPDATE, CDR, HEALTH):
            pbx.instead[path] = http("307 Temporary Redirect", Location=other.url + path)
        done = check(ci, server.url, "--with-key", "--json")
    assert done.code == 1
    assert entry(done, "health")["seen"] == f"307: redirected to {other.url}{HEALTH}"
    assert elsewhere.arrivals == []
    assert entry(done, "key")["result"] == "skipped"


class Echo(Pbx):
    """Sends whoever has the key elsewhere, with the key spelled in another way."""

    def answer(self, arrival: Arrival) -> bytes:
        if arrival.token != self.key:
            return super().answer(arrival)
        spelled = "".join(f"%{byte:02x}" for byte in self.key.encode())
        return http("302 Found", Location=f"https://x.example.com/?key={spelled}")


def test_a_key_that_a_server_repeats_in_a_redirect_is_not_shown(ci: Opbx) -> None:
    with running_pbx(Echo(KEY)) as server:
        done = check(ci, server.url, "--with-key", "--json", "-v")
    assert entry(done, "key")["seen"] == "302: redirected"
    assert f"%{ord(KEY[0]):02x}" not in done.stdout + done.stderr


@pytest.mark.parametrize("host", ["xn--a.example.com", "xn--.example.com"])
def test_a_broken_punycode_name_is_a_failed_check(ci: Opbx, pbx: Pbx, host: str) -> None:
    done = check(ci, f"https://{host}", "--json")
    assert entry(done, "dns")["result"] == "failed"
    pbx.instead[HEALTH] = http("302 Found", Location=f"https://{host}/")
    with running_pbx(pbx) as server:
        done = check(ci, server.url, "--json")
    assert entry(done, "health")["seen"] == f"302: redirected to https://{host}/"


def test_over_plain_http_to_another_host_the_key_is_not_sent(
    ci: Opbx, pbx: Pbx, internet: Callable[..., None]
) -> None:
    with running_pbx(pbx) as server:
        internet(server.port, PUBLIC)
        done = check(ci, f"http://{HOST}", "--with-key", "--json")
    assert done.code == 1
    assert entry(done, "key") == {
        "id": "key",
        "result": "failed",
        "seen": "not sent: it would travel in the clear",
        "advice": "serve OPBX over https, and make that the webhook base URL",
    }
    assert not any(KEY in repr(one) for one in pbx.arrivals)


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


def test_without_a_key_there_is_none_to_check(ci: Opbx) -> None:
    del ci.environ["OPBX_WEBHOOK_API_KEY"]
    for argv in (["webhook-url", "--check", "--with-key"], ["webhook-key", "reveal", "--yes"]):
        done = ci(*argv, OPBX_WEBHOOK_BASE_URL="https://pbx.example.com")
        assert (done.code, done.stdout) == (3, "")
        assert done.stderr == "error: no webhook key is set\nhint: set OPBX_WEBHOOK_API_KEY\n"


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
    assert max(map(len, shown.splitlines())) <= columns
    assert "✗ cdr-no-token" in shown
    assert f"error: {server.url}: 2 of 10 checks failed" in shown


def test_the_document_is_whole_json_also_when_checks_fail(ci: Opbx, pbx: Pbx) -> None:
    pbx.instead[VOICE] = http("500 Oops")
    with running_pbx(pbx) as server:
        done = check(ci, server.url, "--json", "-q")
    assert json.loads(done.stdout)["result"] == "failed"
    assert done.error["message"].startswith(f"{server.url}: 2 of 10 checks failed")
