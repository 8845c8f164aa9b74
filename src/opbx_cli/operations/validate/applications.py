"""The voice application: made once, brought in line, and looked for where that is in doubt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opbx_cli.errors import CredentialsError, OpbxError, RemoteError, UnreachableError
from opbx_cli.operations.validate.plan import age, application_changes
from opbx_cli.operations.validate.steps import (
    NOT_SHOWN,
    Status,
    confirmed,
    is_in_doubt,
    not_applied,
)
from opbx_cli.remote import ApplicationSpec, VoiceApplication

if TYPE_CHECKING:
    from opbx_cli.cloudonix import Client
    from opbx_cli.models import ApplicationReference

# Seconds before each further look for an application that was created but is not listed
# yet: two and a half in all, which is longer than any list was seen to lag.
LOOKS = (0.0, 0.5, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Applications:
    """A domain's applications, with what OPBX's own shall be."""

    client: Client
    spec: ApplicationSpec

    def provide(self, known: ApplicationReference | None) -> tuple[VoiceApplication, Status]:
        """Return the application, which no list showed: created, or found after all.

        The one that the settings remember may only be listed late, so it gets some time.
        """
        if known is not None:
            found = self._look_for(lambda entry: entry.id == known.id)
            if found is not None:
                return found, Status.UPDATED
        return self._create()

    def update(self, application: VoiceApplication) -> VoiceApplication:
        """Bring it in line. Raises `RemoteError` where Cloudonix did not do what it accepted."""

        def differs(shown: VoiceApplication | None) -> bool:
            return shown is None or bool(application_changes(shown, self.spec))

        shown = confirmed(
            lambda: self.client.update_application(application, self.spec),
            lambda: self._look_for(lambda entry: entry.id == application.id),
            differs,
        )
        if shown is None or differs(shown):
            raise not_applied(f"the application {application.name} is still as it was")
        return shown

    def _create(self) -> tuple[VoiceApplication, Status]:
        """Create it; where that is refused or in doubt, look before deciding."""
        try:
            created = self.client.create_application(self.spec)
        except CredentialsError:
            raise
        except OpbxError as error:
            if isinstance(error, UnreachableError) and not error.doubtful:
                raise
            found = self._look_for(self._is_ours)
            if found is None:
                raise
            return found, Status.CREATED if is_in_doubt(error) else Status.ADOPTED
        created = created or self._look_for(self._is_ours)
        if created is None:
            raise RemoteError(
                "Cloudonix accepted the new voice application but does not show it",
                hint="run the same command again: it looks for the application first",
                code=NOT_SHOWN,
            )
        return created, Status.CREATED

    def _is_ours(self, application: VoiceApplication) -> bool:
        return application.name == self.spec.name

    def _look_for(self, fits: Callable[[VoiceApplication], bool]) -> VoiceApplication | None:
        """Return the application, the oldest if several fit, as soon as it is listed."""
        for wait in LOOKS:
            if wait:
                self.client.pause(wait)
            found = [entry for entry in self.client.list_applications() if fits(entry)]
            if found:
                return min(found, key=age)
        return None
