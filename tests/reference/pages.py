"""The reference as Markdown: a page for each command, and one each for what they share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from opbx_cli.cli.topics import ENVIRONMENT, FILES
from opbx_cli.error_codes import ErrorCode
from opbx_cli.settings.table import TABLE
from reference.definitions import SHARED
from reference.documents import ERROR, schemas
from reference.tree import Command, Parameter, sentences
from reference.vocabulary import Schema

MADE = "<!-- Made by `make reference`. -->\n\n"
TROUBLESHOOTING = """# Troubleshooting

Every error has a code, which `--json` shows (`error.code`); scripts may be written against it. The
message says on which thing something failed, the hint is the next step. `opbx COMMAND -v` shows the
requests on stderr, keys masked, and `OPBX_DEBUG=1` where in the program an error came from.

## When you do not know what is wrong

<!-- run with: profile -->
```sh
opbx doctor
opbx doctor --bundle for-support.json
```

`opbx doctor` looks at the versions, the store and who can read it, which key opens it, the
profile, the audit trail, the way to the API (proxy, DNS, connection, certificate, this computer's
clock by the server's), and at what Cloudonix and a linked OPBX answer. Each check says what it saw
and what to do; the exit code is 1 if a check failed. `doctor` changes nothing and asks nothing, and
skips what only a passphrase opens.

`--bundle FILE` writes the same to a new file for whoever helps you. Names, paths and URLs are in
it; keys, masks and fingerprints are not. `opbx doctor --read FILE` shows such a file.

## Every error code

"""
# Each wants a setting of its own; the pages by task have commands that follow each other.
NOT_RUN = "<!-- not run: tests/test_options.py parses each example -->"
SPECIAL = re.compile(r"([\\*<\[\]|])")
CODE = re.compile(r"(`[^`]+`)")


def pages(root: Command) -> dict[str, str]:
    """The text of each page by its file's name."""
    made = {f"{one.path[0]}.md": _command_page(one) for one in root.commands}
    return {
        **made,
        "README.md": _index(root),
        "environment.md": _environment(),
        "documents.md": _documents(root),
    }


def troubleshooting() -> str:
    """The page about errors: what each code means, and what cures it."""
    rows = [
        (f"`{code}`", ", ".join(map(str, code.exit_codes)), code.meaning, code.cure)
        for code in ErrorCode
    ]
    return TROUBLESHOOTING + "\n".join(
        _table(("code", "exit", "what it means", "what cures it"), rows)
    )


def schema_file(name: str) -> str:
    """The name of a schema's file."""
    return f"{name.replace('/', '-')}.schema.json"


def _command_page(command: Command) -> str:
    return MADE + "\n".join(line for one in command.walk() for line in _command(one))


def _command(command: Command) -> list[str]:
    level = "#" * len(command.path)
    lines = [f"{level} {command.name}", "", *_prose((command.summary, *command.about))]
    lines += ["```text", *command.usages, "```", ""]
    if command.commands:
        rows = [
            (f"[`{one.name}`](#{_anchor(one.name)})", _plain(one.summary))
            for one in command.commands
        ]
        lines += _table(("command", "does"), rows)
    if not command.is_runnable:
        return lines
    own = [one for one in command.options if not one.is_shared]
    if command.arguments:
        rows = [(_code(one.value), _plain(one.about)) for one in command.arguments]
        lines += _table(("argument", "meaning"), rows)
    if own:
        lines += _table(("option", "meaning"), map(_option, own))
    lines += [*_prose(command.closing), *_shared_sentence(command)]
    lines += [NOT_RUN, "```sh", *command.examples, "```", ""]
    lines += _table(
        ("exit code", "meaning"),
        [(f"{code}", _plain(one)) for code, one in command.endings.items()],
    )
    return lines


def _shared_sentence(command: Command) -> list[str]:
    formats = ", ".join(f"`{one}`" for one in command.formats)
    sentence = (
        "[Options that every command takes](README.md#options-of-every-command); "
        f"`--output` is {formats}."
    )
    if command.documents:
        links = ", ".join(f"[`{one}`](documents.md#{_anchor(one)})" for one in command.documents)
        sentence += f" JSON: {links}."
    return [sentence, ""]


def _option(option: Parameter) -> tuple[str, str]:
    variable = f" Variable: `{option.variable}`." if option.variable else ""
    required = " Required." if option.is_required else ""
    return _code(option.shown), f"{_plain(option.about)}{required}{variable}"


def _index(root: Command) -> str:
    rows = [
        (f"[`{one.name}`]({one.path[0]}.md#{_anchor(one.name)})", _plain(one.summary))
        for one in root.walk()
        if one.is_runnable
    ]
    shared = [one for one in root.commands[0].options if one.is_shared]
    lines = [
        "# Reference",
        "",
        "What `opbx COMMAND --help` and `opbx help TOPIC` say, in one place; so does `man opbx`.",
        "",
        *_table(("command", "does"), rows),
        "Besides: [variables](environment.md), [JSON documents](documents.md), [output and exit",
        "codes](../output.md), [errors](../troubleshooting.md).",
        "",
        "## Options of every command",
        "",
        *_table(("option", "meaning"), map(_shared_option, shared)),
        *_table(("option of `opbx` alone", "meaning"), map(_option, root.options)),
        "## Files",
        "",
        *_listed(FILES),
    ]
    return MADE + "\n".join(lines)


def _shared_option(option: Parameter) -> tuple[str, str]:
    if option.names[-1] == "--output":
        about = "How to answer; each command names its own formats."
        option = replace(option, value="FORMAT", about=about)
    return _option(option)


def _environment() -> str:
    settings = {row.variable: row for row in TABLE if row.variable}
    rows = []
    for name, about in ENVIRONMENT.items():
        row = settings.get(name)
        rows.append((f"`{name}`", _plain(about), f"`{row.name}`" if row is not None else ""))
    lines = [
        "# Variables",
        "",
        "An empty variable counts as unset, but for keys: there it is an error. The last column",
        "names the setting of a profile that a variable stands for.",
        "",
        *_table(("variable", "meaning", "setting"), rows),
    ]
    return MADE + "\n".join(lines)


def _documents(root: Command) -> str:
    printers: dict[str, list[Command]] = {}
    for command in root.walk():
        for name in command.documents:
            printers.setdefault(name, []).append(command)
    lines = [
        "# JSON documents",
        "",
        "With `--json` the answer is one object, with the name of its schema in `schema`; `--all`",
        "and `apply` print one object a line. The number in a name changes when a field goes or",
        "means something else. Fields may be added, so a script passes over those that it does not",
        "know. A field without a value is null. Times are UTC.",
        "",
    ]
    for name, schema in schemas().items():
        lines += [f"## {'Errors' if name == ERROR else name}", ""]
        lines += _printed_by(printers.get(name, []))
        lines += [f"{schema['description']} [JSON Schema](../schemas/{schema_file(name)}).", ""]
        for one in schema.get("anyOf", [schema]):
            lines += [one["description"], ""] if "anyOf" in schema else []
            lines += _table(("field", "type", "meaning"), _fields(one))
    lines += ["## Objects that several have", ""]
    for name, schema in SHARED.items():
        lines += [f"### {_words(name)}", "", schema["description"], ""]
        lines += _table(("field", "type", "meaning"), _fields(schema))
    return MADE + "\n".join(lines)


def _printed_by(commands: list[Command]) -> list[str]:
    links = [f"[`{one.name}`]({one.path[0]}.md#{_anchor(one.name)})" for one in commands]
    return [f"Printed by {', '.join(links)}.", ""] if links else []


def _fields(schema: Schema, start: str = "") -> list[tuple[str, ...]]:
    """Every field of an object, and behind it those of an object in it."""
    rows: list[tuple[str, ...]] = []
    for name, one in schema["properties"].items():
        is_always = name in schema["required"]
        about = one.get("description", "") + ("" if is_always else " Not always there.")
        rows.append((f"`{start}{name}`", _kind(one), _plain(about)))
        inner = one.get("items", one)
        behind = f"{start}{name}{'[]' if 'items' in one else ''}."
        rows += _fields(inner, behind) if "properties" in inner else []
    return rows


def _kind(schema: Schema) -> str:
    """What a value is, in few words."""
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "$ref" in schema:
        name = _words(str(schema["$ref"]).rpartition("/")[2])
        return f"[{name}](#{_anchor(name)})"
    if "const" in schema:
        return f"`{schema['const']}`" if isinstance(schema["const"], str) else "true"
    if "enum" in schema:
        return _choices(schema)
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if "items" in schema:
        return f"list of {_kind(schema['items'])}"
    return " or ".join("time" if one == "string" and "format" in schema else one for one in kinds)


def _choices(schema: Schema) -> str:
    listed = ["null" if one is None else f"`{one}`" for one in schema["enum"]]
    return ", ".join(listed) if len(listed) <= 10 else "string"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return [*(f"| {' | '.join(line)} |" for line in lines), ""]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _prose(texts: Iterable[str]) -> list[str]:
    return [line for text in texts for line in (_plain(text), "")]


def _listed(text: str) -> list[str]:
    return [*(f"- {_plain(one)}" for one in sentences(text)), ""]


def _plain(text: str) -> str:
    """A sentence for Markdown: its signs mean themselves, but for backticks."""
    parts = CODE.split(text)
    return "".join(
        part if number % 2 else SPECIAL.sub(r"\\\1", part) for number, part in enumerate(parts)
    )


def _code(text: str) -> str:
    """A text as it stands, in a cell of a table."""
    return f"`{text.replace('|', chr(92) + '|')}`"


def _anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
