"""Whose certificates count: a company's authority in the system's list, or where variables say."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from containers import Container, why_not
from servers import Authority, answering, authority, http
from support import Opbx, Outcome

OK = http("200 OK", b"[]")
WHY_NOT = why_not()
SYSTEM = Path(ssl.get_default_verify_paths().openssl_cafile)
KNOWN = Path("/etc/ssl/certs/ca-certificates.crt")
needs_container = pytest.mark.skipif(WHY_NOT is not None, reason=WHY_NOT or "")
needs_list = pytest.mark.skipif(not KNOWN.exists(), reason="this system has no Debian's list")
pytestmark = pytest.mark.usefixtures("no_proxy_of_this_machine")


@pytest.fixture
def company(tmp_path: Path) -> Authority:
    return authority(tmp_path, "localhost")


@pytest.fixture
def other(tmp_path: Path) -> Authority:
    folder = tmp_path / "other"
    folder.mkdir()
    return authority(folder, "localhost", title="Another authority")


@pytest.fixture
def system(tmp_path: Path, storeless: Opbx) -> Container:
    """A system of its own, whose lists of authorities a test can change."""
    tmp_path.chmod(0o755)
    return Container(tmp_path, dict(storeless.environ), user=0)


def hashed(folder: Path, one: Authority) -> Path:
    """Make a folder as OpenSSL reads it."""
    folder.mkdir()
    done = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", one.certificate],
        check=True,
        capture_output=True,
        text=True,
    )
    shutil.copy(one.certificate, folder / f"{done.stdout.strip()}.0")
    return folder


def authorities(outcome: Outcome) -> str:
    (tls,) = [one for one in outcome.document["checks"] if one["id"] == "tls"]
    return str(tls["seen"]).split("the authorities are those of ")[1]


@needs_container
@needs_list
@pytest.mark.parametrize("is_openssl_for_another", [False, True])
def test_a_companys_authority_in_the_systems_list_is_trusted_without_a_variable(
    system: Container, company: Authority, is_openssl_for_another: bool
) -> None:
    """Python's OpenSSL may have been built for a system that keeps its list elsewhere."""
    system.writable = [(company.certificate, KNOWN.resolve())]
    if is_openssl_for_another:
        system.memory = [("755", SYSTEM.parent)]
    with answering(OK, context=company.server) as server:
        url = {"CLOUDONIX_API_BASE_URL": server.secure_url}
        done = system("trunks", "list", **url)
        assert (done.code, done.stderr) == (0, "")
        done = system("doctor", "--json", **url)
    assert authorities(done) == f"this system ({KNOWN if is_openssl_for_another else SYSTEM})"


@needs_container
@needs_list
def test_an_image_without_a_list_trusts_the_webs_authorities(
    system: Container, company: Authority
) -> None:
    empty = system.ground / "empty.pem"
    empty.write_bytes(b"")
    system.writable = [(empty, KNOWN.resolve())]
    system.memory = [("755", SYSTEM.parent)]
    with answering(OK, context=company.server) as server:
        done = system("doctor", "--json", CLOUDONIX_API_BASE_URL=server.secure_url)
    assert done.code == 1
    assert authorities(done) == "certifi, for this system has none"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl names the files of a folder")
def test_file_and_folder_count_together(
    storeless: Opbx, tmp_path: Path, company: Authority, other: Authority
) -> None:
    folder = hashed(tmp_path / "trusted", other)
    variables = {
        "SSL_CERT_FILE": str(company.certificate),
        "SSL_CERT_DIR": f"{tmp_path / 'missing'}{os.pathsep}{folder}",
    }
    named = " and ".join(f"{name} ({value})" for name, value in variables.items())
    for one in (company, other):
        with answering(OK, context=one.server) as server:
            url = {"CLOUDONIX_API_BASE_URL": server.secure_url}
            done = storeless.process("doctor", "--json", **url, **variables)
        assert authorities(done) == named
        assert len(server.arrivals) > 1, "it came to requests"


def test_a_named_file_takes_the_place_of_the_systems_list(
    storeless: Opbx, company: Authority, other: Authority
) -> None:
    with answering(OK, context=other.server) as server:
        done = storeless.process(
            "trunks",
            "list",
            CLOUDONIX_API_BASE_URL=server.secure_url,
            SSL_CERT_FILE=str(company.certificate),
        )
    assert done.code == 7


def test_a_folder_that_is_not_there_is_named_by_its_variable(
    storeless: Opbx, tmp_path: Path
) -> None:
    done = storeless.process(
        "trunks",
        "list",
        CLOUDONIX_API_BASE_URL="https://localhost:9",
        SSL_CERT_DIR=str(tmp_path / "missing"),
    )
    assert (done.code, done.stdout) == (3, "")
    assert "SSL_CERT_DIR cannot be read" in done.stderr
