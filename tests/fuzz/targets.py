"""The parsers of what others wrote. Another one is another entry of `TARGETS`."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import socket
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import astuple
from pathlib import Path

import httpx

from fuzz.inputs import CANARY, Target
from opbx_cli.cloudonix import parse
from opbx_cli.env_file import VALUE_MAX, read_env_file
from opbx_cli.errors import ConfigurationError, OpbxError, StoreError
from opbx_cli.http.bounded_network import ANSWER_MAX
from opbx_cli.http.content import UnreadableAnswerError, read_content
from opbx_cli.models import Secret
from opbx_cli.operations import manifest
from opbx_cli.store import crypto, file_format, sealing
from opbx_cli.store.audit_log import AuditLog
from opbx_cli.store.strict_toml import UnfitStore
from opbx_cli.webhooks.receiver import opbx, payload
from opbx_cli.webhooks.receiver.callback import ENDPOINTS, SHOWN_MAX, Request
from opbx_cli.webhooks.receiver.keys import AcceptedKey
from pbx import CDR, SESSION_UPDATE, VOICE
from receiving import connected, receiving, request

UUID = "6b1f0c2e-0000-4000-8000-000000000000"
VECTORS = Path(__file__).parents[1] / "vectors"
JSON_WORDS = (
    *(b"null", b"true", b"0", b"45", b'"45"', b"1e999", b"-1", b"NaN", b"[]", b"{}", b"[", b"{"),
    *(b"]", b"}", b",", b":", b'""', b'"\\ud800"', b'"\\u0000"', b"[{", b'{"a":', b"0.5", b"'"),
    f'"{CANARY}"'.encode(),
)
TOML_WORDS = (
    *(b"=", b"[", b"]", b"[[", b"]]", b".", b"#", b"'", b'"""', b"\\", b"{", b"}", b",", b"true"),
    *(b"0", b"-1", b"0x" + b"f" * 5000, b"1e999", b"nan", b"1979-05-27", b"[[slot]]", b'""'),
    f'"{CANARY}"'.encode(),
)


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


# Answers of the API

APPLICATION = {
    "id": 7,
    "name": "ivr",
    "uuid": "u",
    "type": "cxml",
    "url": "https://a.example/v",
    "method": "POST",
    "active": 1,
    "createdAt": "2024",
    "profile": {"a": 1},
}
DOMAIN = {
    "uuid": UUID,
    "domain": "acme.cloudonix.net",
    "active": True,
    "defaultApplication": 7,
    "application": APPLICATION,
    "tenant": {"billingPlan": {"package": {"name": "Unlimited"}}},
    "profile": {"call-timeout": "45", "recording-media-type": "wav", "crm": [1, None]}
    | {"authorization-api-key": CANARY, "cdr-endpoint": "https://a.example/c"},
}
TRUNK = {
    "id": 1,
    "name": "carrier",
    "ip": "192.0.2.1",
    "port": "5060",
    "active": "true",
    "profile": {"authentication": {"username": "u", "password": CANARY, "overwriteFrom": 1}},
}
CALL = {
    "call": "c1",
    "disposition": "ANSWER",
    "missing": [],
    "not_followed": ["Dial"],
    "callbacks": [
        {"endpoint": "cdr", "url": "https://a.example/c", "attempts": 1, "http_status": 200}
        | {"result": "taken", "detail": "", "milliseconds": 5, "event": None}
    ],
}


def read_answer(data: bytes) -> Iterator[str]:
    try:
        value = parse.decode(data)
    except parse.UnintelligibleError as problem:
        yield str(problem)
        return
    parse.remote_message(data)
    parsers: tuple[Callable[[], object], ...] = (
        lambda: parse.parse_domain(value, UUID),
        lambda: parse.parse_application(value),
        lambda: [parse.parse_trunk(one) for one in parse.json_objects(value, "trunk")],
        lambda: parse.parse_placed_call(value, lambda text: text[:300]),
    )
    for parser in parsers:
        try:
            parser()
        except parse.UnintelligibleError as problem:
            yield str(problem)


def read_packed(data: bytes) -> Iterator[str]:
    """Read an answer whose first line names how it is packed."""
    coding, _, content = data.partition(b"\n")
    response = httpx.Response(
        200,
        headers=[(b"Content-Encoding", coding.replace(b"\r", b""))],
        stream=httpx.ByteStream(content),
    )
    try:
        assert len(read_content(response)) <= ANSWER_MAX
    except UnreadableAnswerError as problem:
        yield problem.what


