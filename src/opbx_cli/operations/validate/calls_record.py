"""What the store remembers of who had the calls, while a run takes them over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from opbx_cli.errors import OpbxError
from opbx_cli.operations.validate.steps import is_in_doubt

if TYPE_CHECKING:
    from opbx_cli.models import CallsBefore
    from opbx_cli.operations.stored_profile import StoredProfile


@contextmanager
def remembering_calls(profile: StoredProfile | None, before: CallsBefore | None) -> Iterator[None]:
    """Save who has the calls before the block takes them, whatever happens then.

    An earlier takeover stays the one that is remembered. A takeover that was refused is forgotten.
    """
    is_noted = (
        profile is not None
        and before is not None
        and profile.edit(lambda now: now if now.calls_before else replace(now, calls_before=before))
    )
    try:
        yield
    except OpbxError as error:
        if profile is not None and is_noted and not is_in_doubt(error):
            with suppress(OpbxError):  # at worst a later takeover is not remembered
                profile.edit(lambda now: replace(now, calls_before=None))
        raise
