"""What `opbx instance` did: the link, and OPBX's copy beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from opbx_cli.cli.output.parts import Json, Sentences, View
from opbx_cli.cli.output.text import change_line, change_object
from opbx_cli.operations.instance import Compared, Linked
from opbx_cli.operations.validate.desired import Change
from opbx_cli.values import clean


def linked_view(result: Linked) -> View:
    return View(_document(result, result="linked"), (Sentences(_linked_lines(result)),))


def compared_view(result: Compared) -> View:
    document = _document(
        result, result=result.result, direction=result.direction, changes=result.changes
    )
    return View(document, (Sentences(tuple(_compared_lines(result))),))


def _document(
    link: Linked | Compared,
    *,
    result: str,
    direction: str | None = None,
    changes: Sequence[Change] = (),
) -> Json:
    """Return the link, and what went which way over it; null where nothing did."""
    expires = _moment(link.expires)
    return {
        "schema": "opbx.instance/1",
        "profile": link.profile,
        "url": link.url,
        "organization": link.organization,
        "token_expires": None if expires is None else f"{expires:%Y-%m-%dT%H:%M:%SZ}",
        "direction": direction,
        "result": result,
        "changes": [change_object(change) for change in changes],
    }


def _moment(expires: int | None) -> datetime | None:
    return None if expires is None else datetime.fromtimestamp(expires, UTC)


def _linked_lines(result: Linked) -> tuple[str, ...]:
    """Say what is linked, for how long, and what to run next."""
    expires = _moment(result.expires)
    whose = f", organisation {clean(result.organization)}" if result.organization else ""
    until = "" if expires is None else f" The token lasts until {expires:%Y-%m-%d %H:%M} UTC."
    new = "New profile" if result.is_new_profile else "Profile"
    return (
        f"{new} '{result.profile}' is linked to {result.url}{whose}.{until}",
        f"Next: opbx instance pull{result.profile_option}",
    )


def _compared_lines(result: Compared) -> list[str]:
    """Say what differs between OPBX's copy and ours, or what was done about it."""
    changes = [f"  {change_line(change)}" for change in result.changes]
    option = result.profile_option
    if result.result == "unchanged":
        ours = "the environment" if result.profile is None else f"profile '{result.profile}'"
        return [f"OPBX at {result.url} has the same settings as {ours}."]
    if result.result == "updated" and result.direction == "pull":
        saved = f"Saved OPBX's settings in profile '{result.profile}':"
        return [saved, *changes, f"Next: opbx validate{option}"]
    if result.result == "updated":
        written = f"Written to OPBX at {result.url}, and read back:"
        looked = "OPBX wrote to Cloudonix too: looked at again, everything is in line."
        if not result.is_in_line:
            looked = f"OPBX wrote to Cloudonix too. Next: opbx validate{option}"
        return [written, *changes, looked]
    where = "would be saved here" if result.direction == "pull" else "would be written to OPBX"
    how = f"`opbx instance {result.direction}{option}` does that."
    return [f"These {where}:", *changes, *([how] if result.profile else [])]
