"""Parts of opbx that are installed only on request."""

from __future__ import annotations

from importlib import import_module

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import ConfigurationError


def require_sandbox_extra(what: str) -> None:
    """Raise `ConfigurationError` with the command that installs the extra, where it is missing."""
    try:
        import_module("h11")
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{what} needs the extra 'sandbox', which is not installed",
            hint="`pip install 'opbx-cli[sandbox]'` in the environment of opbx",
            code=ErrorCode.CONFIGURATION_SANDBOX,
        ) from error
