"""Containers as they are: a user without a name, no home, mounted secrets, a read-only root."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from containers import OPBX, USER, Container, give, grounded, why_not
from opbx_cli.sandbox import OPBX_CREDENTIALS as OWNER
from opbx_cli.sandbox.server import RunningSandbox
from opbx_cli.store.key_changes import generated_key
from support import WEBHOOK_BASE_URL, Opbx, Outcome

WHY_NOT = why_not()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=WHY_NOT or "")

HOMELESS = pytest.mark.parametrize("home", [{}, {"HOME": "/"}], ids=["no HOME", "HOME=/"])
READING = {"GET", "HEAD"}
MEMORY = Path("/dev/shm")


@pytest.fixture
def ground() -> Iterator[Path]:
    with grounded() as folder:
        yield folder


@pytest.fixture
def container(ground: Path) -> Container:
    return Container(ground)


@pytest.fixture
def triangle(start_sandbox: Callable[..., RunningSandbox]) -> RunningSandbox:
    """Cloudonix, and the OPBX that works on its domain."""
    return start_sandbox(opbx=True, variants=["opbx=july", "opbx-signature=off"])


@pytest.fixture
def mounted(ground: Path, triangle: RunningSandbox) -> Container:
    """The user's own store, of a profile that is linked and in line, which is mounted read-only."""
    home = ground / "volume"
    opbx = Opbx(home, {"OPBX_HOME": str(home), "CLOUDONIX_API_BASE_URL": triangle.url})
    domain = triangle.domains[0]
    login = {"OPBX_INSTANCE_EMAIL": OWNER.email}
    for argv, stdin in (
        (("configure", "--domain-uuid", domain.uuid, "--api-key-stdin"), domain.api_key),
        (("instance", "connect", triangle.url, "--password-stdin"), OWNER.password),
        (("instance", "pull", "--yes"), ""),
        (("validate", "--yes"), ""),
    ):
        done = opbx(*argv, stdin=stdin, **login)
        assert done.code == 0, done.stderr
    give(home)
    triangle.forget_requests()
    place = ground / "opbx"
    place.mkdir()
    environ = {"OPBX_HOME": str(place), "CLOUDONIX_API_BASE_URL": triangle.url}
    return Container(ground, environ, read_only=[(home, place)])


@pytest.fixture
def shared(mounted: Container) -> Container:
    """The same store as a secret of Kubernetes: root's, read by anybody, behind two links."""
    home = mounted.read_only[0][0]
    secret = mounted.ground / "secret"
    version = secret / "..2026_11_27"
    version.mkdir(parents=True, mode=0o755)
    (keys,) = (home / "keys").iterdir()
    for name, source in (("store.toml", home / "store.toml"), ("store.key", keys)):
        shutil.copy(source, version / name)
        (version / name).chmod(0o644)
        (secret / name).symlink_to(f"..data/{name}")
    (secret / "..data").symlink_to(version.name)
    secret.chmod(0o1777)
    place = mounted.environ["OPBX_HOME"]
    mounted.read_only = [(secret, Path(place))]
    mounted.environ |= {
        "OPBX_STORE_KEY_FILE": f"{place}/store.key",
        "OPBX_ALLOW_SHARED_KEY_FILE": "1",
        "OPBX_ALLOW_SHARED_STORE": "1",
    }
    return mounted


def written(sandbox: RunningSandbox) -> list[str]:
    """What Cloudonix and OPBX were asked to change."""
    return [f"{one.method} {one.path}" for one in sandbox.requests if one.method not in READING]


def keys_of(sandbox: RunningSandbox) -> dict[str, str]:
    domain = sandbox.domains[0]
    return {
        "CLOUDONIX_API_BASE_URL": sandbox.url,
        "OPBX_DOMAIN_UUID": domain.uuid,
        "OPBX_DOMAIN_API_KEY": domain.api_key,
        "OPBX_WEBHOOK_API_KEY": "webhook-key-of-the-ci-0123456789",
        "OPBX_WEBHOOK_BASE_URL": WEBHOOK_BASE_URL,
    }


def words(outcome: Outcome) -> str:
    assert "unexpected error" not in outcome.stderr
    assert "Traceback" not in outcome.stderr
    return outcome.stderr


def command_of(outcome: Outcome) -> str:
    found = re.search(r"hint: .*`(.+?)`", outcome.stderr)
    assert found, outcome.stderr
    return found[1]


# --- A user without an entry in the list of users, and without a home


STORED = ["profiles list", "profiles history", "exec -- true", "status", "validate", "key status"]


