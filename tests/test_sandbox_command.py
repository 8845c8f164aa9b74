"""`opbx sandbox` and `opbx demo` as the installed program."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from declared import parsed
from support import MEASURED, Opbx


@contextmanager
def start(opbx: Opbx, *argv: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "opbx_cli", "sandbox", "--port", "0", *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=opbx.process_environ(**MEASURED),
    ) as process:
        try:
            yield process
        finally:
            process.kill()  # of a test that failed before it ended the process


def test_it_prints_variables_that_make_opbx_work(opbx: Opbx) -> None:
    with start(opbx) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        variables = dict(line.removeprefix("export ").rstrip().split("=", 1) for line in lines)
        assert set(variables) == {
            "CLOUDONIX_API_BASE_URL",
            "OPBX_DOMAIN_UUID",
            "OPBX_DOMAIN_API_KEY",
        }
        outcome = opbx("trunks", "list", **variables)
        assert outcome.code == 0
        assert "carrier-main" in outcome.stdout
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == "The sandbox is running; Ctrl-C stops it.\n"


def test_json_has_every_domain(opbx: Opbx) -> None:
    with start(opbx, "--domains", "3", "--json") as process:
        assert process.stdout is not None
        text = "".join(iter(process.stdout.readline, "}\n")) + "}"
        process.terminate()
        document = parsed(text)
        assert document["schema"] == "opbx.sandbox/1"
        assert len({entry["uuid"] for entry in document["domains"]}) == 3
        assert document["opbx"] is None


def test_json_has_what_signs_in_to_opbx(opbx: Opbx) -> None:
    with start(opbx, "--opbx", "--json") as process:
        assert process.stdout is not None
        text = "".join(iter(process.stdout.readline, "}\n")) + "}"
        process.terminate()
        document = parsed(text)
        assert document["opbx"]["url"] == document["url"]
        assert set(document["opbx"]) == {"url", "email", "password", "token", "signature_secret"}


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--variant", "profile=mix"], "profile"),
        (["--variant", "nonsense"], "NAME=VALUE"),
        (["--fault", "list-trunks=nonsense"], "KIND"),
        (["--variant", "opbx=january"], "--opbx"),
        (["--opbx", "--variant", "opbx=august"], "july, january"),
        (["--opbx", "--variant", "opbx-roles=owner"], "opbx-role"),
        (["--fault", "opbx-voice=500"], "--opbx"),
        (["--port", "70000"], "port"),
        (["--domains", "-1"], "domains"),
        (["--latency", "-1"], "latency"),
        (["--trunks", "many"], "--trunks"),
    ],
)
def test_bad_options_are_usage_errors(opbx: Opbx, argv: list[str], expected: str) -> None:
    outcome = opbx("sandbox", *argv)
    assert outcome.code == 2
    assert outcome.stdout == ""
    assert expected in outcome.stderr


def test_a_port_in_use_is_said_with_the_way_out(opbx: Opbx) -> None:
    with start(opbx, "--json") as process:
        assert process.stdout is not None
        document = parsed("".join(iter(process.stdout.readline, "}\n")) + "}")
        port = document["url"].rpartition(":")[2]
        outcome = opbx("sandbox", "--port", port)
        process.terminate()
    assert outcome.code == 3
    assert "opbx sandbox --port 0" in outcome.stderr


def test_demo_shows_the_triangle_and_leaves_nothing(opbx: Opbx, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    outcome = opbx.process("demo", TMPDIR=str(temporary))
    assert outcome.code == 0, outcome.stderr
    shown = [line for line in outcome.stdout.splitlines() if line.startswith("$ opbx ")]
    assert [" ".join(line.split()[2:4]) for line in shown] == [
        "configure --domain-uuid",
        "instance connect",
        "instance pull",
        "validate",
        "sandbox call",
        "webhook-key rotate",
        "sandbox call",
        "status",
        "trunks list",
        "webhook-url",
    ]
    assert "(exit code" not in outcome.stdout
    assert "instance\tok\tOPBX has the same settings" in outcome.stdout
    assert outcome.stdout.count("\tdelivered\t200\t") == 12
    assert "OPBX at http://127.0.0.1:" in outcome.stdout
    assert "no_answer_timeout\t45\t45\t45\tok" in outcome.stdout
    assert list(temporary.iterdir()) == []
    assert not opbx.home.exists()


def test_demo_as_json_is_one_document(opbx: Opbx) -> None:
    outcome = opbx("demo", "--json")
    assert outcome.code == 0, outcome.stderr
    assert outcome.document["schema"] == "opbx.demo/1"
    commands = outcome.document["commands"]
    assert [entry["exit_code"] for entry in commands] == [0] * 10
    assert all(entry["about"].endswith(".") for entry in commands)


def test_demo_of_webhooks_shows_the_whole_loop(opbx: Opbx, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    outcome = opbx.process("demo", "--webhooks", TMPDIR=str(temporary))
    assert outcome.code == 0, outcome
    shown = [line.split(" ", 2)[2] for line in outcome.stdout.splitlines() if line[:6] == "$ opbx"]
    assert [line.partition(" --domain-uuid")[0] for line in shown] == [
        "configure",
        "webhook listen --port 0 &",
        "validate",
        "webhook-url --check --with-key",
        "sandbox call",
        "webhook-key rotate --grace 15m",
        "sandbox call",
        "sandbox call --wrong-key",
    ]
    assert "(exit code" not in outcome.stdout
    assert outcome.stdout.count("\taccepted\t200\t") == 14
    assert outcome.stderr.endswith("24 callbacks, 10 refused.\n")
    assert list(temporary.iterdir()) == []


def test_demo_of_webhooks_as_json_has_the_listeners_lines_too(opbx: Opbx) -> None:
    outcome = opbx("demo", "--webhooks", "--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    listener = outcome.document["commands"][-1]
    assert listener["command"] == "opbx webhook listen --port 0"
    assert listener["output"].count("\taccepted\t200\t") == 14
    assert "24 callbacks, 10 refused." in listener["output"]


def test_a_quiet_demo_of_webhooks_still_passes_warnings_on(opbx: Opbx) -> None:
    outcome = opbx.process("demo", "--webhooks", "-q")
    assert outcome.code == 0, outcome
    assert outcome.stderr.count("warning: the webhook base URL is not https") == 2
