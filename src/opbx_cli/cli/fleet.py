"""`--all`: many profiles, shown in the store's order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from opbx_cli import settings
from opbx_cli.cli.app import App
from opbx_cli.cli.input.selection import active_settings, stored_profiles
from opbx_cli.cli.output import view_of
from opbx_cli.cli.output.fleet import failure_view, profile_view
from opbx_cli.cli.output.parts import View
from opbx_cli.cli.output.ui import Ui
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import DIFFERS, DONE, OpbxError, PartialError
from opbx_cli.http.background import in_order
from opbx_cli.settings import ActiveSettings
from opbx_cli.values import listed

WORKERS = 32  # as many as validate at a time

Warn = Callable[[str], None]
Look = Callable[[ActiveSettings, Warn], object]


def look_at_all(
    app: App,
    only: list[str] | None,
    look: Look,
    *,
    schema: str,
    problem_of: Callable[[Any], OpbxError | None] = lambda _result: None,
    workers: int = WORKERS,
) -> int:
    """Show what `look` returns for each stored profile; return the exit code.

    `schema` is that of a result. What `look` raises, or `problem_of` finds in what it returned, is
    that profile's failure; they are repeated at the end. `look` runs in several threads, and warns
    by its second argument.
    """
    contents, chosen = stored_profiles(app, only)
    settings.api_timeout(app.environ)  # a bad one is everybody's: refuse it once, before all
    actives = active_settings(app, contents, chosen)
    warnings = {name: [*active.warnings] for name, active in actives.items()}
    work = {name: partial(look, one, warnings[name].append) for name, one in actives.items()}
    fleet = Fleet(app.ui, schema, problem_of)
    with app.ui.counting("Reading", len(work)) as advance:
        for name, outcome in in_order(work, workers=workers):
            advance()
            fleet.show(name, outcome, warnings[name])
    return fleet.end()


class Fleet:
    """What was found for many profiles: a line of JSON, a block of text or a part of a report."""

    def __init__(
        self,
        ui: Ui,
        schema: str,
        problem_of: Callable[[Any], OpbxError | None] = lambda _result: None,
    ) -> None:
        self.shown: list[str] = []  # the profiles
        self._ui = ui
        self._schema = schema
        self._problem_of = problem_of
        self._has_shown = False
        self._failures: dict[str, OpbxError] = {}
        self._good: list[View] = []
        self._bad: list[View] = []
        self._differs = False

    def show(self, name: str, outcome: object, warnings: list[str]) -> None:
        view, is_good = self._view(name, outcome, warnings)
        self.shown.append(name)
        if self._ui.output == "json":
            self._ui.write(self._ui.document(view.document, [*self._ui.warnings, *warnings]))
            return
        for warning in dict.fromkeys(warnings):
            self._ui.say_warning(f"{name}: {warning}")
        if self._ui.is_report:
            (self._good if is_good else self._bad).append(view)
        elif isinstance(outcome, OpbxError):
            self._ui.write(self._ui.text(view) if self._ui.is_rich else "")
        else:
            self._ui.write(self._ui.text(profile_view(view, name), follows=self._has_shown))
            self._has_shown = True

    def end(self) -> int:
        """Repeat the failures, and raise them as one: a script has to see them."""
        if self._ui.is_report:
            self._ui.write(self._ui.reports([*self._bad, *self._good]))
        if not self._failures:
            return DIFFERS if self._differs else DONE
        if self._ui.output != "json":
            for name, error in self._failures.items():
                self._ui.fail(error.about(name))
        raise PartialError(
            f"{len(self._failures)} of {len(self.shown)} profiles failed: {listed(self._failures)}",
            hint="the reason is given for each profile",
            code=ErrorCode.PROFILE_SOME_FAILED,
        )

    def _view(self, name: str, outcome: object, warnings: list[str]) -> tuple[View, bool]:
        """Return the view of an outcome, and whether nobody has to look at it."""
        if isinstance(outcome, OpbxError):
            self._failures[name] = outcome
            return failure_view(name, outcome, self._schema), False
        warnings += getattr(outcome, "warnings", ())
        problem = self._problem_of(outcome)
        if problem is not None:
            self._failures[name] = problem
        differs = getattr(outcome, "differs", False)
        self._differs = self._differs or differs
        view = view_of(outcome)
        return replace(view, title=name), not differs and problem is None