def test_what_needs_a_store_asks_for_a_place_by_its_variable(
    container: Container, sandbox: RunningSandbox
) -> None:
    domain = sandbox.domains[0]
    configure = ("configure", "--domain-uuid", domain.uuid, "--api-key-env", "KEY")
    lines = [*map(tuple, map(str.split, STORED)), configure]
    for done in container.each(*lines, KEY=domain.api_key):
        assert (done.code, done.stdout) == (3, "")
        assert "error: no home folder is known" in words(done)
        assert command_of(done) == "export OPBX_HOME=/srv/opbx"


@HOMELESS
def test_webhook_url_answers_from_the_environment_alone(
    container: Container, home: dict[str, str]
) -> None:
    done = container("webhook-url", APP_URL=WEBHOOK_BASE_URL, **home)
    assert (done.code, done.stdout, done.stderr) == (0, f"{WEBHOOK_BASE_URL}\n", "")
    done = container("webhook-url", **home)
    assert (done.code, done.stdout) == (3, "")
    assert "error: no webhook base URL" in words(done)


@pytest.mark.parametrize("read_only_root", [False, True])
def test_a_home_that_is_the_root_folder_cannot_be_saved_in(
    container: Container, sandbox: RunningSandbox, read_only_root: bool
) -> None:
    """Docker gives a user without an entry the home `/`."""
    container.read_only_root = read_only_root
    domain = sandbox.domains[0]
    argv = ("configure", "--domain-uuid", domain.uuid, "--api-key-stdin")
    done = container(*argv, stdin=domain.api_key, HOME="/")
    assert done.code == 10
    reason = "Read-only file system" if read_only_root else "Permission denied"
    assert f"/.config/opbx/store.toml could not be written: {reason}" in words(done)
    assert command_of(done) == "export OPBX_HOME=/srv/opbx"


def test_a_volume_that_everybody_can_write_is_used_by_a_home_below_it(
    container: Container, sandbox: RunningSandbox
) -> None:
    """An emptyDir of Kubernetes has mode 0777, and belongs to root."""
    data, home = container.ground / "data", container.ground / "data" / "me"
    data.mkdir()
    container.writable = [(container.ground / "kept", data)]
    (container.ground / "kept").mkdir()
    (container.ground / "kept").chmod(0o777)
    domain = sandbox.domains[0]
    configure = ("configure", "--domain-uuid", domain.uuid, "--api-key-env", "KEY")
    lines, key = (configure, ("profiles", "list")), {"KEY": domain.api_key}
    done = container(*configure, OPBX_HOME=str(home), **key)
    assert done.code == 10
    assert f"the folder {data} can be written by other users" in words(done)
    assert container.run("mkdir", "-m", "700", str(home)).code == 0
    for environ in ({"HOME": str(home)}, {"HOME": str(home), "OPBX_HOME": f"{home}/opbx"}):
        saved, listed = container.each(*lines, **environ, **key)
        assert saved.code == 0, saved.stderr
        assert listed.stdout.startswith("default\t")


# --- A read-only root


def test_on_a_read_only_root_all_works_that_does_not_save(
    container: Container, sandbox: RunningSandbox
) -> None:
    container.read_only_root = True
    container.environ = keys_of(sandbox)
    expected = {
        ("validate", "--check"): 8,
        ("validate",): 0,
        ("status",): 0,
        ("trunks", "list"): 0,
        ("webhook-url",): 0,
        ("doctor",): 0,
        ("help", "files"): 0,
    }
    for argv, done in zip(expected, container.each(*expected), strict=True):
        assert done.code == expected[argv], (argv, done)
        words(done)
    assert container("exec", "--", "true").code == 0


def test_a_manifest_is_applied_on_a_read_only_root(
    container: Container, sandbox: RunningSandbox
) -> None:
    container.read_only_root = True
    manifest = (
        f'[profile."one"]\ndomain_uuid = "{sandbox.domains[0].uuid}"\n'
        f'domain_api_key_env = "KEY"\nwebhook_base_url = "{WEBHOOK_BASE_URL}"\n'
    )
    variables = {"KEY": sandbox.domains[0].api_key, "CLOUDONIX_API_BASE_URL": sandbox.url}
    done = container("apply", "-", "--no-store", stdin=manifest, **variables)
    assert done.code == 0, done.stderr


def test_the_sandbox_works_on_a_read_only_root(container: Container) -> None:
    container.read_only_root = True
    done = container("sandbox", "exec", "--", *OPBX, "trunks", "list")
    assert done.code == 0, done.stderr
    assert done.stdout.count("\n") > 0


