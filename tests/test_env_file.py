"""`--env-file` and `OPBX_ENV_FILE`: where OPBX is reached, read from OPBX's own `.env`."""

from __future__ import annotations

from pathlib import Path

import pytest

from opbx_cli.sandbox.server import RunningSandbox
from support import Opbx

BASE = "https://pbx.example.com"
BASE_VARIABLE = "OPBX_APPLICATION_WEBHOOK_BASEURL"
OTHER = "https://other.example.com"
PASSWORD = "hunter2-of-the-database"


@pytest.fixture
def dotenv(tmp_path: Path) -> Path:
    """A file as OPBX has it, secrets and all."""
    path = tmp_path / "opbx" / ".env"
    path.parent.mkdir()
    path.write_text(
        "# OPBX\n"
        "APP_NAME=OPBX\n"
        f"DB_PASSWORD={PASSWORD}\n"
        "\n"
        "\n"
        f'APP_URL="{BASE}/"  # where it is\n'
        "OPBX_APPLICATION_MODE=production\n"
    )
    return path


def test_the_url_comes_from_the_file_and_says_file_and_line(opbx: Opbx, dotenv: Path) -> None:
    done = opbx("webhook-url", "--env-file", str(dotenv), "--json")
    assert (done.code, done.stderr) == (0, "")
    assert done.document["base_url"] == BASE
    assert done.document["source"] == f"APP_URL in {dotenv}:6"
    assert PASSWORD not in done.stdout


def test_the_variable_names_the_file_too_and_the_option_wins(
    opbx: Opbx, dotenv: Path, tmp_path: Path
) -> None:
    assert opbx("webhook-url", OPBX_ENV_FILE=str(dotenv)).stdout == f"{BASE}\n"
    other = tmp_path / "other.env"
    other.write_text(f"APP_URL={OTHER}\n")
    done = opbx("webhook-url", "--env-file", str(other), OPBX_ENV_FILE=str(dotenv))
    assert done.stdout == f"{OTHER}\n"
    assert opbx("webhook-url", OPBX_ENV_FILE="").code == 3


@pytest.mark.parametrize(
    ("variables", "url", "source"),
    [
        ({}, BASE, "file"),
        ({"APP_URL": OTHER}, OTHER, "APP_URL"),
        ({"APP_URL": ""}, BASE, "file"),
        ({BASE_VARIABLE: OTHER}, OTHER, BASE_VARIABLE),
    ],
)
def test_the_environment_wins_over_the_file(
    opbx: Opbx, dotenv: Path, variables: dict[str, str], url: str, source: str
) -> None:
    done = opbx("webhook-url", "--env-file", str(dotenv), "--json", **variables)
    assert done.document["base_url"] == url
    assert done.document["source"] == source.replace("file", f"APP_URL in {dotenv}:6")


def test_the_better_variable_wins_wherever_it_is_set_as_in_opbx_itself(
    opbx: Opbx, tmp_path: Path
) -> None:
    path = tmp_path / ".env"
    path.write_text(f"{BASE_VARIABLE}={BASE}\n")
    done = opbx("webhook-url", "--env-file", str(path), "--json", APP_URL=OTHER)
    assert done.document["source"] == f"{BASE_VARIABLE} in {path}:1"


