"""Where settings come from, and which source wins: pure functions over an environment.

Two sources that never mix: a stored profile, or (`OPBX_DOMAIN_UUID` with
`OPBX_DOMAIN_API_KEY`) the environment alone. The webhook base URL has an order of its
own, because OPBX itself names it in its environment.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, MutableMapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from opbx_cli.errors import ConfigurationError, OpbxError, UsageError
from opbx_cli.models import DEFAULT_API_BASE_URL, Secret
from opbx_cli.settings.table import KEY_OPTIONS, SETTING_NAMES, TABLE, Setting, Settings
from opbx_cli.values import (
    API_KEY_SHAPE,
    BEARER_TOKEN,
    InvalidValue,
    is_endpoint,
    parse_api_timeout,
    parse_email,
    parse_https_url,
    parse_key,
    parse_password,
    parse_webhook_base_url,
)

if TYPE_CHECKING:
    from opbx_cli.env_file import EnvFile

Environment = Mapping[str, str]
Value = TypeVar("Value")
ReadFile = Callable[[str, str], Secret]  # a path, and the name of the variable that has it

VARIABLES = {row.name: row.variable for row in TABLE if row.variable}
DOMAIN_UUID = VARIABLES["domain_uuid"]
DOMAIN_API_KEY = VARIABLES["domain_api_key"]
WEBHOOK_API_KEY = VARIABLES["webhook_api_key"]
API_BASE_URL = VARIABLES["api_base_url"]
# The containers' convention: a variable that names the file with the key, by its own variable.
KEY_FILES = {row.variable: f"{row.variable}_FILE" for row in KEY_OPTIONS}
API_TIMEOUT = "CLOUDONIX_API_TIMEOUT"
STORE_KEY = "OPBX_STORE_KEY"
STORE_KEY_FILE = "OPBX_STORE_KEY_FILE"
STORE_KEY_COMMAND = "OPBX_STORE_KEY_COMMAND"
ALLOW_SHARED_KEY_FILE = "OPBX_ALLOW_SHARED_KEY_FILE"
ALLOW_SHARED_STORE = "OPBX_ALLOW_SHARED_STORE"
# What opens the store is for opbx itself: no program that it starts is given these.
OPENS_THE_STORE = (
    STORE_KEY,
    STORE_KEY_FILE,
    STORE_KEY_COMMAND,
    ALLOW_SHARED_KEY_FILE,
    ALLOW_SHARED_STORE,
)
INSTANCE_URL = "OPBX_INSTANCE_URL"
INSTANCE_TOKEN = "OPBX_INSTANCE_TOKEN"  # noqa: S105  # the name of the variable
INSTANCE_EMAIL = "OPBX_INSTANCE_EMAIL"
INSTANCE_PASSWORD = "OPBX_INSTANCE_PASSWORD"  # noqa: S105  # the name of the variable
# OPBX's own, for what it calls the signature of a session update (January 2026).
SIGNATURE_SECRET = "CLOUDONIX_WEBHOOK_SECRET"  # noqa: S105  # the name of the variable
VERIFY_SIGNATURE = "CLOUDONIX_VERIFY_SIGNATURE"
KEYS = (
    DOMAIN_API_KEY,
    WEBHOOK_API_KEY,
    STORE_KEY,
    INSTANCE_TOKEN,
    INSTANCE_PASSWORD,
    SIGNATURE_SECRET,
)
MODE = "OPBX_APPLICATION_MODE"
DEFAULT_API_TIMEOUT = 30.0  # seconds, as in OPBX
STORELESS_ONLY = {
    name: variable
    for name, variable in VARIABLES.items()
    if variable not in (DOMAIN_UUID, DOMAIN_API_KEY, API_BASE_URL)
}
# OPBX's own variables for the address under which the internet reaches it, best first.
APP_URL = "APP_URL"
EXAMPLE_APP_URL = "http://localhost"  # in OPBX's example `.env`
OPBX_WEBHOOK_VARIABLES = ("OPBX_APPLICATION_WEBHOOK_BASEURL", APP_URL)
UNREAD_VARIABLE = "WEBHOOK_BASE_URL"  # in OPBX's example `.env` (January 2026)
OPBX_VARIABLES = (*OPBX_WEBHOOK_VARIABLES, MODE, UNREAD_VARIABLE)
ENV_FILE = "OPBX_ENV_FILE"


class InstanceLogin(NamedTuple):
    """With what a run without a store signs in to OPBX."""

    email: str
    password: Secret


class ActiveSettings(NamedTuple):
    """The settings a command works with, and where each came from.

    `profile` is None when they came from the environment alone. `origins` names the
    source of each setting: `profile NAME`, a variable, or `default`. `api_key_place` is where a
    manifest says that the API key is; `manifest` is that file, where no store has these settings.
    `instance_login` stands in for a token of OPBX's.
    """

    settings: Settings
    profile: str | None = None
    is_default: bool = False
    origins: Mapping[str, str] = MappingProxyType({})
    warnings: tuple[str, ...] = ()
    api_key_place: str | None = None
    manifest: str | None = None
    instance_login: InstanceLogin | None = None

    @property
    def is_unsaved(self) -> bool:
        return self.manifest is not None

    @property
    def is_stored(self) -> bool:
        return self.profile is not None and not self.is_unsaved

    @property
    def profile_option(self) -> str:
        """The option with which another command works on the same profile, if it needs one."""
        return "" if not self.is_stored or self.is_default else f" --profile {self.profile}"

    @property
    def command(self) -> str:
        """The command that brings Cloudonix in line with these settings."""
        if self.manifest is None:
            return "validate"
        only = f" --only {shlex.quote(self.profile)}" if self.profile else ""
        return f"apply {shlex.quote(self.manifest)} --no-store{only}"

    @property
    def webhook_key_place(self) -> str:
        """Where the webhook key is given without a store; empty where the store has it."""
        if self.is_stored:
            return ""
        place = "webhook_api_key_env of the manifest" if self.is_unsaved else WEBHOOK_API_KEY
        return self.origins.get("webhook_api_key", place)

    def require_webhook_key(self) -> Secret:
        """Return the webhook key. Raises `ConfigurationError` with the way to set one."""
        if self.settings.webhook_api_key is None:
            hint = f"`opbx configure{self.profile_option}` makes one"
            if self.profile is None:
                hint = f"set {WEBHOOK_API_KEY}"
            raise ConfigurationError("no webhook key is set", hint=hint)
        return self.settings.webhook_api_key


class WebhookBaseUrl(NamedTuple):
    """Where OPBX is reached from the internet, and who said so.

    `note` is what has to be said about how it was given.
    """

    url: str
    source: str
    note: str | None = None


def checked(
    parse: Callable[[str], Value], text: str, name: str, error: type[OpbxError] = UsageError
) -> Value:
    """Parse `text`, wording a refusal after the flag or variable `name` that gave it."""
    try:
        return parse(text)
    except InvalidValue as problem:
        hint = None if problem.proposal is None else f"did you mean `{problem.proposal}`?"
        raise error(f"{name}: {problem}", hint=hint) from None


def from_variable(environ: Environment, name: str, parse: Callable[[str], Value]) -> Value | None:
    """Parse a variable; empty counts as unset. Raises `ConfigurationError` (exit 3)."""
    text = environ.get(name, "")
    return checked(parse, text, name, ConfigurationError) if text else None


def key_from_variable(
    environ: MutableMapping[str, str], name: str, parse: Callable[[str], Secret] = parse_key
) -> Secret | None:
    """Take a key out of the environment, so that no child process inherits it.

    A variable that is set but empty is an error: a CI system whose secret is missing
    expands it to nothing, and going on without it would hide that.
    """
    text = environ.pop(name, None)
    return None if text is None else checked(parse, text, name, ConfigurationError)


def asks_for_storeless(environ: Environment) -> bool:
    """Tell whether the environment names a domain or a key, be it half or empty."""
    keys = (DOMAIN_API_KEY, KEY_FILES[DOMAIN_API_KEY])
    return bool(environ.get(DOMAIN_UUID)) or any(name in environ for name in keys)


def storeless_settings(
    environ: MutableMapping[str, str], *, profile: str | None, read_file: ReadFile
) -> ActiveSettings:
    """Read the settings from the environment alone.

    `profile` is the profile somebody named: together with the variables it is an error.
    `read_file` returns the key in a file, which a variable names.
    Raises `UsageError` for half a pair, `ConfigurationError` for a bad value.
    """
    if profile is not None:
        raise UsageError(
            f"a profile is named, and {DOMAIN_UUID} or {DOMAIN_API_KEY} is set: "
            "settings come from one of them, never from both",
            hint=f"`unset {DOMAIN_UUID} {DOMAIN_API_KEY}`, or leave the profile out",
        )
    keys = {row.variable: _key(environ, row.variable, read_file) for row in KEY_OPTIONS}
    key = keys[DOMAIN_API_KEY]
    if key is None or not environ.get(DOMAIN_UUID):
        missing = DOMAIN_API_KEY if key is None else DOMAIN_UUID
        raise UsageError(
            f"{missing} is not set: without a store both {DOMAIN_UUID} and "
            f"{DOMAIN_API_KEY} are needed"
        )
    instance_url, instance_token, login = _instance_variables(environ)
    values: dict[str, Any] = {
        row.name: keys[row.variable] if row.is_secret else _from_environment(environ, row)
        for row in TABLE
        if row.variable
    }
    settings = Settings(**values, instance_url=instance_url, instance_token=instance_token)
    sources = {name: _set_variable(environ, variable) for name, variable in VARIABLES.items()}
    if not environ.get(API_BASE_URL):
        sources["api_base_url"] = "default"
    return ActiveSettings(
        settings,
        origins=origins_of(settings, sources),
        warnings=(*key_warnings(settings), *_cut_off(environ)),
        instance_login=login,
    )


def _cut_off(environ: Environment) -> tuple[str, ...]:
    name = STORELESS_ONLY["webhook_base_url"]
    if not is_endpoint(environ.get(name, "")):
        return ()
    return (f"{name} is one of OPBX's endpoints, whose path was cut off",)


def _from_environment(environ: Environment, row: Setting) -> Any:
    """Return the value of a setting's variable, or the setting's default."""
    value = from_variable(environ, row.variable, row.parse)
    return row.default if value is None else value


def _set_variable(environ: Environment, variable: str) -> str:
    """Return the variable that gives the value: the one that names a file, where that is set."""
    named_by = KEY_FILES.get(variable, "")
    return named_by if named_by in environ else variable


def _key(environ: MutableMapping[str, str], variable: str, read_file: ReadFile) -> Secret | None:
    """Return the key that a variable holds, or that is in the file named by the other one."""
    named_by = KEY_FILES[variable]
    path = environ.get(named_by)
    if path is None:
        return key_from_variable(environ, variable)
    if variable in environ:
        raise UsageError(
            f"{variable} and {named_by} are both set", hint=f"keep one of them: `unset {named_by}`"
        )
    if not path:
        raise ConfigurationError(f"{named_by}: it is empty: the name of a file is expected")
    return read_file(path, named_by)


def _instance_variables(
    environ: MutableMapping[str, str],
) -> tuple[str | None, Secret | None, InstanceLogin | None]:
    """Return OPBX's URL, and a token or what to sign in with; None each where nothing is set.

    Raises `UsageError` where one is set without what belongs to it.
    """
    url = from_variable(environ, INSTANCE_URL, parse_https_url)
    token = key_from_variable(environ, INSTANCE_TOKEN)
    password = key_from_variable(environ, INSTANCE_PASSWORD, parse_password)
    given = [
        name
        for name, key in ((INSTANCE_TOKEN, token), (INSTANCE_PASSWORD, password))
        if key is not None
    ]
    if url is None and given:
        raise UsageError(f"{given[0]} is set, and {INSTANCE_URL} is not: both are needed")
    if url is None:
        return None, None, None
    if len(given) != 1:
        raise UsageError(
            f"{INSTANCE_URL} is set: give either {INSTANCE_TOKEN}, or {INSTANCE_EMAIL} with "
            f"{INSTANCE_PASSWORD}"
        )
    if password is None:
        return url, token, None
    email = from_variable(environ, INSTANCE_EMAIL, parse_email)
    if email is None:
        raise UsageError(f"{INSTANCE_PASSWORD} is set, and {INSTANCE_EMAIL} is not")
    return url, None, InstanceLogin(email, password)


def variables_of(settings: Settings) -> Mapping[str, Secret]:
    """Return a profile as variables, those that are set; all as secrets, because some are."""
    values = {variable: getattr(settings, name) for name, variable in VARIABLES.items()}
    return {
        name: value if isinstance(value, Secret) else Secret(str(value))
        for name, value in values.items()
        if value is not None
    }


def stored_settings(
    settings: Settings, *, profile: str, is_default: bool, environ: Environment
) -> ActiveSettings:
    """Present a stored profile; variables never reach into it, which is said as a warning."""
    warnings = _ignored_warnings(environ, profile, "the store")
    warnings += redirect_warnings(settings.api_base_url, profile=profile, environ=environ)
    sources = dict.fromkeys(SETTING_NAMES, f"profile {profile}")
    if settings.api_base_url == DEFAULT_API_BASE_URL:
        sources["api_base_url"] = "default"
    return ActiveSettings(
        settings,
        profile=profile,
        is_default=is_default,
        origins=origins_of(settings, sources),
        warnings=tuple(warnings),
    )


def unsaved_settings(
    settings: Settings,
    *,
    profile: str,
    manifest: str,
    key_places: Mapping[str, str],
    environ: Environment,
) -> ActiveSettings:
    """Present what the file `manifest` gives a profile, where nothing is stored.

    `key_places` is what it calls the places of the keys, by the settings' names.
    """
    sources = dict.fromkeys(SETTING_NAMES, f"profile {profile} of the manifest")
    sources |= {name: f"{place} of the manifest" for name, place in key_places.items()}
    return ActiveSettings(
        settings,
        profile=profile,
        origins=origins_of(settings, sources),
        warnings=tuple(_ignored_warnings(environ, profile, "the manifest")),
        api_key_place=key_places["domain_api_key"],
        manifest=manifest,
    )


def _ignored_warnings(environ: Environment, profile: str, source: str) -> list[str]:
    """Name the variables of the store-less mode that are set and do not count.

    A key counts as set even when it is empty: that is a secret missing in CI.
    """
    files = (KEY_FILES[WEBHOOK_API_KEY],)
    candidates = (*STORELESS_ONLY.values(), *files, INSTANCE_URL, INSTANCE_TOKEN, INSTANCE_PASSWORD)
    return [
        f"{name} is ignored: profile '{profile}' comes from {source}"
        for name in candidates
        if name in environ and (environ[name] or name in KEYS)
    ]


def redirect_warnings(api_base_url: str, *, profile: str, environ: Environment) -> list[str]:
    """Say that `CLOUDONIX_API_BASE_URL` does not redirect a stored key, where it names another."""
    elsewhere = from_variable(environ, API_BASE_URL, parse_https_url)
    if elsewhere in (None, api_base_url):
        return []
    return [
        f"{API_BASE_URL} is ignored: profile '{profile}' belongs to "
        f"{api_base_url}, and its key goes nowhere else"
    ]


def origins_of(settings: Settings, sources: Mapping[str, str]) -> Mapping[str, str]:
    return {
        name: sources[name]
        for name in SETTING_NAMES
        if name in sources and getattr(settings, name) is not None
    }


def key_warnings(settings: Settings) -> tuple[str, ...]:
    """Say what looks odd about the keys; nothing here is known to be wrong."""
    warnings = []
    if settings.domain_api_key and not API_KEY_SHAPE.fullmatch(settings.domain_api_key.reveal()):
        warnings.append(
            "the domain API key does not look like one of Cloudonix's "
            "(XI and 32 letters or digits): is it the right one?"
        )
    if settings.webhook_api_key and not BEARER_TOKEN.fullmatch(settings.webhook_api_key.reveal()):
        warnings.append(
            "the webhook API key has characters that RFC 6750 does not allow in a bearer "
            "token: some proxies will refuse the callbacks"
        )
    return tuple(warnings)


def api_base_url(environ: Environment) -> str:
    """Return `CLOUDONIX_API_BASE_URL` or Cloudonix's public address."""
    return from_variable(environ, API_BASE_URL, parse_https_url) or DEFAULT_API_BASE_URL


