"""Writes the reference: pages, manual and schemas, and removes what belongs to none any more."""

from __future__ import annotations

from reference.published import FOLDERS, files

if __name__ == "__main__":
    made = files()
    for folder in FOLDERS:
        folder.mkdir(parents=True, exist_ok=True)
        for path in {*folder.iterdir()} - {*made}:
            path.unlink()
    for path, text in made.items():
        path.write_text(text, encoding="utf-8", newline="\n")
