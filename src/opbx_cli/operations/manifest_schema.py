"""The JSON Schema of a manifest, from the table of settings: `opbx help manifest` prints it."""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any

from opbx_cli.operations.manifest import PLACES
from opbx_cli.settings.table import KEY_OPTIONS, PLAIN_OPTIONS, Setting

ABOUT = (
    "The profiles that opbx apply saves and validates; the file itself is TOML. Beyond this "
    "schema, no two profiles may have the same domain, and URLs and files are looked at more "
    "closely."
)
KEY_PLACES = {
    "env": ("variable", "The variable that holds {}."),
    "file": (
        "file",
        "The file that holds {}; a relative path starts at the manifest's folder.",
    ),
    "command": (
        "command",
        "The program that prints {}, and its arguments, without a shell: it runs in the current "
        "folder, and with --allow-commands alone.",
    ),
}
NOT_A_KEY = {"not": {"$ref": "#/$defs/key"}}


def text() -> str:
    """Return the schema as the JSON that editors and CI read."""
    return json.dumps(_schema(), indent=2) + "\n"


def _schema() -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Manifest of opbx apply",
        "description": ABOUT,
        "type": "object",
        "additionalProperties": False,
        "required": ["profile"],
        "properties": {
            "profile": {
                "description": 'Tables [profile."NAME"], one for each profile.',
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"},
                "additionalProperties": {"$ref": "#/$defs/settings"},
            }
        },
        "$defs": {
            "settings": _settings(),
            "variable": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,99}$", **NOT_A_KEY},
            "file": {
                "type": "string",
                "pattern": r"^\S(.*\S)?$",
                "maxLength": 4096,
                **NOT_A_KEY,
            },
            "command": {
                "type": "array",
                "minItems": 1,
                "maxItems": 100,
                "items": {
                    "type": "string",
                    "pattern": r"^[^\0]+$",
                    "maxLength": 4096,
                    "not": {"pattern": "^(XI[A-Za-z0-9]{32}$|opbxk1_)"},
                },
            },
            "key": {
                "description": "What looks like a key is refused: it would be in the wrong place.",
                "type": "string",
                "pattern": "^(XI[A-Za-z0-9]{32}|"
                "(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9_~+=-]{20,})$",
            },
        },
    }


def _settings() -> dict[str, Any]:
    places = [f"domain_api_key_{place}" for place in PLACES]
    others = combinations([f"webhook_api_key_{place}" for place in PLACES], 2)
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["domain_uuid"],
        "oneOf": [{"required": [place]} for place in places],
        "not": {"anyOf": [{"required": list(pair)} for pair in others]},
        "properties": {
            **{row.name: _plain(row) for row in PLAIN_OPTIONS},
            **{
                f"{row.name}_{place}": {
                    "description": about.format(row.help),
                    "$ref": f"#/$defs/{noun}",
                }
                for row in KEY_OPTIONS
                for place, (noun, about) in KEY_PLACES.items()
            },
        },
    }


def _plain(row: Setting) -> dict[str, Any]:
    kind = "integer" if row.kind is int else "string"
    choices = {"enum": list(row.choices)} if row.choices else {}
    return {"description": row.help, "type": kind, **(row.schema or {}), **choices}