def api_timeout(environ: Environment) -> float:
    """Return `CLOUDONIX_API_TIMEOUT` in seconds, or 30."""
    return from_variable(environ, API_TIMEOUT, parse_api_timeout) or DEFAULT_API_TIMEOUT


def is_production(environ: Environment, env_file: EnvFile | None = None) -> bool:
    """Tell OPBX's mode from `OPBX_APPLICATION_MODE`; unset means development."""
    text, source = _opbx_variable(environ, env_file, MODE)
    mode = text.strip().lower() or "development"
    if mode not in ("production", "development"):
        raise ConfigurationError(f"{source}: expected production or development")
    return mode == "production"


def webhook_base_url(
    active: ActiveSettings | None, environ: Environment, env_file: EnvFile | None = None
) -> WebhookBaseUrl | None:
    """Return the first of: the settings' own URL, OPBX's variable for it, `APP_URL`.

    Either variable is the environment's, else the file's: as OPBX itself reads them.
    """
    if active is not None and active.settings.webhook_base_url is not None:
        source = active.origins["webhook_base_url"]
        return WebhookBaseUrl(active.settings.webhook_base_url, source)
    for name in OPBX_WEBHOOK_VARIABLES:
        text, source = _opbx_variable(environ, env_file, name)
        if text:
            url = checked(parse_webhook_base_url, text, source, ConfigurationError)
            return WebhookBaseUrl(url, source, _note(name, text, source, env_file))
    return None


def _note(name: str, text: str, source: str, env_file: EnvFile | None) -> str | None:
    if is_endpoint(text):
        return f"{source} is one of OPBX's endpoints, whose path was cut off"
    if name != APP_URL or text.rstrip("/").lower() != EXAMPLE_APP_URL:
        return None
    unread = (
        ""
        if env_file is None or UNREAD_VARIABLE not in env_file.assignments
        else (f"; {env_file.place_of(UNREAD_VARIABLE)} is read by nothing, OPBX included")
    )
    return f"{source} is still what OPBX's example has{unread}"


def _opbx_variable(environ: Environment, env_file: EnvFile | None, name: str) -> tuple[str, str]:
    """Return the text of one of OPBX's variables, empty where it is unset, and its source."""
    if environ.get(name) or env_file is None or name not in env_file.assignments:
        return environ.get(name, ""), name
    return env_file.assignments[name].value, env_file.place_of(name)
