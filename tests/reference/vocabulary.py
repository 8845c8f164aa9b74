"""The few words of JSON Schema that the schemas of documents are written in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
NULL = {"type": "null"}


def text(about: str = "", choices: Iterable[str] = ()) -> Schema:
    """A text; `choices` are all that it can be."""
    listed = [str(one) for one in choices]
    return _described(about, {"type": "string", **({"enum": listed} if listed else {})})


def moment(about: str) -> Schema:
    """A moment in UTC, as RFC 3339 has it."""
    return _described(about, {"type": "string", "format": "date-time"})


def number(about: str) -> Schema:
    return _described(about, {"type": "integer"})


def flag(about: str) -> Schema:
    return _described(about, {"type": "boolean"})


def remote_id(about: str) -> Schema:
    """An ID of Cloudonix's: a number, or digits in a text, as the API sent it."""
    return _described(about, {"type": ["integer", "string"]})


def reference(name: str, about: str) -> Schema:
    """One of the definitions that documents share."""
    return _described(about, {"$ref": f"#/$defs/{name}"})


def one_of(about: str, *schemas: Schema) -> Schema:
    return _described(about, {"anyOf": list(schemas)})


def items(about: str, of: Schema) -> Schema:
    return _described(about, {"type": "array", "items": of})


def by_name(about: str, of: Schema) -> Schema:
    """An object whose names are data."""
    return _described(about, {"type": "object", "additionalProperties": of})


def record(about: str, fields: Mapping[str, Schema], *, optional: Iterable[str] = ()) -> Schema:
    """An object with fields that are always there, but for the `optional` ones."""
    left_out = set(optional)
    return _described(
        about,
        {
            "type": "object",
            "required": [name for name in fields if name not in left_out],
            "properties": dict(fields),
        },
    )


def maybe(schema: Schema) -> Schema:
    """The same, or null."""
    kinds = schema.get("type")
    if "$ref" in schema:
        return {"description": schema["description"], "anyOf": [{"$ref": schema["$ref"]}, NULL]}
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], NULL]}
    widened = {**schema, "type": [*([kinds] if isinstance(kinds, str) else kinds or []), "null"]}
    return {**widened, "enum": [*schema["enum"], None]} if "enum" in schema else widened


def strict(schema: Any) -> Any:
    """The same schema for tests: no object has a field that is not declared."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: strict(one) for name, one in schema.items()}
    if "required" in schema and isinstance(schema.get("properties"), dict):
        return {"additionalProperties": False, **inner}
    return inner


def references(schema: Any) -> set[str]:
    """The names of the definitions that a schema refers to."""
    if isinstance(schema, list):
        return {name for one in schema for name in references(one)}
    if not isinstance(schema, dict):
        return set()
    found = {name for one in schema.values() for name in references(one)}
    target = schema.get("$ref")
    return found | ({target.rpartition("/")[2]} if isinstance(target, str) else set())


def _described(about: str, schema: Schema) -> Schema:
    return {"description": about, **schema} if about else schema
