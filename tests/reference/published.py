"""Which files the reference is, and what is in them."""

from __future__ import annotations

import json
from pathlib import Path

from opbx_cli.operations import manifest_schema
from reference import manual, pages
from reference.documents import schemas
from reference.tree import root

DOCS = Path(__file__).parents[2] / "docs"
PAGES, MANUAL, SCHEMAS = DOCS / "reference", DOCS / "man", DOCS / "schemas"
FOLDERS = (PAGES, MANUAL, SCHEMAS)  # of nothing else


def files() -> dict[Path, str]:
    """The text of each file of the reference."""
    tree = root()
    return {
        **{PAGES / name: text for name, text in pages.pages(tree).items()},
        **{MANUAL / name: text for name, text in manual.pages(tree).items()},
        **{SCHEMAS / pages.schema_file(name): _json(one) for name, one in schemas().items()},
        DOCS / "troubleshooting.md": pages.troubleshooting(),
        DOCS / "manifest.schema.json": manifest_schema.text(),
    }


def _json(schema: object) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
