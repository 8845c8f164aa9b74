"""The App: what a command works with, each part made when it is first asked for.

Whether a command needs the store or the API client depends on the environment that it runs
in, so that these two are imported here when they are first asked for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from opbx_cli import settings, values
from opbx_cli.cli.inherited_signals import InheritedSignals
from opbx_cli.cli.input.key_files import key_from_file
from opbx_cli.cli.input.options import SharedOptions
from opbx_cli.cli.output.ui import Ui
from opbx_cli.cli.signals import Signals
from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError, StoreError, UsageError
from opbx_cli.key_shapes import path_may_be_key
from opbx_cli.models import Secret
from opbx_cli.operations.webhook import WebhookUrl, resolve_webhook_url
from opbx_cli.settings import ActiveSettings

if TYPE_CHECKING:  # only types: see above for what loads them
    from opbx_cli.cli.clients import Clients
    from opbx_cli.cli.input.prompts import Prompts
    from opbx_cli.cli.storage import Storage
    from opbx_cli.cloudonix import Client, Pace, SandboxClient
    from opbx_cli.env_file import EnvFile
    from opbx_cli.instance import InstanceClient
    from opbx_cli.operations.audit_event import AuditTrail
    from opbx_cli.operations.history import Deed
    from opbx_cli.operations.instance import OpenInstance
    from opbx_cli.store import SaveReport, Store, StoreContents, StorePaths
    from opbx_cli.store.store import Version


class App:
    """One run of one command."""

    def __init__(
        self,
        environ: MutableMapping[str, str],
        *,
        json: bool = False,
        sleep: Callable[[float], None] = time.sleep,
        protect: Callable[[], None] = lambda: None,
    ) -> None:
        """`json` is how errors are worded until the options are known.

        `protect` is called before the first key is read.
        """
        self.environ = environ
        self.inherited_signals = InheritedSignals()
        self.ui = Ui(environ, output="json" if json else "text")
        self.signals = Signals()
        self.profile_name: str | None = None
        self.may_ask = False
        self.has_begun = False
        self._profile_flag: str | None = None
        self._env_file: EnvFile | None = None
        self._sleep = sleep
        self._protect = protect
        self._reading = threading.Lock()
        self._contents: tuple[Version, StoreContents] | None = None
        self._making = threading.Lock()
        self._made_clients: Clients | None = None

    def protect_memory(self) -> None:
        """Keep memory out of dumps and other programs' reach, before the first key comes in."""
        self._protect()

    def begin(self, options: SharedOptions, formats: tuple[str, ...]) -> None:
        """Take the shared options: flag, else variable, else default."""
        self.has_begun = True
        output = self._output(options, formats)
        self.ui = Ui(self.environ, output=output, quiet=options.quiet, verbose=options.verbose)
        named = options.profile or ()
        if len(named) > 1:
            raise UsageError("--profile: given twice, and a command is about one profile")
        self._profile_flag = next(iter(named), None)
        if self._profile_flag is not None:
            self.profile_name = settings.checked(
                values.parse_profile_name, self._profile_flag, "--profile"
            )
        else:
            self.profile_name = settings.from_variable(
                self.environ, "OPBX_PROFILE", values.parse_profile_name
            )
        no_input = options.no_input or settings.from_variable(
            self.environ, "OPBX_NO_INPUT", values.parse_switch
        )
        self.may_ask = self.ui.can_prompt and not no_input

    def refuse_profile(self, why: str) -> None:
        """Refuse `--profile`, for a command that is about several; its variable is passed over."""
        if self._profile_flag is not None:
            raise UsageError(f"--profile: {why}")

    def name_profile(self, name: str) -> str:
        """Take a profile named as an argument: it beats the variable, and fits the flag."""
        name = settings.checked(values.parse_profile_name, name, "the profile's name")
        if self._profile_flag not in (None, name):
            raise UsageError("two profiles are named: by the argument, and by --profile")
        self.profile_name = name
        return name

    @cached_property
    def is_storeless(self) -> bool:
        """Tell whether the environment alone gives the settings, for good or ill."""
        return settings.asks_for_storeless(self.environ)

    @cached_property
    def settings(self) -> ActiveSettings:
        """The settings to work with: the environment's alone, or a stored profile's."""
        if self.is_storeless:
            self._protect()
            active = settings.storeless_settings(
                self.environ, profile=self.profile_name, read_file=self._read_key
            )
        else:
            active = self._stored_settings()
        for warning in active.warnings:
            self.ui.warn(warning)
        return active

    def _read_key(self, path: str, name: str) -> Secret:
        return key_from_file(Path(path), name, warn=self.ui.warn)

    @cached_property
    def store(self) -> Store:
        self._protect()
        return self._storage.store(ask_passphrase=self._ask_passphrase if self.may_ask else None)

    def has_store(self) -> bool:
        """Tell whether there is a store; there is none where there is no home, either."""
        try:
            return self.store.exists()
        except ConfigurationError as error:
            if error.code == ErrorCode.CONFIGURATION_HOME:
                return False
            raise

    def read_store(self) -> StoreContents:
        """Return what the store holds; it is read again only where its file is another one.

        Any thread may call this.
        """
        with self._reading:
            version = self.store.version()  # before reading: a save meanwhile is read next time
            if version is None or self._contents is None or self._contents[0] != version:
                self._contents = (version, self.store.read())
            return self._contents[1]

    def tell_context(self, active: ActiveSettings | None) -> None:
        """Say on a terminal which domain a command is about, and where its settings come from."""
        if active is None or not self.ui.is_rich:
            return
        found = active.settings
        domain = values.clean(found.domain_name or found.domain_uuid or "no domain yet")
        if active.profile is None:
            self.ui.notice(f"Domain {domain}, from the environment (OPBX_DOMAIN_UUID).")
        else:
            self.ui.notice(f"Domain {domain}, profile '{active.profile}' from the store.")

    @contextmanager
    def alone_on(self, active: ActiveSettings) -> Iterator[None]:
        """Hold off other commands that write the same domain from this store."""
        if not active.is_stored:
            yield
            return

        def waiting() -> None:
            self.ui.notice("Another opbx is at work on this domain: waiting for it.")

        found = active.settings
        domain = f"{values.origin(found.api_base_url)} {found.domain_uuid}"
        with self.store.alone_on(domain, waiting=waiting):
            yield

    @cached_property
    def history(self) -> AuditTrail:
        return self._storage.history

    @property
    def trunk_names_folder(self) -> Path:
        return self._storage.trunk_names_folder

    @cached_property
    def paths(self) -> StorePaths:
        return self._storage.paths

    @cached_property
    def _storage(self) -> Storage:
        # 15 ms, most of them for the cipher: the storeless mode does without.
        from opbx_cli.cli.storage import Storage  # noqa: PLC0415

        return Storage(self._home, self.environ)

    @cached_property
    def _home(self) -> str | None:
        """The folder for everything; it is in most messages, so it must not be a key."""
        home = self.environ.get("OPBX_HOME") or None
        if home is not None and path_may_be_key(home):
            raise ConfigurationError(
                "OPBX_HOME names no folder that is there, and may hold a key by mistake: "
                "what it holds is not shown",
                hint="for a new folder give a path with a slash, as in `export OPBX_HOME=./opbx`",
            )
        return home

    @cached_property
    def client(self) -> Client:
        return self.client_for(self.settings)

    def client_for(self, active: ActiveSettings) -> Client:
        """Return a client for these settings; whoever asks for it closes it.

        Any thread may call this: all clients share their limiters.
        """
        return self._clients.client_for(active)

    def sandbox_client_for(self, active: ActiveSettings) -> SandboxClient:
        """Return a client as `client_for` does, for a sandbox."""
        return self._clients.sandbox_client_for(active)

    def open_instance(self, active: ActiveSettings) -> AbstractContextManager[InstanceClient]:
        """Open the way to the OPBX of these settings, as `Clients.open_instance` does."""
        return self._clients.open_instance(active)

    @property
    def pace(self) -> Pace:
        return self._clients.pace

    @property
    def _clients(self) -> Clients:
        with self._making:
            if self._made_clients is None:
                # 110 ms, most of them for HTTP and TLS: what asks nobody anything does without.
                from opbx_cli.cli.clients import Clients  # noqa: PLC0415

                self._made_clients = Clients(self.environ, self.ui, self._sleep)
            return self._made_clients

    def instance_of(self, active: ActiveSettings) -> OpenInstance | None:
        """Return the way to the OPBX of a linked profile; None where there is no link."""
        if active.settings.instance_url is None:
            return None
        return partial(self.open_instance, active)

    @cached_property
    def prompts(self) -> Prompts:
        # 1 ms: what asks nothing does without.
        from opbx_cli.cli.input.prompts import NoPrompts, TerminalPrompts  # noqa: PLC0415

        return TerminalPrompts() if self.may_ask else NoPrompts()

    def confirm(self, question: str, *, yes: bool, doing: str, hint: str | None) -> None:
        """Go on with a yes, given by flag or at the terminal; raise `UsageError` without one."""
        if yes:
            return
        if not self.may_ask:
            raise UsageError(f"{doing} needs a yes", hint=hint, code=ErrorCode.USAGE_WANTS_YES)
        if not self.prompts.confirm(question):
            raise UsageError("not confirmed: nothing was done", code=ErrorCode.USAGE_DECLINED)

    def record(self, *deeds: Deed | None) -> None:
        """Add what a command changed to the audit trail; a failure to do so undoes nothing."""
        made = [deed for deed in deeds if deed is not None]
        if not made:
            return
        try:
            self.history.record(made)
        except (StoreError, ConfigurationError) as error:
            self.ui.warn(f"this change is not in the audit trail: {error.message}")

    def close(self) -> None:
        """Close what was opened."""
        if "client" in self.__dict__:
            self.client.close()

    def _ask_passphrase(self) -> Secret:
        if not self.may_ask:  # any more
            raise StoreError(
                "only its passphrase opens the store now, and this command cannot ask for it"
            )
        passphrase = self.prompts.ask_secret("Passphrase of the store", Secret)
        if passphrase is None:
            raise UsageError("no passphrase was given: nothing was done")
        return passphrase

    def use_env_file(self, option: str | None) -> None:
        """Read OPBX's .env where the option or `OPBX_ENV_FILE` names it, for `webhook_url_of`."""
        path = self.environ.get(settings.ENV_FILE) if option is None else option
        if option is None and not path:
            return
        # 5 ms, for the parser: most commands are given no such file.
        from opbx_cli.env_file import read_env_file  # noqa: PLC0415

        self._env_file = read_env_file(
            path or "",
            settings.OPBX_VARIABLES,
            {name: text for name, text in self.environ.items() if name not in settings.KEYS},
            named_by=settings.ENV_FILE if option is None else "--env-file",
            error=ConfigurationError if option is None else UsageError,
        )
        if self._env_file.warning is not None:
            self.ui.warn(self._env_file.warning)

    def webhook_url_of(self, active: ActiveSettings | None) -> WebhookUrl:
        """Resolve where OPBX is reached. Raises `ConfigurationError` where nothing says so."""
        return resolve_webhook_url(
            settings.webhook_base_url(active, self.environ, self._env_file),
            production=settings.is_production(self.environ, self._env_file),
            active=active,
        )

    def _stored_settings(self) -> ActiveSettings:
        contents = self.read_store()
        self.warn_of_store()
        name, found = contents.find(self.profile_name)
        return settings.stored_settings(
            found,
            profile=name,
            is_default=name == contents.default_profile,
            environ=self.environ,
        )

    def tell_of_new_store(self, report: SaveReport) -> None:
        """Say where the store that a save created is, and what opens it."""
        self.ui.notice(f"A new store was made: {self.paths.store}")
        if report.key_file is None:
            self.ui.notice(
                "It opens with the key that OPBX_STORE_KEY, OPBX_STORE_KEY_FILE or "
                "OPBX_STORE_KEY_COMMAND gives."
            )
            return
        self.ui.notice(f"Its key: {report.key_file}")
        self.ui.notice(
            "Whoever has the store alone (a backup, a dotfile repository) reads no key; whoever "
            "has both files does. Keep a copy of the key apart from the store: without it the "
            "saved keys are lost."
        )

    def warn_of_store(self) -> None:
        for warning in self.store.warnings:
            self.ui.warn(warning)

    def _output(self, options: SharedOptions, formats: tuple[str, ...]) -> str:
        if options.json and options.output not in (None, "json"):
            raise UsageError("--json contradicts --output")
        if options.json:
            return "json"
        expected = f"expected {' or '.join(formats)}"
        if options.output is not None:
            if options.output not in formats:
                raise UsageError(f"--output: {expected}")
            return options.output
        variable = self.environ.get("OPBX_OUTPUT") or "text"
        if variable not in formats:
            raise ConfigurationError(f"OPBX_OUTPUT: {expected}")
        return variable
