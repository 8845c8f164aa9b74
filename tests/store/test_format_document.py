"""`docs/store-format.md` is enough to read a store: this reader was written from it alone.

It imports nothing of ours. Where the document and the frozen vectors part ways, a test
here says so.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests" / "vectors"
FROZEN = json.loads((VECTORS / "v1.json").read_text(encoding="utf-8"))
EXAMPLE = {entry["kind"]: entry for entry in FROZEN["vectors"]}["passphrase"]


def binary(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def tlv(*parts: str | bytes | int) -> bytes:
    joined = b""
    for part in parts:
        if isinstance(part, str):
            kind, content = 1, part.encode()
        elif isinstance(part, bytes):
            kind, content = 2, part
        else:
            kind, content = 3, part.to_bytes(8, "big")
        joined += bytes([kind]) + len(content).to_bytes(4, "big") + content
    return joined


def hkdf(key: bytes, salt: bytes, info: bytes) -> tuple[bytes, bytes]:
    """RFC 5869 with SHA-256, 64 bytes, as two halves."""
    extracted = hmac.digest(salt, key, "sha256")
    first = hmac.digest(extracted, info + b"\x01", "sha256")
    return first, hmac.digest(extracted, first + info + b"\x02", "sha256")


def raw_key(entry: dict[str, str], slot: dict[str, Any]) -> bytes:
    if slot["kind"] == "passphrase":
        return Argon2id(
            salt=binary(slot["argon2_salt"]),
            length=32,
            iterations=slot["argon2_passes"],
            lanes=slot["argon2_lanes"],
            memory_cost=slot["argon2_memory"],
        ).derive(entry["passphrase"].encode())
    content = binary(entry["key"].removeprefix("opbxk1_"))
    assert hashlib.sha256(content[:32]).digest()[:4] == content[32:]
    return content[:32]


def steps(entry: dict[str, str]) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Read a vector's store; return every value on the way, and what the store holds."""
    data = (VECTORS / entry["file"]).read_bytes()
    tree = tomllib.loads(data.decode())
    (slot,) = tree["slot"]
    store_id = binary(tree["store_id"])
    found = {"raw key": raw_key(entry, slot)}
    place = tlv(store_id, slot["id"], slot["kind"])
    found["slot info"] = b"opbx-store/v1/slot" + place
    found["wrap"], found["commit"] = hkdf(
        found["raw key"], binary(slot["salt"]), found["slot info"]
    )
    assert found["commit"] == binary(slot["commit"])
    found["slot aad"] = tlv("slot") + place
    found["data key"] = AESGCM(found["wrap"]).decrypt(
        binary(slot["nonce"]), binary(slot["wrapped"]), found["slot aad"]
    )
    found["document info"] = b"opbx-store/v1/doc" + tlv(store_id)
    found["enc"], found["mac"] = hkdf(
        found["data key"], binary(tree["salt"]), found["document info"]
    )
    signed = data[: data.rindex(b'\n[mac]\nhmac_sha256 = "') + len(b"\n[mac]\nhmac_sha256 = ")]
    found["tag"] = hmac.digest(found["mac"], signed, "sha256")
    assert found["tag"] == binary(tree["mac"]["hmac_sha256"])
    for name, profile in tree["profile"].items():
        for field, text in profile.pop("secret", {}).items():
            aad = tlv("field", store_id, tree["generation"], name, field)
            found[f"aad of {field}"] = aad
            sealed = binary(text.removeprefix("v1."))
            profile[field] = AESGCM(found["enc"]).decrypt(sealed[:12], sealed[12:], aad).decode()
            found[f"plaintext of {field}"] = profile[field].encode()
    return found, tree


@pytest.mark.parametrize("entry", FROZEN["vectors"], ids=lambda entry: entry["kind"])
def test_a_reader_written_from_the_document_opens_every_frozen_store(
    entry: dict[str, Any],
) -> None:
    _, tree = steps(entry)
    assert tree["profile"] == FROZEN["profiles"]
    assert tree["default_profile"] == FROZEN["default_profile"]
    assert tree["generation"] == entry["generation"]
    assert tree["slot"][0]["kind"] == entry["kind"]


def test_the_worked_example_has_the_values_of_the_frozen_store() -> None:
    text = (ROOT / "docs" / "store-format.md").read_text(encoding="utf-8")
    store, values = re.findall(r"```(?:toml|text)\n(.*?)```", text, re.DOTALL)[-2:]
    assert store == (VECTORS / EXAMPLE["file"]).read_text(encoding="utf-8")
    documented = dict(re.findall(r"^(.+?) += ([0-9a-f]+)$", values, re.MULTILINE))
    found, _ = steps(EXAMPLE)
    expected = {"passphrase": EXAMPLE["passphrase"].encode(), **found}
    assert documented == {name: content.hex() for name, content in expected.items()}
