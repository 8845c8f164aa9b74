"""`webhook-url`: which URL wins, how it is shown, and which ones are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import Opbx
from terminal import shown_on_terminal

UUID = "6b1f0c2e-0000-4000-8000-000000000001"
KEY = "XI0123456789abcdefghijABCDEFGHIJKL"
BASE = "https://pbx.example.com"
OPBX_VARIABLE = "OPBX_APPLICATION_WEBHOOK_BASEURL"
PATHS = {
    "base": "",
    "voice": "/api/voice/route",
    "session-update": "/api/webhooks/cloudonix/session-update",
    "cdr": "/api/webhooks/cloudonix/cdr",
}
ENDPOINTS = {name.replace("-", "_"): BASE + path for name, path in PATHS.items() if name != "base"}
UNREACHABLE = [
    "localhost",
    "LOCALHOST",
    "localhost.",
    "pbx.localhost",
    "pbx",
    "pbx.",
    "pbx.local",
    "pbx.internal",
    "pbx.office.internal.",
    "pbx.test",
    "pbx.invalid",
    "nas.home.arpa",
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.127.255.255",
    "192.0.2.1",
    "198.18.0.1",
    "203.0.113.9",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:c0a8:101]",
    "[::127.0.0.1]",
    "[64:ff9b::10.0.0.1]",
    "[2002:a00:1::1]",
    "[fc00::1]",
    "[fd12:3456:789a::1]",
    "[fe80::1]",
    "[fe80::1%25eth0]",
    "[fec0::1]",
    "[ff02::1]",
    "[2001:db8::1]",
]
REACHABLE = [
    "pbx.example.com",
    "pbx.example.com.",
    "PBX.Example.com:8443",
    "8.8.8.8",
    "172.32.0.1",
    "100.128.0.1",
    "[2606:4700::1111]",
    "[::ffff:8.8.8.8]",
    "local.example.com",
    "internal.example",
    "10.example.com",
    "xn--bcher-kva.example",
]
# By what is wrong with it; MARK stands where a secret might.
MARK = "sK7q-secret"
BAD = {
    f"https://user:{MARK}@pbx.example.com": "user name or password",
    f"https://{MARK}@pbx.example.com": "user name or password",
    f"https://pbx.example.com/?token={MARK}": "query",
    "https://pbx.example.com/?": "query",
    f"https://pbx.example.com/#{MARK}": "fragment",
    f"https://pbx.example.com/\x1b[2J{MARK}": "printable ASCII",
    f"https://pbx.example.com/\n{MARK}": "printable ASCII",
    f"https://pbx.example.com\\{MARK}": "printable ASCII",
    f"https://pbx.example.com/{MARK}" + "a" * 250: "255 characters",
    "https://pbx.example.com:99999": "not a URL",
    "https://pbx.example.com:0": "port",
    f"https:///{MARK}": "names a host",
    f"pbx.example.com/{MARK}": "https://",
    f"ftp://pbx.example.com/{MARK}": "https://",
    f"{MARK}": "https://",
    "https://2130706433": "host",
    "https://0x7f000001": "host",
    "https://0x7f.0.0.1": "host",
    "https://0177.0.0.1": "host",
    "https://127.1": "host",
}


@pytest.fixture
def stored(opbx: Opbx) -> Opbx:
    """A profile without a webhook base URL of its own."""
    outcome = opbx("configure", "--domain-uuid", UUID, "--api-key-stdin", stdin=KEY)
    assert outcome.code == 0, outcome.stderr
    return opbx


def test_off_a_terminal_it_is_one_bare_line(opbx: Opbx) -> None:
    outcome = opbx("webhook-url", APP_URL=BASE)
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, f"{BASE}\n", "")
    assert not opbx.home.exists()


@pytest.mark.parametrize(
    ("override", "opbx_variable", "app_url", "source"),
    [
        ("override", "baseurl", "app", "profile default"),
        (None, "baseurl", "app", OPBX_VARIABLE),
        (None, "", "app", "APP_URL"),
        (None, None, "app", "APP_URL"),
        ("override", None, None, "profile default"),
        ("override", "", "", "profile default"),
    ],
)
def test_the_first_source_wins_and_empty_ones_do_not_count(
    stored: Opbx,
    override: str | None,
    opbx_variable: str | None,
    app_url: str | None,
    source: str,
) -> None:
    if override is not None:
        stored("configure", "--webhook-base-url", f"https://{override}.example.com")
    given = {OPBX_VARIABLE: opbx_variable, "APP_URL": app_url}
    variables = {
        name: f"https://{text}.example.com" if text else text
        for name, text in given.items()
        if text is not None
    }
    document = stored("webhook-url", "--json", **variables).document
    winner = next(text for text in (override, opbx_variable, app_url) if text)
    assert document["base_url"] == f"https://{winner}.example.com"
    assert document["source"] == source


def test_the_document_has_source_and_endpoints(opbx: Opbx) -> None:
    outcome = opbx("webhook-url", "--json", **{OPBX_VARIABLE: f"{BASE}///"})
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.document == {
        "schema": "opbx.webhook-url/1",
        "base_url": BASE,
        "source": OPBX_VARIABLE,
        "endpoints": ENDPOINTS,
        "warnings": [],
    }


@pytest.mark.parametrize("url", [BASE, f"{BASE}/", f"{BASE}//", "HTTPS://PBX.example.COM/"])
def test_slashes_at_the_end_and_capitals_fall_away(opbx: Opbx, url: str) -> None:
    assert opbx("webhook-url", APP_URL=url).stdout == f"{BASE}\n"
    outcome = opbx("webhook-url", "--endpoint", "voice", APP_URL=url)
    assert outcome.stdout == f"{BASE}/api/voice/route\n"


def test_a_path_stays_in_front_of_the_endpoints(opbx: Opbx) -> None:
    outcome = opbx("webhook-url", "--endpoint", "cdr", APP_URL=f"{BASE}/Opbx/")
    assert outcome.stdout == f"{BASE}/Opbx/api/webhooks/cloudonix/cdr\n"


@pytest.mark.parametrize("name", PATHS)
def test_an_endpoint_is_a_bare_line_on_and_off_a_terminal(opbx: Opbx, name: str) -> None:
    long_base = f"{BASE}/{'a' * 100}"
    line = f"{long_base}{PATHS[name]}\n"
    outcome = opbx("webhook-url", "--endpoint", name, APP_URL=long_base)
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, line, "")
    environ = opbx.process_environ(APP_URL=long_base)
    assert shown_on_terminal("webhook-url", "--endpoint", name, environ=environ) == (0, line)


@pytest.mark.parametrize("name", ["", "health", "session_update", "Voice", KEY])
def test_an_unknown_endpoint_is_a_usage_error(opbx: Opbx, name: str) -> None:
    outcome = opbx("webhook-url", "--endpoint", name, APP_URL=BASE)
    assert (outcome.code, outcome.stdout) == (2, "")
    expected = "error: --endpoint: expected one of base, voice, session-update, cdr\n"
    assert outcome.stderr == expected


@pytest.mark.parametrize("columns", [80, 200])
def test_on_a_terminal_only_a_url_goes_beyond_the_width(opbx: Opbx, columns: int) -> None:
    url = f"{BASE}/{'a' * 60}"
    environ = opbx.process_environ(APP_URL=url, NO_COLOR="1", TERM="dumb")
    code, shown = shown_on_terminal("webhook-url", environ=environ, columns=columns)
    assert code == 0
    assert all(len(line) <= columns for line in shown.splitlines() if url not in line)
    for text in (url, "APP_URL", *(url + path for path in PATHS.values())):
        assert f" {text}\n" in shown.replace("\r", "")


def test_no_url_anywhere_is_a_configuration_error(opbx: Opbx) -> None:
    for variables in ({}, {OPBX_VARIABLE: "", "APP_URL": ""}):
        outcome = opbx("webhook-url", **variables)
        assert (outcome.code, outcome.stdout) == (3, "")
        assert outcome.stderr == (
            "error: no webhook base URL: Cloudonix would not know where to send calls\n"
            "hint: `opbx configure` asks for one, or set "
            "OPBX_APPLICATION_WEBHOOK_BASEURL or APP_URL, or name OPBX's .env with --env-file\n"
        )
    assert opbx("webhook-url", "--json").error["code"] == "configuration.webhook_url"


def test_without_a_store_the_hint_is_the_variable(opbx: Opbx) -> None:
    outcome = opbx("webhook-url", OPBX_DOMAIN_UUID=UUID, OPBX_DOMAIN_API_KEY=KEY)
    assert (outcome.code, outcome.stdout) == (3, "")
    assert "hint: set OPBX_WEBHOOK_BASE_URL, or set OPBX_APPLICATION" in outcome.stderr


@pytest.mark.parametrize("host", UNREACHABLE)
def test_a_host_that_the_internet_cannot_reach_is_a_warning(opbx: Opbx, host: str) -> None:
    outcome = opbx("webhook-url", APP_URL=f"https://{host}:8443")
    assert outcome.code == 0
    assert outcome.stdout.lower().startswith("https://")
    assert outcome.stderr == (
        "warning: the webhook base URL has a host that the internet cannot reach: "
        "calls would not arrive\n"
    )
    document = opbx("webhook-url", "--json", APP_URL=f"https://{host}").document
    assert len(document["warnings"]) == 1


@pytest.mark.parametrize("host", UNREACHABLE)
def test_in_production_it_is_an_error(opbx: Opbx, host: str) -> None:
    mode = {"OPBX_APPLICATION_MODE": "production"}
    for argv in ((), ("--endpoint", "voice"), ("--json",)):
        outcome = opbx("webhook-url", *argv, APP_URL=f"https://{host}", **mode)
        assert (outcome.code, outcome.stdout) == (3, "")
    assert outcome.error["code"] == "configuration.webhook_url"
    assert "(from APP_URL) has a host that the internet cannot reach" in outcome.error["message"]


def test_one_endpoint_is_a_bare_line_even_where_json_is_asked_for(opbx: Opbx) -> None:
    argv = ("webhook-url", "--endpoint", "base", "--json")
    outcome = opbx(*argv, APP_URL="http://pbx.example.com")
    assert (outcome.code, outcome.stdout) == (0, "http://pbx.example.com\n")
    assert outcome.stderr.startswith("warning: ")
    assert opbx(*argv).error["exit_code"] == 3


@pytest.mark.parametrize("mode", ["development", "production", "PRODUCTION", ""])
@pytest.mark.parametrize("host", REACHABLE)
def test_a_host_on_the_internet_is_fine_in_every_mode(opbx: Opbx, host: str, mode: str) -> None:
    outcome = opbx("webhook-url", APP_URL=f"https://{host}", OPBX_APPLICATION_MODE=mode)
    assert (outcome.code, outcome.stderr) == (0, "")


def test_http_is_a_warning_and_in_production_an_error(opbx: Opbx) -> None:
    outcome = opbx("webhook-url", "--endpoint", "voice", "-q", APP_URL="http://pbx.example.com")
    assert (outcome.code, outcome.stdout) == (0, "http://pbx.example.com/api/voice/route\n")
    assert outcome.stderr.startswith("warning: the webhook base URL is not https: ")
    outcome = opbx("webhook-url", APP_URL="http://localhost")
    assert len(outcome.stderr.splitlines()) == 3
    assert "warning: APP_URL is still what OPBX's example has\n" in outcome.stderr
    production = {"APP_URL": "http://pbx.example.com", "OPBX_APPLICATION_MODE": "production"}
    outcome = opbx("webhook-url", **production)
    assert (outcome.code, outcome.stdout) == (3, "")
    assert "refused with OPBX_APPLICATION_MODE=production" in outcome.stderr


def test_an_unknown_mode_is_an_error(opbx: Opbx) -> None:
    outcome = opbx("webhook-url", APP_URL=BASE, OPBX_APPLICATION_MODE=MARK)
    assert (outcome.code, outcome.stdout) == (3, "")
    assert outcome.stderr == "error: OPBX_APPLICATION_MODE: expected production or development\n"


@pytest.mark.parametrize("url", BAD)
def test_a_bad_url_is_refused_by_flag_and_by_variable(stored: Opbx, url: str) -> None:
    outcome = stored("configure", "--webhook-base-url", url)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith("error: --webhook-base-url: ")
    for name in (OPBX_VARIABLE, "APP_URL"):
        refused = stored("webhook-url", **{name: url})
        assert (refused.code, refused.stdout) == (3, "")
        assert refused.stderr.startswith(f"error: {name}: ")
        assert BAD[url] in refused.stderr
        assert MARK not in refused.stderr + outcome.stderr
    storeless = {"OPBX_DOMAIN_UUID": UUID, "OPBX_DOMAIN_API_KEY": KEY, "OPBX_WEBHOOK_BASE_URL": url}
    refused = stored("webhook-url", **storeless)
    assert (refused.code, refused.stdout) == (3, "")
    assert refused.stderr.startswith("error: OPBX_WEBHOOK_BASE_URL: ")


def test_a_better_source_hides_a_bad_one(stored: Opbx) -> None:
    assert stored("webhook-url", APP_URL=MARK, **{OPBX_VARIABLE: BASE}).code == 0
    stored("configure", "--webhook-base-url", "https://own.example.com")
    outcome = stored("webhook-url", APP_URL=MARK, **{OPBX_VARIABLE: MARK})
    assert (outcome.code, outcome.stdout) == (0, "https://own.example.com\n")


def test_a_store_that_does_not_open_is_not_papered_over(stored: Opbx) -> None:
    store = stored.home / "store.toml"
    good = store.read_bytes()

    def refuses() -> bool:
        outcome = stored("webhook-url", APP_URL=BASE)
        return (outcome.code, outcome.stdout) == (10, "")

    store.write_bytes(good.replace(UUID.encode(), UUID.encode()[::-1]))
    assert refuses()
    store.write_bytes(b"")
    assert refuses()
    store.write_bytes(good)
    store.chmod(0o644)
    assert refuses()
    store.unlink()
    store.mkdir()
    assert refuses()
    store.rmdir()
    store.symlink_to("nowhere")
    assert refuses()


def test_a_named_profile_needs_a_store(opbx: Opbx) -> None:
    for outcome in (
        opbx("webhook-url", "-p", "acme", APP_URL=BASE),
        opbx("webhook-url", APP_URL=BASE, OPBX_PROFILE="acme"),
    ):
        assert (outcome.code, outcome.stdout) == (3, "")
        assert outcome.stderr.startswith("error: not configured: ")


@pytest.mark.parametrize("path", [path for path in PATHS.values() if path])
def test_an_endpoint_is_understood_as_the_base_url_and_said_to_be(stored: Opbx, path: str) -> None:
    url = f"{BASE}{path}/"
    for variables in ({"APP_URL": url}, {OPBX_VARIABLE: url}):
        outcome = stored("webhook-url", **variables)
        assert outcome.stdout == f"{BASE}\n"
        assert "is one of OPBX's endpoints, whose path was cut off" in outcome.stderr
    storeless = {"OPBX_DOMAIN_UUID": UUID, "OPBX_DOMAIN_API_KEY": KEY, "OPBX_WEBHOOK_BASE_URL": url}
    outcome = stored("webhook-url", **storeless)
    assert outcome.stdout == f"{BASE}\n"
    assert "OPBX_WEBHOOK_BASE_URL is one of OPBX's endpoints" in outcome.stderr
    saved = stored("configure", "--webhook-base-url", url)
    assert saved.code == 0
    assert f"that is one of OPBX's endpoints; the base URL is {BASE}" in saved.stderr
    assert stored("webhook-url").stdout == f"{BASE}\n"
    assert stored("webhook-url", "--endpoint", "voice").stdout == f"{BASE}{PATHS['voice']}\n"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("pbx.example.com", "https://pbx.example.com"),
        ("PBX.example.com:8443/", "https://pbx.example.com:8443"),
        ("pbx.example.com/api/voice/route", "https://pbx.example.com"),
    ],
)
def test_a_host_alone_is_refused_with_what_was_meant(stored: Opbx, given: str, meant: str) -> None:
    outcome = stored("configure", "--webhook-base-url", given)
    assert outcome.code == 2
    assert outcome.stderr.splitlines()[1] == f"hint: did you mean `{meant}`?"


def test_a_default_port_is_left_out(stored: Opbx) -> None:
    assert stored("webhook-url", APP_URL="https://PBX.example.com:443").stdout == (
        "https://pbx.example.com\n"
    )
    assert stored("webhook-url", APP_URL="http://pbx.example.com:80").stdout == (
        "http://pbx.example.com\n"
    )


def test_what_opbx_itself_does_not_read_is_said(opbx: Opbx, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("APP_URL=http://localhost\nWEBHOOK_BASE_URL=https://pbx.example.com\n")
    outcome = opbx("webhook-url", "--env-file", str(path))
    assert outcome.stdout == "http://localhost\n"
    assert f"WEBHOOK_BASE_URL in {path}:2 is read by nothing, OPBX included" in outcome.stderr