@pytest.mark.skipif(not MEMORY.is_dir(), reason="no /dev/shm to mount memory on")
def test_the_demo_works_on_a_read_only_root(container: Container) -> None:
    """Docker and Kubernetes mount memory on /dev/shm, whatever the root is."""
    container.read_only_root = True
    refused = container("demo")
    assert (refused.code, refused.stdout) == (3, "")
    assert "error: the demo needs a folder for temporary files" in words(refused)
    assert command_of(refused) == "export TMPDIR=/srv/tmp"
    container.memory = [("1777", MEMORY)]
    done = container("demo")
    assert done.code == 0, done.stderr
    assert "10 commands against the sandbox" in done.stdout


# --- Mounted secrets


def a_key(container: Container, mode: int, *, links: bool) -> Path:
    """Mount a store key as Swarm does, or with links as Kubernetes does; return where it is."""
    secrets, place = container.ground / "secrets", container.ground / "run"
    file = secrets / ("..data-1" if links else "") / "store.key"
    file.parent.mkdir(parents=True)
    file.write_text(generated_key().reveal())
    file.chmod(mode)
    if links:
        (secrets / "..data").symlink_to("..data-1")
        (secrets / "store.key").symlink_to("..data/store.key")
        secrets.chmod(0o1777)
    place.mkdir()
    container.read_only = [(secrets, place)]
    return place / "store.key"


def with_home(container: Container, key: Path) -> dict[str, str]:
    """Make a folder for a store of the user's, which the key opens."""
    home = container.ground / "home"
    home.mkdir(mode=0o700)
    give(home)
    return {"OPBX_HOME": str(home), "OPBX_STORE_KEY_FILE": str(key)}


@pytest.mark.parametrize(("mode", "links"), [(0o444, False), (0o644, True), (0o440, True)])
def test_a_mounted_key_is_taken_by_its_switch(
    container: Container, sandbox: RunningSandbox, mode: int, links: bool
) -> None:
    key = a_key(container, mode, links=links)
    if mode == 0o440:
        os.chown(container.ground / "secrets/..data-1/store.key", 0, USER)  # as by fsGroup
    container.environ = with_home(container, key)
    domain = sandbox.domains[0]
    argv = ("configure", "--domain-uuid", domain.uuid, "--api-key-stdin")
    done = container(*argv, stdin=domain.api_key)
    assert (done.code, done.stdout) == (10, "")
    assert "chmod" not in words(done)
    assert "chown" not in done.stderr
    assert command_of(done) == "export OPBX_ALLOW_SHARED_KEY_FILE=1"
    done = container(*argv, stdin=domain.api_key, OPBX_ALLOW_SHARED_KEY_FILE="1")
    assert done.code == 0, done.stderr
    assert f"warning: the key file {key} is shared with other users" in done.stderr


def test_a_mounted_key_that_others_can_write_stays_refused(
    container: Container, sandbox: RunningSandbox
) -> None:
    environ = with_home(container, a_key(container, 0o666, links=False))
    domain = sandbox.domains[0]
    argv = ("configure", "--domain-uuid", domain.uuid, "--api-key-stdin")
    done = container(*argv, stdin=domain.api_key, OPBX_ALLOW_SHARED_KEY_FILE="1", **environ)
    assert (done.code, done.stdout) == (10, "")
    assert "store.key is open to other users (mode 0666)" in words(done)
    assert "chmod" not in done.stderr


def test_a_mounted_store_is_read_by_its_switch(shared: Container, triangle: RunningSandbox) -> None:
    del shared.environ["OPBX_ALLOW_SHARED_STORE"]
    done = shared("profiles", "list")
    assert (done.code, done.stdout) == (10, "")
    assert "chmod" not in words(done)
    assert command_of(done) == "export OPBX_ALLOW_SHARED_STORE=1"
    shared.environ["OPBX_ALLOW_SHARED_STORE"] = "1"
    for done in shared.each(
        ("profiles", "list"),
        ("profiles", "show"),
        ("profiles", "history"),
        ("key", "status"),
        ("trunks", "list"),
        ("status",),
        ("webhook-url",),
        ("validate", "--check"),
        ("validate",),
        ("validate", "--all"),
        ("doctor",),
    ):
        assert done.code == 0, done
    done = shared("profiles", "list")
    place = shared.environ["OPBX_HOME"]
    said = f"warning: the store {place}/store.toml is open to other users, and therefore only read"
    assert done.stderr.count(said) == 1
    assert written(triangle) == []


