"""Cloudonix's own command-line tool, npm package `@cloudonix.io/cloudonix-cli`, at the sandbox.

It is a client that we did not write. It is not installed here: `OPBX_TEST_CLOUDONIX_CLI` names its
program (`bin/run` in the package's folder), or it is on the PATH.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx, Outcome

NODE = shutil.which("node")
TOOL = os.environ.get("OPBX_TEST_CLOUDONIX_CLI") or shutil.which("cloudonix-cli")
URL = "https://ivr.example.com/menu"

Tool = Callable[..., Outcome]

pytestmark = [
    pytest.mark.skipif(NODE is None, reason="node is not on the PATH"),
    pytest.mark.skipif(
        TOOL is None or not Path(TOOL).exists(),
        reason="cloudonix-cli (npm: @cloudonix.io/cloudonix-cli) is not on the PATH, and "
        "OPBX_TEST_CLOUDONIX_CLI does not name its program",
    ),
]


@pytest.fixture
def tool(sandbox: RunningSandbox, tmp_path: Path) -> Tool:
    """The tool, set up for the sandbox's domain by its own file."""
    home = tmp_path / "tool"
    home.mkdir()
    domain = sandbox.domains[0]
    settings = {"APIKEY": domain.api_key, "ENDPOINT": sandbox.url, "DOMAIN": domain.name}
    lines = "".join(f"{name}={value}\n" for name, value in settings.items())
    (home / ".env.cloudonix.cli").write_text(lines)
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "NO_PROXY": "*"}

    def run(*argv: str) -> Outcome:
        done = subprocess.run(
            [str(NODE), str(TOOL), *argv],
            capture_output=True,
            text=True,
            env=environ,
            cwd=home,
            check=False,
            timeout=60,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


def shown(outcome: Outcome) -> dict[str, str]:
    """Return the fields at the left margin of what the tool shows for one object."""
    assert outcome.code == 0, outcome.stderr
    return dict(re.findall(r"^([\w-]+): *(.*?) *$", outcome.stdout, re.MULTILINE))


def refused(outcome: Outcome, phrase: str) -> bool:
    return outcome.code != 0 and phrase in outcome.stderr


def test_domains(tool: Tool, sandbox: RunningSandbox) -> None:
    domain = sandbox.domains[0]
    listed = tool("domains", "get")
    assert (listed.code, listed.stdout.count("tenantId:")) == (0, 1)
    by_name = shown(tool("domains", "get", f"--name={domain.name}"))
    assert (by_name["uuid"], by_name["registrationFree"]) == (domain.uuid, "false")
    assert shown(tool("domains", "get", f"--id={by_name['id']}")) == by_name
    off = tool("domains", "config", f"--name={domain.name}", "--unset", "--active")
    assert off.code == 0, off.stderr
    assert sandbox.state.domain()["active"] is False
    assert refused(tool("domains", "create", "--name=new.example"), "Forbidden")
    assert refused(tool("domains", "revoke", f"--name={domain.name}"), "Forbidden")
    assert refused(tool("domains", "get", "--name=nobody.example"), "Not Found")


def test_applications(tool: Tool) -> None:
    assert refused(tool("applications", "get"), "Not Found"), "an empty list is 404"
    created = shown(tool("applications", "create", "--name=menu", f"--url={URL}"))
    assert (created["name"], created["url"], created["method"]) == ("menu", URL, "POST")
    assert refused(tool("applications", "create", "--name=menu", f"--url={URL}"), "Conflict")
    assert shown(tool("applications", "get", f"--id={created['id']}"))["url"] == URL
    changed = shown(tool("applications", "update", "--name=menu", "--disable"))
    assert (changed["url"], changed["active"]) == (URL, "false")
    assert shown(tool("applications", "revoke", "--name=menu"))["status"] == "204"
    assert refused(tool("applications", "get", "--name=menu"), "Not Found")


def test_trunks(tool: Tool, sandbox: RunningSandbox) -> None:
    listed = tool("trunks", "get", f"--domain={sandbox.domains[0].uuid}")
    assert (listed.code, listed.stdout.count("transport:")) == (0, len(sandbox.state.trunks()) - 1)
    created = shown(tool("trunks", "create", "--name=mine", "--ip=192.0.2.7"))
    assert (created["port"], created["direction"]) == ("5060", "public-outbound")
    changed = shown(tool("trunks", "update", "--name=mine", "--port=5070", "--transport=tls"))
    assert (changed["ip"], changed["port"], changed["transport"]) == ("192.0.2.7", "5070", "tls")
    assert shown(tool("trunks", "get", f"--id={created['id']}"))["port"] == "5070"
    assert shown(tool("trunks", "revoke", "--name=mine"))["status"] == "204"
    assert refused(tool("trunks", "revoke", "--name=mine"), "Not Found")
    assert refused(tool("trunks", "create", "--name=mine"), "Bad Request"), "it has no address"


def test_what_the_tool_changes_is_seen_and_mended_by_validate(
    tool: Tool, sandbox: RunningSandbox, opbx: Opbx
) -> None:
    domain = sandbox.domains[0]
    address = ("--api-base-url", sandbox.url, "--webhook-base-url", WEBHOOK_BASE_URL)
    argv = ("configure", "--domain-uuid", domain.uuid, "--api-key-stdin", *address)
    assert opbx(*argv, stdin=domain.api_key).code == 0
    assert opbx("validate").code == 0
    (ours,) = sandbox.state.applications()
    shown(tool("applications", "update", f"--name={ours['name']}", f"--url={URL}"))
    assert opbx("validate", "--check").code == 8
    assert opbx("validate", "--yes").code == 0
    (mended,) = sandbox.state.applications()
    assert (mended["url"], mended["type"]) == (ours["url"], "cxml")
    shown(tool("trunks", "create", "--name=mine", "--ip=192.0.2.7"))
    assert "mine" in opbx("trunks", "list").stdout