def test_the_profile_wins_over_the_file(opbx: Opbx, dotenv: Path) -> None:
    opbx(
        "configure",
        *("--domain-uuid", "6b1f0c2e-0000-4000-8000-000000000001", "--api-key-stdin"),
        *("--webhook-base-url", OTHER),
        stdin="XI0123456789abcdefghijABCDEFGHIJKL",
    )
    done = opbx("webhook-url", "--env-file", str(dotenv), "--json")
    assert done.document["source"] == "profile default"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"APP_URL={BASE}\n", 1),
        (f"export APP_URL={BASE}", 1),
        (f"\n\n  export   APP_URL = {BASE}  # so\n", 3),
        (f"APP_URL='{BASE}'\n", 1),
        (f"A=1\r\n\r\nAPP_URL={BASE}\r\n", 3),
        (f"\ufeffAPP_URL={BASE}\n", 1),
        (f"APP_URL={OTHER}\nAPP_URL={BASE}\n", 2),
        ("APP_URL=https://${DOMAIN}\nDOMAIN=x.example.com\nAPP_URL=https://pbx.${OF}\n", 3),
        ('TEXT="two\nlines"\nAPP_URL=https://${HOST:-pbx.example.com}\n', 3),
    ],
)
def test_it_is_read_as_opbx_reads_it(opbx: Opbx, tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / ".env"
    path.write_bytes(text.encode())
    done = opbx("webhook-url", "--env-file", str(path), "--json", OF="example.com")
    assert done.document["base_url"] == BASE, done
    assert done.document["source"] == f"APP_URL in {path}:{line}"


def test_the_mode_in_the_file_counts(opbx: Opbx, dotenv: Path) -> None:
    done = opbx("webhook-url", "--env-file", str(dotenv), APP_URL="http://pbx.example.com")
    assert done.code == 3
    assert "not https" in done.stderr
    calm = {"APP_URL": "http://pbx.example.com", "OPBX_APPLICATION_MODE": "development"}
    assert opbx("webhook-url", "--env-file", str(dotenv), **calm).code == 0


def test_a_bad_value_is_named_by_file_and_line_and_not_repeated(opbx: Opbx, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(f"X=1\nAPP_URL=https://user:{PASSWORD}@pbx.example.com\n")
    done = opbx("webhook-url", "--env-file", str(path))
    assert (done.code, done.stdout) == (3, "")
    assert f"APP_URL in {path}:2: a URL with a user name or password is refused" in done.stderr
    assert PASSWORD not in done.stderr
    path.write_text("OPBX_APPLICATION_MODE=staging\nAPP_URL=https://pbx.example.com\n")
    done = opbx("webhook-url", "--env-file", str(path))
    assert done.code == 3
    assert f"OPBX_APPLICATION_MODE in {path}:1: expected production" in done.stderr


def test_a_line_that_is_no_assignment_is_a_warning_that_does_not_repeat_it(
    opbx: Opbx, tmp_path: Path
) -> None:
    path = tmp_path / ".env"
    path.write_text(f"APP_URL={BASE}\nKEY='{PASSWORD}\n")
    done = opbx("webhook-url", "--env-file", str(path))
    assert (done.code, done.stdout) == (0, f"{BASE}\n")
    assert done.stderr == f"warning: {path}:2 is no assignment, and was passed over\n"


def test_many_lines_that_are_no_assignments_are_one_warning(opbx: Opbx, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("no assignment\n" * 40_000 + f"APP_URL={BASE}\n")
    done = opbx("webhook-url", "--env-file", str(path))
    assert (done.code, done.stdout) == (0, f"{BASE}\n")
    assert done.stderr == (
        f"warning: {path}: lines 1, 2, 3, 4, 5 and 39995 more are no assignments, "
        "and were passed over\n"
    )


@pytest.mark.parametrize("name", ["OPBX_DOMAIN_API_KEY", "OPBX_WEBHOOK_API_KEY", "OPBX_STORE_KEY"])
def test_no_key_of_the_environment_becomes_part_of_the_url(
    storeless: Opbx, tmp_path: Path, name: str
) -> None:
    path = tmp_path / ".env"
    path.write_text(f"APP_URL={BASE}/${{{name}}}\n")
    del storeless.environ["OPBX_WEBHOOK_BASE_URL"]
    key = storeless.environ.get(name, "webhook-key-of-the-ci-0123456789")
    done = storeless("webhook-url", "--env-file", str(path), **{name: key})
    assert (done.code, done.stdout) == (0, f"{BASE}\n")
    assert key not in done.stderr


def test_values_that_double_from_line_to_line_do_no_harm(opbx: Opbx, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    doubling = "".join(f"A{n + 1}=${{A{n}}}${{A{n}}}\n" for n in range(64))
    path.write_text(f"A0=xxxxxxxx\n{doubling}APP_URL={BASE}/${{A64}}\n")
    done = opbx("webhook-url", "--env-file", str(path))
    assert done.code == 3
    assert f"APP_URL in {path}:66: a URL has at most 255 characters" in done.stderr


LONG = {
    "references without an end": "A=" + "${" * 500_000,
    "blanks": "A=x" + " " * 1_000_000 + "x",
    "runs of blanks": "A=" + ("x" + " " * 254) * 4_000,
    "many references": ("A=" + "${" * 2_000 + "\n") * 20,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_lines_that_no_setting_needs_are_passed_over(opbx: Opbx, tmp_path: Path, text: str) -> None:
    """Their parser takes minutes for the longest of them."""
    path = tmp_path / ".env"
    path.write_text(f"{text}\nAPP_URL={BASE}\n")
    done = opbx("webhook-url", "--env-file", str(path))
    assert (done.code, done.stdout) == (0, f"{BASE}\n")
    assert ("passed over" in done.stderr) == any(len(line) > 4096 for line in text.split("\n"))


def unreadable(folder: Path) -> dict[str, str]:
    (folder / "binary").write_bytes(b"APP_URL=\xff\xfe\n")
    (folder / "large").write_bytes(b"#" * (1024 * 1024 + 1))
    return {
        "missing": "cannot be read: No such file or directory",
        "": "cannot be read",
        ".": "cannot be read: Is a directory",
        "bi\0nary": "cannot be read: not a path",
        "binary": "not UTF-8 text",
        "large": "larger than 1 MiB",
    }


@pytest.mark.parametrize("name", ["missing", "", ".", "bi\0nary", "binary", "large"])
def test_a_file_that_cannot_be_read_is_an_error_of_whoever_named_it(
    opbx: Opbx, tmp_path: Path, name: str
) -> None:
    reason = unreadable(tmp_path)[name]
    path = str(tmp_path / name) if name else ""
    done = opbx("webhook-url", "--env-file", path, APP_URL=BASE)
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: --env-file: the file ")
    assert reason in done.stderr
    if name and "\0" not in name:
        done = opbx("webhook-url", APP_URL=BASE, OPBX_ENV_FILE=path)
        assert (done.code, done.stdout) == (3, "")
        assert done.stderr.startswith("error: OPBX_ENV_FILE: the file ")
        assert reason in done.stderr


def test_without_a_url_in_it_the_hint_names_the_option(opbx: Opbx, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("APP_URL=\n")
    done = opbx("webhook-url", "--env-file", str(path))
    assert done.code == 3
    assert "--env-file" in done.stderr


def test_validate_and_apply_take_the_url_from_the_file(
    storeless: Opbx, sandbox: RunningSandbox, dotenv: Path, tmp_path: Path
) -> None:
    del storeless.environ["OPBX_WEBHOOK_BASE_URL"]
    assert storeless("validate").code == 3
    done = storeless("validate", "--env-file", str(dotenv))
    assert done.code == 0, done
    assert sandbox.state.applications()[0]["url"] == f"{BASE}/api/voice/route"
    dotenv.write_text(f"APP_URL={OTHER}\n")
    manifest = tmp_path / "profiles.toml"
    domain = sandbox.domains[0]
    manifest.write_text(
        f'[profile.acme]\ndomain_uuid = "{domain.uuid}"\ndomain_api_key_env = "KEY"\n'
        f'api_base_url = "{sandbox.url}"\n'
    )
    argv = ["apply", str(manifest), "--env-file", str(dotenv)]
    assert storeless(*argv, KEY=domain.api_key).code == 9  # calls go to another host now
    assert sandbox.state.applications()[0]["url"] == f"{BASE}/api/voice/route"
    done = storeless(*argv, "--replace-default", KEY=domain.api_key)
    assert done.code == 0, done
    assert sandbox.state.applications()[0]["url"] == f"{OTHER}/api/voice/route"


def test_the_file_is_read_and_never_written(opbx: Opbx, dotenv: Path) -> None:
    def state() -> tuple[bytes, int, int]:
        return dotenv.read_bytes(), dotenv.stat().st_mtime_ns, dotenv.stat().st_mode

    before = state()
    opbx("webhook-url", "--env-file", str(dotenv))
    assert state() == before
    assert [path.name for path in dotenv.parent.iterdir()] == [".env"]
