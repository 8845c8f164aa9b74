"""Reports for a CI job: Markdown for its summary, JUnit for its list of tests."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest

from opbx_cli.cli.output.junit import junit_of
from opbx_cli.cli.output.markdown import SIZE_MAX, markdown_of
from opbx_cli.cli.output.parts import WARNING, Column, Item, Items, Sentences, Table, View
from opbx_cli.cli.output.validate import report_view
from opbx_cli.operations.validate.steps import Report, Result, Status, Step, StepId
from opbx_cli.sandbox.server import RunningSandbox
from support import WEBHOOK_BASE_URL, Opbx

HOSTILE = "a|b`c <img src=x> [x](y) @octocat *z*\n## h"
COMMANDS = [
    ("validate", "--check"),
    ("validate",),
    ("status",),
    ("webhook-url", "--check"),
]


def suites(text: str) -> list[ET.Element]:
    document = ET.fromstring(text)
    assert document.tag == "testsuites"
    return list(document)


@pytest.mark.parametrize("argv", COMMANDS)
def test_each_command_gives_both_reports(configured: Opbx, argv: tuple[str, ...]) -> None:
    markdown = configured(*argv, "-o", "markdown")
    junit = configured(*argv, "--output", "junit")
    assert markdown.code in (0, 1, 8)
    assert markdown.stdout.startswith("### ")
    assert "| --- |" in markdown.stdout
    (suite,) = suites(junit.stdout)
    assert int(suite.get("tests", "0")) == len(suite.findall("testcase")) > 0
    assert int(suite.get("failures", "0")) == len(suite.findall("testcase/failure"))
    key = configured("webhook-key", "reveal", "--yes").stdout.strip()
    for outcome in (markdown, junit):
        assert key not in outcome.stdout


def test_what_differs_fails_and_what_is_in_line_passes(configured: Opbx) -> None:
    checked = configured("validate", "--check", "-o", "junit")
    assert checked.code == 8
    (suite,) = suites(checked.stdout)
    states = {one.get("name"): [child.tag for child in one] for one in suite}
    assert states["connect"] == []
    assert states["domain-profile"] == ["failure"]
    (case,) = [one for one in suite if one.get("name") == "domain-profile"]
    assert "Ring time" in case[0].get("message", "")
    assert configured("validate").code == 0
    (suite,) = suites(configured("validate", "--check", "-o", "junit").stdout)
    assert suite.get("failures") == "0"


def test_a_failed_run_is_reported_and_its_error_is_on_stderr(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.set_faults("any=401")
    outcome = configured("validate", "-o", "junit")
    assert outcome.code == 4
    (suite,) = suites(outcome.stdout)
    states = {one.get("name"): [child.tag for child in one] for one in suite}
    assert states["connect"] == ["failure"]
    assert states["domain"] == ["skipped"]
    assert outcome.stderr.startswith("error: ")
    (failure,) = suite.iter("failure")
    hint = outcome.stderr.splitlines()[-1].removeprefix("hint: ")
    assert "Cloudonix does not know this API key (401)" in failure.get("message", "")
    assert hint in failure.get("message", "")
    assert hint in configured("validate", "-o", "markdown").stdout.replace("\\", "")


def test_what_waits_for_a_yes_fails_and_says_how(configured: Opbx, sandbox: RunningSandbox) -> None:
    assert configured("validate").code == 0
    sandbox.state.add_application("theirs", url="https://x.example")
    sandbox.state.set_default_application("theirs")
    outcome = configured("validate", "-o", "junit")
    assert outcome.code == 9
    (suite,) = suites(outcome.stdout)
    (failure,) = suite.iter("failure")
    assert "`opbx validate --replace-default`" in failure.get("message", "")
    assert (suite.get("failures"), suite.get("skipped")) == ("1", "0")
    told = configured("validate", "-o", "markdown").stdout
    assert r"| \- | default-application | skipped |" in told


@pytest.mark.parametrize(
    ("steps", "was_interrupted"),
    [
        ((Step(StepId.CONNECT, Status.FAILED, "refused"),), False),
        ((Step(StepId.DEFAULT_APPLICATION, Status.SKIPPED, "theirs", wants="say yes"),), False),
        ((Step(StepId.CONNECT, Status.SKIPPED, "not tried: asked to end"),), True),
        ((Step(StepId.DOMAIN_PROFILE, Status.DIFFERS, ""),), False),
    ],
)
def test_a_run_that_did_not_end_well_has_a_failure(
    steps: tuple[Step, ...], was_interrupted: bool
) -> None:
    report = Report("p", "u", None, steps, was_interrupted=was_interrupted)
    assert report.result is not Result.OK
    (suite,) = suites(junit_of([report_view(report)]))
    assert suite.get("failures") == "1"


def test_a_warning_of_a_check_passes_and_is_told() -> None:
    item = Item(WARNING, ("cdr", "400 \x1b<proves nothing>"), (), note="look into OPBX & its log")
    (suite,) = suites(junit_of([View({}, (Items((item,)),), title="x")]))
    (case,) = suite
    assert [one.tag for one in case] == ["system-out"]
    assert case[0].text == "400 <proves nothing>; look into OPBX & its log"


def test_a_value_that_reads_like_a_verdict_is_none() -> None:
    columns = tuple(map(Column, ("setting", "cloudonix", "result")))
    rows = (("domain_name", "differs", "ok"), ("calls", "", "differs"))
    (suite,) = suites(junit_of([View({}, (Table(columns, rows),), title="x")]))
    assert [[child.tag for child in case] for case in suite] == [[], ["failure"]]


@pytest.mark.parametrize("argv", [(), ("--endpoint", "voice")])
def test_an_address_alone_is_no_report(configured: Opbx, argv: tuple[str, ...]) -> None:
    for form in ("markdown", "junit"):
        outcome = configured("webhook-url", *argv, "-o", form)
        assert (outcome.code, outcome.stdout) == (2, "")
        assert outcome.stderr == f"error: --output {form} belongs to --check\n"


@pytest.mark.parametrize("form", ["markdown", "junit"])
def test_many_profiles_are_one_report(
    start_sandbox: Callable[..., RunningSandbox], opbx: Opbx, form: str
) -> None:
    sandbox = start_sandbox(domains=3)
    for number, domain in enumerate(sandbox.domains):
        argv = ("-p", f"p{number}", "--domain-uuid", domain.uuid, "--api-key-stdin")
        more = ("--api-base-url", sandbox.url, "--webhook-base-url", WEBHOOK_BASE_URL)
        assert opbx("configure", *argv, *more, stdin=domain.api_key).code == 0
    outcome = opbx("validate", "--all", "-o", form)
    assert outcome.code == 0, outcome.stderr
    if form == "junit":
        assert sorted(one.get("name") or "" for one in suites(outcome.stdout)) == ["p0", "p1", "p2"]
    else:
        assert outcome.stdout.count("### p") == 3


def test_what_needs_somebody_is_first_in_a_report(
    start_sandbox: Callable[..., RunningSandbox], opbx: Opbx
) -> None:
    sandbox = start_sandbox(domains=2)
    for name, domain, key in (
        ("a", sandbox.domains[0], sandbox.domains[0].api_key),
        ("b", sandbox.domains[1], "XI" + "0" * 34),
    ):
        argv = ("-p", name, "--domain-uuid", domain.uuid, "--api-key-stdin")
        more = ("--api-base-url", sandbox.url, "--webhook-base-url", WEBHOOK_BASE_URL)
        assert opbx("configure", *argv, *more, stdin=key).code == 0
    outcome = opbx("validate", "--all", "-o", "junit")
    assert outcome.code == 9
    assert [one.get("name") for one in suites(outcome.stdout)] == ["b", "a"]


def test_remote_text_is_text_in_both(configured: Opbx, sandbox: RunningSandbox) -> None:
    sandbox.state.add_application(HOSTILE, url="https://x.example")
    sandbox.state.set_default_application(HOSTILE)
    markdown = configured("validate", "--check", "-o", "markdown").stdout
    for special in ("<img", " @octocat"):
        assert special not in markdown
    assert not re.search(r"(?<!\\)(`c|\[x\]|\*z)", markdown)
    cells = {
        len(re.findall(r"(?<!\\)\|", line))
        for line in markdown.splitlines()
        if line.startswith("|")
    }
    assert cells == {5}  # no text makes a cell more
    junit = configured("validate", "--check", "-o", "junit").stdout
    assert "<img" in ET.tostring(suites(junit)[0], encoding="unicode").replace("&lt;", "<")


def test_a_summary_that_would_be_too_large_says_what_is_left_out() -> None:
    views = [View({}, (Sentences(("x" * 1000,)),), title=f"p{number}") for number in range(1100)]
    text = markdown_of(views)
    assert len(text.encode()) <= SIZE_MAX + 200
    assert text.endswith("more of 1100 are left out: the summary would be too large.\n")


def test_github_shows_errors_and_warnings_with_the_job(configured: Opbx) -> None:
    outcome = configured("trunks", "show", "no%such", GITHUB_ACTIONS="true")
    assert outcome.code == 5
    first, second = outcome.stderr.splitlines()[:2]
    assert first.startswith("::error::no trunk of this domain has that name")
    assert second.startswith("error: ")
    assert outcome.stdout == ""
    assert "::error" not in configured("trunks", "show", "none").stderr
    document = configured("trunks", "show", "none", "--json", GITHUB_ACTIONS="true")
    assert json.loads(document.stderr)["error"]["code"] == "trunk.not_found"


@pytest.mark.parametrize("argv", [("trunks", "list"), ("profiles", "list")])
def test_other_commands_have_no_reports(configured: Opbx, argv: tuple[str, ...]) -> None:
    outcome = configured(*argv, "-o", "junit")
    assert outcome.code == 2
    assert outcome.stderr.startswith("error: --output: expected text or json")