def test_a_mounted_store_that_others_can_write_stays_refused(shared: Container) -> None:
    (shared.ground / "secret" / "..2026_11_27" / "store.toml").chmod(0o666)
    done = shared("profiles", "list")
    assert (done.code, done.stdout) == (10, "")
    assert "is open to other users (mode 0666)" in words(done)
    assert "chmod" not in done.stderr


# --- What would save says so first


SAVING = [
    "validate --yes",
    "validate --all --yes",
    "apply {manifest} --yes",
    "detach --yes --to-none",
    "webhook-key rotate --yes",
    "instance connect {url} --email {email} --password-env PASSWORD",
    "instance pull --yes",
    "instance push --yes --replace-default",
    "instance disconnect",
    "configure --no-answer-timeout 20",
    "profiles rename default other",
    "key add --kind keyfile",
    "key rotate",
]
PLACES = ["a read-only mount", "a store that others may read", "a file mounted by itself"]


def place_of(mounted: Container, how: str) -> Container:
    """Have the store lie where nothing can be saved."""
    home = mounted.read_only[0][0]
    if how == PLACES[1]:
        mounted.read_only = []
        mounted.environ |= {"OPBX_HOME": str(home), "OPBX_ALLOW_SHARED_STORE": "1"}
        (home / "store.toml").chmod(0o644)
    elif how == PLACES[2]:
        mounted.environ |= {"OPBX_HOME": str(home)}
        shutil.copy(home / "store.toml", mounted.ground / "store.toml")
        give(mounted.ground / "store.toml")
        (mounted.ground / "store.toml").chmod(0o600)
        mounted.read_only = []
        mounted.writable = [(mounted.ground / "store.toml", home / "store.toml")]
    return mounted


@pytest.mark.parametrize("how", PLACES)
def test_what_would_save_says_so_before_anything_is_changed(
    mounted: Container, triangle: RunningSandbox, how: str
) -> None:
    container = place_of(mounted, how)
    domain = triangle.domains[0]
    (mounted.ground / "m.toml").write_text(
        f'[profile."default"]\ndomain_uuid = "{domain.uuid}"\ndomain_api_key_env = "KEY"\n'
    )
    given = {"manifest": mounted.ground / "m.toml", "url": triangle.url, "email": OWNER.email}
    triangle.state.set_profile_keys({"call-timeout": 11})  # so that there is something to do
    (triangle.opbx.settings.values or {})["no_answer_timeout"] = 12
    before = (triangle.state.domain(), store_of(container))
    secrets = {"KEY": domain.api_key, "PASSWORD": OWNER.password}
    lines = [line.format(**given) for line in SAVING]
    for line, done in zip(
        lines, container.each(*(map(tuple, map(str.split, lines))), **secrets), strict=True
    ):
        assert done.code == (9 if "--all" in line or "apply" in line else 10), (line, done)
        reason = "is open to other users" if how == PLACES[1] else "cannot be written: "
        assert reason in words(done) + done.stdout, line
        assert "chmod" not in done.stderr
    assert written(triangle) == []
    assert before == (triangle.state.domain(), store_of(container))


def store_of(container: Container) -> bytes:
    return (container.ground / "volume" / "store.toml").read_bytes()


def test_what_is_in_line_is_validated_on_a_read_only_mount(
    mounted: Container, triangle: RunningSandbox
) -> None:
    done = mounted("validate")
    assert done.code == 0, done.stderr
    assert written(triangle) == []


# --- sudo -E


@pytest.mark.parametrize("folders", [(), (".config",), (".config", ".local/share", ".local/state")])
def test_sudo_leaves_nothing_of_roots_in_a_users_home(
    opbx: Opbx, sandbox: RunningSandbox, ground: Path, folders: tuple[str, ...]
) -> None:
    """`sudo -E` keeps HOME: the user's, while the rights are root's."""
    home = ground / "user"
    home.mkdir()
    for name in folders:
        (home / name).mkdir(parents=True)
    give(home)
    before = sorted(home.rglob("*"))
    domain = sandbox.domains[0]
    root = Container(ground, {"HOME": str(home)}, user=0)
    configure = ("configure", "--domain-uuid", domain.uuid, "--api-key-env", "KEY")
    (done, *_others) = root.each(
        configure,
        ("profiles", "list"),
        ("profiles", "history"),
        ("key", "rotate"),
        KEY=domain.api_key,
    )
    assert (done.code, done.stdout) == (10, "")
    assert "belongs to another user" in words(done)
    assert "without `sudo`" in done.stderr
    assert sorted(home.rglob("*")) == before
