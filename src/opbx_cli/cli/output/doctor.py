"""What is wrong with an installation, as people, programs and a support desk read it."""

from __future__ import annotations

from opbx_cli.cli.output.checks import items_of, objects_of
from opbx_cli.cli.output.parts import Audience, Part, Sentences, Tone, View
from opbx_cli.operations.doctor import Diagnosis


def diagnosis_view(result: Diagnosis) -> View:
    parts: list[Part] = [items_of(result.checks, width=len("environment"))]
    if not result.failed:  # what is not well is for the error behind the checks
        parts.append(Sentences(("", "Nothing failed."), Tone.GOOD, Audience.PEOPLE))
    return View(
        {
            "schema": "opbx.doctor/1",
            "made": result.made,
            "result": "failed" if result.failed else "ok",
            "checks": objects_of(result.checks),
        },
        tuple(parts),
    )