def packed() -> Iterator[bytes]:
    raw = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    yield b"gzip\n" + gzip.compress(as_json(DOMAIN))
    yield b"deflate\n" + zlib.compress(as_json(DOMAIN))
    yield b"deflate\n" + raw.compress(as_json(DOMAIN)) + raw.flush()
    yield b"gzip\n" + gzip.compress(bytes(ANSWER_MAX + 1))
    yield b"identity\n" + as_json(DOMAIN)


# Callbacks

VOICE_CALL = {"To": "+15557654321", "From": "+15551234567", "Session": "s1", "Domain": "d.test"}
RECORD = {"session": {"token": "s1"}, "from": 1, "to": "2", "owner": {"domain": {"name": "d"}}}


ORGANIZATION = opbx.Organization("u", "d.test")
NO_SIGNATURES = opbx.Signatures(are_checked=False)


def read_payload(data: bytes) -> Iterator[str]:
    for path, endpoint in ENDPOINTS.items():
        callback = Request("POST", path, (), data)
        content: payload.Payload = {}
        said = ""
        try:
            content = payload.parsed(callback)
        except payload.BadBody as problem:
            said = str(problem)
            yield said
        for state in opbx.State:
            evidence = opbx.Evidence(callback, content, said, opbx.Token("current", None))
            judged = opbx.judge(opbx.Played(state, ORGANIZATION, NO_SIGNATURES), evidence)
            yield str(judged.reason)
        if content:
            for text in astuple(payload.call(endpoint, content)):
                assert text is None or (len(text) <= SHOWN_MAX and text.isprintable())


