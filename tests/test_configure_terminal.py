"""`configure` and `profiles remove` with a person at a real terminal of 80 columns."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from declared import parsed
from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx
from terminal import BACKSPACE, CTRL_C, CTRL_D, HOME, LEFT, UP, Terminal, on_terminal

UUID = "6b1f0c2e-0000-4000-8000-000000000001"
OTHER_UUID = "6b1f0c2e-0000-4000-8000-000000000002"
KEY = "XI0123456789abcdefghijABCDEFGHIJKL"
OTHER_KEY = "XIzyxwvutsrqponmlkjihgfedcba987654"
HIDDEN = " (typing stays hidden): "
OPTIONAL = (
    "Webhook base URL (Enter: as OPBX's environment says): ",
    "Ring time, seconds (Enter: as the domain has it): ",
    "Recording format, wav or mp3 (Enter: as the domain has it): ",
)
NOW = "Validate the domain now? [Y/n] "


@pytest.fixture
def environ(opbx: Opbx) -> dict[str, str]:
    return opbx.process_environ(NO_COLOR="1")


@pytest.fixture
def saved(opbx: Opbx) -> Opbx:
    argv = ("--domain-uuid", UUID, "--api-key-stdin", "--no-answer-timeout", "45")
    assert opbx("configure", *argv, stdin=KEY).code == 0
    return opbx


def settings(opbx: Opbx) -> dict[str, object]:
    document = opbx("profiles", "show", "--json").document
    return {name: value for name, value in document.items() if value not in (None, [])}


def not_now(terminal: Terminal) -> str:
    """Decline what an interview ends with; return what was said before."""
    said = terminal.expect(NOW)
    terminal.send("n")
    terminal.finish()
    return said


def answer_key(terminal: Terminal, question: str, key: str) -> None:
    """Type a key at a question that is asked without echo."""
    assert terminal.expect(HIDDEN).endswith(f"{question}{HIDDEN}")
    assert not terminal.echoes
    terminal.send(key)


def test_a_new_profile_is_asked_for_in_order(opbx: Opbx, environ: dict[str, str]) -> None:
    with on_terminal("configure", environ=environ, columns=120) as terminal:
        assert terminal.expect("Domain UUID: ").startswith(
            "New profile 'default'. It needs a domain's UUID and an API key of that domain; the "
        )
        terminal.send(UUID)
        assert terminal.expect(UUID)
        answer_key(terminal, "Domain API key", KEY)
        for question, answer in zip(OPTIONAL, (WEBHOOK_BASE_URL, "30", "wav"), strict=True):
            assert terminal.expect("): ").endswith(f"\n{question}")
            terminal.send(answer)
            assert terminal.expect(answer) == answer
        end = not_now(terminal)
        assert terminal.exit_code == 0
    assert "Saved new profile 'default':\n" in end
    assert "Next: opbx validate\n" in end
    assert KEY not in end
    document = settings(opbx)
    assert document["domain_uuid"] == UUID
    assert document["webhook_base_url"] == WEBHOOK_BASE_URL
    assert (document["no_answer_timeout"], document["recording_format"]) == (30, "wav")


def test_enter_takes_no_optional_setting(opbx: Opbx, environ: dict[str, str]) -> None:
    with on_terminal("configure", environ=environ) as terminal:
        terminal.expect("Domain UUID: ")
        terminal.send(f" {UUID.upper()} ")
        answer_key(terminal, "Domain API key", KEY)
        for question in OPTIONAL:
            terminal.expect(question)
            terminal.send("")
        not_now(terminal)
        assert terminal.exit_code == 0
    assert not {"webhook_base_url", "no_answer_timeout", "recording_format"} & settings(opbx).keys()


def test_what_is_stored_is_shown_and_enter_keeps_it(saved: Opbx, environ: dict[str, str]) -> None:
    before = settings(saved)
    store = (saved.home / "store.toml").read_bytes()
    with on_terminal("configure", environ=environ) as terminal:
        begins = terminal.expect(f"Domain UUID [{UUID}]: ")
        assert begins.startswith("Profile 'default'. Enter keeps what is shown in brackets.\n")
        terminal.send("")
        for shown in (
            f"Domain API key [************IJKL]{HIDDEN}",
            OPTIONAL[0],
            "Ring time, seconds [45; - for as the domain has it]: ",
            OPTIONAL[2],
        ):
            assert terminal.expect(shown).strip("\n") == shown
            terminal.send("")
        assert "nothing to save" in not_now(terminal)
        assert terminal.exit_code == 0
    assert settings(saved) == before
    assert (saved.home / "store.toml").read_bytes() == store


def do_not_try(terminal: Terminal) -> None:
    terminal.expect("Try this API key with Cloudonix before it replaces the stored one? [Y/n] ")
    terminal.send("n")


@pytest.mark.parametrize("is_right", [True, False])
def test_a_new_key_is_tried_before_it_replaces_the_stored_one(
    configured: Opbx, sandbox: RunningSandbox, is_right: bool
) -> None:
    right = sandbox.domains[0].api_key
    assert configured("configure", "--api-key-stdin", stdin="XI" + "1" * 32).code == 0
    before = settings(configured)
    with on_terminal("configure", "--api-key-stdin", environ=configured.process_environ()) as one:
        answer_key(one, "Key", right if is_right else OTHER_KEY)
        one.expect("[Y/n] ")
        one.send("")
        shown = one.finish()
        assert one.exit_code == (0 if is_right else 4)
    assert is_right or "nothing was saved" in " ".join(shown.split())
    assert (settings(configured) == before) is not is_right


def test_a_key_that_cannot_be_tried_is_saved_on_a_yes_alone(
    saved: Opbx, environ: dict[str, str]
) -> None:
    argv = ("configure", "--api-base-url", "http://127.0.0.1:9")
    for answer, code in (("n", 2), ("y", 0)):
        with on_terminal(*argv, environ=environ) as terminal:
            answer_key(terminal, "Domain API key", OTHER_KEY)
            terminal.expect("[Y/n] ")
            terminal.send("y")
            terminal.expect("Save it all the same? [y/N] ")
            terminal.send(answer)
            terminal.finish()
            assert terminal.exit_code == code
    assert settings(saved)["api_base_url"] == "http://127.0.0.1:9"


def test_one_answer_changes_one_setting(saved: Opbx, environ: dict[str, str]) -> None:
    before = settings(saved)
    with on_terminal("configure", environ=environ) as terminal:
        terminal.expect("]: ")
        terminal.send("")
        terminal.expect(HIDDEN)
        terminal.send(OTHER_KEY)
        assert terminal.expect("34 characters, ends in 7654.\n")
        for _ in OPTIONAL:
            terminal.expect(": ")
            terminal.send("")
        do_not_try(terminal)
        assert OTHER_KEY not in not_now(terminal)
        assert terminal.exit_code == 0
    after = settings(saved)
    assert after.pop("domain_api_key") != before.pop("domain_api_key")
    assert after == before


def test_an_answer_is_edited_in_its_line(opbx: Opbx, environ: dict[str, str]) -> None:
    with on_terminal("configure", environ=environ) as terminal:
        terminal.expect("Domain UUID: ")
        terminal.send(UUID[1:] + HOME + UUID[0])
        answer_key(terminal, "Domain API key", KEY)
        for answer in ("", "39" + LEFT + BACKSPACE + "5", ""):
            terminal.expect("): ")
            terminal.send(answer)
        not_now(terminal)
    assert settings(opbx)["domain_uuid"] == UUID
    assert settings(opbx)["no_answer_timeout"] == 59


def test_an_earlier_answer_is_not_offered_at_the_next_question(
    saved: Opbx, environ: dict[str, str]
) -> None:
    with on_terminal("configure", environ=environ) as terminal:
        _answer(terminal, 3)
        terminal.send("11")
        terminal.expect(": ")
        terminal.send(UP)
        not_now(terminal)
    assert settings(saved)["no_answer_timeout"] == 11


def test_answers_are_read_from_the_terminal_while_the_result_goes_elsewhere(
    opbx: Opbx, environ: dict[str, str], tmp_path: Path
) -> None:
    with on_terminal("configure", environ=environ, stdout=tmp_path / "result") as terminal:
        assert terminal.expect("Domain UUID: ")
        assert terminal.echoes
        terminal.send(UUID)
        answer_key(terminal, "Domain API key", KEY)
        for _ in OPTIONAL:
            terminal.expect("): ")
            terminal.send("")
        terminal.finish()
        assert terminal.exit_code == 0
    assert settings(opbx)["domain_uuid"] == UUID
    assert "Domain UUID" not in (tmp_path / "result").read_text()


@pytest.mark.parametrize("questions", range(5))
def test_ctrl_c_at_any_question_saves_nothing(
    saved: Opbx, environ: dict[str, str], questions: int
) -> None:
    store = (saved.home / "store.toml").read_bytes()
    with on_terminal("configure", environ=environ) as terminal:
        _answer(terminal, questions)
        terminal.send("", end=CTRL_C)
        end = terminal.finish()
        assert terminal.exit_code == 130
    assert end.removeprefix("^C") == "\nerror: interrupted: the store is intact\n"
    assert (saved.home / "store.toml").read_bytes() == store


@pytest.mark.parametrize("questions", range(5))
def test_ctrl_d_at_any_question_saves_nothing(
    saved: Opbx, environ: dict[str, str], questions: int
) -> None:
    store = (saved.home / "store.toml").read_bytes()
    with on_terminal("configure", environ=environ) as terminal:
        _answer(terminal, questions)
        terminal.send("", end=CTRL_D)
        end = terminal.finish()
        assert terminal.exit_code == 2
    assert end == "\nerror: the input ended at a prompt: nothing was saved\n"
    assert (saved.home / "store.toml").read_bytes() == store


CURSOR_MOVES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
QUESTIONS = (
    f"Domain UUID [{UUID}]: ",
    HIDDEN,
    OPTIONAL[0],
    "Ring time, seconds [45; - for as the domain has it]: ",
    OPTIONAL[2],
)


def _answer(terminal: Terminal, questions: int) -> None:
    """Answer so many questions with Enter, and wait for the next one."""
    for question in QUESTIONS[:questions]:
        terminal.expect(question)
        terminal.send("")
    terminal.expect(QUESTIONS[questions])


def test_ctrl_c_before_the_first_store_leaves_nothing(opbx: Opbx, environ: dict[str, str]) -> None:
    with on_terminal("configure", environ=environ) as terminal:
        terminal.expect("Domain UUID: ")
        terminal.send(UUID)
        terminal.expect(HIDDEN)
        terminal.send("", end=CTRL_C)
        terminal.finish()
        assert terminal.exit_code == 130
    assert not opbx.home.exists()


ASKED = ("Domain UUID: ", HIDDEN, *OPTIONAL)
RIGHT = (UUID, KEY, WEBHOOK_BASE_URL, "30", "wav")
LABELS = ("Domain UUID", "Domain API key", "Webhook base URL", "Ring time, seconds", "Recording")
SLIPS = pytest.mark.parametrize(
    ("number", "slip"),
    [
        (0, f"not-a-uuid-{OTHER_KEY}"),
        (0, ""),
        (1, "short"),
        (1, "************7654"),
        (1, f"{OTHER_KEY} with spaces"),
        (2, f"https://user:{OTHER_KEY}@x.example"),
        (3, "4"),
        (4, "ogg"),
    ],
)


def _type(terminal: Terminal, *answers: str, first: int = 0) -> None:
    for question, answer in zip(ASKED[first:], answers, strict=False):
        terminal.expect(question)
        terminal.send(answer)


@SLIPS
def test_a_wrong_answer_is_explained_and_asked_for_again(
    opbx: Opbx, environ: dict[str, str], number: int, slip: str
) -> None:
    with on_terminal("configure", environ=environ, columns=200) as terminal:
        _type(terminal, *RIGHT[:number], slip)
        explained = terminal.expect("Not taken: ").replace(slip, "")
        _type(terminal, *RIGHT[number:], first=number)
        said = explained + not_now(terminal)
        assert terminal.exit_code == 0
    assert OTHER_KEY not in said
    found = settings(opbx)
    # The answers before it are kept.
    assert (found["domain_uuid"], found["recording_format"]) == (UUID, "wav")
    assert found["no_answer_timeout"] == 30


@SLIPS
def test_the_third_wrong_answer_ends_it_and_saves_nothing(
    opbx: Opbx, environ: dict[str, str], number: int, slip: str
) -> None:
    with on_terminal("configure", environ=environ, columns=200) as terminal:
        _type(terminal, *RIGHT[:number])
        for _ in range(3):
            _type(terminal, slip, first=number)
        end = terminal.finish()
        assert terminal.exit_code == 2
    assert f"\nerror: {LABELS[number]}" in end
    assert OTHER_KEY not in end.split("error:")[1]
    assert not opbx.home.exists()


def test_a_dash_clears_an_optional_value(saved: Opbx, environ: dict[str, str]) -> None:
    assert settings(saved)["no_answer_timeout"] == 45
    with on_terminal("configure", environ=environ) as terminal:
        _answer(terminal, 3)
        terminal.send("-")
        terminal.expect(OPTIONAL[2])
        terminal.send("")
        not_now(terminal)
        assert terminal.exit_code == 0
    assert "no_answer_timeout" not in settings(saved)


def test_a_host_alone_is_proposed_with_its_scheme(opbx: Opbx, environ: dict[str, str]) -> None:
    with on_terminal("configure", environ=environ) as terminal:
        _type(terminal, UUID, KEY, "pbx.example.com")
        terminal.expect("Do you mean https://pbx.example.com? [Y/n] ")
        terminal.send("")
        _type(terminal, "", "", first=3)
        not_now(terminal)
    assert settings(opbx)["webhook_base_url"] == "https://pbx.example.com"


def test_an_endpoint_is_taken_for_the_base_url_and_said_to_be(
    opbx: Opbx, environ: dict[str, str]
) -> None:
    with on_terminal("configure", environ=environ, columns=200) as terminal:
        _type(terminal, UUID, KEY, f"{WEBHOOK_BASE_URL}/api/voice/route")
        terminal.expect(f"that is one of OPBX's endpoints; the base URL is {WEBHOOK_BASE_URL}\n")
        _type(terminal, "", "", first=3)
        not_now(terminal)
    assert settings(opbx)["webhook_base_url"] == WEBHOOK_BASE_URL


def test_the_interview_goes_on_to_validate(
    opbx: Opbx, sandbox: RunningSandbox, environ: dict[str, str]
) -> None:
    domain = sandbox.domains[0]
    argv = {**environ, "CLOUDONIX_API_BASE_URL": sandbox.url}
    with on_terminal("configure", environ=argv) as terminal:
        _type(terminal, domain.uuid, domain.api_key, WEBHOOK_BASE_URL, "", "")
        terminal.expect(NOW)
        terminal.send("")
        shown = terminal.finish()
        assert terminal.exit_code == 0
    assert "Done: calls for sandbox.cloudonix.net go to" in " ".join(shown.split())
    assert "opbx webhook-key reveal" in shown  # what OPBX needs next


def test_nothing_at_the_question_for_the_key_is_a_missing_key(
    opbx: Opbx, environ: dict[str, str]
) -> None:
    with on_terminal("configure", "--domain-uuid", UUID, environ=environ) as terminal:
        answer_key(terminal, "Domain API key", "")
        assert "error: the domain API key is missing\n" in terminal.finish()
        assert terminal.exit_code == 2
    assert not opbx.home.exists()


def test_with_some_flags_only_what_is_missing_is_asked_for(
    opbx: Opbx, environ: dict[str, str]
) -> None:
    argv = ("configure", "--domain-uuid", UUID, "--no-answer-timeout", "30")
    with on_terminal(*argv, environ=environ) as terminal:
        assert terminal.expect(HIDDEN) == f"Domain API key{HIDDEN}"
        terminal.send(KEY)
        assert "Saved new profile" in terminal.finish()
        assert terminal.exit_code == 0
    with on_terminal("configure", "--recording-format", "wav", environ=environ) as terminal:
        assert terminal.finish().startswith("Saved profile 'default':\n")
        assert terminal.exit_code == 0
    assert settings(opbx)["no_answer_timeout"] == 30


def test_another_origin_asks_for_the_key_that_goes_there(
    saved: Opbx, environ: dict[str, str]
) -> None:
    argv = ("configure", "--api-base-url", "https://api.staging.cloudonix.io")
    with on_terminal(*argv, environ=environ) as terminal:
        # The key of the old address is not offered to be kept.
        assert terminal.expect(HIDDEN) == f"Domain API key{HIDDEN}"
        terminal.send("")
        assert "error: another API address needs its own API key" in terminal.finish()
        assert terminal.exit_code == 2
    with on_terminal(*argv, environ=environ) as terminal:
        answer_key(terminal, "Domain API key", OTHER_KEY)
        do_not_try(terminal)
        terminal.finish()
        assert terminal.exit_code == 0
    assert settings(saved)["api_base_url"] == "https://api.staging.cloudonix.io"


@pytest.mark.parametrize(
    ("argv", "variables"), [(("--no-input",), {}), ((), {"OPBX_NO_INPUT": "true"})]
)
def test_no_input_never_asks(
    opbx: Opbx, environ: dict[str, str], argv: tuple[str, ...], variables: dict[str, str]
) -> None:
    with on_terminal("configure", *argv, environ={**environ, **variables}) as terminal:
        assert terminal.finish().startswith("error: the domain UUID is missing\n")
        assert terminal.exit_code == 2
    key = ("--domain-uuid", UUID, "--api-key-stdin")
    with on_terminal("configure", *key, *argv, environ={**environ, **variables}) as terminal:
        assert terminal.finish().startswith("error: --api-key-stdin: no key came: ")
        assert terminal.exit_code == 2
    assert not opbx.home.exists()


def test_a_pipe_at_stdin_is_never_asked(opbx: Opbx, environ: dict[str, str]) -> None:
    with on_terminal("configure", environ=environ, stdin=UUID.encode()) as terminal:
        assert terminal.finish().startswith("error: the domain UUID is missing\n")
        assert terminal.exit_code == 2
    argv = ("configure", "--api-key-stdin")
    with on_terminal(*argv, environ=environ, stdin=KEY.encode()) as terminal:
        assert terminal.finish().startswith("error: the domain UUID is missing\n")
        assert terminal.exit_code == 2
    assert not opbx.home.exists()


def test_a_file_at_stderr_is_never_asked(
    opbx: Opbx, environ: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with on_terminal("configure", environ=environ, stderr=log) as terminal:
        assert terminal.finish() == ""
        assert terminal.exit_code == 2
    assert log.read_text().startswith("error: the domain UUID is missing\n")


def test_questions_go_to_stderr_so_that_stdout_may_be_a_file(
    environ: dict[str, str], tmp_path: Path
) -> None:
    answer = tmp_path / "answer.json"
    with on_terminal("configure", "--json", environ=environ, stdout=answer) as terminal:
        terminal.expect("Domain UUID: ")
        terminal.send(UUID)
        answer_key(terminal, "Domain API key", KEY)
        for question in OPTIONAL:
            terminal.expect(question)
            terminal.send("")
        assert terminal.finish() == "\n"  # where the answer goes to a file nothing follows it
        assert terminal.exit_code == 0
    document = parsed(answer.read_text())
    assert (document["schema"], document["domain_uuid"]) == ("opbx.profile/1", UUID)


def test_a_key_for_stdin_is_typed_without_echo(saved: Opbx, environ: dict[str, str]) -> None:
    before = settings(saved)
    with on_terminal("configure", "--api-key-stdin", environ=environ) as terminal:
        answer_key(terminal, "Key", OTHER_KEY)
        do_not_try(terminal)
        assert OTHER_KEY not in terminal.finish()
        assert terminal.exit_code == 0
    assert settings(saved)["domain_api_key"] != before["domain_api_key"]


@pytest.mark.parametrize(
    ("answer", "code"),
    [("y", 0), ("Yes", 0), ("n", 2), ("", 2), ("yeah", 2), (KEY, 2)],
)
def test_removing_a_profile_asks(
    saved: Opbx, environ: dict[str, str], answer: str, code: int
) -> None:
    with on_terminal("profiles", "remove", "default", environ=environ) as terminal:
        question = terminal.expect("[y/N] ")
        assert question == "Remove profile 'default' and its keys from this computer? [y/N] "
        terminal.send(answer)
        asked_again = answer not in ("y", "Yes", "n", "")
        if asked_again:
            for _ in range(2):
                terminal.expect("Please answer y or n.\n")
                terminal.expect("[y/N] ")
                terminal.send(answer)
        end = terminal.finish()
        assert terminal.exit_code == code
    names = saved("profiles", "list").stdout
    assert (names == "") is (code == 0)
    if code:
        again = "Please answer y or n.\n" * asked_again
        assert end == f"{answer}\n{again}error: not confirmed: nothing was done\n"


@pytest.mark.parametrize(("key", "code"), [(CTRL_C, 130), (CTRL_D, 2)])
def test_no_answer_removes_no_profile(
    saved: Opbx, environ: dict[str, str], key: str, code: int
) -> None:
    with on_terminal("profiles", "remove", "default", environ=environ) as terminal:
        terminal.expect("[y/N] ")
        terminal.send("", end=key)
        terminal.finish()
        assert terminal.exit_code == code
    assert saved("profiles", "list").stdout.startswith("default\t")


def test_no_line_is_wider_than_the_terminal(environ: dict[str, str]) -> None:
    """Questions, notices, results and errors, on a narrow one."""
    with on_terminal("configure", environ=environ, columns=60) as terminal:
        terminal.expect("Domain UUID: ")
        terminal.send(UUID)
        answer_key(terminal, "Domain API key", KEY)
        for _ in OPTIONAL:
            terminal.expect("): ")
            terminal.send("")
        lines = CURSOR_MOVES.sub("", not_now(terminal)).splitlines()
        assert terminal.exit_code == 0
    home = environ["OPBX_HOME"]
    # A path stays whole, so that it can be copied; all else fits.
    assert [line for line in lines if len(line) > 60 and home[:20] not in line] == []


def test_nothing_is_asked_where_nothing_can_be_saved(saved: Opbx, environ: dict[str, str]) -> None:
    (saved.home / "store.toml").chmod(0o644)
    environ["OPBX_ALLOW_SHARED_STORE"] = "1"
    with on_terminal("configure", environ=environ) as terminal:
        shown = terminal.finish()
    assert terminal.exit_code == 10
    assert "is open to other users, and therefore only read" in " ".join(shown.split())
    assert "typing stays hidden" not in shown
