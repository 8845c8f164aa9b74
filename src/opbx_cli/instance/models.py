"""OPBX's nouns, in its API's own words, as frozen values. Any field may be missing: None then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from opbx_cli.models import Secret


class Role(StrEnum):
    OWNER = "owner"  # the only one who may read or change these settings
    PBX_ADMIN = "pbx_admin"
    PBX_USER = "pbx_user"
    REPORTER = "reporter"


@dataclass(frozen=True, slots=True)
class InstanceUser:
    """Who a token speaks for. A role may come that is not known yet."""

    email: str | None
    role: str | None
    organization: str | None  # its name, else its id

    @property
    def is_owner(self) -> bool:
        return self.role == Role.OWNER


@dataclass(frozen=True, slots=True)
class SignedIn:
    token: Secret
    expires_in: int | None  # seconds


@dataclass(frozen=True, slots=True)
class InstanceSettings:
    """The settings that an organisation's page shows: `values`, by our names.

    In the state of July 2026 both keys come masked (`XIf2***e617`): a mask is no key, and is
    told by `opbx_cli.values.masked_ends`. `base_url_in_use` is the one that OPBX itself follows,
    which need not be the one that is saved: a variable of its own may come first. `raw` is what
    OPBX sent, for what has to be sent back as it was read.
    """

    values: Mapping[str, Any]
    base_url_in_use: str | None = None
    raw: Mapping[str, object] = field(default_factory=dict, repr=False)

    @property
    def domain_uuid(self) -> str | None:
        return self.values.get("domain_uuid")

    @property
    def domain_name(self) -> str | None:
        return self.values.get("domain_name")

    @property
    def domain_api_key(self) -> Secret | None:
        return self.values.get("domain_api_key")

    @property
    def webhook_api_key(self) -> Secret | None:
        return self.values.get("webhook_api_key")

    @property
    def webhook_base_url(self) -> str | None:
        return self.values.get("webhook_base_url")


@dataclass(frozen=True, slots=True)
class Written:
    """What OPBX made of new settings; with a warning it could not bring Cloudonix in line."""

    warning: str | None
