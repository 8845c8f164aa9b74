"""The API key goes to Cloudonix and to no screen, whatever a server makes of it."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote

import pytest

from opbx_cli.cloudonix import Access, Client, Pace
from opbx_cli.errors import RemoteError
from opbx_cli.models import Secret
from opbx_cli.sandbox.server import RunningSandbox
from servers import answering, http
from support import Opbx, Outcome

ODD_KEY = 'k&y<of>"our\'s"/+\\~%41?=0123456789'  # each spelling of it is another


def said(opbx: Opbx, message: object, *, key: str = ODD_KEY, status: str = "400 x") -> Outcome:
    """Return what is shown of a failure that carries `message`."""
    body = json.dumps({"message": message}).encode()
    with answering(http(status, body)) as server:
        return opbx(
            "trunks", "list", "-v", CLOUDONIX_API_BASE_URL=server.url, OPBX_DOMAIN_API_KEY=key
        )


@pytest.mark.parametrize("arguments", [[], ["-v"], ["--json"], ["--json", "-v"]])
@pytest.mark.parametrize("fault", ["echo-key", "401", "500*2", "html", "close-before", "huge"])
def test_no_output_holds_the_key(
    storeless: Opbx, sandbox: RunningSandbox, arguments: list[str], fault: str
) -> None:
    key = sandbox.domains[0].api_key
    sandbox.set_faults(f"list-trunks={fault}")
    outcome = storeless("trunks", "list", *arguments, OPBX_DEBUG="1")
    output = outcome.stdout + outcome.stderr
    assert sandbox.requests[0].headers["authorization"] == f"Bearer {key}"
    assert key not in output
    assert base64.b64encode(key.encode()).decode() not in output
    assert ("GET http://127.0.0.1:" in output) == ("-v" in arguments)
    assert "Bearer" not in output


SPELLINGS = {
    "plain": ODD_KEY,
    "URL": quote(ODD_KEY, safe=""),
    "URL, slashes kept": quote(ODD_KEY),
    "URL in lower case": quote(ODD_KEY, safe="").lower(),
    "JSON": json.dumps(ODD_KEY)[1:-1],
    "JSON twice": json.dumps(json.dumps(ODD_KEY)),
    "HTML": html.escape(ODD_KEY),
    "base64": base64.b64encode(ODD_KEY.encode()).decode(),
    "base64 for URLs": base64.urlsafe_b64encode(ODD_KEY.encode()).decode(),
    "base64 behind Bearer": base64.b64encode(f"Bearer {ODD_KEY}".encode()).decode(),
    "base64 of a pair": base64.b64encode(f"us:{ODD_KEY}:x".encode()).decode(),
    "upper case": ODD_KEY.upper(),
    "control characters within": "\x00".join(ODD_KEY),
    "bidi controls within": "\u202e".join(ODD_KEY),
    "lines within": "\n".join(ODD_KEY),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_a_message_that_repeats_the_key_is_left_out_whole(storeless: Opbx, spelling: str) -> None:
    outcome = said(storeless, f"Bad token {spelling} was sent")
    assert (outcome.code, outcome.stdout) == (6, "")
    assert "refused the request (400)\n" in outcome.stderr
    assert "was sent" not in outcome.stderr


def test_a_message_far_down_is_searched_too(storeless: Opbx) -> None:
    outcome = said(storeless, "x" * 190 + ODD_KEY)
    assert "refused the request (400)\n" in outcome.stderr


def test_a_harmless_message_is_cleaned_and_bounded(storeless: Opbx) -> None:
    outcome = said(storeless, "  bad\nname\t\x1b[31m\u202ered\x07 [/bold]\u2028" + "é" * 300)
    assert outcome.code == 6
    (line,) = [line for line in outcome.stderr.splitlines() if line.startswith("error")]
    message = line.partition("(400): ")[2]
    assert message == f"bad name [31mred [/bold] {'é' * 175}…"


@pytest.mark.parametrize("message", [None, 5, ["x"], {"x": "y"}, "", "\x00", " \n"])
def test_a_message_that_says_nothing_adds_nothing(storeless: Opbx, message: object) -> None:
    outcome = said(storeless, message)
    expected = "(400): 5\n" if message == 5 else "(400)\n"
    assert f"refused the request {expected}" in outcome.stderr


@pytest.mark.parametrize("status", ["400", "500", "429", "200"])
def test_a_reason_phrase_is_never_shown(storeless: Opbx, status: str) -> None:
    outcome = said(storeless, "no", key="XI" + "q" * 32, status=f"{status} Bad XI{'q' * 32}")
    assert "XIqq" not in outcome.stdout + outcome.stderr
    assert f"-> {status} " in outcome.stderr


def test_a_short_value_in_the_place_of_a_key_hides_no_message() -> None:
    with answering(http("400 x", b'{"message": "no room"}')) as server:
        client = Client(Access(server.url, "u", Secret("k" * 34), 5), Pace())
        with pytest.raises(RemoteError) as caught:
            client.update_profile({"authorization-api-key": "no"}, {"call-timeout": 5})
        client.close()
    assert caught.value.message.endswith("(400): no room")


def test_the_keys_in_a_profile_that_is_sent_stay_secret_too() -> None:
    """The key that was in force before, and the one that shall be."""
    profile = {"authorization-api-key": "the-webhook-key-before", "other": 1}
    for key in ("the-webhook-key-before", "the-webhook-key-behind"):
        body = json.dumps({"message": f"cannot save {key}"}).encode()
        with answering(http("400 x", body)) as server:
            client = Client(Access(server.url, "u", Secret("k" * 34), 5), Pace())
            with pytest.raises(RemoteError) as caught:
                client.update_profile(
                    profile,
                    {"authorization-api-key": Secret("the-webhook-key-behind"), "call-timeout": 5},
                )
            client.close()
        assert caught.value.message.endswith("refused the request (400)")
        sent = json.loads(server.arrivals[0].partition(b"\r\n\r\n")[2])["profile"]
        assert sent == {
            "authorization-api-key": "the-webhook-key-behind",
            "other": 1,
            "call-timeout": 5,
        }
