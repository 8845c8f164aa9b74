"""Where the values for `configure` come from: flags, stdin, files, variables, answers."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from opbx_cli import settings
from opbx_cli.cli.app import App
from opbx_cli.cli.input.key_files import KEY_FILE_MAX, key_from_file
from opbx_cli.cli.input.prompts import Cleared, Prompts
from opbx_cli.errors import ConfigurationError, UsageError
from opbx_cli.models import Secret
from opbx_cli.operations.configure import GivenSettings, merge, with_unset
from opbx_cli.settings.table import KEY_OPTIONS, PLAIN_OPTIONS, Setting, Settings
from opbx_cli.values import (
    InvalidValue,
    clean,
    is_endpoint,
    parse_domain_uuid,
    parse_key,
    parse_profile_name,
)


def given_by_flags(app: App, options: Mapping[str, Any], unset: list[str]) -> GivenSettings:
    """Check what the flags say; the keys are read last, when all else is known to be right."""
    plain = {
        row.name: settings.checked(_parser(app, row), text, row.option)
        for row in PLAIN_OPTIONS
        if (text := options[row.name]) is not None
    }
    given = with_unset(GivenSettings(plain), unset)
    keys = {row.name: KeyFlags.of(row, options) for row in KEY_OPTIONS}
    for one, other in itertools.combinations(keys.values(), 2):
        if one.stdin and other.stdin:
            both = f"{one.flag}-stdin and {other.flag}-stdin"
            raise UsageError(f"{both}: only one key fits on stdin")
        if one.variable is not None and one.variable == other.variable:
            raise UsageError(f"{one.flag}-env and {other.flag}-env: two keys need two variables")
    return given.plus(**{name: key.read(app.environ, app.prompts) for name, key in keys.items()})


@dataclass(frozen=True, slots=True)
class KeyFlags:
    """The three flags of one key, of which one may be used."""

    flag: str
    stdin: bool
    file: str | None
    variable: str | None
    parse: Callable[[str], Secret] = parse_key

    @classmethod
    def of(cls, row: Setting, options: Mapping[str, Any]) -> KeyFlags:
        """Return those of a setting, from options as `configure` takes them."""
        name = row.option.removeprefix("--").replace("-", "_")
        return cls(row.option, *(options[f"{name}_{place}"] for place in ("stdin", "file", "env")))

    def read(self, environ: MutableMapping[str, str], prompts: Prompts) -> Secret | None:
        used = [self.stdin, self.file is not None, self.variable is not None]
        if sum(used) > 1:
            raise UsageError(f"{self.flag}-stdin, {self.flag}-file, {self.flag}-env: use one")
        if self.stdin:
            return self._from_stdin(prompts)
        if self.file is not None:
            return key_from_file(Path(self.file), f"{self.flag}-file", parse=self.parse)
        if self.variable is not None:
            return self._from_variable(environ, self.variable)
        return None

    def _from_stdin(self, prompts: Prompts) -> Secret:
        name = f"{self.flag}-stdin"
        if sys.stdin is not None and sys.stdin.isatty():
            answer = prompts.ask_secret("Key", self.parse, is_key=self.parse is parse_key)
            if answer is None:
                raise UsageError(f"{name}: no key came: type it when asked, or pipe it in")
            return answer
        text = sys.stdin.read(KEY_FILE_MAX) if sys.stdin is not None else ""
        return settings.checked(self.parse, text, name)

    def _from_variable(self, environ: MutableMapping[str, str], variable: str) -> Secret:
        name = f"{self.flag}-env"
        key = settings.key_from_variable(environ, variable, self.parse)
        if key is None:
            raise ConfigurationError(f"{name}: no such variable is set")
        return key


def ask_new_passphrase(prompts: Prompts) -> Secret:
    """Ask twice, because a slip would lock the store."""
    first = prompts.ask_secret("New passphrase", Secret)
    again = prompts.ask_secret("The same again", Secret)
    if first is None or first != again:
        raise UsageError("the two passphrases differ, or are empty: nothing was changed")
    return first


def ask_for_domain(
    app: App, name: str, before: Settings | None, given: GivenSettings
) -> GivenSettings:
    """Ask for the domain where none is known, or where nothing at all was given."""
    current = None if before is None else before.domain_uuid
    if not given.is_empty and (given.settings.domain_uuid or current):
        return given
    app.ui.pass_on(_beginning(name, before))
    uuid = app.prompts.ask("Domain UUID", parse_domain_uuid, current=current, required=True)
    return given.plus(domain_uuid=uuid)


def _beginning(name: str, before: Settings | None) -> str:
    """Say which profile it is about, and what is needed."""
    if before is None or before.domain_uuid is None:
        return (
            f"New profile '{name}'. It needs a domain's UUID and an API key of that domain; the "
            "Cloudonix Cockpit shows both at the domain's settings."
        )
    return f"Profile '{name}'. Enter keeps what is shown in brackets."


def ask_for_profile(
    app: App, name: str, profiles: Mapping[str, Settings], given: GivenSettings
) -> str:
    """Ask which profile is meant, where another domain would take the place of the stored one."""

    def is_of_another(profile: str) -> bool:
        uuid = profiles[profile].domain_uuid if profile in profiles else None
        return uuid is not None and given.settings.domain_uuid not in (None, uuid)

    def parse(text: str) -> str:
        answer = parse_profile_name(text)
        if answer != name and is_of_another(answer):
            raise InvalidValue("that one is about another domain, too")
        return answer

    if not is_of_another(name):
        return name
    domain = clean(profiles[name].domain_name or profiles[name].domain_uuid or "")
    app.ui.pass_on(
        f"Profile '{name}' is about the domain {domain}. Another name saves this one beside it; "
        f"'{name}' replaces it."
    )
    return app.prompts.ask("Profile", parse, current=name) or name


def _parser(app: App, row: Setting) -> Callable[[str], Any]:
    """Return a setting's parser; that of the webhook base URL says where it cut a path off."""

    def parse(text: str) -> Any:
        value = row.parse(text)
        if row.name == "webhook_base_url" and is_endpoint(text):
            app.ui.warn(f"that is one of OPBX's endpoints; the base URL is {value}")
        return value

    return parse


def ask_for_missing(
    app: App,
    before: Settings | None,
    given: GivenSettings,
    api_base_url: str,
    *,
    everything: bool,
) -> GivenSettings:
    """Ask for what is missing besides the domain; for everything, in order, if that is wanted."""
    now = merge(before, given, api_base_url=api_base_url)
    if everything or now.domain_api_key is None:
        key = app.prompts.ask_secret(
            "Domain API key", parse_key, current=now.domain_api_key, is_key=True
        )
        given = given.plus(domain_api_key=key)
    return _ask_for_optional(app, now, given) if everything else given


def _ask_for_optional(app: App, now: Settings, given: GivenSettings) -> GivenSettings:
    """Ask for what may be unset; `-` unsets it."""
    for row in PLAIN_OPTIONS:
        if not row.if_unset:
            continue
        current = getattr(now, row.name)
        answer = app.prompts.ask_optional(
            row.question,
            _parser(app, row),
            current=None if current is None else str(current),
            without=row.if_unset,
        )
        if answer is Cleared.CLEARED:
            given = replace(given, unset=given.unset | {row.name})
        else:
            given = given.plus(**{row.name: answer})
    return given
