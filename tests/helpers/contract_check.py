"""The second opinion on each request: `contract/cloudonix.toml` against what was sent.

It knows nothing of the client and nothing of the sandbox.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONTRACT: dict[str, Any] = tomllib.loads(
    (Path(__file__).parents[1] / "contract" / "cloudonix.toml").read_text()
)
URL_MAX = 255  # characters; OPBX's limit


@dataclass(frozen=True)
class Sent:
    """One request as it went over the wire; header names in lower case, body parsed or None."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: object


def objections(sent: Sent) -> list[str]:
    """Say what is wrong with a request; nothing, if it is one of the documented ones."""
    known = [
        call
        for call in CONTRACT["call"]
        if call["method"] == sent.method and _is_path(sent.path, call["path"])
    ]
    if not known:
        return [f"no source knows {sent.method} {sent.path}"]
    bodies = [_body_objections(call.get("body"), sent.body) for call in known]
    fitting = min(bodies, key=len)
    return [*fitting, *_header_objections(sent)]


def _is_path(path: str, pattern: str) -> bool:
    parts = re.split(r"\{\w+\}", CONTRACT["base"] + pattern)
    return re.fullmatch("[^/?#]+".join(map(re.escape, parts)), path) is not None


def _header_objections(sent: Sent) -> list[str]:
    rules = CONTRACT["headers"]
    found = [f"header {name} is not expected" for name in sent.headers if name not in rules]
    for name, rule in rules.items():
        value = sent.headers.get(name)
        wanted = rule.get("required") or (rule.get("with_body") and sent.body is not None)
        if value is None:
            found += [f"header {name} is missing"] if wanted else []
        elif not re.fullmatch(rule["pattern"], value):
            found.append(f"header {name} has an unexpected value")
        elif rule.get("with_body") and sent.body is None:
            found.append(f"header {name} without a body")
    return found


def _body_objections(shape: Mapping[str, str] | None, body: object) -> list[str]:
    if shape is None:
        return [] if body is None else ["a body where none belongs"]
    if not isinstance(body, dict):
        return ["no JSON object for a body"]
    found = [f"{name} is not documented" for name in body if name not in shape]
    for name, kind in shape.items():
        if name in body:
            found += [] if _is_kind(body[name], kind.rstrip("?")) else [f"{name} is no {kind}"]
        elif not kind.endswith("?"):
            found.append(f"{name} is missing")
    if not found and shape.keys() == {"profile"}:
        found += _profile_objections(body["profile"])
    return found


def _profile_objections(profile: object) -> list[str]:
    if not isinstance(profile, dict):
        return ["profile is no object"]
    found = []
    for name, rule in CONTRACT["profile"].items():
        value = profile.get(name)
        if value is None:
            continue
        if not _is_kind(value, rule["kind"]):
            found.append(f"profile.{name} is no {rule['kind']}")
        elif "from" in rule and not rule["from"] <= int(value) <= rule["to"]:
            found.append(f"profile.{name} is out of OPBX's limits")
    return found


def _is_kind(value: object, kind: str) -> bool:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    match kind:
        case "text":
            return isinstance(value, str) and bool(value)
        case "url":
            is_url = isinstance(value, str) and value.startswith(("https://", "http://"))
            return is_url and len(str(value)) <= URL_MAX
        case "number" | "id":
            return is_number or (isinstance(value, str) and value.isdecimal())
        case "object":
            return isinstance(value, dict)
        case "true":
            return value is True
    return value in kind.split("|")
