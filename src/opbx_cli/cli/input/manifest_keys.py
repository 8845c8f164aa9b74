"""The keys that a manifest names: in variables, in files, or printed by programs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from opbx_cli import settings
from opbx_cli.cli.app import App
from opbx_cli.cli.input.key_files import key_from_file
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError
from opbx_cli.key_command import KeyCommandFailed, key_from_command
from opbx_cli.models import Secret
from opbx_cli.operations.configure import GivenSettings
from opbx_cli.operations.manifest import Entry, KeyPlace
from opbx_cli.values import parse_key


class ManifestKeys:
    """Reads the keys of a manifest, when all else is known to be right."""

    def __init__(self, app: App, entries: Iterable[Entry], *, file: str, folder: Path) -> None:
        """`file` is the manifest's name in messages; relative paths start at `folder`."""
        self._app = app
        self._entries = tuple(entries)
        self._file = file
        self._folder = folder
        self._taken: dict[str | tuple[str, ...], Secret] = {}
        places = (key for entry in self._entries for key in (entry.api_key, entry.webhook_key))
        named = (key.variable for key in places if key is not None and key.variable is not None)
        self._variables = tuple(dict.fromkeys(named))

    def given(self) -> dict[str, GivenSettings]:
        """Return what the manifest gives each profile, with its keys."""
        self._refuse_missing()
        return {
            entry.profile: entry.given.plus(
                domain_api_key=self._key(entry.api_key),
                webhook_api_key=self._key(entry.webhook_key),
            )
            for entry in self._entries
        }

    def _refuse_missing(self) -> None:
        """Name all variables that are missing at once: each would be one more run of a CI job."""
        environ = self._app.environ
        missing = [
            f"{name} (empty)" if name in environ else name
            for name in self._variables
            if not environ.get(name)
        ]
        if missing:
            raise ConfigurationError(
                f"{self._file}: these variables for keys are not set: {', '.join(missing)}",
                hint="nothing was changed; a CI system expands a missing secret to an empty text",
                code=ErrorCode.CONFIGURATION_MANIFEST,
            )

    def _key(self, place: KeyPlace | None) -> Secret | None:
        """Read one key; a variable leaves the environment, and may serve several profiles."""
        if place is None:
            return None
        name = f"{self._file}: {place.name}"
        if place.file is not None:
            return key_from_file(self._folder / place.file, name, warn=self._app.ui.warn)
        if place.command is not None:
            if place.command not in self._taken:
                self._taken[place.command] = self._printed(place.command, name)
            return self._taken[place.command]
        assert place.variable is not None
        if place.variable not in self._taken:
            text = self._app.environ.pop(place.variable)
            key = settings.checked(parse_key, text, name, ConfigurationError)
            self._taken[place.variable] = key
        return self._taken[place.variable]

    def _printed(self, words: tuple[str, ...], name: str) -> Secret:
        """Run a command of the manifest, from the current folder; one may serve several profiles.

        It gets none of the variables that hold keys.
        """
        try:
            key = key_from_command(words, self._app.environ, without=frozenset(self._variables))
        except KeyCommandFailed as problem:
            raise ConfigurationError(
                f"{name}: the command {problem}",
                hint="nothing was changed; run it by itself: it has to print the key, alone",
                code=ErrorCode.CONFIGURATION_MANIFEST,
            ) from None
        return settings.checked(parse_key, key.reveal(), name, ConfigurationError)
