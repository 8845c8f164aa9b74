"""What `validate` and `apply` are told beforehand: the flags of their questions."""

from typing import Annotated

import typer

from opbx_cli.errors import UsageError
from opbx_cli.operations.validate.desired import Choices
from opbx_cli.operations.validate.key_ownership import KeyChoice
from opbx_cli.operations.validate.takeover import CallsChoice

Yes = Annotated[
    bool,
    typer.Option(
        "--yes",
        "-y",
        help="Do not ask, assume yes: --replace-default and --replace-webhook-key.",
    ),
]
ReplaceDefault = Annotated[
    bool,
    typer.Option(
        "--replace-default",
        help="Take over calls and callbacks that somebody else's application receives now.",
    ),
]
KeepWebhookKey = Annotated[
    bool,
    typer.Option(
        "--keep-webhook-key", help="If the domain has another webhook key, save that one here."
    ),
]
ReplaceWebhookKey = Annotated[
    bool,
    typer.Option(
        "--replace-webhook-key",
        help="If the domain has another webhook key, put this one in force: OPBX needs it then.",
    ),
]
Check = Annotated[
    bool, typer.Option("--check", help="Change nothing; exit 8 if something differs.")
]


def choices_of(*, replace_default: bool, keep_key: bool, replace_key: bool, yes: bool) -> Choices:
    """Return what the flags say; `--yes` says replace where no flag of the key says otherwise."""
    if keep_key and replace_key:
        raise UsageError("--keep-webhook-key and --replace-webhook-key: leave one out")
    key = KeyChoice.REPLACE if replace_key or yes else KeyChoice.UNDECIDED
    return Choices(
        CallsChoice.SWITCH if replace_default else CallsChoice.UNDECIDED,
        KeyChoice.KEEP if keep_key else key,
    )