def read_connection(data: bytes) -> Iterator[str]:
    """Send raw bytes to a server, in two pieces; whatever they are, it goes on serving."""
    with receiving() as receiver:
        receiver.keys[:] = [AcceptedKey(Secret(CANARY), "current")]
        with connected(receiver.port) as client:
            with contextlib.suppress(ConnectionError):
                client.send(data[: len(data) // 2])
                client.send(data[len(data) // 2 :])
                client.socket.shutdown(socket.SHUT_WR)
            for answer in client.rest().split(b"HTTP/1.1 ")[1:]:
                assert 100 <= int(answer[:3]) < 600
        with connected(receiver.port) as client:
            client.send(request("/api/voice/health", method="GET"))
            assert client.response().status == 200
    assert (receiver.warnings, receiver.failures) == ([], [])
    for callback in receiver.shown:
        yield from (str(field) for field in (callback.method, callback.reason, callback.key))
        yield from (text for text in astuple(callback.call) if text is not None)


def callbacks() -> Iterator[bytes]:
    bearer = {"Authorization": f"Bearer {CANARY}"}
    yield request(VOICE, as_json(VOICE_CALL), Content_Type="application/json", **bearer)
    yield request(SESSION_UPDATE, b'{"token":"s1"}', Expect="100-continue", **bearer)
    yield request(CDR, as_json(RECORD), X_Cx_Apikey=CANARY) * 2
    chunked = f"POST {CDR} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    yield f"{chunked}Authorization: Bearer {CANARY}\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n".encode()


# Stores

FROZEN = json.loads((VECTORS / "v1.json").read_text(encoding="utf-8"))["vectors"]
STORES = {(VECTORS / one["file"]).read_bytes(): one.get("key") for one in FROZEN}
RAW_KEYS = tuple(crypto.raw_key_from_text(key) for key in STORES.values() if key is not None)
VAULTS = tuple(
    vault
    for data in STORES
    for key in RAW_KEYS
    if (vault := sealing.unlock(file_format.parse(data), key)) is not None
)
STORE_WORDS = (
    *TOML_WORDS,
    *(b'"passphrase"', b'"newer"', b"default_profile", b"[mac]\nhmac_sha256 = ", b"version = 2"),
)


def read_store(data: bytes) -> Iterator[str]:
    """Open bytes with every key there is; none opens but those that were once saved."""
    try:
        signed = file_format.parse(data)
        for key in RAW_KEYS:
            if (vault := sealing.unlock(signed, key)) is not None:
                sealing.open_contents(signed, vault)
                assert data in STORES
    except UnfitStore as problem:
        yield problem.reason


def read_signed_store(data: bytes) -> Iterator[str]:
    """Open what a faulty program wrote that has the key: its tag fits, whatever it says."""
    try:
        signed = file_format.parse(data)
    except UnfitStore as problem:
        yield problem.reason
        return
    for vault in VAULTS:
        _, mac_key = sealing._write_keys(vault, signed.document.salt)
        forged = signed._replace(tag=crypto.authenticate(mac_key, signed.signed))
        try:
            contents = sealing.open_contents(forged, vault)
            sealing.seal(contents, vault)
        except UnfitStore as problem:
            yield problem.reason


def read_trail(data: bytes) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.jsonl"
        path.touch(mode=0o600)
        path.write_bytes(data)
        try:
            AuditLog(path).read()
        except StoreError as problem:
            yield from said(problem)


TRAIL = {
    "time": "2026-01-02T03:04:05Z",
    "command": "configure",
    "profile": "acme",
    "result": "ok",
    "domain_uuid": UUID,
    "changed": ["domain_uuid"],
    "fingerprints": {"domain_api_key": {"from": None, "to": "fp:0a1b2c3d"}},
}


# Files that people write

MANIFEST = f"""[profile."acme"]
domain_uuid = "{UUID}"
domain_api_key_env = "KEY"
webhook_api_key_file = "webhook.key"
webhook_base_url = "https://pbx.example.com"
no_answer_timeout = 45
recording_format = "wav"
api_base_url = "https://api.cloudonix.io"
"""
PROFILE = re.compile(r"""profile\."[^"]*"|profile \S*'s""")
ENV_FILE = f"""# OPBX
export APP_URL='https://pbx.example.com'
DB_PASSWORD="{CANARY}"
OPBX_APPLICATION_WEBHOOK_BASEURL="${{APP_URL:-none}}/a" # here

OPBX_APPLICATION_MODE=production
"""
ASKED = ("APP_URL", "OPBX_APPLICATION_WEBHOOK_BASEURL", "OPBX_APPLICATION_MODE")


def read_manifest(data: bytes) -> Iterator[str]:
    try:
        manifest.parse(data, "domains.toml")
    except ConfigurationError as problem:
        # A profile is named, unless its name is a key in full.
        for text in said(problem):
            yield PROFILE.sub(f'profile."{CANARY}"' if f'"{CANARY}"' in text else "", text)


def read_env(data: bytes) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ".env"
        path.write_bytes(data)
        try:
            found = read_env_file(str(path), ASKED, {"HOME": "/home/a"}, named_by="--env-file")
        except OpbxError as problem:
            yield from said(problem)
            return
    assert set(found.assignments) <= set(ASKED)
    assert all(len(one.value) <= VALUE_MAX for one in found.assignments.values())
    yield found.warning or ""


def said(problem: OpbxError) -> Iterator[str]:
    yield problem.message
    yield problem.hint or ""


TARGETS = (
    Target(
        "answers",
        tuple(map(as_json, (DOMAIN, [APPLICATION], [TRUNK], CALL, {"message": CANARY}))),
        JSON_WORDS,
        read_answer,
    ),
    Target(
        "packed answers",
        tuple(packed()),
        (b"gzip\n", b"deflate\n", b"br\n", b"gzip, gzip\n", b"\x1f\x8b\x08", b"\x78\x9c"),
        read_packed,
    ),
    Target(
        "bodies of callbacks",
        (as_json(VOICE_CALL), as_json(RECORD), b"To=%2B1555&From=1&Session=s1&a[]=b"),
        (*JSON_WORDS, b"&", b"=", b"%", b"%ff", b"+", b";", b"\xef\xbb\xbf"),
        read_payload,
    ),
    Target(
        "connections",
        tuple(callbacks()),
        (
            *(b"\r\n", b"\r\n\r\n", b"\r", b": ", b"HTTP/1.0", b"HTTP/2", b"GET", b"?", b"http://"),
            *(b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", b"0\r\n\r\n", b"f" * 20),
            *(b"Connection: close\r\n", b"Upgrade: h2c\r\n", b"Host: y\r\n", b"Bearer", b"%00"),
        ),
        read_connection,
    ),
    Target("stores", tuple(STORES), STORE_WORDS, read_store),
    Target("stores, signed again", tuple(STORES), STORE_WORDS, read_signed_store),
    Target("audit trail", (as_json(TRAIL) + b"\n",), (*JSON_WORDS, b"\n", b"\r"), read_trail),
    Target("manifests", (MANIFEST.encode(),), TOML_WORDS, read_manifest),
    Target(
        ".env",
        (ENV_FILE.encode(),),
        (
            b"'",
            b'"',
            b"\\",
            b"${",
            b"}",
            b":-",
            b"$",
            b"=",
            b"#",
            b"export ",
            b"\r",
            b"A=${A}${A}\n",
        ),
        read_env,
    ),
)
