"""The process keeps its memory to itself, from before the first key until its end."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from opbx_cli.sandbox.server import RunningSandbox
from support import MEASURED, Opbx


def test_core_dumps_are_off_for_what_exec_becomes_too(configured: Opbx) -> None:
    code = "import resource; print(resource.getrlimit(resource.RLIMIT_CORE)[0])"
    _soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    wanted = f"import resource; resource.setrlimit(resource.RLIMIT_CORE, ({hard}, {hard}))\n"
    launcher = wanted + "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"
    opbx = [sys.executable, "-m", "opbx_cli", "exec", "--", sys.executable, "-c", code]
    done = subprocess.run(
        [sys.executable, "-c", launcher, *opbx],
        env=configured.process_environ(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "0\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has this switch")
@pytest.mark.parametrize("mode", ["stored", "storeless"])
def test_other_programs_of_the_user_cannot_look(
    configured: Opbx, sandbox: RunningSandbox, mode: str
) -> None:
    """Ask the kernel, when the program has read its keys, whether it may be looked into."""
    code = (
        "import ctypes, os, sys\n"
        "from opbx_cli import __main__\n"
        "sys.argv = ['opbx', 'trunks', 'list', '--quiet']\n"
        "try:\n"
        "    __main__.main()\n"
        "except SystemExit as end:\n"
        "    assert end.code == 0\n"
        "print('dumpable', ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))\n"
    )
    domain = sandbox.domains[0]
    variables = {
        "OPBX_DOMAIN_UUID": domain.uuid,
        "OPBX_DOMAIN_API_KEY": domain.api_key,
        "CLOUDONIX_API_BASE_URL": sandbox.url,
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=configured.process_environ(**MEASURED, **(variables if mode == "storeless" else {})),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "dumpable 0"


def test_the_environment_of_the_process_loses_its_keys(storeless: Opbx) -> None:
    code = (
        "import os\n"
        "from opbx_cli.cli.main import run\n"
        "code = run(['profiles', 'show', '--json', '--quiet'], os.environ)\n"
        "assert code == 0\n"
        "assert 'OPBX_DOMAIN_API_KEY' not in os.environ\n"
        "assert 'OPBX_WEBHOOK_API_KEY' not in os.environ\n"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        env=storeless.process_environ(),
        check=True,
        capture_output=True,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has this switch")
@pytest.mark.parametrize("flags", [[], ["-O"]], ids=["asserting", "optimized"])
@pytest.mark.parametrize("option", ["--quiet", "--no-store"])
def test_a_manifests_keys_are_read_into_memory_that_is_protected(
    opbx: Opbx, tmp_path: Path, flags: list[str], option: str
) -> None:
    key, manifest = tmp_path / "api.key", tmp_path / "manifest.toml"
    key.write_text("XI0123456789abcdefghijABCDEFGHIJKL")
    manifest.write_text(
        '[profile."acme"]\n'
        'domain_uuid = "6b1f0c2e-0000-4000-8000-000000000001"\n'
        'domain_api_key_file = "api.key"\n'
    )
    code = (
        "import ctypes, os, sys\n"
        "def look(event, arguments):\n"
        "    if event == 'open' and str(arguments[0]).endswith('api.key'):\n"
        "        print('dumpable', ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), file=sys.stderr)\n"
        "sys.addaudithook(look)\n"
        "from opbx_cli import __main__\n"
        f"sys.argv = ['opbx', 'apply', sys.argv[1], '--check', '{option}']\n"
        "__main__.main()\n"
    )
    done = subprocess.run(
        [sys.executable, *flags, "-c", code, str(manifest)],
        env=opbx.process_environ(CLOUDONIX_API_BASE_URL="http://127.0.0.1:9"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "dumpable 0" in done.stderr.splitlines()
    assert "dumpable 1" not in done.stderr.splitlines()
