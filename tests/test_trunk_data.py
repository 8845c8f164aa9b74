"""Trunks as Cloudonix may send them one day: strange text, strange types, strange numbers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from opbx_cli.sandbox.server import RunningSandbox
from support import Opbx

MARKUP = "[bold]sale[/bold] [/red] :smile:"
STRANGE = {
    MARKUP: MARKUP,
    "red \x1b[31mx\x07\x00\x9b": "red [31mx",
    "one\ttwo\nthree\r\x85four\u2028five": "onetwothreefourfive",
    "abc\u202efdp.exe\u2066\u2069": "abcfdp.exe",
    "half \ud83d pair": "half  pair",
    "\u260e\ufe0f \U0001f468\u200d\U0001f469": "\u260e \U0001f468\U0001f469",
    "ac\u200bm\u061ce\u00ad\u3164\U000e0041": "acme",
    "ελληνικά 日本語 العربية": "ελληνικά 日本語 العربية",
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_name_is_data_on_a_line_and_unchanged_in_json(
    storeless: Opbx, sandbox: RunningSandbox, name: str
) -> None:
    sandbox.state.replace_trunks([{"id": 1, "name": name, "direction": "outbound"}])
    text = storeless("trunks", "list")
    assert (text.code, text.stderr) == (0, "")
    assert text.stdout == f"1\t\t{STRANGE[name]}\toutbound\t\t\t\t\t\t\n"
    document = storeless("trunks", "list", "--json")
    # Half of a pair of surrogates is no character, and no JSON that every parser takes.
    assert document.document["trunks"][0]["name"] == name.replace("\ud83d ", "\ufffd ")
    assert document.stdout.isascii()
    shown = storeless("trunks", "show", "1")
    assert shown.stdout.splitlines()[2] == f"name\t{STRANGE[name]}"
    table = storeless("trunks", "list", "-o", "csv").stdout
    assert table.endswith(f"\n1,,{STRANGE[name]},outbound,,,,,,\n")


def test_the_installed_program_prints_strange_names_in_any_locale(
    storeless: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.state.replace_trunks(
        [{"id": 1, "name": name, "direction": "outbound"} for name in STRANGE]
    )
    for form in ("text", "json", "csv"):
        outcome = storeless.process(
            "trunks", "list", "-o", form, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0"
        )
        assert (outcome.code, outcome.stderr) == (0, "")
        assert MARKUP in outcome.stdout


@pytest.mark.parametrize(
    ("sent", "field", "shown"),
    [
        ({"port": "5060"}, "port", 5060),
        ({"port": " 5060 "}, "port", 5060),
        ({"port": 5060.0}, "port", 5060),
        ({"port": 5060.5}, "port", None),
        ({"port": "sip"}, "port", None),
        ({"port": "\u0665"}, "port", None),
        ({"port": True}, "port", None),
        ({"port": {}}, "port", None),
        ({"metric": "010"}, "metric", 10),
        ({"id": "17"}, "id", 17),
        ({"id": "x-17"}, "id", "x-17"),
        ({"id": "9" * 25}, "id", "9" * 25),
        ({"id": True}, "id", None),
        ({"id": []}, "id", None),
        ({"name": 4711}, "name", "4711"),
        ({"name": 1.5}, "name", "1.5"),
        ({"name": False}, "name", None),
        ({"prefix": 9}, "prefix", "9"),
        ({"ip": ["192.0.2.1"]}, "ip", None),
        ({"transport": "quic"}, "transport", "quic"),
        ({"active": 1}, "active", True),
        ({"active": "false"}, "active", False),
        ({"active": "TRUE"}, "active", True),
        ({"active": "perhaps"}, "active", None),
        ({"active": 2}, "active", None),
        ({"active": [1]}, "active", None),
        ({"allowGlobal": 0}, "allow_global", False),
        ({"updatedAt": "2024"}, "modified_at", "2024"),
        ({"modifiedAt": None, "updatedAt": "2024"}, "modified_at", "2024"),
        ({"profile": []}, "profile_keys", []),
        ({"profile": {"b": 1, "a": None}}, "profile_keys", ["a", "b"]),
        ({"profile": {"authentication": "basic"}}, "authentication", None),
        (
            {"profile": {"authentication": {}}},
            "authentication",
            {"username": None, "password": None, "overwrite_from": None},
        ),
        (
            {"profile": {"authentication": {"username": 1, "password": "", "overwriteFrom": "0"}}},
            "authentication",
            {"username": "1", "password": None, "overwrite_from": False},
        ),
    ],
)
def test_a_field_of_another_type_costs_at_most_that_field(
    storeless: Opbx, sandbox: RunningSandbox, sent: dict[str, Any], field: str, shown: object
) -> None:
    sandbox.state.replace_trunks([{"direction": "outbound", **sent}])
    outcome = storeless("trunks", "list", "--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.document["trunks"][0][field] == shown
    assert storeless("trunks", "list").code == 0


@pytest.mark.parametrize("password", [12345678, "\ud800", "pässwörd", "\x00", "x" * 5000])
def test_a_password_of_any_kind_is_masked(
    storeless: Opbx, sandbox: RunningSandbox, password: object
) -> None:
    authentication = {"username": "u", "password": password}
    sandbox.state.replace_trunks([{"name": "t", "profile": {"authentication": authentication}}])
    outcome = storeless("trunks", "show", "t", "--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    shown = outcome.document["trunk"]["authentication"]["password"]
    assert shown["set"] is True
    assert shown["mask"].startswith("*" * 12)
    assert shown["fingerprint"] is None  # a person may have chosen it
    assert storeless("trunks", "show", "t").code == 0


@dataclass
class Repeater:
    """Answers every request with `answer`, whatever it is."""

    url: str
    answer: bytes = field(default=b"[]")


@pytest.fixture(scope="module")
def repeater() -> Iterator[Repeater]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(state.answer)))
            self.end_headers()
            self.wfile.write(state.answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state = Repeater(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield state
        server.shutdown()
        thread.join()


# What JSON can carry: all text, lone surrogates too, and whole numbers of any size.
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=8)
    | st.text("0123456789truefals-.", max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = (
    *("id", "uuid", "name", "ip", "port", "transport", "prefix", "direction", "metric", "active"),
    *("allowGlobal", "globalPrefix", "profile", "createdAt", "modifiedAt", "updatedAt"),
    *("authentication", "username", "password", "overwriteFrom"),
)
known = st.sampled_from(FIELDS)
trunks = st.dictionaries(
    known,
    anything
    | st.dictionaries(known, anything | st.dictionaries(known, anything, max_size=3), max_size=4),
    max_size=10,
)


@pytest.mark.uncounted
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(answer=[{"id": 10**400, "metric": 1e300}], form="json")
@example(answer=[{"metric": -0.0, "port": 1e-300}], form="json")
@example(answer=[{"profile": {"authentication": {"password": "\ud800"}}}], form="json")
@example(answer=[None], form="text")
@example(answer="\ud800", form="text")
@given(
    answer=st.lists(trunks, max_size=4) | anything, form=st.sampled_from(["text", "json", "csv"])
)
def test_no_answer_crashes_the_command(
    opbx: Opbx, repeater: Repeater, answer: object, form: str
) -> None:
    repeater.answer = json.dumps(answer).encode()
    environ = {
        "CLOUDONIX_API_BASE_URL": repeater.url,
        "OPBX_DOMAIN_UUID": "6b1f0c2e-0000-4000-8000-000000000000",
        "OPBX_DOMAIN_API_KEY": "XI" + "0" * 32,
    }
    outcome = opbx("trunks", "list", "--direction", "all", "-o", form, **environ)
    expected = answer if isinstance(answer, list) else [None]
    is_list = all(isinstance(entry, dict) for entry in expected)
    assert outcome.code == (0 if is_list else 6), outcome.stderr
    if not is_list:
        assert outcome.stdout == ""
        assert "cannot list the trunks" in outcome.stderr
    elif form == "json":
        assert len(outcome.document["trunks"]) == len(expected)
    else:
        lines = outcome.stdout.splitlines()
        assert len(lines) == len(expected) + (form == "csv")
