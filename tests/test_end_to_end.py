"""The checks and the listener in the world's way: TLS, and a real reverse proxy in between."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from declared import parsed
from pbx import SESSION_UPDATE
from receiving import BEARER, DEADLINE, KEY, as_json, listener
from servers import Authority, authority
from support import Opbx, Outcome

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
HOST = "localhost"
HTTP_CHECKS = 8

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


@dataclass(frozen=True)
class Proxy:
    """A running nginx that ends TLS."""

    url: str
    authority: Authority


@contextlib.contextmanager
def nginx(folder: Path, location: str, certificate: Authority) -> Iterator[Proxy]:
    """Serve `location`, the inside of a location block, over TLS on loopback."""
    assert NGINX is not None
    folder.mkdir()
    for _ in range(5):  # another program may take the port in between
        port = _free_port()
        _write_configuration(folder, location, port, certificate)
        process = subprocess.Popen(
            [NGINX, "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            if _answers(process, port):
                yield Proxy(f"https://{HOST}:{port}", certificate)
                return
        finally:
            process.terminate()
            process.wait(DEADLINE)
    raise AssertionError((folder / "error.log").read_text())


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert isinstance(port, int)
    return port


def _write_configuration(folder: Path, location: str, port: int, certificate: Authority) -> None:
    addresses = {entry[4][0] for entry in socket.getaddrinfo(HOST, port, type=socket.SOCK_STREAM)}
    listens = [f"[{one}]:{port}" if ":" in str(one) else f"{one}:{port}" for one in addresses]
    chain = certificate.certificate.with_name("server.pem")
    temporaries = "".join(
        f"{name}_temp_path {folder};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        "daemon off; master_process off; pid nginx.pid;\n"
        "events {}\n"
        f"http {{ access_log off; {temporaries}\n"
        f"server {{ {''.join(f'listen {one} ssl;' for one in listens)}\n"
        f"ssl_certificate {chain}; ssl_certificate_key {chain};\n"
        f"location / {{ {location} }} }} }}\n"
    )


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        time.sleep(0.01)  # nginx has no way to say that it listens
    return False


@pytest.fixture
def keyed(opbx: Opbx) -> Opbx:
    opbx.environ |= {
        "OPBX_DOMAIN_UUID": "6b1f0c2e-0000-4000-8000-000000000001",
        "OPBX_DOMAIN_API_KEY": "XI0123456789abcdefghijABCDEFGHIJKL",
        "OPBX_WEBHOOK_API_KEY": KEY,
    }
    return opbx


def checked(opbx: Opbx, proxy: Proxy) -> Outcome:
    """Run the installed program, which alone has the variables in its environment."""
    return opbx.process(
        *("webhook-url", "--check", "--with-key", "--json"),
        OPBX_WEBHOOK_BASE_URL=proxy.url,
        SSL_CERT_FILE=str(proxy.authority.certificate),
    )


def results(outcome: Outcome) -> dict[str, str]:
    return {entry["id"]: entry["result"] for entry in outcome.document["checks"]}


def seen(outcome: Outcome, check_id: str) -> str:
    (found,) = [entry for entry in outcome.document["checks"] if entry["id"] == check_id]
    return str(found["seen"])


def passed_on(port: int) -> str:
    return f"proxy_pass http://127.0.0.1:{port};"


def test_behind_a_reverse_proxy_everything_passes(keyed: Opbx, tmp_path: Path) -> None:
    private = authority(tmp_path, HOST, days=60)
    with listener(keyed) as running:
        with nginx(tmp_path / "nginx", passed_on(running.port), private) as proxy:
            done = checked(keyed, proxy)
        _code, stdout, stderr = running.stopped(15)
    assert done.code == 0, done
    # `localhost` is for trials, and Cloudonix has no key yet; everything else is as it would be.
    warned = {name for name, result in results(done).items() if result != "ok"}
    assert warned == {"dns", "cloudonix-key"}
    assert seen(done, "key").startswith("OPBX knows the key (fp:")
    shown = [line.split("\t") for line in stdout.splitlines()]
    assert len(shown) == HTTP_CHECKS
    assert sum("accepted" in line for line in shown) == 2  # a call, and a session update
    assert KEY not in stdout + stderr + done.stdout + done.stderr


def test_the_listener_down_behind_the_proxy_is_seen(keyed: Opbx, tmp_path: Path) -> None:
    private = authority(tmp_path, HOST, days=60)
    with nginx(tmp_path / "nginx", passed_on(_free_port()), private) as proxy:
        done = checked(keyed, proxy)
    assert done.code == 1
    assert seen(done, "health") == "502: the server has trouble of its own"
    assert results(done)["key"] == "skipped"


@pytest.mark.parametrize(
    ("names", "shift", "words"),
    [
        ([HOST], datetime.timedelta(days=-9), "expired"),
        (["other.example.com"], datetime.timedelta(), "it is for other.example.com"),
    ],
)
def test_a_certificate_that_is_not_good_ends_it_before_anything_is_sent(
    keyed: Opbx, tmp_path: Path, names: list[str], shift: datetime.timedelta, words: str
) -> None:
    private = authority(tmp_path, *names, shift=shift)
    with listener(keyed) as running:
        with nginx(tmp_path / "nginx", passed_on(running.port), private) as proxy:
            done = checked(keyed, proxy)
        _code, stdout, _stderr = running.stopped(15)
    assert done.code == 1
    assert results(done)["tls"] == "failed"
    assert words in seen(done, "tls")
    assert stdout == ""


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("return 301 https://new.example.com$request_uri;", "301: redirected to https://new."),
        ('return 200 "everything is fine";', "200: accepted from anybody"),
        ("return 403;", "403: refused by something in front of OPBX"),
    ],
)
def test_a_server_that_is_no_opbx_never_sees_the_key(
    keyed: Opbx, tmp_path: Path, location: str, words: str
) -> None:
    private = authority(tmp_path, HOST, days=60)
    with nginx(tmp_path / "nginx", location, private) as proxy:
        done = checked(keyed, proxy)
    assert done.code == 1
    assert seen(done, "voice-no-token").startswith(words)
    assert seen(done, "key") == "not sent: this server does not refuse other callbacks"


def test_callbacks_come_through_the_proxy_whole(keyed: Opbx, tmp_path: Path) -> None:
    body = as_json({"domain": "d.test", "token": "s-1", "x": "y" * 300_000})
    private = authority(tmp_path, HOST, days=60)
    saved = tmp_path / "saved"
    with listener(keyed, "--save", str(saved)) as running:
        with nginx(tmp_path / "nginx", passed_on(running.port), private) as proxy:
            port = int(proxy.url.rpartition(":")[2])
            context = ssl.create_default_context(cafile=private.certificate)
            connection = http.client.HTTPSConnection(HOST, port, context=context, timeout=DEADLINE)
            with contextlib.closing(connection):
                connection.request("POST", SESSION_UPDATE, body, BEARER)
                assert connection.getresponse().status == 200
        _code, stdout, _stderr = running.stopped(15)
    assert stdout.count("accepted") == 1
    assert [path.read_bytes() for path in saved.iterdir() if path.stat().st_size == len(body)] == [
        body
    ]


def test_a_call_goes_from_cloudonix_through_the_proxy_to_the_listener(
    configured: Opbx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = authority(tmp_path, HOST, days=60)
    monkeypatch.setenv("SSL_CERT_FILE", str(private.certificate))  # for the sandbox's callbacks
    with listener(configured, "--json") as running:
        with nginx(tmp_path / "nginx", passed_on(running.port), private) as proxy:
            assert configured("configure", "--webhook-base-url", proxy.url).code == 0
            assert configured("validate").code == 0
            done = configured("sandbox", "call", "--json")
            refused = configured("sandbox", "call", "--wrong-key", "--json")
        _code, stdout, _stderr = running.stopped(15)
    assert (done.code, refused.code) == (0, 0), (done, refused)
    shown = [parsed(line) for line in stdout.splitlines()]
    token = done.document["call"]
    assert {one["result"] for one in shown if one["call"] == token} == {"accepted"}
    assert [one["endpoint"] for one in shown if one["call"] == token] == [
        "voice",
        *["session-update"] * 4,
        "cdr",
    ]
    assert {one["result"] for one in shown if one["call"] != token} == {"refused"}
