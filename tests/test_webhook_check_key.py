"""`webhook-url --check --with-key`: where the webhook key goes, and where it never does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pbx import CDR, HEALTH, SESSION_UPDATE, VOICE, Arrival, Pbx, running_pbx
from servers import http
from support import Opbx
from webhook_checks import HOST, HTTP_CHECKS, KEY, PUBLIC, UUID, check, entry, results

pytestmark = pytest.mark.usefixtures("no_proxy_of_this_machine")


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
    sent, *more = [one for one in pbx.arrivals if one.token == KEY]
    assert sent.path == VOICE
    # Session updates are tried where the voice endpoint has taken the key, and nowhere else.
    assert [one.path for one in more] == ([SESSION_UPDATE] if result == "ok" else [])
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


def test_without_a_key_there_is_none_to_check(ci: Opbx) -> None:
    del ci.environ["OPBX_WEBHOOK_API_KEY"]
    for argv in (["webhook-url", "--check", "--with-key"], ["webhook-key", "reveal", "--yes"]):
        done = ci(*argv, OPBX_WEBHOOK_BASE_URL="https://pbx.example.com")
        assert (done.code, done.stdout) == (3, "")
        assert done.stderr == "error: no webhook key is set\nhint: set OPBX_WEBHOOK_API_KEY\n"
