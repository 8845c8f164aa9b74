"""Results as people and programs read them: one view for each, one renderer for each form.

`view_of` finds a result's view by its class; only the views of that subject are loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:  # only a type, and every command loads this module
    from opbx_cli.cli.output.parts import View

# Where the view of each result is made.
VIEWS = {
    "CallResult": "sandbox.call_view",
    "Compared": "instance.compared_view",
    "Detached": "detach.detached_view",
    "Demonstration": "sandbox.demonstration_view",
    "Diagnosis": "doctor.diagnosis_view",
    "HistoryList": "profiles.history_view",
    "KeyFile": "webhook.key_file_view",
    "KeyOverview": "keys.overview_view",
    "KeyRotation": "keys.rotation_view",
    "Linked": "instance.linked_view",
    "ListeningAddress": "callbacks.address_view",
    "ProfileChange": "profiles.change_view",
    "ProfileDetail": "profiles.detail_view",
    "ProfileExport": "profiles.export_view",
    "ProfileList": "profiles.list_view",
    "Received": "callbacks.received_view",
    "Report": "validate.report_view",
    "RotatedKey": "webhook.rotated_view",
    "SandboxAddress": "sandbox.address_view",
    "Saved": "profiles.saved_view",
    "Status": "status.status_view",
    "TrunkDetail": "trunks.detail_view",
    "TrunkList": "trunks.list_view",
    "WebhookCheck": "webhook.check_view",
    "WebhookUrl": "webhook.url_view",
}
# What makes a report of views, by its format.
REPORTS = {"junit": "junit.junit_of", "markdown": "markdown.markdown_of"}


def view_of(result: object) -> View:
    """Return the view of a result."""
    return cast("View", _load(VIEWS[type(result).__name__])(result))


def report_of(views: Sequence[View], output: str) -> str:
    """Return one report for a CI job."""
    return cast("str", _load(REPORTS[output])(views))


def _load(place: str) -> Callable[..., object]:
    module, _, name = place.partition(".")
    return cast("Callable[..., object]", getattr(import_module(f"{__name__}.{module}"), name))
