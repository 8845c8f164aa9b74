"""A profile as the variables of the store-less mode."""

from __future__ import annotations

from collections.abc import Mapping

from opbx_cli import settings as names
from opbx_cli.models import Secret, Settings


def variables_of(settings: Settings) -> Mapping[str, Secret]:
    """Return the variables, those that are set; all as secrets, because some are."""
    values = {
        names.DOMAIN_UUID: settings.domain_uuid,
        names.DOMAIN_API_KEY: settings.domain_api_key,
        names.API_BASE_URL: settings.api_base_url,
        **{
            variable: getattr(settings, setting)
            for setting, variable in names.STORELESS_ONLY.items()
        },
    }
    return {
        name: value if isinstance(value, Secret) else Secret(str(value))
        for name, value in values.items()
        if value is not None
    }
