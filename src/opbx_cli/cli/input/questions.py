"""What `validate` asks before it takes something from somebody whose calls work now."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from opbx_cli.cli.input.prompts import Prompts
from opbx_cli.operations.validate.desired import KeyPlan
from opbx_cli.operations.validate.key_ownership import KeyChoice
from opbx_cli.operations.validate.takeover import CallsChoice, Taken, Takeover
from opbx_cli.operations.validate.wording import NOUNS, named
from opbx_cli.values import clean, is_public, masked_tail


def about_takeovers(
    prompts: Prompts, takeovers: Sequence[Takeover], *, detach: str | None
) -> CallsChoice:
    """Name what goes elsewhere now, where it would go, and the way back.

    `detach` is the command that gives the calls back, where it will remember whose they were.
    """
    lines = [_now(one) for one in takeovers]
    lines += [f"Send them to {_server(takeovers[0].wanted)} instead?", _way_back(takeovers, detach)]
    if not is_public(_host(takeovers[0].wanted)):
        lines.append("The internet cannot reach that address: calls would not arrive.")
    answer = prompts.choose(
        "\n".join(clean(line) for line in lines),
        {
            "y": "switch them",
            "p": "prepare everything, and leave them where they go now",
            "n": "no, change nothing",
        },
        default="n",
    )
    return {"y": CallsChoice.SWITCH, "p": CallsChoice.PREPARE}.get(answer, CallsChoice.NOTHING)


def about_key(prompts: Prompts, key: KeyPlan) -> KeyChoice:
    """Ask whose webhook key is to be in force; without an answer nothing is written."""
    ours = key.own.label if key.own is not None else "none"
    drift = f" ({key.drift})" if key.drift else ""
    answers = {"r": "replace it by this profile's; OPBX refuses calls until it has that one"}
    if key.shown is not None and masked_tail(key.shown) is None:
        answers = {"k": "keep the domain's, and save it in this profile", **answers}
    answers["n"] = "no, change nothing"
    answer = prompts.choose(
        f"Cloudonix has another webhook key ({named(key.shown)}) than this profile ({ours}){drift}."
        "\nOPBX checks every call with the one that is in force.",
        answers,
        default="n",
    )
    return {"k": KeyChoice.KEEP, "r": KeyChoice.REPLACE}.get(answer, KeyChoice.NOTHING)


def _now(one: Takeover) -> str:
    noun = NOUNS[one.kind].capitalize()
    if one.kind in (Taken.SESSION_UPDATES, Taken.CALL_RECORDS):
        return f"{noun} go to {one.url} now."
    where = f" ({one.url})" if one.url else ""
    return f"{noun} go to application '{one.application or one.id}'{where} now."


def _way_back(takeovers: Sequence[Takeover], detach: str | None) -> str:
    applications = [one for one in takeovers if one.kind is Taken.DEFAULT_APPLICATION]
    urls = len(takeovers) - len(applications)
    old_urls = f"enter the old URL{'s' * (urls > 1)}"
    if applications and detach is not None:
        rest = f"; {old_urls} in the Cockpit again" if urls else ""
        return f"(Way back: `{detach}`{rest}.)"
    steps = [f"make '{one.application or one.id}' the default application" for one in applications]
    steps += [old_urls] if urls else []
    return f"(Way back: {' and '.join(steps)} in the Cockpit again.)"


def _server(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""
