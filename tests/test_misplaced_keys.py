"""A key in a wrong variable, option or argument is not repeated, and becomes no file's name.

The cases are made from the variables that the source names and from the command tree, so that
a new variable, option or command is covered too.
"""

from __future__ import annotations

import ast
import re
import socket
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest
import typer

import opbx_cli
from conftest import NETWORK_VARIABLES
from opbx_cli.cli.main import root
from opbx_cli.key_shapes import path_may_be_key
from opbx_cli.settings import OPBX_VARIABLES
from opbx_cli.store import Store, StoreContents, store_paths
from support import Opbx, Outcome

KEYS = {
    "API key": "XIcanary0123456789abcdefABCDEFGHIJ",
    "store key": "opbxk1_c4nary56789abcdefghijABCDEFGHIJ0123456789ABCDEFGH",
    "generated webhook key": "q8ZkcanaryR-2mP_x7VnT4bLwYd0sGhJ3fKuE1aXo9c",
    "webhook key of one's own": "canary+webhook/key.Of=one~0123456789==",
}
MARK = "canary"

# What others read in our process: the folders of platformdirs, the network of httpx.
FOREIGN = (*NETWORK_VARIABLES, "HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
UUID = "6b1f0c2e-0000-4000-8000-000000000001"
GOOD_KEY = "XI0123456789abcdefghijABCDEFGHIJKL"
NEW = ("configure", "--domain-uuid", UUID, "--api-key-stdin")
# They read all that variables say: a store that is there or not, its key, the settings, OPBX's own.
READERS = (
    ("profiles", "list"),
    ("validate", "--check"),
    ("webhook-url",),
    ("key", "add", "--kind", "keyfile"),
    ("profiles", "history"),
    NEW,
)


def variables_in_source() -> set[str]:
    """Return every variable that a module of ours names in a text of its own."""
    found = set()
    for module in Path(opbx_cli.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.update(re.findall(r"\b(?:OPBX|CLOUDONIX)_[A-Z_]*[A-Z]\b", node.value))
    return found | set(OPBX_VARIABLES)


def valued(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield every option and argument that takes a value, as a command and a name."""
    children: dict[str, object] = getattr(command, "commands", {})
    for param in getattr(command, "params", ()):
        if path and not getattr(param, "is_flag", False):
            yield path, param.opts[0]
    for name, child in children.items():
        yield from valued(child, (*path, name))


VARIABLES = sorted(variables_in_source())
PLACES = list(valued(typer.main.get_command(root)))


def command_at(path: tuple[str, ...]) -> object:
    command: object = typer.main.get_command(root)
    for word in path:
        command = getattr(command, "commands")[word]  # noqa: B009
    return command


def command_line(path: tuple[str, ...], place: str, key: str, port: int) -> list[str]:
    """Give the key in one place, and all else that the command wants; it shall end, too."""
    words = [*path]
    for param in getattr(command_at(path), "params", ()):
        name = param.opts[0]
        if name == place:
            words += [f"{name}={key}"] if name.startswith("--") else [key]
        elif param.param_type_name == "argument" and param.required:
            words.append("default")
        elif param.required:
            words += [name, "external"]
        elif name == "--yes":
            words.append(name)
        elif path == ("configure",) and name in ("--domain-uuid", "--api-key-stdin"):
            words += [name, UUID] if name == "--domain-uuid" else [name]
        elif name == "--port":  # taken: what would wait for requests says so and ends
            words += [name, str(port)]
    return words


def assert_kept(outcome: Outcome, folder: Path, key: str) -> None:
    said = outcome.stdout + outcome.stderr
    assert key not in said
    assert MARK not in said
    assert "Traceback" not in said
    assert outcome.code in {0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 126, 127} or "checks failed" in said
    for path in folder.rglob("*"):
        assert MARK not in str(path)


@pytest.fixture
def alone(configured: Opbx, monkeypatch: pytest.MonkeyPatch) -> Opbx:
    """A store, and a working folder in which new files would be seen."""
    monkeypatch.chdir(configured.home.parent)
    monkeypatch.setenv("HOME", str(configured.home.parent))
    configured.environ["CLOUDONIX_API_TIMEOUT"] = "0.05"
    return configured


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.uncounted
@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("kind", KEYS)
def test_a_key_in_a_wrong_variable_is_not_repeated(alone: Opbx, variable: str, kind: str) -> None:
    key = KEYS[kind]
    for argv, output in zip(READERS * 2, cycle([[], ["--json"], ["-v"]]), strict=False):
        assert_kept(
            alone(*argv, *output, stdin=GOOD_KEY, **{variable: key}), alone.home.parent, key
        )


@pytest.mark.uncounted
@pytest.mark.parametrize("variable", FOREIGN)
def test_a_key_in_a_variable_of_the_system_is_not_repeated(alone: Opbx, variable: str) -> None:
    del alone.environ["OPBX_HOME"]
    for key, argv, output in zip(KEYS.values(), READERS, cycle([[], ["--json"]]), strict=False):
        outcome = alone.process(
            *argv,
            *output,
            OPBX_DOMAIN_UUID=UUID,
            OPBX_DOMAIN_API_KEY=GOOD_KEY,
            CLOUDONIX_API_BASE_URL="https://127.0.0.1:9",
            **{variable: key},
        )
        assert_kept(outcome, alone.home.parent, key)


@pytest.mark.uncounted
@pytest.mark.parametrize(("path", "place"), PLACES, ids=map(" ".join, [(*p, o) for p, o in PLACES]))
def test_a_key_in_a_wrong_argument_is_not_repeated(
    alone: Opbx, taken_port: int, path: tuple[str, ...], place: str
) -> None:
    for key in KEYS.values():
        argv = command_line(path, place, key, taken_port)
        for output in ([], ["--json"]):
            # In front: behind the words of `exec` they would be its command's.
            words = [*path, *output, *argv[len(path) :]]
            run = alone.process if path == ("exec",) else alone
            assert_kept(run(*words, stdin=GOOD_KEY), alone.home.parent, key)


@pytest.mark.parametrize("kind", KEYS)
def test_no_folder_for_callbacks_is_called_like_a_key(alone: Opbx, kind: str) -> None:
    argv = ("webhook", "listen", "--port", "0", "--save", KEYS[kind])
    outcome = alone.process(*argv)
    assert outcome.code == 2
    assert_kept(outcome, alone.home.parent, KEYS[kind])


@pytest.mark.parametrize("kind", KEYS)
def test_no_profile_of_a_manifest_is_called_like_a_key(alone: Opbx, kind: str) -> None:
    for lines in ("", "wrong = 1\n"):
        Path("domains.toml").write_text(
            f'[profile."{KEYS[kind]}"]\ndomain_uuid = "{UUID}"\n'
            f'domain_api_key_env = "MINE"\n{lines}'
        )
        outcome = alone("apply", "domains.toml", "--check", MINE=GOOD_KEY)
        assert outcome.code == 3
        if kind != "generated webhook key" or not lines:  # it could be a profile that is stored
            assert_kept(outcome, alone.home.parent, KEYS[kind])


def test_only_a_new_profile_must_not_be_called_like_a_key(alone: Opbx) -> None:
    """What chance may have made, a person may have typed, and saved with an older opbx."""
    name = "Acme-Production-Europe-2024"
    for argv in (("profiles", "rename", "default", name), (*NEW, "--profile", name)):
        outcome = alone(*argv, stdin=GOOD_KEY)
        assert outcome.code == 2
        assert "looks like a key" in outcome.stderr

    def renamed(contents: StoreContents) -> StoreContents:
        return contents._replace(
            profiles={name: contents.profiles["default"]}, default_profile=name
        )

    Store(store_paths(str(alone.home))).update(renamed)
    assert alone("configure", "--profile", name, "--no-answer-timeout", "30").code == 0
    assert alone("profiles", "show", name).code == 0


@pytest.mark.parametrize(
    ("path", "may_be"),
    [
        ("ci.key", False),
        ("./opbx-store-key", False),
        ("/run/secrets/opbx-store-key", False),
        ("~/opbx-store-key", False),
        ("there/opbx-store-key", False),
        ("there", False),
        ("short", False),
        ("opbx-store-key", True),
        ("secret/of/mine", True),
        ("/q8ZkR2mPx7VnT4b/LwYd0sGhJ3fKuE1aXo9c=", True),
        ("there/XI0123456789abcdefghijABCDEFGHIJKL", True),
        ("hunter22\0hunter22", True),
    ],
)
def test_a_path_is_told_from_what_may_be_a_key(
    path: str, may_be: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there").mkdir()
    assert path_may_be_key(path) is may_be


def test_a_file_that_is_there_is_named_as_before(opbx: Opbx, tmp_path: Path) -> None:
    for name in ("opbx-store-key", "StoreKeyOfProduction2024"):
        (tmp_path / name).write_text("no key")
        (tmp_path / name).chmod(0o600)
        outcome = opbx.process(*NEW, stdin=GOOD_KEY, OPBX_STORE_KEY_FILE=name)
        assert outcome.code == 10
        assert f"the key file {tmp_path / name} is malformed" in outcome.stderr


def test_a_new_home_wants_a_slash_where_its_name_may_be_a_key(
    opbx: Opbx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = opbx(*NEW, stdin=GOOD_KEY, OPBX_HOME="opbx-home")
    assert outcome.code == 3
    assert "`export OPBX_HOME=./opbx`" in outcome.stderr
    assert "opbx-home" not in outcome.stderr
    assert opbx(*NEW, stdin=GOOD_KEY, OPBX_HOME="./opbx-home").code == 0
    assert opbx("profiles", "list", OPBX_HOME="opbx-home").code == 0


def test_the_cases_know_every_variable_and_place() -> None:
    assert {"OPBX_STORE_KEY_FILE", "OPBX_HOME", "APP_URL", "CLOUDONIX_API_TIMEOUT"} < set(VARIABLES)
    assert len(VARIABLES) >= 20
    assert {(("configure",), "--api-key-file"), (("exec",), "words")} < set(PLACES)
    assert len(PLACES) >= 80
