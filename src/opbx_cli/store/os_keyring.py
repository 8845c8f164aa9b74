"""The operating system's key ring, through the optional `keyring` package.

Only back ends that belong to an operating system or desktop are used, each made from its
class: what `keyring` would choose can be redirected by a variable, a file or a plug-in, to
a back end that writes keys in the clear or throws them away.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Protocol, TypeVar

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import StoreError
from opbx_cli.store import error_messages

SERVICE = "opbx"
LOCATION = "key ring of the operating system"
TIMEOUT = 3.0  # seconds; a locked key ring may wait for a dialog that nobody sees
_STATE = "the store is as it was"

_BACKENDS = {
    "darwin": (("keyring.backends.macOS", "Keyring"),),
    "win32": (("keyring.backends.Windows", "WinVaultKeyring"),),
}
# In a fixed order: what was written through one is looked for in the same one.
_FREE_DESKTOP = (
    ("keyring.backends.SecretService", "Keyring"),
    ("keyring.backends.libsecret", "Keyring"),
    ("keyring.backends.kwallet", "DBusKeyring"),
    ("keyring.backends.kwallet", "DBusKeyringKWallet4"),
)

Answer = TypeVar("Answer")


class Backend(Protocol):
    def get_password(self, service: str, username: str, /) -> str | None: ...
    def set_password(self, service: str, username: str, password: str, /) -> None: ...
    def delete_password(self, service: str, username: str, /) -> None: ...


class OsKeyring:
    """Entries of ours in the key ring. Every failure is a StoreError that says which."""

    def __init__(self, backend: Backend | None = None, *, timeout: float = TIMEOUT) -> None:
        self._backend = backend
        self._timeout = timeout  # seconds
        self._silence: StoreError | None = None  # no answer is waited for twice

    def get(self, name: str) -> str | None:
        """Return an entry, None if the key ring works and has none of that name."""
        return self._within_time(lambda: self._opened().get_password(SERVICE, name))

    def put(self, name: str, text: str) -> None:
        """Write an entry and read it back: some back ends lose what they are given."""

        def write() -> str | None:
            backend = self._opened()
            backend.set_password(SERVICE, name, text)
            return backend.get_password(SERVICE, name)

        if self._within_time(write) != text:
            raise _refused("does not give back what was written to it")

    def remove(self, name: str) -> None:
        """Delete an entry that may be missing."""

        def delete() -> None:
            backend = self._opened()
            if backend.get_password(SERVICE, name) is not None:
                backend.delete_password(SERVICE, name)

        self._within_time(delete)

    def _opened(self) -> Backend:
        if self._backend is None:
            self._backend = _system_backend()
        return self._backend

    def _within_time(self, call: Callable[[], Answer]) -> Answer:
        """Call in a thread of its own: it can be left behind when the key ring does not answer."""
        if self._silence is not None:
            raise self._silence
        answers: list[Answer] = []
        problems: list[Exception] = []

        def run() -> None:
            try:
                answers.append(call())
            except Exception as error:  # noqa: BLE001  # carried over to the caller's thread
                problems.append(error)

        thread = threading.Thread(target=run, name="opbx-key-ring", daemon=True)
        thread.start()
        thread.join(self._timeout)
        if answers:
            return answers[0]
        if not problems:
            self._silence = _refused(f"did not answer within {self._timeout:g} s (is it locked?)")
            raise self._silence
        if isinstance(problems[0], StoreError):
            raise problems[0]
        # The class alone: what a back end puts into its message is not known to be harmless.
        raise _refused(f"failed ({type(problems[0]).__name__})") from problems[0]


def _system_backend() -> Backend:
    """Return the first back end of the allow-list that works here."""
    try:
        import_module("keyring.errors")  # an extra: is it installed?
    except ImportError:
        raise StoreError(
            f"the key ring needs the extra 'keyring', which is not installed; {_STATE}",
            hint=error_messages.installed().adding("keyring"),
            code=ErrorCode.STORE_KEY_RING,
        ) from None
    for module, name in _BACKENDS.get(sys.platform, _FREE_DESKTOP):
        backend = _backend(module, name)
        if backend is not None:
            return backend
    raise _refused("is missing: none that opbx trusts is running here")


def _backend(module: str, name: str) -> Backend | None:
    try:
        found = getattr(import_module(module), name)
        if not found.viable:
            return None
    except (ImportError, AttributeError, OSError):
        return None
    # KEYRING_PROPERTY_… variables could send the entries to another collection or file.
    deaf = type(name, (found,), {"set_properties_from_env": lambda self: None})  # noqa: ARG005
    made: Backend = deaf()
    return made


def _refused(problem: str) -> StoreError:
    return StoreError(
        f"the {LOCATION} {problem}; {_STATE}",
        hint="unlock it, or see the other ways to open the store with `opbx key status`",
        code=ErrorCode.STORE_KEY_RING,
    )
