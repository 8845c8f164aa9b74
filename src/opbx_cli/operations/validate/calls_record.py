"""What the store remembers of who had the calls, while a run takes them over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from opbx_cli.errors import OpbxError
from opbx_cli.operations.validate.steps import is_in_doubt
from opbx_cli.operations.validate.takeover import is_of_cloudonix

if TYPE_CHECKING:
    from opbx_cli.models import CallsBefore
    from opbx_cli.operations.stored_profile import StoredProfile


@contextmanager
def remembering_calls(profile: StoredProfile | None, before: CallsBefore | None) -> Iterator[None]:
    """Save who has the calls before the block takes them, whatever happens then.

    Where nobody has them now, an earlier takeover stays the one that is remembered. A takeover
    that was refused is forgotten.
    """
    if profile is None or before is None:
        yield
        return
    known = profile.now().calls_before
    is_noted = (known is None or _is_somebodys(before)) and profile.edit(
        lambda now: replace(now, calls_before=before)
    )
    try:
        yield
    except OpbxError as error:
        if is_noted and not is_in_doubt(error):
            with suppress(OpbxError):  # at worst a takeover is remembered that did not happen
                profile.edit(lambda now: replace(now, calls_before=known))
        raise


def _is_somebodys(before: CallsBefore) -> bool:
    """Tell whether somebody switched the calls there: they are not taken without a yes."""
    return before.id is not None and not is_of_cloudonix(before.type)
